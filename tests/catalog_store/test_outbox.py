"""The outbox of alerts, on both databases: leases, retries, retractions and vetting."""

from __future__ import annotations

from datetime import timedelta

import pytest
from store_rows import (
    MINUTE,
    NOW,
    RUN,
    alert,
    candidate,
    claimed,
    observation,
    one_candidate,
    store_errors,
)

from xherald.catalog_store.ledger.drop_outcome import DropOutcome
from xherald.catalog_store.ledger.states import AlertState, AlertType, CandidateState, DropState, VettingDecision
from xherald.catalog_store.ledger.store import Store
from xherald.photons.errors import StoreError


def test_alert_is_leased_to_one_dispatcher(store: Store) -> None:
    (drop,) = claimed(store, "a")
    store.commit_result(drop.id, RUN, [observation("1")], one_candidate("c", ("file", "mail")), NOW)
    assert store.next_alert_due() == NOW
    (mine,) = store.take_due_alerts("d1", 1, lease=MINUTE, now=NOW)
    (theirs,) = store.take_due_alerts("d2", 9, lease=2 * MINUTE, now=NOW)
    assert {mine.sink, theirs.sink} == {"file", "mail"}
    assert store.take_due_alerts("d2", now=NOW) == []
    assert store.next_alert_due() == NOW + MINUTE
    (again,) = store.take_due_alerts("d2", now=NOW + MINUTE)
    assert (again.id, again.sink, again.attempts) == (mine.id, mine.sink, 2)
    store.mark_sent(theirs.id, theirs.sink, {"id": 7}, NOW)
    assert store.drop(drop.id).state is DropState.PROCESSED
    store.mark_failed(again.id, again.sink, "refused", NOW + 5 * MINUTE, NOW)
    assert store.take_due_alerts("d2", now=NOW + 4 * MINUTE) == []
    (third,) = store.take_due_alerts("d2", now=NOW + 5 * MINUTE)
    assert (third.error, third.attempts) == ("refused", 3)
    store.mark_failed(third.id, third.sink, "refused for good", None, NOW)
    assert store.take_due_alerts("d2", now=NOW + timedelta(days=1)) == []
    assert store.alert_counts()[AlertState.FAILED] == 1
    assert store.drop(drop.id).state is DropState.PROCESSED
    assert store.requeue(third.id, third.sink, NOW) == 1
    (fourth,) = store.take_due_alerts("d2", now=NOW)
    store.mark_digested([(fourth.id, fourth.sink)], {"digest": 1}, NOW)
    assert store.drop(drop.id).state is DropState.ALERTED
    assert store.count_sent(NOW) == 1
    assert store.count_sent(NOW + MINUTE) == store.count_sent(NOW, sink="nowhere") == 0
    assert {one.sink: one.receipt for one in store.alerts(alert_id="c-1")} == {
        theirs.sink: {"id": 7},
        mine.sink: {"digest": 1},
    }


def test_repeated_alert_is_in_the_outbox_once(store: Store) -> None:
    (drop,) = claimed(store, "a")
    store.commit_result(drop.id, RUN, [observation("1")], one_candidate("c"), NOW)
    (out,) = store.take_due_alerts("d", now=NOW)
    store.mark_sent(out.id, out.sink, now=NOW)
    store.enqueue([alert("c-1", "c")], NOW)
    store.mark_failed(out.id, out.sink, "late message of a dead dispatcher", NOW, NOW)
    assert store.take_due_alerts("d", now=NOW + timedelta(days=1)) == []


def test_retraction_waits_for_the_alert_it_retracts(store: Store) -> None:
    (drop,) = claimed(store, "a")
    store.commit_result(drop.id, RUN, [observation("1")], one_candidate("c"), NOW)
    (out,) = store.take_due_alerts("d", now=NOW)
    store.mark_failed(out.id, out.sink, "sink is down", NOW + timedelta(hours=1), NOW)
    retraction = alert("c-2", "c", kind=AlertType.RETRACTION)
    store.record_vetting("c", "Ann", VettingDecision.REJECTED, "hot pixel", [retraction], NOW)
    assert store.take_due_alerts("d", now=NOW + MINUTE) == []
    (first,) = store.take_due_alerts("d", now=NOW + timedelta(hours=1))
    assert first.id == "c-1"
    store.mark_sent(first.id, first.sink, now=NOW)
    (then,) = store.take_due_alerts("d", now=NOW + timedelta(hours=1))
    assert (then.id, then.alert_type) == ("c-2", AlertType.RETRACTION)


def test_rejected_candidate_is_retracted_at_notified_sinks(store: Store) -> None:
    (drop,) = claimed(store, "a")
    store.commit_result(drop.id, RUN, [observation("1")], one_candidate("c", ("file", "mail")), NOW)
    (due,) = store.take_due_alerts("d", sinks=["file"], now=NOW)
    store.mark_sent(due.id, due.sink, now=NOW)
    retractions = [alert("c-2", "c", sink, AlertType.RETRACTION) for sink in ("file", "mail")]
    for _ in range(2):
        store.record_vetting("c", "Ann", VettingDecision.REJECTED, "hot pixel", retractions, NOW)
    assert [(one.id, one.sink) for one in store.take_due_alerts("d", now=NOW)] == [("c-2", "file")]
    file = store.candidate("c")
    assert [(one.author, one.verdict, one.comment, one.created) for one in file.vettings] == [
        ("Ann", VettingDecision.REJECTED, "hot pixel", NOW)
    ]
    assert file.candidate.state is CandidateState.RETRACTED
    assert store.candidates() == []
    assert [one.id for one in store.candidates(states=[CandidateState.RETRACTED])] == ["c"]
    # A later processing does not restore a candidate that a person rejected.
    (later,) = claimed(store, "b")
    store.commit_result(later.id, RUN, [observation("1", "2")], DropOutcome([candidate("c")], [alert("c-3", "c")]), NOW)
    assert store.candidate("c").candidate.state is CandidateState.RETRACTED
    assert store.alerts(alert_id="c-3")[0].state is AlertState.WITHDRAWN
    assert store_errors(store) == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.candidate("x"),
        lambda store: store.record_vetting("x", "Ann", VettingDecision.REJECTED),
        lambda store: store.mark_sent("x", "file"),
        lambda store: store.requeue("x"),
        lambda store: store.drop(1),
        lambda store: store.enqueue([alert("a", "x")]),
    ],
)
def test_missing_rows_are_reported_by_id(store: Store, ask: object) -> None:
    with pytest.raises(StoreError, match="not in the"):
        ask(store)  # type: ignore[operator]
