"""Light curves of known kind that share no code with `simulation`, to measure how often a kind is right.

Shapes are written down again from the literature: stellar flares (Gryciuk et al. 2017, Sol. Phys. 292, 77; Getman et
al. 2008, ApJ 688, 418), gamma-ray burst afterglows, eclipses, absorption dips, quasi-periodic eruptions, pulsations and
accretion noise (damped random walk: Kelly et al. 2009, ApJ 698, 895; power laws: Timmer & Koenig 1995, A&A 300, 707).
The kind of an event that the exposure cuts follows from its light curve alone: see `kind_of_event`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAMILIES", "GRID", "Shape", "ShapeSample", "T", "draw_shapes", "kind_of_event"]

F64 = NDArray[np.float64]
Shape = Callable[[np.random.Generator], tuple[F64, str]]

GRID: Final = 8192
"""Points at which a light curve is computed."""

T: Final[F64] = (np.arange(GRID) + 0.5) / GRID
"""Times in units of the exposure."""


@dataclass(frozen=True, slots=True, eq=False)
class ShapeSample:
    """Photons of n sources on [0, 1], the exposure.

    Parameters
    ----------
    u : ndarray, shape (photons,) — sorted within each source
    offsets : ndarray, shape (n + 1,)
    kind : ndarray, shape (n,), str
    family : ndarray, shape (n,), str
    background_share : ndarray, shape (n,) — expected part of the photons that are steady background
    """

    u: F64
    offsets: NDArray[np.int64]
    kind: NDArray[np.str_]
    family: NDArray[np.str_]
    background_share: F64


def kind_of_event(excess: F64) -> str:
    """Kind of one brightening: onset or decay if it is above half of its maximum at the end or start of the exposure.

    Parameters
    ----------
    excess : ndarray, shape (GRID,) — rate above the quiescent one
    """
    half = 0.5 * excess.max()
    starts_high, ends_high = bool(excess[0] > half), bool(excess[-1] > half)
    if starts_high == ends_high:
        return "flare"
    return "decay" if starts_high else "onset"


def _step(x: F64) -> F64:
    """Smooth step from 0 to 1."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def _loguniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _flare(rng: np.random.Generator, profile: F64) -> tuple[F64, str]:
    """A brightening of 20 to 95 % of all photons over a quiescent rate."""
    share = rng.uniform(0.2, 0.95)
    excess = profile / profile.mean()
    return 1.0 - share + share * excess, kind_of_event(excess)


def _fred(rng: np.random.Generator) -> tuple[F64, str]:
    peak, decay = rng.uniform(0.02, 0.9), _loguniform(rng, 0.003, 0.25)
    rise = decay * rng.uniform(0.02, 0.4)
    return _flare(
        rng, np.where(peak > T, np.exp(-(((T - peak) / rise) ** 2) / 2), np.exp(-np.maximum(T - peak, 0) / decay))
    )


def _gaussian(rng: np.random.Generator) -> tuple[F64, str]:
    return _flare(rng, np.exp(-0.5 * ((T - rng.uniform(0.05, 0.95)) / _loguniform(rng, 0.002, 0.15)) ** 2))


def _afterglow(rng: np.random.Generator) -> tuple[F64, str]:
    """Power-law decay with a plateau, after Willingale et al. 2007 (ApJ 662, 1093)."""
    start, scale, index = rng.uniform(0.02, 0.8), _loguniform(rng, 0.003, 0.1), rng.uniform(1.1, 3.0)
    return _flare(rng, np.where(start > T, 0.0, (1.0 + np.maximum(T - start, 0) / scale) ** -index))


def _multi_peak(rng: np.random.Generator) -> tuple[F64, str]:
    """Two to four blended peaks, each within two widths of the one before."""
    width = _loguniform(rng, 0.01, 0.06)
    at, profile = rng.uniform(0.1, 0.7), np.zeros(GRID)
    for _ in range(rng.integers(2, 5)):
        profile += rng.uniform(0.4, 1.0) * np.where(
            at > T, np.exp(-0.5 * ((T - at) / (0.4 * width)) ** 2), np.exp(-np.maximum(T - at, 0) / width)
        )
        at += width * rng.uniform(0.8, 2.0)
    return _flare(rng, profile)


def _young_star(rng: np.random.Generator) -> tuple[F64, str]:
    """Slow decays of young stars, with a shoulder from continued heating (Getman et al. 2008)."""
    start, rise, decay = rng.uniform(0.0, 0.6), _loguniform(rng, 0.02, 0.1), _loguniform(rng, 0.1, 0.4)
    profile = np.where(start > T, 0.0, -np.expm1(-np.maximum(T - start, 0) / rise)) * np.exp(
        -np.maximum(T - start, 0) / decay
    )
    if rng.random() < 0.5:
        profile += 0.4 * profile.max() * np.exp(-0.5 * ((T - start - rng.uniform(0.1, 0.3)) / 0.05) ** 2)
    return _flare(rng, profile)


