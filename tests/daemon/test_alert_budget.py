"""Rate limits, daily budgets and digests of alerts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from announced_candidates import HOST, announce, file_sink_settings, read_alerts, results_of, retract
from hypothesis import given
from hypothesis import strategies as st
from store_rows import MINUTE, NOW

from xherald.catalog_store.ledger.states import AlertState
from xherald.catalog_store.ledger.store import Store
from xherald.daemon.alerts.budget import DAY, available_budget, day_start, next_available
from xherald.daemon.alerts.dispatch import Dispatcher


def test_rate_limit_holds_further_alerts(store: Store, tmp_path: Path) -> None:
    chosen = file_sink_settings(tmp_path, rate_per_minute=3)
    names = [f"c{number}" for number in range(8)]
    announce(store, names, chosen)
    dispatcher = Dispatcher(store, chosen, HOST, "d")
    per_pass = [len(dispatcher.send_due(now=NOW + number * timedelta(seconds=30))) for number in range(6)]
    assert per_pass == [3, 0, 0, 3, 0, 0]
    assert [one.attempts for one in store.alerts(state=AlertState.PENDING)] == [0, 0]
    dispatcher.send_due(now=NOW + timedelta(minutes=5))
    assert [one.candidate_id for one in read_alerts(tmp_path / "a.jsonl")] == names


def unordered_far_hz(number: int) -> float:
    """False-alarm rates that are not in the order of their candidates."""
    return 1e-9 * (1 + (7 * number) % 20)


def test_budget_selects_by_false_alarm_rate_and_digests_the_rest(store: Store, tmp_path: Path) -> None:
    chosen = file_sink_settings(tmp_path, per_day=6)
    morning = NOW.replace(hour=0) + MINUTE
    names = [f"c{number}" for number in range(20)]
    announce(store, names, chosen, unordered_far_hz, morning)
    ranked = sorted(names, key=lambda name: unordered_far_hz(int(name[1:])))
    dispatcher = Dispatcher(store, chosen, HOST, "d")
    path, now = tmp_path / "a.jsonl", morning
    counts = {}
    while now < morning.replace(hour=0, minute=0) + DAY:
        dispatcher.send_due(now=now)
        counts[now.hour] = len(read_alerts(path))
        now += timedelta(minutes=20)
    assert [one.candidate_id for one in read_alerts(path)] == ranked[:6]
    assert (counts[0], counts[5], counts[6], counts[12], counts[18], counts[23]) == (3, 3, 4, 5, 6, 6)
    outcomes = dispatcher.send_due(now=now)
    assert {one.result for one in outcomes} == {"digested"}
    *_, digest = read_alerts(path)
    assert digest.alert_type == "digest"
    assert [one.candidate_id for one in digest.members] == ranked[6:]
    assert digest.headline == "14 more candidates on 2026-03-01, beyond the budget of 6 per day"
    assert store.alert_counts()[AlertState.DIGESTED] == 14
    assert dispatcher.send_due(now=now + MINUTE) == []


def test_budget_prefers_the_interesting(store: Store, tmp_path: Path) -> None:
    """Of rates alike the interest decides, and a burst comes before a flaring star of a lower rate."""
    chosen = file_sink_settings(tmp_path, per_day=4)
    morning = NOW.replace(hour=0) + MINUTE
    announce(store, ["star"], chosen, lambda _: 1e-9, morning, {"interest": 0.3})
    announce(store, ["burst"], chosen, lambda _: 1e-8, morning, {"interest": 0.9})
    announce(store, ["other"], chosen, lambda _: 1e-8, morning, {"interest": 0.6})
    Dispatcher(store, chosen, HOST, "d").send_due(now=morning)
    assert [one.candidate_id for one in read_alerts(tmp_path / "a.jsonl")] == ["burst", "other"]


def test_budget_leaves_room_for_later_candidates(store: Store, tmp_path: Path) -> None:
    chosen = file_sink_settings(tmp_path, per_day=4)
    morning = NOW.replace(hour=0) + MINUTE
    announce(store, ["a", "b", "c", "d", "e", "f"], chosen, unordered_far_hz, morning)
    dispatcher = Dispatcher(store, chosen, HOST, "d")
    dispatcher.send_due(now=morning)
    night = morning + timedelta(hours=7)
    announce(store, ["best"], chosen, lambda _: 1e-12, night)
    assert ("held", "best") in results_of(dispatcher.send_due(now=night))
    sent = [one for one in results_of(dispatcher.send_due(now=morning + timedelta(hours=8))) if one[0] == "sent"]
    assert sent == [("sent", "best")]


def test_retractions_and_replays_pass_a_spent_budget(store: Store, tmp_path: Path) -> None:
    chosen = file_sink_settings(tmp_path, per_day=1)
    (first, *_) = announce(store, ["a", "b", "c"], chosen, lambda number: 1e-9 * (number + 1))
    dispatcher = Dispatcher(store, chosen, HOST, "d")
    assert sorted(results_of(dispatcher.send_due(now=NOW))) == [("held", "b"), ("held", "c"), ("sent", "a")]
    retract(store, "a", NOW)
    assert results_of(dispatcher.send_due(now=NOW + MINUTE)) == [("sent", "a")]
    store.requeue(first.id, now=NOW + MINUTE)
    assert results_of(dispatcher.send_due(now=NOW + 2 * MINUTE)) == [("sent", "a")]
    # A candidate retracted while its alert waits is never announced, and its retraction is not sent.
    retract(store, "b", NOW)
    assert dispatcher.send_due(now=NOW + 3 * MINUTE) == []
    end = day_start(NOW, 0) + DAY
    assert results_of(dispatcher.send_due(now=end)) == [("withheld", "b"), ("digested", "c"), ("withheld", "b")]
    assert [one.alert_type for one in read_alerts(tmp_path / "a.jsonl")] == ["initial", "retraction", "digest"]
    assert dispatcher.send_due(now=end + DAY) == []


def test_failed_digest_is_retried_and_cited_by_retractions(store: Store, tmp_path: Path) -> None:
    chosen = file_sink_settings(tmp_path, per_day=1)
    announce(store, ["a", "b", "c"], chosen, lambda number: 1e-9 * (number + 1))
    dispatcher = Dispatcher(store, chosen, HOST, "d")
    dispatcher.send_due(now=NOW)
    end, path = day_start(NOW, 0) + DAY, tmp_path / "a.jsonl"
    kept = path.rename(tmp_path / "kept")
    path.mkdir()
    assert {one.result for one in dispatcher.send_due(now=end)} == {"deferred"}
    path.rmdir()
    kept.rename(path)
    assert {one.result for one in dispatcher.send_due(now=end + MINUTE)} <= {"digested", "sent", "held"}
    now = end + MINUTE
    while store.alerts(state=AlertState.PENDING):
        now += timedelta(hours=6)
        dispatcher.send_due(now=now)
    announced = {one.candidate_id for alert in read_alerts(path) for one in (alert, *alert.members)}
    assert {"a", "b", "c"} <= announced


def test_no_digest_after_a_day_within_the_budget(store: Store, tmp_path: Path) -> None:
    chosen = file_sink_settings(tmp_path, per_day=5)
    late = day_start(NOW, 0) + DAY - timedelta(seconds=5)
    announce(store, ["a"], chosen, now=late)
    assert results_of(Dispatcher(store, chosen, HOST, "d").send_due(now=late + MINUTE)) == [("sent", "a")]


@given(per_day=st.integers(1, 50), minute=st.integers(0, 1439), hour=st.integers(0, 23))
def test_budget_becomes_available_gradually(per_day: int, minute: int, hour: int) -> None:
    start = day_start(datetime(2026, 3, 1, 12, tzinfo=UTC), hour)
    now = start + timedelta(minutes=minute)
    assert day_start(now, hour) == start
    opened = available_budget(per_day, now, start)
    assert (per_day + 1) // 2 <= opened <= per_day
    assert available_budget(per_day, start + DAY, start) == per_day
    opening = next_available(per_day, now, start)
    assert now < opening <= start + DAY
    if opening < start + DAY:
        assert available_budget(per_day, opening, start) == opened + 1
        assert available_budget(per_day, opening - timedelta(milliseconds=1), start) == opened
    else:
        assert opened == per_day
