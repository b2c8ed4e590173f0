"""Light curves of known kind that no choice of a model or a prior has seen: shapes apart from `shapes_light_curves`.

Gamma-ray-burst pulses (Norris et al. 2005, ApJ 627, 324), symmetric two-sided exponentials, triangles, magnetar-like
pulsating tails, tidal disruptions and shock breakouts, sawtooth recurrences, ragged and asymmetric dips, transits by
several bodies, and red noise with flicker and with rms proportional to flux from sums of shots.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .shapes_light_curves import GRID, T, kind_of_event

__all__ = ["HELD_OUT"]

F64 = NDArray[np.float64]
Drawn = tuple[F64, str]


def _over(rng: np.random.Generator, excess: F64) -> Drawn:
    share = rng.uniform(0.25, 0.95)
    return 1.0 - share + share * excess / excess.mean(), kind_of_event(excess)


def _norris_pulse(rng: np.random.Generator) -> Drawn:
    start, rise, decay = rng.uniform(0.0, 0.8), 10 ** rng.uniform(-3, -0.5), 10 ** rng.uniform(-2.5, -0.8)
    age = np.maximum(T - start, 1e-9)
    return _over(rng, np.where(start > T, 0.0, np.exp(-rise / age - age / decay + 2.0 * np.sqrt(rise / decay))))


def _two_sided(rng: np.random.Generator) -> Drawn:
    return _over(rng, np.exp(-np.abs(T - rng.uniform(0.1, 0.9)) / 10 ** rng.uniform(-2.5, -1.0)))


def _triangle(rng: np.random.Generator) -> Drawn:
    at, before, after = rng.uniform(0.2, 0.8), 10 ** rng.uniform(-2, -0.5), 10 ** rng.uniform(-2, -0.5)
    return _over(rng, np.maximum(np.minimum(1 - (at - T) / before, 1 - (T - at) / after), 0.0))


def _tidal_disruption(rng: np.random.Generator) -> Drawn:
    at, width = rng.uniform(0.1, 0.6), rng.uniform(0.03, 0.15)
    rise = np.exp(-0.5 * ((T - at) / width) ** 2)
    return _over(rng, np.where(at > T, rise, (1.0 + np.maximum(T - at, 0.0) / width) ** (-5.0 / 3.0)))


def _breakout(rng: np.random.Generator) -> Drawn:
    """A linear rise and an exponential decay with a pedestal, as SN 2008D."""
    at, rise, decay = rng.uniform(0.05, 0.8), rng.uniform(0.005, 0.04), rng.uniform(0.01, 0.1)
    main = np.where(at > T, np.clip(1 + (T - at) / rise, 0, 1), np.exp(-np.maximum(T - at, 0) / decay))
    return _over(rng, main + 0.08 * np.where(at > T, 0.0, np.exp(-np.maximum(T - at, 0) / (6 * decay))))


def _sawtooth(rng: np.random.Generator) -> Drawn:
    """Recurrent fast drops after slow rises, with quiet times in between."""
    number = int(rng.integers(2, 6))
    at = (np.arange(number) + rng.uniform(0.3, 0.7, number)) / number
    profile = np.zeros(GRID)
    width = 0.12 / number
    for one in at:
        profile += rng.uniform(0.7, 1.0) * np.clip(1 + (T - one) / width, 0, 1) * (one > T)
    share = rng.uniform(0.6, 0.95)
    return 1.0 - share + share * profile / profile.mean(), "recurrent"


def _asymmetric_dip(rng: np.random.Generator) -> Drawn:
    """Fast ingress and slow egress, as behind the bow shock of a companion."""
    at, ingress, egress = rng.uniform(0.1, 0.6), rng.uniform(0.005, 0.03), rng.uniform(0.06, 0.2)
    depth = np.where(at > T, np.exp(-((T - at) ** 2) / (2 * ingress**2)), np.exp(-np.maximum(T - at, 0) / egress))
    return 1.0 - rng.uniform(0.85, 1.0) * depth, "dip"


def _transits(rng: np.random.Generator) -> Drawn:
    """Two or three sharp dips of different lengths."""
    rate = np.ones(GRID)
    for k in range(int(rng.integers(2, 4))):
        first = rng.uniform(0.05, 0.25) + 0.32 * k
        rate[(first < T) & (first + rng.uniform(0.06, 0.16) > T)] = rng.uniform(0.0, 0.15)
    return rate, "dip"


def _slow_brightening(rng: np.random.Generator) -> Drawn:
    """A logistic rise that has not ended."""
    at, width = rng.uniform(0.4, 0.8), rng.uniform(0.01, 0.08)
    return _over(rng, 0.5 * (1 + np.tanh((T - at) / width)))


def _cooling(rng: np.random.Generator) -> Drawn:
    """Stretched-exponential fading from before the start."""
    return _over(rng, np.exp(-((T / rng.uniform(0.03, 0.3)) ** rng.uniform(0.6, 1.3))))


def _double_pulse(rng: np.random.Generator) -> Drawn:
    """A pulsation with two unequal maxima in each of 6 to 30 cycles."""
    phase = 2 * np.pi * (rng.uniform(6, 30) * T + rng.random())
    return 1.0 + rng.uniform(0.5, 0.75) * np.cos(phase) + 0.25 * np.cos(2 * phase + rng.uniform(0, 6.3)), "periodic"


def _shot_noise(rng: np.random.Generator) -> Drawn:
    """Exponential of the sum of many overlapping shots of all lengths (flicker noise)."""
    log_rate = np.zeros(GRID)
    for length in np.geomspace(0.01, 1.0, 6):
        number = int(8 / length) + 4
        at, height = rng.uniform(-4 * length, 1.0, number), rng.normal(0, 1, number)
        for one, h in zip(at, height, strict=True):
            log_rate += h * np.where(one > T, 0.0, np.exp(-np.maximum(T - one, 0) / length))
    return np.exp((log_rate - log_rate.mean()) / log_rate.std() * rng.uniform(0.5, 1.1)), "stochastic"


HELD_OUT: Final[dict[str, Callable[[np.random.Generator], Drawn]]] = {
    "gamma-ray-burst pulse": _norris_pulse,
    "two-sided exponential": _two_sided,
    "triangle": _triangle,
    "tidal disruption": _tidal_disruption,
    "shock breakout": _breakout,
    "logistic rise": _slow_brightening,
    "cooling": _cooling,
    "sawtooth": _sawtooth,
    "asymmetric dip": _asymmetric_dip,
    "transits": _transits,
    "double pulse": _double_pulse,
    "flicker noise": _shot_noise,
}
"""Shapes by name, as `shapes_light_curves.FAMILIES`."""
