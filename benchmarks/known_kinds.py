"""Events of eight known and six unknown kinds, by another hand than `simulation`: `draw_kinds`.

Nothing of `xherald.simulation` is imported: light curves are other functions than those of its classes, spectra other
formulas with another absorption law, telescopes smooth curves instead of tables, and photons are drawn by thinning in
bins. What a detector learned from the one generator is measured on the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xherald.photons import Background, EventBatch, EventList, Exposure, Identity

__all__ = ["KNOWN", "TELESCOPES", "UNKNOWN", "Kinds", "draw_kinds"]

F64 = NDArray[np.float64]

GRID = np.geomspace(0.12, 14.0, 500)
"""Energies, keV, at which spectra are tabulated."""

STEPS = 4000
"""Bins of an exposure in which the rate is constant."""


@dataclass(frozen=True)
class Telescope:
    """A telescope as a smooth curve: low-energy turn-on, mirror cut-off, a dip at the gold edge."""

    mission: str
    instrument: str
    frame: float
    band: tuple[float, float]
    turn_on: float
    cut_off: float
    snapshots: bool
    live: float = 1.0

    def area(self) -> F64:
        area: F64 = (1 - np.exp(-((GRID / self.turn_on) ** 2))) * np.exp(-((GRID / self.cut_off) ** 2.5))
        area *= np.where(GRID > 2.2, 0.75, 1.0)
        return area * ((self.band[0] <= GRID) & (self.band[1] >= GRID))


TELESCOPES = {
    "chandra": Telescope("CHANDRA", "ACIS", 3.14104, (0.5, 7.0), 1.1, 6.8, False, 0.987),
    "xmm": Telescope("XMM", "EMOS1", 2.6, (0.2, 12.0), 0.6, 7.5, False, 0.985),
    "swift": Telescope("SWIFT", "XRT", 2.5073, (0.3, 10.0), 0.7, 6.5, True),
    "erosita": Telescope("eROSITA", "merged", 0.0500584, (0.2, 10.0), 0.5, 3.0, False),
    "wxt": Telescope("EP", "WXT", 0.05, (0.5, 4.0), 0.8, 3.0, True),
    "fxt": Telescope("EP", "FXT", 0.05, (0.3, 10.0), 0.5, 4.5, True),
}

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

# --- photons ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kinds:
    """Photon lists and the kind of each."""

    batch: EventBatch
    kinds: NDArray[np.str_]


def draw_kinds(
    telescope: str, n: int, seed: int, kinds: dict[str, Kind], counts: tuple[float, float] = (20.0, 800.0)
) -> Kinds:
    """Draw n sources of random kinds.

    Parameters
    ----------
    telescope : str — of `TELESCOPES`
    n, seed : int
    kinds : dict — of `KNOWN` or `UNKNOWN`
    counts : (float, float) — expected net counts, log-uniform
    """
    one, names = TELESCOPES[telescope], list(kinds)
    rng = np.random.default_rng([seed, len(telescope), n])
    chosen = rng.integers(len(names), size=n)
    # Dips need more photons to be found.
    expected = counts[0] * (counts[1] / counts[0]) ** rng.random(n)
    lists = [
        _source(one, kinds[names[k]], rng, float(number) * (4 if "dip" in names[k] or "eclipse" in names[k] else 1), i)
        for i, (k, number) in enumerate(zip(chosen, expected, strict=True))
    ]
    return Kinds(EventBatch.from_lists(lists), np.array(names)[chosen])


def _source(telescope: Telescope, kind: Kind, rng: np.random.Generator, counts: float, number: int) -> EventList:
    duration = float(np.exp(rng.uniform(np.log(6_000), np.log(60_000))))
    gti = _good_times(telescope, rng, duration)
    edges = np.linspace(0.0, duration, STEPS + 1)
    middle, width = 0.5 * (edges[1:] + edges[:-1]), duration / STEPS
    is_good = ((middle[:, None] >= gti[:, 0]) & (middle[:, None] < gti[:, 1])).any(axis=1)
    area = telescope.area()
    for _ in range(100):
        drawn = kind(rng, middle, duration)
        folded = drawn.spectra * area
        mean = drawn.rates * is_good * folded.sum(axis=1)[:, None]
        # Drawn again if the event was in a gap, or its photons are all outside the band.
        if (
            mean.sum() > 0
            and np.ptp((drawn.rates * folded.sum(axis=1)[:, None]).sum(axis=0)[is_good]) > 0.2 * mean.sum(axis=0).max()
        ):
            break
    photons = rng.poisson(mean * counts / mean.sum())
    times, energies = [], []
    for part, row in zip(folded, photons, strict=True):
        if not row.any():
            continue
        times.append(np.repeat(edges[:-1], row) + width * rng.random(row.sum()))
        energies.append(
            np.exp(rng.normal(0, 0.5 * np.log(GRID[1] / GRID[0]), row.sum()))
            * rng.choice(GRID, row.sum(), p=part / part.sum())
        )
    share, ratio = 0.02 * 10.0 ** rng.random(), 0.1
    level = share * counts / is_good.sum()
    inside, outside = rng.poisson(level * is_good), rng.poisson(level / ratio * is_good)
    around = np.sort(np.repeat(edges[:-1], outside) + width * rng.random(outside.sum()))
    times.append(np.repeat(edges[:-1], inside) + width * rng.random(inside.sum()))
    energies.append(_background_energies(telescope, rng, int(inside.sum())))
    time, energy = np.concatenate(times), np.concatenate(energies)
    energy = energy * (1 + rng.normal(0, 0.03, len(energy)) / np.sqrt(np.maximum(energy, 0.1)))
    kept = (energy > telescope.band[0]) & (energy < telescope.band[1]) & _within(time, gti)
    time, energy = time[kept], energy[kept]
    time = np.clip((np.floor(time / telescope.frame) + 0.5) * telescope.frame, *_nearest(time, gti).T)
    order = np.argsort(time, kind="stable")
    around = around[_within(around, gti)]
    return EventList(
        time=time[order],
        energy=energy[order].astype(np.float32),
        exposure=Exposure(gti),
        identity=Identity(telescope.mission, telescope.instrument, f"{number}", "1"),
        frame_time=telescope.frame,
        band=telescope.band,
        live_fraction=telescope.live,
        background=Background(around, _background_energies(telescope, rng, len(around)).astype(np.float32), ratio),
    )


def _good_times(telescope: Telescope, rng: np.random.Generator, duration: float) -> F64:
    if not telescope.snapshots:
        return np.array([[0.0, duration]])
    starts = np.arange(0.0, duration, 5_700.0)
    stops = np.minimum(starts + rng.uniform(1_000, 2_500, len(starts)), duration)
    return np.column_stack([starts, stops])[stops - starts > 100.0]


def _within(time: F64, gti: F64) -> NDArray[np.bool_]:
    return np.asarray(((time[:, None] >= gti[:, 0]) & (time[:, None] <= gti[:, 1])).any(axis=1))


def _nearest(time: F64, gti: F64) -> F64:
    return gti[np.clip(np.searchsorted(gti[:, 0], time, side="right") - 1, 0, len(gti) - 1)]


def _background_energies(telescope: Telescope, rng: np.random.Generator, n: int) -> F64:
    low, high = telescope.band
    flat = rng.random(n) < 0.6
    return np.where(flat, rng.uniform(low, high, n), low * (high / low) ** rng.random(n))
