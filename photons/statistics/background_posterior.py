"""Posterior of a background that varies in time, drawn together with the steady source it lies under.

The background region holds few photons, so that its profile in time is uncertain, and a profile taken as exact turns
flares of the background into flares of sources. Here the profile, the rate of the source and both spectra are drawn
from their joint posterior under the null hypothesis, given the photons of aperture and background region: in an
aperture, ``rate(t, k) = s g(k) + r b(t) h(k)`` for energy band k, in the background region ``b(t) h(k)``, where r is
the ratio of areas, g and h are the spectra, and ``b`` is constant but for an unknown number of changes.

If the parameters of the null hypothesis are one draw from their posterior, the photons that they predict and the
photons that were observed have the same joint distribution; a test of the photons against the drawn null hypothesis is
exact under the prior, whatever the statistic (Johnson 2007, Bayesian Analysis 2, 719, pivotal quantities).

The sampler alternates between the origin of every photon of the aperture, given the rates, and the rates, given the
origins (data augmentation, Tanner & Wong 1987, JASA 82, 528); change points are drawn exactly by forward filtering and
backward sampling (Fearnhead 2006, Stat. Comput. 16, 203).
"""

# ruff: noqa: NPY002 — kernels cannot create a Generator; numba has one legacy generator for each thread.
from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from xherald.photons.arrays import F64, I64

__all__ = ["draw_background", "draw_null_hypotheses", "mean_background"]


MIN_CELLS: Final = 40
"""Cells of equal livetime between which the background may change: as many as background photons, but at least these,
and at most `MAX_CELLS`."""

MAX_CELLS: Final = 100

SWEEPS: Final = 12
"""Draws of the region's rates; their mean is taken after the first `BURN_IN`."""

BURN_IN: Final = 2
"""Draws in which the number of changes is learned."""

SWEEPS_SMALL_REGION: Final = 30
"""Sweeps of the joint sampler, of which the last is the draw; successive ones are correlated, since the origin of
photons is open."""

SWEEPS_BETWEEN_DRAWS: Final = 3
"""Sweeps of the joint sampler between two draws of the same posterior."""

MAX_CELLS_SMALL_REGION: Final = 200
"""`MAX_CELLS` of the joint sampler, in which nothing else resolves short flares of the background."""

SHAPE: Final = 0.5
"""Shape of the gamma prior of the rate of a block: broad, for flares are many times brighter than quiet times."""

MEAN_CHANGES: Final = 10.0
"""Expected number of changes of the background, a priori exponentially distributed."""


@njit(cache=True, nogil=True)
def _log_gammas(n: int) -> F64:
    """Ln of Γ(SHAPE + k) / Γ(SHAPE) for k from 0 to n."""
    out = np.zeros(n + 1)
    for k in range(n):
        out[k + 1] = out[k] + np.log(SHAPE + k)
    return out


@njit(cache=True, nogil=True)
def _draw_dirichlet(counts: F64, out: F64) -> None:
    """Draw probabilities of categories from their posterior, with half a count each added."""
    total = 0.0
    for k in range(counts.size):
        out[k] = np.random.gamma(counts[k] + 0.5, 1.0)
        total += out[k]
    for k in range(counts.size):
        out[k] /= total


@njit(cache=True, nogil=True)
def _draw_rates(
    counts: I64, exposure: float, scale: float, change: float, log_gammas: F64, rate: F64, forward: F64
) -> int:
    """Draw change points and rates of cells with the given counts and exposure each; returns the number of changes.

    Parameters
    ----------
    counts : ndarray, shape (cells,)
    exposure : float — of one cell
    scale : float — `SHAPE` over the mean of the gamma prior, in the unit of exposure
    change : float — probability of a change between two cells
    log_gammas : ndarray — see `_log_gammas`
    rate : ndarray, shape (cells,) — output
    forward : ndarray, shape (cells + 1,) — scratch
    """
    cells = counts.size
    total = np.zeros(cells + 1, np.int64)
    for c in range(cells):
        total[c + 1] = total[c] + counts[c]
    log_rate = np.empty(cells + 1)
    for length in range(cells + 1):
        log_rate[length] = np.log(scale + length * exposure)
    log_scale, log_change, log_same = np.log(scale), np.log(change), np.log1p(-change)
    # forward[j] is the log probability of the counts of the first j cells, with a block that ends there.
    forward[0] = 0.0
    terms = np.empty(cells)
    for j in range(1, cells + 1):
        top = -np.inf
        for i in range(j):
            held = total[j] - total[i]
            length = j - i
            terms[i] = (
                forward[i]
                + log_gammas[held]
                + SHAPE * log_scale
                - (SHAPE + held) * log_rate[length]
                + (length - 1) * log_same
                + (log_change if i > 0 else 0.0)
            )
            top = max(top, terms[i])
        summed = 0.0
        for i in range(j):
            if terms[i] > top - 30.0:
                summed += np.exp(terms[i] - top)
        forward[j] = top + np.log(summed)
    j, changes = cells, -1
    while j > 0:
        threshold = np.random.random()
        i, summed = 0, 0.0
        for i in range(j):
            held = total[j] - total[i]
            length = j - i
            summed += np.exp(
                forward[i]
                + log_gammas[held]
                + SHAPE * log_scale
                - (SHAPE + held) * log_rate[length]
                + (length - 1) * log_same
                + (log_change if i > 0 else 0.0)
                - forward[j]
            )
            if summed >= threshold:
                break
        held = total[j] - total[i]
        value = np.random.gamma(SHAPE + held, 1.0) / (scale + (j - i) * exposure)
        for c in range(i, j):
            rate[c] = value
        j = i
        changes += 1
    return changes


