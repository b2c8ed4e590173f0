"""Einstein Probe: cleaned lists of WXT, one file for each CMOS, with source list, and of FXT.

Special properties: DETNAM names the CMOS of a WXT file; TIMEZERO of FXT is the string '0'; energies of FXT channels are
in an EBOUNDS table only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
from astropy.io import fits
from numpy.typing import ArrayLike

from xherald.photons import SkyProjection
from xherald.photons.arrays import F64
from xherald.simulation.exposure import RecordedEvents, SimulatedExposure
from xherald.simulation.random_streams import stream

from .exposure_facts import Clock, ExposureHeader
from .fits_blocks import Changes, Column, gti_table, sky_keywords, table, write_file
from .mission_writer import Layout, ListedSource, MissionWriter, any_of, grid_positions
from .swift import GRADES

__all__ = ["CLOCK", "FxtWriter", "WxtWriter", "ebounds", "fxt_columns", "gti_tables", "source_list", "wxt_columns"]


CLOCK: Final = Clock(58849, 8.0074074e-4)
WXT_GRID: Final = (1.0, 10_000.0)
FXT_GRID: Final = (1.0, 600.0)
FXT_CHANNELS: Final = 1024
FXT_CHANNEL_KEV: Final = 0.01
FXT_VERSION: Final = "3db"


def wxt_columns(events: RecordedEvents, sky: SkyProjection, rng: np.random.Generator) -> list[Column]:
    """Columns of a WXT list; grades of split events are random."""
    x, y, on = grid_positions(events, sky, WXT_GRID)
    channel = np.rint(events.energy * 100.0)
    pixels = (1, 4096)
    return [
        Column("TIME", "1D", "s", events.time),
        Column("RAWX", "1I", "pixel", events.chip_x, legal=pixels),
        Column("RAWY", "1I", "pixel", events.chip_y, legal=pixels),
        Column("Amp", "1B", "", np.zeros(len(events))),
        Column("PHA", "1J", "chan", channel, legal=(0, 4095)),
        Column("STATUS", "16X", "", np.zeros((len(events), 16), dtype=np.bool_)),
        Column("DETX", "1I", "pixel", events.chip_x, legal=pixels),
        Column("DETY", "1I", "pixel", events.chip_y, legal=pixels),
        Column("X", "1I", "pixel", np.where(on, x, -1), null=-1, legal=(1, 10_000)),
        Column("Y", "1I", "pixel", np.where(on, y, -1), null=-1, legal=(1, 10_000)),
        Column("GRADE", "1I", "", any_of(events.grade, GRADES, rng)),
        Column("PI", "1J", "chan", channel, null=-4095, legal=(0, None)),
    ]


def fxt_columns(events: RecordedEvents, sky: SkyProjection, rng: np.random.Generator) -> list[Column]:
    """Columns of an FXT list; grades of split events are random."""
    x, y, on = grid_positions(events, sky, FXT_GRID)
    channel = _fxt_channel(events.energy)
    pixels = (0, 383)
    return [
        Column("TIME", "1D", "s", events.time),
        Column("X", "1I", "pixel", np.where(on, x, -1), null=-1, legal=(1, 600)),
        Column("Y", "1I", "pixel", np.where(on, y, -1), null=-1, legal=(1, 600)),
        Column("RAWX", "1I", "pixel", events.chip_x - 1, legal=pixels),
        Column("RAWY", "1I", "pixel", events.chip_y - 1, legal=pixels),
        Column("PHA", "1J", "chan", channel, legal=(0, FXT_CHANNELS - 1)),
        Column("PI", "1J", "chan", channel, null=-4095, legal=(0, FXT_CHANNELS - 1)),
        Column("GRADE", "1I", "", any_of(events.grade, GRADES, rng)),
        Column("STATUS", "16X", "", np.zeros((len(events), 16), dtype=np.bool_)),
    ]


def _fxt_channel(energy: F64) -> F64:
    # A photon exactly at the lower edge of a channel belongs to it, independent of rounding.
    channel: F64 = np.clip(np.floor(energy / FXT_CHANNEL_KEV + 1e-9), 0, FXT_CHANNELS - 1)
    return channel


def ebounds(channels: int = FXT_CHANNELS, kev: float = FXT_CHANNEL_KEV) -> fits.BinTableHDU:
    """Energies of PI channels (OGIP memo CAL/GEN/92-002)."""
    channel = np.arange(channels)
    columns = [
        Column("CHANNEL", "J", "", channel),
        Column("E_MIN", "E", "keV", channel * kev),
        Column("E_MAX", "E", "keV", (channel + 1) * kev),
    ]
    return table("EBOUNDS", columns, {"HDUCLASS": "OGIP", "HDUCLAS1": "RESPONSE", "HDUCLAS2": "EBOUNDS"})


def shared_header(facts: ExposureHeader, instrument: str, detector: str) -> dict[str, object]:
    """Keywords of the primary header and all tables."""
    return {
        "TELESCOP": ("EP", "Telescope (mission) name"), "INSTRUME": (instrument, "Instrument name"),
        "DETNAM": (detector, "Detector"), "DATAMODE": ("PC" if instrument == "WXT" else "FF", "Datamode"),
        "OBS_ID": (facts.obs_id, "Observation ID"), "OBS_MODE": "POINTING",
        "OBJECT": (facts.object_name, "Name of observed object"),
        **facts.times(CLOCK, 3), "CLOCKAPP": "F", "TIMEZERO": ("0", "Time zone") if instrument == "FXT" else 0.0,
        "TELAPSE": (facts.stop - facts.start, "elapsed time"), "ONTIME": (facts.longest, "On-source time"),
        "LIVETIME": (facts.longest * facts.live_fraction, "On-source time"),
        "EXPOSURE": (facts.longest * facts.live_fraction, "Exposure time"),
        "DEADC": (facts.live_fraction, "dead time"),
        "TIMEDEL": (facts.frame_time, "time resolution of data (in seconds)"),
        "RADECSYS": ("FK5", "celestial coord system"), "EQUINOX": (2000.0, "Equinox of celestial coord system"),
        "RA_OBJ": (facts.ra, "[deg] RA Object pointing"), "DEC_OBJ": (facts.dec, "[deg] Dec Object pointing"),
        "RA_PNT": (facts.ra, "[deg] RA actual pointing"), "DEC_PNT": (facts.dec, "[deg] Dec actual pointing"),
        "PA_PNT": (facts.roll % 360.0, "[deg] Position Angle(roll)"),
        **facts.made(CLOCK),
    }  # fmt: skip


def events_table(
    columns: list[Column], shared: dict[str, object], sky: SkyProjection, changes: Changes | None = None
) -> fits.BinTableHDU:
    """The EVENTS table."""
    names = [one.name for one in (changes or Changes()).of(columns)]
    header = {**shared, "HDUCLASS": "OGIP", "HDUCLAS1": "EVENTS", **sky_keywords(names, sky, "X", "Y")}
    return table("EVENTS", columns, header, changes=changes)


def gti_tables(facts: ExposureHeader, shared: dict[str, object]) -> list[fits.BinTableHDU]:
    """The GTI table."""
    # TIMEZERO of the events applies to good times; as in the archive, their table does not have it.
    header = {"HDUCLASS": "OGIP", "HDUCLAS1": "GTI", "HDUCLAS2": "STANDARD", **shared, "TIMEZERO": None}
    return [gti_table("GTI", facts.good, header)]


def source_list(
    ra: ArrayLike, dec: ArrayLike, error_arcsec: ArrayLike, counts: ArrayLike, header: dict[str, object]
) -> fits.BinTableHDU:
    """The table SRC_LIST of a ``.cat`` file."""
    columns = [
        Column("ID", "J", "", np.arange(1, len(np.asarray(ra)) + 1)),
        Column("RA", "D", "deg", np.asarray(ra, dtype=np.float64)),
        Column("DEC", "D", "deg", np.asarray(dec, dtype=np.float64)),
        Column("POS_ERR", "E", "arcmin", np.asarray(error_arcsec, dtype=np.float64) / 60.0),
        Column("COUNTS", "E", "count", np.asarray(counts, dtype=np.float64)),
    ]
    return table("SRC_LIST", columns, header)


class WxtWriter(MissionWriter):
    """Cleaned lists of one CMOS of WXT."""

    clock: ClassVar[Clock] = CLOCK
    digits: ClassVar[int] = 11
    grid: ClassVar[tuple[float, float]] = WXT_GRID

    def file_name(self, exposure: SimulatedExposure, *, compress: bool) -> str:
        """Archive name."""
        return f"{self._stem(exposure)}po_cl.evt" + ".gz" * compress

    def energy_as_read(self, energy: F64) -> F64:
        """A channel is 10 eV."""
        channel: F64 = np.rint(energy * 100.0)
        return channel * 10e-3

    def layout(self, exposure: SimulatedExposure, events: RecordedEvents) -> Layout:
        """EVENTS and GTI."""
        facts = self.facts(exposure)
        shared = shared_header(facts, "WXT", f"CMOS{_only_chip(exposure)}")
        sky = exposure.telescope.projection_at(exposure.observing.ra, exposure.observing.dec)
        columns = wxt_columns(events, sky, stream(exposure.seed, "grade"))
        return Layout([events_table(columns, shared, sky), *gti_tables(facts, shared)], shared)

    def companions(
        self, exposure: SimulatedExposure, folder: Path, sources: Sequence[ListedSource], *, compress: bool
    ) -> tuple[Path, ...]:
        """The source list of the CMOS."""
        facts = self.facts(exposure)
        shared = shared_header(facts, "WXT", f"CMOS{_only_chip(exposure)}")
        listed = source_list(
            [one.ra for one in sources], [one.dec for one in sources],
            [one.error_arcsec for one in sources], [one.counts for one in sources], {},
        )  # fmt: skip
        path = folder / f"{self._stem(exposure)}.cat"
        return (write_file(path, [listed], shared, checksums=CLOCK.date(facts.stop)),)

    def _stem(self, exposure: SimulatedExposure) -> str:
        return f"ep{exposure.obs_id}wxt{_only_chip(exposure)}"


class FxtWriter(MissionWriter):
    """Cleaned full-frame lists of module A of FXT."""

    clock: ClassVar[Clock] = CLOCK
    digits: ClassVar[int] = 11
    grid: ClassVar[tuple[float, float]] = FXT_GRID

    def file_name(self, exposure: SimulatedExposure, *, compress: bool) -> str:
        """Archive name: full frame, first filter."""
        return f"fxt_a_{exposure.obs_id}_ff_01_po_cl_{FXT_VERSION}.fits" + ".gz" * compress

    def energy_as_read(self, energy: F64) -> F64:
        """The centre of the channel, from edges in 4 bytes."""
        low = (np.arange(FXT_CHANNELS) * FXT_CHANNEL_KEV).astype(np.float32).astype(np.float64)
        high = ((np.arange(FXT_CHANNELS) + 1) * FXT_CHANNEL_KEV).astype(np.float32).astype(np.float64)
        middle: F64 = ((low + high) / 2)[_fxt_channel(energy).astype(np.int64)]
        return middle

    def layout(self, exposure: SimulatedExposure, events: RecordedEvents) -> Layout:
        """EVENTS, GTI and EBOUNDS."""
        facts = self.facts(exposure)
        shared = shared_header(facts, "FXT", "FXTA")
        sky = exposure.telescope.projection_at(exposure.observing.ra, exposure.observing.dec)
        columns = fxt_columns(events, sky, stream(exposure.seed, "grade"))
        return Layout([events_table(columns, shared, sky), *gti_tables(facts, shared), ebounds()], shared)


def _only_chip(exposure: SimulatedExposure) -> int:
    (chip,) = exposure.telescope.chips
    return chip.number
