"""The road from timing to verdicts: features, scorers, combined score, calibration, vetoes, in that order: `detect`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xherald.detector.calibration.calibration import ANY, Calibration, Group, calibration_at
from xherald.photons import EventBatch
from xherald.photons.arrays import F64, I64
from xherald.photons.statistics import STEADY, Timing
from xherald.photons.times import SECONDS_A_DAY
from xherald.plugins import PluginHost
from xherald.plugins.reference import Reference
from xherald.plugins.scoring import DetectionBatch

from .detections import Detections, VetoFlags
from .nearest_known import neighbours_of
from .score_columns import DIRECTIONS, detection_batch_of, in_direction, score_columns
from .veto_flags import apply_vetoes, rejected

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.extraction.extracted_sources import ExtractedSources

__all__ = ["calibration_of", "detect", "score_batch"]


def detect(
    files: Sequence[ExtractedSources], batch: EventBatch, timing: Timing, configuration: Configuration
) -> list[Detections]:
    """Judge the sources of some files together, each file as if it were alone.

    Parameters
    ----------
    files : sequence of ExtractedSources
        All of one instrument and band.
    batch : EventBatch
        All their sources, in the order of the files.
    timing : Timing
        Of the batch.
    configuration : Configuration

    Returns
    -------
    list of Detections
        One a file.

    Raises
    ------
    ArtefactError
        The calibration cannot be used.
    """
    return _score_batch(batch, timing, configuration, [(one.batch, one) for one in files])


def score_batch(batch: EventBatch, timing: Timing, configuration: Configuration) -> Detections:
    """Judge the sources of a batch that comes from no file, so that no veto sees pixels.

    Parameters
    ----------
    batch : EventBatch
        Of one instrument; sources of several together are judged by their timing alone.
    timing : Timing
    configuration : Configuration
    """
    (told,) = _score_batch(batch, timing, configuration, [(batch, None)])
    return told


def _score_batch(
    batch: EventBatch,
    timing: Timing,
    configuration: Configuration,
    parts: Sequence[tuple[EventBatch, ExtractedSources | None]],
) -> list[Detections]:
    """Judge a batch that consists of parts: what goes source by source for all at once, the rest part by part."""
    calibration = calibration_of(configuration)
    settings = configuration.settings.detection
    group = _group_for(calibration, batch)
    reference = _reference_for(calibration, group, batch, configuration.host)
    if reference is None:
        group = calibration.groups[ANY]
    detection_batch = detection_batch_of(batch, timing, reference, configuration.host)
    columns = score_columns(detection_batch, configuration.host, settings.scorers)
    scores = calibration.scores(columns, len(batch))
    ranks = calibration.ranks(scores, batch.counts, group)
    chances, probability = calibration.probabilities(ranks, columns, group)
    direction, best = _likelier(chances)
    detection_batch = in_direction(detection_batch, direction)
    # A source that was found because it burst is as significant as that was at most.
    best, probability = (np.where(np.isnan(p), np.nan, np.maximum(p, batch.selection_p)) for p in (best, probability))
    classes, class_probabilities = calibration.class_probabilities(columns, direction)
    score = _of_direction(scores, direction)
    p_astro = _astrophysical(calibration, direction, best, batch.counts, settings.varying_per_1000)
    neighbours = neighbours_of(detection_batch, direction, configuration.host)
    with np.errstate(invalid="ignore"):
        significant = probability <= settings.false_alarms_per_1000 / 1000.0
    told: list[Detections] = []
    stop = 0
    for own, photons in parts:
        first, stop = stop, stop + len(own)
        some = slice(first, stop)
        theirs = _part_of(detection_batch, first, stop, own, photons)
        vetoes = _vetoes_on(theirs, configuration)
        told.append(
            Detections(
                detection_batch=theirs,
                columns={name: column[some] for name, column in columns.items()},
                score=score[some],
                chances={name: chance[some] for name, chance in chances.items()},
                false_alarm_probability=probability[some],
                far_hz=probability[some] * _sources_per_second(own, settings.sources_per_day),
                p_astro=p_astro[some],
                classes=classes,
                class_probabilities=class_probabilities[some],
                neighbours=None if neighbours is None else neighbours.part(first, stop),
                vetoes=vetoes,
                significant=significant[some],
                candidate=significant[some] & ~rejected(vetoes, len(own)),
                calibration=f"{calibration.name}@{calibration.about['created_utc']} {group.name}",
            )
        )
    return told


def _part_of(
    detection_batch: DetectionBatch, first: int, stop: int, batch: EventBatch, photons: ExtractedSources | None
) -> DetectionBatch:
    """The subjects of one file, with all that the file tells of them."""
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


def _vetoes_on(detection_batch: DetectionBatch, configuration: Configuration) -> tuple[VetoFlags, ...]:
    host, settings = configuration.host, configuration.settings.detection
    options = {
        name: host.options_for(veto, settings.vetoes.get(name, {}), f"detection.vetoes.{name}")
        for name, veto in host.vetoes.items()
    }
    return apply_vetoes(detection_batch, host.vetoes, options, host)


def calibration_of(configuration: Configuration) -> Calibration:
    """The calibration that the settings name, or the shipped one.

    Raises
    ------
    ArtefactError
    """
    folder = configuration.settings.detection.calibration
    return calibration_at() if folder is None else calibration_at(folder)


def _group_for(calibration: Calibration, batch: EventBatch) -> Group:
    """The group of the batch's instrument; that of any where it is of several."""
    groups = {(one.mission, one.instrument) for one in batch.identities}
    found = {calibration.group_of(*one).name for one in groups}
    return calibration.groups[found.pop() if len(found) == 1 else ANY]


