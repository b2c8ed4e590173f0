"""Checks of a store for inconsistencies, each finding with its meaning: `xherald store check`."""

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

from .candidate_queries import IS_ITS_DETECTION
from .healpix_cones import compute_healpix
from .map_tiles import is_readable
from .records import MapTile
from .states import AlertState, AlertType, CandidateState, DropState
from .tables import alerts, candidates, detections, drops, map_tiles, metadata, observations

__all__ = ["Inconsistency", "check"]

MAX_EXAMPLES: Final = 5
"""Rows named in one finding; the others are counted."""

ROWS_PER_FETCH: Final = 50_000
TILES_PER_FETCH: Final = 1_000


@dataclass(frozen=True, slots=True)
class Inconsistency:
    """An inconsistency, or a temporary condition that resolves itself.

    Parameters
    ----------
    name : str — of the rule
    rows : int — number of rows concerned
    examples : tuple of str — some of them
    meaning : str — what it means and what to do
    is_error : bool — False for a condition that occurs in normal operation and needs no action
    """

    name: str
    rows: int
    examples: tuple[str, ...]
    meaning: str
    is_error: bool = True


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    label: ColumnElement[Any]
    condition: Callable[[datetime], ColumnElement[bool]]
    meaning: str
    origin: FromClause
    is_error: bool = True


