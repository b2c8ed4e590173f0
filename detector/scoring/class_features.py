"""What tells one class of transients from another, as columns: `class_columns`.

Every column is measured on a source's own photons, with its exposure and background, so that classes need no reference
and answer for every instrument. Lengths are live time, energies logarithms of keV. Columns follow four questions: how
the photons are spread over the exposure, what the brightest and the faintest interval are like, how energies change,
and of which kind the variability is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons import EventBatch
from xherald.photons.arrays import F32, F64, I64
from xherald.photons.light_curve_models import KINDS, compare_kinds
from xherald.photons.statistics import DIP, FLARE, Intervals, accumulated_livetime

from .score_columns import choose_direction, compute_covariates

if TYPE_CHECKING:
    from xherald.photons.statistics import Timing

__all__ = ["CLASS_COLUMNS", "TimedSources", "class_columns"]

_MEASURED: Final = (
    # concentration: live time of the shortest interval with a fifth, a half, four fifths of the photons
    "log10_shortest_20", "log10_shortest_50", "log10_shortest_80",
    "share_shortest_20", "share_shortest_50", "share_shortest_80",
    "place_25", "place_50", "place_75",
    "rate_first", "rate_last", "rate_lowest", "rate_highest",
    # brightest interval
    "flare_log10_s", "flare_share", "flare_before", "flare_after", "flare_counts", "flare_contrast",
    "quiet_sigma", "quiet_share", "before_sigma", "after_sigma",
    "flare_25", "flare_50", "flare_75", "flare_peak_share", "flare_log10_peak_s", "flare_tail",
    # faintest interval
    "dip_log10_s", "dip_share", "dip_before", "dip_after", "dip_depth", "dip_sigma", "dip_edges",
    # energies
    "energy_all", "energy_flare", "energy_spread", "energy_10", "energy_50", "energy_90",
    "energy_quiet", "energy_quiet_spread", "energy_flare_sigma", "energy_early_late", "energy_early_late_sigma",
    "energy_dip_sigma", "soft_share", "middle_share", "hard_share", "iron_l_share",
    "energy_background", "background_in_flare",
)  # fmt: skip

CLASS_COLUMNS: Final = (
    "log10_counts", "background_share", "gap_fraction", "log10_livetime",
    "band_low_kev", "band_high_kev", "log10_frame_s", "evidence_flare", "evidence_dip",
    *_MEASURED, "period_power", "log10_period_s",
    *(f"ln_kind_{kind}" for kind in KINDS),
)  # fmt: skip
"""Columns, in the order of the trees' inputs."""

LARGEST_EVIDENCE: Final = 30.0
BINS: Final = 6
"""Equal parts of the live time in which the first, last, lowest and highest rates are counted."""

PERIOD_BINS: Final = 8_192
SHORTEST_BIN_S: Final = 1.0
MIN_CYCLES: Final = 4.0
"""Periods are searched in this number of bins, each of at least a frame and a second, with at least four cycles."""

MIN_PERIOD_PHOTONS: Final = 15
PERIOD_BLOCK: Final = 64
"""Sources that are transformed together, to bound memory."""

MIN_ENERGIES: Final = 3
"""Photons from which a mean energy is given."""

MIN_KIND_PROBABILITY: Final = 1e-12
"""Smallest probability of a kind of variability of which the logarithm is a column."""


