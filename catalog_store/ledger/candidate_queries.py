"""Questions about candidates and detections: since when, near what, of which class; and what people say of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, insert, or_, select, update

from xherald.photons.errors import StoreError
from xherald.photons.projection import separation_deg

from .healpix_cones import cone_ranges
from .records import (
    CandidateFile,
    CandidateState,
    DetectionRecord,
    HistoryEntry,
    Run,
    StoredCandidate,
    Vetting,
    VettingDecision,
)
from .tables import candidates, detections, drops, observations, runs, vettings

__all__ = ["candidate_file", "find", "history", "of_observations", "record_vetting", "set_state"]

Cone = tuple[float, float, float]
"""Right ascension, declination and radius, deg, ICRS."""

STORED = select(
    candidates.c.id,
    candidates.c.kind,
    candidates.c.source_class,
    candidates.c.score,
    candidates.c.far_hz,
    candidates.c.evidence,
    candidates.c.state,
    candidates.c.alert_type,
    candidates.c.created,
    candidates.c.updated,
    detections.c.ra,
    detections.c.dec,
    detections.c.pos_err_arcsec,
    detections.c.detection_id,
    detections.c.counts,
    detections.c.livetime_s,
    detections.c.false_alarm_probability,
    observations.c.mission,
    observations.c.instrument,
    observations.c.obs_id,
    observations.c.start,
    candidates.c.observation_id,
    observations.c.drop_id,
    drops.c.url,
).select_from(
    candidates.join(
        detections,
        and_(detections.c.observation_id == candidates.c.observation_id, detections.c.place == candidates.c.place),
    )
    .join(observations, observations.c.id == candidates.c.observation_id)
    .join(drops, drops.c.id == observations.c.drop_id)
)


def find(
    connection: Connection,
    *,
    since: datetime | None = None,
    near: Cone | None = None,
    kind: str | None = None,
    source_class: str | None = None,
    far_below: float | None = None,
    states: Collection[CandidateState] = (CandidateState.STANDING,),
    limit: int | None = None,
) -> list[StoredCandidate]:
    """Candidates that fit all that is asked, the latest first."""
    query = STORED.where(candidates.c.state.in_(states))
    if since is not None:
        query = query.where(candidates.c.created >= since)
    if kind is not None:
        query = query.where(candidates.c.kind == kind)
    if source_class is not None:
        query = query.where(candidates.c.source_class == source_class)
    if far_below is not None:
        query = query.where(candidates.c.far_hz < far_below)
    if near is None:
        return _stored(connection, query.order_by(candidates.c.created.desc(), candidates.c.id).limit(limit))
    # Sorted here, or SQLite reads along the times for their order instead of looking up the few in the cone; and what
    # lies in a pixel on the cone's rim but outside of it is cut before any limit.
    found = _stored(connection, query.where(_inside(candidates.c.healpix, near)))
    inside = (_separations(found, near) <= near[2]).tolist()
    there = [one for one, is_inside in zip(found, inside, strict=True) if is_inside]
    return sorted(sorted(there, key=lambda one: one.id), key=lambda one: one.created, reverse=True)[:limit]


def of_observations(connection: Connection, ids: Sequence[int]) -> list[StoredCandidate]:
    """Candidates of these observations, superseded ones left out."""
    query = STORED.where(
        candidates.c.observation_id.in_(ids), candidates.c.state != CandidateState.SUPERSEDED
    ).order_by(candidates.c.id)
    return _stored(connection, query)


def candidate_file(connection: Connection, candidate_id: str) -> CandidateFile:
    """All that is known of one candidate.

    Raises
    ------
    StoreError
        There is none of that id.
    """
    from .outbox import listed

    found = _stored(connection, STORED.where(candidates.c.id == candidate_id))
    if not found:
        raise _unknown(candidate_id)
    features, run = connection.execute(
        select(detections.c.features, candidates.c.run_id)
        .select_from(
            candidates.join(
                detections,
                and_(
                    detections.c.observation_id == candidates.c.observation_id, detections.c.place == candidates.c.place
                ),
            )
        )
        .where(candidates.c.id == candidate_id)
    ).one()
    made_by = connection.execute(
        select(runs.c.code, runs.c.config, runs.c.calibration, runs.c.reference).where(runs.c.id == run)
    ).one()
    said = select(vettings).where(vettings.c.candidate_id == candidate_id).order_by(vettings.c.id)
    return CandidateFile(
        found[0],
        features,
        Run(**made_by._mapping),
        tuple(Vetting(row.candidate_id, row.who, row.at, row.verdict, row.comment) for row in connection.execute(said)),
        tuple(listed(connection, candidate_id=candidate_id, state=None, limit=None)),
    )


def record_vetting(
    connection: Connection, candidate_id: str, who: str, verdict: VettingDecision, comment: str, now: datetime
) -> None:
    """Write down what a person says of a candidate; the same said twice running by one person is said once."""
    if connection.execute(select(1).where(candidates.c.id == candidate_id)).scalar() is None:
        raise _unknown(candidate_id)
    last = (
        select(vettings.c.who, vettings.c.verdict, vettings.c.comment)
        .where(vettings.c.candidate_id == candidate_id)
        .order_by(vettings.c.id.desc())
        .limit(1)
    )
    said = (who, verdict, comment)
    if (before := connection.execute(last).one_or_none()) is None or tuple(before) != said:
        values = {"who": who, "verdict": verdict, "comment": comment, "at": now}
        connection.execute(insert(vettings).values(candidate_id=candidate_id, **values))
    if verdict is VettingDecision.REJECTED:
        set_state(connection, candidate_id, CandidateState.RETRACTED, now)


def set_state(connection: Connection, candidate_id: str, state: CandidateState, now: datetime) -> None:
    """Change a candidate's state; a superseded one stays so, for another stands in its place."""
    one = candidates.c.id == candidate_id
    before = connection.execute(select(candidates.c.state).where(one).with_for_update()).scalar()
    if before is None:
        raise _unknown(candidate_id)
    if before not in (state, CandidateState.SUPERSEDED):
        connection.execute(update(candidates).where(one).values(state=state, updated=now))


