"""The life of a drop, on both databases: sightings, claims, attempts, quarantine."""

from __future__ import annotations

from datetime import timedelta

import pytest
from store_rows import (
    MINUTE,
    NOW,
    RUN,
    claimed,
    content,
    observation,
    one_candidate,
    sighting,
    stable,
    store_errors,
)

from xherald.catalog_store.ledger.states import DropState
from xherald.catalog_store.ledger.store import Store
from xherald.photons.errors import StoreError


def test_drop_goes_from_seen_to_alerted(store: Store) -> None:
    (drop,) = store.record_sightings([sighting("a")], NOW)
    assert (drop.state, drop.first_seen, drop.sha256) == (DropState.SEEN, NOW, None)
    assert store.claim("w", now=NOW) == []
    assert store.mark_stable(drop.id, content("a"), NOW + MINUTE).state is DropState.STABLE
    (mine,) = store.claim("w", 5, lease=MINUTE, now=NOW + MINUTE)
    assert (mine.state, mine.claimed_by, mine.attempts) == (DropState.CLAIMED, "w", 1)
    assert mine.claim_expires == NOW + 2 * MINUTE
    done = store.commit_result(mine.id, RUN, [observation("1")], one_candidate("c"), NOW + 2 * MINUTE)
    assert done.is_new
    assert done.drop == store.drop(mine.id)
    assert (done.drop.state, done.drop.claimed_by, done.drop.claim_expires) == (DropState.PROCESSED, None, None)
    (out,) = store.take_due_alerts("d", now=NOW + 2 * MINUTE)
    store.mark_sent(out.id, out.sink, {"line": 1}, NOW + 3 * MINUTE)
    assert store.drop(mine.id).state is DropState.ALERTED
    assert store.drop_counts()[DropState.ALERTED] == 1
    assert store_errors(store) == []


def test_repeated_sighting_is_one_drop(store: Store) -> None:
    first, again = store.record_sightings([sighting("a"), sighting("a")], NOW)
    assert first == again
    assert store.record_sightings([sighting("b"), sighting("a")], NOW + MINUTE)[1] == first
    assert len(store.drops()) == 2


def test_changed_file_updates_its_drop(store: Store) -> None:
    (first,) = store.record_sightings([sighting("a", size=10)], NOW)
    (grown,) = store.record_sightings([sighting("a", size=20)], NOW + MINUTE)
    assert (grown.id, grown.size, grown.first_seen, grown.unchanged_since) == (first.id, 20, NOW, NOW + MINUTE)
    assert store.record_sightings([sighting("a", size=20)], NOW + 2 * MINUTE) == [grown]


def test_sightings_can_be_forgotten(store: Store) -> None:
    seen, taken = store.record_sightings([sighting("a"), sighting("b")], NOW)
    store.mark_stable(taken.id, content("b"), NOW)
    store.forget_sightings("elsewhere", {seen.url})
    assert {one.id for one in store.drops()} == {seen.id, taken.id}
    store.forget_sightings("local", {seen.url, taken.url, "/drop/never"})
    assert [one.id for one in store.drops()] == [taken.id]
    assert store_errors(store) == []


def test_file_that_changes_after_processing_is_a_new_drop(store: Store) -> None:
    (drop,) = claimed(store, "a")
    (later,) = store.record_sightings([sighting("a", size=101)], NOW)
    assert later.id != drop.id
    assert later.state is DropState.SEEN
    assert store.record_sightings([sighting("a")], NOW) == [store.drop(drop.id)]


def test_same_content_is_a_duplicate(store: Store) -> None:
    first, second = store.record_sightings([sighting("a"), sighting("copy")], NOW)
    store.mark_stable(first.id, content("a"), NOW)
    copy = store.mark_stable(second.id, content("a"), NOW)
    assert (copy.state, copy.superseded_by) == (DropState.DUPLICATE, first.id)
    assert store.mark_stable(second.id, content("a"), NOW + MINUTE) == copy
    assert [one.id for one in store.claim("w", 9, now=NOW)] == [first.id]
    assert store.locations(first.id) == (("local", "/drop/a"), ("local", "/drop/copy"))
    assert store_errors(store) == []


