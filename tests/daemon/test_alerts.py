"""Alerts from evidence to sinks: what is announced to whom, in what order, how often, and what survives a fault."""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alert_servers import SECRET, evidence_of_a_flare, ids_in, mail_server, web_server
from cli_result import CliResult
from handmade_detections import detections_of, table_of
from hypothesis import given
from hypothesis import strategies as st
from store_rows import MINUTE, NOW, RUN, candidate, claimed, detection, observation
from variable_sources import simulated_source

from xherald.catalog_store.ledger.drop_outcome import DropOutcome
from xherald.catalog_store.ledger.records import AlertRecord
from xherald.catalog_store.ledger.states import AlertState, AlertType, VettingDecision
from xherald.catalog_store.ledger.store import Store, open_store
from xherald.daemon.alerts.budget import DAY, available_budget, day_start, next_available
from xherald.daemon.alerts.dispatch import Dispatcher, Outcome
from xherald.daemon.alerts.payload import announcements, facts_of, retractions, tense_of
from xherald.detector.candidates.evidence import make_evidence
from xherald.detector.configuration.alert_settings import AlertSettings
from xherald.photons import EventBatch
from xherald.photons.errors import ConfigError, StoreUnavailableError
from xherald.plugins import PluginHost
from xherald.plugins.alerts import Alert

HOST = PluginHost()
Run = Callable[..., CliResult]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as opened:
        yield opened


def settings(tmp_path: Path, **more: Any) -> AlertSettings:
    """One sink, a file; `more` is said of it."""
    return AlertSettings.model_validate({"sinks": {"file": {"kind": "jsonl", "path": tmp_path / "a.jsonl", **more}}})


def announce(
    store: Store,
    names: Sequence[str],
    chosen: AlertSettings,
    far_hz: Callable[[int], float] = lambda _: 1e-7,
    now: datetime = NOW,
    **about: Any,
) -> list[AlertRecord]:
    """Candidates of one drop, announced."""
    (drop,) = claimed(store, "-".join(names), now=now)
    records: list[AlertRecord] = []
    for number, name in enumerate(names):
        evidence = evidence_of_a_flare(name, far_hz=far_hz(number))
        records += announcements(evidence, chosen, f"drop {name}", now, **about)
    found = [candidate(name, place) for place, name in enumerate(names)]
    seen = [observation("-".join(names), detections=[detection(name) for name in names])]
    store.commit_result(drop.id, RUN, seen, DropOutcome(found, records), now)
    return records


def take_back(store: Store, name: str, now: datetime, sinks: Sequence[str] = ("file",)) -> None:
    records = retractions({"candidate_id": name}, sinks, "Ann", "a hot pixel", now, "current")
    store.record_vetting(name, "Ann", VettingDecision.REJECTED, "a hot pixel", records, now)


def told(outcomes: Sequence[Outcome]) -> list[tuple[str, str]]:
    return [(one.result, one.candidate_id) for one in outcomes]


