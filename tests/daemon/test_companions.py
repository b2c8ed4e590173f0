"""Companion files: their names, how long a file waits for them, and what happens when they arrive late."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fast_pipeline import drop_file
from watched_folder import WatchedFolder, is_processed, wait_until, write_file

from xherald.catalog_store.ledger.states import DropState
from xherald.daemon.daemon import Daemon
from xherald.daemon.intake.companions import expects_companions, find_companions
from xherald.plugins import FolderNames, PluginHost

CHANDRA = ("acisf23022_000N027_r0122_regevt3.fits", "acisf23022_000N020_r0122_reg3.fits")

NAMES = {
    CHANDRA[0]: {CHANDRA[1]},
    "P0201901401M1S001MIEVLI0000.FTZ": {"P0201901401EP000OBSMLI0000.FTZ"},
    "ep01234567890wxt12po_cl.evt.gz": {"ep01234567890wxt12.cat"},
    "photons.csv": {"photons_gti.csv"},
}


def test_companions_depend_on_names_alone() -> None:
    host = PluginHost()
    names = [*NAMES, *(one for some in NAMES.values() for one in some), "acisf1_evt2.fits"]
    found = find_companions(names, FolderNames(names), host)
    assert {name: set(theirs) for name, theirs in found.items() if name in NAMES} == NAMES
    assert [expects_companions(name, host) for name in NAMES] == [True, True, True, False]
    assert host.failures == []


def test_adapter_that_fails_to_name_companions_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bool:
        raise ValueError("no such pattern")

    host = PluginHost()
    for method in ("companions", "expects_companions"):
        monkeypatch.setattr(type(host.adapters["chandra"]), method, broken)
    names = ("photons.csv", "photons_gti.csv")
    assert find_companions(names, FolderNames(names), host) == {"photons.csv": ("photons_gti.csv",)}
    assert not expects_companions("photons.csv", host)
    assert [(one.name, one.times) for one in host.failures] == [("chandra", 3)]
    assert "no such pattern" in host.failures[0].reason


def test_companion_is_not_a_drop_and_its_file_waits_for_it(
    make_watched_folder: Callable[..., WatchedFolder], demo_files: list[Path]
) -> None:
    watched = make_watched_folder(companions_wait_s=3600)
    table = demo_files[2]
    event = watched.folder / "ep01234567890wxt12po_cl.evt.gz"
    event.write_bytes(demo_files[1].read_bytes())
    write_file(watched.folder / "photons_gti.csv", table.with_name("eventfiles_table_gti.csv").read_bytes())
    time.sleep(0.12)
    watched.intake.poll()
    # Good times that arrive before their photons are not a drop; an event list waits for its source list.
    assert watched.states() == {event.name: DropState.SEEN}
    write_file(watched.folder / "photons.csv", table.read_bytes())
    write_file(watched.folder / "ep01234567890wxt12.cat", b"\n")
    time.sleep(0.12)
    watched.intake.poll()
    time.sleep(0.12)
    watched.intake.poll()
    assert watched.states() == {event.name: DropState.STABLE, "photons.csv": DropState.STABLE}


def test_file_is_taken_without_missing_companions(
    make_watched_folder: Callable[..., WatchedFolder], demo_files: list[Path]
) -> None:
    watched = make_watched_folder(companions_wait_s=0.3)
    event = watched.folder / "ep01234567890wxt12po_cl.evt.gz"
    event.write_bytes(demo_files[1].read_bytes())
    watched.intake.poll()
    assert watched.states() == {event.name: DropState.SEEN}
    time.sleep(0.35)
    watched.intake.poll()
    assert watched.states() == {event.name: DropState.STABLE}
    # The companion arrives late: the file with it is a second drop, and the companion itself is not a drop.
    late = watched.folder / "ep01234567890wxt12.cat"
    write_file(late, b"late").touch()
    watched.intake.poll()
    time.sleep(0.15)
    watched.intake.poll()
    first, second = sorted(watched.store.drops(), key=lambda one: one.id)
    assert (first.url, first.state, second.state) == (second.url, DropState.STABLE, DropState.STABLE)
    assert second.url == str(event)
    assert first.sha256 != second.sha256
    # A copy elsewhere without companion is a duplicate.
    (watched.folder / "copy").mkdir()
    write_file(watched.folder / "copy" / event.name, event.read_bytes())
    time.sleep(0.12)
    watched.new_intake(once=True).poll()
    assert sorted(one.state for one in watched.store.drops()) == [
        DropState.DUPLICATE,
        DropState.STABLE,
        DropState.STABLE,
    ]


def test_companion_seen_half_copied_is_not_a_drop(
    make_watched_folder: Callable[..., WatchedFolder], demo_files: list[Path]
) -> None:
    watched = make_watched_folder(companions_wait_s=3600)
    drop_file(watched.folder, "7")
    time.sleep(0.12)
    assert watched.intake.poll().stable == 1
    write_file(watched.folder / "7_gti.csv", b"")
    watched.intake.poll()
    assert watched.states() == {"7.csv": DropState.STABLE, "7_gti.csv": DropState.SEEN}
    write_file(watched.folder / "7_gti.csv", demo_files[2].with_name("eventfiles_table_gti.csv").read_bytes())
    polls = []
    wait_until(lambda: polls.append(watched.intake.poll()) or polls[-1].stable == 1)
    assert [(Path(one.url).name, one.state) for one in watched.store.drops()] == [("7.csv", DropState.STABLE)] * 2


def test_file_is_processed_again_with_late_companions(
    run_daemon: Callable[..., tuple[WatchedFolder, Daemon]], demo_files: list[Path]
) -> None:
    good_times = demo_files[2].with_name("eventfiles_table_gti.csv").read_bytes()
    watched, _ = run_daemon(stable_after_s=0.1, companions_wait_s=3600)
    drop_file(watched.folder, "7", burst=True)
    drop_file(watched.folder, "8", burst=True)
    wait_until(lambda: is_processed(watched, "7", "8"))
    write_file(watched.folder / "7_gti.csv", good_times)
    wait_until(lambda: len(watched.store.drops()) == 3 and is_processed(watched, "7", "8"))

    def alert_types() -> list[tuple[str, str]]:
        lines = [json.loads(one) for one in (watched.folder.parent / "alerts.jsonl").read_text().splitlines()]
        return [(one["candidate_id"], one["alert_type"]) for one in lines]

    # The second result states the same, so it is not announced.
    wait_until(lambda: len(alert_types()) == 2)
    assert sorted(alert_types()) == [("XH-7", "initial"), ("XH-8", "initial")]
    assert [one.state for one in watched.store.drops() if one.url.endswith("7_gti.csv")] == []
    assert [one.name for one in watched.store.check() if one.is_error] == []


def test_companions_that_arrive_while_no_daemon_runs_are_used_once(
    make_watched_folder: Callable[..., WatchedFolder], demo_files: list[Path]
) -> None:
    watched = make_watched_folder()
    drop_file(watched.folder, "7", burst=True)
    watched.daemon().once()
    good_times = demo_files[2].with_name("eventfiles_table_gti.csv").read_bytes()
    write_file(watched.folder / "7_gti.csv", good_times)
    assert [watched.daemon().once().processed for _ in range(3)] == [1, 0, 0]
    states = sorted((one.id, one.state) for one in watched.store.drops())
    assert [state for _, state in states] == [DropState.SUPERSEDED, DropState.ALERTED]
    # Both together from the beginning are one drop, processed once.
    write_file(watched.folder / "9_gti.csv", good_times)
    drop_file(watched.folder, "9", burst=True)
    assert [watched.daemon().once().processed for _ in range(2)] == [1, 0]
    # Files copied again are the same drops, with the same companions.
    for name in ("7", "9"):
        os.utime(watched.folder / f"{name}.csv", (1.71e9, 1.71e9))
    assert watched.daemon().once().processed == 0
