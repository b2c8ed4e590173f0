"""Commit the results of claimed drops: observations, detections, candidates and alerts in one transaction.

A later processing of an observation supersedes the earlier one in the same transaction, so that never both are current.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy import Connection, bindparam, insert, select, text, update

from xherald.photons.errors import StoreError

from . import candidate_queries, outbox
from .drop_outcome import CommittedDrop, DropOutcome, DropResult, PriorState
from .drop_transitions import COMMITTED, UNCLAIMED, lock_drop
from .event_detections import (
    as_float,
    list_event_evidence,
    refresh_candidates,
    store_candidates,
)
from .field_history_query import query_field_history
from .healpix_cones import compute_healpix
from .place_queries import query_place_notes
from .position_history_query import query_position_history
from .records import (
    CandidateRecord,
    DetectionRecord,
    Json,
    ObservationRecord,
    Run,
    StoredCandidate,
    StoredDetection,
)
from .shared_state import read_state, write_state
from .states import DropState
from .supersession import IDENTITY, Predecessors, Processing, find_predecessors, supersede_drops
from .tables import detections, drops, map_tiles, observations, runs

__all__ = ["commit_results", "find_run_id"]

COMMIT_LOCK: Final = 0x7868_6572_616C_6402
"""Key of the lock under which results are committed in PostgreSQL; in SQLite there is one writer at a time anyway."""


@dataclass(slots=True)
class _Transaction:
    """A transaction with a cache of what several drops in it share: run ids and shared states."""

    connection: Connection
    now: datetime
    run_ids: dict[str, int] = field(default_factory=dict)
    states: dict[str, Json | None] = field(default_factory=dict)
    changed_by: dict[str, int] = field(default_factory=dict)

    def run_id(self, run: Run) -> int:
        if run.digest not in self.run_ids:
            self.run_ids[run.digest] = find_run_id(self.connection, run, self.now)
        return self.run_ids[run.digest]

    def state(self, name: str) -> Json | None:
        if name not in self.states:
            self.states[name] = read_state(self.connection, name, self.now, lock=True)
        return self.states[name]

    def set_states(self, states: Mapping[str, Json], run_id: int) -> None:
        self.states.update(states)
        self.changed_by.update(dict.fromkeys(states, run_id))

    def write_states(self) -> None:
        for name, run_id in self.changed_by.items():
            value = self.states[name]
            assert value is not None
            write_state(self.connection, name, value, run_id, self.now)


def commit_results(connection: Connection, results: Sequence[DropResult], now: datetime) -> list[CommittedDrop]:
    """Commit the results of drops one after another; a drop that was committed before is left unchanged."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": COMMIT_LOCK})
    transaction = _Transaction(connection, now)
    committed = [_commit(transaction, one) for one in results]
    transaction.write_states()
    return committed


def _commit(transaction: _Transaction, result: DropResult) -> CommittedDrop:
    """Commit one drop, except for the shared states, which are written at the end of the transaction."""
    connection, now = transaction.connection, transaction.now
    drop_id, records, outcome = result.drop_id, result.observations, result.outcome
    drop = lock_drop(connection, drop_id)
    if drop.state in COMMITTED:
        return CommittedDrop(False, drop)
    if drop.state is not DropState.CLAIMED:
        raise StoreError(f"drop {drop_id} ({drop.url}): is {drop.state.value}; only a claimed drop can be committed")
    _require_distinct(records)
    run_id = transaction.run_id(result.run)
    predecessors = [find_predecessors(connection, one, drop_id) for one in records]
    replaced = [processing for one in predecessors for processing in one.replaced]
    is_outdated = tuple(one.later is not None for one in predecessors)
    replaced_ids = [one.id for one in replaced]
    previous = candidate_queries.list_of_observations(connection, replaced_ids) if replaced else []
    if not isinstance(outcome, DropOutcome):
        outcome = outcome(_read_prior_state(transaction, previous, replaced_ids, is_outdated))
    withdrawn = {one.id for one in previous} - outcome.unchanged_ids | outcome.renewed_ids
    if withdrawn:
        outbox.withdraw(connection, sorted(withdrawn), now)
    _supersede_observations(connection, replaced)
    stored = _insert_observations(connection, drop_id, run_id, records, predecessors, now)
    store_candidates(connection, outcome.candidates, stored, run_id, now)
    own_ids = {one.id for one in outcome.candidates}
    concerned = own_ids.union(one.id for one in previous)
    suppressed_ids = own_ids & refresh_candidates(connection, concerned, now)
    suppressed_ids |= _find_outdated(outcome.candidates, stored)
    outbox.enqueue(connection, outcome.alerts, run_id, now, suppressed_ids=suppressed_ids)
    transaction.set_states(outcome.shared_states, run_id)
    superseded = supersede_drops(connection, drop_id, replaced, now)
    later_drops = [one.later.drop_id for one in predecessors if one.later is not None]
    later_drop = later_drops[0] if all(is_outdated) else None
    values = {
        "state": DropState.PROCESSED if later_drop is None else DropState.SUPERSEDED,
        "superseded_by": later_drop,
        "reason": None,
        "not_before": None,
        "updated": now,
        **UNCLAIMED,
    }
    statement = update(drops).where(drops.c.id == bindparam("drop_id"))
    connection.execute(statement, {"drop_id": drop_id, **values})
    outbox.mark_drops_alerted(connection, concerned, now)
    withheld = tuple(one for one in outcome.alerts if one.withheld)
    return CommittedDrop(True, replace(drop, **values), superseded, len(outcome.alerts) - len(withheld), withheld)


