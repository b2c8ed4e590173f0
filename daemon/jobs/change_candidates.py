"""Candidates of a drop that changed between exposures: `find_change_candidates`.

A source that is a candidate by its variability, too, stays one candidate, with both probabilities in its evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from xherald.catalog_store.ledger.drop_outcome import PriorState
from xherald.catalog_store.ledger.history_records import FieldHistory
from xherald.catalog_store.ledger.records import CandidateRecord, StoredDetection
from xherald.photons.times import SECONDS_A_DAY

from .drop_results import FileResult

__all__ = ["find_change_candidates"]


def find_change_candidates(
    result: FileResult, prior: PriorState, threshold: float, sources_per_day: float | None
) -> list[CandidateRecord]:
    """Candidates of a drop, and stored detections that it shows to be candidates, by changes between exposures.

    A stored detection that is one of a candidate already is left out, and so is the end of an outburst whose beginning
    is a candidate.

    Parameters
    ----------
    result : FileResult
    prior : PriorState
    threshold : float — largest false-alarm probability
    sources_per_day : float or None — in the stream of files; None for as many as are compared, in the file's time
    """
    from xherald.detector.candidates.change_evidence import change_fields, make_change_evidence
    from xherald.detector.candidates.long_term_changes import find_long_term_changes

    varying = {one.detection_index: one for one in result.candidates}
    found: dict[int | StoredDetection, CandidateRecord] = {}
    for first, field in _iterate_fields(result, prior):
        search = find_long_term_changes(field)
        rate = _sources_per_second(field, search.sources, sources_per_day)
        for change in search.changes:
            where, source = change.bright.observation, change.bright.source
            assert source is not None
            index: int | StoredDetection = first + source.number
            if where is not field.present:
                assert where.observation_id is not None
                index = StoredDetection(where.observation_id, source.number, source.healpix, is_current=True)
            is_known = where is not field.present and source.candidate_id is not None
            is_known = is_known or change.is_known_end
            if change.false_alarm_probability > threshold or is_known or index in found:
                continue
            if index in varying:
                one = varying[index]
                found[index] = replace(one, evidence={**one.evidence, **change_fields(change, rate)})
                continue
            evidence = make_change_evidence(change, rate, result.run.calibration)
            if change.event is not None and change.event.candidate_id is not None:
                evidence["candidate_id"] = change.event.candidate_id
            found[index] = CandidateRecord(evidence["candidate_id"], index, change.change, evidence=evidence)
    return list(found.values())


def _iterate_fields(result: FileResult, prior: PriorState) -> Iterator[tuple[int, FieldHistory]]:
    """Field histories of the observations that no later processing replaced, each with its first detection's index."""
    first = 0
    for record, is_outdated in zip(result.observations, prior.is_outdated, strict=True):
        if not is_outdated:
            field = prior.field_history(record)
            yield first, replace(field, present=replace(field.present, file=result.file))
        first += len(record.detections)


def _sources_per_second(field: FieldHistory, sources: int, sources_per_day: float | None) -> float | None:
    if sources_per_day is not None:
        return sources_per_day / SECONDS_A_DAY
    start, stop = field.present.observation.start, field.present.observation.stop
    return None if start is None or stop is None or stop <= start else sources / (stop - start).total_seconds()