def _has(table: Table, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(select(1).select_from(table).where(*conditions).correlate_except(table))


WITH_RESULTS: Final = (DropState.PROCESSED, DropState.ALERTED, DropState.SUPERSEDED)

WITHOUT_HASH: Final = (DropState.SEEN, DropState.QUARANTINED, DropState.SKIPPED)

RULES: Final = (
    _Rule(
        "claim-without-worker",
        drops.c.id,
        lambda _: and_(
            drops.c.state == DropState.CLAIMED, or_(drops.c.claimed_by.is_(None), drops.c.claim_expires.is_(None))
        ),
        "a claimed drop has no worker or no expiry, so it would never be claimed again; release it",
        drops,
    ),
    _Rule(
        "worker-without-claim",
        drops.c.id,
        lambda _: and_(drops.c.state != DropState.CLAIMED, drops.c.claimed_by.is_not(None)),
        "a drop has a worker but is not claimed; its row was edited by hand",
        drops,
    ),
    _Rule(
        "claim-expired",
        drops.c.id,
        lambda now: and_(drops.c.state == DropState.CLAIMED, drops.c.claim_expires <= now),
        "the worker did not finish in time or is dead; the drop will be claimed again",
        drops,
        is_error=False,
    ),
    _Rule(
        "content-unknown",
        drops.c.id,
        lambda _: and_(drops.c.sha256.is_(None), drops.c.state.not_in(WITHOUT_HASH)),
        "a drop has no hash of its content, so the same content could be processed twice",
        drops,
    ),
    _Rule(
        "quarantined-without-reason",
        drops.c.id,
        lambda _: and_(
            drops.c.state == DropState.QUARANTINED, or_(drops.c.reason.is_(None), func.trim(drops.c.reason) == "")
        ),
        "a quarantined drop has no reason; release it to retry it",
        drops,
    ),
    _Rule(
        "processed-without-observation",
        drops.c.id,
        lambda _: and_(drops.c.state.in_(WITH_RESULTS), ~_has(observations, observations.c.drop_id == drops.c.id)),
        "a processed drop has no results; restore them from a backup",
        drops,
    ),
    _Rule(
        "observation-of-unfinished-drop",
        observations.c.id,
        lambda _: _has(drops, drops.c.id == observations.c.drop_id, drops.c.state.not_in(WITH_RESULTS)),
        "a drop that is not processed has results; it would be processed again",
        observations,
    ),
    _Rule(
        "superseded-by-nothing",
        drops.c.id,
        lambda _: and_(drops.c.state.in_([DropState.SUPERSEDED, DropState.DUPLICATE]), drops.c.superseded_by.is_(None)),
        "a superseded or duplicate drop does not refer to another drop",
        drops,
    ),
    _Rule(
        "superseded-but-current",
        observations.c.id,
        lambda _: and_(
            observations.c.is_current,
            or_(
                observations.c.superseded_by.is_not(None),
                _has(drops, drops.c.id == observations.c.drop_id, drops.c.state == DropState.SUPERSEDED),
            ),
        ),
        "a superseded observation is marked as current; its sources are counted twice",
        observations,
    ),
    _Rule(
        "neither-current-nor-superseded",
        observations.c.id,
        lambda _: and_(~observations.c.is_current, observations.c.superseded_by.is_(None)),
        "an observation is not current and not superseded; its sources are not counted",
        observations,
    ),
    _Rule(
        "detections-missing",
        observations.c.id,
        lambda _: and_(
            observations.c.pruned.is_(None),
            observations.c.detection_count
            != select(func.count())
            .where(detections.c.observation_id == observations.c.id)
            .correlate(observations)
            .scalar_subquery(),
        ),
        "an observation has more or fewer detections than were stored with it; restore them from a backup",
        observations,
    ),
    _Rule(
        "candidate-of-superseded-observation",
        candidates.c.id,
        lambda _: and_(
            candidates.c.state == CandidateState.STANDING,
            _has(observations, observations.c.id == candidates.c.observation_id, ~observations.c.is_current),
        ),
        "a standing candidate belongs to a superseded observation; vet it again",
        candidates,
    ),
    _Rule(
        "candidate-without-detection",
        candidates.c.id,
        lambda _: ~_has(detections, IS_ITS_DETECTION),
        "the detection of a candidate is missing, and with it the position; restore it from a backup",
        candidates,
    ),
    _Rule(
        "alert-without-candidate",
        alerts.c.id,
        lambda _: ~_has(candidates, candidates.c.id == alerts.c.candidate_id),
        "the candidate of an alert is missing; restore it from a backup",
        alerts,
    ),
    _Rule(
        "alert-closed-without-time",
        alerts.c.id,
        lambda _: (alerts.c.state != AlertState.PENDING) != alerts.c.closed.is_not(None),
        "a closed alert has no closing time, or an open one has; its row was edited by hand",
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
        "a pending alert announces a superseded candidate; it should have been withdrawn",
        alerts,
    ),
    _Rule(
        "alert-lease-expired",
        alerts.c.id,
        lambda now: and_(alerts.c.state == AlertState.PENDING, alerts.c.leased_until <= now),
        "the dispatcher did not report the outcome; the alert will be sent again with the same id",
        alerts,
        is_error=False,
    ),
    _Rule(
        "alert-given-up",
        alerts.c.id,
        lambda _: alerts.c.state == AlertState.FAILED,
        "its sink rejected it or was unavailable too long; fix the cause, then run `xherald alert replay`",
        alerts,
        is_error=False,
    ),
    _Rule(
        "drop-not-alerted",
        drops.c.id,
        lambda _: and_(
            drops.c.state == DropState.PROCESSED,
            _alerts_of_drop(alerts.c.state == AlertState.SENT),
            ~_alerts_of_drop(alerts.c.state.in_([AlertState.PENDING, AlertState.FAILED])),
        ),
        "all alerts of a drop were sent, but its state is still processed",
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
    """All inconsistencies, errors first."""
    if broken := list(_check_file(connection)):
        return broken  # what is read from it is unreliable
    found = list(_check_references(connection))
    for rule in RULES:
        found += _check_rule(connection, rule, now)
    found += [one for table in (detections, candidates) if (one := _check_healpix(connection, table)) is not None]
    found += _check_tiles(connection)
    return sorted(found, key=lambda one: not one.is_error)


def _check_rule(connection: Connection, rule: _Rule, now: datetime) -> Iterator[Inconsistency]:
    query: Select[Any] = select(rule.label).select_from(rule.origin).where(rule.condition(now))
    number = connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    if number:
        named = connection.execute(query.order_by(rule.label).limit(MAX_EXAMPLES)).scalars()
        yield Inconsistency(rule.name, number, tuple(str(one) for one in named), rule.meaning, rule.is_error)


def _check_file(connection: Connection) -> Iterator[Inconsistency]:
    if connection.dialect.name != "sqlite":
        return
    try:
        messages = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check"))]
    except DatabaseError as fault:  # damaged so badly that the check fails
        messages = [str(fault.orig)]
    if messages != ["ok"]:
        meaning = "SQLite reports that the file is damaged; restore it from a backup"
        yield Inconsistency("file-damaged", len(messages), tuple(messages[:MAX_EXAMPLES]), meaning)


def _check_tiles(connection: Connection) -> Iterator[Inconsistency]:
    """Tiles of sky maps that cannot be read."""
    query = select(map_tiles).order_by(map_tiles.c.observation_id, map_tiles.c.uniq)
    wrong = [
        f"{row.observation_id}/{row.uniq}"
        for row in connection.execution_options(yield_per=TILES_PER_FETCH).execute(query)
        if not is_readable(MapTile(row.uniq, row.background_peak, row.livetime_peak, row.content, row.point_spread))
    ]
    if wrong:
        meaning = "sky maps of observations are damaged, and with them upper limits; restore them from a backup"
        yield Inconsistency("map-damaged", len(wrong), tuple(wrong[:MAX_EXAMPLES]), meaning)


def _check_references(connection: Connection) -> Iterator[Inconsistency]:
    """Rows that refer to missing rows."""
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
                meaning = (
                    f"rows of {table.name} refer to missing rows of {constraint.referred_table.name} by {names[0]}"
                )
                yield Inconsistency(
                    "orphans", number, (f"{table.name}.{names[0]}",), f"{meaning}; restore them from a backup"
                )


def _check_healpix(connection: Connection, table: Table) -> Inconsistency | None:
    """Rows whose HEALPix index does not match their position, so that cone searches miss them."""
    query = select(
        detections.c.ra_deg,
        detections.c.dec_deg,
        table.c.healpix,
        detections.c.observation_id,
        detections.c.number,
    )
    if table is candidates:
        query = query.select_from(candidates.join(detections, IS_ITS_DETECTION))
    wrong: list[str] = []
    for rows in connection.execution_options(yield_per=ROWS_PER_FETCH).execute(query).partitions():
        expected = compute_healpix([row.ra_deg for row in rows], [row.dec_deg for row in rows])
        wrong += [
            f"{row.observation_id}/{row.number}"
            for row, index in zip(rows, expected, strict=True)
            if row.healpix != index
        ]
    if not wrong:
        return None
    meaning = f"the HEALPix index of {table.name} does not match their position; cone searches miss them"
    return Inconsistency("wrong-healpix", len(wrong), tuple(wrong[:MAX_EXAMPLES]), meaning)
