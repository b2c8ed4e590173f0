"""Benchmarks of speed and memory, with reference implementations in the same run.

``make bench`` writes ``build/bench.json`` and prints a table of medians of repeated runs with compiled kernels.
Benchmarks that need real event files are skipped if those are missing. ``make bench BENCH="NAME …"`` runs some of them;
`embedding`, with scikit-learn's t-SNE of a population as large as the published one, takes most of an hour.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .catalogues import bench_catalogues
from .day import bench_day
from .detection import bench_detection
from .embedding import bench_embedding, bench_neighbours
from .encoders import bench_encoders
from .representations import bench_representations
from .store import bench_store
from .stream import bench_stream

ROOT = Path(__file__).resolve().parent.parent
CHANDRA = ROOT.parent / "shared" / "data" / "chandra"
FIELD = CHANDRA / "acisf29128N001_evt2.fits.gz"
POPULATION = 20_000
XHERALD = Path(sys.executable).with_name("xherald")

sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "helpers")]


def seconds(work: Callable[[], object], repeats: int = 15) -> float:
    """Median wall time of a call, s, after one call to warm up."""
    work()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def population(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Photons of steady sources on the null clock: median 30, mean 100 counts (log-normal, 5 to 10,000)."""
    random = np.random.default_rng(seed)
    sigma = np.sqrt(2 * np.log(100 / 30))
    counts = np.clip(random.lognormal(np.log(30), sigma, count), 5, 10_000).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return np.concatenate([np.sort(random.random(n)) for n in counts]), offsets


def bench_reading() -> dict[str, float]:
    """Reading, screening and extraction of a whole field against astropy reading the same columns."""
    from astropy.io import fits

    from xherald.detector.configuration.configuration import load_configuration
    from xherald.detector.extraction.extracted_sources import open_file
    from xherald.photons.apertures import aperture_at
    from xherald.photons.extraction import extract

    configuration = load_configuration()
    columns = ("time", "x", "y", "energy", "ccd_id", "grade", "status")

    def plain() -> None:
        with fits.open(FIELD) as hdus:
            for name in columns:
                np.array(hdus["EVENTS"].data[name])

    _, field = open_file(FIELD, configuration)
    random = np.random.default_rng(1)
    where = zip(random.uniform(83.72, 83.92, 300), random.uniform(-5.49, -5.29, 300), strict=True)
    apertures = [aperture_at(field, ra, dec, str(i), "bench") for i, (ra, dec) in enumerate(where)]

    def ours(sources: int) -> object:
        _, observation = open_file(FIELD, configuration)
        return extract(observation, apertures[:sources], configuration.settings.extraction)

    astropy_s, one_s, many_s = seconds(plain), seconds(lambda: ours(1)), seconds(lambda: ours(300), 7)
    return {
        "astropy_s": astropy_s,
        "read_screen_extract_1_source_s": one_s,
        "read_screen_extract_300_sources_s": many_s,
        "ratio_1_source": one_s / astropy_s,
        "ratio_300_sources": many_s / astropy_s,
    }


def bench_timing() -> dict[str, float]:
    """Timing statistics, one thread."""
    from numba import njit

    from xherald.photons.statistics import raw_statistics
    from xherald.photons.statistics.scans import flare_scan

    @njit(nogil=True)
    def scan_all(u: np.ndarray, offsets: np.ndarray, out: np.ndarray) -> None:
        for s in range(offsets.size - 1):
            out[s], _, _ = flare_scan(u[offsets[s] : offsets[s + 1]], 1e-6)

    u, offsets = population(20_000, 5)
    out = np.empty(len(offsets) - 1)
    scan_s = seconds(lambda: scan_all(u, offsets, out), 7)
    few = offsets[:2001]
    energy = np.random.default_rng(6).random(len(u), dtype=np.float32)
    all_s = seconds(lambda: raw_statistics(u, energy, few, np.full(2000, 1e-6), threads=1), 3)
    return {
        "median_counts": float(np.median(np.diff(offsets))),
        "mean_counts": float(np.mean(np.diff(offsets))),
        "flare_scan_sources_per_s_core": len(out) / scan_s,
        "all_tests_sources_per_s_core": 2000 / all_s,
    }


def bench_blocks() -> dict[str, float]:
    """Bayesian Blocks of 200 photons against astropy.stats, change points compared on 200 lists."""
    from astropy.stats import bayesian_blocks as reference

    from xherald.photons.statistics import bayesian_blocks

    random = np.random.default_rng(3)
    penalty = 4 - np.log(73.53 * 0.05 * 200**-0.478)
    lists = [np.sort(random.uniform(0, 1000, 200)) for _ in range(100)]
    lists += [np.sort(np.append(random.uniform(0, 1000, 150), random.uniform(400, 440, 50))) for _ in range(100)]
    same = [np.array_equal(bayesian_blocks(t, penalty=penalty), reference(t, fitness="events", p0=0.05)) for t in lists]
    astropy_s = seconds(lambda: reference(lists[0], fitness="events", p0=0.05), 9)
    ours_s = seconds(lambda: bayesian_blocks(lists[0], penalty=penalty), 200)
    return {
        "astropy_s": astropy_s,
        "ours_s": ours_s,
        "times_faster": astropy_s / ours_s,
        "identical_change_points_of_200": float(sum(same)),
    }


