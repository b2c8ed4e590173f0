"""eROSITA: merged lists of all telescope modules, of the survey (em01) or of a pointing (fm00).

Special properties: an orthographic sky grid; positions also as scaled numbers; TUNIT "deg" for columns that are not
angles, as in the archive; good-time and dead-time tables for each module, with its number in their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import numpy as np
from astropy.io import fits

from xherald.photons import SkyProjection
from xherald.photons.arrays import F64, Mask
from xherald.photons.gti import Gti
from xherald.simulation.exposure import Fault, RecordedEvents, SimulatedExposure
from xherald.simulation.random_streams import stream

from .exposure_facts import Clock, ExposureHeader
from .fits_blocks import Changes, Column, gti_table, sky_keywords, table
from .mission_writer import Layout, MissionWriter, ev_on_grid

__all__ = ["CLOCK", "ErositaWriter", "attitude_tables", "event_columns", "events_table", "gti_tables"]


CLOCK: Final = Clock(51543.875)
MODULES: Final = (1, 2, 3, 4, 5, 6, 7)
ADU_PER_EV: Final = 1.0 / 0.86
SUBPIXEL: Final = (1.0 / 150.0, -253.0 / 300.0)
"""TSCAL and TZERO of SUBX and SUBY: the centre of the pixel is 0."""

# PAT_TYP counts the pixels of a valid pattern and is negative for others (eSASS DR1, description of the extensions).
PATTERNS: Final = {0: 1, 1: 2, 2: 3, 3: 4, 7: -5}

GOOD_FLAG: Final = 0x12
FLAGS: Final = {Fault.HOT_PIXEL: 0x1000, Fault.COSMIC_RAY: 0x40000000, Fault.BAD_GRADE: 0x80000000}
"""Bits of the selection 0xC000F000 that archive lists are cut with; their individual meanings are not published."""


def event_columns(events: RecordedEvents, sky: SkyProjection, rng: np.random.Generator) -> list[Column]:
    """Columns of EVENTS.

    Parameters
    ----------
    events : RecordedEvents
    sky : SkyProjection
    rng : numpy.random.Generator — for positions within pixels
    """
    n = len(events)
    # Sky pixels of 0.05″ in the archive are integers, stored in 8 bytes.
    x, y = (np.rint(pixels) for pixels in sky.to_pixel(events.ra, events.dec))
    ev = ev_on_grid(events.energy)
    scale, zero = SUBPIXEL
    sub_x, sub_y = np.rint((rng.uniform(-0.5, 0.5, (2, n)) - zero) / scale)
    codes = np.zeros(8, dtype=np.int64)
    codes[list(PATTERNS)] = list(PATTERNS.values())
    flag = np.full(n, GOOD_FLAG, dtype=np.int64)
    for fault, bit in FLAGS.items():
        flag |= np.where(events.fault & int(fault), bit, 0)
    return [
        Column("TIME", "D", "s", events.time),
        Column("RA", "D", "deg", np.rint(events.ra * 1e6), scale=(1e-6, 0.0)),
        Column("DEC", "D", "deg", np.rint(events.dec * 1e6), scale=(1e-6, 0.0)),
        Column("X", "D", "deg", x),
        Column("Y", "D", "deg", y),
        Column("PI", "E", "deg", ev),
        Column("EV_WEIGHT", "E", "deg", np.zeros(n)),
        Column("RAWX", "I", "deg", events.chip_x),
        Column("RAWY", "I", "deg", events.chip_y),
        Column("SUBX", "D", "deg", sub_x, scale=SUBPIXEL),
        Column("SUBY", "D", "deg", sub_y, scale=SUBPIXEL),
        Column("PHA", "I", "deg", np.clip(np.rint(ev * ADU_PER_EV), 1, 16383)),
        Column("PAT_TYP", "I", "deg", codes[events.grade]),
        Column("PAT_INF", "B", "deg", np.where(events.grade == 0, 4, 16)),
        Column("TM_NR", "B", "deg", events.detector),
        Column("FLAG", "J", "deg", flag.astype(np.uint32).view(np.int32)),
        Column("FRAMETIME", "D", "s", events.time),
        Column("RECORDTIME", "D", "s", events.time + RECORDED_LATER_S),
    ]


RECORDED_LATER_S: Final = 1.3
"""Approximate delay of events at the recorder."""


def identity(facts: ExposureHeader) -> dict[str, object]:
    """Observatory, target and mode."""
    modules = sorted(facts.gti)
    header: dict[str, object] = {
        "MISSION": ("SRG", "Mission"), "TELESCOP": ("eROSITA", "Telescope / camera"),
        "INSTRUME": ("merged" if len(modules) > 1 else f"TM{modules[0]}", "Instrument"), "NINST": len(modules),
    }  # fmt: skip
    header |= {f"INSTRUM{k}": (f"TM{module}", "Name of instrument") for k, module in enumerate(modules, 1)}
    return header | {
        "OBS_MODE": ("SURVEY" if facts.survey else "POINTING", "SURVEY, POINTING, or SLEW"), "DATAMODE": "",
        "FRAMETIM": (facts.frame_time * 1e3, "[ms] Nominal frame time"), "FILTER": ("FILTER", "Filter wheel position"),
        "SKYFIELD": (facts.obs_id if facts.survey else "", "survey field identifier"),
        # In the archive OBS_ID of survey lists is empty; here it is always set, because detections are named after it.
        "OBS_ID": (facts.obs_id, "Observation ID"), "OBJECT": (facts.object_name, "Target from proposal"),
    }  # fmt: skip


def event_header(facts: ExposureHeader) -> dict[str, object]:
    """Keywords of EVENTS but for the columns' own."""
    return {
        **facts.made(CLOCK), **identity(facts),
        "RA_OBJ": (facts.ra, "RA [deg] J2000 scheduled pointing direction"),
        # Also zero in the archive: readers must not use it as a position.
        "DEC_OBJ": (0.0, "DEC [deg] J2000 scheduled pointing direction"),
        **facts.times(CLOCK),
        "RA_PNT": (facts.ra, "RA [deg] J2000"), "DEC_PNT": (facts.dec, "DEC [deg] J2000"),
        "PA_PNT": (facts.roll % 360.0, "pointing pos angle"), "RADECSYS": "FK5", "EQUINOX": 2000.0,
        "FLAGSEL": (-1073680384, "Flag selection: 0xC000F000"),
        "PAT_SEL": (15, "Pattern selection (1=s,3=s+d,7=s+d+t)"), "GTI_SEL": ("GTI", "GTI selection"),
        "NENERGY": 1, "EMIN1": 0.2, "EMAX1": 10.0, "HDUVERS": "1.0.0", "HDUCLAS1": "EVENTS",
    }  # fmt: skip


