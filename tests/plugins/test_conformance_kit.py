"""Conformance rules: built-in plugins keep all of them, and each rule detects a plugin that breaks it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import pytest
from alert_servers import mail_server, web_server
from broken_plugins import BROKEN_PLUGINS, CONFORMING_PLUGINS, GOOD_FILES, RULES_ALSO_BROKEN, read_ids
from sky_server import sky_server

from xherald.adapters.photon_lists import write_batch
from xherald.adapters.testing import refusal_rules
from xherald.detector.plugin_support.conformance import RULES
from xherald.detector.plugin_support.conformance import check as check_any
from xherald.photons.errors import ConformanceError
from xherald.plugins import Plugin, PluginHost
from xherald.plugins.representations import EtdtCube
from xherald.plugins.testing import (
    common_rules,
    embedder_rules,
    extractor_rules,
    representation_rules,
    scorer_rules,
    veto_rules,
)

MISSIONS = {"chandra": "chandra", "xmm": "xmm", "swift": "swift", "erosita": "erosita", "einstein_probe": "ep"}
"""Names of the simulator's telescopes begin with these."""

FLOORS = {
    "adapters": (refusal_rules, {"MIN_EVENTS_PER_SECOND": "speed", "MAX_MEMORY_RATIO": "memory"}),
    "representations": (representation_rules, {"MIN_PHOTONS_PER_SECOND": "speed", "MAX_MEMORY_RATIO": "memory"}),
    "extractors": (extractor_rules, {"MIN_SOURCES_PER_SECOND": "speed"}),
    "embedders": (embedder_rules, {"MIN_SOURCES_PER_SECOND": "speed"}),
    "scorers": (scorer_rules, {"MIN_SOURCES_PER_SECOND": "speed"}),
    "vetoes": (veto_rules, {"MIN_SOURCES_PER_SECOND": "speed"}),
}

SHORT = {"tsne": {"perplexity": 20, "max_iter": 250}, "umap": {"epochs": 50}}
"""Options of plugins that are slow with their defaults."""

CRAB = (83.63322, 22.01446)
"""A source that every context provider here knows, deg."""

MORE: Mapping[str, tuple[dict[str, Any], ...]] = {
    "et_map": ({"options": {"normalise": True}}, {"options": {"bins": (7, 3), "band_kev": (0.3, 10.0)}}),
    "etdt_cube": ({"options": {"normalise": True}},),
    "livetime_map": tuple({"options": {"normalise": how, "align": True}} for how in ("minmax", "unit")),
    "livetime_cube": tuple({"options": {"normalise": how, "align": True}} for how in ("minmax", "unit")),
    "pca": tuple(
        {"representation": EtdtCube(), "options": {"components": 7, "solver": solver, "standardise": True}}
        for solver in ("sparse", "published")
    ),
    "autoencoder": ({"options": {"standardise": True}},),
}
"""Arguments besides the defaults."""


@pytest.fixture
def given(written: Any, tmp_path: Path) -> Iterator[Callable[[Plugin], list[dict[str, Any]]]]:
    """Arguments of the checks of each plugin."""
    with web_server() as hook, mail_server() as box, archive(tmp_path) as url, sky_server() as sky:
        cone = {"kind": "cone", "url": f"{sky.url}/cone", "columns": sky.columns}
        providers = {
            "known_sources": {},
            "catalogues": {"folder": catalogue_of(tmp_path)},
            "services": {"services": {"sky": cone}, "cache_folder": tmp_path / "answers", "deadline_s": 60},
        }
        places = {
            "jsonl": {"path": tmp_path / "alerts.jsonl"},
            "stdout": {"form": "text"},
            "voevent": {"folder": tmp_path, "stream": "ivo://example.org/kit"},
            "webhook": {"url": hook.url},
            "mail": {
                "host": "127.0.0.1", "port": box.port, "security": "none", "sender": "a@example.org",
                "recipients": ["b@example.org"],
            },
            "folder": {"path": tmp_path / "drop"},
            "http": {"url": url},
            "fsspec": {"url": f"local://{tmp_path / 'drop'}"},
        }  # fmt: skip
        unreachable = {
            "jsonl": {"path": tmp_path / "no" / "alerts.jsonl"},
            "voevent": {**places["voevent"], "folder": tmp_path / "no"},
            "webhook": {"url": "http://127.0.0.1:9/hook"},
            "mail": {**places["mail"], "port": 9},
            "folder": {"path": tmp_path / "no"},
            "http": {"url": "http://127.0.0.1:9/", "tries": 1},
            "fsspec": {"url": f"local://{tmp_path / 'no'}", "tries": 1},
        }

        def lines() -> list[str]:
            return [json.loads(line)["id"] for line in (tmp_path / "alerts.jsonl").read_text().splitlines()]

        def posted() -> list[str]:
            return [json.loads(body)["id"] for _, body in hook.requests]

        received = {"jsonl": lines, "webhook": posted}

        def arguments_for(plugin: Plugin) -> list[dict[str, Any]]:
            name = plugin.name
            if name == "table":
                return [{"files": tables(tmp_path)}]
            if name in MISSIONS:
                return [{"files": [one.events for key, one in written.items() if key.startswith(MISSIONS[name])]}]
            if name in SHORT:
                return [{"options": SHORT[name]}]
            if name in providers:
                return [{"options": providers[name], "known": CRAB}]
            if name in places:
                more = {"received": received[name]} if name in received else {}
                return [{"options": places[name], "unreachable": unreachable.get(name), **more}]
            return [{}, *MORE.get(name, ())]

        yield arguments_for


