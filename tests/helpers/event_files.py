"""Event files of any content in the layouts of the missions; `bad_event_files` makes invalid ones.

Layouts are those of the simulator (`xherald.simulation.writers`), with the peculiarities of real files; tests choose
photons, good times, keywords and columns.

    photons = some_photons(500, detectors=(0, 1, 2, 3))
    path = write_chandra(tmp_path / "acisf00001N001_evt2.fits", photons)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from xherald.photons import SkyProjection
from xherald.simulation.exposure import RecordedEvents
from xherald.simulation.writers import chandra, einstein_probe, erosita, swift, xmm
from xherald.simulation.writers.einstein_probe import ebounds
from xherald.simulation.writers.exposure_facts import ExposureHeader
from xherald.simulation.writers.fits_blocks import Changes, Column, gti_table
from xherald.simulation.writers.fits_blocks import table as table_of
from xherald.simulation.writers.fits_blocks import write_file as write

__all__ = [
    "EXPOSURE", "Gtis", "Header", "Photons", "ebounds", "gti_table", "some_photons", "table", "whole_exposure", "write",
    "write_chandra", "write_chandra_large", "write_ep_cat", "write_erosita", "write_fxt", "write_obsmli", "write_swift",
    "write_wxt", "write_xmm",
]  # fmt: skip

Header = Mapping[str, object]
Gtis = Mapping[int, Sequence[tuple[float, float]]]

EXPOSURE = 10_000.0


def _recent_zero(photons: Photons) -> dict[str, object]:
    """Time 0 of a recent mission for the times of `some_photons`, which its own would put into the future."""
    return {"MJDREFI": 51_300} if len(photons) and photons.time[0] > 5.0e8 else {}


@dataclass(frozen=True)
class Photons:
    """Photons: mission time before TIMEZERO in s, ICRS deg, keV, detector numbers."""

    time: NDArray[np.float64]
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    energy: NDArray[np.float64]
    detector: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, chosen: object) -> Photons:
        return Photons(*(getattr(self, name)[chosen] for name in ("time", "ra", "dec", "energy", "detector")))


def some_photons(
    n: int = 400,
    *,
    detectors: Sequence[int] = (0,),
    start: float = 8.0e8,
    centre: tuple[float, float] = (83.8, -5.4),
    radius_arcmin: float = 4.0,
    band: tuple[float, float] = (0.6, 3.8),
    seed: int = 7,
    ordered: bool = True,
) -> Photons:
    """A steady field; unordered photons are grouped by detector, as in XMM files."""
    rng = np.random.default_rng(seed)
    time = start + 1.0 + rng.random(n) * (EXPOSURE - 2.0)
    rho, phi = radius_arcmin / 60 * np.sqrt(rng.random(n)), 2 * np.pi * rng.random(n)
    photons = Photons(
        time,
        centre[0] + rho * np.cos(phi) / np.cos(np.radians(centre[1])),
        centre[1] + rho * np.sin(phi),
        rng.uniform(*band, n),
        rng.choice(np.array(detectors), n),
    )
    keys = (photons.time,) if ordered else (photons.time, photons.detector)
    return photons[np.lexsort(keys)]


def whole_exposure(photons: Photons, detectors: Sequence[int] = (0,)) -> Gtis:
    """One good-time interval per detector, a second longer than the photons at both ends."""
    start = float(np.floor(photons.time.min())) - 1.0 if len(photons) else 0.0
    stop = float(np.ceil(photons.time.max())) + 1.0 if len(photons) else EXPOSURE
    return {number: [(start, stop)] for number in detectors}


# From photons of a test to the writers of the simulator.


def table(name: str, columns: Sequence[tuple[str, str, str, object]], header: Header) -> fits.BinTableHDU:
    """A binary table of (name, format, unit, values)."""
    return table_of(name, [Column(*column) for column in columns], header)  # type: ignore[arg-type]


def _recorded(photons: Photons, shift_s: float = 0.0) -> RecordedEvents:
    """Photons as recorded by a detector, on one pixel, with cyclic grades and times shifted by some seconds."""
    n = len(photons)
    pixel, zeros = np.full(n, 192, dtype=np.int16), np.zeros(n, dtype=np.int16)
    return RecordedEvents(
        time=photons.time + shift_s, frame=np.arange(n), ra=photons.ra, dec=photons.dec, energy=photons.energy,
        detector=photons.detector.astype(np.int16), chip_x=pixel, chip_y=pixel,
        grade=np.resize(np.arange(4, dtype=np.int16), n), fault=zeros, origin=zeros.astype(np.int32),
    )  # fmt: skip


def _make_exposure_header(
    photons: Photons, obs_id: str, axis: tuple[float, float], gti: Gtis, live_fraction: float, frame_time: float
) -> ExposureHeader:
    """Header of an exposure as long as its photons."""
    span = (float(photons.time.min()), float(photons.time.max())) if len(photons) else (0.0, EXPOSURE)
    return ExposureHeader(
        obs_id=obs_id, object_name="A field", ra=axis[0], dec=axis[1], start=span[0], stop=span[1],
        gti={number: np.array(rows, dtype=np.float64).reshape(-1, 2) for number, rows in gti.items()},
        live_fraction=live_fraction, frame_time=frame_time,
    )  # fmt: skip


def _good_times(photons: Photons, gti: Gtis | None, detectors: Sequence[int] | None = None) -> Gtis:
    """The given good times, by default the whole exposure for every detector."""
    if gti is not None:
        return gti
    return whole_exposure(photons, sorted(set(photons.detector.tolist())) if detectors is None else detectors)


def _changes(
    header: Header | None, columns: Mapping[str, object] | None, without: tuple[str, ...] = (), **defaults: object
) -> Changes:
    """Changes that a test makes, over those of its writer."""
    return Changes({**defaults, **(header or {})}, columns or {}, without)  # type: ignore[arg-type]


# For orientations of split events and positions inside pixels, which tests do not use.
def _rng() -> np.random.Generator:
    return np.random.default_rng(1)


# Chandra.

CHANDRA_LIVE = 0.98693426381071


def write_chandra(
    path: Path,
    photons: Photons,
    *,
    gti: Gtis | None = None,
    header: Header | None = None,
    columns: Mapping[str, object] | None = None,
    has_energy: bool = True,
    obs_id: str = "12345",
) -> Path:
    """An ACIS level-2 list of a whole field, with a wrong EXPOSURE as in real files.

    Parameters
    ----------
    path : Path
    photons : Photons — detector is ccd_id
    gti : intervals by CCD; default the whole exposure, no tables for {}
    header : keywords of EVENTS to change, None to remove
    columns : values of columns to change
    has_energy : whether there is an energy column besides pi
    obs_id : str
    """
    sky = SkyProjection("TAN", 83.8, -5.4, 4096.5, 4096.5, -0.492 / 3600, 0.492 / 3600)
    facts = _make_exposure_header(photons, obs_id, (83.8, -5.4), _good_times(photons, gti), CHANDRA_LIVE, 3.14104)
    events = _recorded(photons)
    made = chandra.event_columns(events, sky, sky.to_pixel(photons.ra, photons.dec), _rng())
    changes = _changes(header, columns, () if has_energy else ("energy",), EXPOSURE=18279.0)
    units = [chandra.events_table(made, facts, sky, changes), *chandra.gti_tables(facts.gti, facts)]
    return write(path, units, chandra.primary_header(facts))


def write_chandra_large(path: Path, rows: int, *, rows_per_block: int = 250_000, seed: int = 3) -> Path:
    """An uncompressed ACIS-I list of 10 ks, written in blocks of which `rows` is a multiple.

    Four adjacent CCDs; one photon in five belongs to one of 200 point sources.
    """
    blocks = rows // rows_per_block
    scratch = path.with_suffix(".block")
    with path.open("wb") as handle:
        for number in range(blocks):
            photons = _acis_i_block(rows_per_block, number / blocks, 1 / blocks, seed + number)
            write_chandra(scratch, photons, gti={ccd: [(8.0e8, 8.0e8 + EXPOSURE)] for ccd in range(4)})
            with fits.open(scratch) as units:
                start = units["EVENTS"].fileinfo()["datLoc"]
                raw, row_bytes = units["EVENTS"].header.tostring(), units["EVENTS"].header["NAXIS1"]
            whole = scratch.read_bytes()
            if number == 0:
                grown = fits.Header.fromstring(raw)
                grown["NAXIS2"] = rows
                handle.write(whole[: start - len(raw)] + grown.tostring().encode("ascii"))
            handle.write(whole[start : start + rows_per_block * row_bytes])
        handle.write(b"\0" * (-(rows * row_bytes) % 2880))
        end = start + rows_per_block * row_bytes
        handle.write(whole[end + -end % 2880 :])
    scratch.unlink()
    return path


def _acis_i_block(n: int, begin: float, width: float, seed: int) -> Photons:
    """Photons of a part of the exposure, by quadrant on four CCDs."""
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(1)
    side = 8.0 / 60
    places = fixed.uniform(-side, side, (200, 2))
    offset = rng.uniform(-side, side, (n, 2))
    own = rng.random(n) < 0.2
    spread = rng.normal(0.0, 0.7 / 3600, (n, 2))
    offset[own] = places[rng.integers(0, 200, n)[own]] + spread[own]
    centre = (83.8, -5.4)
    frame = 3.14104
    time = np.sort(rng.uniform(begin, begin + width, n)) * (EXPOSURE - 2 * frame) + frame
    return Photons(
        8.0e8 + (np.floor(time / frame) + 0.5) * frame,
        centre[0] + offset[:, 0] / np.cos(np.radians(centre[1])),
        centre[1] + offset[:, 1],
        rng.uniform(0.6, 3.8, n),
        (offset[:, 0] > 0) * 1 + (offset[:, 1] > 0) * 2,
    )


# XMM-Newton.


def write_xmm(
    path: Path,
    photons: Photons,
    *,
    instrument: str = "EMOS1",
    gti: Gtis | None = None,
    filtered: Gtis | None = None,
    header: Header | None = None,
    columns: Mapping[str, object] | None = None,
    keyword: bool = True,
) -> Path:
    """An EPIC list; TIMEZERO, MJDREF and TELESCOP in EVENTS only, the frame time in the GTI headers only.

    Parameters
    ----------
    gti : intervals of STDGTInn by CCD
    filtered : intervals of GTI00n06 by CCD; n counts tables from 0, so that it shifts if a CCD is missing
    keyword : whether the CCD is named by GTI tables (CCDID) or by the data-subspace keywords of the events
    """
    sky = SkyProjection("TAN", 149.6, -11.08, 25921, 25921, -0.05 / 3600, 0.05 / 3600)
    frame_time = 0.073 if instrument == "EPN" else 2.6
    facts = _make_exposure_header(photons, "0201901401", (149.6, -11.08), _good_times(photons, gti), 0.98, frame_time)
    subspace = _subspace(filtered or {})
    made = xmm.event_columns(_recorded(photons), sky, instrument, facts, _rng())
    events = xmm.events_table(made, facts, instrument, sky, _changes(header, columns, **subspace))
    tables = xmm.gti_tables(facts.gti, facts, instrument)
    for digit, (ccd, rows) in enumerate((filtered or {}).items()):
        tables.append(gti_table(f"GTI00{digit}06", rows, {"TIMEZERO": 0.0, "CCDID": ccd}, form="D"))
    if not keyword:
        for one in tables:
            del one.header["CCDID"]
    return write(path, [events, *tables], {})


def _subspace(filtered: Gtis) -> dict[str, object]:
    """Data-subspace keywords of a user filter; components after the first omit what they share with it."""
    if not filtered:
        return {}
    keys: dict[str, object] = {"DSTYP1": "CCDNR", "DSTYP2": "FLAG", "DSTYP6": "TIME"}
    for digit, ccd in enumerate(filtered):
        prefix = "" if digit == 0 else str(digit + 1)
        keys |= {f"{prefix}DSVAL1": str(ccd), f"{prefix}DSREF6": f":GTI00{digit}06"}
    return keys


def write_obsmli(path: Path, ra: Sequence[float], dec: Sequence[float]) -> Path:
    """The pipeline's source list: a summary row and one camera row for each source."""
    n = len(ra)
    return write(path, [xmm.source_list(ra, dec, np.full(n, 0.9), np.full(n, 50), {})], {"TELESCOP": "XMM"})