@dataclass(frozen=True, slots=True, eq=False)
class TimedSources:
    """Sources with what the timing tests found.

    Parameters
    ----------
    batch : EventBatch
    flare, dip : Intervals — brightest and faintest interval of each source; NaN if there is none
    flare_p, dip_p : ndarray, shape (n,) — p-values of the averaged likelihood ratios
    kinds : ndarray, shape (n, kinds) — posterior probabilities of `KINDS`, NaN where unknown
    """

    batch: EventBatch
    flare: Intervals
    dip: Intervals
    flare_p: F64
    dip_p: F64
    kinds: F64

    @classmethod
    def select(cls, batch: EventBatch, timing: Timing, rows: I64, kinds: F64 | None = None) -> TimedSources:
        """Some sources of a batch.

        Parameters
        ----------
        batch : EventBatch
        timing : Timing — of the batch
        rows : ndarray, shape (m,)
        kinds : ndarray, shape (n, kinds), optional — of all sources of the batch; computed for `rows` if absent
        """
        intervals = [choose_direction(timing, np.full(len(batch), code, dtype=np.int8))[1] for code in (FLARE, DIP)]
        flare, dip = (
            Intervals(one.start[rows], one.stop[rows], one.livetime[rows], one.counts[rows], one.expected[rows])
            for one in intervals
        )
        p = {test.name: test.p[rows] for test in timing.tests}
        chosen = batch.select(rows)
        own = compare_kinds(chosen).probability if kinds is None else kinds[rows]
        return cls(chosen, flare, dip, p["flare_averaged"], p["dip_averaged"], own)


def class_columns(sources: TimedSources) -> dict[str, F64]:
    """Columns by which classes differ.

    Parameters
    ----------
    sources : TimedSources

    Returns
    -------
    dict of str to ndarray, shape (n,)
        NaN where a quantity does not exist, such as the energy of a quiet time without photons.
    """
    batch = sources.batch
    with np.errstate(divide="ignore", invalid="ignore"):
        out = {
            **compute_covariates(batch),
            "band_low_kev": batch.band[:, 0],
            "band_high_kev": batch.band[:, 1],
            "log10_frame_s": np.log10(np.maximum(batch.frame_time, 1e-3)),
            "evidence_flare": np.minimum(-np.log10(sources.flare_p), LARGEST_EVIDENCE),
            "evidence_dip": np.minimum(-np.log10(sources.dip_p), LARGEST_EVIDENCE),
        }
    ln_kinds = np.log(np.maximum(sources.kinds, MIN_KIND_PROBABILITY))
    out |= {f"ln_kind_{kind}": ln_kinds[:, column] for column, kind in enumerate(KINDS)}
    table = _measure(
        batch.time,
        np.log10(np.maximum(batch.energy, np.float32(1e-3))),
        batch.offsets,
        batch.gti,
        batch.gti_fraction,
        batch.gti_offsets,
        np.log10(np.maximum(batch.background_energy, np.float32(1e-3))),
        batch.background_offsets,
        batch.background_counts,
        _bounds(sources.flare),
        _bounds(sources.dip),
        len(_MEASURED),
    )
    return out | {name: table[:, column] for column, name in enumerate(_MEASURED)} | _strongest_periods(batch)


def _bounds(interval: Intervals) -> F64:
    return np.column_stack([interval.start, interval.stop])


@njit(cache=True, nogil=True)
def _measure(
    time: F64,
    energy: F32,
    offsets: I64,
    gti: F64,
    fraction: F64,
    gti_offsets: I64,
    background_energy: F32,
    background_offsets: I64,
    background: F64,
    flare: F64,
    dip: F64,
    width: int,
) -> F64:
    out = np.full((offsets.size - 1, width), np.nan)
    for s in range(out.shape[0]):
        first, stop = offsets[s], offsets[s + 1]
        if stop - first < 5:
            continue
        own = slice(gti_offsets[s], gti_offsets[s + 1])
        good, part = gti[own], fraction[own]
        t, e = time[first:stop], energy[first:stop].astype(np.float64)
        total = ((good[:, 1] - good[:, 0]) * part).sum()
        x = accumulated_livetime(t, good, part)
        rate = background[s] / total
        row = out[s]
        _spread(x, total, row[0:13])
        if not np.isnan(flare[s, 0]):
            ends = accumulated_livetime(flare[s], good, part)
            _brightest(x, ends[0], ends[1], total, rate, row[13:29])
            inside = (t >= flare[s, 0]) & (t <= flare[s, 1])
            _energies(x, e, inside, row[36:54])
            row[53] = min(rate * (ends[1] - ends[0]) / max(inside.sum(), 1), 2.0)
        if not np.isnan(dip[s, 0]):
            ends = accumulated_livetime(dip[s], good, part)
            _faintest(x, ends[0], ends[1], total, row[29:36])
            row[47] = _difference(e, (t > dip[s, 0]) & (t < dip[s, 1]))
        around = background_energy[background_offsets[s] : background_offsets[s + 1]]
        if around.size >= MIN_ENERGIES:
            row[52] = around.mean()
    return out


