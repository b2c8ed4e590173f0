"""From timing to detections: features, scorers, combined score, calibration and vetoes, in that order: `detect`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xherald.detector.calibration.calibration import ANY_INSTRUMENT, Calibration, Group, cached_calibration
from xherald.photons import EventBatch
from xherald.photons.arrays import F64, I64
from xherald.photons.probabilities import smallest_measured_probability
from xherald.photons.statistics import STEADY, Timing, assess
from xherald.photons.times import SECONDS_A_DAY
from xherald.plugins import PluginHost
from xherald.plugins.reference import Reference
from xherald.plugins.scoring import DetectionBatch

from .classify import SourceClasses, classify
from .detections import Detections, Neighbours, VetoFlags
from .known_objects import find_known_objects
from .nearest_known import find_neighbours
from .own_null import JudgedProbabilities, judge_by_own_null
from .score_columns import DIRECTIONS, find_input_cases, in_direction, make_detection_batch, score_columns
from .variability_kinds import MAX_P, VariabilityKinds, judge_kinds
from .veto_flags import apply_vetoes, rejected

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.extraction.extracted_sources import ExtractedSources

__all__ = ["calibration_of", "detect", "score_batch"]


@dataclass(frozen=True, slots=True, eq=False)
class _PooledScores:
    """Scores of sources, and their probabilities among the pooled null sources of the calibration."""

    detection_batch: DetectionBatch
    columns: dict[str, F64]
    scores: dict[str, F64]
    by_direction: dict[str, F64]
    probability: F64


@dataclass(frozen=True, slots=True, eq=False)
class _JudgedBatch:
    """All that depends on single sources, for the sources of all files together."""

    detection_batch: DetectionBatch
    columns: dict[str, F64]
    by_direction: dict[str, F64]
    score: F64
    judged: JudgedProbabilities
    p_astro: F64
    significant: NDArray[np.bool_]
    kinds: VariabilityKinds
    classes: SourceClasses
    neighbours: Neighbours | None


def detect(
    files: Sequence[ExtractedSources], batch: EventBatch, timing: Timing, configuration: Configuration
) -> list[Detections]:
    """Score the sources of several files together; results are those of each file alone.

    Parameters
    ----------
    files : sequence of ExtractedSources
        All of one instrument and band.
    batch : EventBatch
        Sources of all files, in the order of the files.
    timing : Timing
        Of the batch.
    configuration : Configuration

    Returns
    -------
    list of Detections
        One for each file.

    Raises
    ------
    ArtefactError
        The calibration cannot be read.
    """
    return _score_batch(batch, timing, configuration, [(one.batch, one) for one in files])


def score_batch(batch: EventBatch, timing: Timing, configuration: Configuration) -> Detections:
    """Score a batch without files, such as simulated sources: vetoes that need an image are not raised.

    Parameters
    ----------
    batch : EventBatch
        Of one instrument; sources of several instruments are scored by timing alone.
    timing : Timing
    configuration : Configuration
    """
    (detections,) = _score_batch(batch, timing, configuration, [(batch, None)])
    return detections


def _score_batch(
    batch: EventBatch,
    timing: Timing,
    configuration: Configuration,
    parts: Sequence[tuple[EventBatch, ExtractedSources | None]],
) -> list[Detections]:
    """Score a batch that consists of parts: what depends on single sources for all parts at once, the rest by part."""
    calibration = calibration_of(configuration)
    group = _find_group(calibration, batch)
    reference = _find_reference(calibration, group, batch, configuration.host)
    if reference is None:
        group = calibration.groups[ANY_INSTRUMENT]
    whole = _judge(batch, timing, configuration, calibration, group, reference)
    name = f"{calibration.name}@{calibration.about['created_utc']} {group.name}"
    floor = smallest_measured_probability(len(group.covariates))
    stops = np.cumsum([len(own) for own, _ in parts]).tolist()
    return [
        _detections_of_part(whole, slice(stop - len(own), stop), own, photons, floor, name, configuration)
        for (own, photons), stop in zip(parts, stops, strict=True)
    ]


def _judge(
    batch: EventBatch,
    timing: Timing,
    configuration: Configuration,
    calibration: Calibration,
    group: Group,
    reference: Reference | None,
) -> _JudgedBatch:
    """Probabilities, kinds, classes and look-alikes of all sources."""
    host, settings = configuration.host, configuration.settings.detection
    timing_settings = configuration.settings.timing
    threshold = settings.false_alarms_per_1000 / 1000.0

    def score_pooled(sources: EventBatch, tested: Timing, cases: Collection[str] | None = None) -> _PooledScores:
        prepared = make_detection_batch(sources, tested, reference, host, cases)
        columns = score_columns(prepared, host, settings.scorers)
        scores = calibration.compute_scores(columns, len(sources))
        ranks = calibration.compute_ranks(scores, sources.counts, group)
        return _PooledScores(prepared, columns, scores, *calibration.compute_probabilities(ranks, columns, group))

    pooled = score_pooled(batch, timing)
    input_cases = find_input_cases(host, settings.scorers)
    own = judge_by_own_null(
        batch,
        pooled.probability,
        threshold,
        lambda drawn: score_pooled(drawn, assess(drawn, timing_settings), input_cases).probability,
        is_matched=bool(group.serves),
        threads=timing_settings.threads,
    )
    direction, best = _choose_likelier(pooled.by_direction)
    best = np.where(own.is_own, np.minimum(best * own.probability / pooled.probability, 1.0), best)
    # A source found in time slices is at most as significant as the burst that it was found by, or as its timing is
    # once the trials of the search are counted.
    limit = np.fmin(batch.selection_p, timing.p_value)
    best, probability = (np.where(np.isnan(p), np.nan, np.maximum(p, limit)) for p in (best, own.probability))
    with np.errstate(invalid="ignore"):
        significant = probability <= threshold
        kinds = judge_kinds(batch, direction, significant | (probability <= MAX_P), timing_settings.threads)
    detection_batch = in_direction(pooled.detection_batch, kinds.direction)
    return _JudgedBatch(
        detection_batch=detection_batch,
        columns=pooled.columns,
        by_direction=pooled.by_direction,
        score=_select_direction(pooled.scores, direction),
        judged=replace(own, probability=probability),
        p_astro=_compute_p_astro(calibration, direction, best, batch.counts, settings.varying_per_1000),
        significant=significant,
        kinds=kinds,
        classes=classify(
            calibration.class_model,
            batch,
            timing,
            significant,
            settings.class_priors,
            telescope=group.name,
            kinds=kinds.posterior,
        ),
        neighbours=find_neighbours(detection_batch, kinds.direction, host),
    )


def _detections_of_part(
    whole: _JudgedBatch,
    some: slice,
    batch: EventBatch,
    photons: ExtractedSources | None,
    floor: float,
    calibration: str,
    configuration: Configuration,
) -> Detections:
    """Detections of the sources of one file, after the vetoes, which may need its image."""
    part = _select_part(whole.detection_batch, some.start, some.stop, batch, photons)
    vetoes = _run_vetoes(part, configuration)
    judged, kinds, significant = whole.judged, whole.kinds, whole.significant[some]
    candidate = significant & ~rejected(vetoes, len(batch))
    probability = judged.probability[some]
    per_second = _sources_per_second(batch, configuration.settings.detection.sources_per_day)
    return Detections(
        detection_batch=part,
        columns={name: column[some] for name, column in whole.columns.items()},
        score=whole.score[some],
        direction_probabilities={name: p[some] for name, p in whole.by_direction.items()},
        tail_probability=probability,
        probability_error=judged.error[some],
        is_own_null=judged.is_own[some],
        probability_floor=floor,
        far_hz=np.maximum(probability, floor) * per_second,
        p_astro=whole.p_astro[some],
        kind=kinds.kind[some],
        kind_probability=kinds.probability[some],
        p_red_noise=kinds.p_red_noise[some],
        p_red_noise_error=kinds.p_red_noise_error[some],
        classes=whole.classes.part(some.start, some.stop),
        neighbours=None if whole.neighbours is None else whole.neighbours.part(some.start, some.stop),
        vetoes=vetoes,
        significant=significant,
        candidate=candidate,
        calibration=calibration,
        threshold=configuration.settings.detection.false_alarms_per_1000 / 1000.0,
        known_objects=find_known_objects(batch, np.flatnonzero(candidate).tolist(), configuration),
    )


def _select_part(
    detection_batch: DetectionBatch, first: int, stop: int, batch: EventBatch, photons: ExtractedSources | None
) -> DetectionBatch:
    """The sources of one file, with its observation and apertures."""
    features = detection_batch.features
    return DetectionBatch(
        batch=batch,
        timing=detection_batch.timing.part(first, stop),
        direction=detection_batch.direction[first:stop],
        intervals=detection_batch.intervals.part(first, stop),
        reference=detection_batch.reference,
        features=None if features is None else {name: values[first:stop] for name, values in features.items()},
        observation=None if photons is None else photons.observation,
        apertures=() if photons is None else photons.apertures,
        rows=None if photons is None else photons.rows,
    )


def _run_vetoes(detection_batch: DetectionBatch, configuration: Configuration) -> tuple[VetoFlags, ...]:
    host, settings = configuration.host, configuration.settings.detection
    options = {
        name: host.validate_options(veto, settings.vetoes.get(name, {}), f"detection.vetoes.{name}")
        for name, veto in host.vetoes.items()
    }
    return apply_vetoes(detection_batch, host.vetoes, options, host)


def calibration_of(configuration: Configuration) -> Calibration:
    """The calibration named in the settings, or the shipped one.

    Raises
    ------
    ArtefactError
    """
    folder = configuration.settings.detection.calibration
    return cached_calibration() if folder is None else cached_calibration(folder)


def _find_group(calibration: Calibration, batch: EventBatch) -> Group:
    """The calibration group of the batch's instrument; the group of any instrument if there are several."""
    groups = {(one.mission, one.instrument) for one in batch.identities}
    found = {calibration.find_group(*one).name for one in groups}
    return calibration.groups[found.pop() if len(found) == 1 else ANY_INSTRUMENT]


