"""Placement of events in an exposure: stretched and truncated shapes, and spectra that change with them.

Shapes are light curves without steps that are zero at their first and last knots; 0 s is the onset of the event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from xherald.photons.arrays import F64
from xherald.photons.errors import ConfigError
from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import Component, SourceModel

from .base import ModelRequest

__all__ = [
    "EventPlacement",
    "FlarePhysics",
    "evolving",
    "flare_model",
    "middle_90",
    "place",
    "progress",
    "relative_rate",
]


NODES = 5
"""Number of fixed spectra of which a changing one is a mixture."""


@dataclass(frozen=True, slots=True, eq=False)
class EventPlacement:
    """An event, or several of equal shape, in an exposure.

    Parameters
    ----------
    curve : LightCurve — knots from 0 to the duration of the exposure, s
    shape_time : ndarray, shape (k,) — times of the knots on the axis of the shape, from the onset of the latest event
    stretch : float — s of the exposure per s of the shape
    windows : ndarray, shape (n, 2) — start and stop of each event, s
    asked : int — index of the requested event
    """

    curve: LightCurve
    shape_time: F64
    stretch: float
    windows: F64
    asked: int = 0

    @property
    def interval(self) -> tuple[float, float]:
        """5 % to 95 % of the strongest event in the exposure, s; the requested one among equals."""
        first, last = self.curve.cumulative(self.windows).T
        gain = last - first
        best = self.asked if gain[self.asked] > (1 - 1e-6) * gain.max() else int(np.argmax(gain))
        parts = first[best] + np.array([0.05, 0.95]) * (last[best] - first[best])
        start, stop = self.curve.quantile(parts / self.curve.cumulative(self.curve.time[-1]))
        return float(start), float(stop)


def place(
    shape: LightCurve,
    start: float | F64,
    length: float,
    duration: float,
    what: str,
    strength: float | F64 = 1.0,
    asked: int = 0,
) -> EventPlacement:
    """Stretch a shape so that 90 % of it takes a given time, shift it, and truncate it at the edges of the exposure.

    Parameters
    ----------
    shape : LightCurve
    start : float or ndarray, shape (n,) — s; ascending, so that the stretched shapes do not overlap
    length : float — s
    duration : float — s
    what : str — for the error message
    strength : float or ndarray, shape (n,) — factor on the shape
    asked : int — index of the requested event

    Raises
    ------
    ConfigError
        The event is outside the exposure.
    """
    assert (np.diff(shape.time) > 0).all(), "a step cannot be cut by interpolation"
    starts = np.atleast_1d(np.asarray(start, dtype=np.float64))
    first, last = middle_90(shape)
    stretch = length / (last - first)
    times = starts[:, None] + shape.time * stretch
    time = times.ravel()
    assert (np.diff(time) >= 0).all(), "events of one class do not overlap"
    rate = (np.ones((len(starts), 1)) * np.reshape(strength, (-1, 1)) * shape.rate).ravel()
    knots = np.concatenate([[0.0], time[(time > 0) & (time < duration)], [duration]])
    curve = LightCurve(knots, np.interp(knots, time, rate, left=0.0, right=0.0))
    if not curve.rate.any():
        raise ConfigError(
            f"{what}: an event from {time[0]:.1f} to {time[-1]:.1f} s is outside the exposure of {duration} s"
        )
    latest = np.maximum(np.searchsorted(times[:, 0], knots, side="right") - 1, 0)
    return EventPlacement(curve, (knots - starts[latest]) / stretch, stretch, times[:, [0, -1]], asked)


def middle_90(curve: LightCurve) -> tuple[float, float]:
    """Times at which 5 % and 95 % of the integral of a curve are reached, s."""
    first, last = curve.quantile([0.05, 0.95])
    return float(first), float(last)


def evolving(curve: LightCurve, track: F64, spectrum: Callable[[float], F64], nodes: int = NODES) -> list[Component]:
    """A curve with a changing spectrum, as components of fixed spectra.

    The spectrum is a linear mixture of those at the two nearest of several equidistant values of its parameter; the
    weights (hat functions) add to 1, so that the components add to the curve.

    Parameters
    ----------
    curve : LightCurve
    track : ndarray, shape (k,)
        Parameter of the spectrum at the knots of the curve; ignored where the rate is zero.
    spectrum : callable
        Returns the spectrum, shape (400,), of a value of the parameter.
    nodes : int
        Largest number of fixed spectra.
    """
    shining = track[curve.rate > 0]
    low, high = float(shining.min()), float(shining.max())
    if high - low <= 1e-6 * abs(high):
        return [Component(curve, spectrum(high))]
    at = np.linspace(low, high, nodes)
    weights = np.maximum(1.0 - np.abs(np.clip(track, low, high) - at[:, None]) / (at[1] - at[0]), 0.0)
    parts = weights * curve.rate
    return [
        Component(LightCurve(curve.time, part), spectrum(float(value)))
        for value, part in zip(at, parts, strict=True)
        if part.any()
    ]


@dataclass(frozen=True, slots=True, eq=False)
class FlarePhysics:
    """What a flare emits, apart from its shape.

    Parameters
    ----------
    spectrum : callable — returns the spectrum, shape (400,), of a value of the track
    track : callable — the value at the knots of an `EventPlacement`
    peak_ratio : float — peak over the persistent level; 1 for events whose peak is the unit
    persistent_level : float — rate of the persistent emission
    persistent_spectrum : ndarray, shape (400,)
    """

    spectrum: Callable[[float], F64]
    track: Callable[[EventPlacement], F64]
    peak_ratio: float
    persistent_level: float
    persistent_spectrum: F64


def flare_model(
    kind: str, request: ModelRequest, shape: LightCurve, physics: FlarePhysics, drawn: Mapping[str, float]
) -> SourceModel:
    """A flare of given shape and physics on persistent emission.

    Parameters
    ----------
    kind : str — name of the class
    request : ModelRequest
    shape : LightCurve
    physics : FlarePhysics
    drawn : mapping of str to float — parameters for the truth
    """
    placed = place(shape, request.start, request.length, request.duration, kind)
    components = evolving(placed.curve.scaled(physics.peak_ratio), physics.track(placed), physics.spectrum)
    level = physics.persistent_level * request.persistent
    if level:
        quiet = LightCurve.constant(0.0, request.duration, level)
        components.append(Component(quiet, physics.persistent_spectrum))
    parameters = {**drawn, "start_s": request.start, "length_s": request.length}
    return SourceModel(kind, "flare", tuple(components), placed.interval, parameters)


def progress(placed: EventPlacement, shape: LightCurve) -> F64:
    """How far the event is, from 0 at 5 % of its photons to 1 at 95 %."""
    first, last = middle_90(shape)
    done: F64 = np.clip((placed.shape_time - first) / (last - first), 0.0, 1.0)
    return done


def relative_rate(placed: EventPlacement, lead: float = 0.0) -> F64:
    """Rate of the event at its knots, relative to its peak, as it is some seconds later."""
    rate = (
        placed.curve.rate if not lead else placed.curve.at(np.minimum(placed.curve.time + lead, placed.curve.time[-1]))
    )
    relative: F64 = rate / placed.curve.rate.max()
    return relative
