"""XMM-Newton EPIC: pipeline lists of MOS1, MOS2 and pn (MIEVLI, PIEVLI), and the pipeline's source list (OBSMLI).

Special properties: rows grouped by CCD; all events in the list, flagged if the pipeline rejects them; the time zero in
the tables, not in the primary header; the frame time in the headers of exposure and GTI tables only, in ms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
from astropy.io import fits
from numpy.typing import ArrayLike

from xherald.photons import SkyProjection
from xherald.photons.arrays import F64, Mask
from xherald.photons.gti import Gti
from xherald.simulation.exposure import Fault, RecordedEvents, SimulatedExposure
from xherald.simulation.random_streams import stream

from .exposure_facts import Clock, ExposureHeader
from .fits_blocks import Changes, Column, axis_keywords, gti_table, sky_keywords, table, write_file
from .mission_writer import Layout, ListedSource, MissionWriter, any_of, grid_positions

__all__ = ["CLOCK", "XmmWriter", "event_columns", "events_table", "gti_tables", "source_list"]


CLOCK: Final = Clock(50814.0)
GRID: Final = (1.0, 51840.0)
NO_POSITION: Final = -99999999
LAST_CHANNEL: Final = 15_000
PIXEL_ARCSEC: Final = 0.05

# Users Handbook §3.3.11: singles, doubles, triples and quadruples in their orientations; 13 and above are not X-rays.
PATTERNS: Final[Mapping[int, tuple[int, ...]]] = {
    0: (0,),
    1: (1, 2, 3, 4),
    2: (5, 6, 7, 8),
    3: (9, 10, 11, 12),
    7: (13, 25, 26, 31),
}
FLAGS: Final = {Fault.HOT_PIXEL: 0x200000, Fault.COSMIC_RAY: 0x80000, Fault.BAD_GRADE: 0}
"""Bits ON_BADPIX and COSMIC_RAY, as defined by the keywords XMMEA_21 and XMMEA_19."""


SELECTIONS: Final[Mapping[str, Mapping[str, object]]] = {
    "EMOS1": {"XMMEA_EM": ("(FLAG & 0x766ba000) == 0", "Select good MOS events")},
    "EMOS2": {"XMMEA_EM": ("(FLAG & 0x766ba000) == 0", "Select good MOS events")},
    "EPN": {"XMMEA_EP": ("(FLAG & 0xcfa0000) == 0", "Select good PN events")},
}
"""The filters #XMMEA_EM and #XMMEA_EP of the Science Analysis System."""

MODES: Final = {"EMOS1": "PrimeFullWindow", "EMOS2": "PrimeFullWindow", "EPN": "PrimeFullWindow"}
COARSEST_S: Final = 1.0
"""Rows of the exposure tables are frames, or blocks of frames that are shorter than this."""


def event_columns(
    events: RecordedEvents, sky: SkyProjection, instrument: str, facts: ExposureHeader, rng: np.random.Generator
) -> list[Column]:
    """Columns of EVENTS, in the order of the rows of `events`.

    Parameters
    ----------
    events : RecordedEvents
    sky : SkyProjection
    instrument : str — "EMOS1", "EMOS2" or "EPN"
    facts : ExposureHeader
    rng : numpy.random.Generator — for the patterns of split events
    """
    x, y, on = grid_positions(events, sky, GRID)
    det_x, det_y = _camera(x - sky.x_reference, y - sky.y_reference, facts.roll)
    energy = np.rint(events.energy * 1e3)
    pn = instrument == "EPN"
    rows, ccds = ((1, 200), (1, 12)) if pn else ((1, 602), (1, 17))
    flag = np.zeros(len(events), dtype=np.int64)
    for fault, bit in FLAGS.items():
        flag |= np.where(events.fault & int(fault), bit, 0)
    columns = [
        Column("TIME", "D", "s", events.time),
        Column("RAWX", "I", "PIXELS", events.chip_x, legal=(1, 64) if pn else (-4, 605)),
        Column("RAWY", "I", "PIXELS", events.chip_y, legal=rows),
        Column("DETX", "I", "pixel", det_x, legal=(-32768, 32767)),
        Column("DETY", "I", "pixel", det_y, legal=(-32768, 32767)),
        Column("X", "J", "pixel", np.where(on, x, NO_POSITION), null=NO_POSITION, legal=GRID),
        Column("Y", "J", "pixel", np.where(on, y, NO_POSITION), null=NO_POSITION, legal=GRID),
        Column("PHA", "I", "CHAN", np.clip(np.rint(energy / (5.0 if pn else 3.3)), 0, 4095), legal=(0, 32767)),
        Column("PI", "I", "CHAN", np.clip(energy, 0, 32767), legal=(0, LAST_CHANNEL)),
        Column("FLAG", "J", "", flag),
        Column("PATTERN", "B", "", any_of(events.grade, PATTERNS, rng), legal=(0, 31)),
    ]
    if pn:
        zeros = np.zeros(len(events))
        columns += [Column("PAT_ID", "B", "", zeros), Column("PAT_SEQ", "B", "", zeros)]
    return [*columns, Column("CCDNR", "B", "", events.detector, legal=ccds)]


