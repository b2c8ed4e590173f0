"""What comes of a drop, decided inside the transaction that keeps it: which candidates are announced, and as what.

False-discovery control runs along the stream: its state is read, moved on by every source tested, and written in the
same transaction as what it decided, so that however many daemons share a store there is one stream.
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

from .drop_results import Result

__all__ = ["CONTROL", "Announce", "CandidateChange", "announce_nothing", "decide"]

CONTROL: Final = "false_discovery_control"
"""Name of the stream's state."""

SAME_ARCSEC: Final = 2.0
"""Detections of two processings are of one source within this, or within three times their errors."""

ERRORS: Final = 3.0


@dataclass(frozen=True, slots=True)
class CandidateChange:
    """What there is to say of a candidate.

    Parameters
    ----------
    candidate_id : str
    alert_type : AlertType
    evidence : mapping — of the candidate, that which stands or, for a retraction, that which is retracted
    heard : tuple of str — sinks that were told of it before
    drawn_as : str — id that its plot sheet bears, which is that of its own photons; empty for a retraction
    """

    candidate_id: str
    alert_type: AlertType
    evidence: Json
    heard: tuple[str, ...]
    drawn_as: str = ""


Announce = Callable[[Sequence[CandidateChange]], Sequence[AlertRecord]]
"""Turns news into alerts, one for each sink that is to hear them."""


def announce_nothing(_: Sequence[CandidateChange]) -> Sequence[AlertRecord]:
    """For a stream without sinks."""
    return ()


def decide(
    result: Result, method: str | None, level: float, threshold: float, announce: Announce
) -> Callable[[PriorState], DropOutcome]:
    """What decides on a result, to be handed to `Store.finish`.

    Parameters
    ----------
    result : Result
    method : str or None — of false-discovery control, where the stream has no state yet; None leaves it alone
    level : float — of false discoveries, the same
    threshold : float — largest false-alarm probability of a candidate
    announce : callable
    """

    def decided(prior: PriorState) -> DropOutcome:
        announced: frozenset[int] = frozenset()
        states: dict[str, Json] = {}
        if method is not None:
            announced, states[CONTROL] = _controlled(result, prior.shared_state(CONTROL), method, level, threshold)
        candidates, borne = _match_previous_candidates(result, prior)
        candidates = [_with_history(one, result, prior) for one in candidates]
        news: list[CandidateChange] = []
        for own, one in zip(result.candidates, candidates, strict=True):
            heard = prior.notified_sinks.get(one.id, ())
            if heard:
                news.append(CandidateChange(one.id, AlertType.UPDATE, one.evidence, heard, own.id))
            elif one.detection_index in announced:
                news.append(CandidateChange(one.id, AlertType.INITIAL, one.evidence, (), own.id))
        news += [
            CandidateChange(old.id, AlertType.RETRACTION, old.evidence, heard)
            for old in prior.replaced_candidates
            if old.id not in borne and (heard := prior.notified_sinks.get(old.id, ()))
        ]
        return DropOutcome(candidates, announce(news), states)

    return decided


def _controlled(
    result: Result, state: Json | None, method: str, level: float, threshold: float
) -> tuple[frozenset[int], dict[str, Any]]:
    """Places of the detections that false-discovery control lets by, and where the stream stands then.

    What is no candidate is not announced whatever the level: its chance is raised to `CANDIDATE`, which costs nothing
    and can be afforded only by a stream that has found nearly everything to vary. A larger p-value is always valid.
    """
    control = start(method, level) if state is None else Control.from_dict(state)
    if not result.tested:
        return frozenset(), control.as_dict()
    places = np.array([place for place, _ in result.tested])
    p = np.array([chance for _, chance in result.tested])
    p = np.where((p > threshold) & (p < CANDIDATE), CANDIDATE, p)
    found, _, after = run(p, control)
    return frozenset(places[found].tolist()), after.as_dict()


def _match_previous_candidates(result: Result, prior: PriorState) -> tuple[list[CandidateRecord], set[str]]:
    """Candidates under the ids of those that they replace, where they are the same source's, and these ids."""
    detections = [one for record in result.observations for one in record.detections]
    free: dict[str, StoredCandidate] = {one.id: one for one in prior.replaced_candidates}
    borne: set[str] = set()
    out: list[CandidateRecord] = []
    for one in result.candidates:
        found = one.id if one.id in free else _same(one, detections[one.detection_index], free)
        if found is None:
            out.append(one)
            continue
        del free[found]
        borne.add(found)
        out.append(replace(one, id=found, evidence={**one.evidence, "candidate_id": found}))
    return out, borne


def _with_history(one: CandidateRecord, result: Result, prior: PriorState) -> CandidateRecord:
    """The candidate with what other observations saw at its place; without a position it has no history."""
    from xherald.detector.candidates.position_history import compare_with_history

    record, detection = [(record, found) for record in result.observations for found in record.detections][
        one.detection_index
    ]
    if detection.ra_deg is None or detection.dec_deg is None:
        return replace(one, evidence={**one.evidence, "history": None})
    radius = max(SAME_ARCSEC, ERRORS * (detection.pos_err_arcsec or 0.0))
    place = prior.position_history(detection.ra_deg, detection.dec_deg, radius, record)
    return replace(one, evidence={**one.evidence, "history": compare_with_history(detection, record, place)})


def _same(one: CandidateRecord, detection: DetectionRecord, old: Mapping[str, StoredCandidate]) -> str | None:
    """The nearest of the old candidates that is the same source's and of the same kind."""
    best: tuple[float, str] | None = None
    for other in old.values():
        if other.kind != one.kind:
            continue
        if detection.ra_deg is None or detection.dec_deg is None or other.ra_deg is None or other.dec_deg is None:
            if other.detection_id == detection.detection_id:
                return other.id
            continue
        away = float(separation_deg(detection.ra_deg, detection.dec_deg, other.ra_deg, other.dec_deg)) * 3600.0
        error = np.hypot(detection.pos_err_arcsec or 0.0, other.pos_err_arcsec or 0.0)
        if away <= max(SAME_ARCSEC, ERRORS * float(error)) and (best is None or away < best[0]):
            best = away, other.id
    return None if best is None else best[1]