def events_table(
    columns: list[Column], facts: ExposureHeader, sky: SkyProjection, changes: Changes | None = None
) -> fits.BinTableHDU:
    """The EVENTS table."""
    names = [one.name for one in (changes or Changes()).of(columns)]
    return table("EVENTS", columns, event_header(facts) | sky_keywords(names, sky, "X", "Y"), changes=changes)


def gti_tables(gti: Mapping[int, Gti], facts: ExposureHeader) -> list[fits.BinTableHDU]:
    """GTIn, one table for each module."""
    header = {**CLOCK.keywords, "HDUCLASS": "OGIP", "HDUCLAS1": "GTI", "HDUCLAS2": "STANDARD"}
    return [
        gti_table(f"GTI{module}", rows, {"TELESCOP": "eROSITA", "INSTRUME": f"TM{module}", **header}, form="D")
        for module, rows in gti.items()
    ]


def dead_time_tables(live_fractions: Mapping[int, float], facts: ExposureHeader) -> list[fits.BinTableHDU]:
    """DEADCORn, one table for each module: the live fraction at the start and the stop of the exposure."""
    times = np.array([facts.start, facts.stop])
    return [
        table(
            f"DEADCOR{module}",
            [Column("TIME", "D", "s", times), Column("DEADC", "E", "", np.full(2, live))],
            {"TELESCOP": "eROSITA", "INSTRUME": f"TM{module}", **CLOCK.keywords},
        )
        for module, live in live_fractions.items()
    ]


def attitude_tables(exposure: SimulatedExposure) -> list[fits.BinTableHDU]:
    """CORRATTn, one table for each module: direction of the axis and roll angle once a second in good time."""
    observing = exposure.observing
    sky = exposure.telescope.projection_at(observing.ra, observing.dec)
    tables = []
    for module, gti in observing.gti.items():
        time = np.concatenate([np.arange(np.floor(start), np.ceil(stop) + 1.0) for start, stop in gti])
        time = np.unique(time)
        west, north = observing.boresight(time)
        x, y = sky.x_reference - west / 3600.0 / sky.x_step, sky.y_reference + north / 3600.0 / sky.y_step
        ra, dec = sky.to_sky(x, y)
        columns = [
            Column("TIME", "D", "s", time),
            Column("RA", "D", "deg", ra),
            Column("DEC", "D", "deg", dec),
            Column("ROLL", "D", "deg", np.full(len(time), observing.roll % 360.0)),
        ]
        header = {"TELESCOP": "eROSITA", "INSTRUME": f"TM{module}", **CLOCK.keywords}
        tables.append(table(f"CORRATT{module}", columns, header))
    return tables


class ErositaWriter(MissionWriter):
    """Merged lists of eROSITA, including flagged events."""

    clock: ClassVar[Clock] = CLOCK
    digits: ClassVar[int] = 6

    def file_name(self, exposure: SimulatedExposure, *, compress: bool) -> str:
        """Sky tiles of the survey are em01, pointings of the performance verification fm00."""
        survey = self.facts(exposure).survey
        name = f"em01_{exposure.obs_id}_020_EventList_c010" if survey else f"fm00_{exposure.obs_id}_020_EventList_c001"
        return f"{name}.fits" + ".gz" * compress

    def in_file(self, events: RecordedEvents) -> Mask:
        """All events, also flagged ones."""
        return np.ones(len(events), dtype=np.bool_)

    def energy_as_read(self, energy: F64) -> F64:
        """PI is in eV, not rounded."""
        return ev_on_grid(energy) * 1e-3

    def layout(self, exposure: SimulatedExposure, events: RecordedEvents) -> Layout:
        """EVENTS, then GTI, dead-time and, of a scan, attitude tables of each module."""
        facts = self.facts(exposure)
        sky = exposure.telescope.projection_at(exposure.observing.ra, exposure.observing.dec)
        columns = event_columns(events, sky, stream(exposure.seed, "subpixel"))
        live = dict.fromkeys(facts.gti, facts.live_fraction)
        return Layout(
            [
                events_table(columns, facts, sky),
                *gti_tables(facts.gti, facts),
                *dead_time_tables(live, facts),
                *(attitude_tables(exposure) if facts.survey else []),
            ],
            {**identity(facts), **facts.made(CLOCK), **facts.times(CLOCK)},
        )