@njit(cache=True, nogil=True)
def _shortest(x: F64, share: float) -> float:
    """Length of the shortest interval that holds a share of sorted times, corrected for the photon that bounds it."""
    k = max(int(np.ceil(share * x.size)), 2)
    best = np.inf
    for i in range(x.size - k + 1):
        best = min(best, x[i + k - 1] - x[i])
    corrected: float = best * k / (k - 1)
    return corrected


@njit(cache=True, nogil=True)
def _spread(x: F64, total: float, row: F64) -> None:
    for i, share in enumerate((0.2, 0.5, 0.8)):
        length = max(_shortest(x, share), 1e-3)
        row[i] = np.log10(length)
        row[3 + i] = length / total
    for i, share in enumerate((0.25, 0.5, 0.75)):
        row[6 + i] = x[int(share * (x.size - 1))] / total
    counts = np.zeros(BINS)
    for value in x:
        counts[min(int(BINS * value / total), BINS - 1)] += 1.0
    counts *= BINS / x.size
    row[9], row[10], row[11], row[12] = counts[0], counts[-1], counts.min(), counts.max()


@njit(cache=True, nogil=True)
def _excess(counts: float, expected: float) -> float:
    """Excess over an expected number in its own error."""
    sigma: float = (counts - expected) / np.sqrt(max(counts, expected, 1.0))
    return sigma


@njit(cache=True, nogil=True)
def _brightest(x: F64, start: float, stop: float, total: float, background: float, row: F64) -> None:
    length = max(stop - start, 1e-3)
    rest = max(total - length, 1e-3)
    inside = x[(x >= start - 1e-6) & (x <= stop + 1e-6)]
    n = inside.size
    out = x.size - n
    row[0] = np.log10(length)
    row[1] = length / total
    row[2] = start / total
    row[3] = 1.0 - stop / total
    row[4] = n / x.size
    row[5] = np.log10((n / length) / ((out + 0.5) / rest))
    row[6] = _excess(out, background * rest)
    row[7] = min(max((out - background * rest) / rest * length / max(n, 1), 0.0), 2.0)
    before = (x < start - 1e-6).sum()
    after = out - before
    average = (out + 0.5) / rest
    row[8] = _excess(before, average * start)
    row[9] = _excess(after, average * max(total - stop, 0.0))
    if n >= 4:
        for i, share in enumerate((0.25, 0.5, 0.75)):
            row[10 + i] = (inside[int(share * (n - 1))] - start) / length
        peak = max(_shortest(inside, 0.3), 1e-3)
        row[13] = peak / length
        row[14] = np.log10(peak)
    tail = ((x > stop + 1e-6) & (x <= stop + length)).sum()
    row[15] = _excess(tail, average * min(length, max(total - stop, 0.0)))


@njit(cache=True, nogil=True)
def _faintest(x: F64, start: float, stop: float, total: float, row: F64) -> None:
    length = max(stop - start, 1e-3)
    inside = ((x > start + 1e-6) & (x < stop - 1e-6)).sum()
    level = (x.size - inside) / max(total - length, 1e-3)
    row[0] = np.log10(length)
    row[1] = length / total
    row[2] = start / total
    row[3] = 1.0 - stop / total
    row[4] = 1.0 - (inside + 0.5) / max(level * length, 0.5)
    row[5] = _excess(inside, level * length)
    margin = 0.3 * length
    near = ((x >= start - margin) & (x <= start) | (x >= stop) & (x <= stop + margin)).sum()
    row[6] = _excess(near, level * (min(margin, start) + min(margin, max(total - stop, 0.0))))


