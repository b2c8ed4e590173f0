"""A small calibration of one telescope, stores with vetted candidates, and a worker that reports its calibration.

The calibration has the scores of the built-in one, with fewer reference and null sources.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from xherald.catalog_store.ledger.drop_outcome import DropOutcome
from xherald.catalog_store.ledger.records import CandidateRecord, DetectionRecord, ObservationRecord, Run, Sighting
from xherald.catalog_store.ledger.states import VettingDecision
from xherald.catalog_store.ledger.store import Store
from xherald.daemon.jobs.drop_results import FileResult
from xherald.daemon.jobs.processing import Job, JobResult
from xherald.detector.calibration.calibration import SHIPPED, load_calibration, save_calibration
from xherald.detector.calibration.rebuild_calibration import rebuild_calibration
from xherald.detector.calibration.simulated_samples import RealSources, simulate_sources
from xherald.detector.configuration.configuration import Configuration, load_configuration
from xherald.detector.extraction.extracted_sources import extract_sources
from xherald.simulation.population.population import Population, simulate_population, write_population

TELESCOPE = "chandra-acis-i"
RUN = Run("test", "test", "test@1", "test@1")


def small_calibration(folder: Path, nulls: int) -> None:
    """Write a calibration of one telescope and one case, with a reference of a few hundred simulated sources."""
    configuration = load_configuration(None, {})
    shipped = load_calibration(SHIPPED)
    about = {
        **shipped.about,
        "telescopes": [TELESCOPE],
        "cases": ["variability"],
        "sizes": {**shipped.about["sizes"], "reference": 500, "ordinary": 200},
    }
    groups = {name: shipped.groups[name] for name in (TELESCOPE, "any")}
    few = simulate_sources(TELESCOPE, 20, 5000, 0.0).batch
    more = RealSources(few, ("",) * len(few), [])
    built = rebuild_calibration(
        folder.name, replace(shipped, about=about, groups=groups), {TELESCOPE: more}, configuration, nulls=nulls
    )
    save_calibration(folder, *built)


def store_vetted_file(
    store: Store,
    path: Path,
    sources: int,
    pick: Callable[[Population, int], str | None],
    verdict: VettingDecision = VettingDecision.REAL,
) -> int:
    """Store a file of simulated sources as the daemon does, and vet some of them as candidates.

    Parameters
    ----------
    store : Store
    path : Path — of the file to write
    sources : int
    pick : callable
        Kind that a source of the population, given by its row, is a candidate of: flare, dip, or None.
    verdict : VettingDecision — on each of them

    Returns
    -------
    int
        How many were vetted.
    """
    made = {"telescope": TELESCOPE, "seed": 4000, "variable_fraction": 0.5}
    write_population(path, sources, **made)  # type: ignore[arg-type]
    population = simulate_population(sources, **made)  # type: ignore[arg-type]
    row_of = {name: row for row, name in enumerate(population.truth.column("obsreg_id").to_pylist())}
    batch = extract_sources(path, load_configuration(None, {})).batch
    observations: dict[str, list[DetectionRecord]] = {}
    kinds: dict[str, list[str | None]] = {}
    for one, counts in zip(batch.identities, batch.counts.tolist(), strict=True):
        observations.setdefault(one.obs_id, []).append(
            DetectionRecord(one.detection_id, None, None, counts, 1e4, "flare", false_alarm_probability=0.5)
        )
        name = one.detection_id if one.detection_id in row_of else f"{one.obs_id}_{one.detection_id}"
        kinds.setdefault(one.obs_id, []).append(pick(population, row_of[name]))
    first = batch.identities[0]
    records = [
        ObservationRecord(first.mission, first.instrument, obs_id, detections=tuple(found))
        for obs_id, found in observations.items()
    ]
    flat = [kind for one in kinds.values() for kind in one]
    candidates = [CandidateRecord(f"X{index}", index, kind) for index, kind in enumerate(flat) if kind]
    status = path.stat()
    (drop,) = store.record_sightings([Sighting("here", str(path), status.st_size, status.st_mtime)])
    store.mark_stable(drop.id, "0" * 64)
    store.claim("w")
    store.commit_result(drop.id, RUN, records, DropOutcome(candidates))
    for one in candidates:
        store.record_vetting(one.id, "duty", verdict)
    return len(candidates)


def confirm_transients(population: Population, row: int) -> str | None:
    """Confirm bona-fide transients."""
    is_bona_fide = population.truth.column("is_bona_fide")[row].as_py()
    return (population.truth.column("direction")[row].as_py() or None) if is_bona_fide else None


def confirm_steady_sources(population: Population, row: int) -> str | None:
    """Confirm, wrongly, sources that do not vary."""
    if population.truth.column("direction")[row].as_py():
        return None
    return "flare" if np.random.default_rng(row).uniform() < 0.5 else "dip"


def report_calibration(job: Job, configuration: Any) -> JobResult:
    """A job result that names the calibration used."""
    assert isinstance(configuration, Configuration)
    exposure = ObservationRecord("TEST", "CAMERA", job.path.stem, detections=())
    folder = configuration.settings.detection.calibration
    return JobResult(job.drop_id, FileResult((exposure,), (), (), replace(RUN, calibration=str(folder))))
