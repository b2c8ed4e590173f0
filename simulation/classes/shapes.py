"""Shapes of events: pulses of fast rise and slow decay, and random shapes of several families.

A class has shapes of its own. Classes of the detector are trained on random ones as well, so that a class is known by
its spectrum, its time scale and its persistent emission, and not by a curve that nature need not repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from xherald.photons.arrays import F64
from xherald.simulation.light_curve import LightCurve

__all__ = ["SHAPE_FAMILIES", "power_law_decay", "pulse", "pulse_train", "random_shape"]

KNOTS: Final = 160
E_FOLDS: Final = 7.0
FLOOR: Final = 1e-4
"""Smallest rate of a random shape between its ends, in units of the peak."""


def pulse(rise: float, decay: float) -> LightCurve:
    """A linear rise to 1 and an exponential decay.

    Parameters
    ----------
    rise, decay : float — s
    """
    time = np.concatenate([[0.0], rise + decay * np.linspace(0.0, E_FOLDS, KNOTS)])
    rate = np.concatenate([[0.0], np.exp(-np.linspace(0.0, E_FOLDS, KNOTS))])
    rate[-1] = 0.0
    return LightCurve(time, rate)


def pulse_train(starts: F64, rises: F64, decays: F64, heights: F64) -> LightCurve:
    """Sum of several pulses, with a peak of 1.

    Parameters
    ----------
    starts, rises, decays, heights : ndarray, shape (m,) — s, s, s and relative
    """
    ends = starts + rises + E_FOLDS * decays
    knots = [np.linspace(starts.min(), ends.max(), KNOTS)]
    knots += [
        start + np.concatenate([rise * np.linspace(0.0, 1.0, 4), rise + decay * np.linspace(0.1, E_FOLDS, 20)])
        for start, rise, decay in zip(starts.tolist(), rises.tolist(), decays.tolist(), strict=True)
    ]
    time = np.unique(np.concatenate(knots))
    time = time[np.concatenate([[True], np.diff(time) > 1e-9 * (time[-1] - time[0])])]
    since = time[:, None] - starts
    risen = np.clip(since / rises, 0.0, 1.0) * np.exp(-np.maximum(since - rises, 0.0) / decays)
    rate = (heights * risen).sum(axis=1)
    rate[[0, -1]] = 0.0
    return LightCurve(time - time[0], rate / rate.max())


def power_law_decay(rise: float, slopes: tuple[float, ...], breaks: tuple[float, ...], end: float) -> LightCurve:
    """A linear rise to 1, then power laws t^−slope between breaks, that end at a time.

    Parameters
    ----------
    rise : float — s, time of the peak
    slopes : tuple of float — one more than breaks
    breaks : tuple of float — s, ascending, between rise and end
    end : float — s
    """
    time = np.geomspace(rise, end, KNOTS)
    corners = np.log([rise, *breaks, end])
    levels = np.concatenate([[0.0], np.cumsum(-np.array(slopes) * np.diff(corners))])
    rate = np.exp(np.interp(np.log(time), corners, levels))
    rate[-1] = 0.0
    return LightCurve(np.concatenate([[0.0], time]), np.concatenate([[0.0], rate]))


def random_shape(rng: np.random.Generator, family: str) -> LightCurve:
    """A random shape of a family.

    Parameters
    ----------
    rng : numpy.random.Generator
    family : str — of `SHAPE_FAMILIES`

    Returns
    -------
    LightCurve
        With a peak of 1, zero at both ends; its time scale is arbitrary.
    """
    return SHAPE_FAMILIES[family](rng)


def _exponential(rng: np.random.Generator) -> LightCurve:
    return pulse(0.02 * 75.0 ** rng.random(), 1.0)


def _pulses(rng: np.random.Generator) -> LightCurve:
    number = int(rng.integers(2, 7))
    decays = 0.05 * 8.0 ** rng.random(number)
    return pulse_train(
        rng.random(number), decays * rng.uniform(0.1, 1.0, number), decays, rng.uniform(0.2, 1.0, number)
    )


def _plateau(rng: np.random.Generator) -> LightCurve:
    rise, fall, slope = rng.uniform(0.01, 0.4), rng.uniform(0.05, 0.6), rng.uniform(-0.6, 0.2)
    time = np.linspace(0.0, 1.0 + rise + fall, KNOTS)
    edges = np.clip(time / rise, 0.0, 1.0) * np.clip((time[-1] - time) / fall, 0.0, 1.0)
    return _closed(time, edges * (1.0 + slope * time / time[-1]))


def _gaussian(rng: np.random.Generator) -> LightCurve:
    time = np.linspace(-4.0, 4.0, KNOTS)
    skew = np.where(time < 0, 1.0, 3.0 ** rng.uniform(-1.0, 1.0))
    return _closed(np.where(time < 0, time, time * skew), np.exp(-0.5 * np.abs(time) ** rng.uniform(1.2, 3.0)))


def _power_law(rng: np.random.Generator) -> LightCurve:
    rise, slope = 0.003 * 100.0 ** rng.random(), rng.uniform(0.7, 2.5)
    corner = rise * (1.0 / rise) ** rng.uniform(0.2, 0.8)
    return power_law_decay(rise, (rng.uniform(0.0, slope), slope), (corner,), 3.0)


def _ramp(rng: np.random.Generator) -> LightCurve:
    apex, bend = rng.uniform(0.05, 0.95), 3.0 ** rng.uniform(-1.0, 1.0)
    time = np.unique(np.append(np.linspace(0.0, 1.0, KNOTS), apex))
    return _closed(time, np.minimum(time / apex, (1.0 - time) / (1.0 - apex)) ** bend)


def _noisy(rng: np.random.Generator) -> LightCurve:
    """A random walk of the logarithm under an arch, as in flaring jets."""
    time = np.linspace(0.0, 1.0, KNOTS)
    walk = np.cumsum(rng.normal(0.0, rng.uniform(0.05, 0.3), KNOTS))
    walk -= time * walk[-1]
    return _closed(time, np.sin(np.pi * time) ** rng.uniform(0.5, 2.0) * np.exp(walk))


def _closed(time: F64, rate: F64) -> LightCurve:
    rate = np.maximum(rate / rate.max(), FLOOR)
    rate[[0, -1]] = 0.0
    return LightCurve(time - time[0], rate)


SHAPE_FAMILIES: Final[Mapping[str, Callable[[np.random.Generator], LightCurve]]] = {
    "exponential": _exponential,
    "gaussian": _gaussian,
    "pulses": _pulses,
    "power_law": _power_law,
    "plateau": _plateau,
    "ramp": _ramp,
    "noisy": _noisy,
}
"""Families of random shapes, in an order in which every other one is of another character."""
