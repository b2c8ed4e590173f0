"""Chandra-like event files simulated with SOXS (ZuHone et al., https://hea-www.cfa.harvard.edu/soxs/).

SOXS downloads its responses, so that simple ones are written here: a flat effective area, a Gaussian energy resolution
and a point spread of one radius. SOXS places photons on chips, dithers them, scatters them and cuts at chip edges; its
sources do not vary. A flare is a source of a second, shorter exposure, whose times are moved before both lists are
joined.

Run as a script in an environment with SOXS: ``python soxs_skies.py FOLDER SEED N_FILES``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits

EXPOSURE_S = 20_000.0
START_S = 700_000_000.0
"""Beginning of the observation on Chandra's clock (MJDREF 50814 TT), s."""

RA_DEG, DEC_DEG = 150.0, 2.0
AREA_CM2 = 400.0
FWHM_ARCSEC = 1.6
CHANNEL_EV = 14.6
BACKGROUND_HZ = 0.6
"""Uniform events of the whole detector, 0.5-7 keV, per s."""

PIXEL_ARCSEC = 0.492
SIZE = 2440
"""Side of the field of SOXS, pixels, from which the side of a pixel follows."""

CENTRE = 0.5 * (2 * SIZE + 1)
"""Pixel of the pointing."""

FLARE_COUNTS, FLARE_S = 40.0, 1000.0
FRAME_S = 3.2
DITHER = 8.0, 8.0, FLARE_S, FLARE_S / 2
"""Amplitudes, arcsec, and periods, s, along the axes of the detector: a flare that begins after whole periods is
dithered as the observation is."""

COLUMNS = ("time", "detx", "dety", "xpix", "ypix", "chip_id", "energy")

CHIPS = [["Box", x, y, 1024, 1024] for x in (-532, 532) for y in (-532, 532)]


def write_responses(folder: Path) -> None:
    """A flat area and a diagonal response with a resolution of 100 eV."""
    edges = np.arange(0.3, 9.0, CHANNEL_EV / 1000.0)
    low, high = edges[:-1], edges[1:]
    n = len(low)
    area = fits.BinTableHDU.from_columns(
        [
            fits.Column("ENERG_LO", "E", unit="keV", array=low),
            fits.Column("ENERG_HI", "E", unit="keV", array=high),
            fits.Column("SPECRESP", "E", unit="cm**2", array=np.full(n, AREA_CM2)),
        ],
        name="SPECRESP",
    )
    area.header["TELESCOP"], area.header["INSTRUME"] = "CHANDRA", "ACIS"
    area.writeto(folder / "flat.arf", overwrite=True)
    middle = 0.5 * (low + high)
    matrix = np.exp(-0.5 * ((middle[None, :] - middle[:, None]) / 0.05) ** 2)
    matrix /= matrix.sum(axis=1, keepdims=True)
    response = fits.BinTableHDU.from_columns(
        [
            fits.Column("ENERG_LO", "E", unit="keV", array=low),
            fits.Column("ENERG_HI", "E", unit="keV", array=high),
            fits.Column("N_GRP", "J", array=np.ones(n)),
            fits.Column("F_CHAN", "J", array=np.ones(n)),
            fits.Column("N_CHAN", "J", array=np.full(n, n)),
            fits.Column("MATRIX", f"{n}E", array=matrix),
        ],
        name="MATRIX",
    )
    response.header.update(TELESCOP="CHANDRA", INSTRUME="ACIS", CHANTYPE="PI", DETCHANS=n, TLMIN4=1, TLMAX4=n)
    bounds = fits.BinTableHDU.from_columns(
        [
            fits.Column("CHANNEL", "J", array=np.arange(1, n + 1)),
            fits.Column("E_MIN", "E", unit="keV", array=low),
            fits.Column("E_MAX", "E", unit="keV", array=high),
        ],
        name="EBOUNDS",
    )
    fits.HDUList([fits.PrimaryHDU(), response, bounds]).writeto(folder / "diagonal.rmf", overwrite=True)


