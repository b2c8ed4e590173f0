"""Writers of event files as the missions make them; `bad_files` breaks them in every way that must be refused.

Layouts, units, header keywords and traps are those of real files: good times per CCD named by keyword, digits of XMM's
GTI names that shift where a CCD is missing, TIMEZERO as a string, events grouped by CCD, nulls, SIN projection.

    photons = some_photons(500, detectors=(0, 1, 2, 3))
    path = write_chandra(tmp_path / "acisf00001N001_evt2.fits", photons)
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from xherald.photons import SkyProjection

Header = Mapping[str, object]
Gtis = Mapping[int, Sequence[tuple[float, float]]]

EXPOSURE = 10_000.0


@dataclass(frozen=True)
class Photons:
    """What a mission saw: mission seconds before TIMEZERO, ICRS deg, keV, detector numbers."""

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
    """A steady field; unordered photons are grouped by detector, as XMM writes them."""
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
    """One good interval for each detector, a second longer than the photons at both ends."""
    start = float(np.floor(photons.time.min())) - 1.0 if len(photons) else 0.0
    stop = float(np.ceil(photons.time.max())) + 1.0 if len(photons) else EXPOSURE
    return {number: [(start, stop)] for number in detectors}


# Building blocks.


def table(name: str, columns: Sequence[tuple[str, str, str, object]], header: Header) -> fits.BinTableHDU:
    """A binary table of (name, form, unit, values); keywords of value None are left out."""
    made = fits.BinTableHDU.from_columns(
        [
            fits.Column(name=label, format=form, unit=unit or None, array=np.asarray(values))
            for label, form, unit, values in columns
        ],
        name=name,
    )
    for key, value in header.items():
        if value is not None:
            made.header[key] = value
    return made


def gti_table(name: str, intervals: Sequence[tuple[float, float]], header: Header) -> fits.BinTableHDU:
    """START and STOP, s."""
    start, stop = np.array(intervals, dtype=np.float64).reshape(-1, 2).T
    return table(name, [("START", "1D", "s", start), ("STOP", "1D", "s", stop)], header)


def write(path: Path, units: Sequence[fits.BinTableHDU], primary: Header) -> Path:
    """A FITS file, compressed if its name ends in .gz or .FTZ."""
    first = fits.PrimaryHDU()
    for key, value in primary.items():
        if value is not None:
            first.header[key] = value
    plain = path.with_name(path.name + ".plain")
    fits.HDUList([first, *units]).writeto(plain)
    if path.suffix.lower() in (".gz", ".ftz"):
        path.write_bytes(gzip.compress(plain.read_bytes(), compresslevel=1))
        plain.unlink()
    else:
        plain.rename(path)
    return path


def sky_keywords(events: fits.BinTableHDU, projection: SkyProjection, x: str, y: str) -> dict[str, object]:
    """WCS of the sky columns."""
    names = [name.upper() for name in events.columns.names]
    nx, ny = names.index(x.upper()) + 1, names.index(y.upper()) + 1
    return {
        f"TCTYP{nx}": f"RA---{projection.kind}",
        f"TCRVL{nx}": projection.ra,
        f"TCRPX{nx}": projection.x_reference,
        f"TCDLT{nx}": projection.x_step,
        f"TCTYP{ny}": f"DEC--{projection.kind}",
        f"TCRVL{ny}": projection.dec,
        f"TCRPX{ny}": projection.y_reference,
        f"TCDLT{ny}": projection.y_step,
    }


def _set(header: fits.Header, changes: Header) -> None:
    for key, value in changes.items():
        if value is None:
            header.remove(key, ignore_missing=True)
        else:
            header[key] = value


def _edge(photons: Photons) -> tuple[float, float]:
    return (float(photons.time.min()), float(photons.time.max())) if len(photons) else (0.0, EXPOSURE)


# Chandra.

CHANDRA_STEP = 0.492 / 3600


def chandra_sky(ra: float = 83.8, dec: float = -5.4) -> SkyProjection:
    """Sky pixels of 0.492″, reference in the middle of 8192."""
    return SkyProjection("TAN", ra, dec, 4096.5, 4096.5, -CHANDRA_STEP, CHANDRA_STEP)


def chandra_header(obs_id: str, photons: Photons) -> dict[str, object]:
    """Keywords of an archive list."""
    start, stop = _edge(photons)
    return {
        "TELESCOP": "CHANDRA", "INSTRUME": "ACIS", "DETNAM": "ACIS-0123", "GRATING": "NONE", "OBJECT": "A field",
        "OBS_ID": obs_id, "OBS_MODE": "POINTING", "DATAMODE": "VFAINT", "READMODE": "TIMED", "CONTENT": "EVT2",
        "HDUCLASS": "OGIP", "HDUCLAS1": "EVENTS", "HDUCLAS2": "ACCEPTED",
        "MJDREF": 50814.0, "TIMESYS": "TT", "TIMEZERO": 0.0, "TIMEPIXR": 0.5, "TIMEDEL": 3.14104, "TIMEUNIT": "s",
        "TSTART": start, "TSTOP": stop, "RA_PNT": 83.8, "DEC_PNT": -5.4, "RA_NOM": 83.8, "DEC_NOM": -5.4,
        "RA_TARG": 83.8, "DEC_TARG": -5.4, "ROLL_PNT": 354.0, "EXPOSURE": 18279.0, "DTCOR": 0.98693426381071,
    }  # fmt: skip


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
    """An ACIS level-2 list of a whole field; GTI tables named by CCD_ID, EXTVER the same.

    Parameters
    ----------
    path : Path
    photons : Photons — detector is ccd_id
    gti : intervals by CCD; all of the exposure if not given, no tables if {}
    header : keywords of EVENTS to change, None to leave out
    columns : values of columns to change
    has_energy : whether there is an energy column, or pi only
    obs_id : str
    """
    n, sky = len(photons), chandra_sky()
    x, y = sky.to_pixel(photons.ra, photons.dec)
    ev = photons.energy * 1e3
    grades = np.resize([0, 2, 3, 4, 6], n)
    values: dict[str, tuple[str, str, object]] = {
        "time": ("1D", "s", photons.time),
        "ccd_id": ("1I", "", photons.detector),
        "node_id": ("1I", "", np.zeros(n)),
        "expno": ("1J", "", np.arange(n)),
        "chipx": ("1I", "pixel", np.full(n, 500)),
        "chipy": ("1I", "pixel", np.full(n, 500)),
        "tdetx": ("1I", "pixel", np.full(n, 4000)),
        "tdety": ("1I", "pixel", np.full(n, 2000)),
        "detx": ("1E", "pixel", x),
        "dety": ("1E", "pixel", y),
        "x": ("1E", "pixel", x),
        "y": ("1E", "pixel", y),
        "pha": ("1J", "adu", np.round(ev / 4)),
        "pha_ro": ("1J", "adu", np.round(ev / 4)),
        "energy": ("1E", "eV", ev),
        "pi": ("1J", "chan", np.minimum(np.floor(ev / 14.6) + 1, 1024)),
        "fltgrade": ("1I", "", grades),
        "grade": ("1I", "", grades),
        "status": ("32X", "", np.zeros((n, 32), dtype=bool)),
    }
    if not has_energy:
        del values["energy"]
    for name, changed in (columns or {}).items():
        values[name] = (*values[name][:2], changed)
    facts = chandra_header(obs_id, photons)
    events = table("EVENTS", [(name, *rest) for name, rest in values.items()], facts)
    _set(events.header, sky_keywords(events, sky, "x", "y"))
    intervals = whole_exposure(photons, sorted(set(photons.detector.tolist()))) if gti is None else gti
    units = [events]
    for ccd, rows in intervals.items():
        good = sum(stop - start for start, stop in rows)
        _set(events.header, {f"ONTIME{ccd}": good, f"LIVTIME{ccd}": good * 0.98693426381071})
        units.append(gti_table("GTI", rows, {"EXTVER": ccd, "CCD_ID": ccd, "MJDREF": 50814.0, "TIMESYS": "TT"}))
    _set(events.header, header or {})
    return write(path, units, {key: facts[key] for key in ("TELESCOP", "INSTRUME", "OBS_ID", "MJDREF", "TIMESYS")})


def write_chandra_large(path: Path, rows: int, *, rows_per_block: int = 250_000, seed: int = 3) -> Path:
    """An uncompressed ACIS-I list of any length over 10 ks, written in blocks of which `rows` is a multiple.

    Four CCDs beside each other; one photon in five is of 200 point sources.
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
    """Photons of a part of the exposure, on the CCD of their quadrant."""
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
    filtered : intervals of GTI00n06 by CCD; n counts tables from 0, so it shifts where a CCD is missing
    keyword : whether GTI tables name their CCD (CCDID) or the data-subspace keys of the events do
    """
    n = len(photons)
    sky = SkyProjection("TAN", 149.6, -11.08, 25921, 25921, -0.05 / 3600, 0.05 / 3600)
    x, y = sky.to_pixel(photons.ra, photons.dec)
    values: dict[str, tuple[str, str, object]] = {
        "TIME": ("D", "s", photons.time),
        "RAWX": ("I", "PIXELS", np.full(n, 300)),
        "RAWY": ("I", "PIXELS", np.full(n, 300)),
        "DETX": ("I", "pixel", np.zeros(n)),
        "DETY": ("I", "pixel", np.zeros(n)),
        "X": ("J", "pixel", np.round(x)),
        "Y": ("J", "pixel", np.round(y)),
        "PHA": ("I", "CHAN", np.round(photons.energy * 300)),
        "PI": ("I", "CHAN", np.round(photons.energy * 1e3)),
        "FLAG": ("J", "", np.zeros(n)),
        "PATTERN": ("B", "", np.resize([0, 1, 3, 4], n)),
    }
    if instrument == "EPN":
        values |= {"PAT_ID": ("B", "", np.zeros(n)), "PAT_SEQ": ("B", "", np.zeros(n))}
    values["CCDNR"] = ("B", "", photons.detector)
    for name, changed in (columns or {}).items():
        values[name] = (*values[name][:2], changed)
    start, stop = _edge(photons)
    events = table(
        "EVENTS",
        [(name, *rest) for name, rest in values.items()],
        {
            "TELESCOP": "XMM", "INSTRUME": instrument, "DATAMODE": "IMAGING", "SUBMODE": "PrimeFullWindow",
            "OBS_ID": "0201901401", "OBS_MODE": "POINTING", "OBJECT": "A cluster", "MJDREF": 50814.0, "TIMESYS": "TT",
            "TIMEZERO": 0.0, "TSTART": start, "TSTOP": stop, "RA_PNT": 149.6, "DEC_PNT": -11.08,
        },
    )  # fmt: skip
    _set(events.header, sky_keywords(events, sky, "X", "Y"))
    ccds = sorted(set(photons.detector.tolist()))
    standard = whole_exposure(photons, ccds) if gti is None else gti
    frame = 73.0 if instrument == "EPN" else 2600.0
    units = [events]
    for ccd, rows in standard.items():
        good = sum(b - a for a, b in rows)
        _set(events.header, {f"ONTIME{ccd:02d}": good, f"LIVETI{ccd:02d}": good * 0.98})
        facts = {"FRMTIME": frame, "TIMEZERO": 0.0, "CCDID": ccd if keyword else None}
        units.append(gti_table(f"STDGTI{ccd:02d}", rows, facts))
    for digit, (ccd, rows) in enumerate((filtered or {}).items()):
        name = f"GTI00{digit}06"
        units.append(gti_table(name, rows, {"TIMEZERO": 0.0, "CCDID": ccd if keyword else None}))
        prefix = "" if digit == 0 else str(digit + 1)
        _set(events.header, {f"{prefix}DSVAL1": str(ccd), f"{prefix}DSREF6": f":{name}"})
    if filtered:
        _set(events.header, {"DSTYP1": "CCDNR", "DSTYP2": "FLAG", "DSTYP6": "TIME"})
    _set(events.header, header or {})
    return write(path, units, {})


def write_obsmli(path: Path, ra: Sequence[float], dec: Sequence[float]) -> Path:
    """The pipeline's source list: a summary row and one camera row for each source."""
    n = len(ra)
    both = np.repeat(np.arange(n), 2)
    columns = [
        ("ML_ID_SRC", "J", "", both + 1),
        ("ID_INST", "J", "", np.tile([0, 1], n)),
        ("ID_BAND", "J", "", np.tile([0, 1], n)),
        ("RA", "D", "deg", np.asarray(ra)[both]),
        ("DEC", "D", "deg", np.asarray(dec)[both]),
        ("RADEC_ERR", "E", "arcsec", np.full(2 * n, 0.9)),
    ]
    return write(path, [table("SRCLIST", columns, {})], {"TELESCOP": "XMM"})


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
    n = len(photons)
    sky = SkyProjection("TAN", 185.707, 15.83, 500.5, 500.5, -6.548089e-4, 6.548089e-4)
    x, y = sky.to_pixel(photons.ra, photons.dec)
    values: dict[str, tuple[str, str, object]] = {
        "TIME": ("1D", "s", photons.time),
        "X": ("1I", "pixel", np.round(x)),
        "Y": ("1I", "pixel", np.round(y)),
        "RAWX": ("1I", "pixel", np.full(n, 300)),
        "RAWY": ("1I", "pixel", np.full(n, 300)),
        "DETX": ("1I", "pixel", np.full(n, 300)),
        "DETY": ("1I", "pixel", np.full(n, 300)),
        "PHA": ("1J", "chan", np.round(photons.energy * 100)),
        "PI": ("1J", "chan", np.round(photons.energy * 100)),
        "GRADE": ("1I", "", np.resize([0, 1, 5, 12], n)),
        "STATUS": ("16X", "", np.zeros((n, 16), dtype=bool)),
    }
    for name, changed in (columns or {}).items():
        values[name] = (*values[name][:2], changed)
    start, stop = _edge(photons)
    clock = {"MJDREFI": 51910, "MJDREFF": 7.4287037e-4, "TIMESYS": "TT"}
    who = {"TELESCOP": "SWIFT", "INSTRUME": "XRT", "DATAMODE": "PHOTON", "OBS_ID": "00011337002", "OBJECT": "SN"}
    events = table(
        "EVENTS",
        [(name, *rest) for name, rest in values.items()],
        {
            **who, **clock, "OBS_MODE": "POINTING", "TIMEZERO": 0.0, "TIMEPIXR": 0.0, "TIMEDEL": 2.5073,
            "TSTART": start, "TSTOP": stop, "RA_PNT": 185.707, "DEC_PNT": 15.83, "DEADC": 0.996018291,
            "TNULL2": -1, "TNULL3": -1, "TNULL9": -4095,
        },
    )  # fmt: skip
    _set(events.header, sky_keywords(events, sky, "X", "Y"))
    _set(events.header, header or {})
    intervals = whole_exposure(photons) if gti is None else gti
    units = [events, *(gti_table("GTI", rows, {**who, **clock}) for rows in intervals.values())]
    return write(path, units, {**who, **clock})


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
    n = len(photons)
    sky = projection or SkyProjection("SIN", 107.17, -49.55, 0.0, 0.0, -1.3888889095849e-5, 1.3888889095849e-5)
    x, y = sky.to_pixel(photons.ra, photons.dec)
    values: dict[str, tuple[str, str, object]] = {
        "TIME": ("D", "s", photons.time),
        "RA": ("J", "deg", np.round(photons.ra * 1e6).astype(np.int64)),
        "DEC": ("J", "deg", np.round(photons.dec * 1e6).astype(np.int64)),
        "X": ("D", "deg", x),
        "Y": ("D", "deg", y),
        "PI": ("E", "deg", photons.energy * 1e3),
        "EV_WEIGHT": ("E", "deg", np.ones(n)),
        "RAWX": ("I", "deg", np.full(n, 192)),
        "RAWY": ("I", "deg", np.full(n, 192)),
        "SUBX": ("D", "deg", np.zeros(n)),
        "SUBY": ("D", "deg", np.zeros(n)),
        "PHA": ("I", "deg", np.round(photons.energy * 500)),
        "PAT_TYP": ("I", "deg", np.resize([1, 2, 3, 4], n)),
        "PAT_INF": ("B", "deg", np.zeros(n)),
        "TM_NR": ("B", "deg", photons.detector),
        "FLAG": ("J", "deg", np.full(n, 0x12)),
        "FRAMETIME": ("D", "s", photons.time - 1),
        "RECORDTIME": ("D", "s", photons.time),
    }
    for name, changed in (columns or {}).items():
        values[name] = (*values[name][:2], changed)
    start, stop = _edge(photons)
    who = {"TELESCOP": "eROSITA", "INSTRUME": "merged", "OBS_ID": "300003", "OBJECT": "1H0707", "MJDREF": 51543.875}
    events = table(
        "EVENTS",
        [(name, *rest) for name, rest in values.items()],
        {
            **who, "DATAMODE": "", "OBS_MODE": "POINTING", "TIMESYS": "TT", "TIMEZERO": 0.0, "FRAMETIM": 50.0584,
            "TSTART": start, "TSTOP": stop, "RA_PNT": 107.17, "DEC_PNT": -49.55, "RA_OBJ": 107.17, "DEC_OBJ": 0.0,
            "FLAGSEL": -1073680384, "PAT_SEL": 15, "TSCAL2": 1e-6, "TZERO2": 0.0, "TSCAL3": 1e-6, "TZERO3": 0.0,
        },
    )  # fmt: skip
    _set(events.header, sky_keywords(events, sky, "X", "Y"))
    _set(events.header, header or {})
    modules = sorted(set(photons.detector.tolist()))
    intervals = whole_exposure(photons, modules) if gti is None else gti
    units = [events, *(gti_table(f"GTI{module}", rows, {}) for module, rows in intervals.items())]
    for module, fraction in (dead_time or {}).items():
        columns_ = [("TIME", "D", "s", np.array([start, stop])), ("DEADC", "E", "", np.full(2, fraction))]
        units.append(table(f"DEADCOR{module}", columns_, {}))
    return write(path, units, who)


