"""The part of the store that holds drops: `DropStore`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from xherald.photons.errors import StoreError

from . import commit_results, drop_transitions, outbox
from .drop_outcome import CommittedDrop, Decide, DropOutcome, DropResult
from .records import Drop, ObservationRecord, Run, Sighting
from .states import DropState
from .store_base import StoreBase, resolve_time

__all__ = ["DropStore"]

LEASE: Final = timedelta(minutes=15)
"""How long a claim on a drop holds unless it is renewed."""

MAX_ATTEMPTS: Final = 5


class DropStore(StoreBase):
    """Methods on drops, from the first sighting to the results."""

    def record_sightings(self, sightings: Sequence[Sighting], now: datetime | None = None) -> list[Drop]:
        """Record files as a drop source lists them; returns their drops in the same order.

        A new file becomes a drop in state ``seen``. If the file of a drop in this state has changed its size, mtime or
        etag, the drop is updated; if the drop is in a later state, the changed file is a new drop.
        """
        with self._database.read() as connection:
            found = drop_transitions.lookup(connection, sightings)
        missing = [one for one in dict.fromkeys(sightings) if one not in found]
        if missing:
            when = resolve_time(now)
            found |= self._database.write(
                lambda connection: drop_transitions.record_sightings(connection, missing, when)
            )
        return [found[one] for one in sightings]

    def forget_sightings(self, source: str, urls: Collection[str]) -> None:
        """Delete the drops in state ``seen`` at these URLs of a source, which turned out not to be event files."""
        with self._database.read() as connection:
            drop_ids = drop_transitions.find_seen_ids(connection, source, urls)
        if drop_ids:
            self._database.write(lambda connection: drop_transitions.delete_seen(connection, drop_ids))

    def mark_stable(self, drop_id: int, sha256: str, now: datetime | None = None) -> Drop:
        """Record the content of a complete drop: ``stable``, or ``duplicate`` if another drop has the same content.

        Raises
        ------
        StoreError
            It is not in state ``seen``, and has different content.
        """
        return self.mark_many_stable({drop_id: sha256}, now)[0]

    def mark_many_stable(self, contents: Mapping[int, str], now: datetime | None = None) -> list[Drop]:
        """`mark_stable` for several drops in one transaction.

        Parameters
        ----------
        contents : mapping of int to str — SHA-256 of the content by drop id
        now : datetime, optional

        Raises
        ------
        StoreError
            One of the drops cannot become stable; then nothing is changed.
        """
        when = resolve_time(now)
        return self._database.write(
            lambda connection: [
                drop_transitions.mark_stable(connection, drop_id, sha256, when) for drop_id, sha256 in contents.items()
            ]
        )

    def find_by_content(self, sha256: str) -> Drop | None:
        """The drop with this content, duplicates excluded; None if there is none."""
        with self._database.read() as connection:
            return drop_transitions.find_by_content(connection, sha256)

    def claim(
        self,
        worker: str,
        limit: int = 1,
        *,
        lease: timedelta = LEASE,
        max_attempts: int = MAX_ATTEMPTS,
        now: datetime | None = None,
    ) -> list[Drop]:
        """Claim up to `limit` drops for a worker, oldest first.

        A claim ends with `commit_result`, `quarantine`, `postpone` or `release`, or when the lease expires. A drop that
        was claimed `max_attempts` times without a result is quarantined.
        """
        when = resolve_time(now)
        return self._database.write(
            lambda connection: drop_transitions.claim(connection, worker, limit, when, lease, max_attempts)
        )

    def renew_claims(
        self, worker: str, drop_ids: Collection[int], *, lease: timedelta = LEASE, now: datetime | None = None
    ) -> set[int]:
        """Extend claims by another lease; returns the ids of the drops that the worker still holds."""
        until = resolve_time(now) + lease
        return self._database.write(
            lambda connection: drop_transitions.renew_claims(connection, worker, drop_ids, until)
        )

    def postpone(self, drop_id: int, worker: str, reason: str, until: datetime, now: datetime | None = None) -> Drop:
        """Return a claimed drop to ``stable`` until a later time; no effect if another worker holds it."""
        when = resolve_time(now)
        return self._database.write(
            lambda connection: drop_transitions.postpone(connection, drop_id, worker, reason, until, when)
        )

    def release(self, drop_id: int, now: datetime | None = None) -> Drop:
        """Undo a claim, or return a quarantined drop to the queue.

        Raises
        ------
        StoreError
            Its results are stored, or it is a duplicate.
        """
        when = resolve_time(now)
        return self._database.write(lambda connection: drop_transitions.release(connection, drop_id, when))

    def release_worker(self, worker: str, now: datetime | None = None) -> int:
        """Release all drops and alerts held by a worker that is known to be dead; returns their number."""
        when = resolve_time(now)
        return self._database.write(
            lambda connection: (
                drop_transitions.release_worker(connection, worker, when)
                + outbox.release_dispatcher(connection, worker)
            )
        )

    def quarantine(self, drop_id: int, reason: str, now: datetime | None = None) -> Drop:
        """Quarantine a drop that cannot be used.

        Raises
        ------
        StoreError
            Its results are stored, it is a duplicate, or the reason is empty.
        """
        if not reason.strip():
            raise StoreError(f"drop {drop_id}: cannot be quarantined without a reason")
        when = resolve_time(now)
        return self._database.write(lambda connection: drop_transitions.quarantine(connection, drop_id, reason, when))

    def skip(self, drop_id: int, reason: str, now: datetime | None = None) -> Drop:
        """Skip a drop that is not an event list.

        Raises
        ------
        StoreError
            Its results are stored, or it is a duplicate.
        """
        when, state = resolve_time(now), DropState.SKIPPED
        return self._database.write(
            lambda connection: drop_transitions.quarantine(connection, drop_id, reason, when, state)
        )

    def commit_result(
        self,
        drop_id: int,
        run: Run,
        observations: Sequence[ObservationRecord],
        outcome: DropOutcome | Decide = DropOutcome(),  # noqa: B008 - frozen
        now: datetime | None = None,
    ) -> CommittedDrop:
        """Store the results of a claimed drop in one transaction; repeating it changes nothing.

        A current processing of the same observation is superseded unless it is later or holds more (`coverage.holds`):
        its drop, its candidates (unless stored again under their ids), and those of its alerts that no dispatcher has
        taken.

        Parameters
        ----------
        drop_id : int
        run : Run
        observations : sequence of ObservationRecord
            At least one, with their detections.
        outcome : DropOutcome or callable
            The decision, or a function of `PriorState` that decides within the transaction, so that shared states are
            read and written together with the decision. It may be called again if another process committed in between.
        now : datetime, optional

        Raises
        ------
        StoreError
            The drop is not claimed, two observations have the same identity, a candidate has no detection or has the id
            of another observation's candidate, an alert has no candidate, or a value is not JSON.
        """
        return self.commit_results([DropResult(drop_id, run, observations, outcome)], now)[0]

    def commit_results(self, results: Sequence[DropResult], now: datetime | None = None) -> list[CommittedDrop]:
        """`commit_result` for several drops in order in one transaction; each decision sees the results before it.

        Raises
        ------
        StoreError
            One of them cannot be stored; then nothing is changed.
        """
        when = resolve_time(now)
        return self._database.write(lambda connection: commit_results.commit_results(connection, results, when))

    def drop(self, drop_id: int) -> Drop:
        """One drop.

        Raises
        ------
        StoreError
            There is no such drop.
        """
        with self._database.read() as connection:
            return drop_transitions.lock_drop(connection, drop_id)

    def drops(self, state: DropState | None = None, limit: int | None = None) -> list[Drop]:
        """Drops in a state, or all, the last updated first."""
        with self._database.read() as connection:
            return drop_transitions.list_drops(connection, state, limit)

    def locations(self, drop_id: int) -> tuple[tuple[str, str], ...]:
        """Locations of a drop's content as (source, url): its own first, then those of its duplicates."""
        with self._database.read() as connection:
            return drop_transitions.list_locations(connection, drop_id)

    def sibling_drops(self, observation: ObservationRecord) -> list[Drop]:
        """Drops with current lists of other cameras of an observation that overlap with it in time."""
        with self._database.read() as connection:
            return drop_transitions.list_siblings(connection, observation)

    def drop_counts(self) -> dict[DropState, int]:
        """Number of drops in each state."""
        with self._database.read() as connection:
            return drop_transitions.count_by_state(connection)

    def oldest_waiting(self) -> datetime | None:
        """When the unprocessed drop that has waited longest was first seen; None if none is waiting."""
        with self._database.read() as connection:
            return drop_transitions.find_oldest_waiting(connection)
