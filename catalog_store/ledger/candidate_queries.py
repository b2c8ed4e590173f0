"""Queries of candidates and detections, and verdicts on candidates."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, insert, or_, select, update

from xherald.photons.arrays import F64
from xherald.photons.errors import StoreError
from xherald.photons.projection import separation_deg

from . import outbox
from .candidate_records import CandidateDetails, NearbyDetection, Vetting
from .healpix_cones import cone_ranges
from .records import DetectionRecord, Run, StoredCandidate
from .states import CandidateState, VettingDecision
from .tables import candidate_detections, candidates, detections, drops, observations, runs, vettings

__all__ = [
    "Cone",
    "find",
    "find_detections_near",
    "find_valid_near",
    "find_valid_of",
    "list_of_observations",
    "load_details",
    "make_detection",
    "record_vetting",
]

Cone = tuple[float, float, float]
"""Right ascension, declination and radius, deg, ICRS."""

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
    states: Collection[CandidateState] = (CandidateState.STANDING,),
    limit: int | None = None,
) -> list[StoredCandidate]:
    """Candidates that match all conditions, the latest first."""
    query = SELECT_CANDIDATES.where(candidates.c.state.in_(states))
    if since is not None:
        query = query.where(candidates.c.created >= since)
    if kind is not None:
        query = query.where(candidates.c.kind == kind)
    if likely_class is not None:
        query = query.where(candidates.c.likely_class == likely_class)
    if far_below is not None:
        query = query.where(candidates.c.far_hz < far_below)
    if near is None:
        return _load(connection, query.order_by(candidates.c.created.desc(), candidates.c.id).limit(limit))
    # Sort here: for ORDER BY, SQLite would scan the index of times instead of looking up the few rows in the cone. The
    # limit applies after rows outside the cone, in pixels on its edge, are removed.
    found = _load(connection, query.where(_in_cone(candidates.c.healpix, near)))
    is_inside = (_separations(found, near) <= near[2]).tolist()
    inside = [one for one, keep in zip(found, is_inside, strict=True) if keep]
    return sorted(sorted(inside, key=lambda one: one.id), key=lambda one: one.created, reverse=True)[:limit]


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


def load_details(connection: Connection, candidate_id: str) -> CandidateDetails:
    """A candidate with everything that the store holds about it.

    Raises
    ------
    StoreError
        There is no such candidate.
    """
    found = _load(connection, SELECT_CANDIDATES.where(candidates.c.id == candidate_id))
    if not found:
        raise _make_missing_error(candidate_id)
    details, run_id = connection.execute(
        select(detections.c.details, candidates.c.run_id)
        .select_from(candidates.join(detections, IS_ITS_DETECTION))
        .where(candidates.c.id == candidate_id)
    ).one()
    run = connection.execute(
        select(runs.c.code_version, runs.c.settings_hash, runs.c.calibration, runs.c.reference).where(
            runs.c.id == run_id
        )
    ).one()
    verdicts = select(vettings).where(vettings.c.candidate_id == candidate_id).order_by(vettings.c.id)
    return CandidateDetails(
        found[0],
        details,
        Run(**run._mapping),
        tuple(
            Vetting(row.candidate_id, row.author, row.created, row.verdict, row.comment)
            for row in connection.execute(verdicts)
        ),
        tuple(outbox.list_alerts(connection, candidate_id=candidate_id)),
    )


def record_vetting(
    connection: Connection, candidate_id: str, author: str, verdict: VettingDecision, comment: str, now: datetime
) -> None:
    """Record a verdict, unless it repeats the last one; a rejected candidate is retracted."""
    if connection.execute(select(1).where(candidates.c.id == candidate_id)).scalar() is None:
        raise _make_missing_error(candidate_id)
    last = (
        select(vettings.c.author, vettings.c.verdict, vettings.c.comment)
        .where(vettings.c.candidate_id == candidate_id)
        .order_by(vettings.c.id.desc())
        .limit(1)
    )
    given = (author, verdict, comment)
    if (before := connection.execute(last).one_or_none()) is None or tuple(before) != given:
        values = {"author": author, "verdict": verdict, "comment": comment, "created": now}
        connection.execute(insert(vettings).values(candidate_id=candidate_id, **values))
    if verdict is VettingDecision.REJECTED:
        _set_state(connection, candidate_id, CandidateState.RETRACTED, now)


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
        .where(_in_cone(detections.c.healpix, near), observations.c.is_current)
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
        for row, separation in zip(rows, _separations(rows, near).tolist(), strict=True)
        if separation <= near[2]
    ]


def _set_state(connection: Connection, candidate_id: str, state: CandidateState, now: datetime) -> None:
    """Change the state of a candidate; a superseded one stays superseded."""
    is_it = candidates.c.id == candidate_id
    before = connection.execute(select(candidates.c.state).where(is_it).with_for_update()).scalar()
    if before is None:
        raise _make_missing_error(candidate_id)
    if before not in (state, CandidateState.SUPERSEDED):
        connection.execute(update(candidates).where(is_it).values(state=state, updated=now))


def _load(connection: Connection, query: Select[Any]) -> list[StoredCandidate]:
    return [StoredCandidate(**row._mapping) for row in connection.execute(query)]


def _in_cone(column: ColumnElement[Any], near: Cone) -> ColumnElement[bool]:
    return or_(*(column.between(first, last) for first, last in cone_ranges(*near)))


def _separations(rows: Sequence[StoredCandidate | Row[Any]], near: Cone) -> F64:
    positions = np.array([(row.ra_deg, row.dec_deg) for row in rows], dtype=np.float64).reshape(-1, 2)
    return separation_deg(positions[:, 0], positions[:, 1], near[0], near[1])


def _make_missing_error(candidate_id: str) -> StoreError:
    return StoreError(f"candidate {candidate_id}: not in the store")


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