def _camera(x: ArrayLike, y: ArrayLike, angle: float) -> tuple[F64, F64]:
    """DETX and DETY, 0.05″, of sky pixels from the axis; the camera is mirrored and rotated by the angle."""
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    det_x, det_y = (np.clip(np.rint(v), -32768, 32767) for v in (-cos * x - sin * y, -sin * x + cos * y))
    return det_x, det_y


def identity(facts: ExposureHeader, instrument: str) -> dict[str, object]:
    """Observatory, target and mode."""
    return {
        "DATAMODE": ("IMAGING", "Instrument mode (IMAGING or TIMING)"), "TELESCOP": ("XMM", "XMM mission"),
        "INSTRUME": (instrument, "EPIC Instrument"), "OBS_ID": (facts.obs_id, "Observation Identifier"),
        "EXP_ID": (f"{facts.obs_id}{EXPOSURES[instrument][1:]}", "Exposure Identifier"),
        "DATE-OBS": (CLOCK.date(facts.start), "Start time of exposure"),
        "DATE-END": (CLOCK.date(facts.stop), "End time of exposure"),
        "OBS_MODE": ("POINTING", "Observation mode (pointing or slew)"),
        "OBJECT": (facts.object_name, "Name of observed object"),
        "RA_OBJ": (facts.ra, "[deg] RA of target"), "DEC_OBJ": (facts.dec, "[deg] Dec of target"),
        "RA_NOM": (facts.ra, "[deg] RA of nominal boresight"),
        "DEC_NOM": (facts.dec, "[deg] Dec of nominal boresight"),
        "EXPIDSTR": (EXPOSURES[instrument], "Exposure ID"), "FILTER": ("Thin1", "Filter ID"),
        "SUBMODE": (MODES[instrument], "Guest Observer mode"),
        "EQUINOX": (2000.0, "Equinox for sky coordinate x/y axes"),
        "RADECSYS": ("FK5", "World coord. system for this file"),
        "RA_PNT": (facts.ra, "[deg] Actual (mean) RA of the optical axis"),
        "DEC_PNT": (facts.dec, "[deg] Actual (mean) Dec of the optical axis"),
        "PA_PNT": (facts.roll % 360.0, "[deg] Actual (mean) position angle"),
    }  # fmt: skip


EXPOSURES: Final = {"EMOS1": "S001", "EMOS2": "S002", "EPN": "S003"}


def event_header(facts: ExposureHeader, instrument: str) -> dict[str, object]:
    """Keywords of EVENTS but for the columns' own."""
    times = facts.times(CLOCK)
    header: dict[str, object] = {
        **times, **identity(facts, instrument),
        "TASSIGN": ("SATELLITE", "Location of time assignment"),
        "TELAPSE": (facts.stop - facts.start, "[s] Full time interval for the exposure"),
        "XMMEA_19": ("(FLAG & 0x80000) != 0", "COSMIC_RAY"), "XMMEA_21": ("(FLAG & 0x200000) != 0", "ON_BADPIX"),
        **SELECTIONS[instrument],
    }  # fmt: skip
    header |= {f"ONTIME{n:02d}": (good, "Sum of GTIs for a particular CCD") for n, good in facts.ontime.items()}
    live = facts.live_fraction
    header |= {f"LIVETI{n:02d}": (good * live, "Live time for a particular CCD") for n, good in facts.ontime.items()}
    header |= {"ONTIME": (facts.longest, "[s] Longest good time of a CCD"), "LIVETIME": facts.longest * live}
    return header | facts.made(CLOCK)


