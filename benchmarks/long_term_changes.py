"""False alarms and recall of new and vanished sources, on fields that the simulator did not make.

``python -m benchmarks.long_term_changes --fields 200 --seed 1`` prints the tables of docs/candidates.md. Photons of
point sources and of a flat background are drawn with numpy and counted in apertures and in coarse maps; sources are
those that stand out of the background. The rates of ordinary sources scatter between observations; transients are
absent in all observations but one.
"""

from __future__ import annotations

import argparse
import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from xherald.catalog_store.ledger.history_records import FieldHistory, FieldObservation, FieldSource
from xherald.catalog_store.ledger.records import DetectionRecord, ObservationRecord
from xherald.detector.candidates.long_term_changes import find_long_term_changes
from xherald.detector.candidates.ordinary_changes import ordinary_scatter
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
SPREAD = PointSpread("Gaussian", (0.0,), (1.5,), ((R50,),), ((R90,),), 0.0)


@dataclass(frozen=True)
class Sky:
    """Positions of sources, arcsec from the centre, and their counts in an exposure of 1, shape (n,)."""

    x: np.ndarray
    y: np.ndarray
    rate: np.ndarray


def draw_sky(rng: np.random.Generator, slope: float = SLOPE) -> Sky:
    """Ordinary sources on a grid."""
    x, y = ((np.indices((SIDE, SIDE)) - (SIDE - 1) / 2) * SPACING_ARCSEC).reshape(2, -1)
    low, high = FAINTEST**-slope, BRIGHTEST**-slope
    rate = (low - rng.random(len(x)) * (low - high)) ** (-1 / slope)
    return Sky(x + rng.uniform(-5, 5, len(x)), y + rng.uniform(-5, 5, len(x)), rate)


def observe(
    rng: np.random.Generator, sky: Sky, days: float, exposure: float, dex: np.ndarray, transient: float | None = None
) -> FieldObservation:
    """Photons, apertures and map of an observation.

    Parameters
    ----------
    exposure : float — relative to `EXPOSURE_S`
    dex : ndarray, shape (n,) — scatter of the logarithm of the rates
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


def search_ordinary(rng: np.random.Generator, dex: float | None, days: float, slope: float) -> tuple[int, int]:
    """Number of candidates in a field of ordinary sources, observed one to four times before, and of sources compared.

    The scatter of the sources is that of the null hypothesis if `dex` is None.
    """
    sky = draw_sky(rng, slope)
    numbers = range(1, rng.integers(2, 6))
    scatter = draw_scatter(rng, days * numbers[-1]) if dex is None else np.full(len(sky.rate), dex)
    others = tuple(observe(rng, sky, -days * number, 10.0 ** rng.uniform(-0.5, 1.0), scatter) for number in numbers)
    search = find_long_term_changes(FieldHistory(observe(rng, sky, 0.0, 1.0, scatter), others))
    return sum(one.false_alarm_probability <= THRESHOLD for one in search.changes), search.sources


def draw_scatter(rng: np.random.Generator, days: float) -> np.ndarray:
    """Scatter of ordinary sources, dex, as in the null hypothesis."""
    dex, share = np.array(ordinary_scatter(days)).T
    return rng.choice(dex, SIDE**2, p=share)


def search_transient(rng: np.random.Generator, counts: float, ratio: float, days: float, is_new: bool) -> bool:
    """Whether a transient is a candidate.

    It has so many counts in an exposure of 1; the other exposure, without it, is `ratio` times as long.
    """
    sky = draw_sky(rng)
    scatter = np.full(len(sky.rate), 0.15)
    bright = observe(rng, sky, 0.0 if is_new else -days, 1.0, scatter, transient=counts)
    faint = observe(rng, sky, -days if is_new else 0.0, ratio, scatter, transient=0.0)
    field = FieldHistory(bright, (faint,)) if is_new else FieldHistory(faint, (bright,))
    return any(
        one.bright.source is not None
        and one.bright.source.number == 0
        and one.is_brightening is is_new
        and one.false_alarm_probability <= THRESHOLD
        for one in find_long_term_changes(field).changes
    )


def format_share(found: int, total: int) -> str:
    """A share with its binomial error, or its upper limit at 95 % if nothing was found."""
    if found == 0:
        return f"< {3.0 / total:.1e} (95 %)"
    share, error = found / total, (max(found * (total - found) / total, 1.0)) ** 0.5 / total
    return f"{share:.2f} ± {error:.2f}" if share > 0.1 else f"{share:.1e} ± {error:.1e}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=300)
    parser.add_argument("--null-fields", type=int, default=600)
    parser.add_argument("--slope", type=float, default=SLOPE, help="of ordinary sources in the first table")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print("| scatter, dex | days apart | sources | candidates | false alarms per source |")
    print("|---|---|---|---|---|")
    for dex in (None, 0.15, 0.3):
        for days in (30.0, 365.0):
            rng = np.random.default_rng([options.seed, 0 if dex is None else round(100 * dex), int(days)])
            found, sources = np.sum(
                [search_ordinary(rng, dex, days, options.slope) for _ in range(options.null_fields)], axis=0
            )
            name = "as in the null hypothesis" if dex is None else str(dex)
            print(f"| {name} | {days:.0f} | {sources:,} | {found} | {format_share(found, sources)} |", flush=True)
    if not options.fields:
        return
    print("\n| counts | other exposure | new, 30 days | vanished, 30 days | new, 1 year | vanished, 1 year |")
    print("|---|---|---|---|---|---|")
    for counts in (12.0, 20.0, 40.0):
        for ratio in (1.0, 3.0, 10.0):
            cells = []
            for days in (30.0, 365.0):
                for is_new in (True, False):
                    rng = np.random.default_rng([options.seed, int(counts), int(ratio), int(days), is_new])
                    found = sum(search_transient(rng, counts, ratio, days, is_new) for _ in range(options.fields))
                    cells.append(format_share(found, options.fields))
            print(f"| {counts:.0f} | {ratio:.0f} × | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
