"""Commit the results of claimed drops: observations, detections, candidates and alerts in one transaction.

A later processing of an observation supersedes the earlier one in the same transaction, so that never both are current.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, bindparam, exists, insert, select, update

from xherald.photons.errors import StoreError

from . import candidate_queries, outbox
from .drop_outcome import CommittedDrop, DropOutcome, DropResult, PriorState
from .drop_transitions import COMMITTED, UNCLAIMED, lock_drop
from .healpix_cones import compute_healpix
from .position_history_query import query_position_history
from .records import CandidateRecord, DetectionRecord, Json, ObservationRecord, Run
from .shared_state import read_state, write_state
from .states import CandidateState, DropState
from .tables import candidates, detections, drops, map_tiles, observations, runs

__all__ = ["commit_results", "find_run_id", "version_key"]

IDENTITY: Final = ("mission", "instrument", "obs_id", "part")
"""Columns that identify an observation, whatever its processing."""


@dataclass(frozen=True, slots=True)
class _CurrentProcessing:
    """The processing of an observation that is current so far, and whether it is later than the one being committed."""

    id: int
    drop_id: int
    is_later: bool


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
    current = [_find_current(connection, one, drop_id) for one in records]
    replaced = [one for one in current if one is not None and not one.is_later]
    is_outdated = tuple(one is not None and one.is_later for one in current)
    previous = candidate_queries.list_of_observations(connection, [one.id for one in replaced]) if replaced else []
    notified = outbox.find_notified_sinks(connection, [one.id for one in previous])
    if not isinstance(outcome, DropOutcome):
        history = partial(query_position_history, connection)
        outcome = outcome(PriorState(tuple(previous), notified, is_outdated, transaction.state, history))
    if notified:
        outbox.withdraw(connection, list(notified), now)
    _supersede_observations(connection, replaced, now)
    stored = _insert_observations(connection, drop_id, run_id, records, current, now)
    suppressed_ids = _store_candidates(connection, outcome.candidates, stored, run_id, replaced, now)
    outbox.enqueue(connection, outcome.alerts, run_id, now, suppressed_ids=suppressed_ids)
    transaction.set_states(outcome.shared_states, run_id)
    superseded = _supersede_drops(connection, drop_id, replaced, now)
    later_drop = next((one.drop_id for one in current if one is not None), None) if all(is_outdated) else None
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
    return CommittedDrop(True, replace(drop, **values), superseded, len(outcome.alerts))


def version_key(version: str) -> tuple[tuple[int, str], ...]:
    """Sort key of processing versions: digits compare as numbers and sort after text."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.findall(r"\d+|\D+", version))


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


def _find_current(connection: Connection, record: ObservationRecord, drop_id: int) -> _CurrentProcessing | None:
    """The current processing of the same observation; of equal versions the drop that was seen last is later."""
    if not record.obs_id:
        return None
    same = [observations.c[name] == getattr(record, name) for name in IDENTITY]
    query = select(observations.c.id, observations.c.drop_id, observations.c.processing_version)
    row = connection.execute(query.where(*same, observations.c.is_current).with_for_update()).one_or_none()
    if row is None:
        return None
    theirs, ours = version_key(row.processing_version), version_key(record.processing_version)
    is_later = theirs > ours or (theirs == ours and row.drop_id > drop_id)
    return _CurrentProcessing(row.id, row.drop_id, is_later)


def _supersede_observations(connection: Connection, replaced: Sequence[_CurrentProcessing], now: datetime) -> None:
    """Mark replaced observations as not current and their candidates as superseded."""
    ids = [one.id for one in replaced]
    if ids:
        connection.execute(update(observations).where(observations.c.id.in_(ids)).values(is_current=False))
        theirs = update(candidates).where(
            candidates.c.observation_id.in_(ids), candidates.c.state == CandidateState.STANDING
        )
        connection.execute(theirs.values(state=CandidateState.SUPERSEDED, updated=now))


@dataclass(frozen=True, slots=True)
class _StoredDetection:
    """Key of a stored detection, and the columns that its candidate shares."""

    observation_id: int
    number: int
    healpix: int | None
    is_current: bool


