"""Light curves and spectra of the held-out sources, by class, with shapes of another hand than the simulator's.

A class draws `HeldOutModel`: components, each a rate and a spectrum over a fine grid of elapsed time. Classes have the
names of the simulator's where it has them; what they look like was written down from published light curves anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from xherald.photons.arrays import F64

from .held_out_spectra import absorption, black_body, plasma, power_law

__all__ = ["CLASSES", "KINDS", "HeldOutModel"]

Random = np.random.Generator


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutModel:
    """A source over elapsed time.

    Parameters
    ----------
    time : ndarray, shape (t,) — edges, s since the start
    event : ndarray, shape (t - 1,) — relative rate that the event adds, or the part of the time it is there, for dips
    event_spectrum : ndarray, shape (t - 1, energies) or (energies,)
        Shape of the spectrum that is added; of dips, the photons that are hidden, in the units of `quiet_spectrum`.
    quiet_spectrum : ndarray, shape (energies,) — shape of the spectrum without the event
    quiet : ndarray, shape (t - 1,) — relative rate of the persistent emission without the event
    interval : (float, float) — s, in which most of the event is
    is_dip : bool — whether the event hides photons
    """

    time: F64
    event: F64
    event_spectrum: F64
    quiet_spectrum: F64
    quiet: F64
    interval: tuple[float, float]
    is_dip: bool = False


def _log(rng: Random, low: float, high: float) -> float:
    return float(low * (high / low) ** rng.random())


def _grid(span: float, start: float, length: float) -> F64:
    """Edges over the exposure, fine within the event."""
    fine = np.linspace(max(start - 0.5 * length, 0.0), min(start + 4.0 * length, span), 300)
    return np.unique(np.concatenate([np.linspace(0.0, span, 200), fine]))


def _onset(rng: Random, span: float, length: float) -> float:
    return float(rng.uniform(0.02 * span, max(span - 1.2 * length, 0.1 * span)))


def _middle(time: F64) -> F64:
    middle: F64 = 0.5 * (time[1:] + time[:-1])
    return middle


def _flare(
    time: F64, event: F64, spectrum: F64, quiet_spectrum: F64, ratio: float, start: float, length: float
) -> HeldOutModel:
    """A flare whose peak is `ratio` times the persistent level; 0 for no persistent emission at all."""
    peak = event / event.max()
    quiet = np.full(len(peak), 1.0 / ratio if ratio else 0.0)
    return HeldOutModel(time, peak, spectrum, quiet_spectrum, quiet, (start, start + length))


def _stellar_flare(rng: Random, span: float) -> HeldOutModel:
    """Linear rise, decay as a power law or in two exponentials, often a second, weaker peak; hot plasma that cools."""
    length = min(_log(rng, 1_500.0, 25_000.0), 0.5 * span)
    start = _onset(rng, span, length)
    time = _grid(span, start, length)
    after = (_middle(time) - start) / length

    def peak(at: float, rise: float, decay: float) -> F64:
        since = (after - at) / decay
        slow = (1.0 + np.maximum(since, 0.0)) ** -3.0
        quick = 0.7 * np.exp(-np.maximum(since, 0.0) * 2.0) + 0.3 * np.exp(-np.maximum(since, 0.0) * 0.5)
        fall = slow if is_power_law else quick
        shape: F64 = np.where(since < 0, np.clip(1.0 + (after - at) / rise, 0.0, 1.0), fall)
        return shape

    is_power_law = rng.random() < 0.5
    rise = rng.uniform(0.05, 0.3)
    event = peak(rise, rise, rng.uniform(0.25, 0.45))
    if rng.random() < 0.35:
        event = event + rng.uniform(0.2, 0.6) * peak(rise + rng.uniform(0.3, 0.7), 0.1, 0.3)
    hot = _log(rng, 1.5, 9.0)
    kt = 0.8 + (hot - 0.8) * np.exp(-np.maximum(after - rise, 0.0) * rng.uniform(0.4, 1.2))
    shield = absorption(_log(rng, 0.01, 3.0))
    return _flare(time, event, plasma(kt) * shield, plasma(0.7) * shield, _log(rng, 4.0, 60.0), start, length)


def _xray_burst(rng: Random, span: float) -> HeldOutModel:
    """Rise of seconds, sometimes a plateau at the Eddington limit, decay as a power of time; cooling black body."""
    tail = _log(rng, 5.0, 60.0)
    start = _onset(rng, span, 3.0 * tail)
    time = _grid(span, start, 3.0 * tail)
    after = _middle(time) - start
    rise, flat = rng.uniform(0.5, 4.0), (rng.uniform(0.0, 1.0) * tail if rng.random() < 0.3 else 0.0)
    since = np.maximum(after - rise - flat, 0.0)
    event = np.where(
        after < 0, 0.0, np.where(after < rise, after / rise, (1.0 + since / tail) ** -rng.uniform(2.0, 3.5))
    )
    kt = 0.9 + rng.uniform(1.2, 1.9) * np.exp(-since / tail)
    shield = absorption(_log(rng, 0.1, 2.5))
    quiet = power_law(rng.uniform(1.5, 2.2)) * shield
    return _flare(time, event, black_body(kt) * shield, quiet, _log(rng, 8.0, 60.0), start, 3.0 * tail)


def _fast_transient(rng: Random, span: float) -> HeldOutModel:
    """A plateau and a power-law decay that steepens, or a smooth pulse, of a power law that softens; nothing else."""
    length = min(_log(rng, 80.0, 8_000.0), 0.4 * span)
    start = _onset(rng, span, length)
    time = _grid(span, start, length)
    after = (_middle(time) - start) / length
    if rng.random() < 0.5:
        event = np.where(after < 0, 0.0, np.minimum(after / 0.03, 1.0) / (1.0 + (np.maximum(after, 0.0) / 0.35) ** 2.2))
    else:
        event = np.where(after > 0, np.exp(2.0 - 0.15 / np.maximum(after, 1e-3) - np.maximum(after, 0) / 0.25), 0.0)
    index = rng.uniform(1.3, 1.9) + rng.uniform(0.2, 0.9) * np.clip(after, 0.0, 1.0)
    shield = absorption(_log(rng, 0.03, 0.8))
    ratio = 0.0 if rng.random() < 0.6 else _log(rng, 300.0, 3_000.0)
    return _flare(time, event, power_law(index) * shield, power_law(2.0) * shield, ratio, start, length)


def _magnetar_burst(rng: Random, span: float) -> HeldOutModel:
    """A hard spike of seconds and a softer tail, modulated by the rotation; hardly any persistent emission."""
    tail = _log(rng, 40.0, 600.0)
    start = _onset(rng, span, 2.0 * tail)
    fine = np.linspace(start, min(start + 4.0 * tail, span), 2_000)
    time = np.unique(np.concatenate([np.linspace(0.0, span, 200), fine]))
    after = _middle(time) - start
    spike = _log(rng, 0.8, 6.0)
    wave = 1.0 + rng.uniform(0.2, 0.7) * np.sin(2 * np.pi * after / rng.uniform(3.0, 11.0))
    level = rng.uniform(0.03, 0.1)
    event = np.where(after < 0, 0.0, np.exp(-after.clip(0) / spike) + level * wave * np.exp(-after.clip(0) / tail))
    index = np.where(after < 3.0 * spike, rng.uniform(0.2, 0.7), rng.uniform(1.1, 2.0))
    shield = absorption(_log(rng, 0.1, 1.2))
    return _flare(
        time, event, power_law(index) * shield, black_body(0.5) * shield, _log(rng, 1_500.0, 2e4), start, 2 * tail
    )


def _qpe(rng: Random, span: float) -> HeldOutModel:
    """Eruptions of a soft black body that recur, alternating in strength and spacing."""
    length = min(_log(rng, 800.0, 6_000.0), 0.15 * span)
    period = length * rng.uniform(3.5, 7.0)
    first = rng.uniform(0.05, 0.6) * min(period, 0.8 * span)
    time = np.linspace(0.0, span, 1_000)
    middle, event = _middle(time), np.zeros(len(time) - 1)
    at, odd = first, rng.uniform(-0.08, 0.08)
    for number in range(40):
        if at > span:
            break
        phase = (middle - at) / length
        skew = np.where(phase < 0, 0.25, 0.4)
        event += (1.0 if number % 2 == 0 else rng.uniform(0.6, 0.9)) * np.exp(
            -2.0 * np.log(np.cosh(np.clip(phase / skew, -300.0, 300.0)))
        )
        at += period * (1.0 + (odd if number % 2 else -odd))
    kt = 0.06 + rng.uniform(0.05, 0.16) * event / event.max()
    shield = absorption(_log(rng, 0.01, 0.08))
    quiet = black_body(0.06) * shield
    return _flare(time, event, black_body(kt) * shield, quiet, _log(rng, 6.0, 40.0), first - length, 2.0 * length)


def _dimmed(time: F64, hidden: F64, spectrum: F64, hidden_spectrum: F64, start: float, length: float) -> HeldOutModel:
    """A persistent source of which a part, or its soft photons, are hidden."""
    quiet = np.ones(len(hidden))
    return HeldOutModel(
        time, np.clip(hidden, 0.0, 1.0), hidden_spectrum, spectrum, quiet, (start, start + length), is_dip=True
    )


def _eclipse(rng: Random, span: float) -> HeldOutModel:
    """Trapezia, nearly or quite total, repeated every orbit."""
    length = min(_log(rng, 200.0, 6_000.0), 0.4 * span)
    period, ingress = length / rng.uniform(0.06, 0.18), min(_log(rng, 4.0, 50.0), 0.2 * length)
    first = _onset(rng, span, length)
    first -= np.floor(first / period) * period if rng.random() < 0.5 else 0.0
    edges = np.concatenate(
        [first + k * period + np.array([0, ingress, length, length + ingress]) for k in range(-1, 40)]
    )
    edges = edges[(edges > 0) & (edges < span)]
    time = np.unique(np.concatenate([np.linspace(0.0, span, 300), edges, edges + 1.0]))
    time = time[time <= span]
    phase = (_middle(time) - first) % period
    hidden = np.clip(np.minimum(phase / ingress, (length + ingress - phase) / ingress), 0.0, 1.0)
    shield = absorption(_log(rng, 0.05, 1.5))
    spectrum = power_law(rng.uniform(1.4, 2.2)) * shield
    return _dimmed(time, rng.uniform(0.8, 1.0) * hidden, spectrum, spectrum, first, length)


def _absorption_dip(rng: Random, span: float) -> HeldOutModel:
    """Irregular troughs of a random walk of columns; the soft photons go first."""
    length = min(_log(rng, 300.0, 5_000.0), 0.4 * span)
    start = _onset(rng, span, length)
    time = _grid(span, start, length)
    after = (_middle(time) - start) / length
    knots = np.concatenate([[0.0], 10.0 ** rng.uniform(-0.4, 1.2, int(rng.integers(3, 9))), [0.0]])
    column = np.interp(after, np.linspace(0.0, 1.0, len(knots)), knots, left=0.0, right=0.0)
    shield = absorption(_log(rng, 0.05, 0.5))
    spectrum = (black_body(rng.uniform(0.8, 1.6)) + 0.02 * power_law(1.8)) * shield
    covering = rng.uniform(0.7, 1.0)
    lost = covering * (1.0 - absorption(column))
    return _dimmed(time, np.where(column > 0, 1.0, 0.0), spectrum, spectrum * lost, start, length)


def _transit(rng: Random, span: float) -> HeldOutModel:
    """A raised cosine with a flat bottom of any length, the same at all energies."""
    length = min(_log(rng, 1_200.0, 12_000.0), 0.4 * span)
    start = _onset(rng, span, length)
    time = _grid(span, start, length)
    after = (_middle(time) - start) / length
    flat = rng.uniform(0.0, 0.5)
    side = np.clip(np.minimum(after, 1.0 - after) / (0.5 * (1.0 - flat)), 0.0, 1.0)
    hidden = rng.uniform(0.7, 1.0) * 0.5 * (1.0 - np.cos(np.pi * side))
    shield = absorption(_log(rng, 0.05, 0.5))
    spectrum = (black_body(rng.uniform(0.6, 1.5)) + 0.05 * power_law(2.0)) * shield
    return _dimmed(time, hidden, spectrum, spectrum, start, length)


def _constant(rng: Random, span: float) -> HeldOutModel:
    """A constant source of a power law or plasma."""
    time = np.array([0.0, span])
    shield = absorption(_log(rng, 0.01, 3.0))
    spectrum = (power_law(rng.uniform(1.4, 2.4)) if rng.random() < 0.6 else plasma(_log(rng, 0.5, 5.0))) * shield
    return HeldOutModel(time, np.zeros(1), spectrum, spectrum, np.ones(1), (0.0, 0.0))


def _agn(rng: Random, span: float) -> HeldOutModel:
    """Log-normal red noise of fractional amplitude 0.1 to 0.4 within the exposure."""
    time = np.linspace(0.0, span, 513)
    frequency = np.fft.rfftfreq(512)[1:]
    wave = rng.normal(size=256) + 1j * rng.normal(size=256)
    noise = np.fft.irfft(np.concatenate([[0], wave * frequency ** -rng.uniform(0.6, 1.1)]), 512)
    quiet = np.exp(rng.uniform(0.1, 0.4) * noise / noise.std())
    spectrum = power_law(rng.uniform(1.6, 2.2)) * absorption(_log(rng, 0.01, 3.0))
    return HeldOutModel(time, np.zeros(512), spectrum, spectrum, quiet, (0.0, 0.0))


CLASSES: Final[Mapping[str, Callable[[Random, float], HeldOutModel]]] = MappingProxyType(
    {
        "stellar_flare": _stellar_flare,
        "xray_burst": _xray_burst,
        "fast_transient": _fast_transient,
        "magnetar_burst": _magnetar_burst,
        "qpe": _qpe,
        "eclipse": _eclipse,
        "dip": _absorption_dip,
        "transit": _transit,
        "constant": _constant,
        "agn": _agn,
    }
)
"""Classes by name."""

KINDS: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(("stellar_flare", "xray_burst", "fast_transient", "magnetar_burst", "qpe"), "flare")
    | dict.fromkeys(("eclipse", "dip", "transit"), "dip")
    | {"constant": "steady", "agn": "other"}
)
"""Kind of each class."""