def test_content_of_a_stable_drop_does_not_change(store: Store) -> None:
    (drop,) = stable(store, "a")
    with pytest.raises(StoreError, match="is stable"):
        store.mark_stable(drop.id, content("other"), NOW)


def test_expired_claim_is_taken_by_another_worker(store: Store) -> None:
    stable(store, "a", "b", "c")
    first = store.claim("w1", 2, lease=MINUTE, now=NOW)
    assert [one.url for one in first] == ["/drop/a", "/drop/b"]
    assert [one.url for one in store.claim("w2", 9, lease=MINUTE, now=NOW)] == ["/drop/c"]
    assert store.renew_claims("w1", [first[1].id], lease=2 * MINUTE, now=NOW) == {first[1].id}
    late = store.claim("w2", 9, lease=MINUTE, now=NOW + MINUTE)
    assert [(one.url, one.attempts) for one in late] == [("/drop/a", 2), ("/drop/c", 2)]
    assert store.renew_claims("w1", [one.id for one in first], now=NOW + MINUTE) == {first[1].id}


def test_drop_is_quarantined_after_the_last_attempt(store: Store) -> None:
    (drop,) = claimed(store, "a")
    store.postpone(drop.id, "w", "no such host", NOW + MINUTE, NOW)
    assert store.claim("w", now=NOW) == []
    again = store.claim("w", max_attempts=2, now=NOW + MINUTE)
    assert [(one.id, one.attempts, one.reason) for one in again] == [(drop.id, 2, "no such host")]
    store.postpone(drop.id, "w", "no such host", NOW + MINUTE, NOW)
    stable(store, "b")
    assert [one.url for one in store.claim("w", max_attempts=2, now=NOW + MINUTE)] == ["/drop/b"]
    aside = store.drop(drop.id)
    assert aside.state is DropState.QUARANTINED
    assert aside.reason == "failed 2 times: no such host"
    fresh = store.release(drop.id, NOW)
    assert (fresh.state, fresh.attempts, fresh.reason) == (DropState.STABLE, 0, None)


def test_drop_claimed_by_another_worker_is_not_postponed(store: Store) -> None:
    (drop,) = claimed(store, "a")
    late = NOW + timedelta(hours=1)
    (theirs,) = store.claim("other", now=late)
    assert store.postpone(drop.id, "w", "too late", late, late) == theirs
    assert store.release(drop.id, late).attempts == 1


def test_drops_and_alerts_of_a_dead_worker_are_released(store: Store) -> None:
    (drop,) = claimed(store, "a")
    store.commit_result(drop.id, RUN, [observation("1")], one_candidate("c"), NOW)
    claimed(store, "b", now=NOW)
    assert len(store.take_due_alerts("w", now=NOW)) == 1
    assert store.claim("w", now=NOW) == store.take_due_alerts("w", now=NOW) == []
    assert store.release_worker("w", NOW) == 2
    assert [one.attempts for one in store.claim("w2", now=NOW)] == [2]
    assert [one.attempts for one in store.take_due_alerts("w2", now=NOW)] == [2]


def test_quarantine_needs_a_reason_and_keeps_the_first(store: Store) -> None:
    (drop,) = claimed(store, "a")
    with pytest.raises(StoreError, match="without a reason"):
        store.quarantine(drop.id, "  ", NOW)
    store.quarantine(drop.id, "gzip trailer missing", NOW)
    assert store.quarantine(drop.id, "again", NOW).reason == "gzip trailer missing"
    with pytest.raises(StoreError, match="only a claimed drop"):
        store.commit_result(drop.id, RUN, [observation("1")], now=NOW)


def test_drop_counts_and_oldest_waiting(store: Store) -> None:
    assert store.oldest_waiting() is None
    (first,) = claimed(store, "a")
    stable(store, "b", now=NOW + MINUTE)
    assert store.oldest_waiting() == NOW
    store.commit_result(first.id, RUN, [observation("1")], now=NOW)
    assert store.oldest_waiting() == NOW + MINUTE
