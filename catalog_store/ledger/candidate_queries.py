"""Queries of candidates and detections."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, select

from xherald.photons.errors import StoreError

from .candidate_records import NearbyDetection
from .healpix_cones import Cone, in_cone, separations_from_centre
from .records import DetectionRecord, StoredCandidate
from .states import CandidateState
from .tables import candidate_detections, candidates, detections, drops, observations

__all__ = [
    "IS_ITS_DETECTION",
    "find",
    "find_detections_near",
    "find_valid_near",
    "find_valid_of",
    "list_of_observations",
    "load_candidate",
    "make_detection",
]

IS_ITS_DETECTION = and_(
    detections.c.observation_id == candidates.c.observation_id, detections.c.number == candidates.c.detection_number
)

IS_ONE_OF_ITS_DETECTIONS = and_(
    detections.c.observation_id == candidate_detections.c.observation_id,
    detections.c.number == candidate_detections.c.number,
)

VALID = (CandidateState.STANDING, CandidateState.RETRACTED)

SELECT_CANDIDATES = select(
    candidates.c.id,
    candidates.c.kind,
    candidates.c.likely_class,
    candidates.c.score,
    candidates.c.far_hz,
    candidates.c.evidence,
    candidates.c.state,
    candidates.c.alert_type,
    candidates.c.created,
    candidates.c.updated,
    detections.c.ra_deg,
    detections.c.dec_deg,
    detections.c.pos_err_arcsec,
    detections.c.detection_id,
    detections.c.counts,
    detections.c.livetime_s,
    detections.c.false_alarm_probability,
    detections.c.extrapolated,
    observations.c.mission,
    observations.c.instrument,
    observations.c.obs_id,
    observations.c.start,
    candidates.c.observation_id,
    observations.c.drop_id,
    drops.c.url,
).select_from(
    candidates.join(detections, IS_ITS_DETECTION)
    .join(observations, observations.c.id == candidates.c.observation_id)
    .join(drops, drops.c.id == observations.c.drop_id)
)


def find(
    connection: Connection,
    *,
    since: datetime | None = None,
    near: Cone | None = None,
    kind: str | None = None,
    likely_class: str | None = None,
    far_below: float | None = None,
    min_interest: float | None = None,
    by_interest: bool = False,
    states: Collection[CandidateState] = (CandidateState.STANDING,),
    limit: int | None = None,
) -> list[StoredCandidate]:
    """Candidates that match all conditions, the latest or the most interesting first."""
    interest = candidates.c.evidence["interest"].as_float()
    query = SELECT_CANDIDATES.where(candidates.c.state.in_(states))
    if since is not None:
        query = query.where(candidates.c.created >= since)
    if kind is not None:
        query = query.where(candidates.c.kind == kind)
    if likely_class is not None:
        query = query.where(candidates.c.likely_class == likely_class)
    if far_below is not None:
        query = query.where(candidates.c.far_hz < far_below)
    if min_interest is not None:
        query = query.where(interest >= min_interest)
    if near is None:
        first = [func.coalesce(interest, 0.0).desc()] if by_interest else []
        return _load(connection, query.order_by(*first, candidates.c.created.desc(), candidates.c.id).limit(limit))
    # Sort here: for ORDER BY, SQLite would scan the index of times instead of looking up the few rows in the cone. The
    # limit applies after rows outside the cone, in pixels on its edge, are removed.
    found = _load(connection, query.where(in_cone(candidates.c.healpix, near)))
    is_inside = (separations_from_centre(found, near) <= near[2]).tolist()
    inside = [one for one, keep in zip(found, is_inside, strict=True) if keep]
    latest = sorted(sorted(inside, key=lambda one: one.id), key=lambda one: one.created, reverse=True)
    if by_interest:
        latest.sort(key=lambda one: -float(one.evidence.get("interest") or 0.0))
    return latest[:limit]


def list_of_observations(connection: Connection, ids: Sequence[int]) -> list[StoredCandidate]:
    """Candidates with a detection in these observations that are not superseded."""
    theirs = select(candidate_detections.c.candidate_id).where(candidate_detections.c.observation_id.in_(ids))
    query = SELECT_CANDIDATES.where(candidates.c.id.in_(theirs), candidates.c.state.in_(VALID))
    return _load(connection, query.order_by(candidates.c.id))


def find_valid_near(connection: Connection, near: Cone) -> list[StoredCandidate]:
    """Candidates in a cone that are not superseded, the latest first."""
    return find(connection, near=near, states=VALID)


def find_valid_of(connection: Connection, obs_id: str) -> list[StoredCandidate]:
    """Candidates with a detection in an observation, by any instrument, that are not superseded."""
    theirs = (
        select(candidate_detections.c.candidate_id)
        .join(observations, observations.c.id == candidate_detections.c.observation_id)
        .where(observations.c.obs_id == obs_id)
    )
    query = SELECT_CANDIDATES.where(candidates.c.id.in_(theirs), candidates.c.state.in_(VALID))
    return _load(connection, query.order_by(candidates.c.id))


def load_candidate(connection: Connection, candidate_id: str) -> StoredCandidate:
    """A candidate by its id.

    Raises
    ------
    StoreError
        The candidate is not in the store.
    """
    found = _load(connection, SELECT_CANDIDATES.where(candidates.c.id == candidate_id))
    if not found:
        raise StoreError(f"candidate {candidate_id}: not in the store")
    return found[0]


def find_detections_near(connection: Connection, near: Cone) -> list[NearbyDetection]:
    """Detections of current observations inside a cone, in the order of time."""
    query = (
        select(
            detections,
            observations.c.mission,
            observations.c.instrument,
            observations.c.obs_id,
            observations.c.start,
            observations.c.stop,
            candidate_detections.c.candidate_id,
        )
        .select_from(
            detections.join(observations, observations.c.id == detections.c.observation_id).outerjoin(
                candidate_detections, IS_ONE_OF_ITS_DETECTIONS
            )
        )
        .where(in_cone(detections.c.healpix, near), observations.c.is_current)
        .order_by(func.coalesce(observations.c.start, observations.c.created), observations.c.id, detections.c.number)
    )
    rows = connection.execute(query).all()
    return [
        NearbyDetection(
            make_detection(row),
            3600 * separation,
            row.mission,
            row.instrument,
            row.obs_id,
            row.start,
            row.stop,
            row.observation_id,
            row.candidate_id,
        )
        for row, separation in zip(rows, separations_from_centre(rows, near).tolist(), strict=True)
        if separation <= near[2]
    ]


def _load(connection: Connection, query: Select[Any]) -> list[StoredCandidate]:
    return [StoredCandidate(**row._mapping) for row in connection.execute(query)]


def make_detection(row: Row[Any]) -> DetectionRecord:
    """A detection from a row with all its columns of the table `detections`."""
    return DetectionRecord(
        row.detection_id,
        row.ra_deg,
        row.dec_deg,
        row.counts,
        row.livetime_s,
        row.kind,
        row.background_counts,
        row.pos_err_arcsec,
        row.score,
        row.false_alarm_probability,
        row.far_hz,
        row.extrapolated,
        row.details,
    )
