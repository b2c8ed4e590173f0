"""Decision on a drop: which candidates are announced, and with which type of alert.

It is made in the transaction that stores the results. The state of false-discovery control is read, advanced by every
tested source and written in the same transaction, so that all daemons of a store share one control.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from xherald.catalog_store.ledger.drop_outcome import DropOutcome, PriorState
from xherald.catalog_store.ledger.records import AlertRecord, CandidateRecord, DetectionRecord, Json, StoredCandidate
from xherald.catalog_store.ledger.states import AlertType
from xherald.detector.scoring.false_discovery import CANDIDATE, Control, run, start
from xherald.photons.projection import separation_deg

from .drop_results import FileResult

__all__ = ["FALSE_DISCOVERY_STATE", "BuildAlerts", "CandidateChange", "build_no_alerts", "make_decision"]

FALSE_DISCOVERY_STATE: Final = "false_discovery_control"
"""Name of the shared state of false-discovery control."""

MIN_MATCH_ARCSEC: Final = 2.0
"""Detections in two processings are of one source within this, or within `MATCH_ERRORS` times their errors."""

MATCH_ERRORS: Final = 3.0


@dataclass(frozen=True, slots=True)
class CandidateChange:
    """A change of a candidate that sinks may be notified of.

    Parameters
    ----------
    candidate_id : str
    alert_type : AlertType
    evidence : mapping — of the candidate; for a retraction, of the retracted one
    notified_sinks : tuple of str — sinks that were notified of it before
    sheet_id : str — id in the name of its plot sheet, that of its own photons; empty for a retraction
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
    result: FileResult, method: str | None, level: float, threshold: float, build_alerts: BuildAlerts
) -> Callable[[PriorState], DropOutcome]:
    """Make the function that decides on the results of a file, for `Store.commit_results`.

    Parameters
    ----------
    result : FileResult
    method : str or None — of false-discovery control if there is no state yet; None for no control
    level : float — of false discoveries, likewise
    threshold : float — largest false-alarm probability of a candidate
    build_alerts : callable
    """

    def decide(prior: PriorState) -> DropOutcome:
        passed: frozenset[int] = frozenset()
        states: dict[str, Json] = {}
        if method is not None:
            state = prior.shared_state(FALSE_DISCOVERY_STATE)
            passed, states[FALSE_DISCOVERY_STATE] = _control_false_discoveries(result, state, method, level, threshold)
        candidates, matched_ids = _match_previous_candidates(result, prior)
        candidates = [_add_history(one, result, prior) for one in candidates]
        changes: list[CandidateChange] = []
        for own, one in zip(result.candidates, candidates, strict=True):
            notified = prior.notified_sinks.get(one.id, ())
            if notified:
                changes.append(CandidateChange(one.id, AlertType.UPDATE, one.evidence, notified, own.id))
            elif one.detection_index in passed:
                changes.append(CandidateChange(one.id, AlertType.INITIAL, one.evidence, (), own.id))
        changes += [
            CandidateChange(old.id, AlertType.RETRACTION, old.evidence, notified)
            for old in prior.replaced_candidates
            if old.id not in matched_ids and (notified := prior.notified_sinks.get(old.id, ()))
        ]
        return DropOutcome(candidates, build_alerts(changes), states)

    return decide


def _control_false_discoveries(
    result: FileResult, state: Json | None, method: str, level: float, threshold: float
) -> tuple[frozenset[int], dict[str, Any]]:
    """Indices of the detections that pass false-discovery control, and its new state.

    Sources that are not candidates are never announced: their p-value is raised to `CANDIDATE`, which is always valid
    and affects only a control that has announced nearly everything.
    """
    control = start(method, level) if state is None else Control.from_dict(state)
    if not result.tested:
        return frozenset(), control.as_dict()
    indices = np.array([index for index, _ in result.tested])
    p = np.array([p for _, p in result.tested])
    p = np.where((p > threshold) & (p < CANDIDATE), CANDIDATE, p)
    is_discovery, _, after = run(p, control)
    return frozenset(indices[is_discovery].tolist()), after.as_dict()


def _match_previous_candidates(result: FileResult, prior: PriorState) -> tuple[list[CandidateRecord], set[str]]:
    """Candidates, with the ids of the replaced candidates of the same sources, and the set of these ids."""
    detections = [one for record in result.observations for one in record.detections]
    unmatched: dict[str, StoredCandidate] = {one.id: one for one in prior.replaced_candidates}
    matched_ids: set[str] = set()
    candidates: list[CandidateRecord] = []
    for one in result.candidates:
        found = one.id if one.id in unmatched else _find_match(one, detections[one.detection_index], unmatched)
        if found is None:
            candidates.append(one)
            continue
        del unmatched[found]
        matched_ids.add(found)
        candidates.append(replace(one, id=found, evidence={**one.evidence, "candidate_id": found}))
    return candidates, matched_ids


def _add_history(one: CandidateRecord, result: FileResult, prior: PriorState) -> CandidateRecord:
    """The candidate with the history of its position; None if it has no position."""
    from xherald.detector.candidates.position_history import compare_with_history

    pairs = [(record, detection) for record in result.observations for detection in record.detections]
    record, detection = pairs[one.detection_index]
    if detection.ra_deg is None or detection.dec_deg is None:
        return replace(one, evidence={**one.evidence, "history": None})
    radius_arcsec = max(MIN_MATCH_ARCSEC, MATCH_ERRORS * (detection.pos_err_arcsec or 0.0))
    history = prior.position_history(detection.ra_deg, detection.dec_deg, radius_arcsec, record)
    return replace(one, evidence={**one.evidence, "history": compare_with_history(detection, record, history)})


def _find_match(one: CandidateRecord, detection: DetectionRecord, old: Mapping[str, StoredCandidate]) -> str | None:
    """Id of the nearest old candidate of the same source and kind."""
    best: tuple[float, str] | None = None
    for other in old.values():
        if other.kind != one.kind:
            continue
        if detection.ra_deg is None or detection.dec_deg is None or other.ra_deg is None or other.dec_deg is None:
            if other.detection_id == detection.detection_id:
                return other.id
            continue
        separation = separation_deg(detection.ra_deg, detection.dec_deg, other.ra_deg, other.dec_deg)
        separation_arcsec = float(separation) * 3600.0
        error_arcsec = float(np.hypot(detection.pos_err_arcsec or 0.0, other.pos_err_arcsec or 0.0))
        is_match = separation_arcsec <= max(MIN_MATCH_ARCSEC, MATCH_ERRORS * error_arcsec)
        if is_match and (best is None or separation_arcsec < best[0]):
            best = separation_arcsec, other.id
    return None if best is None else best[1]
