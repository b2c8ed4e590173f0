"""Intake of a drop folder: which files become drops, and when."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import time_machine
from astropy.io import fits
from fast_pipeline import configured, drop_file
from watched_folder import WatchedFolder, write_file

from xherald.catalog_store.ledger.states import DropState


def test_file_is_taken_when_stable_and_complete(
    make_watched_folder: Callable[..., WatchedFolder], demo_files: list[Path]
) -> None:
    watched = make_watched_folder(incomplete_wait_s=3600)
    data, path = demo_files[1].read_bytes(), watched.folder / demo_files[1].name
    path.write_bytes(data[: len(data) // 2])
    for _ in range(3):  # half copied, and unchanged for long enough
        assert watched.intake.poll().stable == 0
        time.sleep(0.06)
    assert watched.states() == {path.name: DropState.SEEN}
    path.write_bytes(data)
    assert watched.intake.poll().stable == 0
    time.sleep(0.12)
    assert watched.intake.poll().stable == 1
    assert watched.states() == {path.name: DropState.STABLE}
    assert watched.intake.poll().seen == 0


def test_incomplete_file_is_quarantined_with_reason(
    make_watched_folder: Callable[..., WatchedFolder], demo_files: list[Path]
) -> None:
    watched = make_watched_folder()
    data = bytearray(demo_files[1].read_bytes())
    data[len(data) // 2] ^= 255
    bad = write_file(watched.folder / "sw00000000001xpcw3po_cl.evt.gz", bytes(data))
    drop_file(watched.folder, "good")
    deadline = time.monotonic() + 30
    while watched.states().get(bad.name) is not DropState.QUARANTINED:
        assert time.monotonic() < deadline
        watched.intake.poll()
        time.sleep(0.05)
    assert "corrupt gzip" in watched.reason(bad.name) or "truncated" in watched.reason(bad.name)
    assert watched.states()["good.csv"] is DropState.STABLE


def test_file_without_events_is_skipped(make_watched_folder: Callable[..., WatchedFolder]) -> None:
    watched = make_watched_folder()
    write_file(watched.folder / "notes.txt", b"seen at 04:30 with thin clouds, nothing to report\n")
    fits.PrimaryHDU(np.zeros((8, 8))).writeto(watched.folder / "image.fits")
    header = {"TELESCOP": "CHANDRA", "INSTRUME": "HRC"}
    events = fits.BinTableHDU.from_columns([fits.Column("TIME", "D", array=[1.0, 2.0])], name="EVENTS")
    events.header.update(header)
    fits.HDUList([fits.PrimaryHDU(), events]).writeto(watched.folder / "hrc.fits")
    time.sleep(0.12)
    summary = watched.new_intake(once=True).poll()
    assert watched.states() == {
        "notes.txt": DropState.SKIPPED,
        "image.fits": DropState.SKIPPED,
        "hrc.fits": DropState.QUARANTINED,
    }
    assert (summary.skipped, summary.quarantined) == (2, 1)
    assert "no events table" in watched.reason("image.fits")


def test_same_content_is_one_drop(make_watched_folder: Callable[..., WatchedFolder]) -> None:
    watched = make_watched_folder()
    first = drop_file(watched.folder, "a")
    (watched.folder / "sub").mkdir()
    write_file(watched.folder / "sub" / "b.csv", first.read_bytes())
    time.sleep(0.12)
    watched.new_intake(once=True).poll()
    watched.new_intake(once=True).poll()
    assert sorted(watched.states().values()) == [DropState.DUPLICATE, DropState.STABLE]


def test_change_of_system_clock_delays_nothing(make_watched_folder: Callable[..., WatchedFolder]) -> None:
    watched = make_watched_folder()
    for number, days in enumerate((-400, 400)):
        with time_machine.travel(datetime.now(UTC) + timedelta(days=days), tick=True):
            path = drop_file(watched.folder, f"{number}")
            path.touch()
            for _ in range(4):
                watched.intake.poll()
                time.sleep(0.05)
    assert set(watched.states().values()) == {DropState.STABLE}


def test_restart_takes_files_seen_before(make_watched_folder: Callable[..., WatchedFolder]) -> None:
    watched = make_watched_folder(stable_after_s=3600)
    drop_file(watched.folder, "a").touch()
    watched.intake.poll()
    assert watched.states() == {"a.csv": DropState.SEEN}
    watched.configuration = configured(watched.folder, None, stable_after_s=0.0)
    watched.new_intake().poll()
    assert watched.states() == {"a.csv": DropState.STABLE}
