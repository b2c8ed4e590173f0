"""What becomes of a claimed drop: its observations, detections, candidates and alerts, in one transaction.

A later processing of an observation supersedes the earlier one there and then, so that at no instant both stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, Row, bindparam, exists, insert, select, update

from xherald.photons.errors import StoreError

from . import candidate_queries as questions
from . import outbox
from .drop_steps import DONE, UNCLAIMED, locked
from .healpix_cones import healpix_of
from .position_history_query import history_at_position
from .records import (
    CandidateRecord,
    CandidateState,
    DetectionRecord,
    DropOutcome,
    DropState,
    Finished,
    Json,
    ObservationRecord,
    PriorState,
    Run,
)
from .tables import candidates, detections, drops, fields, observations, runs, stream_states

__all__ = ["Decide", "DropResult", "commit_results", "run_id_of", "stream_state", "version_key", "write_stream_state"]

Decide: TypeAlias = Callable[[PriorState], DropOutcome]
"""What comes of a drop, given what stands. It may be called again when another process came between."""

IDENTITY: Final = ("mission", "instrument", "obs_id", "part")


@dataclass(frozen=True, slots=True)
class DropResult:
    """What a claimed drop gave.

    Parameters
    ----------
    drop_id : int
    run : Run
    observations : sequence of ObservationRecord — at least one, detections included
    verdict : DropOutcome or callable — see `Store.finish`
    """

    drop_id: int
    run: Run
    observations: Sequence[ObservationRecord]
    verdict: DropOutcome | Decide = DropOutcome()  # noqa: RUF009 - frozen


@dataclass(frozen=True, slots=True)
class _Earlier:
    """The processing of an observation that stands already."""

    id: int
    drop_id: int
    is_later: bool


@dataclass(slots=True)
class _Memory:
    """What the steps of one transaction need not ask or write more than once: runs by digest, states of the stream."""

    connection: Connection
    now: datetime
    runs: dict[str, int] = field(default_factory=dict)
    states: dict[str, Json | None] = field(default_factory=dict)
    decided: dict[str, int] = field(default_factory=dict)

    def run_id(self, run: Run) -> int:
        if run.digest not in self.runs:
            self.runs[run.digest] = run_id_of(self.connection, run, self.now)
        return self.runs[run.digest]

    def state(self, name: str) -> Json | None:
        if name not in self.states:
            self.states[name] = stream_state(self.connection, name, self.now, to_be_written=True)
        return self.states[name]

    def decide(self, states: Mapping[str, Json], run_id: int) -> None:
        self.states.update(states)
        self.decided.update(dict.fromkeys(states, run_id))

    def write(self) -> None:
        for name, run_id in self.decided.items():
            value = self.states[name]
            assert value is not None
            write_stream_state(self.connection, name, value, run_id, self.now)


def commit_results(connection: Connection, endings: Sequence[DropResult], now: datetime) -> list[Finished]:
    """Keep what drops gave, one after another; nothing happens to one that was finished before."""
    memory = _Memory(connection, now)
    done = [_finish(memory, one) for one in endings]
    memory.write()
    return done


def _finish(memory: _Memory, ending: DropResult) -> Finished:
    """Keep what a drop gave, all but the states of the stream, which the last of the transaction leaves."""
    connection, now = memory.connection, memory.now
    drop_id, records, verdict = ending.drop_id, ending.observations, ending.verdict
    drop = locked(connection, drop_id)
    if drop.state in DONE:
        return Finished(False, drop)
    if drop.state is not DropState.CLAIMED:
        raise StoreError(f"drop {drop_id} ({drop.url}): is {drop.state.value}; only a claimed drop can be finished")
    _require_told_apart(records)
    run_id = memory.run_id(ending.run)
    earlier = [_earlier(connection, one, drop_id) for one in records]
    replaced = [one for one in earlier if one is not None and not one.is_later]
    outdated = tuple(one is not None and one.is_later for one in earlier)
    before = questions.of_observations(connection, [one.id for one in replaced]) if replaced else []
    told = outbox.announced(connection, [one.id for one in before])
    if not isinstance(verdict, DropOutcome):
        history = partial(history_at_position, connection)
        verdict = verdict(PriorState(tuple(before), told, outdated, memory.state, history))
    if told:
        outbox.withdraw(connection, list(told), now)
    _step_aside(connection, replaced, now)
    places = _keep(connection, drop_id, run_id, records, earlier, now)
    suppressed_ids = _keep_candidates(connection, verdict.candidates, places, run_id, replaced, now)
    outbox.enqueue(connection, verdict.alerts, run_id, now, suppressed_ids=suppressed_ids)
    memory.decide(verdict.stream_state, run_id)
    superseded = _supersede_drops(connection, drop_id, replaced, now)
    by = next((one.drop_id for one in earlier if one is not None), None) if all(outdated) else None
    state = DropState.PROCESSED if by is None else DropState.SUPERSEDED
    values = {"state": state, "superseded_by": by, "reason": None, "not_before": None, "changed": now, **UNCLAIMED}
    connection.execute(update(drops).where(drops.c.id == bindparam("this")), {"this": drop_id, **values})
    return Finished(True, replace(drop, **values), superseded, len(verdict.alerts))


def version_key(version: str) -> tuple[tuple[int, str], ...]:
    """Sorting key of processing versions: runs of digits as numbers, above text."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.findall(r"\d+|\D+", version))