# Swift.


def write_swift(
    path: Path,
    photons: Photons,
    *,
    gti: Gtis | None = None,
    header: Header | None = None,
    columns: Mapping[str, object] | None = None,
) -> Path:
    """A cleaned XRT photon-counting list; TIME marks the start of the frame."""
    sky = SkyProjection("TAN", 185.707, 15.83, 500.5, 500.5, -6.548089e-4, 6.548089e-4)
    good = _good_times(photons, gti, (0,))
    facts = _make_exposure_header(photons, "00011337002", (185.707, 15.83), good, 0.996018291, 2.5073)
    made = swift.event_columns(_recorded(photons, 0.5 * facts.frame_time), sky, facts.frame_time, _rng())
    events = swift.events_table(made, facts, sky, _changes(header, columns))
    return write(path, [events, *swift.gti_tables(facts)], swift.shared_header(facts))


# eROSITA.


def write_erosita(
    path: Path,
    photons: Photons,
    *,
    gti: Gtis | None = None,
    header: Header | None = None,
    columns: Mapping[str, object] | None = None,
    dead_time: Mapping[int, float] | None = None,
    projection: SkyProjection | None = None,
) -> Path:
    """A merged list: SIN projection, scaled RA and DEC, TUNIT deg on everything, GTIn and DEADCORn by module."""
    sky = projection or SkyProjection("SIN", 107.17, -49.55, 0.0, 0.0, -1.3888889095849e-5, 1.3888889095849e-5)
    facts = _make_exposure_header(photons, "300003", (107.17, -49.55), _good_times(photons, gti), 1.0, 0.0500584)
    made = erosita.event_columns(_recorded(photons), sky, _rng())
    # Columns of 8 bytes may hold parts of pixels too, though the archive's do not.
    x, y = sky.to_pixel(photons.ra, photons.dec)
    events = erosita.events_table(made, facts, sky, _changes(header, {"X": x, "Y": y, **(columns or {})}))
    dead = erosita.dead_time_tables(dead_time or {}, facts)
    return write(path, [events, *erosita.gti_tables(facts.gti, facts), *dead], erosita.identity(facts))


