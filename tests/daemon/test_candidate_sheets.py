"""Plot sheets that go out with alerts: drawn after the answer, waited for a while, missing with a word on it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alert_servers import Mailbox, evidence_of_a_flare, mail_server
from store_rows import NOW, RUN, candidate, claimed, detection, observation

from xherald.catalog_store.ledger.drop_outcome import DropOutcome
from xherald.catalog_store.ledger.states import AlertState
from xherald.catalog_store.ledger.store import open_store
from xherald.daemon.alerts.dispatch import MAX_SHEET_WAIT, Dispatcher
from xherald.daemon.alerts.payload import announcements
from xherald.daemon.daemon import Daemon
from xherald.daemon.jobs.candidate_sheets import SheetFolder, open_sheet_folder
from xherald.daemon.jobs.processing import Job, JobResult
from xherald.daemon.jobs.worker_pool import WorkerPool
from xherald.detector.configuration.alert_settings import AlertSettings
from xherald.detector.configuration.configuration import Configuration, load_configuration
from xherald.plugins import PluginHost

PNG = b"\x89PNG\r\n\x1a\n"
DAY = 86400.0


def mail_to(box: Mailbox, **options: Any) -> dict[str, Any]:
    mail = {"kind": "mail", "host": "127.0.0.1", "port": box.port, "security": "none", "sender": "x@example.org"}
    return {**mail, "recipients": ["duty@example.org"], **options}


def configured(tmp_path: Path, sinks: dict[str, Any], **stream: Any) -> Configuration:
    folder = tmp_path / "drop"
    folder.mkdir(exist_ok=True)
    settings = {"sources": {"here": {"kind": "folder", "path": str(folder)}}, "workers": 1, "metrics_port": 0}
    settings |= {"spool_folder": str(tmp_path / "spool"), "sheets_folder": str(tmp_path / "sheets"), **stream}
    environment = {f"XHERALD_DAEMON__{key.upper()}": json.dumps(value) for key, value in settings.items()}
    return load_configuration(None, {**environment, "XHERALD_ALERTS__SINKS": json.dumps(sinks)})


# --- from file to mail -----------------------------------------------------------------------------------------------


def test_candidates_are_mailed_with_plot_sheets(demo_files: list[Path], tmp_path: Path) -> None:
    with mail_server() as box, open_store(f"sqlite:///{tmp_path}/store.sqlite") as store:
        sinks = {"duty": mail_to(box), "file": {"kind": "jsonl", "path": str(tmp_path / "alerts.jsonl")}}
        configuration = configured(tmp_path, sinks)
        shutil.copy(demo_files[0], tmp_path / "drop")
        assert Daemon(configuration, store).once().processed == 1
        alerts = store.alerts()
    assert {one.state for one in alerts} == {AlertState.SENT}
    lines = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text().splitlines()]
    assert len(lines) == len(box.mails) == len(alerts) / 2 > 0
    assert [one["sheet"] for one in lines] == [None] * len(lines)  # of no use to a sink that did not ask for it
    by_name = {}
    for mail in box.mails:
        (picture,) = mail.iter_attachments()
        by_name[picture.get_filename()] = picture.get_content()
        assert "without plot sheet" not in str(mail.get_body())
    assert {f"{one['candidate_id']}.png" for one in lines} == set(by_name)
    drawn = {path.name: path.read_bytes() for path in (tmp_path / "sheets").iterdir()}
    assert set(by_name) <= set(drawn)
    assert all(drawn[name] == content and content.startswith(PNG) for name, content in by_name.items())


def test_mail_says_that_there_is_no_plot_sheet(demo_files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "sheets").write_text("no folder")
    with mail_server() as box, open_store(f"sqlite:///{tmp_path}/store.sqlite") as store:
        daemon = Daemon(configured(tmp_path, {"duty": mail_to(box)}), store)
        shutil.copy(demo_files[0], tmp_path / "drop")
        assert daemon.once().processed == 1
        assert len(box.mails) == len(store.alerts()) > 0
        assert {one.state for one in store.alerts()} == {AlertState.SENT}
    for mail in box.mails:
        assert not list(mail.iter_attachments())
        assert f"without plot sheet: {tmp_path}/sheets/XH-CHANDRA-" in mail.get_content()
    assert (daemon.metrics.registry.get_sample_value("xherald_errors_total", {"kind": "sheet"}) or 0) >= len(box.mails)


# --- the worker ------------------------------------------------------------------------------------------------------


def gathered(pool: WorkerPool, tasks: list[Job], wanted: int) -> list[JobResult]:
    found: list[JobResult] = []
    deadline = time.monotonic() + 120
    while len(found) < wanted:
        assert time.monotonic() < deadline
        if tasks and pool.idle:
            pool.submit(tasks.pop(0))
        found += pool.collect_results(0.1)
    return found


def test_worker_sends_results_before_plots(demo_files: list[Path], tmp_path: Path) -> None:
    configuration = configured(tmp_path, {})
    pool = WorkerPool(configuration, configuration.settings.daemon, sheets=tmp_path / "sheets")
    pool.start()
    try:
        (steady,) = gathered(pool, [Job(2, demo_files[1], "here")], 1)
        assert not steady.draws_plots  # there is no candidate
        (answer,) = gathered(pool, [Job(1, demo_files[0], "here")], 1)
        assert answer.draws_plots
        assert answer.result is not None
        assert len(answer.result.candidates) == 3
        # It is told of, and the worker has still the file in hand: it draws.
        assert [one.drop_id for one in pool.running_jobs] == [1]
        (process,) = pool.process_ids
        os.kill(process, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while pool.running_jobs:
            assert time.monotonic() < deadline
            assert pool.collect_results(0.1) == []  # nothing is said of the file twice
        (reason,) = pool.take_plot_errors()
        assert "its worker died" in reason
    finally:
        pool.end()


# --- the outbox ------------------------------------------------------------------------------------------------------


def test_alert_waits_for_its_plot_sheet_without_delaying_other_sinks(tmp_path: Path) -> None:
    sheet = tmp_path / "a.png"
    with mail_server() as box, open_store(f"sqlite:///{tmp_path}/store.sqlite") as store:
        given = {"duty": mail_to(box), "file": {"kind": "jsonl", "path": str(tmp_path / "alerts.jsonl")}}
        chosen = AlertSettings.model_validate({"sinks": given})
        for name in ("a", "b"):
            (drop,) = claimed(store, name, now=NOW)
            records = announcements(
                evidence_of_a_flare(name), chosen, name, NOW, sheets={"duty": str(tmp_path / f"{name}.png")}
            )
            seen = [observation(name, detections=[detection(name)])]
            store.commit_result(drop.id, RUN, seen, DropOutcome([candidate(name, 0)], records), NOW)
        dispatcher = Dispatcher(store, chosen, PluginHost(), "d")

        def passed(seconds: float) -> list[tuple[str, str, str]]:
            now = NOW + timedelta(seconds=seconds)
            return [(one.sink, one.result, one.candidate_id) for one in dispatcher.send_due(now=now)]

        assert passed(0) == [
            ("duty", "held", "a"), ("duty", "held", "b"), ("file", "sent", "a"), ("file", "sent", "b"),
        ]  # fmt: skip
        assert passed(1.5) == []  # held again, told of once
        sheet.write_bytes(PNG)
        assert passed(3) == [("duty", "sent", "a")]
        assert passed(MAX_SHEET_WAIT.total_seconds() - 1) == []
        assert passed(MAX_SHEET_WAIT.total_seconds() + 1) == [("duty", "sent", "b")]
    assert [len(list(one.iter_attachments())) for one in box.mails] == [1, 0]
    assert "without plot sheet" in box.mails[1].get_content()


# --- who wants them, and how long they are kept ----------------------------------------------------------------------


def test_plot_sheets_are_drawn_only_for_sinks_that_attach_them(tmp_path: Path) -> None:
    assert open_sheet_folder(configured(tmp_path, {"out": {"kind": "stdout"}})) is None
    with mail_server() as box:
        assert open_sheet_folder(configured(tmp_path, {"duty": mail_to(box, attach_sheet=False)})) is None
        found = open_sheet_folder(configured(tmp_path, {"duty": mail_to(box), "out": {"kind": "stdout"}}))
    assert found is not None
    assert found.paths_by_sink("XH-1") == {"duty": str(tmp_path / "sheets" / "XH-1.png")}


def test_sink_that_fails_to_say_whether_it_attaches_plots_goes_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bool:
        raise ValueError("no idea")

    with mail_server() as box:
        configuration = configured(tmp_path, {"duty": mail_to(box)})
        monkeypatch.setattr(type(configuration.host.alert_sinks["mail"]), "wants_sheet", broken)
        assert open_sheet_folder(configuration) is None
    assert "no idea" in configuration.host.failures[-1].reason


def test_old_plot_sheets_are_deleted(tmp_path: Path) -> None:
    names = {"XH-old.png": 91, ".XH-old.part.png": 91, "XH-new.png": 89, "holiday.png": 500, "XH-notes.txt": 500}
    for name, days in names.items():
        (tmp_path / name).write_bytes(PNG)
        os.utime(tmp_path / name, (time.time() - days * DAY,) * 2)
    SheetFolder(tmp_path, frozenset({"duty"}), 90.0).purge()
    assert {one.name for one in tmp_path.iterdir()} == {"XH-new.png", "holiday.png", "XH-notes.txt"}
    SheetFolder(tmp_path / "nowhere", frozenset({"duty"}), 90.0).purge()
