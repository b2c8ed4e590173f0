"""The `xherald alert` commands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alert_servers import ids_in, web_server
from announced_candidates import announce, file_sink_settings, read_alerts
from cli_result import CliResult

from xherald.catalog_store.ledger.states import VettingDecision
from xherald.catalog_store.ledger.store import Store

Command = Callable[..., CliResult]


@pytest.fixture
def alert_command(tmp_path: Path, store: Store, xherald: Command) -> Command:
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


def test_alert_test_sends_to_one_sink(alert_command: Command, tmp_path: Path) -> None:
    answer = alert_command("test", "file", "--json")
    assert answer.exit_code == 0
    (row,) = answer.rows
    (alert,) = read_alerts(tmp_path / "a.jsonl")
    assert (row["id"], row["where"], alert.alert_tense) == (alert.id, str(tmp_path / "a.jsonl"), "test")
    down = alert_command("test", "web")
    assert (down.exit_code, down.stdout) == (1, "")
    assert down.stderr.startswith(f"xherald: sink web: the URL in {tmp_path / 'address'}: ConnectError")
    assert "secret" not in down.stderr.replace(str(tmp_path), "")
    unknown = alert_command("test", "pigeon")
    assert (unknown.exit_code, unknown.stderr) == (2, "xherald: no sink is named 'pigeon'; available: file, web\n")
    (tmp_path / "address").chmod(0o644)
    assert "run `chmod 600" in alert_command("test", "web").stderr


def test_alert_send_list_replay_and_retract(alert_command: Command, store: Store, tmp_path: Path) -> None:
    (record, _) = announce(store, ["a", "b"], file_sink_settings(tmp_path), now=datetime.now(UTC))
    (pending, _) = alert_command("list", "--state", "pending", "--json").rows
    assert (pending["id"], pending["state"], pending["payload"]["candidate_id"]) == (record.id, "pending", "a")
    sent = alert_command("send", "--json")
    assert (sent.exit_code, [one["result"] for one in sent.rows]) == (0, ["sent", "sent"])
    assert alert_command("send").stdout == "No alerts are due\n"
    assert f"{record.id}  initial to file  sent" in alert_command("list").stdout
    # The file contains the id already.
    assert alert_command("replay", record.id).stdout == f"{record.id}: queued for 1 sink\n"
    assert alert_command("send").exit_code == 0
    assert ids_in(tmp_path / "a.jsonl").count(record.id) == 1
    for _ in range(2):  # a repetition changes nothing
        words = ("--reason", "a hot  pixel", "--as", "artefact", "--by", "Ann", "--json")
        back = alert_command("retract", record.id, *words)
        assert back.rows == [{"candidate_id": "a", "retractions": 1}]
    assert alert_command("send").exit_code == 0
    *_, last = read_alerts(tmp_path / "a.jsonl")
    assert (last.candidate_id, last.alert_type, last.reason) == ("a", "retraction", "a hot pixel")
    assert last.previous == (record.id,)
    (vetting, *_) = store.candidate("a").vettings
    assert (vetting.author, vetting.verdict, vetting.comment) == ("Ann", VettingDecision.ARTEFACT, "a hot pixel")
    assert [one.id for one in store.candidates()] == ["b"]
    assert alert_command("list", "--candidate", "a", "--json").rows[-1]["alert_type"] == "retraction"


def test_alert_commands_report_failure_by_exit_code(alert_command: Command, store: Store, tmp_path: Path) -> None:
    for command, *words in (("replay", "nothing"), ("retract", "nothing", "--reason", "x")):
        answer = alert_command(command, *words)
        assert (answer.exit_code, answer.stderr.count("\n")) == (1, 1)
        assert "nothing" in answer.stderr
    assert alert_command("retract", "a", "--reason", " ").exit_code == 2
    announce(store, ["a"], file_sink_settings(tmp_path), now=datetime.now(UTC))
    (tmp_path / "a.jsonl").mkdir()
    down = alert_command("send")
    assert down.exit_code == 1
    assert down.stdout.startswith("deferred  a-initial-")
    assert alert_command("list").stdout.count("Is a directory") == 1