# Einstein Probe.

EP_CLOCK = {"MJDREFI": 58849, "MJDREFF": 8.0074074e-4, "TIMESYS": "TT"}


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
    n = len(photons)
    sky = SkyProjection("TAN", 200.0, 30.0, 5000.5, 5000.5, -0.002261458, 0.002261458)
    x, y = sky.to_pixel(photons.ra, photons.dec)
    values: dict[str, tuple[str, str, object]] = {
        "TIME": ("1D", "s", photons.time),
        "RAWX": ("1I", "pixel", np.full(n, 2000)),
        "RAWY": ("1I", "pixel", np.full(n, 2000)),
        "Amp": ("1B", "", np.zeros(n)),
        "PHA": ("1J", "chan", np.round(photons.energy * 100)),
        "STATUS": ("16X", "", np.zeros((n, 16), dtype=bool)),
        "DETX": ("1I", "pixel", np.full(n, 2000)),
        "DETY": ("1I", "pixel", np.full(n, 2000)),
        "X": ("1I", "pixel", np.round(x)),
        "Y": ("1I", "pixel", np.round(y)),
        "GRADE": ("1I", "", np.zeros(n)),
        "PI": ("1J", "chan", np.round(photons.energy * 100)),
    }
    for name, changed in (columns or {}).items():
        values[name] = (*values[name][:2], changed)
    start, stop = _edge(photons)
    who = {"TELESCOP": "EP", "INSTRUME": "WXT", "DETNAM": f"CMOS{cmos}", "OBS_ID": "11900000001", "OBJECT": "A field"}
    events = table(
        "EVENTS",
        [(name, *rest) for name, rest in values.items()],
        {
            **who, **EP_CLOCK, "DATAMODE": "PC", "TIMEZERO": 0.0, "TIMEDEL": 0.05, "TSTART": start, "TSTOP": stop,
            "RA_PNT": 200.0, "DEC_PNT": 30.0, "DEADC": 1.0, "TNULL9": -1, "TNULL10": -1, "TNULL12": -4095,
        },
    )  # fmt: skip
    _set(events.header, sky_keywords(events, sky, "X", "Y"))
    _set(events.header, header or {})
    intervals = whole_exposure(photons) if gti is None else gti
    return write(
        path, [events, *(gti_table("GTI", rows, EP_CLOCK) for rows in intervals.values())], {**who, **EP_CLOCK}
    )