def run_id_of(connection: Connection, run: Run, now: datetime) -> int:
    """Number of a run's row, written if it is new."""
    number = select(runs.c.id).where(runs.c.digest == run.digest)
    if (found := connection.execute(number).scalar()) is None:
        facts = {"code": run.code, "config": run.config, "calibration": run.calibration, "reference": run.reference}
        connection.execute(outbox.insert_unless_there(connection, runs).values(digest=run.digest, created=now, **facts))
        found = connection.execute(number).scalar_one()
    return int(found)


def stream_state(connection: Connection, name: str, now: datetime, *, to_be_written: bool = False) -> Json | None:
    """A state of the stream; None where it was never written."""
    query = select(stream_states.c.value).where(stream_states.c.name == name)
    if not to_be_written:
        return _value(connection.execute(query).one_or_none())
    row = connection.execute(query.with_for_update()).one_or_none()
    if row is None:  # a row to lock, before there is any state in it
        empty = outbox.insert_unless_there(connection, stream_states).values(name=name, value=None, updated=now)
        connection.execute(empty)
        row = connection.execute(query.with_for_update()).one_or_none()
    return _value(row)


def write_stream_state(connection: Connection, name: str, value: Json, run_id: int | None, now: datetime) -> None:
    """Replace a state of the stream."""
    facts = {"value": dict(value), "run_id": run_id, "updated": now}
    row = outbox.dialect_insert(connection, stream_states).values(name=name, **facts)
    connection.execute(row.on_conflict_do_update(index_elements=["name"], set_=facts))


def _value(row: Row[Any] | None) -> Json | None:
    value: Json | None = None if row is None else row[0]
    return value


def _require_told_apart(records: Sequence[ObservationRecord]) -> None:
    if not records:
        raise StoreError("a drop has at least one observation; quarantine it if it has none")
    named = [tuple(getattr(one, name) for name in IDENTITY) for one in records if one.obs_id]
    if len(set(named)) < len(named):
        raise StoreError(f"{named[0][0]} {named[0][2]}: occurs twice in one drop; tell the parts apart")


def _earlier(connection: Connection, record: ObservationRecord, drop_id: int) -> _Earlier | None:
    """What stands of the same observation; of equal versions the drop that was seen last is the later one."""
    if not record.obs_id:
        return None
    same = [observations.c[name] == getattr(record, name) for name in IDENTITY]
    query = select(observations.c.id, observations.c.drop_id, observations.c.processing_version)
    row = connection.execute(query.where(*same, observations.c.current).with_for_update()).one_or_none()
    if row is None:
        return None
    theirs, ours = version_key(row.processing_version), version_key(record.processing_version)
    is_later = theirs > ours or (theirs == ours and row.drop_id > drop_id)
    return _Earlier(row.id, row.drop_id, is_later)


