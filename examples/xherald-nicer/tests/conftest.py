"""NICER's files: those that are written here, and a real one where it is at hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

START, SECONDS = 213_820_500.0, 1_000.0
GAP = (400.0, 450.0)
"""s after the start between which nothing was observed."""

BURST, BURST_SECONDS, BURST_PHOTONS = 700.0, 8.0, 150
STEADY = 1_500
CLEAN, UNDERSHOOT, FAST_ONLY = 0b011000, 0b011001, 0b001000
DEAD_STEPS, DEAD_STEP_S = 35, 620.2e-9
DEAD_SECONDS = (DEAD_STEPS + 0.5) * DEAD_STEP_S
REAL = Path(__file__).parent / "../../../../shared/data/other/nicer_sgr1830_timezero.evt.gz"
"""SGR 1830−0645 on 2020-10-10, beside the checkout; or where XHERALD_NICER_FILE says."""


def times() -> NDArray[np.float64]:
    """Column TIME: a steady source with a burst, before TIMEZERO is added."""
    rng = np.random.default_rng(3)
    steady = rng.uniform(0, SECONDS, STEADY)
    steady = steady[(steady < GAP[0]) | (steady > GAP[1])]
    burst = BURST + BURST_SECONDS * rng.random(BURST_PHOTONS)
    return START + np.sort(np.concatenate([steady, burst]))


def write_nicer(path: Path, *, timezero: float | None = -1.0, energy: str = "PI", **keywords: object) -> Path:
    """Write a list as `nicerl2` does, every tenth event unfit: undershoots, fast channel only, no energy, in turn."""
    rng = np.random.default_rng(4)
    time = times()
    n = len(time)
    odd = np.where(np.arange(n) % 10 == 9, np.arange(n) // 10 % 3 + 1, 0)
    flags = np.choose(odd, [CLEAN, UNDERSHOOT, FAST_ONLY, CLEAN])
    pi = np.where(odd == 3, -32768, rng.integers(40, 800, n))
    fpm = rng.integers(0, 8, n) + 10 * rng.integers(0, 7, n)
    bits = (flags[:, None] >> np.arange(7, -1, -1)) & 1
    columns = [
        fits.Column("TIME", "1D", "s", array=time),
        fits.Column("DET_ID", "1B", array=fpm.astype(np.uint8)),
        fits.Column("DEADTIME", "1B", "s", array=np.full(n, DEAD_STEPS, dtype=np.uint8)),
        fits.Column("EVENT_FLAGS", "8X", array=bits.astype(bool)),
        fits.Column(energy, "1I", "chan", null=-32768, array=pi),
    ]
    said = {
        "TELESCOP": "NICER", "INSTRUME": "XTI", "OBS_ID": "2010101830", "OBJECT": "SGR_1830-0645", "TIMESYS": "TT",
        "MJDREFI": 56658, "MJDREFF": 0.000777592592592593, "TIMEDEL": 40e-9, "TIMEPIXR": 0.0, "DATAMODE": "PHOTON",
        "TSCAL3": DEAD_STEP_S, "TZERO3": 0.5 * DEAD_STEP_S, "RA_OBJ": 277.6702, "DEC_OBJ": -6.755,
        "TIMEZERO": timezero, **keywords,
    }  # fmt: skip
    events = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    events.header.update({key: value for key, value in said.items() if value is not None})
    good = np.array([[0.0, GAP[0]], [GAP[1], SECONDS]]) + START
    edges = [fits.Column("START", "D", "s", array=good[:, 0]), fits.Column("STOP", "D", "s", array=good[:, 1])]
    gti = fits.BinTableHDU.from_columns(edges, name="GTI")
    if timezero is not None:
        gti.header["TIMEZERO"] = timezero
    fits.HDUList([fits.PrimaryHDU(), events, gti]).writeto(path)
    return path


@pytest.fixture
def event_file(tmp_path: Path) -> Path:
    return write_nicer(tmp_path / "ni2010101830_0mpu7_cl.evt")


@pytest.fixture
def real_file() -> Path:
    path = Path(os.environ.get("XHERALD_NICER_FILE", REAL))
    if not path.is_file():
        pytest.skip(f"no real NICER file at {path}")
    return path
