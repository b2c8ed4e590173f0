"""Good-time intervals and livetime.

A set of good-time intervals (GTI) is an array of shape (m, 2), float64, s: sorted, disjoint rows of start and stop.
`Exposure` adds the live fraction of the aperture in each interval, so that detectors with separate good times (CCDs,
telescope modules) share one livetime axis. Gaps have no length on that axis: an interruption is neither a dip nor the
edge of a burst.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import GtiError

__all__ = [
    "Exposure",
    "as_gti",
    "clean_gti",
    "combine_exposures",
    "gti_complement",
    "gti_contains",
    "gti_intersection",
    "gti_total",
    "gti_union",
]

Gti = NDArray[np.float64]


def as_gti(intervals: ArrayLike, *, where: str = "good-time intervals") -> Gti:
    """Check intervals and return them sorted by start.

    Parameters
    ----------
    intervals : array_like, shape (m, 2)
        Start and stop, s.
    where : str
        Description for error messages.

    Returns
    -------
    ndarray, shape (m, 2), float64
        Sorted by start; touching intervals are not merged.

    Raises
    ------
    GtiError
        There are none, a value is not finite, a stop is not after its start, or two overlap.
    """
    gti = np.array(intervals, dtype=np.float64)
    if gti.size == 0:
        raise GtiError(f"{where} are empty")
    if gti.ndim != 2 or gti.shape[1] != 2:
        raise GtiError(f"{where} have shape {gti.shape}, expected (m, 2)")
    if not np.isfinite(gti).all():
        raise GtiError(f"{where} have a value that is not finite")
    gti = gti[np.argsort(gti[:, 0], kind="stable")]
    reversed_rows = np.flatnonzero(gti[:, 1] <= gti[:, 0])
    if reversed_rows.size:
        start, stop = gti[reversed_rows[0]]
        raise GtiError(f"{where} have an interval that ends before it starts ({start:.6f} to {stop:.6f} s)")
    overlaps = np.flatnonzero(gti[1:, 0] < gti[:-1, 1])
    if overlaps.size:
        first, second = gti[overlaps[0]], gti[overlaps[0] + 1]
        raise GtiError(
            f"{where} overlap: {first[0]:.6f}–{first[1]:.6f} s and {second[0]:.6f}–{second[1]:.6f} s; "
            "merge them or give each detector its own table"
        )
    return gti


def clean_gti(intervals: ArrayLike, *, where: str = "good-time intervals") -> tuple[Gti, tuple[str, ...]]:
    """Sorted, disjoint good times from intervals as files have them.

    Overlapping intervals, of which merged files have many, are united. Rows that are empty (start equals stop) or null
    (both values NaN) are left out.

    Parameters
    ----------
    intervals : array_like, shape (m, 2)
        Start and stop, s, in the order of the file.
    where : str
        Description for error messages.

    Returns
    -------
    ndarray, shape (k, 2), float64
        Touching intervals are not merged; shape (0, 2) if no row is left.
    tuple of str
        What was changed.

    Raises
    ------
    GtiError
        A row ends before it starts, or one of its values is not finite; the message has the number of the row.
    """
    rows = np.array(intervals, dtype=np.float64).reshape(-1, 2)
    is_null = np.isnan(rows).all(axis=1)
    is_empty = (rows[:, 0] == rows[:, 1]) | is_null
    for wrong, why in (
        (~np.isfinite(rows).all(axis=1) & ~is_null, "has a value that is not finite"),
        (rows[:, 1] < rows[:, 0], "ends before it starts"),
    ):
        for i in np.flatnonzero(wrong)[:1]:
            start, stop = rows[i]
            raise GtiError(f"{where}: row {i + 1} {why} ({start:.6f} to {stop:.6f} s); fix or remove it")
    empty = int(np.count_nonzero(is_empty))
    changes = [f"{empty} empty row{'s' if empty > 1 else ''} left out"] if empty else []
    rows = rows[~is_empty]
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    reached = np.maximum.accumulate(rows[:, 1])
    begins = np.concatenate([np.ones(min(len(rows), 1), dtype=np.bool_), rows[1:, 0] >= reached[:-1]])
    if not begins.all():
        merged = int(np.count_nonzero(~begins))
        changes.append(f"{merged} interval{'s' if merged > 1 else ''} merged with overlapping ones")
        ends = np.concatenate([np.flatnonzero(begins)[1:] - 1, [len(rows) - 1]])
        rows = np.column_stack([rows[begins, 0], reached[ends]])
    return rows, tuple(changes)


def _sweep(sets: Sequence[Gti], weights: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sorted edges of all sets, and the total weight of the active sets after each edge."""
    if not any(len(gti) for gti in sets):
        return np.empty(0), np.empty(0)
    edges = np.concatenate([np.concatenate([gti[:, 0], gti[:, 1]]) for gti in sets])
    steps = np.concatenate(
        [np.concatenate([np.full(len(g), w), np.full(len(g), -w)]) for g, w in zip(sets, weights, strict=True)]
    )
    unique, inverse = np.unique(edges, return_inverse=True)
    return unique, np.cumsum(np.bincount(inverse, weights=steps, minlength=len(unique)))


def _segments(edges: NDArray[np.float64], on: NDArray[np.bool_]) -> Gti:
    """Intervals between consecutive edges where `on` is true; touching ones are merged."""
    if edges.size == 0:
        return np.empty((0, 2))
    padded = np.concatenate([[False], on[:-1], [False]])
    rises = np.flatnonzero(padded[1:] & ~padded[:-1])
    falls = np.flatnonzero(~padded[1:] & padded[:-1])
    return np.column_stack([edges[rises], edges[falls]])


