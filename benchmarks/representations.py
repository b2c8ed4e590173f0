"""Speed and memory of representations and components, compared with `baseline` in one run."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from xherald.photons import EventBatch
from xherald.plugins import Sample
from xherald.plugins.extractors import PcaExtractor
from xherald.plugins.representations import EtdtCube, EtMap, LivetimeCube, LivetimeMap

from . import baseline

__all__ = ["bench_representations"]

SOURCES = 20_000
PLAIN_SOURCES = 2_000
WHOLE = 95_473
"""Number of sources in the published catalogue."""

MEMORY_SCRIPT = """
import json, sys
import numpy as np
from benchmarks.representations import peak_bytes, population
from xherald.plugins.representations import EtdtCube
cube, sources = EtdtCube(), int(sys.argv[1])
options = cube.options_model()
cube.transform(population(10, 1), options)
batch = population(sources, 6)
before = peak_bytes(reset=True)
rows = cube.transform(batch, options)
after = peak_bytes()
print(json.dumps([after - before, rows.data.nbytes + rows.indices.nbytes + rows.indptr.nbytes, len(batch.time)]))
"""


def peak_bytes(*, reset: bool = False) -> int:
    """Peak resident memory of the process, optionally after a reset to the present value (Linux)."""
    if reset:
        with open("/proc/self/clear_refs", "w") as file:  # noqa: PTH123 - a switch of the kernel, not a file
            file.write("5")
    with open("/proc/self/status") as file:  # noqa: PTH123
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def population(count: int, seed: int) -> EventBatch:
    """Sources of the simulator's Chandra population, repeated beyond 20,000."""
    from xherald.simulation.population.population import simulate_population

    batch = simulate_population(min(count, SOURCES), seed=seed, workers=2).batch
    return batch if count <= SOURCES else batch.select(np.arange(count) % SOURCES)


def _seconds(*works: Callable[[], object], repeats: int) -> list[float]:
    """Median wall times of calls, s, in turn, so that other load affects all of them, after one warm-up call each."""
    taken: list[list[float]] = [[] for _ in works]
    for turn in range(repeats + 1):
        for times, work in zip(taken, works, strict=True):
            start = time.perf_counter()
            work()
            if turn:
                times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in taken]


def bench_representations() -> dict[str, float]:
    """Sources per second of each representation on all cores, and of numpy histograms; memory of all cubes."""
    # Two photons have no waiting-time axis: numpy would spend its time on warnings.
    batch = population(SOURCES, 6)
    batch = batch.select(batch.counts >= 3)
    few = batch.select(np.arange(PLAIN_SOURCES))
    times = [one.time for one in few]
    energies = [one.energy.astype(np.float64) * 1e3 for one in few]
    figures = {"median_counts": float(np.median(batch.counts)), "mean_counts": float(np.mean(batch.counts))}
    for kind, plain in ((EtMap(), baseline.maps), (EtdtCube(), baseline.cubes)):
        options = kind.options_model()
        plain_s, ours_s = _seconds(
            lambda plain=plain: plain(times, energies),
            lambda kind=kind, options=options: kind.transform(batch, options),
            repeats=9,
        )
        figures |= {
            f"{kind.name}_plain_sources_per_s": len(few) / plain_s,
            f"{kind.name}_sources_per_s": len(batch) / ours_s,
            f"{kind.name}_times_faster": plain_s / len(few) * len(batch) / ours_s,
        }
    for kind in (LivetimeMap(), LivetimeCube()):
        options = kind.options_model(align=True)
        (taken,) = _seconds(lambda kind=kind, options=options: kind.transform(batch, options), repeats=9)
        figures[f"{kind.name}_sources_per_s"] = len(batch) / taken
    return figures | _components(batch) | _memory()


def _components(batch: EventBatch) -> dict[str, float]:
    """Seconds for the published 22 components of the cubes, by either solver."""
    cube, extractor = EtdtCube(), PcaExtractor()
    options = cube.options_model()
    few = batch.select(np.arange(5_000))
    sample = Sample(few, cube.transform(few, options), cube.shape(options))
    choices = [extractor.options_model(components=22, solver=solver) for solver in ("published", "sparse")]
    taken = _seconds(*(lambda choice=choice: extractor.fit(sample, choice) for choice in choices), repeats=3)
    return {f"pca_22_of_5000_cubes_{choice.solver}_s": s for choice, s in zip(choices, taken, strict=True)}


def _memory() -> dict[str, float]:
    """Memory of all cubes of a catalogue as large as the published one, in a separate process."""
    command = [sys.executable, "-c", MEMORY_SCRIPT, str(WHOLE)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    working, held, photons = json.loads(done.stdout)
    return {
        "etdt_cube_95473_peak_gb": working / 1e9,
        "etdt_cube_95473_held_gb": held / 1e9,
        "etdt_cube_95473_dense_gb": WHOLE * 6144 * 4 / 1e9,
        "photons_a_source": photons / WHOLE,
    }