@njit(cache=True, nogil=True)
def _draw_change(changes: int, cells: int) -> float:
    """Draw the probability of a change, of ``cells - 1`` possible ones; its beta prior is that of `MEAN_CHANGES`."""
    value = np.random.beta(1.0 + changes, cells / MEAN_CHANGES + cells - 1 - changes)
    return float(min(max(value, 1e-6), 0.5))


@njit(cache=True, nogil=True)
def _cells_of(livetime: F64, total: float, cells: int) -> I64:
    out = np.empty(livetime.size, np.int64)
    for i in range(livetime.size):
        out[i] = min(int(livetime[i] / total * cells), cells - 1)
    return out


@njit(cache=True, nogil=True)
def mean_background(
    background: F64, counts_in_band: F64, background_in_band: F64, warp: tuple[F64, F64], ratio: float, seed: int
) -> tuple[F64, F64]:
    """Expected photons of a source over the posterior mean of the background, given the region's photons alone.

    For regions larger than the aperture, which leave little to be learned from the aperture's own photons.

    Parameters
    ----------
    background : ndarray, shape (m,) — s, warped livetime, of the photons in the background region
    counts_in_band, background_in_band : ndarray, shape (bands,) — photons of aperture and region in each band
    warp, ratio, seed
        See `draw_background`.

    Returns
    -------
    edges : ndarray, shape (cells + 1,) — s, warped livetime
    expected : ndarray, shape (bands, cells + 1)
        Expected fraction of the photons of each band that arrive before each edge.
    """
    np.random.seed(seed)
    m, bands, total = background.size, counts_in_band.size, warp[0][-1]
    cells = min(max(m, MIN_CELLS), MAX_CELLS)
    edges = np.linspace(0.0, total, cells + 1)
    steady = np.diff(np.interp(edges, warp[1], warp[0])) / total
    own = np.zeros(cells, np.int64)
    for c in _cells_of(background, total, cells):
        own[c] += 1
    log_gammas, forward, rate = _log_gammas(m), np.empty(cells + 1), np.empty(cells)
    change, scale, mean = MEAN_CHANGES / cells, SHAPE * total / (m + SHAPE), np.zeros(cells)
    for sweep in range(SWEEPS):
        changes = _draw_rates(own, total / cells, scale, change, log_gammas, rate, forward)
        change = _draw_change(changes, cells)
        if sweep >= BURN_IN:
            mean += rate
    mean /= mean.sum()
    expected = np.zeros((bands, cells + 1))
    for k in range(bands):
        share = min(ratio * background_in_band[k] / max(counts_in_band[k], 1.0), 1.0)
        for c in range(cells):
            expected[k, c + 1] = expected[k, c] + (1.0 - share) * steady[c] + share * mean[c]
        expected[k] /= expected[k, cells]
    return edges, expected


@njit(cache=True, nogil=True)
def draw_background(
    livetime: F64,
    band: I64,
    background: F64,
    background_band: I64,
    bands: int,
    warp: tuple[F64, F64],
    ratio: float,
    seed: int,
) -> tuple[F64, F64]:
    """Draw the null hypothesis of a source from its posterior.

    Parameters
    ----------
    livetime, band, background, background_band, bands, warp, ratio, seed
        See `draw_null_hypotheses`.

    Returns
    -------
    edges : ndarray, shape (cells + 1,) — s, warped livetime
    expected : ndarray, shape (bands, cells + 1)
        Expected fraction of the photons of each band that arrive before each edge.
    """
    np.random.seed(seed)
    draws = np.int64(1)  # for a literal, numba would compile the sampler anew
    edges, expected, _ = draw_null_hypotheses(livetime, band, background, background_band, bands, warp, ratio, draws)
    return edges, expected[0]


