"""False alarms and recall of new and vanished sources, on fields that the simulator did not make.

``python -m benchmarks.long_term_changes --fields 300 --seed 1`` prints the tables of docs/store.md; with
``--scatter 0.15`` the null hypothesis has that scatter only. Photons of point
sources and of a flat background are drawn with numpy and counted in apertures and in coarse maps; sources are those
that stand out of the background. The rates of ordinary sources scatter between observations; transients are absent in
all observations but one.
"""

from __future__ import annotations

import argparse
import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from xherald.catalog_store.ledger.history_records import FieldHistory, FieldObservation, FieldSource
from xherald.catalog_store.ledger.records import DetectionRecord, ObservationRecord
from xherald.detector.candidates.long_term_changes import LongTermSearch, find_long_term_changes
from xherald.detector.candidates.position_history import SCATTER
from xherald.photons import PointSpread
from xherald.photons.sky_map import SkyMap, healpix_index

RA, DEC = 150.1, 2.2
SIDE = 6
SPACING_ARCSEC = 90.0
SIGMA_ARCSEC = 6.4
"""Gaussian point spread."""
R50, R90 = 1.1774 * SIGMA_ARCSEC, 2.1460 * SIGMA_ARCSEC
BACKGROUND = 0.5
"""Background counts within the 90 % radius in an exposure of 1."""
ORDER = 14
EXPOSURE_S = 10_000.0
MIN_COUNTS = 6
"""Detected with at least so many counts, more than the background gives in one of 60,000 apertures."""
SLOPE = 1.2
FAINTEST, BRIGHTEST = 3.0, 3_000.0
"""Counts of ordinary sources in an exposure of 1, distributed as N(> s) ~ s^-SLOPE."""
THRESHOLD = 1e-3
Scatter = tuple[tuple[float, float], ...]
"""See `position_history.SCATTER`."""
SPREAD = PointSpread("Gaussian", (0.0,), (1.5,), ((R50,),), ((R90,),), 0.0)


@dataclass(frozen=True)
class Sky:
    """Positions of sources, arcsec from the centre, and their counts in an exposure of 1, shape (n,)."""

    x: np.ndarray
    y: np.ndarray
    rate: np.ndarray


def draw_sky(rng: np.random.Generator) -> Sky:
    """Ordinary sources on a grid."""
    x, y = ((np.indices((SIDE, SIDE)) - (SIDE - 1) / 2) * SPACING_ARCSEC).reshape(2, -1)
    low, high = FAINTEST**-SLOPE, BRIGHTEST**-SLOPE
    rate = (low - rng.random(len(x)) * (low - high)) ** (-1 / SLOPE)
    return Sky(x + rng.uniform(-5, 5, len(x)), y + rng.uniform(-5, 5, len(x)), rate)


def observe(
    rng: np.random.Generator, sky: Sky, days: float, exposure: float, dex: float, transient: float | None = None
) -> FieldObservation:
    """Photons, apertures and map of an observation.

    Parameters
    ----------
    exposure : float — relative to `EXPOSURE_S`
    dex : float — scatter of the logarithm of the rates
    transient : float, optional — counts of the first source within its aperture, in place of its rate
    """
    mean = sky.rate * 10.0 ** rng.normal(0.0, dex, len(sky.rate)) * exposure
    if transient is not None:
        mean[0] = transient / 0.9
    numbers = rng.poisson(mean)
    field = SIDE * SPACING_ARCSEC
    n_background = rng.poisson(BACKGROUND * exposure * field**2 / (np.pi * R90**2))
    source_x, source_y = (
        np.repeat(part, numbers) + rng.normal(0, SIGMA_ARCSEC, numbers.sum()) for part in (sky.x, sky.y)
    )
    x = np.concatenate([source_x, rng.uniform(-field / 2, field / 2, n_background)])
    y = np.concatenate([source_y, rng.uniform(-field / 2, field / 2, n_background)])
    sources = []
    for number, (x0, y0) in enumerate(zip(sky.x, sky.y, strict=True)):
        counts = int((np.hypot(x - x0, y - y0) <= R90).sum())
        if counts < MIN_COUNTS or counts < BACKGROUND * exposure + 5 * np.sqrt(BACKGROUND * exposure):
            continue
        error = SIGMA_ARCSEC / np.sqrt(counts)
        ra, dec = to_sky(x0 + rng.normal(0, error), y0 + rng.normal(0, error))
        found = DetectionRecord(
            f"s{number}", float(ra), float(dec), counts, EXPOSURE_S * exposure,
            background_counts=BACKGROUND * exposure, pos_err_arcsec=1.51 * error, details={"psf_fraction": 0.9},
        )  # fmt: skip
        sources.append(FieldSource(number, found))
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days)
    record = ObservationRecord("MADE", "UP", f"{days:g}", start=start, stop=start + timedelta(hours=4))
    return FieldObservation(record, tuple(sources), count_map(x, y, exposure), observation_id=int(days) + 10_000)


