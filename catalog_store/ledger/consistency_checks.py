"""What cannot be in a store that only xherald wrote, each finding with what it means: `xherald store check`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    and_,
    exists,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.exc import DatabaseError

from .field_tiles import is_whole
from .healpix_cones import healpix_of
from .history_records import FieldTile
from .records import AlertState, AlertType, CandidateState, DropState
from .tables import alerts, candidates, detections, drops, fields, metadata, observations

__all__ = ["Inconsistency", "check"]

SHOWN: Final = 5
"""Rows named in one finding; the rest is counted."""

LOT: Final = 50_000
LOT_OF_TILES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Inconsistency:
    """Something that is wrong, or will put itself right.

    Parameters
    ----------
    what : str — one word for it
    rows : int — how many rows it concerns
    examples : tuple of str — some of them
    meaning : str — what it means, and what to do
    passing : bool — whether it is part of ordinary life, and needs nobody
    """

    what: str
    rows: int
    examples: tuple[str, ...]
    meaning: str
    passing: bool = False


@dataclass(frozen=True, slots=True)
class _Rule:
    what: str
    label: ColumnElement[Any]
    wrong: Callable[[datetime], ColumnElement[bool]]
    meaning: str
    origin: FromClause
    passing: bool = False


def _has(table: Table, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(select(1).select_from(table).where(*conditions).correlate_except(table))


RESULTS: Final = (DropState.PROCESSED, DropState.ALERTED)
KEPT: Final = (*RESULTS, DropState.SUPERSEDED)

RULES: Final = (
    _Rule(
        "claim-without-worker",
        drops.c.id,
        lambda _: and_(
            drops.c.state == DropState.CLAIMED, or_(drops.c.claimed_by.is_(None), drops.c.claim_expires.is_(None))
        ),
        "a drop is claimed, and by nobody or for ever: it would never be taken up again; release it",
        drops,
    ),
    _Rule(
        "worker-without-claim",
        drops.c.id,
        lambda _: and_(drops.c.state != DropState.CLAIMED, drops.c.claimed_by.is_not(None)),
        "a drop names a worker, but is not claimed: its row was changed by hand",
        drops,
    ),
    _Rule(
        "claim-expired",
        drops.c.id,
        lambda now: and_(drops.c.state == DropState.CLAIMED, drops.c.claim_expires <= now),
        "the worker did not finish in time or is dead; the next claim takes the drop up",
        drops,
        passing=True,
    ),
    _Rule(
        "content-unknown",
        drops.c.id,
        lambda _: and_(drops.c.sha256.is_(None), drops.c.state.not_in([DropState.SEEN, DropState.QUARANTINED])),
        "a drop went on without its content's hash: the same content could be taken twice",
        drops,
    ),
    _Rule(
        "quarantined-without-reason",
        drops.c.id,
        lambda _: and_(
            drops.c.state == DropState.QUARANTINED, or_(drops.c.reason.is_(None), func.trim(drops.c.reason) == "")
        ),
        "a drop was set aside and nobody knows why; release it, and it is tried anew",
        drops,
    ),
    _Rule(
        "processed-without-observation",
        drops.c.id,
        lambda _: and_(drops.c.state.in_(KEPT), ~_has(observations, observations.c.drop_id == drops.c.id)),
        "a drop counts as processed, but its results are not there; restore them from a backup",
        drops,
    ),
    _Rule(
        "observation-of-unfinished-drop",
        observations.c.id,
        lambda _: _has(drops, drops.c.id == observations.c.drop_id, drops.c.state.not_in(KEPT)),
        "results are kept of a drop that is not processed: it would be processed again",
        observations,
    ),
    _Rule(
        "superseded-by-nothing",
        drops.c.id,
        lambda _: and_(drops.c.state.in_([DropState.SUPERSEDED, DropState.DUPLICATE]), drops.c.superseded_by.is_(None)),
        "a drop gave way to another, and none is named",
        drops,
    ),
    _Rule(
        "superseded-but-current",
        observations.c.id,
        lambda _: and_(
            observations.c.current,
            or_(
                observations.c.superseded_by.is_not(None),
                _has(drops, drops.c.id == observations.c.drop_id, drops.c.state == DropState.SUPERSEDED),
            ),
        ),
        "an observation stands although a later processing took its place: its sources count twice",
        observations,
    ),
    _Rule(
        "neither-current-nor-superseded",
        observations.c.id,
        lambda _: and_(~observations.c.current, observations.c.superseded_by.is_(None)),
        "an observation does not stand, and nothing took its place: its sources do not count at all",
        observations,
    ),
    _Rule(
        "detections-missing",
        observations.c.id,
        lambda _: and_(
            observations.c.pruned.is_(None),
            observations.c.detections
            != select(func.count())
            .where(detections.c.observation_id == observations.c.id)
            .correlate(observations)
            .scalar_subquery(),
        ),
        "an observation has more or fewer detections than were written with it; restore them from a backup",
        observations,
    ),
    _Rule(
        "candidate-of-superseded-observation",
        candidates.c.id,
        lambda _: and_(
            candidates.c.state == CandidateState.STANDING,
            _has(observations, observations.c.id == candidates.c.observation_id, ~observations.c.current),
        ),
        "a candidate stands on a processing that a later one took the place of; vet it anew",
        candidates,
    ),
    _Rule(
        "candidate-without-detection",
        candidates.c.id,
        lambda _: (
            ~_has(
                detections,
                detections.c.observation_id == candidates.c.observation_id,
                detections.c.place == candidates.c.place,
            )
        ),
        "a candidate's detection is gone: nobody can say where it is; restore it from a backup",
        candidates,
    ),
    _Rule(
        "alert-without-candidate",
        alerts.c.id,
        lambda _: ~_has(candidates, candidates.c.id == alerts.c.candidate_id),
        "an alert is of a candidate that is not there: it cannot be answered for; restore it from a backup",
        alerts,
    ),
    _Rule(
        "alert-settled-without-time",
        alerts.c.id,
        lambda _: (alerts.c.state != AlertState.PENDING) != alerts.c.settled.is_not(None),
        "an alert is out without a time, or has a time and is not out: its row was changed by hand",
        alerts,
    ),
    _Rule(
        "alert-untried-of-superseded-candidate",
        alerts.c.id,
        lambda _: and_(
            alerts.c.state == AlertState.PENDING,
            alerts.c.attempts == 0,
            alerts.c.alert_type != AlertType.RETRACTION,
            _has(candidates, candidates.c.id == alerts.c.candidate_id, candidates.c.state == CandidateState.SUPERSEDED),
        ),
        "an alert would announce a candidate that no longer stands; it should have been withdrawn",
        alerts,
    ),
    _Rule(
        "alert-lease-expired",
        alerts.c.id,
        lambda now: and_(alerts.c.state == AlertState.PENDING, alerts.c.leased_until <= now),
        "the dispatcher did not say what became of it; it is sent again under the same id",
        alerts,
        passing=True,
    ),
    _Rule(
        "alert-given-up",
        alerts.c.id,
        lambda _: alerts.c.state == AlertState.FAILED,
        "its sink refused it for good; see its error, and replay it when the sink is mended",
        alerts,
        passing=True,
    ),
    _Rule(
        "drop-not-alerted",
        drops.c.id,
        lambda _: and_(
            drops.c.state == DropState.PROCESSED,
            _alerts_of_drop(alerts.c.state == AlertState.SENT),
            ~_alerts_of_drop(alerts.c.state.in_([AlertState.PENDING, AlertState.FAILED])),
        ),
        "all alerts of a drop are out, and the drop does not say so",
        drops,
    ),
)


def _alerts_of_drop(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    joined = (
        select(1)
        .select_from(
            observations.join(candidates, candidates.c.observation_id == observations.c.id).join(
                alerts, alerts.c.candidate_id == candidates.c.id
            )
        )
        .where(observations.c.drop_id == drops.c.id, condition)
        .correlate(drops)
    )
    return exists(joined)


def check(connection: Connection, now: datetime) -> list[Inconsistency]:
    """All that is wrong, the grave first."""
    if broken := list(_broken_file(connection)):
        return broken  # nothing that is read from it can be relied on
    found = list(_orphans(connection))
    for rule in RULES:
        found += _rows(connection, rule, now)
    found += [one for table in (detections, candidates) if (one := _misplaced(connection, table)) is not None]
    found += _damaged_fields(connection)
    return sorted(found, key=lambda one: one.passing)


def _rows(connection: Connection, rule: _Rule, now: datetime) -> Iterator[Inconsistency]:
    query: Select[Any] = select(rule.label).select_from(rule.origin).where(rule.wrong(now))
    number = connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    if number:
        named = connection.execute(query.order_by(rule.label).limit(SHOWN)).scalars()
        yield Inconsistency(rule.what, number, tuple(str(one) for one in named), rule.meaning, rule.passing)


def _broken_file(connection: Connection) -> Iterator[Inconsistency]:
    if connection.dialect.name != "sqlite":
        return
    try:
        said = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check"))]
    except DatabaseError as fault:  # so badly that SQLite cannot even look
        said = [str(fault.orig)]
    if said != ["ok"]:
        meaning = "SQLite finds the file damaged; restore it from a backup"
        yield Inconsistency("file-damaged", len(said), tuple(said[:SHOWN]), meaning)


def _damaged_fields(connection: Connection) -> Iterator[Inconsistency]:
    """Tiles of maps that cannot be read."""
    query = select(fields).order_by(fields.c.observation_id, fields.c.uniq)
    wrong = [
        f"{row.observation_id}/{row.uniq}"
        for row in connection.execution_options(yield_per=LOT_OF_TILES).execute(query)
        if not is_whole(FieldTile(row.uniq, row.background_peak, row.livetime_peak, row.content, row.spread))
    ]
    if wrong:
        meaning = "maps of observations are damaged: what was seen where nothing was found is lost; restore a backup"
        yield Inconsistency("field-damaged", len(wrong), tuple(wrong[:SHOWN]), meaning)


def _orphans(connection: Connection) -> Iterator[Inconsistency]:
    """Rows that point at rows that are not there, whatever let them in."""
    for table in metadata.sorted_tables:
        for constraint in table.foreign_key_constraints:
            other = constraint.referred_table.alias("other")
            pairs = [(element.parent, other.c[element.column.name]) for element in constraint.elements]
            missing = and_(
                *(mine.is_not(None) for mine, _ in pairs),
                ~exists(select(1).select_from(other).where(*(mine == its for mine, its in pairs)).correlate(table)),
            )
            number = connection.execute(select(func.count()).select_from(table).where(missing)).scalar_one()
            if number:
                names = tuple(mine.name for mine, _ in pairs)
                meaning = f"rows of {table.name} point at {constraint.referred_table.name} that are gone, by {names[0]}"
                yield Inconsistency(
                    "orphans", number, (f"{table.name}.{names[0]}",), f"{meaning}; restore them from a backup"
                )


def _misplaced(connection: Connection, table: Table) -> Inconsistency | None:
    """Rows whose HEALPix index is not that of their place: cone searches would miss them."""
    place = detections.c.ra, detections.c.dec
    query = select(*place, table.c.healpix, detections.c.observation_id, detections.c.place)
    if table is candidates:
        query = query.select_from(
            candidates.join(
                detections,
                and_(
                    detections.c.observation_id == candidates.c.observation_id, detections.c.place == candidates.c.place
                ),
            )
        )
    wrong: list[str] = []
    for rows in connection.execution_options(yield_per=LOT).execute(query).partitions():
        expected = healpix_of([row.ra for row in rows], [row.dec for row in rows])
        wrong += [
            f"{row.observation_id}/{row.place}"
            for row, index in zip(rows, expected, strict=True)
            if row.healpix != index
        ]
    if not wrong:
        return None
    meaning = f"{table.name} are not indexed where they are on the sky: cone searches miss them"
    return Inconsistency("misplaced", len(wrong), tuple(wrong[:SHOWN]), meaning)
