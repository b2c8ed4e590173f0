"""The store on both databases: the life of drops, what finishing keeps and supersedes, the outbox, questions asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from store_rows import (
    DATABASES,
    MINUTE,
    NOW,
    RUN,
    alert,
    candidate,
    claimed,
    content,
    detection,
    fresh_url,
    observation,
    one_candidate,
    sighting,
    stable,
)

from xherald.catalog_store.ledger.drop_outcome import DropOutcome, PriorState
from xherald.catalog_store.ledger.records import DetectionRecord
from xherald.catalog_store.ledger.states import AlertState, AlertType, CandidateState, DropState, VettingDecision
from xherald.catalog_store.ledger.store import Store, open_store
from xherald.photons.errors import StoreError


@pytest.fixture(params=DATABASES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with open_store(fresh_url(request.param, tmp_path)) as opened:
        yield opened


def grave(store: Store) -> list[str]:
    return [f"{one.name}: {one.examples}" for one in store.check(NOW) if one.is_error]


# Drops


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
    assert grave(store) == []


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
    assert grave(store) == []


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
    assert grave(store) == []


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


# Finishing


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
        DropOutcome([candidate("c"), candidate("c")]),
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
    (told,) = store.take_due_alerts("d", 1, sinks=["file"], now=NOW)
    store.mark_sent(told.id, told.sink, now=NOW)
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
    # What was never sent is not announced, nor taken back.
    states = {(one.id, one.sink): one.state for one in store.alerts(candidate_id="old")}
    assert states == {
        ("old-1", "file"): AlertState.SENT,
        ("old-1", "mail"): AlertState.WITHDRAWN,
        ("old-2", "file"): AlertState.PENDING,
        ("old-2", "mail"): AlertState.WITHDRAWN,
    }
    assert [entry.candidate_id for entry in store.detections_near(83.8, -5.4, 0.01)] == ["new"]
    assert grave(store) == []


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
    assert grave(store) == []


def test_of_equal_versions_the_one_seen_last_is_current(store: Store) -> None:
    first, second = claimed(store, "without", "with")
    store.commit_result(second.id, RUN, [observation("1", "10")], one_candidate("c"), NOW)
    done = store.commit_result(first.id, RUN, [observation("1", "10")], one_candidate("late"), NOW)
    assert (done.drop.state, done.drop.superseded_by) == (DropState.SUPERSEDED, second.id)
    assert store.drop(second.id).state is DropState.PROCESSED
    assert [one.id for one in store.candidates()] == ["c"]
    assert grave(store) == []


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
    assert grave(store) == []


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
    (other,) = claimed(store, "other")
    with pytest.raises(StoreError, match="of another observation"):
        store.commit_result(other.id, RUN, [observation("2")], one_candidate("c"), NOW)


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


# The outbox


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
    store.mark_failed(out.id, out.sink, "late word of a dead dispatcher", NOW, NOW)
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
    (told,) = store.take_due_alerts("d", sinks=["file"], now=NOW)
    store.mark_sent(told.id, told.sink, now=NOW)
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
    # A better processing does not bring back what a person rejected.
    (later,) = claimed(store, "b")
    store.commit_result(later.id, RUN, [observation("1", "2")], DropOutcome([candidate("c")], [alert("c-3", "c")]), NOW)
    assert store.candidate("c").candidate.state is CandidateState.RETRACTED
    assert store.alerts(alert_id="c-3")[0].state is AlertState.WITHDRAWN
    assert grave(store) == []


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


# Questions


def test_candidates_match_all_conditions(store: Store) -> None:
    random = np.random.default_rng(8)
    n = 300
    # Around the pole and across the meridian of 0, where boxes in right ascension and declination fail.
    ra = np.concatenate([random.uniform(0, 360, n // 2), random.normal(0, 0.3, n // 2) % 360])
    dec = np.concatenate([random.uniform(88.5, 90, n // 2), random.normal(10, 0.3, n // 2)])
    far = 10 ** random.uniform(-10, -4, n)
    age = random.uniform(0, 96, n)
    names = random.choice(["stellar flare", "GRB", ""], n)
    drops = claimed(store, *(f"{i}" for i in range(n)), now=NOW - timedelta(days=9))
    for i, drop in enumerate(drops):
        one = candidate(f"c{i}", far_hz=far[i] if i % 9 else None, likely_class=str(names[i]))
        found = [detection(ra_deg=float(ra[i]), dec_deg=float(dec[i]))]
        when = NOW - timedelta(hours=float(age[i]))
        store.commit_result(drop.id, RUN, [observation(f"{i}", detections=found)], DropOutcome([one]), when)
    places = SkyCoord(ra, dec, unit="deg")
    known = np.arange(n) % 9 > 0
    for near in ((0.1, 10.1, 0.4), (359.9, 9.9, 0.02), (120.0, 89.9, 0.5), (10.0, 10.0, 90.0)):
        apart = places.separation(SkyCoord(near[0], near[1], unit="deg")).deg
        fits = (apart <= near[2]) & (age <= 48) & known & (far < 1e-6)
        asked = {"near": near, "since": NOW - timedelta(hours=48), "far_below": 1e-6}
        found = store.candidates(**asked)  # type: ignore[arg-type]
        assert {one.id for one in found} == {f"c{i}" for i in np.flatnonzero(fits)}
        assert [one.created for one in found] == sorted((one.created for one in found), reverse=True)
        assert store.candidates(**asked, limit=3) == found[:3]  # type: ignore[arg-type]
        of_class = store.candidates(near=near, likely_class="GRB", kind="flare")
        assert {one.id for one in of_class} == {f"c{i}" for i in np.flatnonzero((apart <= near[2]) & (names == "GRB"))}
    assert store.candidates(kind="dip") == []
    assert len(store.candidates(limit=7)) == 7
    at = store.detections_near(0.0, 10.0, 0.3)
    separation = places.separation(SkyCoord(0, 10, unit="deg"))
    assert len(at) == (separation.deg <= 0.3).sum()
    told = {one.candidate_id: one.separation_arcsec for one in at}
    expected = separation.to_value(units.arcsec)
    assert told == {f"c{i}": pytest.approx(expected[i], abs=1e-6) for i in np.flatnonzero(separation.deg <= 0.3)}


def test_detections_near_are_current_and_in_order_of_time(store: Store) -> None:
    for name, version in (("a", "1"), ("b", "1"), ("a", "2")):
        (drop,) = claimed(store, f"{name}{version}")
        store.commit_result(drop.id, RUN, [observation(name, version, [detection(counts=int(version))])], now=NOW)
    entries = store.detections_near(83.8, -5.4, 1e-3)
    assert [(one.obs_id, one.detection.counts) for one in entries] == [("b", 1), ("a", 2)]
    assert store.detections_near(83.9, -5.4, 1e-3) == []


@pytest.mark.parametrize("near", [(0, 91, 1), (-1, 0, 1), (0, 0, 0), (float("nan"), 0, 1)])
def test_invalid_cone_is_rejected(store: Store, near: tuple[float, float, float]) -> None:
    with pytest.raises(StoreError, match="not on the sky"):
        store.detections_near(*near)


@pytest.mark.parametrize(
    "facts",
    [{"score": float("nan")}, {"ra_deg": None}, {"dec_deg": 91.0}, {"far_hz": float("inf")}, {"livetime_s": np.nan}],
)
def test_invalid_detection_is_rejected(facts: dict[str, float]) -> None:
    with pytest.raises(StoreError, match="DetectionRecord"):
        detection(**{"ra_deg": 1.0, "dec_deg": 2.0, **facts})  # type: ignore[arg-type]


def test_time_without_zone_is_rejected(store: Store) -> None:
    with pytest.raises(StoreError, match="time zone"):
        store.claim("w", now=NOW.replace(tzinfo=None))


def test_detections_without_position_are_stored_but_never_near(store: Store) -> None:
    (drop,) = claimed(store, "table")
    nowhere = [DetectionRecord("s", None, None, 5, 10.0)]
    store.commit_result(drop.id, RUN, [observation("1", detections=nowhere)], one_candidate("c"), NOW)
    assert store.candidates(near=(0, 0, 180)) == []
    assert store.candidate("c").candidate.ra_deg is None
    assert grave(store) == []