def _step_aside(connection: Connection, replaced: Sequence[_Earlier], now: datetime) -> None:
    """Observations and candidates that a later processing takes the place of."""
    ids = [one.id for one in replaced]
    if ids:
        connection.execute(update(observations).where(observations.c.id.in_(ids)).values(current=False))
        suppressed_ids = update(candidates).where(
            candidates.c.observation_id.in_(ids), candidates.c.state == CandidateState.STANDING
        )
        connection.execute(suppressed_ids.values(state=CandidateState.SUPERSEDED, updated=now))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a detection is kept, and what of it candidates repeat."""

    observation_id: int
    place: int
    healpix: int | None
    stands: bool


def _keep(
    connection: Connection,
    drop_id: int,
    run_id: int,
    records: Sequence[ObservationRecord],
    earlier: Sequence[_Earlier | None],
    now: datetime,
) -> list[_Place]:
    """Write observations and detections; answers where each detection is, in their order."""
    pixels = healpix_of([one.ra for one in records], [one.dec for one in records])
    places: list[_Place] = []
    for record, other, pixel in zip(records, earlier, pixels, strict=True):
        later = other if other is not None and other.is_later else None
        row = {
            **{name: getattr(record, name) for name in (*IDENTITY, "processing_version", "start", "stop")},
            **{name: _number(getattr(record, name)) for name in ("exposure_s", "ra", "dec")},
            "facts": dict(record.facts),
            "healpix": pixel,
            "drop_id": drop_id,
            "run_id": run_id,
            "detections": len(record.detections),
            "stored": now,
            "current": later is None,
            "superseded_by": None if later is None else later.id,
        }
        [observation_id] = connection.execute(insert(observations).returning(observations.c.id), row).one()
        if other is not None and later is None:
            connection.execute(
                update(observations).where(observations.c.id == other.id).values(superseded_by=observation_id)
            )
        places += _keep_detections(connection, observation_id, run_id, record.detections, later is None)
        if record.tiles:
            tiles = [
                {
                    "observation_id": observation_id,
                    "uniq": one.uniq,
                    "background_peak": float(one.background_peak),
                    "livetime_peak": float(one.livetime_peak),
                    "content": one.content,
                    "spread": dict(one.spread),
                }
                for one in record.tiles
            ]
            connection.execute(insert(fields), tiles)
    return places


def _keep_detections(
    connection: Connection, observation_id: int, run_id: int, records: Sequence[DetectionRecord], stands: bool
) -> list[_Place]:
    pixels = healpix_of([one.ra for one in records], [one.dec for one in records])
    if records:
        rows = [
            {
                "observation_id": observation_id,
                "place": place,
                "run_id": run_id,
                "detection_id": one.detection_id,
                "ra": _number(one.ra),
                "dec": _number(one.dec),
                "healpix": pixel,
                "pos_err_arcsec": _number(one.pos_err_arcsec),
                "counts": int(one.counts),
                "background_counts": float(one.background_counts),
                "livetime_s": float(one.livetime_s),
                "kind": one.kind,
                "score": _number(one.score),
                "false_alarm_probability": _number(one.false_alarm_probability),
                "far_hz": _number(one.far_hz),
                "features": dict(one.features),
            }
            for place, (one, pixel) in enumerate(zip(records, pixels, strict=True))
        ]
        connection.execute(insert(detections), rows)
    return [_Place(observation_id, place, pixel, stands) for place, pixel in enumerate(pixels)]


def _keep_candidates(
    connection: Connection,
    records: Sequence[CandidateRecord],
    places: Sequence[_Place],
    run_id: int,
    replaced: Sequence[_Earlier],
    now: datetime,
) -> set[str]:
    """Write candidates, those borne on under their id in their old rows; answers which of them do not stand."""
    ids = [one.id for one in records]
    if not ids:
        return set()
    if len(set(ids)) < len(ids):
        raise StoreError(f"candidate {next(one for one in ids if ids.count(one) > 1)}: is named twice in one drop")
    known = _known(connection, ids)
    old = {one.id for one in replaced}
    new: list[dict[str, Any]] = []
    suppressed_ids: set[str] = set()
    for one in records:
        if not 0 <= one.place < len(places):
            raise StoreError(f"candidate {one.id}: is of detection {one.place}, and the drop has {len(places)}")
        where = places[one.place]
        state = CandidateState.STANDING if where.stands else CandidateState.SUPERSEDED
        row = _candidate_row(one, where, run_id, now)
        if one.id not in known:
            new.append({**row, "id": one.id, "state": state, "created": now})
        else:
            observation_id, before = known[one.id]
            if observation_id not in old and before is not CandidateState.SUPERSEDED:
                raise StoreError(f"candidate {one.id}: the store has one of that id, of another observation")
            if not where.stands:  # the later processing's word on it counts, and this one is not written over it
                suppressed_ids.add(one.id)
                continue
            state = CandidateState.RETRACTED if before is CandidateState.RETRACTED else state
            connection.execute(update(candidates).where(candidates.c.id == one.id).values(**row, state=state))
        if state is not CandidateState.STANDING:
            suppressed_ids.add(one.id)
    if new:
        connection.execute(insert(candidates), new)
    return suppressed_ids


def _known(connection: Connection, ids: Sequence[str]) -> Mapping[str, tuple[int, CandidateState]]:
    query = select(candidates.c.id, candidates.c.observation_id, candidates.c.state).where(candidates.c.id.in_(ids))
    return {row.id: (row.observation_id, row.state) for row in connection.execute(query.with_for_update())}


def _candidate_row(one: CandidateRecord, where: _Place, run_id: int, now: datetime) -> dict[str, Any]:
    return {
        "observation_id": where.observation_id,
        "place": where.place,
        "run_id": run_id,
        "kind": one.kind,
        "source_class": one.source_class,
        "score": _number(one.score),
        "far_hz": _number(one.far_hz),
        "healpix": where.healpix,
        "evidence": dict(one.evidence),
        "updated": now,
    }


def _supersede_drops(
    connection: Connection, drop_id: int, replaced: Sequence[_Earlier], now: datetime
) -> tuple[int, ...]:
    """Drops none of whose observations stands any longer; answers which."""
    concerned = sorted({one.drop_id for one in replaced})
    if not concerned:
        return ()
    stands = exists().where(observations.c.drop_id == drops.c.id, observations.c.current)
    these = (drops.c.id.in_(concerned), drops.c.id != drop_id, ~stands)
    done = connection.execute(select(drops.c.id).where(*these)).scalars().all()
    values = {"state": DropState.SUPERSEDED, "superseded_by": drop_id, "changed": now}
    connection.execute(update(drops).where(drops.c.id.in_(done)).values(**values))
    return tuple(done)


def _number(value: float | None) -> float | None:
    # numpy's own numbers would be kept as their bytes.
    return None if value is None else float(value)
