"""Smooth path of a pointing through single events: last step of the fit of `pointing_path`.

The path is constant in a segment of good time, or straight in a scan, plus local means over `STEP_S` where these vary
by more than the rounding to pixels explains. Positions are complex numbers x + iy, sky pixels.
"""

from __future__ import annotations

import numpy as np

from xherald.photons.arrays import F64, I64, Mask
from xherald.photons.gti import Gti

from .path_fit import C128, CLIP, STEP_S

__all__ = ["MAX_SCATTER", "SCAN_PIXELS_S", "bins_of_time", "smooth_path"]

MIN_SCAN_EVENTS = 4
"""Events needed for the straight path of a scan in one segment."""

SCAN_PIXELS_S = 1.0
"""Speed from which a pointing is a scan, detector pixels per s: eROSITA's survey has 9.4, Chandra's dither 0.2."""

MAX_SCATTER = 2.0
"""Scatter of the residuals, detector pixels, above which the coordinates do not belong together; rounding gives 0.4."""


def smooth_path(
    time: F64, target: C128, segment: I64, segments: Gti, pixel: float
) -> tuple[F64, C128, F64, Mask, bool] | None:
    """Knots, positions, speeds and known segments of the path through `target`, and whether it is a scan."""
    m = len(segments)
    middle = segments.mean(axis=1)
    keep = np.ones(len(time), dtype=np.bool_)
    for _ in range(2):
        mean_time, mean, slopes, counts = _lines(time[keep], target[keep], segment[keep], middle)
        lengths = np.diff(segments, axis=1).ravel()
        enough = counts >= MIN_SCAN_EVENTS
        is_scan = bool(
            enough.any()
            and np.average(np.abs(slopes[enough]) > SCAN_PIXELS_S * pixel, weights=counts[enough]) > 0.5
            and np.median((np.abs(slopes) * lengths)[enough]) > 3 * pixel
        )
        slope = slopes if is_scan else np.zeros(m, dtype=np.complex128)
        lines = mean - slope * mean_time
        rest = target - lines[segment] - slope[segment] * (time - middle[segment])
        keep = np.abs(rest) <= CLIP * max(float(np.median(np.abs(rest[keep]))), 0.5 * pixel)
    known = enough if is_scan else counts > 0
    begins, index = bins_of_time(time, segment, segments)
    good = _near_bin_median(rest, index, keep if is_scan else np.ones(len(rest), np.bool_), pixel)
    n = np.bincount(index[good], minlength=begins[-1])
    filled = np.flatnonzero(n)
    weight = n[filled]
    shift: C128 = np.bincount(index[good], rest.real[good], begins[-1]) + 1j * np.bincount(
        index[good], rest.imag[good], begins[-1]
    )
    shift = shift[filled] / weight
    scatter2 = float(np.median(np.abs(rest[good] - shift[np.searchsorted(filled, index[good])]) ** 2))
    if np.sqrt(scatter2) > MAX_SCATTER * pixel:
        return None
    # Rounding to whole pixels alone scatters by a sixth of a square pixel.
    scatter2 = max(scatter2, pixel**2 / 6)
    excess = max(float((np.sum(weight * np.abs(shift) ** 2) - 1.5 * scatter2 * len(filled)) / weight.sum()), 0.0)
    shift = shift * (excess / (excess + scatter2 / weight))
    return *_knots(segments, known, (filled, begins, np.diff(begins)), shift, (lines, slope), pixel), known, is_scan


def bins_of_time(time: F64, segment: I64, segments: Gti) -> tuple[I64, I64]:
    """First bin of each segment, and of one more, when segments are divided into `STEP_S`; bin of each event."""
    lengths = np.diff(segments, axis=1).ravel()
    bins = np.maximum(np.ceil(lengths / STEP_S - 1e-9), 1).astype(np.int64)
    begins = np.concatenate([[0], np.cumsum(bins)])
    share = (time - segments[segment, 0]) / np.maximum(lengths, 1e-9)[segment]
    index = begins[segment] + np.minimum((share * bins[segment]).astype(np.int64), bins[segment] - 1)
    return begins, np.asarray(index, dtype=np.int64)


def _lines(time: F64, target: C128, segment: I64, middle: F64) -> tuple[F64, C128, C128, I64]:
    """Straight line through the events of each segment: mean time from its middle, mean, slope, number of events."""
    m = len(middle)
    counts = np.bincount(segment, minlength=m)

    def total(values: C128 | F64) -> C128:
        return np.bincount(segment, np.real(values), m) + 1j * np.bincount(segment, np.imag(values), m)

    safe = np.maximum(counts, 1)
    t = time - middle[segment]
    t_mean, mean = total(t).real / safe, total(target) / safe
    dt = t - t_mean[segment]
    spread = total(dt * dt).real
    slopes = np.divide(total(dt * (target - mean[segment])), spread, out=np.zeros(m, np.complex128), where=spread > 0)
    return t_mean, mean, slopes, counts


def _near_bin_median(rest: C128, index: I64, keep: Mask, pixel: float) -> Mask:
    """Events near the median of their bin, by a few detector pixels."""
    order = np.lexsort((rest.real, index))
    first = np.flatnonzero(np.r_[True, np.diff(index[order]) > 0])
    counts = np.diff(np.r_[first, len(order)])
    middle = first + (counts - 1) // 2
    x = rest.real[order][middle]
    y = rest.imag[np.lexsort((rest.imag, index))][middle]
    row = np.searchsorted(index[order][first], index)
    distance = np.abs(rest - (x[row] + 1j * y[row]))
    near: Mask = keep & (distance <= CLIP * max(float(np.median(distance)), 0.5 * pixel))
    return near


def _knots(
    segments: Gti,
    known: Mask,
    layout: tuple[I64, I64, I64],
    shift: C128,
    lines: tuple[C128, C128],
    pixel: float,
) -> tuple[F64, C128, F64]:
    """Knots at the bounds of each segment and at the middle of its bins with events; highest speed of each."""
    (filled, begins, bins), (level, slope) = layout, lines
    times, positions, speed = [], [], np.zeros(len(segments))
    owner = np.searchsorted(begins, filled, side="right") - 1
    for s in np.flatnonzero(known):
        start, stop = segments[s]
        own = slice(*np.searchsorted(owner, [s, s + 1]))
        at = start + (filled[own] - begins[s] + 0.5) * (stop - start) / bins[s]
        rest = shift[own]
        if not len(at):
            at, rest = np.array([0.5 * (start + stop)]), np.zeros(1, np.complex128)
        elif np.abs(rest - rest.mean()).max() < 0.3 * pixel:
            at, rest = at[[len(at) // 2]], rest.mean(keepdims=True)
        t = np.concatenate([[start], at, [stop]])
        r = np.concatenate([rest[:1], rest, rest[-1:]])
        p = level[s] + slope[s] * (t - 0.5 * (start + stop)) + r
        times.append(t)
        positions.append(p)
        speed[s] = np.abs(np.diff(p) / np.maximum(np.diff(t), 1e-3)).max() if np.abs(p - p[0]).max() > 0 else 0.0
    time, position = np.concatenate(times), np.concatenate(positions)
    order = np.argsort(time, kind="stable")
    return time[order], position[order], speed
