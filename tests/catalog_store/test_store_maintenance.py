"""Maintenance of the store on both databases: schema version, errors, consistency checks, backups, pruning."""

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
from paths import ROOT
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

from xherald.catalog_store.ledger.drop_outcome import DropOutcome
from xherald.catalog_store.ledger.states import VettingDecision
from xherald.catalog_store.ledger.store import Store, open_store
from xherald.catalog_store.ledger.tables import HEAD, VERSION_TABLE, metadata
from xherald.photons.errors import ConfigError, StoreError, StoreUnavailableError


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return fresh_url(request.param, tmp_path)


@pytest.fixture
def filled(url: str) -> Iterator[Store]:
    """A store with rows in every table."""
    with open_store(url) as store:
        drops = claimed(store, "a", "b", "a2", "bad", "busy")
        for drop, (obs_id, version) in zip(drops, [("1", "1"), ("2", "1"), ("1", "2")], strict=False):
            name = f"c{drop.id}"
            found = [detection(), detection("faint", far_hz=None, kind="steady")]
            store.commit_result(drop.id, RUN, [observation(obs_id, version, found)], one_candidate(name), NOW)
        for out in store.take_due_alerts("d", now=NOW):
            store.mark_sent(out.id, out.sink, {"line": 1}, NOW)
        store.quarantine(drops[3].id, "no events", NOW)
        store.record_sightings([sighting("new")], NOW)
        store.record_vetting("c2", "Ann", VettingDecision.REAL, "a flare", now=NOW)
        store.set_shared_states({"fdr": {"wealth": 0.05}}, RUN, NOW)
        yield store


def read_rows(url: str) -> dict[str, list[tuple[object, ...]]]:
    """All rows of a store, by table."""
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = {
            table.name: [tuple(row) for row in connection.execute(table.select().order_by(*table.primary_key.columns))]
            for table in metadata.sorted_tables
        }
    engine.dispose()
    return rows


def edit_database(url: str, *statements: str) -> None:
    """Edit a database directly, without checks of foreign keys."""
    engine = create_engine(url)
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET session_replication_role = replica"))
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


# Schema version


def test_migrations_create_the_declared_tables(url: str) -> None:
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


def test_reopening_changes_nothing(filled: Store, url: str) -> None:
    before = read_rows(url)
    open_store(url, upgrade=True).close()
    assert read_rows(url) == before


@pytest.mark.parametrize(("version", "reason"), [("9999", "upgrade xherald"), ("0000", "xherald store upgrade")])
def test_store_of_another_schema_version_is_rejected(url: str, version: str, reason: str) -> None:
    open_store(url).close()
    edit_database(url, f"UPDATE {VERSION_TABLE} SET version_num = '{version}'")
    with pytest.raises(StoreError, match=reason) as caught:
        open_store(url)
    assert "\n" not in str(caught.value)


def test_tables_of_another_program_are_rejected(url: str) -> None:
    edit_database(url, "CREATE TABLE drops (id INTEGER)")
    with pytest.raises(StoreError, match="not a store"):
        open_store(url)


# Errors


@pytest.mark.parametrize(
    "url", ["no url", "mysql://host/name", "sqlite://", "sqlite:///:memory:", "sqlite:///x?mode=ro", "store.sqlite"]
)
def test_invalid_url_is_rejected(url: str) -> None:
    with pytest.raises(ConfigError, match="store"):
        open_store(url)


