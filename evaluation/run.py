"""The complete evaluation: draws samples, scores them with every method, and returns the report: `evaluate`."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .detector_under_test import DetectorUnderTest
from .samples import TELESCOPES, Kind, SamplePart, derive_seed, make_parts

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration

    from .baselines import PublishedReference
    from .method_scores import ScoredSources
    from .veto_trials import VetoTrials

__all__ = ["FULL", "QUICK", "SCHEMA", "EvaluationSizes", "evaluate"]

SCHEMA: Final = 1
LIBRARIES: Final = ("astropy", "numba", "numpy", "scikit-learn", "scipy")


@dataclass(frozen=True, slots=True)
class EvaluationSizes:
    """Numbers of sources of an evaluation.

    Parameters
    ----------
    steady, flares, dips : int — of the grid
    population : int — of the simulator's classes, before the cut in counts
    reference : int — of each population on which the published features are fitted; 0 omits them
    injections : int — into each real file
    stream, replays : int — sources of a replayed stream, and how many streams
    veto_fields : int — of each telescope, for the vetoes; 0 omits them
    """

    steady: int
    flares: int
    dips: int
    population: int
    reference: int
    injections: int
    stream: int
    replays: int
    veto_fields: int = 0


FULL: Final = EvaluationSizes(
    steady=50_000,
    flares=7_500,
    dips=7_500,
    population=15_000,
    reference=4_000,
    injections=12,
    stream=100_000,
    replays=20,
    veto_fields=8,
)
"""Binomial errors of 0.5 points over all counts."""

QUICK: Final = EvaluationSizes(
    steady=1_500, flares=500, dips=500, population=500, reference=500, injections=1, stream=20_000, replays=5
)


def evaluate(
    detector: DetectorUnderTest,
    name: str,
    configuration: Configuration,
    *,
    sizes: EvaluationSizes = FULL,
    seed: int = 1,
    data: Path | None = None,
    stage: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Evaluate a detector and all baselines.

    Parameters
    ----------
    detector : DetectorUnderTest
    name : str — of the detector in the report
    configuration : Configuration
    sizes : EvaluationSizes
    seed : int
    data : Path or None
        Folder of real files (`real_fields.QUIET`); missing ones are reported as skipped.
    stage : callable, optional
        Called with the name of each stage.

    Returns
    -------
    dict
        The report, in JSON's own types: schema_version, detector, seed, sizes, versions, seconds, samples (of each:
        sources by kind, efficiencies, by, roc, false_alarms), confusion, stream, real, vetoes (of `vetoes.veto_trials`;
        None if omitted).

    Raises
    ------
    ConfigError
        The seed is out of its range.
    """
    from xherald.simulation.random_streams import stream

    from .real_fields import evaluate_files
    from .reliability import confusion
    from .stream_replay import replay

    seconds: dict[str, float] = {}
    derive_seed(seed, "templates")
    # What takes a minute comes first, so that an error does not lose half an hour.
    with _timed(seconds, "real files"):
        real = evaluate_files(data, sizes.injections, seed, detector, configuration, stage)
    with _timed(seconds, "vetoes"):
        vetoes = _vetoes(sizes.veto_fields, seed, stage)
    with _timed(seconds, "references"):
        references = _references(sizes.reference, seed, configuration, stage)
    kinds: tuple[tuple[Kind, int], ...] = (("steady", sizes.steady), ("flare", sizes.flares), ("dip", sizes.dips))
    grid_parts = chain.from_iterable(make_parts("grid", kind, number) for kind, number in kinds)
    scored: dict[str, ScoredSources] = {}
    for sample, parts in (("grid", grid_parts), ("classes", make_parts("classes", "mixed", sizes.population))):
        with _timed(seconds, sample):
            scored[sample] = _score_sample(sample, parts, seed, detector, references, configuration, stage)
    stage("measuring")
    with _timed(seconds, "measures"):
        samples = {sample: _measure_sample(one) for sample, one in scored.items()}
        streams = replay(scored["grid"], sizes.stream, sizes.replays, stream(seed, "evaluation", "stream"))
        tables = confusion(scored["classes"])
    return {
        "schema_version": SCHEMA,
        "detector": name,
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "sizes": asdict(sizes),
        "versions": _versions(),
        "seconds": {what: round(value, 2) for what, value in seconds.items()},
        "samples": samples,
        "confusion": tables,
        "stream": streams,
        "real": real,
        "vetoes": vetoes,
    }


def _references(
    sources: int, seed: int, configuration: Configuration, stage: Callable[[str], object]
) -> dict[str, PublishedReference]:
    from xherald.detector.references.case_pipeline import select_cases

    from .baselines import PUBLISHED, published_reference

    if not sources:
        return {}
    cases = select_cases(PUBLISHED, configuration)
    out = {}
    for telescope in TELESCOPES:
        stage(f"published features of {telescope}")
        out[telescope] = published_reference(telescope, sources, derive_seed(seed, "reference"), cases)
    return out


def _vetoes(fields: int, seed: int, stage: Callable[[str], object]) -> VetoTrials | None:
    if not fields:
        return None
    from .veto_trials import veto_trials

    stage(f"vetoes on {fields} fields of each telescope")
    return veto_trials(derive_seed(seed, "templates"), workers=os.cpu_count() or 1, fields=fields)


def _score_sample(
    sample: str,
    parts: Iterable[SamplePart],
    seed: int,
    detector: DetectorUnderTest,
    references: dict[str, PublishedReference],
    configuration: Configuration,
    stage: Callable[[str], object],
) -> ScoredSources:
    from .method_scores import score_parts

    listed = list(parts)
    total, done = sum(part.size for part in listed), 0

    def advance(sources: int) -> None:
        nonlocal done
        done += sources
        stage(f"{sample}: {done:,} of {total:,} sources")

    stage(f"{sample}: {total:,} sources")
    return score_parts(listed, seed, detector, references, configuration.settings.timing, advance)


def _measure_sample(scored: ScoredSources) -> dict[str, Any]:
    from .metrics import efficiencies, efficiencies_by, roc
    from .reliability import false_alarms

    kinds = sorted({str(kind) for kind in scored.facts["kind"]})
    return {
        "sources": {kind: int(scored.of_kind(kind).sum()) for kind in kinds},
        "efficiencies": efficiencies(scored),
        "by": efficiencies_by(scored),
        "roc": roc(scored),
        "false_alarms": false_alarms(scored),
    }


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), "xherald": version("xherald")} | {
        name: version(name) for name in LIBRARIES
    }


@contextmanager
def _timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[what] = time.perf_counter() - start
