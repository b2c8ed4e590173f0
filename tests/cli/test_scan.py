"""The command line as a user meets it: the main job on the demo's files, bad files among good ones, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from bad_event_files import BAD_FILES, BadFile
from cli_result import CliResult

Run = Callable[..., CliResult]


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.fits"
    path.write_bytes(b"SIMPLE  =                    T" + b" " * 50)
    return path


def test_scan_finds_the_demo_s_transients(xherald: Run, demo_files: list[Path]) -> None:
    answer = xherald("scan", "--json", *demo_files)
    assert (answer.exit_code, answer.stderr) == (0, "")
    chandra = [row for row in answer.rows if row["mission"] == "CHANDRA"]

    def nearest(ra: float, dec: float) -> dict[str, object]:
        return min(chandra, key=lambda row: abs(row["ra_deg"] - ra) + abs(row["dec_deg"] - dec))

    flare, eclipse = nearest(150.1, 2.2), nearest(150.1 + 120 / 3600, 2.2 - 70 / 3600)
    assert flare["kind"] == "flare"
    assert eclipse["kind"] == "dip"
    assert nearest(150.1 - 70 / 3600, 2.2 + 60 / 3600)["kind"] == "flare"
    assert nearest(150.1 + 60 / 3600, 2.2 + 110 / 3600)["kind"] == "steady"
    assert flare["aperture_origin"] != "photon table"
    table = {row["detection_id"]: row for row in answer.rows if Path(row["file"]).suffix == ".csv"}
    assert len(table) == 300
    assert {table[name]["kind"] for name in table if name.startswith(("90007", "90130", "90222"))} == {"flare"}
    assert sum(row["kind"] != "steady" for row in table.values()) <= 9


def test_scan_takes_a_user_s_list(xherald: Run, demo_files: list[Path], tmp_path: Path) -> None:
    listed = tmp_path / "mine.csv"
    listed.write_text("id,ra,dec\nflaring,150.1,2.2\nelsewhere,30.0,-50.0\n")
    answer = xherald("scan", "--json", "--sources", listed, demo_files[0])
    assert answer.exit_code == 0
    assert [(row["detection_id"], row["kind"]) for row in answer.rows] == [("flaring", "flare")]
    assert answer.stderr == f"xherald: {demo_files[0]}: 1 sources of {listed} lie outside the field\n"
    assert xherald("scan", "--sources", tmp_path / "none.csv", demo_files[0]).exit_code == 2


def test_scan_writes_and_draws(xherald: Run, demo_files: list[Path], tmp_path: Path) -> None:
    targets = [tmp_path / f"sources{suffix}" for suffix in (".jsonl", ".csv", ".ecsv", ".fits", ".vot", ".parquet")]
    outs = [word for target in targets for word in ("--out", target)]
    answer = xherald("scan", demo_files[0], *outs, "--plot", tmp_path / "plots", "--limit", 1)
    assert answer.exit_code == 0
    assert all(target.stat().st_size for target in targets)
    assert list((tmp_path / "plots").glob("XH-CHANDRA-ACIS-90001-*.png"))
    assert "not shown; use --all" in answer.stdout
    assert f"plots in {tmp_path / 'plots'}" in answer.stdout


def test_a_bad_file_is_one_line_and_the_others_are_done(
    xherald: Run, demo_files: list[Path], broken: Path, tmp_path: Path
) -> None:
    answer = xherald("scan", "--json", broken, tmp_path, tmp_path / "absent.fits", demo_files[1])
    assert answer.exit_code == 1
    lines = answer.stderr.splitlines()
    assert [line.split(": ")[1] for line in lines] == [str(broken), str(tmp_path), str(tmp_path / "absent.fits")]
    assert all(line.startswith("xherald: ") for line in lines)
    assert {row["obs_id"] for row in answer.rows} == {"00099001001"}


@pytest.mark.parametrize("bad", BAD_FILES, ids=lambda bad: bad.name)
def test_every_kind_of_bad_file_is_one_line(xherald: Run, bad: BadFile, demo_files: list[Path], tmp_path: Path) -> None:
    path = bad.make(tmp_path)
    answer = xherald("scan", "--json", path, demo_files[1])
    assert answer.exit_code == 1
    (line,) = answer.stderr.splitlines()
    assert line.startswith(f"xherald: {path}: ")
    assert bad.reason in line
    assert {row["obs_id"] for row in answer.rows} == {"00099001001"}


def test_the_trace_is_shown_on_request_only(xherald: Run, broken: Path) -> None:
    assert "Traceback" not in xherald("scan", broken).stderr
    assert "Traceback" in xherald("scan", "--debug", broken).stderr
    assert "Traceback" in xherald("--debug", "scan", broken).stderr


def test_a_defect_in_the_code_costs_one_file_only(
    xherald: Run, demo_files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from xherald.adapters.swift import register_adapters
    from xherald.plugins import InstrumentAdapter

    adapters: list[InstrumentAdapter] = []
    register_adapters(adapters.append)

    def defect(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(type(adapters[0]), "read", defect)
    answer = xherald("inspect", "--json", demo_files[1], demo_files[0])
    assert answer.exit_code == 1
    assert answer.stderr.count("\n") == 1
    broke = f"adapters plugin 'swift' failed when reading {demo_files[1]}: ZeroDivisionError: division by zero"
    assert f"{demo_files[1]}: {broke}" in answer.stderr
    assert [row["obs_id"] for row in answer.rows] == ["90001"]


def test_quiet_says_nothing_but_errors(xherald: Run, demo_files: list[Path], broken: Path) -> None:
    answer = xherald("scan", "--quiet", demo_files[1], broken)
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words", [("scan",), ("scan", "--limit", "0", "a.fits"), ("nothing",), ("scan", "--out", "sources.xlsx", "a.fits")]
)
def test_wrong_use_is_exit_code_two(xherald: Run, words: tuple[str, ...]) -> None:
    assert xherald(*words).exit_code == 2


def test_inspect_tells_what_the_file_is(xherald: Run, demo_files: list[Path]) -> None:
    chandra, swift, table = xherald("inspect", "--json", *demo_files).rows
    assert (chandra["mission"], chandra["instrument"], chandra["obs_id"]) == ("CHANDRA", "ACIS", "90001")
    livetimes = {one["name"]: one["livetime_s"] for one in chandra["detectors"]}
    assert set(livetimes) == {"CCD 5", "CCD 6", "CCD 7", "CCD 8"}
    assert max(livetimes.values()) == pytest.approx(20_000 * 3.1 / 3.14104, rel=1e-3)
    assert chandra["rows"] == chandra["events"] + sum(chandra["screening_losses"].values())
    assert chandra["wcs"]["pixel_arcsec"] == pytest.approx(0.492)
    assert swift["frame_time_s"] == pytest.approx(2.5073)
    assert swift["detectors"][0]["gtis"] == 4
    assert (table["sources"], table["sources_with_good_times"]) == (300, 300)


def test_inspect_prints_for_people(xherald: Run, demo_files: list[Path]) -> None:
    printed = xherald("inspect", *demo_files).stdout
    assert "frame time s" in printed
    assert "CCD 7" in printed


def test_events_that_share_a_frame_cannot_be_tested(xherald: Run, tmp_path: Path) -> None:
    table = tmp_path / "one.csv"
    table.write_text("obsreg_id,time,energy\na_1,100.0,1000\na_1,100.0,2000\nb_1,100.0,1500\n")
    answer = xherald("scan", table)
    assert answer.exit_code == 1
    assert answer.stderr.count("\n") == 1


def test_plugins_are_listed_with_reasons(xherald: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("raise RuntimeError('no detector today')\n")
    environment = {"XHERALD_PLUGINS__DISABLED": "[table]", "XHERALD_PLUGINS__FILES": json.dumps([str(bad)])}
    told = xherald("plugins", "--json", environment=environment).rows[0]["plugins"]
    used = {one["name"] for one in told if one["state"] == "in use"}
    assert used >= {"chandra", "xmm", "swift", "erosita", "einstein_probe"}
    unused = {one["name"]: (one["state"], one["reason"]) for one in told if one["state"] != "in use"}
    assert unused == {
        "table": ("disabled", "disabled in the configuration"),
        "bad": ("failed", "RuntimeError: no detector today"),
    }
    assert "failed: RuntimeError: no detector today" in xherald("plugins", environment=environment).stdout


def test_a_large_table_goes_through_in_one_call(xherald: Run, tmp_path: Path) -> None:
    import numpy as np

    rng = np.random.default_rng(9)
    counts = rng.integers(5, 40, 9_000)
    name = np.repeat(np.arange(9_000), counts)
    table = tmp_path / "eventfiles_table.csv"
    columns = (name, 1e8 + rng.uniform(0, 2e4, len(name)), rng.uniform(600, 6_900, len(name)))
    order = np.lexsort(columns[1::-1])
    lines = (f"{n}_1,{t:.3f},{e:.1f}\n" for n, t, e in zip(*(one[order] for one in columns), strict=True))
    table.write_text("obsreg_id,time,energy\n" + "".join(lines))
    answer = xherald("scan", "--quiet", table, "--out", tmp_path / "sources.jsonl")
    assert answer.exit_code == 0
    assert len((tmp_path / "sources.jsonl").read_text().splitlines()) == 9_000
