"""Chandra ACIS: level-2 lists of a whole field (evt2), and the Source Catalog's lists of one source (regevt3, reg3).

Special properties: one GTI table for each CCD, all named GTI, with EXTVER = CCD_ID; grades in two systems; positions on
the chip, in the focal plane and on the sky in every row, from which the dither can be derived.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import numpy as np
from astropy.io import fits

from xherald.photons import SkyProjection
from xherald.photons.arrays import F64
from xherald.photons.gti import Gti
from xherald.simulation.exposure import ObservingPlan, RecordedEvents, SimulatedExposure
from xherald.simulation.random_streams import stream

from .exposure_facts import Clock, ExposureHeader
from .fits_blocks import Changes, Column, axis_keywords, gti_table, sky_keywords, table
from .mission_writer import Layout, MissionWriter, any_of, ev_on_grid

__all__ = ["CLOCK", "ChandraWriter", "event_columns", "events_table", "focal_pixels", "gti_tables"]


CLOCK: Final = Clock(50814.0)
PIXEL_ARCSEC: Final = 0.492
CENTRE: Final = 4096.5
CHANNEL_EV: Final = 14.6
LAST_CHANNEL: Final = 1024
EV_PER_ADU: Final = 3.9

# Bits of fltgrade are the neighbours with charge: 1 2 4 below, 8 16 beside, 32 64 128 above (Chandra Proposers'
# Observatory Guide, §6.14); grades are ASCA's: 2 up or down, 3 left, 4 right, 6 corners and squares, 7 everything else.
FLIGHT_GRADES: Final[Mapping[int, tuple[int, ...]]] = {
    0: (0,),
    1: (2, 64, 2, 64, 8, 16),
    2: (10, 18, 72, 80),
    3: (11, 22, 104, 208),
    7: (255,),
}
ASCA: Final = {0: 0, 2: 2, 64: 2, 8: 3, 16: 4, 10: 6, 18: 6, 72: 6, 80: 6, 11: 6, 22: 6, 104: 6, 208: 6, 255: 7}

# Tiled detector coordinates, system ACIS-2.2: tdetx, tdety = offset + matrix · (chipx, chipy).
TILES: Final[Mapping[int, tuple[int, int, int, int, int, int]]] = {
    0: (3061, 5132, 0, 1, -1, 0),
    1: (5132, 4107, 0, -1, 1, 0),
    2: (3061, 4086, 0, 1, -1, 0),
    3: (5132, 3061, 0, -1, 1, 0),
    **{ccd: (791 + 1042 * (ccd - 4), 1702, 1, 0, 0, 1) for ccd in range(4, 10)},
}


def focal_pixels(events: RecordedEvents, sky: SkyProjection, observing: ObservingPlan) -> tuple[F64, F64]:
    """Focal-plane pixels detx and dety: the plane, which turns with the spacecraft and does not dither."""
    x, y = sky.to_pixel(events.ra, events.dec)
    west, north = observing.boresight(events.time)
    px, py = x - sky.x_reference - west / PIXEL_ARCSEC, y - sky.y_reference - north / PIXEL_ARCSEC
    cos, sin = np.cos(np.radians(observing.roll)), np.sin(np.radians(observing.roll))
    return px * cos + py * sin + CENTRE, -px * sin + py * cos + CENTRE


def event_columns(
    events: RecordedEvents, sky: SkyProjection, focal: tuple[F64, F64], rng: np.random.Generator
) -> list[Column]:
    """Columns of EVENTS.

    Parameters
    ----------
    events : RecordedEvents
    sky : SkyProjection
    focal : (ndarray, ndarray), shape (n,) — detx, dety
    rng : numpy.random.Generator — for the grades of split events
    """
    x, y = sky.to_pixel(events.ra, events.dec)
    ev = ev_on_grid(events.energy)
    pha = np.maximum(np.rint(ev / EV_PER_ADU), 1)
    flight = any_of(events.grade, FLIGHT_GRADES, rng)
    chip_x, chip_y = events.chip_x.astype(np.int64), events.chip_y.astype(np.int64)
    tile = np.array([TILES.get(ccd, TILES[9]) for ccd in range(10)])[np.clip(events.detector, 0, 9)].T
    whole, flat = (1, 8192), (0.5, 8192.5)
    return [
        Column("time", "1D", "s", events.time),
        Column("ccd_id", "1I", "", events.detector, legal=(0, 9)),
        Column("node_id", "1I", "", np.clip((chip_x - 1) // 256, 0, 3), legal=(0, 3)),
        Column("expno", "1J", "", events.frame, legal=(0, None)),
        Column("chipx", "1I", "pixel", chip_x, legal=(1, 1024)),
        Column("chipy", "1I", "pixel", chip_y, legal=(1, 1024)),
        Column("tdetx", "1I", "pixel", tile[0] + tile[2] * chip_x + tile[3] * chip_y, null=9999, legal=whole),
        Column("tdety", "1I", "pixel", tile[1] + tile[4] * chip_x + tile[5] * chip_y, null=9999, legal=whole),
        Column("detx", "1E", "pixel", focal[0], legal=flat),
        Column("dety", "1E", "pixel", focal[1], legal=flat),
        Column("x", "1E", "pixel", x, legal=flat),
        Column("y", "1E", "pixel", y, legal=flat),
        Column("pha", "1J", "adu", pha, null=0, legal=(0, 36855)),
        Column("pha_ro", "1J", "adu", np.maximum(np.rint(0.82 * pha), 1), null=0, legal=(0, 36855)),
        Column("energy", "1E", "eV", ev, legal=(0.0, 1e6)),
        Column("pi", "1J", "chan", np.minimum(np.floor(ev / CHANNEL_EV) + 1, LAST_CHANNEL), null=0, legal=(1, 1024)),
        Column("fltgrade", "1I", "", flight, legal=(0, 255)),
        Column("grade", "1I", "", np.array([ASCA.get(code, 7) for code in range(256)])[flight], legal=(0, 7)),
        Column("status", "32X", "", np.zeros((len(events), 32), dtype=np.bool_)),
    ]


def event_header(facts: ExposureHeader) -> dict[str, object]:
    """Keywords of EVENTS but for the columns' own."""
    ccds = sorted(facts.gti)
    header: dict[str, object] = {
        "HDUNAME": ("EVENTS", "ASCDM block name"),
        **facts.made(CLOCK), **identity(facts),
        "CONTENT": ("EVT2", "What data product"), "HDUCLASS": "OGIP", "HDUCLAS1": "EVENTS", "HDUCLAS2": "ACCEPTED",
        "HDUDOC": "ASC-FITS-2.0: McDowell, Rots: ASC FITS File Designers Guide", "HDUVERS": "1.0.0",
        **facts.times(CLOCK),
        "TASSIGN": ("SATELLITE", "Time assigned by clock"), "TIERRELA": 1e-9, "TIERABSO": 5e-5,
        "TIMVERSN": ("ASC-FITS-2", "Timing system definition"),
        "OBS_MODE": ("POINTING", "Observation mode"), "TIMEPIXR": 0.5, "DATACLAS": "SIMULATED", "RADESYS": "ICRS",
        "TIMEDEL": (facts.frame_time, "[s] timedel Lev1"), "FOC_LEN": (10070.0, "[mm] HRMA focal length"),
        "GRATING": ("NONE", "Grating"), "DETNAM": ("ACIS-" + "".join(map(str, ccds)), "Detector"),
        **pointing(facts),
        "READMODE": ("TIMED", "Read mode"),
        "ACSYS1": "CHIP:AXAF-ACIS-1.0", "ACSYS2": "TDET:ACIS-2.2", "ACSYS3": "DET:ASC-FP-1.1",
        "ACSYS4": "SKY:ASC-FP-1.1", "GRADESYS": "ASCA", "DATAMODE": ("VFAINT", "Data mode"),
        "EXPTIME": (facts.frame_time - READOUT_S, "[s]"), "FIRSTROW": 1, "NROWS": 1024, "CYCLE": "P",
        "ONTIME": (facts.longest, "[s] Sum of GTIs"),
    }  # fmt: skip
    live = facts.live_fraction
    header |= {f"ONTIME{ccd}": (good, "[s] Sum of GTIs") for ccd, good in facts.ontime.items()}
    header |= {"LIVETIME": (facts.longest * live, "[s] Livetime")}
    header |= {f"LIVTIME{ccd}": (good * live, "[s] Livetime") for ccd, good in facts.ontime.items()}
    header |= {"EXPOSURE": (facts.longest * live, "[s] Exposure time")}
    header |= {f"EXPOSUR{ccd}": (good * live, "[s] Exposure time") for ccd, good in facts.ontime.items()}
    return header | {"DTCOR": (live, "Dead time correction")} | _subspace(list(facts.gti))