def _find_reference(calibration: Calibration, group: Group, batch: EventBatch, host: PluginHost) -> Reference | None:
    """The group's reference, if it has the same energy band as the sources."""
    reference = calibration.load_reference(group, host)
    if reference is None or not (batch.band == np.array(reference.about["band_kev"])).all():
        return None
    return reference


def _choose_likelier(by_direction: Mapping[str, F64]) -> tuple[NDArray[np.int8], F64]:
    """Direction in which a null source is least likely to score as high, and that probability."""
    table = np.column_stack(list(by_direction.values()))
    tested = ~np.isnan(table).all(axis=1)
    best = np.argmin(np.where(np.isnan(table), 2.0, table), axis=1)
    codes = np.array(list(DIRECTIONS.values()), dtype=np.int8)
    return np.where(tested, codes[best], STEADY).astype(np.int8), table[np.arange(len(table)), best]


def _select_direction(values: Mapping[str, F64], direction: NDArray[np.int8]) -> F64:
    out = np.full(len(direction), np.nan)
    for name, code in DIRECTIONS.items():
        out = np.where(direction == code, values[name], out)
    return out


def _sources_per_second(batch: EventBatch, sources_per_day: float | None) -> float:
    """Rate of sources in the stream: as configured, else the number of sources in the file over the time it spans."""
    if sources_per_day is not None:
        return sources_per_day / SECONDS_A_DAY
    first, stop = batch.gti_offsets[:-1], batch.gti_offsets[1:]
    has = np.flatnonzero(stop > first)
    if not has.size:
        return float("nan")
    names, index = np.unique([batch.identities[i].obs_id for i in has], return_inverse=True)
    begin, end = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    np.minimum.at(begin, index, batch.gti[first[has], 0])
    np.maximum.at(end, index, batch.gti[stop[has] - 1, 1])
    return float(len(batch) / (end - begin).sum())


def _compute_p_astro(
    calibration: Calibration, direction: NDArray[np.int8], probability: F64, counts: I64, varying_per_1000: float
) -> F64:
    """Probability that a source varies: prior odds times the likelihood ratio of its rank (Farr et al. 2015).

    The prior odds are those of one direction: half of all variable sources are assumed to brighten.
    """
    prior = 0.5 * varying_per_1000 / 1000.0
    with np.errstate(divide="ignore"):
        z = -np.log(probability)
    log_odds = np.full(len(probability), np.nan)
    for row, code in enumerate(DIRECTIONS.values()):
        own = direction == code
        log_odds[own] = calibration.odds.interpolate(row, z[own], counts[own]) + np.log(prior / (1.0 - prior))
    p_astro: F64 = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -700.0, 700.0)))
    return p_astro