def events_table(
    columns: list[Column], facts: ExposureHeader, instrument: str, sky: SkyProjection, changes: Changes | None = None
) -> fits.BinTableHDU:
    """The EVENTS table."""
    names = [one.name for one in (changes or Changes()).of(columns)]
    reference: dict[str, object] = {}
    for axis, kind, value, step in (("X", "RA-", sky.ra, sky.x_step), ("Y", "DEC", sky.dec, sky.y_step)):
        reference |= {
            f"REF{axis}CTYP": f"{kind}--{sky.kind}", f"REF{axis}CRPX": sky.x_reference, f"REF{axis}CRVL": value,
            f"REF{axis}CDLT": step, f"REF{axis}LMIN": 1, f"REF{axis}LMAX": int(GRID[1]), f"REF{axis}CUNI": "deg",
        }  # fmt: skip
    header = event_header(facts, instrument) | reference | sky_keywords(names, sky, "X", "Y")
    for axis in ("DETX", "DETY"):
        header |= axis_keywords(names, axis, f"{axis}_ANG", value=0.0, pixel=0, step=PIXEL_ARCSEC / 3600, unit="deg")
    return table("EVENTS", columns, header, changes=changes)


def _of_ccd(facts: ExposureHeader, instrument: str, ccd: int) -> dict[str, object]:
    """Keywords of the tables of one CCD."""
    return {
        "TELESCOP": "XMM", "INSTRUME": instrument, "OBS_ID": facts.obs_id, "EXPIDSTR": EXPOSURES[instrument],
        "DATAMODE": "IMAGING", "CCDMODE": MODES[instrument],
        "CCDID": (ccd, "Numerical identifier of the CCD"), "CCDNODE": (0, "CCD Node"),
        "FRMTIME": (facts.frame_time * 1e3, "[ms] Frame integration time"),
        **CLOCK.keywords, "TIMEZERO": 0.0, "CLOCKAPP": True, "TIMEREF": "LOCAL", "TASSIGN": "SATELLITE",
        "TSTART": facts.start, "TSTOP": facts.stop,
    }  # fmt: skip


def exposure_tables(facts: ExposureHeader, instrument: str) -> list[fits.BinTableHDU]:
    """Live fraction of each frame, one table for each CCD."""
    step = facts.frame_time * max(1, int(np.ceil(COARSEST_S / facts.frame_time)))
    edges = facts.start + step * np.arange(int(np.ceil((facts.stop - facts.start) / step)) + 1)
    columns = [
        Column("TIME", "D", "s", 0.5 * (edges[1:] + edges[:-1])),
        Column("TIMEDEL", "E", "s", np.full(len(edges) - 1, step)),
        Column("FRACEXP", "E", "FRACTION", np.full(len(edges) - 1, facts.live_fraction)),
    ]
    return [
        table(f"EXPOSU{ccd:02d}", columns, {**_of_ccd(facts, instrument, ccd), "DATATYPE": "IMAGE.EL"}, version=1)
        for ccd in facts.gti
    ]


def gti_tables(gti: Mapping[int, Gti], facts: ExposureHeader, instrument: str) -> list[fits.BinTableHDU]:
    """STDGTInn, one table for each CCD."""
    made = []
    for ccd, rows in gti.items():
        good = float(np.diff(np.asarray(rows).reshape(-1, 2)).sum())
        header = {
            **_of_ccd(facts, instrument, ccd), "DATATYPE": "GTI.EL", "NUMGTI": len(rows),
            "ONTIME": good, "LIVETIME": good * facts.live_fraction,
            "HDUCLASS": "OGIP", "HDUCLAS1": "GTI", "HDUCLAS2": "STANDARD",
        }  # fmt: skip
        made.append(gti_table(f"STDGTI{ccd:02d}", rows, header, form="D", unit="SECONDS", version=1))
    return made