def _reference_for(calibration: Calibration, group: Group, batch: EventBatch, host: PluginHost) -> Reference | None:
    """The group's reference, if the sources' band is its own."""
    reference = calibration.reference(group, host)
    if reference is None or not (batch.band == np.array(reference.about["band_kev"])).all():
        return None
    return reference


def _likelier(chances: Mapping[str, F64]) -> tuple[NDArray[np.int8], F64]:
    """Direction in which a null source is least likely to come out so high, and that chance."""
    table = np.column_stack(list(chances.values()))
    tested = ~np.isnan(table).all(axis=1)
    best = np.argmin(np.where(np.isnan(table), 2.0, table), axis=1)
    codes = np.array(list(DIRECTIONS.values()), dtype=np.int8)
    return np.where(tested, codes[best], STEADY).astype(np.int8), table[np.arange(len(table)), best]


def _of_direction(values: Mapping[str, F64], direction: NDArray[np.int8]) -> F64:
    out = np.full(len(direction), np.nan)
    for name, code in DIRECTIONS.items():
        out = np.where(direction == code, values[name], out)
    return out


def _sources_per_second(batch: EventBatch, sources_per_day: float | None) -> float:
    """Sources that the stream brings: as configured, else as many as the file holds in the time that it spans."""
    if sources_per_day is not None:
        return sources_per_day / SECONDS_A_DAY
    first, stop = batch.gti_offsets[:-1], batch.gti_offsets[1:]
    has = np.flatnonzero(stop > first)
    if not has.size:
        return float("nan")
    names, place = np.unique([batch.identities[i].obs_id for i in has], return_inverse=True)
    begin, end = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    np.minimum.at(begin, place, batch.gti[first[has], 0])
    np.maximum.at(end, place, batch.gti[stop[has] - 1, 1])
    return float(len(batch) / (end - begin).sum())


def _astrophysical(
    calibration: Calibration, direction: NDArray[np.int8], chance: F64, counts: I64, varying_per_1000: float
) -> F64:
    """Chance that a source varies: prior odds times how much likelier its rank is among injections (Farr et al. 2015).

    The prior odds are those of a direction, half of all that vary being taken to brighten.
    """
    prior = 0.5 * varying_per_1000 / 1000.0
    with np.errstate(divide="ignore"):
        z = -np.log(chance)
    log_odds = np.full(len(chance), np.nan)
    for place, code in enumerate(DIRECTIONS.values()):
        own = direction == code
        log_odds[own] = calibration.odds.at(place, z[own], counts[own]) + np.log(prior / (1.0 - prior))
    chance_it_varies: F64 = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -700.0, 700.0)))
    return chance_it_varies