def bench_memory() -> dict[str, float]:
    """Peak resident memory and wall time of scanning a Chandra-like file of ten million events."""
    from event_files import write_chandra_large

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "acisf99999N001_evt2.fits"
        write_chandra_large(path, 10_000_000)
        start = time.perf_counter()
        peak = _peak_of([str(XHERALD), "scan", str(path), "--json", "--quiet"])
        return {"peak_resident_gib": peak, "wall_s": time.perf_counter() - start}


def bench_population() -> dict[str, float]:
    """Simulating 20,000 sources to a file with two workers, their start included, and reading it back.

    Memory is the peak of the writing process plus twice that of the largest worker, an upper limit.
    """
    from xherald.adapters.photon_lists import read_batch

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "population.parquet"
        script = (
            "import json, resource, sys; from pathlib import Path; "
            "from xherald.simulation.population.population import *;"
            "facts = write_population(Path(sys.argv[1]), int(sys.argv[2]), seed=1, workers=2);"
            "peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)];"
            "print(json.dumps([facts['photons'], peaks[0] + 2 * peaks[1]]))"
        )
        start = time.perf_counter()
        command = [sys.executable, "-c", script, str(path), str(POPULATION)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        wall = time.perf_counter() - start
        photons, peak = json.loads(done.stdout)
        return {
            "sources_per_s_2_workers": POPULATION / wall,
            "photons_per_s_2_workers": photons / wall,
            "peak_resident_gib_at_most": peak / 2**20,
            "bytes_per_photon_background_included": path.stat().st_size / photons,
            "reading_sources_per_s": POPULATION / seconds(lambda: read_batch(path), 3),
        }


def bench_reference() -> dict[str, float]:
    """Building the built-in reference with compiled kernels, and comparing 1,000 sources with it in another process."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["env", f"XHERALD_REFERENCE__FOLDER={folder}/references", str(XHERALD)]
        sources = Path(folder) / "sources.parquet"
        simulate = [*words, "simulate", "population", "1000", "--seed", "9", "--out", str(sources)]
        subprocess.run(simulate, check=True, capture_output=True)
        start = time.perf_counter()
        subprocess.run([*words, "reference", "show", "--json"], check=True, capture_output=True)
        made = time.perf_counter() - start
        place = [*words, "reference", "compare", "built-in", str(sources), "--json"]
        placed = seconds(lambda: subprocess.run(place, check=True, capture_output=True), 3)
        return {"built_in_20000_sources_s": made, "placing_1000_sources_in_a_new_process_s": placed}


def _peak_of(command: list[str]) -> float:
    """Peak resident memory of a command, GiB, measured in a separate process."""
    script = (
        "import resource, subprocess, sys; r = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(r.returncode)"
    )
    done = subprocess.run([sys.executable, "-c", script, *command], check=True, capture_output=True, text=True)
    return int(done.stdout) / 2**20


def bench_command() -> dict[str, float]:
    """The command line."""

    def run(*words: str) -> Callable[[], object]:
        return lambda: subprocess.run([str(XHERALD), *words], check=True, capture_output=True)

    figures = {"help_s": seconds(run("--help"), 7)}
    if FIELD.is_file():
        figures["second_scan_29128_s"] = seconds(run("scan", str(FIELD), "--json", "--quiet"), 3)
    return figures


BENCHES: dict[str, tuple[Callable[[], dict[str, float]], bool]] = {
    "reading": (bench_reading, True),
    "timing": (bench_timing, False),
    "blocks": (bench_blocks, False),
    "memory": (bench_memory, False),
    "population": (bench_population, False),
    "representations": (bench_representations, False),
    "encoders": (bench_encoders, False),
    "neighbours": (bench_neighbours, False),
    "reference": (bench_reference, False),
    "catalogues": (bench_catalogues, False),
    "store": (bench_store, False),
    "stream": (bench_stream, False),
    "day": (bench_day, False),
    "embedding": (bench_embedding, False),
    "command": (bench_command, False),
    "detection": (bench_detection, False),
}
"""Benchmarks by name, and whether they need real event files."""


def main() -> None:
    chosen = sys.argv[1:] or list(BENCHES)
    results: dict[str, object] = {
        "machine": {"python": platform.python_version(), "processor": platform.processor() or platform.machine()}
    }
    for name in chosen:
        bench, needs_data = BENCHES[name]
        if needs_data and not FIELD.is_file():
            print(f"{name}: skipped, no real event files at {CHANDRA}")
            continue
        results[name] = figures = bench()
        for key, value in figures.items():
            print(f"{name:10} {key:36} {value:12.4g}", flush=True)
    out = ROOT / "build" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(results, indent=1) + "\n")
    print(f"written to {out}")


if __name__ == "__main__":
    main()