READOUT_S: Final = 0.04104
"""Frame transfer and dead time of a frame: 3.14104 s are 3.1 s of exposure."""


def identity(facts: ExposureHeader) -> dict[str, object]:
    """Observatory and target."""
    return {
        "MISSION": ("AXAF", "Mission"), "TELESCOP": ("CHANDRA", "Telescope"), "INSTRUME": ("ACIS", "Instrument"),
        "OBJECT": (facts.object_name, "Source name"), "OBS_ID": (facts.obs_id, "Observation id"),
    }  # fmt: skip


def pointing(facts: ExposureHeader) -> dict[str, object]:
    """Pointing, target and nominal axis, all the same here.

    Chandra's roll turns the sky, not the telescope: x grows with dety for a small positive roll.
    """
    places = {"PNT": "Pointing", "TARG": "Target", "NOM": "Nominal"}
    found: dict[str, object] = {}
    for suffix, word in places.items():
        found |= {f"RA_{suffix}": (facts.ra, f"[deg] {word} RA"), f"DEC_{suffix}": (facts.dec, f"[deg] {word} Dec")}
    return found | {"ROLL_PNT": (-facts.roll % 360.0, "[deg] Pointing Roll"), "ROLL_NOM": -facts.roll % 360.0}


def _subspace(ccds: list[int]) -> dict[str, object]:
    """Data-subspace keywords: GTI table and grades of each CCD."""
    found: dict[str, object] = {
        "DSTYP1": "time", "DSVAL1": "TABLE", "DSFORM1": "D", "DSUNIT1": "s",
        "DSTYP2": "ccd_id", "DSFORM2": "I", "DSTYP3": "grade", "DSFORM3": "I",
    }  # fmt: skip
    for component, ccd in enumerate(ccds, 1):
        prefix = "" if component == 1 else str(component)
        found |= {f"{prefix}DSREF1": f":GTI{ccd}", f"{prefix}DSVAL2": f"{ccd}:{ccd}"}
        found[f"{prefix}DSVAL3"] = "0:0,2:2,3:3,4:4,6:6"
    return found


