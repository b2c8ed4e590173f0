"""Committing a drop's result, on both databases: what is stored, kept and superseded."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from store_rows import (
    MINUTE,
    NOW,
    RUN,
    alert,
    candidate,
    claimed,
    detection,
    observation,
    one_candidate,
    store_errors,
)

from xherald.catalog_store.ledger.drop_outcome import DropOutcome, PriorState
from xherald.catalog_store.ledger.states import AlertState, AlertType, CandidateState, DropState
from xherald.catalog_store.ledger.store import Store
from xherald.photons.errors import StoreError


def test_committing_twice_changes_nothing(store: Store) -> None:
    (drop,) = claimed(store, "a")
    results = [observation("1", detections=[detection("s1"), detection("s2", ra_deg=None, dec_deg=None)])]
    store.commit_result(drop.id, RUN, results, one_candidate("c"), NOW)
    before = store.row_counts(), store.candidate("c"), store.drop(drop.id)
    again = store.commit_result(drop.id, RUN, results, one_candidate("c"), NOW + MINUTE)
    assert not again.is_new
    assert (store.row_counts(), store.candidate("c"), store.drop(drop.id)) == before
    assert before[0]["detections"] == 2


def test_failed_commit_changes_nothing(store: Store) -> None:
    (drop,) = claimed(store, "a")
    empty = store.row_counts()

    def fails(prior: PriorState) -> DropOutcome:
        assert prior.shared_state("fdr") is None
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.commit_result(drop.id, RUN, [observation("1")], fails, NOW)
    for verdict in (
        DropOutcome([candidate("c", detection_index=1)]),
        DropOutcome([candidate("c")], [alert("x", "unknown")]),
        DropOutcome([candidate("c"), candidate("d")]),
        DropOutcome([candidate("c", evidence={"score": float("nan")})]),
        DropOutcome([candidate("c", evidence={"what": object()})]),
    ):
        with pytest.raises(StoreError):
            store.commit_result(drop.id, RUN, [observation("1")], verdict, NOW)
    with pytest.raises(StoreError, match="at least one"):
        store.commit_result(drop.id, RUN, [], now=NOW)
    with pytest.raises(StoreError, match="twice"):
        store.commit_result(drop.id, RUN, [observation("1"), observation("1")], now=NOW)
    assert store.row_counts() == empty
    assert store.drop(drop.id) == drop


def test_stored_values_are_read_unchanged(store: Store) -> None:
    (drop,) = claimed(store, "a")
    found = [
        detection("s1", ra_deg=0.0, dec_deg=-90.0, score=np.float32(1.5), pos_err_arcsec=0.4),
        detection("s2", ra_deg=360.0, dec_deg=89.0, counts=np.int64(7), false_alarm_probability=np.float64(1e-12)),
    ]
    store.commit_result(
        drop.id, RUN, [observation("1", detections=found)], DropOutcome([candidate("c", detection_index=1)]), NOW
    )
    file = store.candidate("c")
    assert file.run == RUN
    assert file.detection_details == {"hardness": 0.25}
    assert file.candidate.evidence == {"neighbours": ["XRT 000519"]}
    assert (file.candidate.ra_deg, file.candidate.dec_deg, file.candidate.counts) == (360.0, 89.0, 7)
    assert file.candidate.false_alarm_probability == 1e-12
    assert (file.candidate.start, file.candidate.created) == (NOW - timedelta(days=3), NOW)
    (south,) = store.detections_near(0.0, -90.0, 0.01)
    assert south.detection == found[0]
    assert south.candidate_id is None


def test_later_processing_supersedes_observation_and_candidates(store: Store) -> None:
    (first,) = claimed(store, "v9")
    store.commit_result(first.id, RUN, [observation("1", "9.8")], one_candidate("old", ("file", "mail")), NOW)
    (due,) = store.take_due_alerts("d", 1, sinks=["file"], now=NOW)
    store.mark_sent(due.id, due.sink, now=NOW)
    (second,) = claimed(store, "v10")
    priors: list[PriorState] = []

    def decide(prior: PriorState) -> DropOutcome:
        priors.append(prior)
        retractions = [
            alert(f"{one.id}-2", one.id, sink, AlertType.RETRACTION)
            for one in prior.replaced_candidates
            for sink in ("file", "mail")
        ]
        return DropOutcome([candidate("new")], retractions)

    done = store.commit_result(second.id, RUN, [observation("1", "10.2")], decide, NOW + MINUTE)
    assert [[one.id for one in prior.replaced_candidates] for prior in priors] == [["old"]]
    assert priors[0].notified_sinks == {"old": ("file",)}
    assert priors[0].is_outdated == (False,)
    assert done.superseded == (first.id,)
    gone = store.drop(first.id)
    assert (gone.state, gone.superseded_by) == (DropState.SUPERSEDED, second.id)
    assert [one.id for one in store.candidates()] == ["new"]
    assert store.candidate("old").candidate.state is CandidateState.SUPERSEDED
    # Alerts that were never sent are withdrawn, and so are their retractions.
    states = {(one.id, one.sink): one.state for one in store.alerts(candidate_id="old")}
    assert states == {
        ("old-1", "file"): AlertState.SENT,
        ("old-1", "mail"): AlertState.WITHDRAWN,
        ("old-2", "file"): AlertState.PENDING,
        ("old-2", "mail"): AlertState.WITHDRAWN,
    }
    assert [entry.candidate_id for entry in store.detections_near(83.8, -5.4, 0.01)] == ["new"]
    assert store_errors(store) == []


def test_earlier_processing_that_arrives_later_is_superseded(store: Store) -> None:
    (first,) = claimed(store, "v10")
    store.commit_result(first.id, RUN, [observation("1", "10")], one_candidate("c"), NOW)
    (second,) = claimed(store, "v9")

    def decide(prior: PriorState) -> DropOutcome:
        assert prior.is_outdated == (True,)
        assert prior.replaced_candidates == ()
        return one_candidate("late")

    done = store.commit_result(second.id, RUN, [observation("1", "9")], decide, NOW)
    assert (done.drop.state, done.drop.superseded_by) == (DropState.SUPERSEDED, first.id)
    assert store.drop(first.id).state is DropState.PROCESSED
    assert [one.id for one in store.candidates()] == ["c"]
    assert [one.state for one in store.alerts(candidate_id="late")] == [AlertState.WITHDRAWN]
    assert store_errors(store) == []


def test_last_seen_of_equal_versions_is_current(store: Store) -> None:
    first, second = claimed(store, "without", "with")
    store.commit_result(second.id, RUN, [observation("1", "10")], one_candidate("c"), NOW)
    done = store.commit_result(first.id, RUN, [observation("1", "10")], one_candidate("late"), NOW)
    assert (done.drop.state, done.drop.superseded_by) == (DropState.SUPERSEDED, second.id)
    assert store.drop(second.id).state is DropState.PROCESSED
    assert [one.id for one in store.candidates()] == ["c"]
    assert store_errors(store) == []


def test_parts_and_instruments_of_one_observation_are_independent(store: Store) -> None:
    drops = claimed(store, "r1", "r2", "none", "nothing")
    for drop, (obs_id, part) in zip(drops, [("1", "r1"), ("1", "r2"), ("", ""), ("", "")], strict=True):
        assert store.commit_result(drop.id, RUN, [observation(obs_id, part=part)], now=NOW).superseded == ()
    assert len(store.detections_near(83.8, -5.4, 0.01)) == 4


def test_drop_is_superseded_with_its_last_observation(store: Store) -> None:
    (table,) = claimed(store, "table")
    both = DropOutcome([candidate("a", 0), candidate("b", 1)])
    store.commit_result(table.id, RUN, [observation("1"), observation("2")], both, NOW)
    assert {one.id: one.obs_id for one in store.candidates()} == {"a": "1", "b": "2"}
    first, second = claimed(store, "n1", "n2")
    assert store.commit_result(first.id, RUN, [observation("1", "2")], now=NOW).superseded == ()
    assert store.drop(table.id).state is DropState.PROCESSED
    assert store.commit_result(second.id, RUN, [observation("2", "2")], now=NOW).superseded == (table.id,)
    assert store_errors(store) == []


def test_candidate_keeps_its_id_in_a_later_processing(store: Store) -> None:
    for number, (name, score) in enumerate([("v1", 4.0), ("v2", 6.0)], 1):
        (drop,) = claimed(store, name, now=NOW + number * MINUTE)
        kind = AlertType.INITIAL if number == 1 else AlertType.UPDATE
        verdict = DropOutcome([candidate("c", score=score)], [alert(f"c-{number}", "c", kind=kind)])
        store.commit_result(drop.id, RUN, [observation("1", str(number))], verdict, NOW + number * MINUTE)
        for out in store.take_due_alerts("d", now=NOW + number * MINUTE):
            store.mark_sent(out.id, out.sink, now=NOW)
    (one,) = store.candidates()
    assert (one.score, one.alert_type, one.created, one.updated) == (
        6.0,
        AlertType.UPDATE,
        NOW + MINUTE,
        NOW + 2 * MINUTE,
    )
    assert [out.id for out in store.candidate("c").alerts] == ["c-1", "c-2"]


def test_detections_of_one_event_are_one_candidate(store: Store) -> None:
    first, second, third = claimed(store, "mos1", "mos2", "pn")

    def evidence(ranking: float) -> dict[str, object]:
        return {"candidate_id": "c", "ranking_statistic": ranking, "detections": [{"ranking": ranking}]}

    for drop, obs_id, ranking in ((first, "1", 4.0), (second, "2", 9.0), (third, "3", 6.0)):
        verdict = DropOutcome([candidate("c", score=ranking, evidence=evidence(ranking))])
        store.commit_result(drop.id, RUN, [observation(obs_id)], verdict, NOW)
    (one,) = store.candidates()
    assert (one.obs_id, one.score, one.drop_id) == ("2", 9.0, second.id)
    assert [row["ranking"] for row in one.evidence["detections"]] == [9.0, 6.0, 4.0]
    assert {near.candidate_id for near in store.detections_near(83.8, -5.4, 0.01)} == {"c"}
    # The most significant detection is not in the later processing any more; the others remain.
    (again,) = claimed(store, "mos2 again")
    store.commit_result(again.id, RUN, [observation("2", "2")], now=NOW)
    (one,) = store.candidates()
    assert (one.obs_id, one.score) == ("3", 6.0)
    assert store_errors(store) == []
    for name, obs_id in (("1 again", "1"), ("3 again", "3")):
        (again,) = claimed(store, name)
        store.commit_result(again.id, RUN, [observation(obs_id, "2")], now=NOW)
    assert store.candidates() == []
    assert store.candidate("c").candidate.state is CandidateState.SUPERSEDED


def test_shared_state_is_committed_with_the_decision(store: Store) -> None:
    assert store.shared_state("fdr") is None
    for drop in claimed(store, *"abcd"):

        def decide(prior: PriorState) -> DropOutcome:
            spent = (prior.shared_state("fdr") or {"wealth": 16.0})["wealth"]
            return DropOutcome(shared_states={"fdr": {"wealth": spent / 2}})

        store.commit_result(drop.id, RUN, [observation(drop.url)], decide, NOW)
    assert store.shared_state("fdr") == {"wealth": 1.0}
    store.set_shared_states({"fdr": {"wealth": 5}, "drift": {}}, RUN, NOW)
    assert (store.shared_state("fdr"), store.shared_state("drift")) == ({"wealth": 5}, {})