def register_instrument(folder: Path) -> str:
    """Four chips of 1,024 pixels of 0.492 arcsec, with gaps of 40 pixels, that dither by 8 arcsec."""
    import soxs

    soxs.add_instrument_to_registry(
        {
            "name": "acis_like",
            "arf": str(folder / "flat.arf"),
            "rmf": str(folder / "diagonal.rmf"),
            "bkgnd": None,
            "fov": SIZE * PIXEL_ARCSEC / 60.0,
            "num_pixels": SIZE,
            "aimpt_coords": [0.0, 0.0],
            "chips": CHIPS,
            "focal_length": 10.0,
            "dither": True,
            "psf": ["gaussian", FWHM_ARCSEC],
            "imaging": True,
            "grating": False,
        }
    )
    return "acis_like"


def observe(
    rng: np.random.Generator, positions: np.ndarray, counts: np.ndarray, exposure: float, roll: float
) -> dict[str, np.ndarray]:
    """Events of sources with a power-law spectrum: positions (n, 2), deg, and expected counts on the chips."""
    import soxs

    spectrum = soxs.Spectrum.from_powerlaw(1.7, 0.0, 1e-4, 0.5, 7.0, 1000)
    total = float(spectrum.get_flux_in_band(0.5, 7.0)[0].value) * AREA_CM2 * exposure
    sources = [
        soxs.SimputSpectrum.from_spectrum(f"s{k}", spectrum * float(expected / total), float(ra), float(dec))
        for k, ((ra, dec), expected) in enumerate(zip(positions, counts, strict=True))
    ]
    return _events(rng, sources, exposure, roll)


def observe_background(rng: np.random.Generator, exposure: float, roll: float) -> dict[str, np.ndarray]:
    """Events of a uniform sky."""
    import soxs

    spectrum = soxs.Spectrum.from_powerlaw(0.5, 0.0, 1e-4, 0.5, 7.0, 1000)
    rate = float(spectrum.get_flux_in_band(0.5, 7.0)[0].value) * AREA_CM2
    sky = soxs.FillFOVModel(RA_DEG, DEC_DEG, 28.0)
    spectrum = spectrum * (BACKGROUND_HZ / rate)
    photons = soxs.SimputPhotonList.from_models("sky", spectrum, sky, 4 * exposure, AREA_CM2, prng=_seed(rng))
    return _events(rng, [photons], exposure, roll)


def _seed(rng: np.random.Generator) -> np.random.RandomState:
    """Generator of the kind that SOXS takes."""
    return np.random.RandomState(int(rng.integers(1 << 30)))


def _events(rng: np.random.Generator, sources: list[object], exposure: float, roll: float) -> dict[str, np.ndarray]:
    """Events of SIMPUT sources, in exposure time."""
    import soxs.instrument

    # `generate_events` reads sources from a file by name; a list of sources is what it makes of that.
    soxs.instrument.make_source_list = lambda given: given
    events, _ = soxs.instrument.generate_events(
        sources, exposure, "acis_like", (RA_DEG, DEC_DEG), dither_params=DITHER, roll_angle=roll, prng=_seed(rng)
    )
    # Without any event on a chip, SOXS leaves columns out.
    return {name: np.asarray(events[name] if "detx" in events else [], dtype=np.float64) for name in COLUMNS}


