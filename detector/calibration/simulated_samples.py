"""Simulated samples for a calibration: references, injections and null sources of each telescope.

Each sample has its own seed below `FIRST_EVALUATION_SEED`; evaluations use seeds above.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.detector.references.bona_fide import BonaFideList, parse_kind
from xherald.detector.references.build_reference import build_reference
from xherald.detector.references.reference_population import make_population, source_name
from xherald.detector.scoring.score_columns import make_detection_batch, score_columns
from xherald.photons import EventBatch
from xherald.photons.arrays import F64
from xherald.photons.statistics import DIP, FLARE, STEADY, Timing, TimingSettings, assess
from xherald.plugins.reference import Reference

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.progress import Stage
    from xherald.detector.references.case_pipeline import Case

__all__ = [
    "FIRST_EVALUATION_SEED",
    "RealSources",
    "ScoredSources",
    "SimulatedSources",
    "build_group_reference",
    "score_sources",
    "simulate_sources",
]


FIRST_EVALUATION_SEED: Final = 1000
"""Smaller seeds are reserved for calibrations."""

SIMULATED: Final = "simulated-"
"""Prefix of the names of simulated members of a reference that are not of a published transient."""

PUBLISHED_SEED: Final = 1

STEADY_CLASSES: Final = ("constant", "supersoft")
"""Classes that do not vary. Active galaxies vary slowly and are neither null sources nor transients."""


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedSources:
    """Photon lists of n sources with their truth.

    Parameters
    ----------
    batch : EventBatch
    names, classes : ndarray, shape (n,), str
    direction : ndarray, shape (n,), int8 — FLARE, DIP, or STEADY
    steady : ndarray, shape (n,), bool — whether the source does not vary
    bona_fide : ndarray, shape (n,), bool
    """

    batch: EventBatch
    names: NDArray[np.str_]
    classes: NDArray[np.str_]
    direction: NDArray[np.int8]
    steady: NDArray[np.bool_]
    bona_fide: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.batch)

    def select(self, chosen: NDArray[np.bool_]) -> SimulatedSources:
        """Some of the sources."""
        rows = np.flatnonzero(chosen)
        rest = (getattr(self, name)[rows] for name in self.__slots__[1:])
        return SimulatedSources(self.batch.select(rows), *rest)


@dataclass(frozen=True, slots=True, eq=False)
class ScoredSources:
    """Columns of the scorers with the truth, for training.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (n,)
    classes, direction, steady : ndarray, shape (n,) — see `SimulatedSources`
    counts : ndarray, shape (n,), int64
    """

    columns: dict[str, F64]
    classes: NDArray[np.str_]
    direction: NDArray[np.int8]
    steady: NDArray[np.bool_]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.counts)

    @classmethod
    def joined(cls, parts: list[ScoredSources]) -> ScoredSources:
        """Several samples as one; a column that a sample lacks is NaN there."""
        names = list(dict.fromkeys(name for part in parts for name in part.columns))
        columns = {
            name: np.concatenate(
                [part.columns[name] if name in part.columns else np.full(len(part.counts), np.nan) for part in parts]
            )
            for name in names
        }
        rest = (np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__[1:])
        return cls(columns, *rest)


@dataclass(frozen=True, slots=True, eq=False)
class RealSources:
    """Real sources that are added to the simulated ones of a reference, n of one instrument and band.

    Parameters
    ----------
    batch : EventBatch
    kinds : tuple of str
        "flare" or "dip" for sources with a positive verdict; "" for ordinary ones.
    origin : list of dict — input files, in JSON types
    """

    batch: EventBatch
    kinds: tuple[str, ...]
    origin: list[dict[str, Any]]


def simulate_sources(telescope: str, n: int, seed: int, variable_fraction: float, workers: int = 1) -> SimulatedSources:
    """Sources of a telescope with their truth; see `simulation.population.simulate_population`."""
    from xherald.simulation.population.population import simulate_population

    made = simulate_population(n, telescope=telescope, seed=seed, variable_fraction=variable_fraction, workers=workers)
    truth = {name: np.array(made.truth.column(name).to_pylist()) for name in ("obsreg_id", "class", "is_bona_fide")}
    words = np.array([word or "" for word in made.truth.column("direction").to_pylist()])
    return SimulatedSources(
        batch=made.batch,
        names=truth["obsreg_id"],
        classes=truth["class"],
        direction=np.select([words == "flare", words == "dip"], [FLARE, DIP], STEADY).astype(np.int8),
        steady=np.isin(truth["class"], STEADY_CLASSES),
        bona_fide=truth["is_bona_fide"].astype(bool),
    )


def build_group_reference(
    sources: SimulatedSources,
    ordinary: int,
    name: str,
    cases: tuple[Case, ...],
    configuration: Configuration,
    stage: Stage,
    *,
    real: RealSources | None = None,
    number: str = "1",
) -> Reference:
    """Build a reference from the bona-fide transients among simulated sources and some of the ordinary ones.

    Published transients, simulated for the telescope, are added under their names; the names of all other simulated
    sources begin with `SIMULATED`, so that a look-alike is not taken for an object on the sky.

    Parameters
    ----------
    sources : SimulatedSources
    ordinary : int — number of ordinary simulated sources
    name, number : str — name and version of the reference; the name is that of the telescope
    cases : tuple of Case
    configuration : Configuration
    stage : callable — called with the name of each stage
    real : RealSources, optional
        Real sources to add; their classes are unknown.
    """
    from xherald.detector.references.published_transients import published_kinds, published_transients
    from xherald.simulation.field import telescope_named
    from xherald.simulation.population.population_files import listed_as

    rest = np.flatnonzero(~sources.bona_fide & (sources.direction == STEADY))[:ordinary]
    kept = sources.select(sources.bona_fide | np.isin(np.arange(len(sources)), rest))
    kept = _mark_simulated(kept)
    names, classes = kept.names.tolist(), kept.classes.tolist()
    words = np.where(kept.direction == DIP, "dip", "flare").tolist()
    kinds = {
        source: parse_kind(listed_as(kind, word))
        for source, kind, word, known in zip(names, classes, words, kept.bona_fide.tolist(), strict=True)
        if known
    }
    published = published_transients(telescope_named(name), kept.batch.identities[0], PUBLISHED_SEED)
    published_direction, published_class = published_kinds(published)
    kinds |= published_direction
    batch = EventBatch.concatenate([kept.batch, published])
    origin = [{"simulated": name, "published": list(published_class)}]
    if real is not None:
        batch, origin = EventBatch.concatenate([batch, real.batch]), [*origin, *real.origin]
        own = (source_name(one) for one in real.batch.identities)
        kinds |= {source: kind for source, kind in zip(own, real.kinds, strict=True) if kind}
    listed = BonaFideList(
        kinds, (), "truth of the simulation" if real is None else "truth of the simulation and verdicts"
    )
    settings = configuration.settings.reference.association
    population = make_population(batch, listed, dict(zip(names, classes, strict=True)) | published_class, origin)
    return build_reference(name, number, population, cases, settings, exact_below=len(batch) + 1, stage=stage)


def _mark_simulated(sources: SimulatedSources) -> SimulatedSources:
    """The same sources with a prefix in their names, which no real source has."""
    names = [f"{SIMULATED}{name}" for name in sources.names.tolist()]
    who = zip(sources.batch.identities, names, strict=True)
    identities = tuple(replace(one, obs_id="", detection_id=name) for one, name in who)
    return replace(sources, batch=replace(sources.batch, identities=identities), names=np.array(names))


def score_sources(
    sources: SimulatedSources, reference: Reference | None, configuration: Configuration
) -> ScoredSources:
    """Compute the columns of all scorers for simulated sources."""
    timing: Timing = assess(sources.batch, TimingSettings(threads=configuration.settings.timing.threads))
    detection_batch = make_detection_batch(sources.batch, timing, reference, configuration.host)
    return ScoredSources(
        columns=score_columns(detection_batch, configuration.host),
        classes=sources.classes,
        direction=sources.direction,
        steady=sources.steady,
        counts=sources.batch.counts,
    )