def test_password_is_not_shown() -> None:
    with pytest.raises(StoreUnavailableError) as caught:
        open_store("postgresql://ann:secret@127.0.0.1:1/none", wait_s=1)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_store_is_not_created_unless_allowed(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such store"):
        open_store(f"sqlite:///{tmp_path / 'x.sqlite'}", create=False)
    assert list(tmp_path.iterdir()) == []


def test_other_file_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("a list of things to do, and none of them is a database\n" * 99)
    with pytest.raises(StoreError, match="not a database"):
        open_store(f"sqlite:///{path}")


def test_removed_store_is_reported_and_not_created_again(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with open_store(f"sqlite:///{path}") as store:
        aside = tmp_path / "aside.sqlite"
        path.rename(aside)
        for _ in range(2):
            with pytest.raises(StoreUnavailableError, match="is missing"):
                store.record_sightings([sighting("a")], NOW)
        assert not path.exists()
        aside.rename(path)
        assert len(store.record_sightings([sighting("a")], NOW)) == 1
        path.unlink()
        open_store(f"sqlite:///{path}").close()
        with pytest.raises(StoreUnavailableError, match="replaced"):
            store.drops()
        assert store.drops() == []


def test_locked_store_is_reported_and_the_step_can_be_repeated(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with open_store(f"sqlite:///{path}", wait_s=0.05) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match=r"locked.*another process"):
            store.record_sightings([sighting("a")], NOW)
        assert store.drops() == []  # readers do not wait
        other.execute("ROLLBACK")
        other.close()
        assert len(store.record_sightings([sighting("a")], NOW)) == 1


def test_full_disk_is_reported_and_the_step_can_be_repeated(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        (drop,) = claimed(store, "a")
        many = observation("1", detections=[detection(f"s{i}", details={"x": "y" * 500}) for i in range(500)])
        with store._database.exclusive() as raw:  # simulates a full disk
            (pages,) = raw.execute("PRAGMA page_count").fetchone()
            raw.execute(f"PRAGMA max_page_count = {pages + 4}").fetchone()
        with pytest.raises(StoreUnavailableError, match=r"full.*free disk space"):
            store.commit_result(drop.id, RUN, [many], now=NOW)
        with store._database.exclusive() as raw:
            raw.execute("PRAGMA max_page_count = 1000000").fetchone()
        assert store.commit_result(drop.id, RUN, [many], now=NOW).is_new


# Consistency checks


def test_check_finds_nothing_in_a_valid_store(filled: Store) -> None:
    assert filled.check(NOW) == []
    assert {(one.name, one.is_error) for one in filled.check(NOW + timedelta(days=1))} == {("claim-expired", False)}


@pytest.mark.parametrize(
    ("name", "statement"),
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
        ("alert-closed-without-time", "UPDATE alerts SET closed = NULL"),
        ("drop-not-alerted", "UPDATE drops SET state = 'processed' WHERE state = 'alerted'"),
        ("alert-untried-of-superseded-candidate", "UPDATE alerts SET state = 'pending', closed = NULL"),
        ("orphans", "DELETE FROM runs"),
        ("wrong-healpix", "UPDATE detections SET healpix = healpix + 1"),
        ("wrong-healpix", "UPDATE candidates SET healpix = NULL WHERE id = 'c2'"),
    ],
)
def test_check_finds_inconsistencies(filled: Store, url: str, name: str, statement: str) -> None:
    edit_database(url, statement)
    found = {one.name: one for one in filled.check(NOW) if one.is_error}
    assert name in found
    assert found[name].rows >= 1
    assert found[name].examples
    assert len(found[name].meaning) > 20


def test_check_finds_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with open_store(f"sqlite:///{path}") as store:
        drops = claimed(store, *(f"{i}" for i in range(20)))
        for drop in drops:
            store.commit_result(drop.id, RUN, [observation(drop.url)], now=NOW)
    size = path.stat().st_size
    with path.open("r+b") as file:  # one page of the second half
        file.seek(size // 4096 * 3 // 4 * 4096)
        file.write(b"\x55" * 4096)
    with open_store(f"sqlite:///{path}") as store:
        (found,) = store.check(NOW)
    assert (found.name, found.is_error) == ("file-damaged", True)


# Backups


@pytest.mark.parametrize("into", DATABASES)
def test_backup_is_restored_into_either_database(filled: Store, url: str, into: str, tmp_path: Path) -> None:
    target = tmp_path / "backup.sqlite"
    filled.backup(target)
    assert read_rows(f"sqlite:///{target}") == read_rows(url)
    (folder := tmp_path / "other").mkdir()
    other = fresh_url(into, folder)
    with open_store(other) as store:
        copied = store.restore(target)
        assert read_rows(other) == read_rows(url)
        assert copied == filled.row_counts()
        assert store.check(NOW) == []
        with pytest.raises(StoreError, match="not empty"):
            store.restore(target)
        # Ids of new rows continue after the restored ones.
        (drop,) = claimed(store, "after")
        store.commit_result(drop.id, RUN, [observation("9")], one_candidate("c9"), NOW)
        assert drop.id > max(one.id for one in filled.drops())
    assert [one.name for one in tmp_path.iterdir() if one.name.endswith(".part")] == []


def test_failed_backup_leaves_no_file(filled: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        filled.backup(tmp_path / "missing" / "backup.sqlite")
    (existing := tmp_path / "existing.sqlite").write_text("mine")
    with pytest.raises(StoreError, match="exists"):
        filled.backup(existing)
    assert existing.read_text() == "mine"


def test_prune_deletes_old_rows_only(filled: Store, url: str) -> None:
    before = read_rows(url)
    assert filled.prune(NOW).detections == 0
    assert read_rows(url) == before
    (recent,) = claimed(filled, "recent", now=NOW + timedelta(days=2))
    filled.commit_result(recent.id, RUN, [observation("3", detections=[detection()] * 3)], now=NOW + timedelta(days=2))
    pruned = filled.prune(NOW + timedelta(days=1))
    assert (pruned.detections, pruned.payloads, pruned.sightings) == (3, 3, 1)
    after = read_rows(url)
    for table in ("candidates", "verdicts", "shared_states", "runs"):
        assert after[table] == before[table]
    assert len(after["drops"]) == len(before["drops"])  # one sighting less, one drop more
    assert {one.obs_id for one in filled.detections_near(83.8, -5.4, 0.1)} == {"1", "2", "3"}
    assert filled.check(NOW) == []
    assert filled.prune(NOW + timedelta(days=1)).detections == 0


# Command line


@pytest.fixture
def command(xherald: Callable[..., CliResult], filled: Store, url: str) -> Callable[..., CliResult]:
    return lambda *words: xherald(*words, "--store", url)


def test_candidate_list_selects_candidates(command: Callable[..., CliResult], filled: Store, tmp_path: Path) -> None:
    (drop,) = claimed(filled, "dip", now=NOW + MINUTE)
    found = detection(ra_deg=10.0, dec_deg=-20.0, kind="dip", pos_err_arcsec=0.5)
    dip = DropOutcome([candidate("d1", far_hz=None, likely_class=None)])
    filled.commit_result(drop.id, RUN, [observation("7", detections=[found])], dip, NOW + MINUTE)
    assert [row["candidate_id"] for row in command("candidate", "list", "--json").rows] == ["d1", "c2", "c3"]
    assert [row["candidate_id"] for row in command("candidate", "list", "--json", "--limit", 1).rows] == ["d1"]
    near = command("candidate", "list", "--json", "--near", "10,-20.001,5arcsec").rows
    assert [(row["candidate_id"], row["ra_deg"], row["far_hz"], row["state"]) for row in near] == [
        ("d1", 10.0, None, "standing")
    ]
    assert command("candidate", "list", "--near", "10,-20.001,1arcsec").stdout == "No candidates\n"
    assert [row["candidate_id"] for row in command("candidate", "list", "--json", "--far-below", "1e-6").rows] == [
        "c2",
        "c3",
    ]
    assert command("candidate", "list", "--json", "--class", "stellar flare").rows[0]["evidence"]
    assert command("candidate", "list", "--json", "--kind", "dip").rows == []
    assert command("candidate", "list", "--json", "--since", "2026-03-01T12:00:30").rows[0]["candidate_id"] == "d1"
    assert {row["state"] for row in command("candidate", "list", "--json", "--all").rows} == {"standing", "superseded"}
    (target := tmp_path / "c.vot").write_text(command("candidate", "list", "--votable").stdout)
    table = parse_single_table(target).to_table()
    assert list(table["candidate_id"]) == ["d1", "c2", "c3"]
    assert table["far_hz"].mask.tolist() == [True, False, False]
    assert str(table["ra_deg"].unit) == "deg"
    assert "d1" in command("candidate", "list", "--kind", "flare").stdout


@pytest.mark.parametrize(
    "words", [("--near", "10,20"), ("--near", "10,99,1"), ("--since", "yesterday"), ("--far-below", "-1")]
)
def test_candidate_list_rejects_invalid_options(xherald: Callable[..., CliResult], words: tuple[str, ...]) -> None:
    assert xherald("candidate", "list", *words).exit_code == 2


def test_store_show_check_and_release(command: Callable[..., CliResult], url: str) -> None:
    (shown,) = command("store", "show", "--json").rows
    assert shown["drops"]["alerted"] == 2
    assert [one["reason"] for one in shown["quarantined"]] == ["no events"]
    assert "no events" in command("store", "show").stdout
    released = command("store", "release", shown["quarantined"][0]["id"])
    assert released.stdout.rstrip().endswith("stable")
    edit_database(url, "UPDATE drops SET sha256 = NULL WHERE state = 'alerted'")
    found = command("store", "check", "--json")
    assert found.exit_code == 1
    assert [one["name"] for one in found.rows[0] if one["is_error"]] == ["content-unknown"]
    assert "ERROR content-unknown (2 rows: " in command("store", "check").stdout


def test_store_backup_restore_and_prune(
    command: Callable[..., CliResult], xherald: Callable[..., CliResult], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.sqlite"
    assert command("store", "backup", copy).exit_code == 0
    other = f"sqlite:///{tmp_path / 'new' / 'store.sqlite'}"
    assert "6 drops" in xherald("store", "restore", copy, "--store", other).stdout
    checked = xherald("store", "check", environment={"XHERALD_STORE__URL": other})
    assert checked.stdout.startswith("note  claim-expired")
    assert xherald("store", "prune", "--older-than", "0d", "--store", other, "--json").rows[0]["detections"] == 3
    assert command("store", "restore", copy).exit_code == 1


def test_store_upgrade_creates_a_store(xherald: Callable[..., CliResult], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'deep' / 'store.sqlite'}"
    assert xherald("store", "check", "--store", url).stderr.count("\n") == 1
    assert xherald("store", "upgrade", "--store", url, "--json").rows == [{"store": url, "schema_version": HEAD}]
    assert xherald("store", "check", "--store", url).stdout == "no inconsistencies found\n"
