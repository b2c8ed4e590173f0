"""What is committed for a claimed drop: its results, the decision on them, and the state they are decided on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from .history_records import FieldHistory, FieldObservation, FieldQuery, HistoryQuery, PositionHistory
from .place_records import PlaceNotes
from .records import AlertRecord, CandidateRecord, Drop, Json, ObservationRecord, Run, StoredCandidate

__all__ = ["CommittedDrop", "Decide", "DropOutcome", "DropResult", "PriorState"]


@dataclass(frozen=True, slots=True)
class DropOutcome:
    """Decision on a drop.

    Parameters
    ----------
    candidates : sequence of CandidateRecord
        One for each detection; those of one event have the same id, which may be that of a stored candidate.
    alerts : sequence of AlertRecord — of these candidates, or of those that they replace
    shared_states : mapping of str to mapping — new values of shared states, by name
    unchanged_ids : frozenset of str — replaced candidates that are stored again with nothing new: their alerts stay
    renewed_ids : frozenset of str — stored candidates whose alerts replace those that nobody tried to send
    """

    candidates: Sequence[CandidateRecord] = ()
    alerts: Sequence[AlertRecord] = ()
    shared_states: Mapping[str, Json] = field(default_factory=dict)
    unchanged_ids: frozenset[str] = frozenset()
    renewed_ids: frozenset[str] = frozenset()


def _no_history(
    _ra_deg: float, _dec_deg: float, _radius_arcsec: float, _observation: ObservationRecord
) -> PositionHistory:
    return PositionHistory()


def _no_field_history(observation: ObservationRecord) -> FieldHistory:
    return FieldHistory(FieldObservation(observation, (), None))


@dataclass(frozen=True, slots=True)
class PriorState:
    """State of the store that a decision depends on, read in the same transaction.

    Parameters
    ----------
    replaced_candidates : tuple of StoredCandidate
        Candidates with a detection in the processings that this one supersedes; they are superseded, too, unless stored
        again under their ids or detected elsewhere.
    notified_sinks : mapping of str to tuple of str
        By candidate, the sinks to which an alert of it was sent or is being sent. Alerts that nobody tried to send are
        withdrawn.
    is_outdated : tuple of bool
        For each observation, whether a later processing is current: its candidates will be superseded.
    shared_state : callable
        Value of a shared state by name, None if unset; locked until the end of the transaction.
    position_history : callable
        Other observations of a position; see `position_history_query.query_position_history`.
    field_history : callable
        Other observations of the field of an observation; see `field_history_query.query_field_history`.
    candidates_near, candidates_of : callable
        Candidates that are not superseded: within a cone (right ascension, declination, radius, deg), or of an obs_id.
    other_evidence : callable
        Evidence of each current detection of a candidate, by its id, without those that are being superseded.
    place_notes : callable
        What people decided about the centre of a cone (right ascension, declination, radius, deg).
    find_notified : callable
        `notified_sinks` of further candidates, by id.
    """

    replaced_candidates: tuple[StoredCandidate, ...]
    notified_sinks: Mapping[str, tuple[str, ...]]
    is_outdated: tuple[bool, ...]
    shared_state: Callable[[str], Json | None]
    position_history: HistoryQuery = _no_history
    field_history: FieldQuery = _no_field_history
    candidates_near: Callable[[tuple[float, float, float]], Sequence[StoredCandidate]] = lambda _: ()
    candidates_of: Callable[[str], Sequence[StoredCandidate]] = lambda _: ()
    other_evidence: Callable[[str], Sequence[Json]] = lambda _: ()
    place_notes: Callable[[tuple[float, float, float]], PlaceNotes] = lambda _: PlaceNotes()
    find_notified: Callable[[Sequence[str]], Mapping[str, tuple[str, ...]]] = lambda _: {}


Decide: TypeAlias = Callable[[PriorState], DropOutcome]
"""Decides on a drop. It may be called again if another process committed in between, so it must have no side effect."""


@dataclass(frozen=True, slots=True)
class DropResult:
    """Results of a claimed drop.

    Parameters
    ----------
    drop_id : int
    run : Run
    observations : sequence of ObservationRecord — at least one, with their detections
    outcome : DropOutcome or callable — the decision, or the function that decides
    """

    drop_id: int
    run: Run
    observations: Sequence[ObservationRecord]
    outcome: DropOutcome | Decide = DropOutcome()


@dataclass(frozen=True, slots=True)
class CommittedDrop:
    """Effect of committing a drop.

    Parameters
    ----------
    is_new : bool — False if it had been committed before, so that nothing changed
    drop : Drop
    superseded : tuple of int — drops that it replaced
    alerts : int — number of alerts added to the outbox
    withheld : tuple of AlertRecord — alerts that were stored as withdrawn, with the reason
    """

    is_new: bool
    drop: Drop
    superseded: tuple[int, ...] = ()
    alerts: int = 0
    withheld: tuple[AlertRecord, ...] = ()