def write_event_list(path: Path, events: dict[str, np.ndarray], roll: float) -> None:
    """Chandra level-2 list: columns, coordinates and good times per CCD as the archive writes them."""
    order = np.argsort(events["time"], kind="stable")
    chip = events["chip_id"][order].astype(int)
    first = np.array([[x - width / 2, y - height / 2] for _, x, y, width, height in CHIPS])
    detector = np.column_stack([events["detx"], events["dety"]])[order]
    pixel = np.clip(np.floor(detector - first[chip]) + 1, 1, 1024).astype(np.int16)
    energy = events["energy"][order] * 1000.0
    frame = np.floor(events["time"][order] / FRAME_S) + 0.5
    n = len(order)
    columns = [
        fits.Column("time", "D", unit="s", array=START_S + frame * FRAME_S),
        fits.Column("ccd_id", "I", array=chip),
        fits.Column("chipx", "I", unit="pixel", array=pixel[:, 0]),
        fits.Column("chipy", "I", unit="pixel", array=pixel[:, 1]),
        fits.Column("x", "E", unit="pixel", array=events["xpix"][order] - CENTRE + 4096.5),
        fits.Column("y", "E", unit="pixel", array=events["ypix"][order] - CENTRE + 4096.5),
        fits.Column("pha", "J", unit="adu", array=energy / 4.0),
        fits.Column("energy", "E", unit="eV", array=energy),
        fits.Column("pi", "J", unit="chan", array=energy / CHANNEL_EV + 1),
        fits.Column("grade", "I", array=np.zeros(n)),
        fits.Column("status", "32X", array=np.zeros((n, 32), dtype=bool)),
    ]
    header = fits.Header()
    header.update(
        TELESCOP="CHANDRA", INSTRUME="ACIS", DETNAM="ACIS-0123", GRATING="NONE", OBS_ID=path.name[5:10], OBJECT="SOXS",
        DATAMODE="FAINT", READMODE="TIMED", RA_PNT=RA_DEG, DEC_PNT=DEC_DEG, ROLL_PNT=roll, RA_NOM=RA_DEG,
        DEC_NOM=DEC_DEG, TIMESYS="TT", MJDREF=50814.0, TIMEUNIT="s", TIMEZERO=0.0, TIMEDEL=FRAME_S, TSTART=START_S,
        TSTOP=START_S + EXPOSURE_S, EXPOSURE=EXPOSURE_S, ONTIME=EXPOSURE_S, LIVETIME=EXPOSURE_S, RADESYS="ICRS",
        TCTYP5="RA---TAN", TCTYP6="DEC--TAN", TCRVL5=RA_DEG, TCRVL6=DEC_DEG, TCRPX5=4096.5, TCRPX6=4096.5,
        TCDLT5=-PIXEL_ARCSEC / 3600, TCDLT6=PIXEL_ARCSEC / 3600, TCUNI5="deg", TCUNI6="deg",
    )  # fmt: skip
    hdus = [fits.PrimaryHDU(header=fits.Header({"TELESCOP": "CHANDRA", "INSTRUME": "ACIS"}))]
    hdus.append(fits.BinTableHDU.from_columns(columns, name="EVENTS"))
    hdus[1].header.update(header)
    for number in range(len(CHIPS)):
        good = fits.BinTableHDU.from_columns(
            [
                fits.Column("START", "D", unit="s", array=[START_S]),
                fits.Column("STOP", "D", unit="s", array=[START_S + EXPOSURE_S]),
            ],
            name=f"GTI{number}",
        )
        good.header.update(HDUCLASS="OGIP", HDUCLAS1="GTI", CCD_ID=number, MJDREF=50814.0, TIMEUNIT="s")
        hdus.append(good)
    fits.HDUList(hdus).writeto(path, overwrite=True)


def simulate_field(folder: Path, seed: int, n_sources: int = 40) -> Path:
    """One file and, beside it, its sources: RA, Dec, expected counts, and the flaring one with its interval."""
    rng = np.random.default_rng(seed)
    roll = float(rng.uniform(0, 360))
    ra = RA_DEG + rng.uniform(-0.145, 0.145, n_sources) / np.cos(np.radians(DEC_DEG))
    dec = DEC_DEG + rng.uniform(-0.145, 0.145, n_sources)
    positions = np.column_stack([ra, dec])
    counts = 10 ** rng.uniform(0.7, 2.8, n_sources)
    counts[0] = 15.0
    begin = float(rng.integers(2, 18)) * FLARE_S
    parts = [observe(rng, positions, counts, EXPOSURE_S, roll), observe_background(rng, EXPOSURE_S, roll)]
    flare = observe(rng, positions[:1], np.array([FLARE_COUNTS]), FLARE_S, roll)
    parts.append({**flare, "time": flare["time"] + begin})
    events = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
    path = folder / f"acisf{seed:05d}N001_evt2.fits"
    write_event_list(path, events, roll)
    truth = {"ra_deg": ra.tolist(), "dec_deg": dec.tolist(), "counts": counts.tolist()}
    truth["flare"] = {"start": START_S + begin, "stop": START_S + begin + FLARE_S, "counts": FLARE_COUNTS}
    path.with_suffix(".json").write_text(json.dumps(truth))
    return path


def main() -> None:
    import soxs

    folder, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    soxs.utils.soxs_cfg.set("soxs", "soxs_data_dir", str(folder))
    write_responses(folder)
    register_instrument(folder)
    for seed in range(first, last):
        simulate_field(folder, seed)


if __name__ == "__main__":
    main()
