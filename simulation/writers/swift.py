"""Swift-XRT: cleaned lists of photon counting. TIME is the start of a frame, not its middle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

import numpy as np
from astropy.io import fits

from xherald.photons import SkyProjection
from xherald.photons.arrays import F64
from xherald.simulation.exposure import RecordedEvents, SimulatedExposure
from xherald.simulation.random_streams import stream

from .exposure_facts import Clock, ExposureHeader
from .fits_blocks import Changes, Column, axis_keywords, gti_table, sky_keywords, table
from .mission_writer import Layout, MissionWriter, any_of, grid_positions

__all__ = ["CLOCK", "SwiftWriter", "bad_pixel_table", "event_columns", "events_table", "gti_tables"]


CLOCK: Final = Clock(51910, 7.4287037e-4)
GRID: Final = (1.0, 1000.0)
PIXEL_MM: Final = 0.04

# XRT grades: 0 single, 1–4 double, 5–8 triple, 9–12 quadruple, larger: not X-rays (Burrows et al. 2005, §2.6.2).
GRADES: Final[Mapping[int, tuple[int, ...]]] = {
    0: (0,),
    1: (1, 2, 3, 4),
    2: (5, 6, 7, 8),
    3: (9, 10, 11, 12),
    7: (13, 18, 25, 32),
}


def event_columns(
    events: RecordedEvents, sky: SkyProjection, frame_time: float, rng: np.random.Generator
) -> list[Column]:
    """Columns of EVENTS.

    Parameters
    ----------
    events : RecordedEvents — times of the middle of the frame
    sky : SkyProjection
    frame_time : float — s
    rng : numpy.random.Generator — for the grades of split events
    """
    x, y, on = grid_positions(events, sky, GRID)
    channel = np.rint(events.energy * 100.0)
    raw, det = (0, 599), (1, 600)
    return [
        Column("TIME", "1D", "s", events.time - 0.5 * frame_time),
        Column("X", "1I", "pixel", np.where(on, x, -1), null=-1, legal=(1, 1000)),
        Column("Y", "1I", "pixel", np.where(on, y, -1), null=-1, legal=(1, 1000)),
        Column("RAWX", "1I", "pixel", events.chip_x - 1, legal=raw),
        Column("RAWY", "1I", "pixel", events.chip_y - 1, legal=raw),
        Column("DETX", "1I", "pixel", events.chip_x, legal=det),
        Column("DETY", "1I", "pixel", events.chip_y, legal=det),
        Column("PHA", "1J", "chan", np.clip(np.rint(channel / 0.3), 0, 4095), legal=(0, 4095)),
        Column("PI", "1J", "chan", channel, null=-4095, legal=(0, None)),
        Column("GRADE", "1I", "", any_of(events.grade, GRADES, rng)),
        Column("STATUS", "16X", "", np.zeros((len(events), 16), dtype=np.bool_)),
    ]


def shared_header(facts: ExposureHeader) -> dict[str, object]:
    """Keywords of the primary header and all tables."""
    return {
        "TELESCOP": ("SWIFT", "Telescope (mission) name"), "INSTRUME": ("XRT", "Instrument name"),
        "DATAMODE": ("PHOTON", "Datamode"), "OBS_ID": (facts.obs_id, "Observation ID"),
        "TARG_ID": (int(facts.obs_id[:8]), "Target ID"), "SEG_NUM": (int(facts.obs_id[8:]), "Segment number"),
        "OBJECT": (facts.object_name, "Object name"),
        **facts.times(CLOCK), "CLOCKAPP": (False, "If clock correction are applied (F/T)"),
        "TELAPSE": (facts.stop - facts.start, "elapsed time"), "ONTIME": (facts.longest, "On-source time"),
        "LIVETIME": (facts.longest * facts.live_fraction, "Deadtime corrected on-source time"),
        "EXPOSURE": (facts.longest * facts.live_fraction, "Exposure time"),
        "DEADC": (facts.live_fraction, "Deadtime correction"), "DEADAPP": (False, "Has DEADC been applied to data"),
        "EQUINOX": (2000.0, "Equinox of celestial coord system"), "RADECSYS": ("FK5", "celestial coord system"),
        "RA_OBJ": (facts.ra, "[deg] R.A. Object"), "DEC_OBJ": (facts.dec, "[deg] Dec Object"),
        "RA_PNT": (facts.ra, "[deg] RA pointing"), "DEC_PNT": (facts.dec, "[deg] Dec pointing"),
        "PA_PNT": (facts.roll % 360.0, "[deg] Position angle (roll)"),
        **facts.made(CLOCK),
    }  # fmt: skip


def events_table(
    columns: list[Column], facts: ExposureHeader, sky: SkyProjection, changes: Changes | None = None
) -> fits.BinTableHDU:
    """The EVENTS table."""
    names = [one.name for one in (changes or Changes()).of(columns)]
    header: dict[str, object] = {
        **shared_header(facts), "HDUCLASS": "OGIP", "HDUCLAS1": "EVENTS", "OBS_MODE": "POINTING",
        "TASSIGN": ("SATELLITE", "Time assigned by clock"), "TIERRELA": 1e-8, "TIERABSO": 1.0,
        "TIMEPIXR": (0.0, "Bin time beginning=0 middle=0.5 end=1"),
        "TIMEDEL": (facts.frame_time, "Data time resolution"), "CCDEXPOS": facts.frame_time,
        "RA_NOM": facts.ra, "DEC_NOM": facts.dec, "XRTPHA": True, "XRTPI": True, "XPITYPE": "TOTAL",
        "DSTYP1": "GRADE", "DSFORM1": "I", "DSVAL1": "0:12",
        "MTYPE1": "SKY", "MFORM1": "X, Y", "MTYPE2": "DET", "MFORM2": "DETX, DETY", "MTYPE3": "RAW",
        "MFORM3": "RAWX, RAWY", **sky_keywords(names, sky, "X", "Y"),
    }  # fmt: skip
    for axis in ("RAWX", "RAWY"):
        header |= axis_keywords(names, axis, axis, value=299.5, pixel=300.5, step=1)
    for axis in ("DETX", "DETY"):
        header |= axis_keywords(names, axis, axis, value=0.0, pixel=300.5, step=PIXEL_MM, unit="mm")
    return table("EVENTS", columns, header, changes=changes)


def gti_tables(facts: ExposureHeader) -> list[fits.BinTableHDU]:
    """The GTI table."""
    # TIMEZERO of the events applies to good times; as in the archive, their table does not have it.
    header = {"HDUCLASS": "OGIP", "HDUCLAS1": "GTI", "HDUCLAS2": "STANDARD", **shared_header(facts), "TIMEZERO": None}
    return [gti_table("GTI", facts.good, header)]


def bad_pixel_table(dead_columns: Sequence[int], facts: ExposureHeader) -> fits.BinTableHDU:
    """The BADPIX table, whose columns count from 0, as RAWX and RAWY."""
    raw, n = np.asarray(dead_columns, dtype=np.int64) - 1, len(dead_columns)
    columns = [
        Column("RAWX", "1I", "pixel", raw, legal=(0, 599)),
        Column("RAWY", "1I", "pixel", np.zeros(n), legal=(0, 599)),
        Column("Amp", "1I", "", np.ones(n)),
        Column("TYPE", "1I", "", np.full(n, 2)),
        Column("YEXTENT", "I", "", np.full(n, 600)),
        Column("BADFLAG", "16X", "", np.zeros((n, 16), dtype=np.bool_)),
    ]
    return table("BADPIX", columns, {"HDUCLASS": "OGIP", "HDUCLAS1": "BADPIX", **shared_header(facts)})


class SwiftWriter(MissionWriter):
    """Cleaned lists of XRT in photon counting."""

    clock: ClassVar[Clock] = CLOCK
    digits: ClassVar[int] = 11
    grid: ClassVar[tuple[float, float]] = GRID

    def file_name(self, exposure: SimulatedExposure, *, compress: bool) -> str:
        """Archive name: window 3 is the full frame."""
        return f"sw{exposure.obs_id}xpcw3po_cl.evt" + ".gz" * compress

    def energy_as_read(self, energy: F64) -> F64:
        """A channel is 10 eV."""
        channel: F64 = np.rint(energy * 100.0)
        return channel * 10e-3

    def layout(self, exposure: SimulatedExposure, events: RecordedEvents) -> Layout:
        """EVENTS, GTI and bad pixels."""
        facts = self.facts(exposure)
        sky = exposure.telescope.projection_at(exposure.observing.ra, exposure.observing.dec)
        columns = event_columns(events, sky, facts.frame_time, stream(exposure.seed, "grade"))
        dead = exposure.telescope.chips[0].dead_columns
        bad = [bad_pixel_table(dead, facts)] if dead else []
        return Layout([events_table(columns, facts, sky), *gti_tables(facts), *bad], shared_header(facts))