def catalogue_of(folder: Path) -> Path:
    """A folder with an imported catalogue: the table that is shipped, under another name."""
    from xherald.context.catalogues.known_sources import write_known_sources

    write_known_sources(folder / "catalogues" / "mine" / "1")
    return folder / "catalogues"


def tables(folder: Path) -> list[Path]:
    """Tables of photons of every form."""
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    from xherald.plugins.testing import sample_batch

    batch = sample_batch()
    batch = batch.select(batch.counts > 1)
    names = [who.detection_id for who in batch.identities]
    flat = pa.table(
        {
            "obsreg_id": [name for name, n in zip(names, batch.counts, strict=True) for _ in range(n)],
            "time": batch.time,
            "energy": batch.energy.astype(float) * 1e3,
        }
    )
    pc.write_csv(flat, folder / "photons.csv")
    pq.write_table(flat, folder / "photons.parquet")
    write_batch(folder / "sources.parquet", sample_batch())
    return [folder / name for name in ("photons.csv", "photons.parquet", "sources.parquet")]


class archive:  # noqa: N801
    """A folder with a file and an unfinished one, also as a page of Python's own web server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "drop"

    def __enter__(self) -> str:
        self.folder.mkdir()
        (self.folder / "events.fits").write_bytes(b"not empty")
        (self.folder / "events.fits.part").write_bytes(b"half")
        folder = str(self.folder)

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *words: Any) -> None:
                super().__init__(*words, directory=folder)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_address[1]}/"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


# --- the built-in plugins ---


# pyOpenSSL and others have nothing to do with this: libraries of the embedders warn of their own future.
@pytest.mark.filterwarnings("ignore::FutureWarning:sklearn", "ignore::FutureWarning:umap")
def test_built_in_plugins_conform(
    xherald_plugin: Plugin, xherald_kit: ModuleType, given: Callable[[Plugin], list[dict[str, Any]]]
) -> None:
    for one in given(xherald_plugin):
        report = xherald_kit.check(xherald_plugin, **one)
        report.require()
        sent = {"kafka"}  # tests/plugins/test_kafka_sink.py has a broker
        skipped = {rule.rule for rule in report.outcomes if rule.state == "skipped"}
        if xherald_plugin.name not in sent | {"stdout", "table"}:
            assert not skipped, report.outcomes


# --- the kit itself ---


def tried(kind: str, plugin: Plugin, written: Any, tmp_path: Path, **more: Any) -> Any:
    """A report on a plugin of `broken_plugins`."""
    if kind == "adapters":
        path = written["chandra-acis-i"].events
        GOOD_FILES[path.name] = path
        more |= {"files": [path]}
    if kind == "alert_sinks":
        place, away = tmp_path / "lines.txt", tmp_path / "no" / "lines.txt"
        more |= {"options": {"path": place}, "unreachable": {"path": away}, "received": lambda: read_ids(place)}
    if kind == "context":
        more |= {"known": CRAB}
    if kind == "drop_sources":
        folder = tmp_path / "place"
        folder.mkdir(exist_ok=True)
        for name in ("a.fits", "b.fits", "c.fits.part"):
            (folder / name).write_bytes(name.encode())
        more |= {"options": {"path": folder}, "unreachable": {"path": tmp_path / "gone"}}
    return check_any(plugin, **more)


@pytest.mark.parametrize("kind", list(RULES))
def test_every_rule_has_a_plugin_that_breaks_it(kind: str) -> None:
    floors = set(FLOORS.get(kind, (None, {}))[1].values())
    assert set(BROKEN_PLUGINS[kind]) | floors == {rule.id for rule in RULES[kind]}
    assert {rule.id for rule in RULES[kind] if rule.is_performance} == floors
    assert len({rule.id for rule in RULES[kind]}) == len(list(RULES[kind]))
    assert all(rule.description.endswith(".") for rule in RULES[kind])


@pytest.mark.parametrize("kind", list(RULES))
def test_conforming_plugin_breaks_no_rule(kind: str, written: Any, tmp_path: Path) -> None:
    report = tried(kind, CONFORMING_PLUGINS[kind], written, tmp_path)
    assert report.conforms
    assert report.require() is report
    assert {one.state for one in report.outcomes} <= {"passed", "warning"}


@pytest.mark.parametrize(("kind", "rule"), [(kind, rule) for kind, rules in BROKEN_PLUGINS.items() for rule in rules])
def test_broken_rule_is_reported(
    kind: str, rule: str, written: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common_rules, "TIMING_REPEATS", 1)
    report = tried(kind, BROKEN_PLUGINS[kind][rule], written, tmp_path)
    assert rule in report.broken_rules
    assert set(report.broken_rules) - {rule} <= RULES_ALSO_BROKEN.get((kind, rule), set())
    with pytest.raises(ConformanceError, match=rf"\n  {rule}: ") as refusal:
        report.require()
    assert report.plugin in str(refusal.value)


@pytest.mark.parametrize(("kind", "constant"), [(kind, one) for kind, (_, names) in FLOORS.items() for one in names])
def test_broken_performance_rule_is_a_warning_unless_enforced(
    kind: str, constant: str, written: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, names = FLOORS[kind]
    monkeypatch.setattr(module, constant, -1e9 if constant.endswith("RATIO") else 1e18)
    monkeypatch.setattr(common_rules, "TIMING_REPEATS", 1)
    report = tried(kind, CONFORMING_PLUGINS[kind], written, tmp_path)
    assert report.conforms
    assert [one.rule for one in report.outcomes if one.state == "warning"].count(names[constant]) == 1
    asked = tried(kind, CONFORMING_PLUGINS[kind], written, tmp_path, enforce_performance=True)
    assert names[constant] in asked.broken_rules


def test_rules_after_a_broken_essential_rule_are_skipped(written: Any, tmp_path: Path) -> None:
    report = tried("adapters", BROKEN_PLUGINS["adapters"]["reads"], written, tmp_path)
    assert report.broken_rules == ("reads",)
    (reason,) = {one.reason for one in report.outcomes if one.state == "skipped"}
    assert "requires rule reads" in reason


def test_report_is_json(written: Any, tmp_path: Path) -> None:
    report = tried("vetoes", CONFORMING_PLUGINS["vetoes"], written, tmp_path).as_json()
    assert json.loads(json.dumps(report)) == report
    assert (report["kind"], report["plugin"], report["conforms"]) == ("vetoes", "bright", True)


def test_project_selects_plugins_to_check(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    assert pytestconfig.getini("xherald_plugins") == []
    import subprocess
    import sys

    (tmp_path / "pytest.ini").write_text("[pytest]\nxherald_plugins = vetoes swift\n")
    (tmp_path / "test_mine.py").write_text("def test_it(xherald_plugin, xherald_kit):\n    pass\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    tests = [line for line in done.stdout.splitlines() if "::" in line]
    assert len(tests) == 1 + len(PluginHost().vetoes)


def test_pytest_plugin_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    code = "import sys, xherald.detector.plugin_support.pytest_plugin\n"
    code += "print(*(n for n in ('numpy', 'pydantic') if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
