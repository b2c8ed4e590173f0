"""Light curves and spectra of eight known and six unknown kinds, by another hand than `simulation`: `KNOWN`, `UNKNOWN`.

Nothing of `xherald.simulation` is imported: light curves are other functions than those of its classes, spectra other
formulas with another absorption law. `known_kinds` draws photons of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["GRID", "KNOWN", "STEPS", "UNKNOWN", "Drawn", "Kind"]

F64 = NDArray[np.float64]

GRID = np.geomspace(0.12, 14.0, 500)
"""Energies, keV, at which spectra are tabulated."""

STEPS = 4000
"""Bins of an exposure in which the rate is constant."""

# --- spectra: photons per bin of the grid, normalised ----------------------------------------------------------------


def absorbed(shape: F64, column: float) -> F64:
    """Behind a column, 10²² cm⁻²: σ = 2.3e-22 E^−2.7, more above the oxygen and iron edges."""
    sigma = 2.3 * GRID**-2.7 * np.where(GRID > 0.54, 1.5, 1.0) * np.where(GRID > 7.1, 1.8, 1.0) / 1.5
    photons: F64 = shape * np.exp(-np.minimum(column * sigma, 600.0)) * GRID + 1e-300
    return photons / photons.sum()


def cut_power_law(index: float, cut: float) -> F64:
    return np.asarray(GRID**-index * np.exp(-GRID / cut))


def bremsstrahlung(kt: float) -> F64:
    """Bremsstrahlung with lines as broad bumps: iron L, silicon, iron K."""
    continuum = GRID**-1.4 * np.exp(-GRID / kt)
    bumps = ((0.92, 0.12, 1.3 / (1 + (kt / 1.2) ** 2)), (1.86, 0.06, 0.25 / kt), (6.68, 0.12, min(kt / 4, 1.0) * 0.9))
    lines = sum(height * np.exp(-0.5 * ((GRID - at) / width) ** 2) for at, width, height in bumps)
    return np.asarray(continuum * (1.0 + lines))


def planck(kt: float) -> F64:
    return np.asarray(GRID**2 / np.expm1(np.minimum(GRID / kt, 600.0)))


# --- kinds: rate over time, and a spectrum for each of some phases ---------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """Rates of parts with fixed spectra, shape (parts, STEPS) and (parts, energies)."""

    rates: F64
    spectra: F64


def _mixed(rate: F64, phase: F64, spectrum: Callable[[float], F64], quiet: tuple[float, F64] | None) -> Drawn:
    """A flare whose spectrum follows a phase from 0 to 1 in eight steps, on steady emission."""
    step = np.clip((phase * 8).astype(int), 0, 7)
    rates = [np.where(step == k, rate, 0.0) for k in range(8)]
    spectra = [spectrum((k + 0.5) / 8) for k in range(8)]
    if quiet is not None:
        rates.append(np.full(STEPS, quiet[0]))
        spectra.append(quiet[1])
    return Drawn(np.array(rates), np.array(spectra))


def _column(rng: np.random.Generator, high: float = 10.0) -> float:
    return float(0.01 * (high / 0.01) ** rng.random())


def _onset(rng: np.random.Generator, duration: float, length: float) -> float:
    return float(rng.uniform(0.0, max(duration - length, 0.3 * duration)))


def _lengths(rng: np.random.Generator, low: float, high: float, duration: float) -> float:
    high = min(high, 0.7 * duration)
    return float(min(low, high) * (high / min(low, high)) ** rng.random())


def stellar_flare(rng: np.random.Generator, t: F64, duration: float) -> Drawn:
    """Gaussian heating convolved with exponential cooling (Gryciuk et al. 2017), at times a second one."""
    length = _lengths(rng, 600.0, 30_000.0, duration)
    start, column = _onset(rng, duration, length), _column(rng)
    kt, quiet_kt = rng.uniform(2.0, 8.0), rng.uniform(0.6, 1.5)
    rate, warm = np.zeros(STEPS), np.zeros(STEPS)
    for k in range(1 + int(rng.random() < 0.3)):
        at, width, decay = start + k * 0.4 * length, 0.08 * length, 0.3 * length
        cooling = np.where(t > at, np.exp(-(t - at) / decay), 0.0)
        kernel = np.exp(-0.5 * (np.arange(-3, 3.01, 6 / max(int(6 * width / (duration / STEPS)), 1))) ** 2)
        rate += np.convolve(cooling, kernel / kernel.sum(), "same") * (0.6**k)
        warm = np.maximum(warm, np.where(t > at - 2 * width, np.exp(-np.maximum(t - at, 0) / (2 * decay)), 0.0))
    level = 1.0 / rng.uniform(4.0, 50.0)
    return _mixed(
        rate,
        1.0 - warm,
        lambda phase: absorbed(bremsstrahlung(max(kt * (1 - 0.6 * phase), 0.5)), column),
        (level, absorbed(bremsstrahlung(quiet_kt), column)),
    )


def fast_transient(rng: np.random.Generator, t: F64, duration: float) -> Drawn:
    """One or two pulses exp(−a/t − t/b) (Norris et al. 2005) with a tail, cut-off power law; nothing else."""
    length = _lengths(rng, 40.0, 5_000.0, duration)
    start, column = _onset(rng, duration, length), _column(rng, 2.0)
    rate = np.zeros(STEPS)
    for k in range(int(rng.integers(1, 3))):
        since = np.maximum(t - start - 0.4 * k * length, 1e-6)
        a, b = 0.05 * length * rng.uniform(0.1, 1.0), 0.3 * length
        rate += np.exp(-a / since - since / b + 2 * np.sqrt(a / b)) * (t > start + 0.4 * k * length)
    index = rng.uniform(1.2, 1.9)
    phase = np.clip((t - start) / length, 0, 1)
    return _mixed(rate, phase, lambda p: absorbed(cut_power_law(index + 0.6 * p, 30.0), column), None)


def magnetar_burst(rng: np.random.Generator, t: F64, duration: float) -> Drawn:
    """A spike of hot black bodies, and a tail with sawtooth pulses that cools."""
    length = _lengths(rng, 60.0, 1_000.0, duration)
    start, column, period = _onset(rng, duration, length), _column(rng, 3.0), rng.uniform(3.0, 11.0)
    since = t - start
    spike = np.exp(-0.5 * ((since - 4.0) / max(1.5, duration / STEPS)) ** 2)
    tail = np.where(since > 4, np.exp(-np.maximum(since, 0) / (0.4 * length)), 0) * (
        1 + 0.6 * ((since / period) % 1.0 - 0.5)
    )
    rate = spike + rng.uniform(0.03, 0.1) * tail
    two = rng.uniform(2.5, 5.0)
    return _mixed(
        rate,
        np.clip(since / length, 0, 1),
        lambda p: absorbed(planck(two * (1 - 0.6 * p)) + 3 * planck(0.6) * (1 - 0.5 * p), column),
        (rng.uniform(1e-5, 1e-3), absorbed(planck(0.4), column)),
    )


def xray_burst(rng: np.random.Generator, t: F64, duration: float) -> Drawn:
    """Linear rise and power-law cooling (in 't Zand et al. 2014), diluted black body on a Comptonised disc."""
    length = _lengths(rng, 20.0, 400.0, duration)
    start, column = _onset(rng, duration, length), _column(rng, 5.0)
    since = t - start
    rise, tail = rng.uniform(1.0, 8.0), 0.3 * length
    decay = np.clip(since / rise, 0, 1) * (1 + np.maximum(since - rise, 0) / tail) ** -rng.uniform(1.6, 2.2)
    rate = np.where(since > 0, decay, 0.0)
    level = 1.0 / rng.uniform(8.0, 80.0)
    return _mixed(
        rate,
        np.clip(since / length, 0, 1),
        lambda p: absorbed(planck(2.6 - 1.5 * p), column),
        (level, absorbed(cut_power_law(rng.uniform(1.5, 2.0), 20.0), column)),
    )


def qpe(rng: np.random.Generator, t: F64, duration: float) -> Drawn:
    """Eruptions as sech², soft, about evenly spaced."""
    length = _lengths(rng, 800.0, 6_000.0, duration)
    spacing, first = length * rng.uniform(3.5, 7.0), _onset(rng, duration, length)
    rate = np.zeros(STEPS)
    for k in range(-12, 13):
        at = first + spacing * k * (1 + rng.uniform(-0.05, 0.05))
        rate += rng.uniform(0.7, 1.0) / np.cosh(np.clip((t - at - 0.5 * length) / (0.25 * length), -50, 50)) ** 2
    column, kt = _column(rng, 0.1), rng.uniform(0.11, 0.2)
    return _mixed(
        rate,
        1 - np.clip(rate, 0, 1),
        lambda p: absorbed(planck(kt * (1 - 0.4 * p)), column),
        (1 / rng.uniform(8.0, 40.0), absorbed(planck(0.06), column)),
    )


def eclipse(rng: np.random.Generator, t: F64, duration: float) -> Drawn:
    """Edges as tanh of some seconds, once per orbit."""
    length = _lengths(rng, 200.0, 8_000.0, duration)
    first, orbit, edge = _onset(rng, duration, length), length * rng.uniform(6.0, 20.0), rng.uniform(3.0, 30.0)
    dark = np.zeros(STEPS)
    for k in range(-40, 41):
        at = first + k * orbit
        dark += 0.5 * (np.tanh((t - at) / edge) - np.tanh((t - at - length) / edge))
    rest = 1 - dark * rng.uniform(0.9, 1.0)
    return _steady(rest, absorbed(cut_power_law(rng.uniform(1.2, 2.0), 15.0), _column(rng, 3.0)))


def dip(rng: np.random.Generator, t: F64, duration: float) -> Drawn:
    """Lorentzian clouds in front of a part of the source: the covered part is absorbed more and more."""
    length = _lengths(rng, 200.0, 5_000.0, duration)
    first, column, most = _onset(rng, duration, length), _column(rng, 1.0), rng.uniform(2.0, 20.0)
    cloud = np.zeros(STEPS)
    for _ in range(int(rng.integers(1, 5))):
        at, width = first + length * rng.uniform(0.1, 0.9), length * rng.uniform(0.05, 0.2)
        cloud = np.maximum(cloud, rng.uniform(0.5, 1.0) / (1 + ((t - at) / width) ** 4))
    cover, shape = rng.uniform(0.7, 0.98), cut_power_law(rng.uniform(1.4, 1.9), 12.0)
    clear = shape * np.exp(-column * 2.0 * GRID**-2.7)
    thick = [clear * np.exp(-most * (k + 0.5) / 6 * 2.3 * GRID**-2.7) for k in range(6)]
    step = np.clip((cloud * 6).astype(int), 0, 5)
    whole = (clear * GRID).sum()
    rates = [np.where(cloud > 0.05, 1 - cover, 1.0)]
    rates += [np.where((cloud > 0.05) & (step == k), cover * (thick[k] * GRID).sum() / whole, 0.0) for k in range(6)]
    spectra = [one * GRID / (one * GRID).sum() for one in (clear, *thick)]
    return Drawn(np.array(rates), np.array(spectra))


def transit(rng: np.random.Generator, t: F64, duration: float) -> Drawn:
    """A smooth bowl, the same at all energies, of an ultraluminous source."""
    length = _lengths(rng, 2_000.0, 12_000.0, duration)
    first = _onset(rng, duration, length)
    x = np.clip(np.abs(t - first - 0.5 * length) / (0.5 * length), 0, 1)
    rest = 1 - rng.uniform(0.7, 1.0) * (1 - x ** rng.uniform(2.0, 6.0))
    return _steady(rest, absorbed(cut_power_law(rng.uniform(1.0, 1.6), 6.0), _column(rng, 0.5)))


def _steady(rate: F64, spectrum: F64) -> Drawn:
    return Drawn(np.maximum(rate, 0.0)[None], spectrum[None])


def hardening(rng: np.random.Generator, t: F64, duration: float) -> Drawn:
    """A pulse that starts very soft and ends very hard."""
    length = _lengths(rng, 300.0, 10_000.0, duration)
    start, column = _onset(rng, duration, length), _column(rng, 0.5)
    phase = np.clip((t - start) / length, 0, 1)
    quiet = (rng.uniform(0.005, 0.1), absorbed(planck(0.15), column))
    return _mixed(
        np.sin(np.pi * phase) ** 2, phase, lambda p: absorbed(cut_power_law(4.5 - 4.5 * p, 20), column), quiet
    )


def comb(rng: np.random.Generator, t: F64, duration: float) -> Drawn:
    """Five to twelve equal, narrow, hard spikes within a fraction of the exposure."""
    length = _lengths(rng, 1_000.0, 15_000.0, duration)
    start, number = _onset(rng, duration, length), int(rng.integers(5, 13))
    at = start + length * np.arange(number) / number
    rate = np.exp(-0.5 * ((t[:, None] - at) / (0.06 * length / number)) ** 2).sum(axis=1)
    quiet = (rng.uniform(0.001, 0.02), absorbed(cut_power_law(3.0, 9.0), 0.05))
    return _mixed(rate, np.zeros(STEPS), lambda _: absorbed(cut_power_law(-0.5, 8.0), 1.0), quiet)


def line(rng: np.random.Generator, t: F64, duration: float) -> Drawn:
    """A flare of nearly one energy on a steady continuum."""
    length = _lengths(rng, 200.0, 10_000.0, duration)
    start, at = _onset(rng, duration, length), rng.uniform(1.2, 3.5)
    rate = np.where((t > start) & (t < start + length), 1.0, 0.0)
    narrow = np.exp(-0.5 * ((GRID - at) / 0.08) ** 2) + 1e-12
    quiet = (rng.uniform(0.01, 0.1), absorbed(cut_power_law(1.8, 30.0), 0.1))
    return _mixed(rate, np.zeros(STEPS), lambda _: np.asarray(narrow * GRID / (narrow * GRID).sum()), quiet)


def sawtooth(rng: np.random.Generator, t: F64, duration: float) -> Drawn:
    """Slow rises that end at once, two to four times, on a level of their own."""
    length = _lengths(rng, 2_000.0, 20_000.0, duration)
    start, number = _onset(rng, duration, length), int(rng.integers(2, 5))
    phase = np.clip((t - start) / length, 0, 1)
    rate = np.where((phase > 0) & (phase < 1), (phase * number) % 1.0, 0.0) ** 2
    column = _column(rng, 3.0)
    quiet = (rng.uniform(0.05, 0.3), absorbed(planck(0.8), column))
    return _mixed(rate, (phase * number) % 1.0, lambda p: absorbed(planck(0.5 + 2.5 * p), column), quiet)


def soft_dip(rng: np.random.Generator, t: F64, duration: float) -> Drawn:
    """A dip in which only hard photons vanish."""
    length = _lengths(rng, 1_000.0, 15_000.0, duration)
    start = _onset(rng, duration, length)
    hidden = np.exp(-0.5 * ((t - start - 0.5 * length) / (0.25 * length)) ** 4)
    soft, hard = absorbed(planck(0.2), 0.02), absorbed(cut_power_law(0.5, 9.0), 0.3)
    return Drawn(np.array([np.full(STEPS, rng.uniform(0.1, 0.3)), 1.0 - hidden]), np.array([soft, hard]))


def switch(rng: np.random.Generator, t: F64, duration: float) -> Drawn:
    """A source that is on or off, three to six times, with a spectrum for each state."""
    edges = np.sort(rng.uniform(0, duration, int(rng.integers(3, 7))))
    on = (np.searchsorted(edges, t) % 2).astype(float)
    soft, hard = absorbed(planck(0.12), 0.02), absorbed(cut_power_law(0.0, 10.0), 0.5)
    return Drawn(np.array([on, rng.uniform(0.05, 0.2) * (1 - on)]), np.array([hard, soft]))


Kind = Callable[[np.random.Generator, F64, float], Drawn]
KNOWN: dict[str, Kind] = {
    one.__name__: one for one in (stellar_flare, fast_transient, magnetar_burst, xray_burst, qpe, eclipse, dip, transit)
}
UNKNOWN: dict[str, Kind] = {one.__name__: one for one in (hardening, comb, line, sawtooth, soft_dip, switch)}
