"""Decisions about the result of a file: false-discovery control, updates and retractions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from fast_pipeline import RUN

from xherald.catalog_store.ledger.drop_outcome import PriorState
from xherald.catalog_store.ledger.records import (
    AlertRecord,
    CandidateRecord,
    DetectionRecord,
    ObservationRecord,
    StoredCandidate,
)
from xherald.catalog_store.ledger.states import AlertType, CandidateState
from xherald.daemon.jobs.decisions import FALSE_DISCOVERY_STATE, CandidateChange, make_decision
from xherald.daemon.jobs.drop_results import FileResult
from xherald.detector.scoring import false_discovery


def make_result(*p_values: float, threshold: float = 1e-3, ra: float = 10.0) -> FileResult:
    """A result of one observation with a source for each p-value, and candidates for small ones."""
    found = tuple(
        DetectionRecord(f"s{i}", ra, 5.0 + i, 30, 1e3, "flare", pos_err_arcsec=1.0) for i in range(len(p_values))
    )
    candidates = tuple(
        CandidateRecord(f"c{i}", i, "flare", evidence={"candidate_id": f"c{i}", "direction": "brighter"})
        for i, p in enumerate(p_values)
        if p <= threshold
    )
    return FileResult(
        (ObservationRecord("M", "I", "1", detections=found),), candidates, tuple(enumerate(p_values)), RUN
    )


def make_prior(
    state: Any = None, replaced: tuple[StoredCandidate, ...] = (), **notified: tuple[str, ...]
) -> PriorState:
    return PriorState(replaced, notified, (False,), lambda _: state)


def make_stored(name: str, ra: float, dec: float, direction: str = "brighter") -> StoredCandidate:
    now = datetime.now(UTC)
    kind = "flare" if direction == "brighter" else "dip"
    evidence = {"candidate_id": name, "direction": direction}
    return StoredCandidate(
        id=name, kind=kind, likely_class=None, score=None, far_hz=None, evidence=evidence,
        state=CandidateState.STANDING, alert_type=None, created=now, updated=now, ra_deg=ra, dec_deg=dec,
        pos_err_arcsec=1.0, detection_id="s0", counts=30, livetime_s=1e3, false_alarm_probability=None,
        extrapolated=None, mission="M", instrument="I", obs_id="1", start=None, observation_id=1, drop_id=1, url="",
    )  # fmt: skip


def decide_on(result: FileResult, prior: PriorState) -> tuple[list[CandidateChange], Any]:
    found: list[CandidateChange] = []

    def build_alerts(changes: Any) -> tuple[()]:
        found.extend(changes)
        return ()

    return found, make_decision(result, 0.1, 1e-3, build_alerts)(prior)


def test_false_discovery_control_continues_across_files() -> None:
    p_values = (0.4, 1e-9, 0.8, 5e-4, 0.02)
    changes, outcome = decide_on(make_result(*p_values), make_prior())
    assert [one.id for one in outcome.candidates] == ["c1", "c3"]
    plain, _, _ = false_discovery.run(np.array(p_values), false_discovery.start(0.1))
    assert [one.candidate_id for one in changes] == [f"c{i}" for i in np.flatnonzero(plain) if p_values[i] <= 1e-3]
    state = outcome.shared_states[FALSE_DISCOVERY_STATE]
    assert state["tested"] == len(p_values)
    # The next file continues from there.
    _, after = decide_on(make_result(0.3, 0.9), make_prior(state))
    assert after.shared_states[FALSE_DISCOVERY_STATE]["tested"] == len(p_values) + 2


def test_only_candidates_are_announced() -> None:
    rich = false_discovery.Control(0.5, tested=9, discoveries=tuple(range(1, 10)))
    _, outcome = decide_on(make_result(2e-3), make_prior(rich.as_dict()))
    assert false_discovery.next_level(rich) > 2e-3
    assert outcome.shared_states[FALSE_DISCOVERY_STATE]["discoveries"] == list(range(1, 10))


def test_later_processing_updates_and_retracts_candidates() -> None:
    replaced = (
        make_stored("old", 10.0, 5.0 + 0.5 / 3600),
        make_stored("gone", 10.0, 80.0),
        make_stored("dip", 10.0, 6.0, "fainter"),
    )
    changes, outcome = decide_on(
        make_result(1e-9, 1e-9), make_prior(None, replaced, old=("mail",), gone=("mail", "file"), dip=())
    )
    assert [one.id for one in outcome.candidates] == ["old", "c1"]
    assert outcome.candidates[0].evidence["candidate_id"] == "old"
    assert [(one.candidate_id, one.alert_type, one.notified_sinks) for one in changes] == [
        ("old", AlertType.UPDATE, ("mail",)),
        ("c1", AlertType.INITIAL, ()),
        ("gone", AlertType.RETRACTION, ("mail", "file")),
    ]
    # The plot sheet of a candidate with an earlier id has the id of the new detection.
    assert [one.sheet_id for one in changes] == ["c0", "c1", ""]


def test_further_detection_of_an_event_is_announced_only_with_news() -> None:
    span = {"interval_start_utc": "2026-03-01T00:00:00Z", "interval_stop_utc": "2026-03-01T00:01:00Z"}
    facts = {**span, "false_alarm_probability": 1e-4, "pos_err_arcsec": 1.0, "likely_class": "burst", "obs_id": "9"}
    facts["direction"] = "brighter"
    stored = replace(make_stored("event", 10.0, 5.0), evidence=facts, alert_type=AlertType.INITIAL)

    def decide_on_joined(**news: Any) -> tuple[list[CandidateChange], Any]:
        result = make_result(1e-9)
        (one,) = result.candidates
        joined = replace(one, evidence={**one.evidence, **facts, "obs_id": "1", **news})
        prior = replace(
            make_prior(),
            candidates_near=lambda _: [stored],
            other_evidence=lambda _: [facts],
            find_notified=lambda ids: dict.fromkeys(ids, ("mail",)),
        )
        return decide_on(replace(result, candidates=(joined,)), prior)

    for news, expected in (
        ({}, 0),
        ({"false_alarm_probability": 2e-5}, 0),
        ({"false_alarm_probability": 9e-7}, 1),
        ({"pos_err_arcsec": 0.4}, 1),
        ({"likely_class": "flare star", "false_alarm_probability": 5e-5}, 1),
        # The stored detection is the more significant one, and its class stays.
        ({"likely_class": "flare star", "false_alarm_probability": 5e-4}, 0),
    ):
        changes, outcome = decide_on_joined(**news)
        assert [one.id for one in outcome.candidates] == ["event"]
        assert [(one.candidate_id, one.alert_type) for one in changes] == expected * [("event", AlertType.UPDATE)]


def test_pending_alert_of_an_event_is_replaced_by_one_with_the_news() -> None:
    span = {"interval_start_utc": "2026-03-01T00:00:00Z", "interval_stop_utc": "2026-03-01T00:01:00Z"}
    facts = {**span, "false_alarm_probability": 1e-4, "pos_err_arcsec": 1.0}
    stored = replace(make_stored("event", 10.0, 5.0), evidence=facts, alert_type=AlertType.INITIAL)
    result = make_result(1e-4)
    joined = replace(result.candidates[0], evidence={"candidate_id": "c0", **facts, "pos_err_arcsec": 0.3})
    prior = replace(make_prior(), candidates_near=lambda _: [stored], other_evidence=lambda _: [facts])

    def build_alerts(changes: Any) -> list[AlertRecord]:
        return [AlertRecord(f"{one.candidate_id}-2", one.candidate_id, "mail", one.alert_type, {}) for one in changes]

    decide = make_decision(replace(result, candidates=(joined,)), 0.1, 1e-3, build_alerts)
    outcome = decide(prior)
    assert [one.alert_type for one in outcome.alerts] == [AlertType.INITIAL]
    assert outcome.renewed_ids == {"event"}


def test_reprocessed_candidate_without_changes_is_not_announced() -> None:
    same = {"candidate_id": "old", "t90_s": 100.0}
    old = replace(make_stored("old", 10.0, 5.0), evidence=same, alert_type=AlertType.INITIAL)
    result = make_result(1e-9)
    for t90, expected in ((100.2, 0), (110.0, 1)):
        one = replace(result.candidates[0], evidence={"candidate_id": "c0", "t90_s": t90})
        changes, outcome = decide_on(replace(result, candidates=(one,)), make_prior(None, (old,), old=("mail",)))
        assert (len(changes), outcome.unchanged_ids) == (expected, frozenset() if expected else {"old"})


def test_backfill_does_not_change_false_discovery_control() -> None:
    changes, outcome = [], make_decision(make_result(1e-9), None, 1e-3, lambda _: ())(make_prior({"x": 1}))
    assert (changes, dict(outcome.shared_states), len(outcome.candidates)) == ([], {}, 1)
