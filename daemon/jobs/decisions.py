"""Decision on a drop: which candidates are announced, and with which type of alert.

It is made in the transaction that stores the results. The state of false-discovery control is read, advanced by every
tested source and written in the same transaction, so that all daemons of a store share one control.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from xherald.catalog_store.ledger.drop_outcome import DropOutcome, PriorState
from xherald.catalog_store.ledger.event_detections import merge_evidence, significance_order
from xherald.catalog_store.ledger.records import (
    AlertRecord,
    CandidateRecord,
    DetectionRecord,
    Json,
    ObservationRecord,
    StoredCandidate,
    StoredDetection,
)
from xherald.catalog_store.ledger.states import AlertType
from xherald.detector.scoring.false_discovery import Control, run, start

from .announced_facts import is_unchanged, is_worth_an_update
from .change_candidates import find_change_candidates
from .drop_results import FileResult
from .event_matching import match_events

if TYPE_CHECKING:
    from xherald.detector.candidates.position_history import History
    from xherald.detector.configuration.configuration import Configuration

__all__ = ["FALSE_DISCOVERY_STATE", "BuildAlerts", "CandidateChange", "build_no_alerts", "make_decision"]

FALSE_DISCOVERY_STATE: Final = "false_discovery_control"
"""Name of the shared state of false-discovery control."""


@dataclass(frozen=True, slots=True)
class CandidateChange:
    """A change of a candidate that sinks may be notified of.

    Parameters
    ----------
    candidate_id : str
    alert_type : AlertType
    evidence : mapping — of the candidate; for a retraction, of the retracted one
    notified_sinks : tuple of str — sinks that were notified of it before
    sheet_id : str
        Id in the name of its plot sheet, that of its own photons; empty where none is drawn: for a retraction, and for
        a change between exposures.
    """

    candidate_id: str
    alert_type: AlertType
    evidence: Json
    notified_sinks: tuple[str, ...]
    sheet_id: str = ""


BuildAlerts = Callable[[Sequence[CandidateChange]], Sequence[AlertRecord]]
"""Builds alerts from changes, one for each sink that is to be notified."""


def build_no_alerts(_: Sequence[CandidateChange]) -> Sequence[AlertRecord]:
    """Build no alerts, for back-fills."""
    return ()


def make_decision(
    result: FileResult,
    level: float | None,
    threshold: float,
    build_alerts: BuildAlerts,
    sources_per_day: float | None = None,
    configuration: Configuration | None = None,
) -> Callable[[PriorState], DropOutcome]:
    """Make the function that decides on the results of a file, for `Store.commit_results`.

    Parameters
    ----------
    result : FileResult
    level : float or None — of false-discovery control at first, before a state is stored; None for no control
    threshold : float — largest false-alarm probability of a candidate
    build_alerts : callable
    sources_per_day : float or None — see `change_candidates.find_change_candidates`
    configuration : Configuration or None
        Where counterparts of changes between exposures are looked for; those of other candidates are known already.
    """
    place = _Place(threshold, configuration)

    def decide(prior: PriorState) -> DropOutcome:
        passed: frozenset[int | StoredDetection] = frozenset()
        states: dict[str, Json] = {}
        if level is not None:
            state = prior.shared_state(FALSE_DISCOVERY_STATE)
            passed, states[FALSE_DISCOVERY_STATE] = _control_false_discoveries(result, state, level, threshold)
        # Their false alarms are controlled by the threshold alone, which all comparisons of the field enter.
        changed = {
            one.detection_index: one for one in find_change_candidates(result, prior, threshold, sources_per_day)
        }
        passed |= changed.keys()
        found_candidates = {one.detection_index: one for one in result.candidates} | changed
        candidates, stored = match_events(replace(result, candidates=tuple(found_candidates.values())), prior)
        candidates = [place.add_to(one, result, prior) for one in candidates]
        sheet_ids = {one.detection_index: one.id for one in result.candidates}
        found = [
            _EventUpdate(name, tuple(own), stored.get(name), sheet_ids.get(own[0].detection_index, ""))
            for name, own in _group_by_id(candidates).items()
        ]
        changes, unchanged_ids = _find_changes(found, passed, prior, place)
        own_ids = {one.candidate_id for one in found}
        changes += [
            CandidateChange(old.id, AlertType.RETRACTION, old.evidence, notified)
            for old in prior.replaced_candidates
            if old.id not in own_ids
            and not prior.other_evidence(old.id)
            and (notified := prior.notified_sinks.get(old.id, ()))
        ]
        kept_ids = {
            one.id for one in prior.replaced_candidates if one.id not in own_ids if prior.other_evidence(one.id)
        }
        alerts = build_alerts(changes)
        renewed_ids = set(stored).intersection(one.candidate_id for one in alerts)
        return DropOutcome(candidates, alerts, states, unchanged_ids | kept_ids, frozenset(renewed_ids))

    return decide


@dataclass(frozen=True, slots=True)
class _EventUpdate:
    """An event in a drop: its detections there, and what the store holds of it.

    Parameters
    ----------
    candidate_id : str
    own : tuple of CandidateRecord — the most significant first
    stored : StoredCandidate or None
    sheet_id : str — see `CandidateChange`
    """

    candidate_id: str
    own: tuple[CandidateRecord, ...]
    stored: StoredCandidate | None
    sheet_id: str


def _group_by_id(candidates: Sequence[CandidateRecord]) -> dict[str, list[CandidateRecord]]:
    groups: dict[str, list[CandidateRecord]] = {}
    for one in sorted(candidates, key=lambda each: significance_order(each.evidence)):
        groups.setdefault(one.id, []).append(one)
    # In the order of the detections, as alerts are queued.
    return {one.id: groups[one.id] for one in candidates}


def _find_changes(
    found: Sequence[_EventUpdate], passed: frozenset[int | StoredDetection], prior: PriorState, place: _Place
) -> tuple[list[CandidateChange], frozenset[str]]:
    """Changes that sinks are notified of, and the ids of announced candidates that have none."""
    replaced_ids = {one.id for one in prior.replaced_candidates}
    joined_ids = [one.candidate_id for one in found if one.stored and one.candidate_id not in replaced_ids]
    notified_sinks = {**prior.notified_sinks, **(prior.find_notified(joined_ids) if joined_ids else {})}
    changes: list[CandidateChange] = []
    unchanged_ids: set[str] = set()
    for one in found:
        own = [record.evidence for record in one.own]
        others = prior.other_evidence(one.candidate_id) if one.stored is not None else ()
        evidence = merge_evidence(one.candidate_id, [*own, *others])
        if others:  # what was stored with them may have been decided otherwise since
            evidence |= place.find_fields(evidence, prior)
        notified = notified_sinks.get(one.candidate_id, ())
        is_replaced = one.candidate_id in replaced_ids
        announced = one.stored if one.stored is not None and one.stored.alert_type is not None else None
        if announced is not None and not _has_news(announced.evidence, evidence, is_replaced=is_replaced):
            unchanged_ids.add(one.candidate_id)
            continue
        if notified:
            changes.append(CandidateChange(one.candidate_id, AlertType.UPDATE, evidence, notified, one.sheet_id))
        elif (announced is not None and not is_replaced) or any(record.detection_index in passed for record in one.own):
            changes.append(CandidateChange(one.candidate_id, AlertType.INITIAL, evidence, (), one.sheet_id))
    return changes, frozenset(unchanged_ids)


def _has_news(old: Json, new: Json, *, is_replaced: bool) -> bool:
    """Whether an announced candidate has changed: at all in a later processing, else in what a reader cares about."""
    return not is_unchanged(old, new) if is_replaced else is_worth_an_update(old, new)


def _control_false_discoveries(
    result: FileResult, state: Json | None, level: float, threshold: float
) -> tuple[frozenset[int], dict[str, Any]]:
    """Indices of the detections that pass false-discovery control, and its new state.

    Sources that are not candidates are never announced: their p-value is raised to 1, which is always valid and
    affects only a control that has announced nearly everything.
    """
    control = start(level) if state is None else Control.from_dict(state)
    if not result.tested:
        return frozenset(), control.as_dict()
    indices = np.array([index for index, _ in result.tested])
    p = np.array([p for _, p in result.tested])
    p = np.where(p > threshold, 1.0, p)
    is_discovery, _, after = run(p, control)
    return frozenset(indices[is_discovery].tolist()), after.as_dict()


@dataclass(frozen=True, slots=True)
class _Place:
    """What is known of positions: history, decisions of people, catalogued objects, and the interest that follows."""

    threshold: float
    configuration: Configuration | None

    def add_to(self, one: CandidateRecord, result: FileResult, prior: PriorState) -> CandidateRecord:
        """The candidate with what is known of its position."""
        detection = None
        if not isinstance(one.detection_index, StoredDetection):
            pairs = [(record, found) for record in result.observations for found in record.detections]
            record, detection = pairs[one.detection_index]
        evidence = dict(one.evidence)
        if detection is not None:
            # What the decision compares is the detection that is stored, also of a test of several cameras.
            evidence |= _get_position(detection)
            # Changes between exposures have a history of their own.
            if evidence.get("history") is None:
                evidence["history"] = _find_history(detection, record, prior)
        fields = self.find_fields(evidence, prior)
        return replace(one, evidence={**one.evidence, "history": evidence.get("history"), **fields})

    def find_fields(self, evidence: Json, prior: PriorState) -> dict[str, Any]:
        """Fields that depend on the position, given the others."""
        from xherald.detector.candidates.place_notes import find_place_fields
        from xherald.detector.results.context_fields import make_context_fields, make_interest_fields
        from xherald.detector.scoring.known_objects import find_objects_at

        ra, dec, error = (evidence.get(name) for name in ("ra_deg", "dec_deg", "pos_err_arcsec"))
        fields: dict[str, Any] = dict(find_place_fields(prior.place_notes, ra, dec, error))
        asked = self.configuration if evidence.get("counterparts") is None else None
        if asked is not None and ra is not None and dec is not None and error is not None:
            known = find_objects_at(ra, dec, error, _julian_year(evidence.get("interval_start_utc")), asked)
            fields |= make_context_fields(
                known, evidence.get("class_probabilities"), evidence.get("galactic_latitude_deg")
            )
        return {**fields, **make_interest_fields({**evidence, **fields}, self.threshold)}


def _julian_year(utc: str | None) -> float | None:
    from astropy.time import Time

    return None if utc is None else float(Time(utc.removesuffix("Z")).jyear)


def _get_position(detection: DetectionRecord) -> Json:
    return {name: getattr(detection, name) for name in ("ra_deg", "dec_deg", "pos_err_arcsec")}


def _find_history(detection: DetectionRecord, record: ObservationRecord, prior: PriorState) -> History | None:
    """History of a position; None for a detection without one."""
    from xherald.detector.candidates.position_history import compare_with_history
    from xherald.detector.candidates.same_event import match_radius_arcsec

    if detection.ra_deg is None or detection.dec_deg is None:
        return None
    radius_arcsec = match_radius_arcsec(detection.pos_err_arcsec, None)
    history = prior.position_history(detection.ra_deg, detection.dec_deg, radius_arcsec, record)
    return compare_with_history(detection, record, history)
