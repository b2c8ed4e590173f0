"""Simulate the null distributions of the tests: ``python -m xherald.photons.statistics.simulate_nulls``.

Run it after any change of a kernel or of a family of shapes; the test of false-positive fractions fails otherwise.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F64

from .assess import TESTS, log_probabilities, raw_statistics
from .clock import MIN_WINDOW
from .null_distributions import TABLES, NullTables
from .scans import flare_scan

__all__ = ["PROBABILITY", "build", "tail_quantiles", "tail_slope"]


PHOTONS = (
    *(3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 32, 40, 50, 64, 80, 100, 128, 160, 200, 256, 320, 400, 512, 640, 800),
    *(1024, 1448, 2048, 4096, 10_000),
)
PROBABILITY = np.concatenate([[1.0], np.linspace(0.95, 0.1, 18), np.logspace(-1, -3.5, 26)[1:]])
"""Upper-tail probabilities of the shipped quantiles, down to what the largest samples measure."""


FRAMES = np.logspace(np.log10(MIN_WINDOW), np.log10(0.05), 17)
"""Frame times of the simulated scans, in units of the good time."""


def simulations(photons: int, budget: float) -> int:
    """Number of simulated sources with so many photons; fewer for larger ones, which cost more and vary less."""
    return int(budget * min(1.0, max(128 / photons, 0.04)))


def tail_quantiles(statistic: F64) -> F64:
    """Quantiles at `PROBABILITY`; the tail with fewer than 30 simulated sources follows the fitted slope."""
    n = len(statistic)
    ordered = np.sort(statistic)
    at = (1.0 - PROBABILITY) * (n - 1)
    out = np.interp(at, np.arange(n), ordered)
    reach = 30.0 / n <= PROBABILITY
    slope = tail_slope(out, reach)
    last = int(np.flatnonzero(reach)[-1])
    out[last + 1 :] = out[last] + (np.log(PROBABILITY[last]) - np.log(PROBABILITY[last + 1 :])) / slope
    return np.maximum.accumulate(out)


def tail_slope(quantile: F64, reach: NDArray[np.bool_]) -> float:
    """Decrease of ln p per unit of the statistic in the last one and a half simulated decades, at most 1."""
    used = reach & (max(0.03, PROBABILITY[reach][-1] * 30) >= PROBABILITY)
    slope = -np.polyfit(quantile[used], np.log(PROBABILITY[used]), 1)[0]
    return float(np.clip(slope, 0.2, 1.0))


def simulate(photons: int, count: int, seed: int) -> F64:
    """Statistics of `count` steady sources with so many photons, shape (count, tests)."""
    random = np.random.default_rng([seed, photons])
    chunks = []
    at_once = max(1, 2_000_000 // photons)
    for start in range(0, count, at_once):
        size = min(at_once, count - start)
        u = np.sort(random.random((size, photons)), axis=1).ravel()
        offsets = np.arange(0, (size + 1) * photons, photons, dtype=np.int64)
        energy = random.random(size * photons, dtype=np.float32)
        chunks.append(raw_statistics(u, energy, offsets, np.full(size, MIN_WINDOW))[0])
    return np.concatenate(chunks)


@njit(cache=True, nogil=True)
def _scan_framed(u: F64, frames: F64) -> F64:
    """Scan statistics of null sources, u of shape (count, photons), at every frame time, shape (frames, count)."""
    out = np.empty((frames.size, u.shape[0]))
    for s in range(u.shape[0]):
        for f in range(frames.size):
            out[f, s], _, _ = flare_scan(u[s], frames[f])
    return out


def _framed(photons: int, count: int, seed: int) -> tuple[F64, F64]:
    """Quantiles, shape (frames, q), and slopes, shape (frames,), of the scan for every frame time."""
    random = np.random.default_rng([seed, photons, 1])
    at_once = max(1, 2_000_000 // photons)
    sizes = [min(at_once, count - start) for start in range(0, count, at_once)]
    statistic = np.concatenate(
        [_scan_framed(np.sort(random.random((size, photons)), axis=1), FRAMES) for size in sizes], axis=1
    )
    quantiles = np.array([tail_quantiles(row) for row in statistic])
    return quantiles, np.array([tail_slope(row, np.full(len(PROBABILITY), True)) for row in quantiles])


def build(budget: float, seed: int) -> NullTables:
    """Simulate all numbers of photons and compute quantiles; progress goes to standard error."""
    names = (*(name for name, _ in TESTS), "smallest_p")
    table = np.zeros((len(names), len(PHOTONS), len(PROBABILITY)))
    slope = np.ones((len(names), len(PHOTONS)))
    framed = np.zeros((len(FRAMES), len(PHOTONS), len(PROBABILITY)))
    framed_slope = np.ones((len(FRAMES), len(PHOTONS)))
    statistics = []
    for g, photons in enumerate(PHOTONS):
        statistic = simulate(photons, simulations(photons, budget), seed)
        statistics.append(statistic)
        for column in range(len(TESTS)):
            table[column, g] = tail_quantiles(statistic[:, column])
            slope[column, g] = tail_slope(table[column, g], np.full(len(PROBABILITY), True))
        framed[:, g], framed_slope[:, g] = _framed(photons, simulations(photons, budget), seed)
        print(f"{photons} photons: {len(statistic)} sources", file=sys.stderr)  # noqa: T201
    tables = NullTables(names, np.array(PHOTONS), PROBABILITY, table, slope, FRAMES, framed, framed_slope)
    for g, (photons, statistic) in enumerate(zip(PHOTONS, statistics, strict=True)):
        sizes, frame = np.full(len(statistic), photons), np.full(len(statistic), MIN_WINDOW)
        table[-1, g] = tail_quantiles(-log_probabilities(statistic, sizes, frame, tables).min(axis=1))
    # The Bonferroni bound of the smallest p is linear in p, so that the tail of -ln p has slope 1.
    slope[-1] = 1.0
    return tables


def _save(tables: NullTables, budget: float, seed: int) -> None:
    np.savez_compressed(
        TABLES,
        names=np.array(tables.names),
        photons=tables.photons,
        probability=tables.probability,
        quantile_table=tables.quantile_table.astype(np.float32),
        slope=tables.slope,
        frames=tables.frames,
        framed_table=tables.framed_table.astype(np.float32),
        framed_slope=tables.framed_slope,
    )
    facts = {
        "seed": seed,
        "simulated_sources": {str(n): simulations(n, budget) for n in PHOTONS},
        "command": f"python -m xherald.photons.statistics.simulate_nulls --budget {budget:g} --seed {seed}",
        "sha256": hashlib.sha256(TABLES.read_bytes()).hexdigest(),
    }
    TABLES.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")


def main() -> None:
    """Run the simulation from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=60_000, help="sources simulated for sizes up to 128 photons")
    parser.add_argument("--seed", type=int, default=20250)
    arguments = parser.parse_args()
    _save(build(arguments.budget, arguments.seed), arguments.budget, arguments.seed)


if __name__ == "__main__":
    main()
