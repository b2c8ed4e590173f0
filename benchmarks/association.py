"""Association with known truth: completeness, reliability and calibration of the probabilities of counterparts.

``python -m benchmarks.association`` prints the tables of docs/context.md. Each case has 20,000 X-ray sources over
unrelated rows of a Poisson density like that of Gaia at high (1,000 per square degree) and low latitude (100,000), of
which 70 % have a counterpart, brighter than the field on average. The last rows have assumptions that do not hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from xherald.context.association import (
    Associations,
    CatalogueRows,
    MagnitudePrior,
    PositionErrors,
    associate,
    estimate_completeness,
    search_radius_arcsec,
)

N_SOURCES = 20_000
COMPLETENESS = 0.7
CATALOGUE_SIGMA_ARCSEC = 0.1
BINS = (0.0, 0.01, 0.1, 0.3, 0.7, 0.9, 0.99, 1.0)


@dataclass(frozen=True)
class SimulatedSky:
    """X-ray positions, the rows around them, and which rows are their counterparts."""

    ra: np.ndarray
    dec: np.ndarray
    errors: PositionErrors
    rows: CatalogueRows
    is_true: np.ndarray


def counterpart_magnitudes(rng: np.random.Generator, n: int) -> np.ndarray:
    """Magnitudes of counterparts: broad, and bright."""
    return np.clip(rng.normal(15.0, 2.0, n), 8.0, 20.0)


def field_magnitudes(rng: np.random.Generator, n: int) -> np.ndarray:
    """Magnitudes of unrelated rows: counts that rise by 0.25 dex a magnitude, down to 20 mag."""
    return np.clip(20.0 + np.log10(rng.random(n)) / 0.25, 8.0, 20.0)


def magnitude_prior() -> MagnitudePrior:
    """Histograms of a training sample of 3,000 counterparts and 30,000 unrelated rows, drawn separately."""
    rng = np.random.default_rng(7)
    edges = np.arange(8.0, 20.01, 0.5)
    numbers = [
        np.histogram(draw(rng, n), edges)[0].astype(float)
        for draw, n in ((counterpart_magnitudes, 3_000), (field_magnitudes, 30_000))
    ]
    return MagnitudePrior(edges, *numbers)


def simulate(
    density_deg2: float,
    sigma_arcsec: float,
    seed: int,
    *,
    n: int = N_SOURCES,
    prior: MagnitudePrior | None = None,
    error_factor: float = 1.0,
    companions: float = 0.0,
) -> SimulatedSky:
    """Draw a sky.

    Parameters
    ----------
    density_deg2 : float — unrelated rows
    sigma_arcsec : float — stated error of X-ray positions, one coordinate; individual ones are 0.7 to 1.5 times it
    seed : int
    n : int
    prior : MagnitudePrior, optional
    error_factor : float — true error over the stated one
    companions : float — fraction of counterparts with another row at 1 to 5 arcsec, which the density does not include
    """
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(0.0, 360.0, n), np.degrees(np.arcsin(rng.uniform(-0.99, 0.99, n)))
    sigma = sigma_arcsec * rng.uniform(0.7, 1.5, n)
    errors = PositionErrors.circular(sigma)
    radius = search_radius_arcsec(errors, CATALOGUE_SIGMA_ARCSEC)
    total = np.hypot(sigma * error_factor, CATALOGUE_SIGMA_ARCSEC)
    has = np.flatnonzero(rng.random(n) < COMPLETENESS)
    true_offsets = rng.normal(size=(len(has), 2)) * total[has, None]
    field_source = np.repeat(np.arange(n), rng.poisson(density_deg2 / 3600.0**2 * np.pi * radius**2))
    distance = radius[field_source] * np.sqrt(rng.random(len(field_source)))
    angle = rng.uniform(0.0, 2 * np.pi, len(field_source))
    paired = np.flatnonzero(rng.random(len(has)) < companions)
    pair_distance, pair_angle = rng.uniform(1.0, 5.0, len(paired)), rng.uniform(0.0, 2 * np.pi, len(paired))
    turn = np.column_stack([np.cos(pair_angle), np.sin(pair_angle)])
    source = np.concatenate([has, field_source, has[paired]])
    offsets = np.concatenate(
        [
            true_offsets,
            distance[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]),
            true_offsets[paired] + pair_distance[:, None] * turn,
        ]
    )
    magnitudes = np.concatenate([
        counterpart_magnitudes(rng, len(has)), field_magnitudes(rng, len(field_source) + len(paired))
    ])  # fmt: skip
    is_true = np.arange(len(source)) < len(has)
    order = np.argsort(source, kind="stable")
    source, offsets, magnitudes, is_true = source[order], offsets[order], magnitudes[order], is_true[order]
    rows = CatalogueRows(
        offsets=np.concatenate([[0], np.cumsum(np.bincount(source, minlength=n))]),
        ra_deg=(ra[source] + offsets[:, 0] / 3600.0 / np.cos(np.radians(dec[source]))) % 360.0,
        dec_deg=dec[source] + offsets[:, 1] / 3600.0,
        errors=PositionErrors.circular(np.full(len(source), CATALOGUE_SIGMA_ARCSEC)),
        density_deg2=np.full(n, density_deg2),
        ratio=None if prior is None else prior.ratio(magnitudes),
    )
    return SimulatedSky(ra, dec, errors, rows, is_true)


def figures(sky: SimulatedSky, found: Associations) -> tuple[float, float, float]:
    """Completeness and reliability of the best rows with a probability above one half; reliability of the nearest."""
    has_rows = np.flatnonzero(np.diff(found.offsets) > 0)
    order = np.lexsort([-found.p_match, sky.rows.source])
    best = order[found.offsets[has_rows]]
    chosen = best[found.p_match[best] > 0.5]
    nearest = np.lexsort([found.separation_arcsec, sky.rows.source])[found.offsets[has_rows]]
    nearest = nearest[found.separation_sigma[nearest] < 2.45]  # 95 % of the counterparts
    right = sky.is_true[chosen].sum()
    return right / sky.is_true.sum(), right / max(len(chosen), 1), float(sky.is_true[nearest].mean())


def reliability(sky: SimulatedSky, found: Associations) -> list[tuple[float, int, int, float, float]]:
    """Lower edge of each bin of probability, rows, counterparts among them, their expected number and its error."""
    out = []
    for low, high in pairwise(BINS):
        inside = (found.p_match > low) & (found.p_match <= high)
        p = found.p_match[inside]
        error = float(np.sqrt((p * (1 - p)).sum()))
        out.append((low, int(inside.sum()), int(sky.is_true[inside].sum()), float(p.sum()), error))
    return out


def associate_sky(sky: SimulatedSky, completeness: float | None = None) -> tuple[Associations, float, float]:
    """Probabilities with the estimated completeness, or a stated one."""
    first = associate(sky.ra, sky.dec, sky.errors, sky.rows, 0.5)
    c, error = estimate_completeness([first])
    used = c if completeness is None else completeness
    return associate(sky.ra, sky.dec, sky.errors, sky.rows, used), c, error


def main() -> None:
    """Print both tables."""
    prior = magnitude_prior()
    pooled: dict[str, list[list[tuple[float, int, int, float, float]]]] = {"position": [], "position, magnitude": []}
    print(
        "| density per sq. deg | X-ray error | prior | c estimated | completeness | reliability | nearest within 95 % |"
    )
    print("|---|---|---|---|---|---|---|")
    for density in (1e3, 1e5):
        for sigma in (0.5, 2.0, 5.0):
            for words, given in (("position", None), ("position, magnitude", prior)):
                sky = simulate(density, sigma, int(density + 10 * sigma), prior=given)
                found, c, error = associate_sky(sky)
                complete, reliable, nearest = figures(sky, found)
                pooled[words].append(reliability(sky, found))
                print(
                    f"| {density:,.0f} | {sigma}″ | {words} | {c:.3f} ± {error:.3f} | {100 * complete:.1f} % | "
                    f"{100 * reliable:.1f} % | {100 * nearest:.1f} % |"
                )
    print("\n| probability of a row | prior | rows | counterparts | expected |\n|---|---|---|---|---|")
    for words, cases in pooled.items():
        for (low, high), bins in zip(pairwise(BINS), zip(*cases, strict=True), strict=True):
            rows, true, expected = (sum(one[k] for one in bins) for k in (1, 2, 3))
            error = np.sqrt(sum(one[4] ** 2 for one in bins))
            print(f"| {low:g} to {high:g} | {words} | {rows:,} | {true:,} | {expected:,.0f} ± {error:,.0f} |")
    print("\n| what does not hold (100,000 per sq. deg, 2″) | stated probability | right |\n|---|---|---|")
    for words, arguments, c in (
        ("nothing", {}, None),
        ("completeness taken as 0.95", {}, 0.95),
        ("completeness taken as 0.4", {}, 0.4),
        ("errors of position understated by 1.3", {"error_factor": 1.3}, None),
        ("30 % of counterparts have a companion at 1 to 5″", {"companions": 0.3}, None),
    ):
        sky = simulate(1e5, 2.0, 11, prior=prior, **arguments)
        found = associate_sky(sky, c)[0]
        inside = found.p_match > 0.5
        n = inside.sum()
        right = sky.is_true[inside].mean()
        print(
            f"| {words} | {100 * found.p_match[inside].mean():.1f} % | "
            f"{100 * right:.1f} ± {100 * np.sqrt(right * (1 - right) / n):.1f} % |"
        )


if __name__ == "__main__":
    main()