def _flat_top(rng: np.random.Generator) -> tuple[F64, str]:
    width = _loguniform(rng, 0.005, 0.4)
    start, edge = rng.uniform(0.02, 0.98 - width), width * rng.uniform(0.01, 0.15)
    return _flare(rng, _step((T - start) / edge) * _step((start + width - T) / edge))


def _rise(rng: np.random.Generator) -> tuple[F64, str]:
    """A brightening that goes on beyond the end of the exposure, sharp, smooth or exponential."""
    start, scale = rng.uniform(0.35, 0.9), _loguniform(rng, 0.01, 0.3)
    age = np.maximum(T - start, 0.0)
    profile = (
        np.where(start > T, 0.0, np.exp(-0.15 * age / (1 - start))),
        np.where(start > T, 0.0, -np.expm1(-age / min(scale, 0.5 * (1 - start)))),
        np.exp((T - 1.0) / scale),
    )[rng.integers(3)]
    return _flare(rng, profile)


def _fall(rng: np.random.Generator) -> tuple[F64, str]:
    """The end of a brightening that began before the exposure."""
    scale = _loguniform(rng, 0.02, 0.35)
    profile = (
        np.exp(-T / scale),
        (1.0 + T / scale) ** -rng.uniform(1.2, 2.5),
        _step((rng.uniform(0.08, 0.4) - T) / rng.uniform(0.005, 0.05)),
    )[rng.integers(3)]
    return _flare(rng, profile)


def _eclipse(rng: np.random.Generator) -> tuple[F64, str]:
    width = rng.uniform(0.08, 0.45)
    start, edge = rng.uniform(0.05, 0.95 - width), rng.uniform(0.0005, 0.01)
    covered = _step((T - start) / edge) * _step((start + width - T) / edge)
    return 1.0 - rng.uniform(0.9, 1.0) * covered, "dip"


def _eclipse_edge(rng: np.random.Generator) -> tuple[F64, str]:
    """Ingress or egress alone, sharp and deep, within the first or last 8 to 40 % of the exposure."""
    edge, at = rng.uniform(0.0005, 0.008), rng.uniform(0.08, 0.4)
    covered = _step((at - T) / edge)
    rate = 1.0 - rng.uniform(0.93, 1.0) * covered
    return (rate if rng.random() < 0.5 else rate[::-1].copy()), "dip"


def _v_dip(rng: np.random.Generator) -> tuple[F64, str]:
    width = rng.uniform(0.15, 0.6)
    centre = rng.uniform(0.05 + width / 2, 0.95 - width / 2)
    return 1.0 - rng.uniform(0.8, 1.0) * np.maximum(1.0 - np.abs(T - centre) / (width / 2), 0.0), "dip"


def _absorption_dip(rng: np.random.Generator) -> tuple[F64, str]:
    """A ragged dip by clumps of absorbing gas."""
    width = rng.uniform(0.15, 0.45)
    start, column = rng.uniform(0.05, 0.95 - width), np.zeros(GRID)
    for _ in range(rng.integers(3, 8)):
        column += rng.uniform(0.6, 2.0) * np.exp(-0.5 * ((T - start - width * rng.random()) / (0.15 * width)) ** 2)
    return np.exp(-column), "dip"


def _bursts(rng: np.random.Generator) -> tuple[F64, str]:
    """Two to six bursts of similar strength, at least five decay times apart."""
    number, decay = int(rng.integers(2, 7)), _loguniform(rng, 0.002, 0.02)
    room = 1.0 - 6.0 * decay * number
    at = np.sort(rng.uniform(0.01, max(room, 0.1), number)) + 6.0 * decay * np.arange(number)
    profile = np.zeros(GRID)
    for one in at[at < 0.95]:
        profile += rng.uniform(0.6, 1.0) * np.where(one > T, 0.0, np.exp(-np.maximum(T - one, 0) / decay))
    return _share(rng, profile), "recurrent" if (at < 0.95).sum() > 1 else "flare"


def _eruptions(rng: np.random.Generator) -> tuple[F64, str]:
    """Quasi-periodic eruptions: Gaussian peaks, alternating in strength and spacing (Miniutti et al. 2019)."""
    period = rng.uniform(0.15, 0.4)
    width, profile, at = period * rng.uniform(0.04, 0.08), np.zeros(GRID), rng.uniform(0.02, 1.0) * period
    number = 0
    while at < 1.0:
        profile += (1.0 if number % 2 else rng.uniform(0.6, 1.0)) * np.exp(-0.5 * ((T - at) / width) ** 2)
        at += period * (1.0 + rng.normal(0.0, 0.06))
        number += 1
    return _share(rng, profile), "recurrent"


