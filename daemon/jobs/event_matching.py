"""Which stored candidate each candidate of a drop is a further detection of: `match_events`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from xherald.catalog_store.ledger.drop_outcome import PriorState
from xherald.catalog_store.ledger.event_detections import significance_order
from xherald.catalog_store.ledger.records import (
    CandidateRecord,
    DetectionRecord,
    Json,
    StoredCandidate,
    StoredDetection,
)
from xherald.photons.projection import separation_deg

from .drop_results import FileResult

__all__ = ["match_events"]

MAX_RADIUS_DEG = 0.2
"""Candidates are looked up within this at most; the largest position errors are some arcminutes."""

SEARCH_ARCSEC = 60.0
"""Radius of the search beyond three times the error of the detection, for the errors of what is found."""


def match_events(result: FileResult, prior: PriorState) -> tuple[list[CandidateRecord], dict[str, StoredCandidate]]:
    """Candidates of a drop with the ids of the events that they are detections of, and the stored ones by id.

    A candidate keeps the id of a replaced one of the same source, of a stored one of the same event, or of a more
    significant one of the same event in the drop.
    """
    from xherald.detector.candidates.same_event import group_events

    detections = [one for record in result.observations for one in record.detections]
    outdated = _outdated_indices(result, prior)
    unmatched = {one.id: one for one in prior.replaced_candidates}
    stored: dict[str, StoredCandidate] = {}
    ids: dict[int | StoredDetection, str] = {}
    by_rank = sorted(result.candidates, key=lambda one: significance_order(one.evidence))
    for group in group_events([_describe(one, detections) for one in by_rank]):
        members = [by_rank[index] for index in group]
        name = members[0].id
        if members[0].detection_index not in outdated:
            is_own = not isinstance(members[0].detection_index, StoredDetection)
            found = _find_replaced(members[0], detections, unmatched) if is_own else None
            found = found or _find_joined(members, detections, prior)
            if found is not None:
                unmatched.pop(found.id, None)
                stored[found.id] = found
                name = found.id
        ids.update({one.detection_index: name for one in members})
    candidates = [_rename(one, ids[one.detection_index]) for one in result.candidates]
    return candidates, stored


def _outdated_indices(result: FileResult, prior: PriorState) -> set[int]:
    """Detections of observations that a later processing has replaced already."""
    flags = [
        is_outdated
        for record, is_outdated in zip(result.observations, prior.is_outdated, strict=True)
        for _ in record.detections
    ]
    return {index for index, is_outdated in enumerate(flags) if is_outdated}


def _describe(one: CandidateRecord, detections: list[DetectionRecord]) -> dict[str, Any]:
    """Evidence with the position of the detection, which is authoritative."""
    if isinstance(one.detection_index, StoredDetection):
        return dict(one.evidence)
    detection = detections[one.detection_index]
    names = ("ra_deg", "dec_deg", "pos_err_arcsec", "detection_id")
    return {**one.evidence, **{name: getattr(detection, name) for name in names}}


def _find_replaced(
    one: CandidateRecord, detections: list[DetectionRecord], old: Mapping[str, StoredCandidate]
) -> StoredCandidate | None:
    """The nearest replaced candidate of the same source and direction, or the one with the same id."""
    from xherald.detector.candidates.same_event import match_radius_arcsec

    if one.id in old:
        return old[one.id]
    mine = _describe(one, detections)
    best: tuple[float, StoredCandidate] | None = None
    for other in old.values():
        if other.evidence.get("direction") != one.evidence.get("direction"):
            continue
        if mine["ra_deg"] is None or mine["dec_deg"] is None or other.ra_deg is None or other.dec_deg is None:
            if other.detection_id == mine["detection_id"]:
                return other
            continue
        separation = separation_deg(mine["ra_deg"], mine["dec_deg"], other.ra_deg, other.dec_deg)
        arcsec = float(separation) * 3600.0
        is_match = arcsec <= match_radius_arcsec(mine["pos_err_arcsec"], other.pos_err_arcsec)
        if is_match and (best is None or arcsec < best[0]):
            best = arcsec, other
    return None if best is None else best[1]


def _find_joined(
    members: list[CandidateRecord], detections: list[DetectionRecord], prior: PriorState
) -> StoredCandidate | None:
    """A stored candidate of the same event: the one that was stored first."""
    from xherald.detector.candidates.same_event import MATCH_ERRORS, is_same_event

    found: dict[str, StoredCandidate] = {}
    for one in members:
        mine = _describe(one, detections)
        near: list[StoredCandidate] = []
        if mine["ra_deg"] is not None:
            radius = (MATCH_ERRORS * (mine["pos_err_arcsec"] or 0.0) + SEARCH_ARCSEC) / 3600.0
            near += prior.candidates_near((mine["ra_deg"], mine["dec_deg"], min(radius, MAX_RADIUS_DEG)))
        if obs_id := str(mine.get("obs_id") or ""):
            near += prior.candidates_of(obs_id)
        for other in near:
            if other.id == one.id or any(is_same_event(mine, theirs) for theirs in _detections_of(other)):
                found[other.id] = other
    return min(found.values(), key=lambda other: (other.created, other.id), default=None)


def _detections_of(one: StoredCandidate) -> list[Json]:
    """The evidence of a stored candidate, and the summaries of its detections."""
    place = {"ra_deg": one.ra_deg, "dec_deg": one.dec_deg, "pos_err_arcsec": one.pos_err_arcsec}
    return [{**one.evidence, **place}, *(one.evidence.get("detections") or ())]


def _rename(one: CandidateRecord, name: str) -> CandidateRecord:
    if one.id == name:
        return one
    return replace(one, id=name, evidence={**one.evidence, "candidate_id": name})