def _insert_observations(
    connection: Connection,
    drop_id: int,
    run_id: int,
    records: Sequence[ObservationRecord],
    current: Sequence[_CurrentProcessing | None],
    now: datetime,
) -> list[_StoredDetection]:
    """Insert observations and their detections; returns the detections in the order of the records."""
    pixels = compute_healpix([one.ra_deg for one in records], [one.dec_deg for one in records])
    stored: list[_StoredDetection] = []
    for record, other, pixel in zip(records, current, pixels, strict=True):
        later = other if other is not None and other.is_later else None
        row = {
            **{name: getattr(record, name) for name in (*IDENTITY, "processing_version", "start", "stop")},
            **{name: _as_float(getattr(record, name)) for name in ("exposure_s", "ra_deg", "dec_deg")},
            "details": dict(record.details),
            "healpix": pixel,
            "drop_id": drop_id,
            "run_id": run_id,
            "detection_count": len(record.detections),
            "created": now,
            "is_current": later is None,
            "superseded_by": None if later is None else later.id,
        }
        [observation_id] = connection.execute(insert(observations).returning(observations.c.id), row).one()
        if other is not None and later is None:
            connection.execute(
                update(observations).where(observations.c.id == other.id).values(superseded_by=observation_id)
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
) -> list[_StoredDetection]:
    pixels = compute_healpix([one.ra_deg for one in records], [one.dec_deg for one in records])
    if records:
        rows = [
            {
                "observation_id": observation_id,
                "number": number,
                "run_id": run_id,
                "detection_id": one.detection_id,
                "ra_deg": _as_float(one.ra_deg),
                "dec_deg": _as_float(one.dec_deg),
                "healpix": pixel,
                "pos_err_arcsec": _as_float(one.pos_err_arcsec),
                "counts": int(one.counts),
                "background_counts": float(one.background_counts),
                "livetime_s": float(one.livetime_s),
                "kind": one.kind,
                "score": _as_float(one.score),
                "false_alarm_probability": _as_float(one.false_alarm_probability),
                "extrapolated": None if one.extrapolated is None else bool(one.extrapolated),
                "far_hz": _as_float(one.far_hz),
                "details": dict(one.details),
            }
            for number, (one, pixel) in enumerate(zip(records, pixels, strict=True))
        ]
        connection.execute(insert(detections), rows)
    return [_StoredDetection(observation_id, number, pixel, is_current) for number, pixel in enumerate(pixels)]


def _store_candidates(
    connection: Connection,
    records: Sequence[CandidateRecord],
    stored: Sequence[_StoredDetection],
    run_id: int,
    replaced: Sequence[_CurrentProcessing],
    now: datetime,
) -> set[str]:
    """Insert candidates, or update the rows of those stored again; returns the ids of those that are not standing."""
    ids = [one.id for one in records]
    if not ids:
        return set()
    if len(set(ids)) < len(ids):
        raise StoreError(f"candidate {next(one for one in ids if ids.count(one) > 1)}: occurs twice in one drop")
    existing = _lock_existing(connection, ids)
    replaced_ids = {one.id for one in replaced}
    new: list[dict[str, Any]] = []
    suppressed_ids: set[str] = set()
    for one in records:
        if not 0 <= one.detection_index < len(stored):
            raise StoreError(
                f"candidate {one.id}: refers to detection {one.detection_index}, but the drop has {len(stored)}"
            )
        detection = stored[one.detection_index]
        state = CandidateState.STANDING if detection.is_current else CandidateState.SUPERSEDED
        row = _candidate_row(one, detection, run_id, now)
        if one.id not in existing:
            new.append({**row, "id": one.id, "state": state, "created": now})
        else:
            observation_id, before = existing[one.id]
            if observation_id not in replaced_ids and before is not CandidateState.SUPERSEDED:
                raise StoreError(f"candidate {one.id}: the id belongs to a candidate of another observation")
            if not detection.is_current:  # the row holds the result of the later processing, which is valid
                suppressed_ids.add(one.id)
                continue
            state = CandidateState.RETRACTED if before is CandidateState.RETRACTED else state
            connection.execute(update(candidates).where(candidates.c.id == one.id).values(**row, state=state))
        if state is not CandidateState.STANDING:
            suppressed_ids.add(one.id)
    if new:
        connection.execute(insert(candidates), new)
    return suppressed_ids


def _lock_existing(connection: Connection, ids: Sequence[str]) -> Mapping[str, tuple[int, CandidateState]]:
    query = select(candidates.c.id, candidates.c.observation_id, candidates.c.state).where(candidates.c.id.in_(ids))
    return {row.id: (row.observation_id, row.state) for row in connection.execute(query.with_for_update())}


def _candidate_row(one: CandidateRecord, detection: _StoredDetection, run_id: int, now: datetime) -> dict[str, Any]:
    return {
        "observation_id": detection.observation_id,
        "detection_number": detection.number,
        "run_id": run_id,
        "kind": one.kind,
        "likely_class": one.likely_class,
        "score": _as_float(one.score),
        "far_hz": _as_float(one.far_hz),
        "healpix": detection.healpix,
        "evidence": dict(one.evidence),
        "updated": now,
    }


def _supersede_drops(
    connection: Connection, drop_id: int, replaced: Sequence[_CurrentProcessing], now: datetime
) -> tuple[int, ...]:
    """Mark drops without a current observation as superseded; returns their ids."""
    concerned = sorted({one.drop_id for one in replaced})
    if not concerned:
        return ()
    has_current = exists().where(observations.c.drop_id == drops.c.id, observations.c.is_current)
    condition = (drops.c.id.in_(concerned), drops.c.id != drop_id, ~has_current)
    done = connection.execute(select(drops.c.id).where(*condition)).scalars().all()
    values = {"state": DropState.SUPERSEDED, "superseded_by": drop_id, "updated": now}
    connection.execute(update(drops).where(drops.c.id.in_(done)).values(**values))
    return tuple(done)


def _as_float(value: float | None) -> float | None:
    # numpy scalars would be stored as their bytes.
    return None if value is None else float(value)