def _share(rng: np.random.Generator, profile: F64) -> F64:
    share = rng.uniform(0.5, 0.97)
    return np.asarray(1.0 - share + share * profile / profile.mean())


def _pulsation(rng: np.random.Generator) -> tuple[F64, str]:
    cycles, phase = _loguniform(rng, 5.0, 40.0), rng.random()
    angle = 2.0 * np.pi * (cycles * T + phase)
    if rng.random() < 0.5:
        return 1.0 + rng.uniform(0.5, 1.0) * np.cos(angle), "periodic"
    pulse = np.exp(rng.uniform(1.0, 3.0) * (np.cos(angle) - 1.0))
    return 0.1 + 0.9 * pulse / pulse.mean(), "periodic"


def _random_walk(rng: np.random.Generator) -> tuple[F64, str]:
    """Log-normal damped random walk."""
    sigma, scale = rng.uniform(0.4, 1.2), _loguniform(rng, 0.05, 2.0)
    keep = np.exp(-1.0 / GRID / scale)
    kicks = rng.normal(0.0, sigma * np.sqrt(1.0 - keep**2), GRID)
    walk = np.empty(GRID)
    level = rng.normal(0.0, sigma)
    for i in range(GRID):
        level = keep * level + kicks[i]
        walk[i] = level
    return np.exp(walk), "stochastic"


def _power_law_noise(rng: np.random.Generator) -> tuple[F64, str]:
    """Exponential of noise with a power-law spectrum, of which the exposure sees an eighth (red-noise leak)."""
    length = 8 * 1024
    frequency = np.fft.rfftfreq(length)[1:]
    amplitude = frequency ** (-0.5 * rng.uniform(1.0, 2.3))
    spectrum = amplitude * (rng.normal(size=frequency.size) + 1j * rng.normal(size=frequency.size))
    series = np.fft.irfft(np.concatenate([[0.0], spectrum]), length)
    first = int(rng.integers(0, length - 1024))
    series = series[first : first + 1024]
    series = (series - series.mean()) / series.std() * rng.uniform(0.4, 1.1)
    return np.exp(np.interp(T, (np.arange(1024) + 0.5) / 1024, series)), "stochastic"


FAMILIES: Final[dict[str, Shape]] = {
    "fast rise, exponential decay": _fred,
    "Gaussian flare": _gaussian,
    "afterglow": _afterglow,
    "multiple peaks": _multi_peak,
    "young star": _young_star,
    "flat top": _flat_top,
    "rise to the end": _rise,
    "decay from the start": _fall,
    "eclipse": _eclipse,
    "edge of an eclipse": _eclipse_edge,
    "V-shaped dip": _v_dip,
    "absorption dip": _absorption_dip,
    "bursts": _bursts,
    "quasi-periodic eruptions": _eruptions,
    "pulsation": _pulsation,
    "damped random walk": _random_walk,
    "power-law noise": _power_law_noise,
}
"""Shapes by name; each draws a light curve on `T` and its kind."""


def draw_shapes(
    each: int,
    seed: int,
    *,
    families: Mapping[str, Shape] = FAMILIES,
    counts: tuple[int, int] = (30, 1000),
) -> ShapeSample:
    """Draw sources of every family, with log-uniform counts of which up to 30 % are background.

    Parameters
    ----------
    each : int — sources of each family
    seed : int
    families : mapping of str to callable — shapes by name
    counts : (int, int) — fewest and most photons
    """
    rng = np.random.default_rng(seed)
    photons: list[F64] = []
    labels: list[tuple[str, str, float]] = []
    for family, draw in families.items():
        for _ in range(each):
            rate, kind = draw(rng)
            share = rng.uniform(0.0, 0.3)
            rate = share + (1.0 - share) * rate / rate.mean()
            cumulative = np.concatenate([[0.0], np.cumsum(rate)]) / rate.sum()
            number = round(_loguniform(rng, *counts))
            photons.append(np.sort(np.interp(rng.random(number), cumulative, np.linspace(0.0, 1.0, GRID + 1))))
            labels.append((kind, family, share))
    sizes = np.array([one.size for one in photons], dtype=np.int64)
    kinds, names, shares = (np.array(column) for column in zip(*labels, strict=True))
    return ShapeSample(np.concatenate(photons), np.concatenate([[0], np.cumsum(sizes)]), kinds, names, shares)
