"""Import of a catalogue of ten million sources, and cone searches in it."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from xherald.context.catalogues.catalogue import Catalogue
from xherald.context.catalogues.columns import ColumnMap
from xherald.context.catalogues.import_catalogue import ImportOptions, import_catalogue
from xherald.context.catalogues.local_density import measure_density

__all__ = ["bench_catalogues"]

ROWS = 10_000_000
POSITIONS = 1_000
RADIUS_ARCSEC = 30.0
EPOCH_YR = 2026.9
ROLES = {
    "name": "source_id",
    "ra": "ra",
    "dec": "dec",
    "pos_err": "error",
    "pmra": "pmra",
    "pmdec": "pmdec",
    "epoch": "2016.0[yr]",
    "magnitude": "g",
    "parallax": "parallax",
}


def bench_catalogues() -> dict[str, float]:
    """Each step in a process of its own, whose peak memory is measured."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        _measured("write", here)
        return {**_measured("import", here), **_measured("search", here)}


def _write(folder: Path) -> dict[str, float]:
    """A catalogue like that of Gaia, spread evenly over the sky, unsorted."""
    from astropy.io import fits

    random, rows = np.random.default_rng(1), ROWS
    columns = [
        fits.Column("source_id", "K", array=random.permutation(rows) + 4 * 10**18),
        fits.Column("ra", "D", unit="deg", array=random.uniform(0, 360, rows)),
        fits.Column("dec", "D", unit="deg", array=np.degrees(np.arcsin(random.uniform(-1, 1, rows)))),
        fits.Column("error", "E", unit="mas", array=random.uniform(0.01, 1, rows)),
        fits.Column("pmra", "E", unit="mas/yr", array=random.normal(0, 20, rows)),
        fits.Column("pmdec", "E", unit="mas/yr", array=random.normal(0, 20, rows)),
        fits.Column("g", "E", unit="mag", array=random.uniform(8, 18, rows)),
        fits.Column("parallax", "E", unit="mas", array=random.exponential(1, rows)),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(folder / "sources.fits")
    return {}


def _import(folder: Path) -> dict[str, float]:
    start, processor = time.perf_counter(), time.process_time()
    options = ImportOptions(ColumnMap(roles=ROLES, magnitude_band="G"))
    import_catalogue(folder / "sources.fits", folder / "catalogue", "gaia", options)
    return {"import_wall_s": time.perf_counter() - start, "import_processor_s": time.process_time() - processor}


def _search(folder: Path) -> dict[str, float]:
    random = np.random.default_rng(2)
    start = time.perf_counter()
    catalogue = Catalogue.open(folder / "catalogue")
    found = {"open_s": time.perf_counter() - start}
    searches, processor, densities = [], [], []
    for _ in range(9):
        ra, dec = random.uniform(0, 360, POSITIONS), np.degrees(np.arcsin(random.uniform(-1, 1, POSITIONS)))
        start, spent = time.perf_counter(), time.process_time()
        catalogue.search(ra, dec, RADIUS_ARCSEC, epoch_yr=EPOCH_YR)
        searches.append(time.perf_counter() - start)
        processor.append(time.process_time() - spent)
        start = time.perf_counter()
        measure_density(catalogue, ra, dec, RADIUS_ARCSEC)
        densities.append(time.perf_counter() - start)
    return {
        **found,
        "first_search_1000_positions_s": searches[0],
        "search_1000_positions_s": statistics.median(searches[1:]),
        "search_1000_positions_processor_s": statistics.median(processor[1:]),
        "density_1000_positions_s": statistics.median(densities[1:]),
    }


def _measured(what: str, folder: Path) -> dict[str, float]:
    """Figures of a step, run in another process, and the peak memory of that process."""
    command = [sys.executable, "-m", "benchmarks.catalogues", what, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> None:
    import resource

    figures = {"write": _write, "import": _import, "search": _search}[sys.argv[1]](Path(sys.argv[2]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sys.stdout.write(json.dumps({**figures, f"{sys.argv[1]}_peak_resident_gib": peak}))


if __name__ == "__main__":
    main()
