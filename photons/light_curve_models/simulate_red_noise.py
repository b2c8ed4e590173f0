"""Simulate the null distribution of `red_noise_null`.

``python -m xherald.photons.light_curve_models.simulate_red_noise`` writes it beside this module.
Log-normal red noise of any index and amplitude, of which only sources that the timing tests find to vary are kept. Run
it after any change of the models of this package.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from xherald.photons.arrays import F64
from xherald.photons.batch import EventBatch
from xherald.photons.events import Background, EventList, Identity
from xherald.photons.gti import Exposure
from xherald.photons.statistics.assess import assess

from .kinds import compare_kinds
from .red_noise_null import PHOTONS, SIGNIFICANCE, TABLE

__all__ = ["build"]

POINTS = 1024
SPAN_S = 5e4
AREA_RATIO = 0.1


def draw_light_curve(random: np.random.Generator) -> F64:
    """Rates of a red-noise source at `POINTS` times.

    Half are damped random walks, half have a power-law spectrum of which the exposure sees an eighth (Timmer & König
    1995, A&A 300, 707). The standard deviation of ln rate, the damping time and the index are drawn evenly, the first
    two in their logarithms, within the ranges that X-ray observations of active galaxies span (González-Martín &
    Vaughan 2012, A&A 544, A80).
    """
    sigma = np.exp(random.uniform(np.log(0.15), np.log(1.3)))
    length = 8 * POINTS
    frequency = np.arange(1, length // 2 + 1) / 8.0  # cycles in the exposure
    if random.random() < 0.5:
        damping = np.exp(random.uniform(np.log(0.015), np.log(2.0)))
        power = 1.0 / (1.0 + (2.0 * np.pi * damping * frequency) ** 2)
        spread = sigma
    else:
        power = frequency ** -random.uniform(1.0, 2.5)
        spread = 0.0
    amplitude = np.sqrt(power) * (random.normal(size=frequency.size) + 1j * random.normal(size=frequency.size))
    series = np.fft.irfft(np.concatenate([[0.0], amplitude]), length)
    first = int(random.integers(0, length - POINTS))
    series = series / series.std() * spread if spread else series
    seen = series[first : first + POINTS]
    if not spread:
        # A power law has no variance of its own: its amplitude is that within the exposure.
        seen = (seen - seen.mean()) / seen.std() * sigma
    return np.asarray(np.exp(seen))


def draw_source(random: np.random.Generator, photons: int) -> EventList:
    """A red-noise source with so many photons, of which up to 30 % are background."""
    rate, share = draw_light_curve(random), random.uniform(0.0, 0.3)
    rate = share + (1.0 - share) * rate / rate.mean()
    cumulative = np.concatenate([[0.0], np.cumsum(rate)]) / rate.sum()
    time = np.sort(np.interp(random.random(photons), cumulative, np.linspace(0.0, SPAN_S, POINTS + 1)))
    behind = random.poisson(photons * share / AREA_RATIO)
    around = np.sort(random.uniform(0.0, SPAN_S, behind))
    return EventList(
        time,
        random.uniform(0.5, 7.0, photons).astype(np.float32),
        Exposure(np.array([[0.0, SPAN_S]])),
        Identity("NONE", "NONE", "0", "0"),
        0.0,
        (0.5, 7.0),
        background=Background(around, random.uniform(0.5, 7.0, behind).astype(np.float32), AREA_RATIO),
    )


def build(sources: int, seed: int, most: int = 30) -> F64:
    """Sorted statistic of significant red-noise sources, shape (numbers of photons, sources); infinite where lacking.

    Parameters
    ----------
    sources : int — significant sources of each number of photons
    seed : int
    most : int — sources drawn at most, in units of `sources`
    """
    out = np.full((len(PHOTONS), sources), np.inf)
    for row, photons in enumerate(PHOTONS):
        random, found = np.random.default_rng([seed, photons]), 0
        for _ in range(most):
            batch = EventBatch.from_lists([draw_source(random, photons) for _ in range(sources)])
            kept = np.flatnonzero(assess(batch).p_value <= SIGNIFICANCE)[: sources - found]
            out[row, found : found + kept.size] = compare_kinds(batch.select(kept)).log_events_over_red_noise
            found += kept.size
            if found == sources:
                break
        sys.stderr.write(f"{photons} photons: {found} significant sources\n")
    return np.sort(out, axis=1)


def main() -> None:
    """Simulate and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=16)
    chosen = parser.parse_args()
    np.savez_compressed(TABLE, statistic=build(chosen.sources, chosen.seed).astype(np.float32))


if __name__ == "__main__":
    main()