# Einstein Probe.


def write_wxt(
    path: Path,
    photons: Photons,
    *,
    cmos: int = 12,
    gti: Gtis | None = None,
    header: Header | None = None,
    columns: Mapping[str, object] | None = None,
) -> Path:
    """A cleaned WXT list of one CMOS."""
    sky = SkyProjection("TAN", 200.0, 30.0, 5000.5, 5000.5, -0.002261458, 0.002261458)
    facts = _make_exposure_header(photons, "11900000001", (200.0, 30.0), _good_times(photons, gti, (0,)), 1.0, 0.05)
    shared = {**einstein_probe.shared_header(facts, "WXT", f"CMOS{cmos}"), **_recent_zero(photons)}
    made = einstein_probe.wxt_columns(_recorded(photons), sky, _rng())
    events = einstein_probe.events_table(made, shared, sky, _changes(header, columns))
    return write(path, [events, *einstein_probe.gti_tables(facts, shared)], shared)


def write_ep_cat(path: Path, ra: Sequence[float], dec: Sequence[float]) -> Path:
    """A WXT source list with position errors of 1′."""
    n = len(ra)
    listed = einstein_probe.source_list(ra, dec, np.full(n, 60.0), np.full(n, 50), {})
    return write(path, [listed], {"TELESCOP": "EP", "INSTRUME": "WXT"})


def write_fxt(
    path: Path,
    photons: Photons,
    *,
    module: str = "FXTA",
    has_ebounds: bool = True,
    gti: Gtis | None = None,
    header: Header | None = None,
    columns: Mapping[str, object] | None = None,
) -> Path:
    """A cleaned FXT full-frame list; TIMEZERO is the string '0'."""
    sky = SkyProjection("TAN", 28.87, 5.91, 300.5, 300.5, -0.002685739662709, 0.002685739662709)
    facts = _make_exposure_header(photons, "06800000181", (28.87, 5.91), _good_times(photons, gti, (0,)), 1.0, 0.05)
    shared = {**einstein_probe.shared_header(facts, "FXT", module), **_recent_zero(photons)}
    made = einstein_probe.fxt_columns(_recorded(photons), sky, _rng())
    units = [
        einstein_probe.events_table(made, shared, sky, _changes(header, columns)),
        *einstein_probe.gti_tables(facts, shared),
    ]
    return write(path, [*units, ebounds()] if has_ebounds else units, shared)
