"""The JSON Lines sink: each id is written once, also after crashes and by several processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
from pathlib import Path
from typing import Any

import pytest
from alert_servers import ids_in
from example_alerts import flare_alert, send
from hypothesis import given, settings
from hypothesis import strategies as st

from xherald.photons.errors import SinkUnavailableError


def test_jsonl_writes_an_id_once(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    assert not send("jsonl", flare_alert("a"), path=path).repeated
    assert not send("jsonl", flare_alert("b"), path=path).repeated
    assert send("jsonl", flare_alert("a"), path=path).repeated
    assert send("jsonl", flare_alert("b"), path=path).repeated
    assert not send("jsonl", flare_alert("a", "update"), path=path).repeated
    assert ids_in(path) == [flare_alert("a").id, flare_alert("b").id, flare_alert("a", "update").id]


@settings(max_examples=20)  # each waits until its lines are on the disk
@given(kept=st.integers(min_value=0, max_value=3), part=st.floats(min_value=0, max_value=1))
def test_jsonl_rewrites_a_truncated_line_only(tmp_path_factory: pytest.TempPathFactory, kept: int, part: float) -> None:
    path = tmp_path_factory.mktemp("cut") / "alerts.jsonl"
    alerts = [flare_alert(name) for name in "abcd"]
    for alert in alerts:
        send("jsonl", alert, path=path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:kept]) + lines[kept][: int(part * len(lines[kept]))])
    for alert in alerts:
        send("jsonl", alert, path=path)
    assert path.read_bytes() == b"".join(lines)


def test_jsonl_keeps_other_lines_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    path.write_text("a note without an end")
    send("jsonl", flare_alert("a"), path=path)
    first, second = path.read_text().splitlines()
    assert first == "a note without an end"
    assert json.loads(second)["id"] == flare_alert("a").id
    # An id inside the text of another line is not an alert of that id.
    path.write_text(json.dumps({"note": f'"id":"{flare_alert("b").id}",'}) + "\n")
    assert not send("jsonl", flare_alert("b"), path=path).repeated


def _write_all(path: Path, names: list[str]) -> None:
    for name in names:
        send("jsonl", flare_alert(name), path=path)


def test_jsonl_concurrent_writers_write_every_id_once(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    names = [f"c{number}" for number in range(40)]
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=_write_all, args=(path, names[shift:] + names[:shift])) for shift in (0, 13, 26)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert [one.exitcode for one in workers] == [0, 0, 0]
    assert sorted(ids_in(path)) == sorted(flare_alert(name).id for name in names)


@pytest.mark.parametrize("where", ["missing/alerts.jsonl", "."])
def test_jsonl_file_that_cannot_be_written_is_retried(tmp_path: Path, where: str) -> None:
    with pytest.raises(SinkUnavailableError, match=re.escape(str(tmp_path))):
        send("jsonl", flare_alert(), path=tmp_path / where)


def test_jsonl_full_disk_leaves_no_partial_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "alerts.jsonl"
    send("jsonl", flare_alert("a"), path=path)
    before, write = path.read_bytes(), os.write

    def full(file: int, content: Any) -> int:
        if len(content) <= 100:
            raise OSError(28, "No space left on device")
        return write(file, bytes(content[:100]))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(SinkUnavailableError, match="No space left on device"):
        send("jsonl", flare_alert("b"), path=path)
    assert path.read_bytes() == before
    monkeypatch.undo()
    send("jsonl", flare_alert("b"), path=path)
    assert ids_in(path) == [flare_alert("a").id, flare_alert("b").id]
