"""Care of the store on both databases: its form, its faults in one line, what `check` finds, backups, pruning."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from astropy.io.votable import parse_single_table
from cli_result import CliResult
from conftest import ROOT
from sqlalchemy import create_engine, text
from store_rows import (
    DATABASES,
    MINUTE,
    NOW,
    RUN,
    candidate,
    claimed,
    detection,
    fresh_url,
    observation,
    one_candidate,
    sighting,
)

from xherald.catalog_store.ledger.records import DropOutcome, VettingDecision
from xherald.catalog_store.ledger.store import Store, open_store
from xherald.catalog_store.ledger.tables import HEAD, VERSION_TABLE, metadata
from xherald.photons.errors import ConfigError, StoreError, StoreUnavailableError


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return fresh_url(request.param, tmp_path)


@pytest.fixture
def filled(url: str) -> Iterator[Store]:
    """A store with a bit of everything."""
    with open_store(url) as store:
        drops = claimed(store, "a", "b", "a2", "bad", "busy")
        for drop, (obs_id, version) in zip(drops, [("1", "1"), ("2", "1"), ("1", "2")], strict=False):
            name = f"c{drop.id}"
            found = [detection(), detection("faint", far_hz=None, kind="steady")]
            store.finish(drop.id, RUN, [observation(obs_id, version, found)], one_candidate(name), NOW)
        for out in store.due("d", now=NOW):
            store.mark_sent(out.id, out.sink, {"line": 1}, NOW)
        store.quarantine(drops[3].id, "no events", NOW)
        store.see([sighting("new")], NOW)
        store.record_vetting("c2", "Ann", VettingDecision.CONFIRMED, "a flare", now=NOW)
        store.set_stream_state({"fdr": {"wealth": 0.05}}, RUN, NOW)
        yield store


def rows_of(url: str) -> dict[str, list[tuple[object, ...]]]:
    """All rows of a store, by table."""
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = {
            table.name: [tuple(row) for row in connection.execute(table.select().order_by(*table.primary_key.columns))]
            for table in metadata.sorted_tables
        }
    engine.dispose()
    return rows


def by_hand(url: str, *statements: str) -> None:
    """Change a database behind the store's back, foreign keys and all."""
    engine = create_engine(url)
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET session_replication_role = replica"))
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


# Its form


def test_the_migrations_end_at_the_tables(url: str) -> None:
    open_store(url).close()
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD
    engine.dispose()
    config = Config()
    config.set_main_option("script_location", str(ROOT / "catalog_store" / "ledger" / "migrations"))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [HEAD]
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert revisions == sorted(revisions, reverse=True)


def test_opening_twice_leaves_it_as_it_is(filled: Store, url: str) -> None:
    before = rows_of(url)
    open_store(url, upgrade=True).close()
    assert rows_of(url) == before


@pytest.mark.parametrize(("form", "reason"), [("9999", "later xherald"), ("0000", "xherald store upgrade")])
def test_a_store_of_another_form_is_refused(url: str, form: str, reason: str) -> None:
    open_store(url).close()
    by_hand(url, f"UPDATE {VERSION_TABLE} SET version_num = '{form}'")
    with pytest.raises(StoreError, match=reason) as caught:
        open_store(url)
    assert "\n" not in str(caught.value)


def test_another_programs_tables_are_left_alone(url: str) -> None:
    by_hand(url, "CREATE TABLE drops (id INTEGER)")
    with pytest.raises(StoreError, match="not xherald's"):
        open_store(url)


# Its faults


@pytest.mark.parametrize(
    "url", ["no url", "mysql://host/name", "sqlite://", "sqlite:///:memory:", "sqlite:///x?mode=ro", "store.sqlite"]
)
def test_a_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="store"):
        open_store(url)