def write_ep_cat(path: Path, ra: Sequence[float], dec: Sequence[float]) -> Path:
    """A WXT source list."""
    columns = [
        ("ID", "J", "", np.arange(1, len(ra) + 1)),
        ("RA", "D", "deg", np.asarray(ra)),
        ("DEC", "D", "deg", np.asarray(dec)),
        ("POS_ERR", "E", "arcmin", np.full(len(ra), 1.0)),
    ]
    return write(path, [table("SRC_LIST", columns, {})], {"TELESCOP": "EP", "INSTRUME": "WXT"})


def ebounds(channels: int = 1024, kev: float = 0.01) -> fits.BinTableHDU:
    """Energies of PI channels."""
    channel = np.arange(channels)
    columns = [
        ("CHANNEL", "J", "", channel),
        ("E_MIN", "E", "keV", channel * kev),
        ("E_MAX", "E", "keV", (channel + 1) * kev),
    ]
    return table("EBOUNDS", columns, {"HDUCLASS": "OGIP", "HDUCLAS1": "RESPONSE", "HDUCLAS2": "EBOUNDS"})


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
    n = len(photons)
    sky = SkyProjection("TAN", 28.87, 5.91, 300.5, 300.5, -0.002685739662709, 0.002685739662709)
    x, y = sky.to_pixel(photons.ra, photons.dec)
    pi = np.floor(photons.energy * 100)
    values: dict[str, tuple[str, str, object]] = {
        "TIME": ("1D", "s", photons.time),
        "X": ("1I", "pixel", np.round(x)),
        "Y": ("1I", "pixel", np.round(y)),
        "RAWX": ("1I", "pixel", np.full(n, 192)),
        "RAWY": ("1I", "pixel", np.full(n, 192)),
        "PHA": ("1J", "chan", pi),
        "PI": ("1J", "chan", pi),
        "GRADE": ("1I", "", np.resize([0, 3, 12], n)),
        "STATUS": ("16X", "", np.zeros((n, 16), dtype=bool)),
    }
    for name, changed in (columns or {}).items():
        values[name] = (*values[name][:2], changed)
    start, stop = _edge(photons)
    who = {"TELESCOP": "EP", "INSTRUME": "FXT", "DETNAM": module, "OBS_ID": "06800000181", "OBJECT": "EP241021a"}
    events = table(
        "EVENTS",
        [(name, *rest) for name, rest in values.items()],
        {
            **who, **EP_CLOCK, "DATAMODE": "FF", "TIMEZERO": "0", "TIMEDEL": 0.05, "TSTART": start, "TSTOP": stop,
            "RA_PNT": 28.87, "DEC_PNT": 5.91, "DEADC": 1.0, "LIVETIME": 6121.7, "ONTIME": 6121.7, "TNULL7": -4095,
        },
    )  # fmt: skip
    _set(events.header, sky_keywords(events, sky, "X", "Y"))
    _set(events.header, header or {})
    intervals = whole_exposure(photons) if gti is None else gti
    units = [events, *(gti_table("GTI", rows, EP_CLOCK) for rows in intervals.values())]
    return write(path, [*units, ebounds()] if has_ebounds else units, {**who, **EP_CLOCK})