def source_list(
    ra: ArrayLike, dec: ArrayLike, error_arcsec: ArrayLike, counts: ArrayLike, header: Mapping[str, object]
) -> fits.BinTableHDU:
    """The table SRCLIST: for each source a summary row (ID_INST = ID_BAND = 0) and one of the camera."""
    both = np.repeat(np.arange(len(np.asarray(ra))), 2)
    of_source = [np.asarray(values, dtype=np.float64)[both] for values in (ra, dec, error_arcsec, counts)]
    camera = np.tile([0, 1], len(both) // 2)
    columns = [
        Column("ML_ID_SRC", "J", "", both + 1),
        Column("ID_INST", "J", "", camera),
        Column("ID_BAND", "J", "", camera),
        Column("SCTS", "E", "count", of_source[3]),
        Column("SCTS_ERR", "E", "count", np.sqrt(of_source[3])),
        Column("RA", "D", "deg", of_source[0]),
        Column("DEC", "D", "deg", of_source[1]),
        Column("RADEC_ERR", "E", "arcsec", of_source[2]),
    ]
    return table("SRCLIST", columns, header)


class XmmWriter(MissionWriter):
    """Pipeline lists of one EPIC camera.

    Parameters
    ----------
    instrument : {"EMOS1", "EMOS2", "EPN"}
    """

    clock: ClassVar[Clock] = CLOCK
    digits: ClassVar[int] = 10
    grid: ClassVar[tuple[float, float]] = GRID

    def __init__(self, instrument: str) -> None:
        self.instrument = instrument

    def file_name(self, exposure: SimulatedExposure, *, compress: bool) -> str:
        """Name of the pipeline product: FTZ is compressed, FIT is not."""
        camera = {"EMOS1": "M1S001MIEVLI", "EMOS2": "M2S002MIEVLI", "EPN": "PNS003PIEVLI"}[self.instrument]
        return f"P{exposure.obs_id}{camera}0000." + ("FTZ" if compress else "FIT")

    def in_file(self, events: RecordedEvents) -> Mask:
        """All events, also flagged ones."""
        return np.ones(len(events), dtype=np.bool_)

    def screened(self, events: RecordedEvents) -> Mask:
        """FLAG 0 and patterns up to quadruples, for pn up to doubles."""
        highest = 1 if self.instrument == "EPN" else 3
        flagged = events.fault & int(Fault.HOT_PIXEL | Fault.COSMIC_RAY)
        passes: Mask = (flagged == 0) & (events.grade <= highest)
        return passes

    def energy_as_read(self, energy: F64) -> F64:
        """PI is in eV."""
        channel: F64 = np.rint(energy * 1e3)
        return channel * 1e-3

    def layout(self, exposure: SimulatedExposure, events: RecordedEvents) -> Layout:
        """EVENTS, then exposure and GTI tables of each CCD; rows by CCD, and by time within a CCD."""
        facts, instrument = self.facts(exposure), self.instrument
        sky = exposure.telescope.projection_at(exposure.observing.ra, exposure.observing.dec)
        grouped = events.select(np.lexsort((events.time, events.detector)))
        columns = event_columns(grouped, sky, instrument, facts, stream(exposure.seed, "pattern"))
        return Layout(
            [
                events_table(columns, facts, instrument, sky),
                *exposure_tables(facts, instrument),
                *gti_tables(facts.gti, facts, instrument),
            ],
            {**identity(facts, instrument), **facts.made(CLOCK), "CONTENT": "EPIC IMAGING MODE EVENT LIST"},
        )

    def companions(
        self, exposure: SimulatedExposure, folder: Path, sources: Sequence[ListedSource], *, compress: bool
    ) -> tuple[Path, ...]:
        """The source list of the observation for all cameras."""
        facts = self.facts(exposure)
        header = {**identity(facts, self.instrument), "INSTRUME": "EPIC"}
        listed = source_list(
            [one.ra for one in sources], [one.dec for one in sources],
            [one.error_arcsec for one in sources], [one.counts for one in sources], header,
        )  # fmt: skip
        path = folder / f"P{exposure.obs_id}EP000OBSMLI0000.{'FTZ' if compress else 'FIT'}"
        primary = {**header, **facts.made(CLOCK)}
        return (write_file(path, [listed], primary, checksums=CLOCK.date(facts.stop)),)