def to_sky(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Right ascension and declination, deg, of offsets in arcsec."""
    dec = DEC + np.asarray(y) / 3600
    return RA + np.asarray(x) / 3600 / np.cos(np.radians(dec)), dec


@functools.cache
def field_pixels() -> np.ndarray:
    """Pixels of the map, ascending."""
    grid = np.linspace(-0.5, 0.5, 400) * SIDE * SPACING_ARCSEC
    return np.unique(healpix_index(*to_sky(*(part.ravel() for part in np.meshgrid(grid, grid))), ORDER))


def count_map(x: np.ndarray, y: np.ndarray, exposure: float) -> SkyMap:
    """Coarse map of the photons."""
    pixels = field_pixels()
    photons = healpix_index(*to_sky(x, y), ORDER)
    row = np.minimum(np.searchsorted(pixels, photons), len(pixels) - 1)
    counts = np.bincount(row[pixels[row] == photons], minlength=len(pixels)).astype(np.int32)
    area = (58.632 * 3600 / 2**ORDER) ** 2
    each = np.ones(len(pixels))
    background = BACKGROUND * exposure * area / (np.pi * R90**2)
    return SkyMap(ORDER, pixels, counts, background * each, EXPOSURE_S * exposure * each, SPREAD, (RA, DEC))


def search_ordinary(rng: np.random.Generator, dex: float, null: Scatter) -> tuple[LongTermSearch, int]:
    """Changes of a field of ordinary sources, observed one to four times before, and the number of sources detected."""
    sky = draw_sky(rng)
    others = tuple(
        observe(rng, sky, -30.0 * number, 10.0 ** rng.uniform(-0.5, 1.0), dex)
        for number in range(1, rng.integers(2, 6))
    )
    present = observe(rng, sky, 0.0, 1.0, dex)
    return find_long_term_changes(FieldHistory(present, others), null), len(present.sources)


def search_transient(
    rng: np.random.Generator, counts: float, ratio: float, is_new: bool, null: Scatter
) -> tuple[bool, bool]:
    """Whether a transient is listed, and whether it is a candidate.

    It has so many counts in an exposure of 1; the other exposure, without it, is `ratio` times as long.
    """
    sky = draw_sky(rng)
    bright = observe(rng, sky, 0.0 if is_new else -30.0, 1.0, 0.15, transient=counts)
    faint = observe(rng, sky, -30.0 if is_new else 0.0, ratio, 0.15, transient=0.0)
    field = FieldHistory(bright, (faint,)) if is_new else FieldHistory(faint, (bright,))
    found = [
        one
        for one in find_long_term_changes(field, null).changes
        if one.bright.source is not None and one.bright.source.number == 0 and one.is_brightening is is_new
    ]
    return bool(found), any(one.false_alarm_probability <= THRESHOLD for one in found)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scatter", type=float)
    options = parser.parse_args()
    null = SCATTER if options.scatter is None else ((options.scatter, 1.0),)
    print("| scatter, dex | sources | comparisons | listed (p <= 0.001), per source | fields with a candidate |")
    print("|---|---|---|---|---|")
    for dex in (0.15, 0.3):
        rng = np.random.default_rng([options.seed, round(100 * dex)])
        done = [search_ordinary(rng, dex, null) for _ in range(options.fields)]
        sources, trials = sum(found for _, found in done), sum(search.trials for search, _ in done)
        listed = sum(len(search.changes) for search, _ in done)
        fields = sum(any(one.false_alarm_probability <= THRESHOLD for one in search.changes) for search, _ in done)
        print(
            f"| {dex} | {sources:,} | {trials:,} | {listed} ({listed / sources:.1e}) | {fields} of {options.fields} |"
        )
    print("\n| counts | other exposure | new: listed / candidate | vanished: listed / candidate |")
    print("|---|---|---|---|")
    for counts in (12.0, 20.0, 40.0):
        for ratio in (1.0, 3.0, 10.0):
            cells = []
            for is_new in (True, False):
                rng = np.random.default_rng([options.seed, int(counts), int(ratio), is_new])
                share = np.mean(
                    [search_transient(rng, counts, ratio, is_new, null) for _ in range(options.fields)], axis=0
                )
                cells.append(" / ".join(f"{one:.2f}" for one in share))
            print(f"| {counts:.0f} | {ratio:.0f} x | {cells[0]} | {cells[1]} |", flush=True)


if __name__ == "__main__":
    main()