@njit(cache=True, nogil=True)
def draw_null_hypotheses(
    livetime: F64,
    band: I64,
    background: F64,
    background_band: I64,
    bands: int,
    warp: tuple[F64, F64],
    ratio: float,
    draws: int,
) -> tuple[F64, F64, F64]:
    """Draw null hypotheses of a source from their posterior, with numba's generator of this thread.

    Parameters
    ----------
    livetime, band : ndarray, shape (n,)
        Warped livetime, s, of the photons in the aperture, and their energy bands.
    background, background_band : ndarray, shape (m,) — the same of the background region
    bands : int — number of energy bands
    warp : tuple of ndarray
        Livetime and warped livetime at knots (`field_warp`); the background of the whole field is steady in the latter.
    ratio : float — area of the aperture over that of the background region
    draws : int

    Returns
    -------
    edges : ndarray, shape (cells + 1,) — s, warped livetime
    expected : ndarray, shape (draws, bands, cells + 1)
        Expected fraction of the aperture's photons of each band that arrive before each edge.
    background_expected : ndarray, shape (draws, cells + 1)
        Expected fraction of the region's photons that arrive before each edge.
    """
    n, m, total = livetime.size, background.size, warp[0][-1]
    cells = min(max(int((1.0 + ratio) * m), MIN_CELLS), MAX_CELLS_SMALL_REGION)
    width = total / cells
    edges = np.linspace(0.0, total, cells + 1)
    steady = np.diff(np.interp(edges, warp[1], warp[0])) / width  # rate of a constant source in warped livetime
    cell, background_cell = _cells_of(livetime, total, cells), _cells_of(background, total, cells)
    log_gammas = _log_gammas(n + m)
    rate = np.full(cells, (m + 0.5) / total)
    source_rate = max(n - ratio * m, 0.1 * n + 0.5) / total
    change, scale = MEAN_CHANGES / cells, SHAPE * total / (m + SHAPE)
    own, others = np.zeros(cells, np.int64), np.zeros(cells, np.int64)
    for i in range(m):
        own[background_cell[i]] += 1
    background_bands = np.zeros(bands)
    for i in range(m):
        background_bands[background_band[i]] += 1.0
    spectrum, background_spectrum = np.empty(bands), np.empty(bands)
    held, background_held = np.zeros(bands), background_bands.copy()
    for i in range(n):
        held[band[i]] += 1.0
    _draw_dirichlet(held, spectrum)
    _draw_dirichlet(background_held, background_spectrum)
    forward = np.empty(cells + 1)
    expected, background_expected = np.zeros((draws, bands, cells + 1)), np.zeros((draws, cells + 1))
    for sweep in range(SWEEPS_SMALL_REGION + (draws - 1) * SWEEPS_BETWEEN_DRAWS):
        others[:] = own
        held[:] = 0.0
        background_held[:] = background_bands
        from_source = 0
        for i in range(n):
            c, k = cell[i], band[i]
            behind = ratio * rate[c] * background_spectrum[k]
            if np.random.random() * (behind + source_rate * steady[c] * spectrum[k]) < behind:
                others[c] += 1
                background_held[k] += 1.0
            else:
                held[k] += 1.0
                from_source += 1
        changes = _draw_rates(others, (1.0 + ratio) * width, scale, change, log_gammas, rate, forward)
        source_rate = np.random.gamma(from_source + 0.5, 1.0) / total
        _draw_dirichlet(held, spectrum)
        _draw_dirichlet(background_held, background_spectrum)
        change = _draw_change(changes, cells)
        done = sweep + 1 - SWEEPS_SMALL_REGION
        if done < 0 or done % SWEEPS_BETWEEN_DRAWS:
            continue
        draw = done // SWEEPS_BETWEEN_DRAWS
        for c in range(cells):
            background_expected[draw, c + 1] = background_expected[draw, c] + rate[c]
        background_expected[draw] /= background_expected[draw, cells]
        for k in range(bands):
            for c in range(cells):
                density = source_rate * steady[c] * spectrum[k] + ratio * rate[c] * background_spectrum[k]
                expected[draw, k, c + 1] = expected[draw, k, c] + density
            expected[draw, k] /= expected[draw, k, cells]
    return edges, expected, background_expected