def _read_prior_state(
    transaction: _Transaction,
    previous: Sequence[StoredCandidate],
    replaced_ids: Sequence[int],
    is_outdated: tuple[bool, ...],
) -> PriorState:
    connection = transaction.connection
    return PriorState(
        replaced_candidates=tuple(previous),
        notified_sinks=outbox.find_notified_sinks(connection, [one.id for one in previous]),
        is_outdated=is_outdated,
        shared_state=transaction.state,
        position_history=partial(query_position_history, connection),
        field_history=partial(query_field_history, connection, without=replaced_ids),
        candidates_near=partial(candidate_queries.find_valid_near, connection),
        candidates_of=partial(candidate_queries.find_valid_of, connection),
        other_evidence=partial(list_event_evidence, connection, without=replaced_ids),
        place_notes=partial(query_place_notes, connection, now=transaction.now),
        find_notified=partial(outbox.find_notified_sinks, connection),
    )


def _find_outdated(records: Sequence[CandidateRecord], stored: Sequence[StoredDetection]) -> set[str]:
    """Ids of the candidates of an observation that a later processing has replaced already."""
    return {one.id for one in records if not one.find_detection(stored).is_current}


def find_run_id(connection: Connection, run: Run, now: datetime) -> int:
    """Id of a run's row, which is inserted if it is new."""
    query = select(runs.c.id).where(runs.c.digest == run.digest)
    if (found := connection.execute(query).scalar()) is None:
        values = {
            "digest": run.digest,
            "code_version": run.code_version,
            "settings_hash": run.settings_hash,
            "calibration": run.calibration,
            "reference": run.reference,
            "created": now,
        }
        connection.execute(outbox.insert_unless_exists(connection, runs).values(**values))
        found = connection.execute(query).scalar_one()
    return int(found)


def _require_distinct(records: Sequence[ObservationRecord]) -> None:
    if not records:
        raise StoreError("a drop needs at least one observation; quarantine a drop that has none")
    named = [tuple(getattr(one, name) for name in IDENTITY) for one in records if one.obs_id]
    if len(set(named)) < len(named):
        raise StoreError(f"{named[0][0]} {named[0][2]}: occurs twice in one drop; the parts must have different names")


def _supersede_observations(connection: Connection, replaced: Sequence[Processing]) -> None:
    """Mark replaced observations as not current."""
    if ids := [one.id for one in replaced]:
        connection.execute(update(observations).where(observations.c.id.in_(ids)).values(is_current=False))


def _insert_observations(
    connection: Connection,
    drop_id: int,
    run_id: int,
    records: Sequence[ObservationRecord],
    predecessors: Sequence[Predecessors],
    now: datetime,
) -> list[StoredDetection]:
    """Insert observations and their detections; returns the detections in the order of the records."""
    pixels = compute_healpix([one.ra_deg for one in records], [one.dec_deg for one in records])
    stored: list[StoredDetection] = []
    for record, before, pixel in zip(records, predecessors, pixels, strict=True):
        later = before.later
        row = {
            **{name: getattr(record, name) for name in (*IDENTITY, "processing_version", "start", "stop")},
            **{name: as_float(getattr(record, name)) for name in ("exposure_s", "ra_deg", "dec_deg")},
            "details": dict(record.details),
            "coverage": dict(record.coverage),
            "healpix": pixel,
            "drop_id": drop_id,
            "run_id": run_id,
            "detection_count": len(record.detections),
            "created": now,
            "is_current": later is None,
            "superseded_by": None if later is None else later.id,
        }
        [observation_id] = connection.execute(insert(observations).returning(observations.c.id), row).one()
        if before.replaced:
            ids = [one.id for one in before.replaced]
            connection.execute(
                update(observations).where(observations.c.id.in_(ids)).values(superseded_by=observation_id)
            )
        stored += _insert_detections(connection, observation_id, run_id, record.detections, later is None)
        if record.tiles:
            tiles = [
                {
                    "observation_id": observation_id,
                    "uniq": one.uniq,
                    "background_peak": float(one.background_peak),
                    "livetime_peak": float(one.livetime_peak),
                    "content": one.content,
                    "point_spread": dict(one.point_spread),
                }
                for one in record.tiles
            ]
            connection.execute(insert(map_tiles), tiles)
    return stored


def _insert_detections(
    connection: Connection, observation_id: int, run_id: int, records: Sequence[DetectionRecord], is_current: bool
) -> list[StoredDetection]:
    pixels = compute_healpix([one.ra_deg for one in records], [one.dec_deg for one in records])
    if records:
        rows = [
            {
                "observation_id": observation_id,
                "number": number,
                "run_id": run_id,
                "detection_id": one.detection_id,
                "ra_deg": as_float(one.ra_deg),
                "dec_deg": as_float(one.dec_deg),
                "healpix": pixel,
                "pos_err_arcsec": as_float(one.pos_err_arcsec),
                "counts": int(one.counts),
                "background_counts": float(one.background_counts),
                "livetime_s": float(one.livetime_s),
                "kind": one.kind,
                "score": as_float(one.score),
                "false_alarm_probability": as_float(one.false_alarm_probability),
                "extrapolated": None if one.extrapolated is None else bool(one.extrapolated),
                "far_hz": as_float(one.far_hz),
                "details": dict(one.details),
            }
            for number, (one, pixel) in enumerate(zip(records, pixels, strict=True))
        ]
        connection.execute(insert(detections), rows)
    return [StoredDetection(observation_id, number, pixel, is_current) for number, pixel in enumerate(pixels)]
