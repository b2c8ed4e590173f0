"""Delivery of alerts: once and in order, through crashes, failures of sinks and retractions."""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alert_servers import ids_in, mail_server, web_server
from announced_candidates import HOST, announce, file_sink_settings, read_alerts, results_of, retract
from store_rows import MINUTE, NOW

from xherald.catalog_store.ledger.states import AlertState
from xherald.catalog_store.ledger.store import Store, open_store
from xherald.daemon.alerts.budget import DAY
from xherald.daemon.alerts.dispatch import Dispatcher
from xherald.detector.configuration.alert_settings import AlertSettings
from xherald.photons.errors import StoreUnavailableError


def test_due_alert_is_sent_and_its_receipt_stored(store: Store, tmp_path: Path) -> None:
    chosen = file_sink_settings(tmp_path)
    announce(store, ["a", "b"], chosen)
    dispatcher = Dispatcher(store, chosen, HOST, "d")
    assert results_of(dispatcher.send_due(now=NOW)) == [("sent", "a"), ("sent", "b")]
    assert dispatcher.send_due(now=NOW + MINUTE) == []
    assert [one.candidate_id for one in read_alerts(tmp_path / "a.jsonl")] == ["a", "b"]
    sent = store.alerts(state=AlertState.SENT)
    assert [dict(one.receipt or {})["where"] for one in sent] == [str(tmp_path / "a.jsonl")] * 2
    assert dispatcher.next_due() is None


def test_crash_after_delivery_duplicates_nothing(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = file_sink_settings(tmp_path)
    announce(store, ["a", "b"], chosen)

    def fail(*_: object, **__: object) -> None:
        raise StoreUnavailableError("the store is gone")

    with monkeypatch.context() as broken:
        broken.setattr(Store, "mark_sent", fail)
        with pytest.raises(StoreUnavailableError):
            Dispatcher(store, chosen, HOST, "dead").send_due(now=NOW)
    assert len(read_alerts(tmp_path / "a.jsonl")) == 1
    assert [one.state for one in store.alerts()] == [AlertState.PENDING] * 2
    # Another dispatcher waits until the lease expires or the dead worker is released.
    assert Dispatcher(store, chosen, HOST, "other").send_due(now=NOW + MINUTE) == []
    store.release_worker("dead")
    assert results_of(Dispatcher(store, chosen, HOST, "other").send_due(now=NOW + MINUTE)) == [
        ("sent", "a"),
        ("sent", "b"),
    ]
    assert [one.candidate_id for one in read_alerts(tmp_path / "a.jsonl")] == ["a", "b"]
    assert [dict(one.receipt or {})["repeated"] for one in store.alerts()] == [True, False]


def _dispatch(url: str, chosen: AlertSettings) -> None:
    with open_store(url) as mine:
        Dispatcher(mine, chosen, HOST, "d").send_due()


def test_killed_dispatcher_loses_and_duplicates_nothing(store: Store, tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(120)]
    chosen = file_sink_settings(tmp_path)
    records = announce(store, names, chosen, now=datetime.now(UTC))
    url, rng, path = store.name, random.Random(5), tmp_path / "a.jsonl"
    fork = multiprocessing.get_context("fork")
    line = len(json.dumps(dict(records[0].payload)))
    killed = 0
    store.close()  # connections must not be shared across a fork
    while store.alerts(state=AlertState.PENDING):
        store.release_worker("d")  # killed in the last pass
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
    for _ in range(8):  # until after the longest delay
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
        assert results_of(dispatcher.send_due(now=NOW)) == [("failed", "a"), ("deferred", "b")]
        hook.answers.append((503, {}, b""))
        late = NOW + timedelta(days=2)
        assert results_of(dispatcher.send_due(now=late)) == [("failed", "b")]
        (one,) = [one for one in store.alerts(state=AlertState.FAILED) if one.candidate_id == "a"]
        assert "HTTP 400" in (one.error or "")
        store.requeue(one.id, now=late)
        assert results_of(dispatcher.send_due(now=late + DAY)) == [("sent", "a")]


def test_retraction_follows_and_cites_the_alert(store: Store, tmp_path: Path) -> None:
    chosen = file_sink_settings(tmp_path)
    (first,) = announce(store, ["a"], chosen)
    dispatcher = Dispatcher(store, chosen, HOST, "d")
    folder = tmp_path / "a.jsonl"
    folder.mkdir()  # the sink is down
    assert results_of(dispatcher.send_due(now=NOW)) == [("deferred", "a")]
    retract(store, "a", NOW)
    folder.rmdir()
    later = NOW + timedelta(hours=1)
    assert results_of(dispatcher.send_due(now=later)) == [("sent", "a"), ("sent", "a")]
    initial, retraction = read_alerts(tmp_path / "a.jsonl")
    assert (initial.id, initial.alert_type) == (first.id, "initial")
    assert (retraction.alert_type, retraction.reason, retraction.previous) == ("retraction", "a hot pixel", (first.id,))


def test_candidate_retracted_before_delivery_is_withheld(store: Store, tmp_path: Path) -> None:
    chosen = file_sink_settings(tmp_path)
    announce(store, ["a"], chosen)
    retract(store, "a", NOW)
    assert Dispatcher(store, chosen, HOST, "d").send_due(now=NOW) == []
    assert {one.state for one in store.alerts()} == {AlertState.WITHDRAWN}


def test_mail_has_the_plot_sheet_attached(store: Store, tmp_path: Path) -> None:
    sheet = tmp_path / "a.png"
    sheet.write_bytes(b"\x89PNG picture")
    with mail_server() as box:
        mail = {"kind": "mail", "host": "127.0.0.1", "port": box.port, "security": "none", "sender": "x@example.org"}
        chosen = AlertSettings.model_validate({"sinks": {"duty": {**mail, "recipients": ["duty@example.org"]}}})
        announce(store, ["a"], chosen, sheets={"duty": str(sheet)})
        assert results_of(Dispatcher(store, chosen, HOST, "d").send_due(now=NOW)) == [("sent", "a")]
    assert [one.get_content() for one in box.mails[0].iter_attachments()] == [b"\x89PNG picture"]
