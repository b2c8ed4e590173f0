"""Piecewise linear light curves, and exact photon arrival times: `LightCurve`.

The rate is linear between knots, so integrals are exact, and arrival times follow from the inverse of the cumulative
rate without thinning or time bins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from xherald.photons.arrays import F64
from xherald.photons.errors import PhotonError
from xherald.photons.gti import Gti

__all__ = ["LightCurve"]


@dataclass(frozen=True, slots=True, eq=False)
class LightCurve:
    """A rate against time, linear between knots and zero outside them.

    Parameters
    ----------
    time : array_like, shape (k,), k ≥ 2
        s since the start of the exposure, not descending; two knots at one time are a step.
    rate : array_like, shape (k,)
        Not negative; in any unit.
    """

    time: F64
    rate: F64

    def __init__(self, time: ArrayLike, rate: ArrayLike) -> None:
        knots, values = np.array(time, dtype=np.float64), np.array(rate, dtype=np.float64)
        if knots.ndim != 1 or knots.shape != values.shape or len(knots) < 2:
            raise PhotonError(
                f"light curve: {knots.shape} times and {values.shape} rates; at least two knots are needed"
            )
        if not (np.isfinite(knots).all() and np.isfinite(values).all()):
            raise PhotonError("light curve: a time or a rate is not finite")
        if (np.diff(knots) < 0).any() or (values < 0).any():
            raise PhotonError("light curve: times must ascend and rates must not be negative")
        if not knots[-1] > knots[0]:
            raise PhotonError(
                f"light curve: all {len(knots)} knots are at {knots[0]} s; a curve needs a positive duration"
            )
        knots.setflags(write=False)
        values.setflags(write=False)
        object.__setattr__(self, "time", knots)
        object.__setattr__(self, "rate", values)

    @classmethod
    def constant(cls, start: float, stop: float, rate: float = 1.0) -> LightCurve:
        """A constant rate from start to stop."""
        return cls([start, stop], [rate, rate])

    @classmethod
    def from_function(cls, function: Callable[[F64], F64], time: ArrayLike) -> LightCurve:
        """The curve through the values of a function at the given knots."""
        knots = np.asarray(time, dtype=np.float64)
        return cls(knots, function(knots))

    @classmethod
    def sum_of(cls, curves: Sequence[LightCurve]) -> LightCurve:
        """The exact sum of curves, with all of their knots and steps.

        Parameters
        ----------
        curves : sequence of LightCurve — at least one
        """
        if not curves:
            raise PhotonError("light curve: a sum needs at least one curve")
        if all(np.array_equal(curve.time, curves[0].time) for curve in curves[1:]):
            return cls(curves[0].time, np.sum([curve.rate for curve in curves], axis=0))
        knots = np.unique(np.concatenate([curve.time for curve in curves]))
        before = np.sum([curve._just_before(knots) for curve in curves], axis=0)
        after = np.sum([curve._just_after(knots) for curve in curves], axis=0)
        # Curves are zero outside their knots, so the first and last need no step.
        inner = (before != after)[1:-1]
        steps = knots[1:-1][inner]
        time = np.concatenate([knots, steps])
        rate = np.concatenate([after[:1], before[1:], after[1:-1][inner]])
        order = np.argsort(time, kind="stable")
        return cls(time[order], rate[order])

    def at(self, time: ArrayLike) -> F64:
        """Rate at each time; zero outside the knots."""
        rate: F64 = np.interp(np.asarray(time, dtype=np.float64), self.time, self.rate, left=0.0, right=0.0)
        return rate

    def scaled(self, factor: float) -> LightCurve:
        """The curve times a factor."""
        return LightCurve(self.time, self.rate * factor)

    def shifted(self, seconds: float) -> LightCurve:
        """The curve shifted to later times by some seconds."""
        return LightCurve(self.time + seconds, self.rate)

    def cumulative(self, time: ArrayLike) -> F64:
        """Integral of the rate from the first knot to each time."""
        time = np.clip(np.asarray(time, dtype=np.float64), self.time[0], self.time[-1])
        left = np.clip(np.searchsorted(self.time, time, side="right") - 1, 0, len(self.time) - 2)
        width, run = self._widths()[left], time - self.time[left]
        part = np.divide(run, width, out=np.zeros_like(run), where=width > 0)
        whole: F64 = self._before()[left] + run * (
            self.rate[left] + 0.5 * part * (self.rate[left + 1] - self.rate[left])
        )
        return whole

    def integral(self, gti: Gti) -> float:
        """Integral of the rate over good times (s since the start of the exposure)."""
        return float((self.cumulative(gti[:, 1]) - self.cumulative(gti[:, 0])).sum())

    def arrivals(self, gti: Gti, factor: float, rng: np.random.Generator) -> F64:
        """Photon arrival times, exactly Poisson with ``factor × rate`` in the good times and zero outside; sorted.

        Parameters
        ----------
        gti : ndarray, shape (m, 2) — s since the start of the exposure, sorted and disjoint
        factor : float
        rng : numpy.random.Generator
        """
        if not 0 <= factor < np.inf:
            raise PhotonError(f"light curve: factor {factor}: must be finite and not negative")
        begin, end = self.cumulative(gti[:, 0]), self.cumulative(gti[:, 1])
        held = np.maximum(end - begin, 0.0)
        reached = np.cumsum(held)
        total = float(reached[-1]) if len(reached) else 0.0
        drawn = np.sort(rng.uniform(0.0, total, rng.poisson(factor * total)))
        if not len(drawn):
            return drawn
        row = np.minimum(np.searchsorted(reached, drawn, side="right"), len(gti) - 1)
        time = self._time_of(begin[row] + drawn - (reached[row] - held[row]))
        # At low rates, rounding errors of a large integral are long times: keep to the interval and the order.
        return np.maximum.accumulate(np.clip(time, gti[row, 0], gti[row, 1]))

    def quantile(self, part: ArrayLike) -> F64:
        """Times at which the integral reaches given fractions of its total.

        Parameters
        ----------
        part : array_like — in [0, 1]

        Raises
        ------
        PhotonError
            The curve is zero everywhere, or a fraction is not in [0, 1].
        """
        parts = np.asarray(part, dtype=np.float64)
        total = float(self._before()[-1])
        if not total > 0:
            raise PhotonError("light curve: zero everywhere, so its integral has no quantiles")
        if not ((parts >= 0) & (parts <= 1)).all():
            raise PhotonError(f"light curve: quantiles must be in [0, 1], not {parts.tolist()}")
        return self._time_of(np.atleast_1d(parts) * total).reshape(parts.shape)

    def _just_after(self, time: F64) -> F64:
        """Limit of the rate from above."""
        inside = (time >= self.time[0]) & (time < self.time[-1])
        return np.where(inside, np.interp(time, self.time, self.rate), 0.0)

    def _just_before(self, time: F64) -> F64:
        """Limit of the rate from below."""
        inside = (time > self.time[0]) & (time <= self.time[-1])
        return np.where(inside, np.interp(-time, -self.time[::-1], self.rate[::-1]), 0.0)

    def _widths(self) -> F64:
        return np.diff(self.time)

    def _before(self) -> F64:
        """Integral up to each knot."""
        return np.concatenate([[0.0], np.cumsum(0.5 * (self.rate[1:] + self.rate[:-1]) * self._widths())])

    def _time_of(self, reached: F64) -> F64:
        """Inverse of `cumulative` for values inside it: the root of a quadratic in each segment."""
        before, width = self._before(), self._widths()
        left = np.clip(np.searchsorted(before, reached, side="right") - 1, 0, len(width) - 1)
        rate, rest, across = self.rate[left], reached - before[left], width[left]
        mean = np.divide(rest, across, out=np.zeros_like(rest), where=across > 0)
        # mean = rate·u + change·u²/2 with u the fraction of the segment, in a form that is stable for small slopes.
        root = rate + np.sqrt(np.maximum(rate * rate + 2.0 * (self.rate[left + 1] - rate) * mean, 0.0))
        part = np.divide(2.0 * mean, root, out=np.zeros_like(rest), where=root > 0)
        return self.time[left] + np.clip(part, 0.0, 1.0) * across