def test_a_password_is_not_told() -> None:
    with pytest.raises(StoreUnavailableError) as caught:
        open_store("postgresql://ann:secret@127.0.0.1:1/none", wait=1)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_store_that_is_not_there_is_not_made_unless_it_may_be(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such store"):
        open_store(f"sqlite:///{tmp_path / 'x.sqlite'}", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("a list of things to do, and none of them is a database\n" * 99)
    with pytest.raises(StoreError, match="not a database"):
        open_store(f"sqlite:///{path}")


def test_a_store_that_vanishes_says_so_and_does_not_come_back_empty(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with open_store(f"sqlite:///{path}") as store:
        aside = tmp_path / "aside.sqlite"
        path.rename(aside)
        for _ in range(2):
            with pytest.raises(StoreUnavailableError, match="is gone"):
                store.see([sighting("a")], NOW)
        assert not path.exists()
        aside.rename(path)
        assert len(store.see([sighting("a")], NOW)) == 1
        path.unlink()
        open_store(f"sqlite:///{path}").close()
        with pytest.raises(StoreUnavailableError, match="replaced"):
            store.drops()
        assert store.drops() == []


def test_a_locked_store_says_so_and_the_step_can_be_repeated(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with open_store(f"sqlite:///{path}", wait=0.05) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match=r"locked.*another process"):
            store.see([sighting("a")], NOW)
        assert store.drops() == []  # readers are not hindered
        other.execute("ROLLBACK")
        other.close()
        assert len(store.see([sighting("a")], NOW)) == 1


def test_a_full_disk_says_so_and_the_store_lives_on(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        (drop,) = claimed(store, "a")
        many = observation("1", detections=[detection(f"s{i}", features={"x": "y" * 500}) for i in range(500)])
        with store._database.exclusive() as raw:  # a disk that ends there
            (pages,) = raw.execute("PRAGMA page_count").fetchone()
            raw.execute(f"PRAGMA max_page_count = {pages + 4}").fetchone()
        with pytest.raises(StoreUnavailableError, match=r"full.*free some space"):
            store.finish(drop.id, RUN, [many], now=NOW)
        with store._database.exclusive() as raw:
            raw.execute("PRAGMA max_page_count = 1000000").fetchone()
        assert store.finish(drop.id, RUN, [many], now=NOW).applied


# Check


def test_a_store_that_only_xherald_wrote_is_clean(filled: Store) -> None:
    assert filled.check(NOW) == []
    assert {(one.what, one.passing) for one in filled.check(NOW + timedelta(days=1))} == {("claim-expired", True)}


@pytest.mark.parametrize(
    ("what", "statement"),
    [
        ("claim-without-worker", "UPDATE drops SET claimed_by = NULL WHERE state = 'claimed'"),
        ("worker-without-claim", "UPDATE drops SET claimed_by = 'w' WHERE state = 'seen'"),
        ("content-unknown", "UPDATE drops SET sha256 = NULL WHERE state = 'alerted'"),
        ("quarantined-without-reason", "UPDATE drops SET reason = ' ' WHERE state = 'quarantined'"),
        ("processed-without-observation", "UPDATE drops SET state = 'processed' WHERE state = 'claimed'"),
        ("observation-of-unfinished-drop", "UPDATE drops SET state = 'claimed' WHERE state = 'alerted'"),
        ("superseded-by-nothing", "UPDATE drops SET superseded_by = NULL"),
        ("superseded-but-current", "UPDATE observations SET superseded_by = 2 WHERE id = 3"),
        ("neither-current-nor-superseded", "UPDATE observations SET superseded_by = NULL"),
        ("detections-missing", "DELETE FROM detections WHERE detection_id = 'faint'"),
        ("candidate-of-superseded-observation", "UPDATE candidates SET state = 'standing'"),
        ("candidate-without-detection", "DELETE FROM detections WHERE observation_id = 2"),
        ("alert-without-candidate", "DELETE FROM candidates WHERE id = 'c3'"),
        ("alert-settled-without-time", "UPDATE alerts SET settled = NULL"),
        ("drop-not-alerted", "UPDATE drops SET state = 'processed' WHERE state = 'alerted'"),
        ("alert-untried-of-superseded-candidate", "UPDATE alerts SET state = 'pending', settled = NULL"),
        ("orphans", "DELETE FROM runs"),
        ("misplaced", "UPDATE detections SET healpix = healpix + 1"),
        ("misplaced", "UPDATE candidates SET healpix = NULL WHERE id = 'c2'"),
    ],
)
def test_check_finds_what_cannot_be(filled: Store, url: str, what: str, statement: str) -> None:
    by_hand(url, statement)
    found = {one.what: one for one in filled.check(NOW) if not one.passing}
    assert what in found
    assert found[what].rows >= 1
    assert found[what].examples
    assert len(found[what].meaning) > 20


def test_a_damaged_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with open_store(f"sqlite:///{path}") as store:
        drops = claimed(store, *(f"{i}" for i in range(20)))
        for drop in drops:
            store.finish(drop.id, RUN, [observation(drop.url)], now=NOW)
    size = path.stat().st_size
    with path.open("r+b") as file:  # one page of the second half
        file.seek(size // 4096 * 3 // 4 * 4096)
        file.write(b"\x55" * 4096)
    with open_store(f"sqlite:///{path}") as store:
        (found,) = store.check(NOW)
    assert (found.what, found.passing) == ("file-damaged", False)


# Backups


@pytest.mark.parametrize("into", DATABASES)
def test_a_backup_brings_all_of_it_back_into_either_database(
    filled: Store, url: str, into: str, tmp_path: Path
) -> None:
    target = tmp_path / "backup.sqlite"
    filled.backup(target)
    assert rows_of(f"sqlite:///{target}") == rows_of(url)
    (folder := tmp_path / "other").mkdir()
    other = fresh_url(into, folder)
    with open_store(other) as store:
        copied = store.restore(target)
        assert rows_of(other) == rows_of(url)
        assert copied == filled.row_counts()
        assert store.check(NOW) == []
        with pytest.raises(StoreError, match="already"):
            store.restore(target)
        # New rows are numbered after those that came with their numbers.
        (drop,) = claimed(store, "after")
        store.finish(drop.id, RUN, [observation("9")], one_candidate("c9"), NOW)
        assert drop.id > max(one.id for one in filled.drops())
    assert [one.name for one in tmp_path.iterdir() if one.name.endswith(".part")] == []


def test_a_backup_is_whole_or_not_there(filled: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        filled.backup(tmp_path / "missing" / "backup.sqlite")
    (there := tmp_path / "there.sqlite").write_text("mine")
    with pytest.raises(StoreError, match="exists"):
        filled.backup(there)
    assert there.read_text() == "mine"


def test_pruning_removes_what_nobody_asks_for_and_nothing_else(filled: Store, url: str) -> None:
    before = rows_of(url)
    assert filled.prune(NOW).detections == 0
    assert rows_of(url) == before
    (recent,) = claimed(filled, "recent", now=NOW + timedelta(days=2))
    filled.finish(recent.id, RUN, [observation("3", detections=[detection()] * 3)], now=NOW + timedelta(days=2))
    gone = filled.prune(NOW + timedelta(days=1))
    assert (gone.detections, gone.payloads, gone.sightings) == (3, 3, 1)
    after = rows_of(url)
    for table in ("candidates", "vettings", "stream_states", "runs"):
        assert after[table] == before[table]
    assert len(after["drops"]) == len(before["drops"])  # one sighting less, one drop more
    assert {one.obs_id for one in filled.history(83.8, -5.4, 0.1)} == {"1", "2", "3"}
    assert filled.check(NOW) == []
    assert filled.prune(NOW + timedelta(days=1)).detections == 0


# From the command line


@pytest.fixture
def command(xherald: Callable[..., CliResult], filled: Store, url: str) -> Callable[..., CliResult]:
    return lambda *words: xherald(*words, "--store", url)


def test_candidates_are_listed(command: Callable[..., CliResult], filled: Store, tmp_path: Path) -> None:
    (drop,) = claimed(filled, "dip", now=NOW + MINUTE)
    place = detection(ra=10.0, dec=-20.0, kind="dip", pos_err_arcsec=0.5)
    dip = DropOutcome([candidate("d1", far_hz=None, source_class="")])
    filled.finish(drop.id, RUN, [observation("7", detections=[place])], dip, NOW + MINUTE)
    assert [row["id"] for row in command("candidates", "--json").rows] == ["d1", "c2", "c3"]
    assert [row["id"] for row in command("candidates", "--json", "--limit", 1).rows] == ["d1"]
    near = command("candidates", "--json", "--near", "10,-20.001,5arcsec").rows
    assert [(row["id"], row["ra"], row["far_hz"], row["state"]) for row in near] == [("d1", 10.0, None, "standing")]
    assert command("candidates", "--near", "10,-20.001,1arcsec").stdout == "no candidate\n"
    assert [row["id"] for row in command("candidates", "--json", "--far-below", "1e-6").rows] == ["c2", "c3"]
    assert command("candidates", "--json", "--class", "stellar flare").rows[0]["evidence"]
    assert command("candidates", "--json", "--class", "dip").rows == []
    assert command("candidates", "--json", "--since", "2026-03-01T12:00:30").rows[0]["id"] == "d1"
    assert {row["state"] for row in command("candidates", "--json", "--all").rows} == {"standing", "superseded"}
    (target := tmp_path / "c.vot").write_text(command("candidates", "--votable").stdout)
    table = parse_single_table(target).to_table()
    assert list(table["id"]) == ["d1", "c2", "c3"]
    assert table["far_hz"].mask.tolist() == [True, False, False]
    assert str(table["ra"].unit) == "deg"
    assert "d1" in command("candidates", "--class", "flare").stdout


@pytest.mark.parametrize(
    "words", [("--near", "10,20"), ("--near", "10,99,1"), ("--since", "yesterday"), ("--far-below", "-1")]
)
def test_a_question_that_makes_no_sense_is_refused(xherald: Callable[..., CliResult], words: tuple[str, ...]) -> None:
    assert xherald("candidate", "list", *words).exit_code == 2


def test_the_store_is_shown_and_checked(command: Callable[..., CliResult], url: str) -> None:
    (told,) = command("store", "show", "--json").rows
    assert told["drops"]["alerted"] == 2
    assert [one["reason"] for one in told["quarantined"]] == ["no events"]
    assert "no events" in command("store", "show").stdout
    released = command("store", "release", told["quarantined"][0]["id"])
    assert released.stdout.rstrip().endswith("stable")
    by_hand(url, "UPDATE drops SET sha256 = NULL WHERE state = 'alerted'")
    found = command("store", "check", "--json")
    assert found.exit_code == 1
    assert [one["what"] for one in found.rows[0] if not one["passing"]] == ["content-unknown"]
    assert "WRONG content-unknown (2 rows: " in command("store", "check").stdout


def test_the_store_is_kept_and_brought_back(
    command: Callable[..., CliResult], xherald: Callable[..., CliResult], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.sqlite"
    assert command("store", "backup", copy).exit_code == 0
    other = f"sqlite:///{tmp_path / 'new' / 'store.sqlite'}"
    assert "6 drops" in xherald("store", "restore", copy, "--store", other).stdout
    assert xherald("store", "check", environment={"XHERALD_STORE__URL": other}).stdout.startswith("passing")
    assert xherald("store", "prune", "--older-than", "0d", "--store", other, "--json").rows[0]["detections"] == 3
    assert command("store", "restore", copy).exit_code == 1


def test_a_new_store_is_made_where_it_was_asked_for(xherald: Callable[..., CliResult], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'deep' / 'store.sqlite'}"
    assert xherald("store", "check", "--store", url).stderr.count("\n") == 1
    assert xherald("store", "upgrade", "--store", url, "--json").rows == [{"store": url, "form": HEAD}]
    assert xherald("store", "check", "--store", url).stdout == "nothing is wrong\n"
