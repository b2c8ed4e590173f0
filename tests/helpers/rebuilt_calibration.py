"""A small calibration of one telescope, stores whose candidates persons have looked at, a worker that names its own.

The calibration's scores are those of the shipped one; its reference and null sources are few.
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
from xherald.daemon.jobs.drop_results import Result
from xherald.daemon.jobs.processing import JobResult, Task
from xherald.detector.calibration.calibration import SHIPPED, load_calibration, save_calibration
from xherald.detector.calibration.rebuild_calibration import rebuild_calibration
from xherald.detector.calibration.simulated_samples import RealSources, simulate_sources
from xherald.detector.configuration.configuration import Configuration, load_configuration
from xherald.detector.extraction.extracted_sources import extract_sources
from xherald.simulation.population.population import Population, simulate_population, write_population

TELESCOPE = "chandra-acis-i"
RUN = Run("test", "test", "test@1", "test@1")


def small_calibration(folder: Path, nulls: int) -> None:
    """Write it: one telescope, one case, a reference of a few hundred simulated sources and twenty more."""
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
    made = rebuild_calibration(
        folder.name, replace(shipped, about=about, groups=groups), {TELESCOPE: more}, configuration, nulls=nulls
    )
    save_calibration(folder, *made)


def looked_at(store: Store, path: Path, sources: int, pick: Callable[[Population, int], str | None]) -> int:
    """Put a file of simulated sources into a store, as if the daemon had, and have a person confirm some of them.

    Parameters
    ----------
    store : Store
    path : Path — of the file to write
    sources : int
    pick : callable
        Answers for a source of the population, by its row, what it is confirmed as: flare, dip or None for neither.

    Returns
    -------
    int
        How many were confirmed.
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
    who = batch.identities[0]
    records = [
        ObservationRecord(who.mission, who.instrument, obs_id, detections=tuple(found))
        for obs_id, found in observations.items()
    ]
    flat = [kind for one in kinds.values() for kind in one]
    candidates = [CandidateRecord(f"X{place}", place, kind) for place, kind in enumerate(flat) if kind]
    facts = path.stat()
    (drop,) = store.record_sightings([Sighting("here", str(path), facts.st_size, facts.st_mtime)])
    store.mark_stable(drop.id, "0" * 64)
    store.claim("w")
    store.commit_result(drop.id, RUN, records, DropOutcome(candidates))
    for one in candidates:
        store.record_vetting(one.id, "duty", VettingDecision.CONFIRMED)
    return len(candidates)


def what_it_is(population: Population, row: int) -> str | None:
    """An honest person: confirms what is a transient, and sure to be one."""
    is_sure = population.truth.column("is_bona_fide")[row].as_py()
    return (population.truth.column("direction")[row].as_py() or None) if is_sure else None


def what_it_is_not(population: Population, row: int) -> str | None:
    """One who confirms whatever does not vary."""
    if population.truth.column("direction")[row].as_py():
        return None
    return "flare" if np.random.default_rng(row).uniform() < 0.5 else "dip"


def naming(task: Task, configuration: Any) -> JobResult:
    """A worker's answer that says which calibration it was given."""
    assert isinstance(configuration, Configuration)
    exposure = ObservationRecord("TEST", "CAMERA", task.path.stem, detections=())
    folder = configuration.settings.detection.calibration
    return JobResult(task.drop_id, Result((exposure,), (), (), replace(RUN, calibration=str(folder))))
