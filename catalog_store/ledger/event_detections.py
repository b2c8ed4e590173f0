"""Detections of candidates: one event seen by several cameras, in several files or processings is one candidate.

The row of a candidate repeats its most significant current detection; `refresh_candidates` keeps it so.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from xherald.photons.errors import StoreError

from .records import CandidateRecord, Json, StoredDetection
from .states import CandidateState
from .tables import candidate_detections, candidates, detections, observations

__all__ = [
    "as_float",
    "find_candidates_of",
    "list_event_evidence",
    "merge_evidence",
    "refresh_candidates",
    "significance_order",
    "store_candidates",
]


def as_float(value: float | None) -> float | None:
    """A plain float: numpy scalars would be stored as their bytes."""
    return None if value is None else float(value)


def significance_order(evidence: Mapping[str, Any]) -> tuple[float, ...]:
    """Sort key of the detections of an event: the least probable by chance first, then the best position.

    Those that vary within their exposure come before those that changed between exposures only, and of these the
    beginning of an outburst before its end.
    """
    ranking = evidence.get("ranking_statistic")
    names = ("false_alarm_probability", "long_term_false_alarm_probability", "pos_err_arcsec")
    values = [evidence.get(name) for name in names]
    return (
        math.inf if ranking is None else -float(ranking),
        float(ranking is None and evidence.get("long_term_change") in ("fainter", "vanished")),
        *(math.inf if value is None else float(value) for value in values),
    )


def merge_evidence(candidate_id: str, evidences: Sequence[Json]) -> dict[str, Any]:
    """Evidence of an event: that of its most significant detection, with the list of all of them."""
    ordered = sorted(evidences, key=significance_order)
    merged = dict(ordered[0])
    if "candidate_id" in merged:
        merged["candidate_id"] = candidate_id
    if any("detections" in one for one in ordered):
        rows = [row for one in ordered for row in one.get("detections") or ()]
        # The evidence of a joint test lists the detections of the other cameras, too.
        merged["detections"] = list({_name_detection(row): row for row in reversed(rows)}.values())[::-1]
    return merged


def _name_detection(row: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("mission", "instrument", "obs_id", "detection_id", "counts", "ra_deg")
    return tuple(row.get(name) for name in names) if any(row.get(name) for name in names) else (id(row),)


def find_candidates_of(connection: Connection, observation_ids: Collection[int]) -> list[str]:
    """Ids of the candidates with a detection in some observations."""
    query = select(candidate_detections.c.candidate_id).where(
        candidate_detections.c.observation_id.in_(observation_ids)
    )
    return sorted(set(connection.execute(query).scalars()))


def list_event_evidence(
    connection: Connection, candidate_id: str, without: Collection[int] = ()
) -> list[dict[str, Any]]:
    """Evidence of each current detection of a candidate, those in some observations left out."""
    query = _select_current([candidate_id]).where(candidate_detections.c.observation_id.not_in(without))
    return [dict(row.evidence) for row in connection.execute(query)]


def store_candidates(
    connection: Connection,
    records: Sequence[CandidateRecord],
    stored: Sequence[StoredDetection],
    run_id: int,
    now: datetime,
) -> None:
    """Store detections of candidates; a candidate that is not in the store is inserted."""
    ids = {one.id for one in records}
    existing = set(connection.execute(select(candidates.c.id).where(candidates.c.id.in_(ids))).scalars())
    links: dict[tuple[int, int], dict[str, Any]] = {}
    new: dict[str, dict[str, Any]] = {}
    for one in records:
        observation_id, number, healpix, is_current = one.find_detection(stored)
        values = {
            "observation_id": observation_id,
            "run_id": run_id,
            "kind": one.kind,
            "likely_class": one.likely_class,
            "score": as_float(one.score),
            "far_hz": as_float(one.far_hz),
            "evidence": dict(one.evidence),
        }
        key = (observation_id, number)
        if key in links:
            raise StoreError(f"candidate {one.id}: another one has the same detection")
        links[key] = {**values, "number": number, "candidate_id": one.id}
        if one.id not in existing and one.id not in new:
            state = CandidateState.STANDING if is_current else CandidateState.SUPERSEDED
            dates = {"created": now, "updated": now}
            place = {"detection_number": number, "healpix": healpix}
            new[one.id] = {**values, **dates, **place, "id": one.id, "state": state}
    if new:
        connection.execute(insert(candidates), list(new.values()))
    if links:
        connection.execute(insert(candidate_detections), list(links.values()))


def refresh_candidates(connection: Connection, ids: Collection[str], now: datetime) -> set[str]:
    """Make candidates repeat their best current detection; returns the ids of those that are not standing.

    A standing candidate without a current detection is superseded. One that was rejected stays so.
    """
    rows: dict[str, list[Row[Any]]] = {one: [] for one in ids}
    for row in connection.execute(_select_current(ids)):
        rows[row.candidate_id].append(row)
    query = select(candidates.c.id, candidates.c.state).where(candidates.c.id.in_(ids)).order_by(candidates.c.id)
    is_down: set[str] = set()
    for candidate_id, before in connection.execute(query.with_for_update()).all():
        current = rows[candidate_id]
        state = CandidateState.RETRACTED if before is CandidateState.RETRACTED else CandidateState.STANDING
        values: dict[str, Any] = {}
        if current:
            best = min(current, key=lambda row: significance_order(row.evidence))
            names = ("observation_id", "run_id", "kind", "likely_class", "score", "far_hz", "healpix")
            values = {name: getattr(best, name) for name in names}
            values["detection_number"] = best.number
            values["evidence"] = merge_evidence(candidate_id, [row.evidence for row in current])
        elif before is CandidateState.STANDING:
            state = CandidateState.SUPERSEDED
        else:
            state = before
        if values or state is not before:
            statement = update(candidates).where(candidates.c.id == candidate_id)
            connection.execute(statement.values(**values, state=state, updated=now))
        if state is not CandidateState.STANDING:
            is_down.add(candidate_id)
    return is_down


def _select_current(ids: Collection[str]) -> Any:
    """Detections of candidates in current observations, with their HEALPix index."""
    is_detection = (detections.c.observation_id == candidate_detections.c.observation_id) & (
        detections.c.number == candidate_detections.c.number
    )
    return (
        select(candidate_detections, detections.c.healpix)
        .select_from(
            candidate_detections.join(detections, is_detection).join(
                observations, observations.c.id == candidate_detections.c.observation_id
            )
        )
        .where(candidate_detections.c.candidate_id.in_(ids), observations.c.is_current)
        .order_by(candidate_detections.c.observation_id, candidate_detections.c.number)
    )