def history(connection: Connection, near: Cone) -> list[HistoryEntry]:
    """Detections inside a cone, of observations that stand, in the order of their time."""
    query = (
        select(
            detections,
            observations.c.mission,
            observations.c.instrument,
            observations.c.obs_id,
            observations.c.start,
            observations.c.stop,
            candidates.c.id.label("candidate_id"),
        )
        .select_from(
            detections.join(observations, observations.c.id == detections.c.observation_id).outerjoin(
                candidates,
                and_(
                    candidates.c.observation_id == detections.c.observation_id, candidates.c.place == detections.c.place
                ),
            )
        )
        .where(_inside(detections.c.healpix, near), observations.c.current)
        .order_by(func.coalesce(observations.c.start, observations.c.stored), observations.c.id, detections.c.place)
    )
    rows = connection.execute(query).all()
    apart = _separations(rows, near)
    return [
        HistoryEntry(
            DetectionRecord(
                row.detection_id,
                row.ra,
                row.dec,
                row.counts,
                row.livetime_s,
                row.kind,
                row.background_counts,
                row.pos_err_arcsec,
                row.score,
                row.false_alarm_probability,
                row.far_hz,
                row.features,
            ),
            3600 * separation,
            row.mission,
            row.instrument,
            row.obs_id,
            row.start,
            row.stop,
            row.observation_id,
            row.candidate_id,
        )
        for row, separation in zip(rows, apart.tolist(), strict=True)
        if separation <= near[2]
    ]


def _stored(connection: Connection, query: Select[Any]) -> list[StoredCandidate]:
    return [StoredCandidate(**row._mapping) for row in connection.execute(query)]


def _inside(column: ColumnElement[Any], near: Cone) -> ColumnElement[bool]:
    return or_(*(column.between(first, last) for first, last in cone_ranges(*near)))


def _separations(rows: Sequence[StoredCandidate | Row[Any]], near: Cone) -> np.ndarray[Any, np.dtype[np.float64]]:
    place = np.array([(row.ra, row.dec) for row in rows], dtype=np.float64).reshape(-1, 2)
    return separation_deg(place[:, 0], place[:, 1], near[0], near[1])


def _unknown(candidate_id: str) -> StoreError:
    return StoreError(f"candidate {candidate_id}: the store holds no such candidate")
