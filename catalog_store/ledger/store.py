"""The store as the rest of the house sees it: each method is one step, one transaction, and can be repeated.

A process that is killed at any instant has done a step or has not; when it comes back it does the step again, and the
second time changes nothing. Several processes may share a store: they take drops and alerts by claims that expire.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from xherald.photons.errors import StoreError

from . import backup, candidate_queries, commit_results, consistency_checks, drop_steps, outbox, queries
from .backup import Pruned
from .candidate_queries import Cone
from .commit_results import Decide, DropResult
from .consistency_checks import Inconsistency
from .database import Database
from .queries import JudgedBy, ProcessedFile, VettedCandidate
from .records import (
    AlertRecord,
    AlertState,
    AlertType,
    CandidateFile,
    CandidateState,
    Drop,
    DropOutcome,
    DropState,
    Finished,
    HistoryEntry,
    Json,
    ObservationRecord,
    Run,
    Sighting,
    StoredAlert,
    StoredCandidate,
    VettingDecision,
)
from .tables import HEAD, metadata
from .upgrade import revision_of, to_newest

__all__ = ["Store", "open_store"]

LEASE: Final = timedelta(minutes=15)
"""How long a claim on a drop holds unless it is renewed."""

ALERT_LEASE: Final = timedelta(minutes=2)

MOST_ATTEMPTS: Final = 5


def open_store(url: str, *, create: bool = True, upgrade: bool = False, wait: float = 30.0) -> Store:
    """Open a store; an empty one gets its tables.

    Parameters
    ----------
    url : str
        ``sqlite:////absolute/path``, ``sqlite:///relative/path`` or ``postgresql://user@host/name``.
    create : bool
        Whether an SQLite file that is not there is made.
    upgrade : bool
        Whether a store of an earlier form is brought to the newest.
    wait : float
        How long a step waits for another process's, s.

    Raises
    ------
    ConfigError
        The URL names no store.
    StoreError
        It is of another form, or no store.
    StoreUnavailableError
        It is gone or locked for now.
    """
    database = Database(url, create=create, wait=wait)
    try:
        with database.read() as connection:
            found = revision_of(connection, database.name)
        if found is None or (upgrade and found != HEAD):
            database.write(lambda connection: to_newest(connection, database.name))
        elif found != HEAD:
            raise StoreError(
                f"{database.name}: is of an earlier form ({found}, newest {HEAD}); run `xherald store upgrade`"
            )
    except BaseException:
        database.close()
        raise
    return Store(database)


class Store:
    """Drops, observations, detections, candidates and alerts; made by `open_store`, a context manager.

    Every method raises `StoreUnavailableError` if the store is gone, locked or full, and then has done nothing. `now`
    is the clock's where it is not given.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    @property
    def name(self) -> str:
        """URL, without the password."""
        return self._database.name

    @property
    def url(self) -> str:
        """URL with all that is in it, for a process that is to open the same store; never to be shown."""
        return self._database.url

    @property
    def path(self) -> Path | None:
        """File of a store on SQLite."""
        return self._database.path

    # Drops

    def see(self, sightings: Sequence[Sighting], now: datetime | None = None) -> list[Drop]:
        """Record what a drop source names, and answer what is known of each, in that order.

        A new file is a drop in state seen. One that is only seen and has changed its size, mtime or mark is steady from
        now on; one that went further and has changed is a new drop.
        """
        with self._database.read() as connection:
            found = drop_steps.known(connection, sightings)
        missing = [one for one in dict.fromkeys(sightings) if one not in found]
        if missing:
            when = _at(now)
            found |= self._database.write(lambda connection: drop_steps.see(connection, missing, when))
        return [found[one] for one in sightings]

    def withdraw(self, source: str, urls: Collection[str]) -> None:
        """Forget what was seen at these places of a source and turned out to be no drop; what went further stays."""
        with self._database.read() as connection:
            numbers = drop_steps.merely_seen(connection, source, urls)
        if numbers:
            self._database.write(lambda connection: drop_steps.withdraw(connection, numbers))

    def settle(self, drop_id: int, sha256: str, now: datetime | None = None) -> Drop:
        """Take a drop as whole, of this content: it is stable, or a duplicate of one that has the same content.

        Raises
        ------
        StoreError
            It is not in state seen, and of other content.
        """
        return self.settle_all({drop_id: sha256}, now)[0]

    def settle_all(self, contents: Mapping[int, str], now: datetime | None = None) -> list[Drop]:
        """Take several drops as whole, by number and SHA-256 of the content, in one step; see `settle`.

        Raises
        ------
        StoreError
            One of them cannot be; then none is.
        """
        when = _at(now)
        return self._database.write(
            lambda connection: [drop_steps.settle(connection, one, sha256, when) for one, sha256 in contents.items()]
        )

    def first_of(self, sha256: str) -> Drop | None:
        """The drop that content of this SHA-256 was taken as first; None if it is new."""
        with self._database.read() as connection:
            return drop_steps.first_of(connection, sha256)

    def claim(
        self,
        worker: str,
        limit: int = 1,
        *,
        lease: timedelta = LEASE,
        most_attempts: int = MOST_ATTEMPTS,
        now: datetime | None = None,
    ) -> list[Drop]:
        """Take up to `limit` drops to work on, oldest first, that no other worker has.

        A claim ends with `finish`, `quarantine`, `postpone` or `release`, or when the lease is over. A drop that was
        claimed `most_attempts` times and never finished is quarantined, lest it kill workers for ever.
        """
        when = _at(now)
        return self._database.write(
            lambda connection: drop_steps.claim(connection, worker, limit, when, lease, most_attempts)
        )

    def renew(
        self, worker: str, drop_ids: Collection[int], *, lease: timedelta = LEASE, now: datetime | None = None
    ) -> set[int]:
        """Hold claims for another lease; answers which of them the worker still has."""
        until = _at(now) + lease
        return self._database.write(lambda connection: drop_steps.renew(connection, worker, drop_ids, until))

    def postpone(self, drop_id: int, worker: str, reason: str, until: datetime, now: datetime | None = None) -> Drop:
        """Put a drop back until later, because of something that will pass; nothing if another has it by now."""
        when = _at(now)
        return self._database.write(
            lambda connection: drop_steps.postpone(connection, drop_id, worker, reason, until, when)
        )

    def release(self, drop_id: int, now: datetime | None = None) -> Drop:
        """Give back a claim as if it had not been, or let a quarantined drop be tried anew.

        Raises
        ------
        StoreError
            Its results are kept, or it is a duplicate.
        """
        when = _at(now)
        return self._database.write(lambda connection: drop_steps.release(connection, drop_id, when))

    def abandon(self, worker: str, now: datetime | None = None) -> int:
        """Give back all that a worker had in hand, drops and alerts; it must be known to be dead. Answers how many."""
        when = _at(now)
        return self._database.write(
            lambda connection: drop_steps.abandon(connection, worker, when) + outbox.abandon(connection, worker)
        )

    def quarantine(self, drop_id: int, reason: str, now: datetime | None = None) -> Drop:
        """Set a drop aside that cannot be used, with the reason.

        Raises
        ------
        StoreError
            Its results are kept, it is a duplicate, or no reason is given.
        """
        if not reason.strip():
            raise StoreError(f"drop {drop_id}: cannot be quarantined without a reason")
        when = _at(now)
        return self._database.write(lambda connection: drop_steps.quarantine(connection, drop_id, reason, when))

    def finish(
        self,
        drop_id: int,
        run: Run,
        observations: Sequence[ObservationRecord],
        verdict: DropOutcome | Decide = DropOutcome(),  # noqa: B008 - frozen
        now: datetime | None = None,
    ) -> Finished:
        """Keep what a claimed drop gave, all of it or nothing; done before, it changes nothing.

        A processing that is not older than the one of the same observation that stands supersedes it: its drop, its
        candidates (unless borne on under their ids), and those of its alerts that no dispatcher ever had.

        Parameters
        ----------
        drop_id : int
        run : Run
        observations : sequence of ObservationRecord
            At least one, detections included.
        verdict : DropOutcome or callable
            What was decided; or what decides, given `PriorState`, inside the transaction, so that the stream's state
            is read and written with what it decided. It may be called again when another process came between.

        Raises
        ------
        StoreError
            The drop is not claimed, two observations cannot be told apart, a candidate is of no detection or bears the
            id of another observation's, an alert is of no candidate, or something is not JSON.
        """
        return self.commit_results([DropResult(drop_id, run, observations, verdict)], now)[0]

    def commit_results(self, endings: Sequence[DropResult], now: datetime | None = None) -> list[Finished]:
        """Keep what several claimed drops gave, in one step and their order; see `finish`.

        Each is decided on as if the ones before it were kept already, for within the step they are.

        Raises
        ------
        StoreError
            One of them cannot be kept; then none is.
        """
        when = _at(now)
        return self._database.write(lambda connection: commit_results.commit_results(connection, endings, when))

    def drop(self, drop_id: int) -> Drop:
        """One drop.

        Raises
        ------
        StoreError
            There is none.
        """
        with self._database.read() as connection:
            return drop_steps.locked(connection, drop_id)

    def drops(self, state: DropState | None = None, limit: int | None = None) -> list[Drop]:
        """Drops of a state, or all, the latest change first."""
        with self._database.read() as connection:
            return drop_steps.listed(connection, state, limit)

    def places(self, drop_id: int) -> tuple[tuple[str, str], ...]:
        """Where a drop's content was seen, as (source, url): its own place and its duplicates'."""
        with self._database.read() as connection:
            return drop_steps.places(connection, drop_id)

    def drop_counts(self) -> dict[DropState, int]:
        """How many drops there are of each state."""
        with self._database.read() as connection:
            return drop_steps.counts(connection)

    def oldest_waiting(self) -> datetime | None:
        """When that drop was first seen which has waited longest; None if none waits."""
        with self._database.read() as connection:
            return drop_steps.oldest_waiting(connection)

    # Candidates

    def candidates(
        self,
        *,
        since: datetime | None = None,
        near: Cone | None = None,
        kind: str | None = None,
        source_class: str | None = None,
        far_below: float | None = None,
        states: Collection[CandidateState] = (CandidateState.STANDING,),
        limit: int | None = None,
    ) -> list[StoredCandidate]:
        """Candidates that fit all that is asked, the latest first.

        Parameters
        ----------
        since : datetime, optional — announced first at or after
        near : (float, float, float), optional — right ascension, declination, radius, deg
        kind, source_class : str, optional
        far_below : float, optional — Hz; candidates without a rate are left out
        states : collection of CandidateState
        limit : int, optional
        """
        with self._database.read() as connection:
            return candidate_queries.find(
                connection,
                since=since,
                near=near,
                kind=kind,
                source_class=source_class,
                far_below=far_below,
                states=states,
                limit=limit,
            )

    def candidate(self, candidate_id: str) -> CandidateFile:
        """All that is known of one candidate.

        Raises
        ------
        StoreError
            There is none of that id.
        """
        with self._database.read() as connection:
            return candidate_queries.candidate_file(connection, candidate_id)

    def history(self, ra: float, dec: float, radius: float) -> list[HistoryEntry]:
        """Detections within `radius` of a place, deg, of observations that stand, in the order of their time."""
        with self._database.read() as connection:
            return candidate_queries.history(connection, (ra, dec, radius))

    def record_vetting(
        self,
        candidate_id: str,
        who: str,
        verdict: VettingDecision,
        comment: str = "",
        alerts: Sequence[AlertRecord] = (),
        now: datetime | None = None,
    ) -> None:
        """Write down what a person says of a candidate, and put what follows from it into the outbox.

        A rejected candidate is retracted: alerts that no dispatcher ever had are withdrawn, and retractions among
        `alerts` go to sinks that may have heard of it.
        """
        when = _at(now)

        def step(connection: Connection) -> None:
            candidate_queries.record_vetting(connection, candidate_id, who, verdict, comment, when)
            if verdict is VettingDecision.REJECTED:
                outbox.withdraw(connection, [candidate_id], when)
            outbox.enqueue(connection, alerts, None, when)

        self._database.write(step)

    # Alerts

    def enqueue(self, alerts: Sequence[AlertRecord], now: datetime | None = None) -> None:
        """Put alerts into the outbox; those that are there already stay as they are."""
        when = _at(now)
        self._database.write(lambda connection: outbox.enqueue(connection, alerts, None, when))

    def due(
        self,
        dispatcher: str,
        limit: int = 100,
        *,
        sinks: Collection[str] | None = None,
        lease: timedelta = ALERT_LEASE,
        now: datetime | None = None,
    ) -> list[StoredAlert]:
        """Take up to `limit` alerts that are to be sent now, oldest first, that no other dispatcher has."""
        when = _at(now)
        return self._database.write(lambda connection: outbox.due(connection, dispatcher, limit, when, lease, sinks))

    def next_due(self) -> datetime | None:
        """When there will be something for `due`, at the latest; None if the outbox is empty."""
        with self._database.read() as connection:
            return outbox.next_due(connection)

    def mark_sent(self, alert_id: str, sink: str, receipt: Json | None = None, now: datetime | None = None) -> None:
        """Write down that a sink has an alert, with its receipt."""
        when = _at(now)
        self._database.write(
            lambda connection: outbox.settle(connection, [(alert_id, sink)], AlertState.SENT, receipt, when)
        )

    def mark_digested(
        self, keys: Iterable[tuple[str, str]], receipt: Json | None = None, now: datetime | None = None
    ) -> None:
        """Write down that alerts, by id and sink, went out as part of a digest."""
        these, when = list(keys), _at(now)
        self._database.write(lambda connection: outbox.settle(connection, these, AlertState.DIGESTED, receipt, when))

    def mark_failed(
        self, alert_id: str, sink: str, error: str, next_attempt: datetime | None, now: datetime | None = None
    ) -> None:
        """Write down that a try failed: to be repeated at a later time, or given up where none is named."""
        when = _at(now)
        self._database.write(lambda connection: outbox.try_again(connection, alert_id, sink, error, next_attempt, when))

    def requeue(self, alert_id: str, sink: str | None = None, now: datetime | None = None) -> int:
        """Send an alert again under its id, to one sink or to all that it is for; answers how many."""
        when = _at(now)
        return self._database.write(lambda connection: outbox.requeue(connection, alert_id, sink, when))

    def alerts(
        self,
        *,
        alert_id: str | None = None,
        candidate_id: str | None = None,
        state: AlertState | None = None,
        limit: int | None = None,
    ) -> list[StoredAlert]:
        """Alerts that fit, in the order in which they came; of a limited number the latest."""
        with self._database.read() as connection:
            return outbox.listed(connection, candidate_id=candidate_id, state=state, limit=limit, alert_id=alert_id)

    def alert_counts(self) -> dict[AlertState, int]:
        """How many alerts there are of each state."""
        with self._database.read() as connection:
            return outbox.counts(connection)

    def sent_since(self, since: datetime, sink: str | None = None, alert_type: AlertType | None = None) -> int:
        """How many alerts were sent since then."""
        with self._database.read() as connection:
            return outbox.settled_since(connection, since, sink, alert_type)

    # The stream's state

    def stream_state(self, name: str) -> Json | None:
        """A state of the stream, to be looked at; what decides on it reads it in `finish`."""
        with self._database.read() as connection:
            return commit_results.stream_state(connection, name, _at(None))

    def set_stream_state(self, values: Mapping[str, Json], run: Run | None = None, now: datetime | None = None) -> None:
        """Replace states of the stream, by name."""
        when = _at(now)

        def step(connection: Connection) -> None:
            run_id = None if run is None else commit_results.run_id_of(connection, run, when)
            for name, value in values.items():
                commit_results.write_stream_state(connection, name, value, run_id, when)

        self._database.write(step)

    def change_stream_state(
        self, name: str, change: Callable[[Json | None], Json | None], now: datetime | None = None
    ) -> Json | None:
        """Read a state of the stream and replace it, in one step: nobody comes between.

        Parameters
        ----------
        name : str
        change : callable
            Given the state, answers the one that takes its place, or None to leave it. It may be called again.
        now : datetime, optional

        Returns
        -------
        mapping or None
            What `change` answered.
        """
        when = _at(now)

        def step(connection: Connection) -> Json | None:
            value = change(commit_results.stream_state(connection, name, when, to_be_written=True))
            if value is not None:
                commit_results.write_stream_state(connection, name, value, None, when)
            return value

        return self._database.write(step)

    # Looking back, once a night

    def chances(self, since: datetime, until: datetime | None = None) -> Mapping[JudgedBy, NDArray[np.float64]]:
        """False-alarm probabilities of what was tested since then, of observations that stand, by what judged them."""
        before = _at(until)
        with self._database.read() as connection:
            return queries.chances(connection, since, before)

    def processed_files(self, limit: int) -> list[ProcessedFile]:
        """Files whose results stand, the latest first."""
        with self._database.read() as connection:
            return queries.processed_files(connection, limit)

    def vetted(self, limit: int) -> list[VettedCandidate]:
        """Candidates that a person confirmed or rejected, and nobody said otherwise since, the latest first."""
        with self._database.read() as connection:
            return queries.vetted(connection, limit)

    # Care

    def form(self) -> str:
        """Revision of its tables."""
        with self._database.read() as connection:
            return str(revision_of(connection, self.name))

    def row_counts(self) -> dict[str, int]:
        """How many rows each table has."""
        with self._database.read() as connection:
            return {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in metadata.sorted_tables
            }

    def check(self, now: datetime | None = None) -> list[Inconsistency]:
        """What cannot be, or will put itself right, each explained."""
        with self._database.read() as connection:
            return consistency_checks.check(connection, _at(now))

    def backup(self, target: Path) -> None:
        """Write a copy of one instant to a file that is itself a store on SQLite; the store can be used meanwhile.

        Raises
        ------
        StoreError
            The file exists, its folder does not, or it cannot be written.
        """
        if target.exists():
            raise StoreError(f"{target}: exists already; name another file")
        if not target.parent.is_dir():
            raise StoreError(f"{target}: its folder does not exist; make it or name another")
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            if self._database.is_sqlite:
                with self._database.exclusive() as raw:
                    raw.execute("VACUUM INTO ?", (str(part),))
            else:
                with open_store(f"sqlite:///{part}") as copy, self._database.read() as source:
                    copy._database.write(lambda connection: backup.copy_rows(source, connection))
                    with copy._database.exclusive() as raw:
                        raw.execute("PRAGMA journal_mode=DELETE")  # all of it in the one file
            part.replace(target)
        except OSError as fault:
            raise StoreError(f"{target}: cannot be written: {fault.strerror or fault}") from fault
        finally:
            part.unlink(missing_ok=True)

    def restore(self, source: Path) -> dict[str, int]:
        """Bring a backup back into this store, which must be empty; answers how many rows of each table.

        Raises
        ------
        StoreError
            The store is not empty, or the file is no backup.
        """
        with open_store(f"sqlite:///{source}", create=False) as copy, copy._database.read() as rows:

            def step(connection: Connection) -> dict[str, int]:
                backup.require_empty(connection, self.name)
                return backup.copy_rows(rows, connection)

            return self._database.write(step)

    def prune(self, older_than: datetime) -> Pruned:
        """Remove maps of older observations and their detections that are no candidates, old payloads, old sightings.

        Drops, candidates, vettings and the fact that an alert was sent are kept.
        """
        pruned = self._database.write(lambda connection: backup.prune(connection, older_than))
        if self._database.is_sqlite:
            with self._database.exclusive() as raw:
                raw.execute("PRAGMA incremental_vacuum").fetchall()
        return pruned


def _at(now: datetime | None) -> datetime:
    moment = datetime.now(UTC) if now is None else now
    if moment.tzinfo is None:
        raise StoreError(f"{moment}: says no time zone")
    return moment