@njit(cache=True, nogil=True)
def _difference(e: F64, inside: NDArray[np.bool_]) -> float:
    """Difference of mean energies inside and outside, in its error."""
    a, b = e[inside], e[~inside]
    if a.size < MIN_ENERGIES or b.size < MIN_ENERGIES:
        return np.nan
    error = np.sqrt(e.var() * (1.0 / a.size + 1.0 / b.size))
    apart: float = (a.mean() - b.mean()) / max(error, 1e-6)
    return apart


@njit(cache=True, nogil=True)
def _energies(x: F64, e: F64, inside: NDArray[np.bool_], row: F64) -> None:
    event, quiet = e[inside], e[~inside]
    row[0] = e.mean()
    if event.size >= MIN_ENERGIES:
        row[1], row[2] = event.mean(), event.std()
        ranked = np.sort(event)
        for i, share in enumerate((0.1, 0.5, 0.9)):
            row[3 + i] = ranked[int(share * (ranked.size - 1))]
        half = event.size // 2
        early, late = event[:half], event[half:]
        if half >= MIN_ENERGIES:
            row[9] = late.mean() - early.mean()
            row[10] = row[9] / max(event.std() * np.sqrt(1.0 / early.size + 1.0 / late.size), 1e-6)
        n = event.size
        row[12] = (event < 0.0).sum() / n
        row[13] = ((event >= 0.0) & (event < 0.301)).sum() / n
        row[14] = (event >= 0.602).sum() / n
        row[15] = ((event >= -0.155) & (event < 0.041)).sum() / n
    if quiet.size >= MIN_ENERGIES:
        row[6], row[7] = quiet.mean(), quiet.std()
        row[8] = _difference(e, inside)


def _strongest_periods(batch: EventBatch) -> dict[str, F64]:
    """Largest power of each source's binned times, less that of as many powers of noise, and its period.

    Powers are 2 |F|² / N, exponential of mean 2 for noise (Leahy et al. 1983, ApJ 266, 160). A bin is a multiple of
    the frame, so that frames cause no beat.
    """
    power, period = np.full(len(batch), np.nan), np.full(len(batch), np.nan)
    first, last = batch.offsets[:-1], batch.offsets[1:] - 1
    rows = np.flatnonzero(batch.counts >= MIN_PERIOD_PHOTONS)
    span = batch.time[last[rows]] - batch.time[first[rows]]
    rows, span = rows[span > 0], span[span > 0]
    frame = np.maximum(batch.frame_time[rows], SHORTEST_BIN_S)
    width = frame * np.maximum(np.ceil(span / frame / (PERIOD_BINS - 2)), 1.0)
    for begin in range(0, len(rows), PERIOD_BLOCK):
        some = slice(begin, begin + PERIOD_BLOCK)
        counts = batch.counts[rows[some]]
        source = np.repeat(np.arange(len(counts)), counts)
        photon = np.concatenate([np.arange(batch.offsets[row], batch.offsets[row + 1]) for row in rows[some]])
        since = batch.time[photon] - batch.time[first[rows[some]]][source]
        place = np.floor(since / width[some][source] + 0.5).astype(np.int64)
        binned = np.zeros((len(counts), PERIOD_BINS), dtype=np.float32)
        np.add.at(binned, (source, place), 1.0)
        powers = 2.0 * np.abs(np.fft.rfft(binned, axis=1)) ** 2 / counts[:, None]
        frequency = np.arange(powers.shape[1]) / (PERIOD_BINS * width[some][:, None])
        powers[frequency < MIN_CYCLES / span[some][:, None]] = 0.0
        best = powers.argmax(axis=1)
        at = np.arange(len(best))
        power[rows[some]] = powers[at, best] - 2.0 * np.log((powers > 0).sum(axis=1) + 1.0)
        period[rows[some]] = -np.log10(np.maximum(frequency[at, best], 1e-9))
    return {"period_power": power, "log10_period_s": period}
