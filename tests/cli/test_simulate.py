"""`xherald simulate` and `xherald inject` as a user meets them: files that scan, truth beside them, seeds, errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_result import CliResult

Run = Callable[..., CliResult]
MISSIONS = ("chandra", "xmm", "swift", "erosita", "ep")
ONE_EACH = ("chandra-acis-i", "xmm-mos1", "swift-xrt", "erosita-pointed", "ep-wxt")


def test_a_dropped_file_of_each_mission_scans(xherald: Run, tmp_path: Path) -> None:
    made = xherald("simulate", "drop", tmp_path, "--missions", ",".join(ONE_EACH), "--json", "--seed", 3)
    assert (made.exit_code, made.stderr) == (0, "")
    files = [Path(row["file"]) for row in made.rows]
    truths = [row["truth"] for row in made.rows]
    assert {truth["telescope"].partition("-")[0] for truth in truths} == set(MISSIONS)
    assert all(path.is_file() for path in files)
    assert not list(tmp_path.glob(".dropping-*"))
    answer = xherald("scan", "--json", *files)
    assert (answer.exit_code, answer.stderr) == (0, "")
    assert {row["file"] for row in answer.rows} == {str(path) for path in files}


def test_a_drop_prints_its_event_files(xherald: Run, tmp_path: Path) -> None:
    answer = xherald("simulate", "drop", tmp_path, "--missions", "swift", "--files", 2)
    lines = answer.stdout.splitlines()
    assert len(lines) == 2
    assert all(Path(line).is_file() for line in lines)


def test_the_same_seed_gives_the_same_bytes(xherald: Run, tmp_path: Path) -> None:
    first, second, other = (tmp_path / name for name in ("first", "second", "other"))
    for folder, seed in ((first, 5), (second, 5), (other, 6)):
        xherald(
            "simulate", "field", "--mission", "swift", "--transients", "stellar_flare", "--seed", seed, "--out", folder
        )

    def contents(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    assert contents(first) == contents(second)
    assert set(contents(first).values()).isdisjoint(contents(other).values())


def test_a_bright_flare_of_a_simulated_field_is_found_where_the_truth_says(xherald: Run, tmp_path: Path) -> None:
    words = ("--mission", "chandra-acis-i", "--transients", "fast_transient", "--counts", 150, "--sources", 4)
    made = xherald("simulate", "field", *words, "--seed", 12, "--out", tmp_path, "--json").rows[0]
    (burst,) = (one for one in made["truth"]["sources"] if one["class"] == "fast_transient")
    rows = xherald("scan", "--json", made["file"]).rows
    nearest = min(rows, key=lambda row: abs(row["ra_deg"] - burst["ra_deg"]) + abs(row["dec_deg"] - burst["dec_deg"]))
    assert abs(nearest["dec_deg"] - burst["dec_deg"]) * 3600 < 5
    assert nearest["kind"] == "flare"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("field", "--mission", "hubble"), "unknown telescope or mission 'hubble'"),
        (("field", "--mission", "xmm", "--transients", "kilonova"), "unknown source class 'kilonova'"),
        (("field", "--mission", "xmm", "--artefacts", "gremlin"), "unknown artefact 'gremlin'"),
        (("field", "--mission", "xmm", "--pattern", "waltz"), "unknown observing pattern 'waltz'"),
        (("field", "--mission", "all"), "'all' is not a single telescope"),
        (("population", 3, "--mission", "all"), "'all' is not a single telescope"),
        (("show", "kilonova"), "unknown source class 'kilonova'"),
        (("show", "burst"), "source class 'burst' is ambiguous; choose from magnetar_burst, xray_burst"),
        (("show", "qpe"), "use a file name that ends in .pdf or .png"),
    ],
    ids=["telescope", "class", "artefact", "pattern", "field", "population", "picture", "word", "format"],
)
def test_unknown_names_are_reported_with_the_known_ones(
    xherald: Run, tmp_path: Path, words: tuple[object, ...], said: str
) -> None:
    answer = xherald("simulate", *words, "--out", tmp_path / "x")
    assert answer.exit_code == 2
    assert said in answer.stderr
    assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("field", "--mission", "swift", "--sources", 1, "--out", "file/x"),
        ("drop", "file/x", "--missions", "swift"),
        ("population", 3, "--published", "file/x"),
        ("population", 3, "--out", "file/x.parquet"),
        ("show", "qpe", "--out", "file/x.png"),
    ],
    ids=["field", "drop", "published", "population", "show"],
)
def test_what_cannot_be_written_is_one_line(
    xherald: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("no folder")
    answer = xherald("simulate", *words)
    assert answer.exit_code == 1
    assert answer.stderr.startswith("xherald: file/x")
    assert "cannot be written" in answer.stderr
    assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize("place", ["83.8", "83.8,-91", "a,b"])
def test_a_place_that_is_none_is_refused(xherald: Run, tmp_path: Path, place: str) -> None:
    answer = xherald("simulate", "field", "--mission", "xmm", "--at", place, "--out", tmp_path)
    assert answer.exit_code == 2


def test_the_list_names_everything(xherald: Run) -> None:
    from xherald.simulation.classes import CLASSES
    from xherald.simulation.telescopes import TELESCOPES

    told = json.loads(xherald("simulate", "list", "--json").stdout)
    assert set(told["classes"]) == set(CLASSES)
    assert set(told["telescopes"]) == set(TELESCOPES)
    printed = xherald("simulate", "list").stdout
    assert all(name in printed for names in told.values() for name in names)


def test_a_population_scans_and_holds_its_truth(xherald: Run, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = tmp_path / "population.parquet"
    made = xherald(
        "simulate", "population", 200, "--seed", 2, "--out", path, "--published", tmp_path / "tables", "--json"
    )
    assert (made.exit_code, made.stderr) == (0, "")
    assert {"truth_class", "truth_direction"} <= set(pq.read_schema(path).names)
    rows = xherald("scan", "--json", path).rows
    published = xherald("scan", "--json", tmp_path / "tables" / "eventfiles_table.csv").rows
    assert len(rows) == 200
    assert sorted(row["counts"] for row in rows) == sorted(row["counts"] for row in published)


def test_a_population_goes_somewhere(xherald: Run) -> None:
    assert xherald("simulate", "population", 5).exit_code == 2


def test_a_picture_is_drawn(xherald: Run, tmp_path: Path) -> None:
    picture = tmp_path / "burst.png"
    assert xherald("simulate", "show", "magnetar_burst", "--out", picture).stdout.strip() == str(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