def lines(path: Path) -> list[Alert]:
    return [Alert.from_json(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


# --- what is said ----------------------------------------------------------------------------------------------------


def test_facts_follow_the_evidence_of_a_scan() -> None:
    lists = [simulated_source("burst", seed, 0.004, (7_000.0, 7_400.0, 0.2)) for seed in (1, 2)]
    for evidence in make_evidence(detections_of(table_of(EventBatch.from_lists(lists)), threshold=1.0), [0, 1]):
        facts = facts_of(evidence)
        alert = announcements(evidence, AlertSettings.model_validate({"sinks": {"s": {"kind": "stdout"}}}), "x", NOW)[0]
        assert Alert.from_json(json.loads(json.dumps(alert.payload, allow_nan=False))).evidence == evidence
        assert (facts.far_hz, facts.p_astro) == (evidence["far_hz"], evidence["p_astro"])
        excess, livetime = evidence["fluence_counts"], evidence["interval_livetime_s"]
        assert excess is not None
        assert livetime is not None
        assert facts.interval_livetime_s == livetime
        assert facts.interval_net_rate_ct_s == excess / livetime
        assert facts.interval_start_utc == evidence["interval_start_utc"]
        assert facts.band_kev == lists[0].band
        assert sum(facts.class_probabilities.values()) == pytest.approx(1.0)
        assert facts.signal_to_noise is not None
        assert facts.signal_to_noise > 1


def test_facts_without_measurements_are_unknown() -> None:
    facts = facts_of({"kind": "dip", "ra_deg": None, "interval_livetime_s": None, "fluence_counts": None})
    unknown = (facts.ra_deg, facts.interval_net_rate_ct_s, facts.signal_to_noise, facts.far_hz)
    assert (facts.kind, *unknown) == ("dip", None, None, None, None)
    dip = facts_of(
        {
            "fluence_counts": -20.0,
            "fluence_counts_low": -25.0,
            "fluence_counts_high": -16.0,
            "interval_livetime_s": 100.0,
        }
    )
    assert (dip.interval_net_rate_ct_s, dip.signal_to_noise) == (-0.2, 5.0)


def test_thresholds_and_tenses_select_sinks(tmp_path: Path) -> None:
    chosen = AlertSettings.model_validate(
        {
            "sinks": {
                "all": {"kind": "stdout", "tenses": ["current", "archival", "injection"]},
                "rare": {"kind": "stdout", "far_hz_below": 1e-7},
                "rarer": {"kind": "stdout", "expected_false_alarms_per_1000_below": 0.1},
                "now": {"kind": "stdout", "tenses": ["current"]},
            }
        }
    )

    def sinks(far_hz: float | None, per_1000: float | None, **about: Any) -> list[str]:
        evidence = evidence_of_a_flare(far_hz=far_hz, expected_false_alarms_per_1000=per_1000)
        return [one.sink for one in announcements(evidence, chosen, "drop", about.pop("now", NOW), **about)]

    assert sinks(1e-8, 0.01) == ["all", "rare", "rarer", "now"]
    assert sinks(1e-7, 0.1) == ["all", "now"]
    assert sinks(None, None) == ["all", "now"]
    assert sinks(1e-8, 0.01, now=NOW + timedelta(days=60)) == ["all", "rare", "rarer"]
    assert sinks(1e-8, 0.01, injected=True) == ["all"]
    records = announcements(
        evidence_of_a_flare(far_hz=1e-3, expected_false_alarms_per_1000=1.0), chosen, "drop", NOW, heard=("rare",)
    )
    assert {one.sink: one.alert_type for one in records} == {
        "all": AlertType.INITIAL,
        "rare": AlertType.UPDATE,
        "now": AlertType.INITIAL,
    }


def test_thresholds_below_the_floor_use_the_exponential_tail() -> None:
    sinks = {
        "deep": {"kind": "stdout", "far_hz_below": 1e-9},
        "deeper": {"kind": "stdout", "expected_false_alarms_per_1000_below": 1e-7},
    }
    chosen = AlertSettings.model_validate({"sinks": sinks})

    def passing(ranking_statistic: float) -> list[str]:
        evidence = evidence_of_a_flare(
            false_alarm_probability=1e-4,
            extrapolated=True,
            ranking_statistic=ranking_statistic,
            expected_false_alarms_per_1000=0.1,
            far_hz=1e-6,
        )
        return [one.sink for one in announcements(evidence, chosen, "drop", NOW)]

    assert passing(6.9) == []
    assert passing(7.1) == ["deep"]
    assert passing(12.0) == ["deep", "deeper"]


@pytest.mark.parametrize(
    ("stop", "days", "tense"),
    [("2026-02-27T12:16:40.000Z", 30, "current"), ("2026-02-27T12:16:40.000Z", 1, "archival"), (None, 30, "archival")],
)
def test_tense_follows_the_date_of_the_interval(stop: str | None, days: float, tense: str) -> None:
    evidence = {"interval_stop_utc": stop}
    assert tense_of(evidence, NOW, days) == tense
    assert tense_of(evidence, NOW, days, injected=True) == "injection"


def test_ids_are_those_of_candidate_kind_and_cause(tmp_path: Path) -> None:
    chosen = settings(tmp_path)

    def name(candidate_id: str, cause: str, **about: Any) -> str:
        return announcements(evidence_of_a_flare(candidate_id), chosen, cause, NOW, **about)[0].id

    assert name("c", "drop 1") == name("c", "drop 1")
    assert (
        len({name("c", "drop 1"), name("c", "drop 2"), name("d", "drop 1"), name("c", "drop 1", heard=["file"])}) == 4
    )


# --- once, and in order ----------------------------------------------------------------------------------------------


def test_due_alert_is_sent_and_its_receipt_stored(store: Store, tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    announce(store, ["a", "b"], chosen)
    dispatcher = Dispatcher(store, chosen, HOST, "d")
    assert told(dispatcher.send_due(now=NOW)) == [("sent", "a"), ("sent", "b")]
    assert dispatcher.send_due(now=NOW + MINUTE) == []
    assert [one.candidate_id for one in lines(tmp_path / "a.jsonl")] == ["a", "b"]
    sent = store.alerts(state=AlertState.SENT)
    assert [dict(one.receipt or {})["where"] for one in sent] == [str(tmp_path / "a.jsonl")] * 2
    assert dispatcher.next_due() is None


def test_crash_after_delivery_duplicates_nothing(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = settings(tmp_path)
    announce(store, ["a", "b"], chosen)

    def gone(*_: object, **__: object) -> None:
        raise StoreUnavailableError("the store is gone")

    with monkeypatch.context() as broken:
        broken.setattr(Store, "mark_sent", gone)
        with pytest.raises(StoreUnavailableError):
            Dispatcher(store, chosen, HOST, "dead").send_due(now=NOW)
    assert len(lines(tmp_path / "a.jsonl")) == 1
    assert [one.state for one in store.alerts()] == [AlertState.PENDING] * 2
    # Another waits for the lease; one that knows the first is dead need not.
    assert Dispatcher(store, chosen, HOST, "other").send_due(now=NOW + MINUTE) == []
    store.release_worker("dead")
    assert told(Dispatcher(store, chosen, HOST, "other").send_due(now=NOW + MINUTE)) == [("sent", "a"), ("sent", "b")]
    assert [one.candidate_id for one in lines(tmp_path / "a.jsonl")] == ["a", "b"]
    assert [dict(one.receipt or {})["repeated"] for one in store.alerts()] == [True, False]


def _dispatch(url: str, chosen: AlertSettings) -> None:
    with open_store(url) as mine:
        Dispatcher(mine, chosen, HOST, "d").send_due()


def test_killed_dispatcher_loses_and_duplicates_nothing(store: Store, tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(120)]
    chosen = settings(tmp_path)
    records = announce(store, names, chosen, now=datetime.now(UTC))
    url, rng, path = store.name, random.Random(5), tmp_path / "a.jsonl"
    fork = multiprocessing.get_context("fork")
    line = len(json.dumps(dict(records[0].payload)))
    killed = 0
    store.close()  # no connection may be carried across a fork
    while store.alerts(state=AlertState.PENDING):
        store.release_worker("d")  # it is known to be dead
        store.close()
        worker = fork.Process(target=_dispatch, args=(url, chosen))
        worker.start()
        enough = (path.stat().st_size if path.exists() else 0) + rng.uniform(1, 9) * line
        while worker.is_alive() and (not path.exists() or path.stat().st_size < enough):
            time.sleep(0.0005)
        if worker.is_alive():
            worker.kill()
            killed += 1
        worker.join()
    assert killed >= 3
    assert ids_in(tmp_path / "a.jsonl") == [one.id for one in records]
    assert store.alert_counts()[AlertState.SENT] == len(names)
    assert [one for one in store.check() if one.is_error] == []


def test_failed_sink_is_paused_and_others_are_served(store: Store, tmp_path: Path) -> None:
    with web_server() as hook:
        port = int(hook.url.split(":")[2].split("/")[0])
    chosen = AlertSettings.model_validate(
        {
            "retry_delay_s": 60.0,
            "retry_max_delay_s": 600.0,
            "sinks": {
                "down": {"kind": "webhook", "url": hook.url},
                "file": {"kind": "jsonl", "path": tmp_path / "a.jsonl"},
            },
        }
    )
    announce(store, ["a", "b", "c"], chosen)
    dispatcher = Dispatcher(store, chosen, HOST, "d")
    first = dispatcher.send_due(now=NOW)
    assert [(one.sink, one.result) for one in first] == [("down", "deferred"), ("down", "held"), ("down", "held")] + [
        ("file", "sent")
    ] * 3
    assert "sink down: http://127.0.0.1" in first[0].reason
    waits = []
    now = NOW
    for _ in range(8):  # an hour of it, and more
        (until,) = dispatcher.paused_sinks(now).values()
        assert dispatcher.send_due(now=until - timedelta(seconds=1)) == []
        waits.append((until - now).total_seconds())
        now = until
        assert {one.result for one in dispatcher.send_due(now=now)} == {"deferred", "held"}
    doubling = [min(60.0 * 2**number, 600.0) for number in range(8)]
    assert all(plain <= wait <= 1.5 * plain for plain, wait in zip(doubling, waits, strict=True))
    with web_server(port) as back:
        while store.alerts(state=AlertState.PENDING):
            now += timedelta(minutes=30)
            dispatcher.send_due(now=now)
        assert sorted(json.loads(body)["candidate_id"] for _, body in back.requests) == ["a", "b", "c"]
    assert store.alert_counts()[AlertState.SENT] == 6
    assert dispatcher.paused_sinks(now) == {}


def test_retry_after_of_a_sink_is_respected(store: Store) -> None:
    with web_server() as hook:
        chosen = AlertSettings.model_validate({"sinks": {"web": {"kind": "webhook", "url": hook.url}}})
        announce(store, ["a"], chosen)
        hook.answers.append((429, {"Retry-After": "3600"}, b""))
        dispatcher = Dispatcher(store, chosen, HOST, "d")
        dispatcher.send_due(now=NOW)
        assert dispatcher.paused_sinks(NOW)["web"] == NOW + timedelta(hours=1)


def test_rejected_or_old_alert_has_failed_and_can_be_replayed(store: Store, tmp_path: Path) -> None:
    with web_server() as hook:
        chosen = AlertSettings.model_validate(
            {"give_up_after_days": 1.0, "sinks": {"web": {"kind": "webhook", "url": hook.url}}}
        )
        announce(store, ["a", "b"], chosen)
        hook.answers += [(400, {}, b"no"), (503, {}, b"")]
        dispatcher = Dispatcher(store, chosen, HOST, "d")
        assert told(dispatcher.send_due(now=NOW)) == [("failed", "a"), ("deferred", "b")]
        hook.answers.append((503, {}, b""))
        late = NOW + timedelta(days=2)
        assert told(dispatcher.send_due(now=late)) == [("failed", "b")]
        (one,) = [one for one in store.alerts(state=AlertState.FAILED) if one.candidate_id == "a"]
        assert "HTTP 400" in (one.error or "")
        store.requeue(one.id, now=late)
        assert told(dispatcher.send_due(now=late + DAY)) == [("sent", "a")]


def test_retraction_follows_and_cites_the_alert(store: Store, tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    (first,) = announce(store, ["a"], chosen)
    dispatcher = Dispatcher(store, chosen, HOST, "d")
    folder = tmp_path / "a.jsonl"
    folder.mkdir()  # the sink is down
    assert told(dispatcher.send_due(now=NOW)) == [("deferred", "a")]
    take_back(store, "a", NOW)
    folder.rmdir()
    later = NOW + timedelta(hours=1)
    assert told(dispatcher.send_due(now=later)) == [("sent", "a"), ("sent", "a")]
    initial, retraction = lines(tmp_path / "a.jsonl")
    assert (initial.id, initial.alert_type) == (first.id, "initial")
    assert (retraction.alert_type, retraction.reason, retraction.previous) == ("retraction", "a hot pixel", (first.id,))


def test_candidate_retracted_before_delivery_is_withheld(store: Store, tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    announce(store, ["a"], chosen)
    take_back(store, "a", NOW)
    assert Dispatcher(store, chosen, HOST, "d").send_due(now=NOW) == []
    assert {one.state for one in store.alerts()} == {AlertState.WITHDRAWN}


# --- not too often ---------------------------------------------------------------------------------------------------


def test_rate_limit_holds_further_alerts(store: Store, tmp_path: Path) -> None:
    chosen = settings(tmp_path, rate_per_minute=3)
    names = [f"c{number}" for number in range(8)]
    announce(store, names, chosen)
    dispatcher = Dispatcher(store, chosen, HOST, "d")
    per_pass = [len(dispatcher.send_due(now=NOW + number * timedelta(seconds=30))) for number in range(6)]
    assert per_pass == [3, 0, 0, 3, 0, 0]
    assert [one.attempts for one in store.alerts(state=AlertState.PENDING)] == [0, 0]
    dispatcher.send_due(now=NOW + timedelta(minutes=5))
    assert [one.candidate_id for one in lines(tmp_path / "a.jsonl")] == names


def far(number: int) -> float:
    """Rates that do not come in their order."""
    return 1e-9 * (1 + (7 * number) % 20)


def test_budget_selects_by_false_alarm_rate_and_digests_the_rest(store: Store, tmp_path: Path) -> None:
    chosen = settings(tmp_path, per_day=6)
    morning = NOW.replace(hour=0) + MINUTE
    names = [f"c{number}" for number in range(20)]
    announce(store, names, chosen, far, morning)
    ranked = sorted(names, key=lambda name: far(int(name[1:])))
    dispatcher = Dispatcher(store, chosen, HOST, "d")
    path, now = tmp_path / "a.jsonl", morning
    counts = {}
    while now < morning.replace(hour=0, minute=0) + DAY:
        dispatcher.send_due(now=now)
        counts[now.hour] = len(lines(path))
        now += timedelta(minutes=20)
    assert [one.candidate_id for one in lines(path)] == ranked[:6]
    assert (counts[0], counts[5], counts[6], counts[12], counts[18], counts[23]) == (3, 3, 4, 5, 6, 6)
    outcomes = dispatcher.send_due(now=now)
    assert {one.result for one in outcomes} == {"digested"}
    *_, digest = lines(path)
    assert digest.alert_type == "digest"
    assert [one.candidate_id for one in digest.members] == ranked[6:]
    assert digest.headline == "14 more candidates on 2026-03-01, beyond the budget of 6 per day"
    assert store.alert_counts()[AlertState.DIGESTED] == 14
    assert dispatcher.send_due(now=now + MINUTE) == []


def test_budget_leaves_room_for_later_candidates(store: Store, tmp_path: Path) -> None:
    chosen = settings(tmp_path, per_day=4)
    morning = NOW.replace(hour=0) + MINUTE
    announce(store, ["a", "b", "c", "d", "e", "f"], chosen, far, morning)
    dispatcher = Dispatcher(store, chosen, HOST, "d")
    dispatcher.send_due(now=morning)
    night = morning + timedelta(hours=7)
    announce(store, ["best"], chosen, lambda _: 1e-12, night)
    assert ("held", "best") in told(dispatcher.send_due(now=night))
    sent = [one for one in told(dispatcher.send_due(now=morning + timedelta(hours=8))) if one[0] == "sent"]
    assert sent == [("sent", "best")]


def test_retractions_and_replays_pass_a_spent_budget(store: Store, tmp_path: Path) -> None:
    chosen = settings(tmp_path, per_day=1)
    (first, *_) = announce(store, ["a", "b", "c"], chosen, lambda number: 1e-9 * (number + 1))
    dispatcher = Dispatcher(store, chosen, HOST, "d")
    assert sorted(told(dispatcher.send_due(now=NOW))) == [("held", "b"), ("held", "c"), ("sent", "a")]
    take_back(store, "a", NOW)
    assert told(dispatcher.send_due(now=NOW + MINUTE)) == [("sent", "a")]
    store.requeue(first.id, now=NOW + MINUTE)
    assert told(dispatcher.send_due(now=NOW + 2 * MINUTE)) == [("sent", "a")]
    # What waits and is retracted is never announced, and nor is its retraction.
    take_back(store, "b", NOW)
    assert dispatcher.send_due(now=NOW + 3 * MINUTE) == []
    end = day_start(NOW, 0) + DAY
    assert told(dispatcher.send_due(now=end)) == [("withheld", "b"), ("digested", "c"), ("withheld", "b")]
    assert [one.alert_type for one in lines(tmp_path / "a.jsonl")] == ["initial", "retraction", "digest"]
    assert dispatcher.send_due(now=end + DAY) == []


def test_failed_digest_is_retried_and_cited_by_retractions(store: Store, tmp_path: Path) -> None:
    chosen = settings(tmp_path, per_day=1)
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
    said = {one.candidate_id for alert in lines(path) for one in (alert, *alert.members)}
    assert {"a", "b", "c"} <= said


def test_no_digest_after_a_day_within_the_budget(store: Store, tmp_path: Path) -> None:
    chosen = settings(tmp_path, per_day=5)
    late = day_start(NOW, 0) + DAY - timedelta(seconds=5)
    announce(store, ["a"], chosen, now=late)
    assert told(Dispatcher(store, chosen, HOST, "d").send_due(now=late + MINUTE)) == [("sent", "a")]


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


# --- faults of plugins and settings ----------------------------------------------------------------------------------

BROKEN = """
from xherald.plugins import AlertSink, Options, hookimpl

class Broken(AlertSink):
    name = "broken"
    def send(self, alert, options):
        raise RuntimeError("token={secret}")
    def secrets(self, options):
        return ["{secret}"]

@hookimpl
def register_alert_sinks(register):
    register(Broken())
"""


def test_failing_sink_plugin_is_reported_without_secrets(store: Store, tmp_path: Path) -> None:
    plugin = tmp_path / "broken.py"
    plugin.write_text(BROKEN.replace("{secret}", SECRET))
    host = PluginHost(files=[plugin])
    sinks = {"odd": {"kind": "broken"}, "file": {"kind": "jsonl", "path": tmp_path / "a.jsonl"}}
    chosen = AlertSettings.model_validate({"sinks": sinks})
    announce(store, ["a"], chosen)
    outcomes = Dispatcher(store, chosen, host, "d").send_due(now=NOW)
    assert [(one.sink, one.result) for one in outcomes] == [("odd", "deferred"), ("file", "sent")]
    assert outcomes[0].reason == "sink odd: broken failed: RuntimeError: token=•••"
    (failure,) = host.failures
    assert (failure.name, failure.package) == ("broken", str(plugin))
    everything = repr((outcomes, host.failures, store.alerts()))
    assert SECRET not in everything


def test_sink_with_invalid_receipt_has_failed(store: Store, tmp_path: Path) -> None:
    plugin = tmp_path / "broken.py"
    plugin.write_text(BROKEN.replace('raise RuntimeError("token={secret}")', "return None"))
    chosen = AlertSettings.model_validate({"sinks": {"odd": {"kind": "broken"}}})
    announce(store, ["a"], chosen)
    (one,) = Dispatcher(store, chosen, PluginHost(files=[plugin]), "d").send_due(now=NOW)
    assert (one.result, one.reason.startswith("sink odd: broken failed: AttributeError")) == ("deferred", True)


def test_missing_secret_is_reported_and_retried(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with web_server() as hook:
        web = {"kind": "webhook", "url": hook.url, "secret_env": "HOOK_KEY"}
        chosen = AlertSettings.model_validate({"sinks": {"web": web}})
        announce(store, ["a"], chosen)
        dispatcher = Dispatcher(store, chosen, HOST, "d")
        (one,) = dispatcher.send_due(now=NOW)
        assert one.reason == "sink web: secret: environment variable HOOK_KEY is not set"
        monkeypatch.setenv("HOOK_KEY", SECRET)
        assert told(dispatcher.send_due(now=NOW + MINUTE)) == [("sent", "a")]
    assert SECRET not in repr(store.alerts())


def test_unknown_kinds_and_options_are_rejected(store: Store, tmp_path: Path) -> None:
    for sinks, reason in (
        (
            {"x": {"kind": "pigeon"}},
            r"alerts\.sinks\.x\.kind: no alert sink is named 'pigeon'; available: jsonl, kafka",
        ),
        ({"x": {"kind": "jsonl"}}, r"alerts\.sinks\.x\.path: Field required"),
        ({"x": {"kind": "jsonl", "path": "a", "colour": 1}}, r"alerts\.sinks\.x\.colour: Extra inputs"),
    ):
        with pytest.raises(ConfigError, match=reason):
            Dispatcher(store, AlertSettings.model_validate({"sinks": sinks}), HOST, "d")
    with pytest.raises(ConfigError, match="no sink is named 'other'; available: file"):
        Dispatcher(store, settings(tmp_path), HOST, "d").send_due(["other"])


def test_alerts_for_removed_sinks_are_counted(store: Store, tmp_path: Path) -> None:
    announce(store, ["a", "b"], settings(tmp_path))
    dispatcher = Dispatcher(store, AlertSettings(), HOST, "d")
    assert dispatcher.send_due(now=NOW) == []
    assert dispatcher.count_unknown_sinks() == {"file": 2}


# --- command line ----------------------------------------------------------------------------------------------------


@pytest.fixture
def duty(tmp_path: Path, store: Store, xherald: Run) -> Run:
    """Call `xherald alert` with a sink "file", a sink "web" that is down, and a store."""
    with web_server() as hook:
        url = f"{hook.url}/secret/path"
    (tmp_path / "address").write_text(url)
    (tmp_path / "address").chmod(0o600)
    web = f"{{kind: webhook, url_file: {tmp_path / 'address'}, tenses: [test]}}"
    config = tmp_path / "duty.yaml"
    config.write_text(f"alerts:\n  sinks:\n    file: {{kind: jsonl, path: {tmp_path / 'a.jsonl'}}}\n    web: {web}\n")

    def call(command: str, *words: object) -> CliResult:
        place = () if command == "test" else ("--store", store.name)
        return xherald("alert", command, *words, *place, "--config", config)

    return call


def test_alert_test_sends_to_one_sink(duty: Run, tmp_path: Path) -> None:
    answer = duty("test", "file", "--json")
    assert answer.exit_code == 0
    (told,) = answer.rows
    (alert,) = lines(tmp_path / "a.jsonl")
    assert (told["id"], told["where"], alert.alert_tense) == (alert.id, str(tmp_path / "a.jsonl"), "test")
    down = duty("test", "web")
    assert (down.exit_code, down.stdout) == (1, "")
    assert down.stderr.startswith(f"xherald: sink web: the address in {tmp_path / 'address'}: ConnectError")
    assert "secret" not in down.stderr.replace(str(tmp_path), "")
    unknown = duty("test", "pigeon")
    assert (unknown.exit_code, unknown.stderr) == (2, "xherald: no sink is named 'pigeon'; available: file, web\n")
    (tmp_path / "address").chmod(0o644)
    assert "run `chmod 600" in duty("test", "web").stderr


def test_alert_send_list_replay_and_retract(duty: Run, store: Store, tmp_path: Path) -> None:
    (record, _) = announce(store, ["a", "b"], settings(tmp_path), now=datetime.now(UTC))
    (pending, _) = duty("list", "--state", "pending", "--json").rows
    assert (pending["id"], pending["state"], pending["payload"]["candidate_id"]) == (record.id, "pending", "a")
    sent = duty("send", "--json")
    assert (sent.exit_code, [one["result"] for one in sent.rows]) == (0, ["sent", "sent"])
    assert duty("send").stdout == "No alerts are due\n"
    assert f"{record.id}  initial to file  sent" in duty("list").stdout
    # The file contains the id already.
    assert duty("replay", record.id).stdout == f"{record.id}: queued for 1 sink\n"
    assert duty("send").exit_code == 0
    assert ids_in(tmp_path / "a.jsonl").count(record.id) == 1
    for _ in range(2):  # a repetition changes nothing
        back = duty("retract", record.id, "--reason", "a hot  pixel", "--author", "Ann", "--json")
        assert back.rows == [{"candidate_id": "a", "retractions": 1}]
    assert duty("send").exit_code == 0
    *_, last = lines(tmp_path / "a.jsonl")
    assert (last.candidate_id, last.alert_type, last.reason) == ("a", "retraction", "a hot pixel")
    assert last.previous == (record.id,)
    (vetting, *_) = store.candidate("a").vettings
    assert (vetting.author, vetting.verdict, vetting.comment) == ("Ann", VettingDecision.REJECTED, "a hot pixel")
    assert [one.id for one in store.candidates()] == ["b"]
    assert duty("list", "--candidate", "a", "--json").rows[-1]["alert_type"] == "retraction"


def test_alert_commands_report_failure_by_exit_code(duty: Run, store: Store, tmp_path: Path) -> None:
    for command, *words in (("replay", "nothing"), ("retract", "nothing", "--reason", "x")):
        answer = duty(command, *words)
        assert (answer.exit_code, answer.stderr.count("\n")) == (1, 1)
        assert "nothing" in answer.stderr
    assert duty("retract", "a", "--reason", " ").exit_code == 2
    announce(store, ["a"], settings(tmp_path), now=datetime.now(UTC))
    (tmp_path / "a.jsonl").mkdir()
    down = duty("send")
    assert down.exit_code == 1
    assert down.stdout.startswith("deferred  a-initial-")
    assert duty("list").stdout.count("Is a directory") == 1


def test_mail_has_the_plot_sheet_attached(store: Store, tmp_path: Path) -> None:
    sheet = tmp_path / "a.png"
    sheet.write_bytes(b"\x89PNG picture")
    with mail_server() as box:
        mail = {"kind": "mail", "host": "127.0.0.1", "port": box.port, "security": "none", "sender": "x@example.org"}
        chosen = AlertSettings.model_validate({"sinks": {"duty": {**mail, "recipients": ["duty@example.org"]}}})
        announce(store, ["a"], chosen, sheets={"duty": str(sheet)})
        assert told(Dispatcher(store, chosen, HOST, "d").send_due(now=NOW)) == [("sent", "a")]
    assert [one.get_content() for one in box.mails[0].iter_attachments()] == [b"\x89PNG picture"]