def gti_union(*sets: Gti) -> Gti:
    """Times that are good in any of the sets; touching intervals are merged."""
    edges, level = _sweep(sets, [1.0] * len(sets))
    return _segments(edges, level > 0.5)


def gti_intersection(*sets: Gti) -> Gti:
    """Times that are good in all of the sets, the intervals of each being disjoint."""
    joined = [gti_union(gti) for gti in sets]
    edges, level = _sweep(joined, [1.0] * len(joined))
    return _segments(edges, level > len(joined) - 0.5)


def gti_complement(gti: Gti, start: float, stop: float) -> Gti:
    """Times in [start, stop] that are not good."""
    span = np.array([[start, stop]])
    edges, level = _sweep([span, gti_intersection(gti, span)], [1.0, 2.0])
    return _segments(edges, (level > 0.5) & (level < 1.5))


def gti_total(gti: Gti) -> float:
    """Total good time, s."""
    return float((gti[:, 1] - gti[:, 0]).sum())


def gti_contains(gti: Gti, time: ArrayLike) -> NDArray[np.bool_]:
    """Whether each time lies in an interval, both edges included; intervals must be sorted and disjoint."""
    time = np.asarray(time, dtype=np.float64)
    if len(gti) == 0:
        return np.zeros(time.shape, dtype=bool)
    row = np.searchsorted(gti[:, 0], time, side="right") - 1
    inside: NDArray[np.bool_] = (row >= 0) & (time <= gti[np.maximum(row, 0), 1])
    return inside


@dataclass(frozen=True, slots=True, eq=False)
class Exposure:
    """Good times of an aperture with its live fraction in each interval.

    Parameters
    ----------
    gti : array_like, shape (m, 2)
        Start and stop, s, sorted and disjoint.
    fraction : array_like, shape (m,), optional
        Live fraction of the aperture in each interval, in (0, 1]; default 1.
    """

    gti: Gti
    fraction: NDArray[np.float64]

    def __init__(
        self, gti: ArrayLike, fraction: ArrayLike | None = None, *, where: str = "good-time intervals"
    ) -> None:
        checked = as_gti(gti, where=where)
        fractions = np.ones(len(checked)) if fraction is None else np.array(fraction, dtype=np.float64)
        if fractions.shape != (len(checked),) or not np.all((fractions > 0) & (fractions <= 1)):
            raise GtiError(f"{where}: live fractions must be {len(checked)} numbers in (0, 1]")
        checked.setflags(write=False)
        fractions.setflags(write=False)
        object.__setattr__(self, "gti", checked)
        object.__setattr__(self, "fraction", fractions)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Exposure):
            return NotImplemented
        return np.array_equal(self.gti, other.gti) and np.array_equal(self.fraction, other.fraction)

    __hash__ = None  # type: ignore[assignment]

    @property
    def livetime(self) -> float:
        """Good time weighted by the live fraction, s."""
        return float(((self.gti[:, 1] - self.gti[:, 0]) * self.fraction).sum())

    def livetime_at(self, time: ArrayLike) -> NDArray[np.float64]:
        """Livetime accumulated before each time, s; constant in gaps.

        Parameters
        ----------
        time : array_like, shape (n,)
            s, on the axis of the GTIs.
        """
        time = np.asarray(time, dtype=np.float64)
        before = np.concatenate([[0.0], np.cumsum((self.gti[:, 1] - self.gti[:, 0]) * self.fraction)])
        row = np.searchsorted(self.gti[:, 0], time, side="right") - 1
        clipped = np.maximum(row, 0)
        inside = (
            np.clip(time - self.gti[clipped, 0], 0.0, self.gti[clipped, 1] - self.gti[clipped, 0])
            * self.fraction[clipped]
        )
        return np.where(row < 0, 0.0, before[clipped] + inside)

    def time_at(self, livetime: ArrayLike, *, side: str = "left") -> NDArray[np.float64]:
        """Time at which a livetime was accumulated, s; the inverse of `livetime_at`.

        Parameters
        ----------
        livetime : array_like, shape (n,)
            s, clipped to [0, total].
        side : {"left", "right"}
            At a gap, "left" returns the end of the interval before it, "right" the start of the interval after it.
        """
        widths = (self.gti[:, 1] - self.gti[:, 0]) * self.fraction
        after = np.cumsum(widths)
        livetime = np.clip(np.asarray(livetime, dtype=np.float64), 0.0, after[-1])
        row = np.minimum(np.searchsorted(after, livetime, side="left" if side == "left" else "right"), len(after) - 1)
        time: NDArray[np.float64] = self.gti[row, 0] + (livetime - (after[row] - widths[row])) / self.fraction[row]
        return time


def combine_exposures(sets: Sequence[Gti], weights: Sequence[float]) -> Exposure:
    """Exposure of an aperture that lies on several detectors.

    Parameters
    ----------
    sets : sequence of ndarray, shape (m_i, 2)
        GTIs of each detector, s.
    weights : sequence of float
        Fraction of the aperture on each detector; scaled to a largest total of 1 at any time.

    Returns
    -------
    Exposure
        Its fraction is the total weight of the detectors in good time, relative to the maximum.
    """
    kept = [(gti_union(g), w) for g, w in zip(sets, weights, strict=True) if w > 0 and len(g)]
    if not kept:
        raise GtiError("no detector under the aperture has good-time intervals")
    edges, level = _sweep([g for g, _ in kept], [w for _, w in kept])
    starts, stops, level = edges[:-1], edges[1:], level[:-1]
    on = level > 1e-9 * level.max()
    return Exposure(np.column_stack([starts[on], stops[on]]), np.minimum(level[on] / level[on].max(), 1.0))