def events_table(
    columns: list[Column], facts: ExposureHeader, sky: SkyProjection, changes: Changes | None = None
) -> fits.BinTableHDU:
    """The EVENTS table."""
    names = [one.name for one in (changes or Changes()).of(columns)]
    header = event_header(facts) | sky_keywords(names, sky, "x", "y")
    for number, (kind, form) in enumerate(VECTORS, 1):
        header |= {f"MTYPE{number}": kind, f"MFORM{number}": form}
    for column, kind in (("detx", "LONG-TAN"), ("dety", "NPOL-TAN")):
        header |= axis_keywords(names, column, kind, value=0.0, pixel=CENTRE, step=PIXEL_ARCSEC / 3600, unit="deg")
    return table("EVENTS", columns, header, changes=changes)


VECTORS: Final = (
    ("chip", "chipx,chipy"), ("tdet", "tdetx,tdety"), ("det", "detx,dety"), ("sky", "x,y"),
    ("MSC", "PHI,THETA"), ("EQPOS", "RA,DEC"),
)  # fmt: skip
"""Pairs of columns and coordinates of the data model of CIAO."""


def gti_tables(gti: Mapping[int, Gti], facts: ExposureHeader) -> list[fits.BinTableHDU]:
    """One table for each CCD."""
    shared = {**identity(facts), **CLOCK.keywords, "TSTART": facts.start, "TSTOP": facts.stop}
    return [
        gti_table("GTI", rows, {"HDUNAME": f"GTI{ccd}", **shared, "CCD_ID": (ccd, "CCD for this table")}, version=ccd)
        for ccd, rows in gti.items()
    ]


def primary_header(facts: ExposureHeader) -> dict[str, object]:
    """Keywords of the primary header."""
    return {"HDUNAME": "PRIMARY", **facts.made(CLOCK), **facts.times(CLOCK), **identity(facts)}


class ChandraWriter(MissionWriter):
    """ACIS level-2 lists."""

    clock: ClassVar[Clock] = CLOCK
    digits: ClassVar[int] = 5
    band_open: ClassVar[bool] = True

    def file_name(self, exposure: SimulatedExposure, *, compress: bool) -> str:
        """Archive name, version 1."""
        return f"acisf{exposure.obs_id}N001_evt2.fits" + ".gz" * compress

    def energy_as_read(self, energy: F64) -> F64:
        """The energy column is in eV."""
        return ev_on_grid(energy) * 1e-3

    def layout(self, exposure: SimulatedExposure, events: RecordedEvents) -> Layout:
        """EVENTS, and a GTI table for each CCD."""
        facts, observing = self.facts(exposure), exposure.observing
        sky = exposure.telescope.projection_at(observing.ra, observing.dec)
        focal = focal_pixels(events, sky, observing)
        columns = event_columns(events, sky, focal, stream(exposure.seed, "grade"))
        return Layout(
            [events_table(columns, facts, sky), *gti_tables(facts.gti, facts)],
            primary_header(facts),
        )
