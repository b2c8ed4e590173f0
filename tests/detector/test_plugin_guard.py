"""Unexpected errors of plugins are reported and counted, and do not affect other plugins or files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_result import CliResult

from xherald.daemon.intake.intake import PollSummary
from xherald.daemon.intake.polling import Polling, poll_source
from xherald.daemon.jobs.processing import Fault, Job, process_file
from xherald.daemon.jobs.processing import JobResult as Answered
from xherald.daemon.metrics import Metrics, MetricsServer
from xherald.detector.calibration.simulated_samples import simulate_sources
from xherald.detector.configuration.configuration import Configuration, load_configuration
from xherald.detector.configuration.daemon_settings import SourceSettings
from xherald.detector.scoring.detect import score_batch
from xherald.photons.statistics import assess
from xherald.plugins import PluginHost
from xherald.plugins.embedding import interpolate_positions

Run = Callable[..., CliResult]

ADAPTER = """
from dataclasses import replace
from xherald.plugins import InstrumentAdapter, hookimpl
from xherald.plugins.testing.sample_photons import field_observation

XHERALD_CONTRACT = "2.0"

class Odd(InstrumentAdapter):
    "Breaks where it is told to."
    name = "odd"
    def claims(self, path, header):
        return path.suffix == ".odd"
    def read(self, path, options, limits):
        if "read" in path.name:
            raise ZeroDivisionError("read")
        one = replace(field_observation(), path=path)
        return replace(one, load_events=lambda: 1 / 0) if "events" in path.name else one
    def apertures(self, observation):
        raise KeyError("sources")

@hookimpl
def register_adapters(register):
    register(Odd())
"""


@pytest.fixture
def odd(tmp_path: Path) -> Configuration:
    """A configuration with an adapter that breaks where the file's name says."""
    module = tmp_path / "odd_adapter.py"
    module.write_text(ADAPTER)
    return load_configuration(None, {"XHERALD_PLUGINS__FILES": json.dumps([str(module)])})


@pytest.mark.parametrize(
    ("where", "said"),
    [("read", "reading"), ("events", "reading the photons"), ("apertures", "naming the sources")],
)
def test_failing_adapter_is_a_defect_of_the_job(odd: Configuration, tmp_path: Path, where: str, said: str) -> None:
    path = tmp_path / f"{where}.odd"
    path.write_text("nothing")
    for _ in range(2):
        answer = process_file(Job(1, path, "source"), odd)
        assert answer.fault is Fault.DEFECT
        assert f"adapters plugin 'odd' failed when {said}" in answer.reason
        assert "Traceback" in answer.trace
        assert answer.plugin_failures == (("adapters", "odd", 1),)
    assert odd.host.failure_counts == {("adapters", "odd"): 2}
    (failure,) = odd.host.failures
    assert (failure.name, failure.kind, failure.times) == ("odd", "adapters", 2)
    assert "odd" in odd.host.adapters


@pytest.fixture
def sources() -> Any:
    return simulate_sources("chandra-acis-i", 12, 3001, 0.5).batch


@pytest.mark.parametrize(
    ("kind", "name", "method"), [("representations", "livetime_map", "transform"), ("extractors", "pca", "transform")]
)
def test_cases_of_failing_plugins_are_skipped(
    kind: str, name: str, method: str, sources: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = load_configuration(None, {})
    timing = assess(sources)
    whole = score_batch(sources, timing, configuration)
    reference = whole.detection_batch.reference
    assert reference is not None
    users = {
        case
        for case, kept in reference.cases.items()
        if kept.settings["representation" if kind == "representations" else "extractor"] is not None
        and kept.settings["representation" if kind == "representations" else "extractor"]["name"] == name
    }

    def broken(*_: Any) -> Any:
        raise IndexError("out of order")

    if kind == "representations":
        monkeypatch.setattr(type(configuration.host.representations[name]), method, broken)
    else:
        for case in users:
            monkeypatch.setattr(type(reference.cases[case].extractor), method, broken)
    if not users:
        pytest.skip(f"no case of the shipped reference uses {name}")
    left = score_batch(sources, timing, configuration)
    assert set(whole.detection_batch.features) - set(left.detection_batch.features) == users
    assert np.isfinite(left.false_alarm_probability).sum() == np.isfinite(whole.false_alarm_probability).sum()
    # The null hypothesis of a source's own makes the features of its draws, too.
    failures = configuration.host.failure_counts[kind, name]
    assert failures >= len(users)
    assert failures % len(users) == 0


def test_positions_are_interpolated_if_the_embedder_fails(sources: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = load_configuration(None, {})
    timing = assess(sources)
    whole = score_batch(sources, timing, configuration).neighbours

    def broken(*_: Any) -> Any:
        raise IndexError("out of order")

    for embedder in configuration.host.embedders.values():
        monkeypatch.setattr(type(embedder), "place", broken)
    left = score_batch(sources, timing, configuration).neighbours
    assert whole is not None
    assert left is not None
    assert np.array_equal(left.places, whole.places)
    assert sum(configuration.host.failure_counts.values()) == 1
    assert interpolate_positions(np.ones((1, 2)), np.zeros((1, 2, 2))).shape == (1, 2)


# --- drop sources ---


class Silence:
    def info(self, *_: Any, **__: Any) -> None: ...

    warning = error = info


def intake(folder: Path, store: Any, configuration: Configuration) -> Any:
    from xherald.daemon.intake.intake import Intake
    from xherald.daemon.intake.spool import DropFiles

    source = configuration.host.drop_sources["folder"]
    options = configuration.host.validate_options(source, {"path": str(folder)}, "daemon.sources.here")
    files = DropFiles(folder / "spool", {"here": (source, options)})
    return Intake("here", source, options, store, files, configuration, configuration.settings.daemon, True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Any]:
    from xherald.catalog_store.ledger.store import open_store

    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as opened:
        yield opened


@pytest.mark.parametrize("method", ["poll", "fetch"])
def test_failing_drop_source_fails_the_poll(
    method: str, store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration, metrics = load_configuration(None, {}), Metrics()
    configuration.host.on_failure(metrics.count_plugin_failure)
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "a.csv").write_text("obsreg_id,time,energy\n1_1,1,1000\n")
    os.utime(tmp_path / "drop" / "a.csv", (1e9, 1e9))  # it has stood for long
    one = intake(tmp_path / "drop", store, configuration)

    def broken(*_: Any) -> Any:
        raise IndexError("out of order")

    monkeypatch.setattr(type(one.source), method, broken)
    assert not isinstance(poll_source(one, metrics, Silence()), PollSummary)  # type: ignore[arg-type]
    assert configuration.host.failure_counts == {("drop_sources", "folder"): 1}
    _, report = metrics.health()
    assert report["plugin_failures"] == [{"kind": "drop_sources", "name": "folder", "times": 1}]


def test_failing_watch_does_not_end_the_daemon(store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = load_configuration(None, {})
    one = intake(tmp_path, store, configuration)

    def broken(*_: Any) -> Any:
        raise IndexError("out of order")

    monkeypatch.setattr(type(one.source), "watched_folder", broken)
    settings = SourceSettings.model_validate({"kind": "folder", "path": str(tmp_path), "interval_s": 3600})
    polling = Polling({"here": one}, {"here": settings}, Metrics(), Silence(), lambda: None)  # type: ignore[arg-type]
    polling.end()
    assert configuration.host.failure_counts["drop_sources", "folder"] >= 1


# --- where it is told ---


def test_failures_are_reported_by_daemon_and_commands(xherald: Run, tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.count_plugin_failure("vetoes", "hot_pixel")
    metrics.count_plugin_failure("vetoes", "hot_pixel", 2)
    metrics.set_heartbeat()
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    from xherald.catalog_store.ledger.store import open_store

    open_store(url).close()
    served = MetricsServer(metrics, 0)
    try:
        environment = {"XHERALD_DAEMON__METRICS_PORT": str(served.port)}
        listed = xherald("plugins", environment=environment).stdout
        told = xherald("plugins", "--json", environment=environment).rows[0]["plugins"]
        status = xherald("status", "--store", url, environment=environment).stdout
    finally:
        served.close()
    from prometheus_client import generate_latest

    assert b'xherald_plugin_failures_total{kind="vetoes",plugin="hot_pixel"} 3.0' in generate_latest(metrics.registry)
    (line,) = [line for line in listed.splitlines() if line.startswith("hot_pixel\t")]
    assert line.endswith("failed 3 times in use")
    assert [one["failures"] for one in told if one["name"] == "hot_pixel"] == [3]
    assert "hot_pixel (vetoes) failed 3 times" in status


def test_adapter_that_fails_in_claims_is_listed_as_failed(tmp_path: Path) -> None:
    from xherald.detector.plugin_support.plugin_list import list_plugins

    module = tmp_path / "odd_adapter.py"
    module.write_text(ADAPTER.replace('return path.suffix == ".odd"', "raise KeyError(path)"))
    host = PluginHost(files=[module], sources=())
    with pytest.raises(Exception, match="no adapter claims"):
        host.find_adapter(Path("x.odd"), {})
    (row,) = list_plugins(host)
    assert (row.name, row.kind, row.state, row.failures) == ("odd", "adapters", "failed", 1)
    assert "claims failed" in row.reason


# --- xherald plugins NAME, --check ---


def test_plugin_options_are_shown(xherald: Run) -> None:
    assert "region_band" in xherald("plugins", "chandra").stdout
    (told,) = xherald("plugins", "fast_tsne", "--json").rows
    assert {one["name"]: one["default"] for one in told["options"]}["perplexity"] == 50.0
    assert all(one["description"] for one in told["options"])
    assert len(xherald("plugins", "vetoes", "--json").rows) == len(PluginHost().vetoes)


def test_plugin_is_checked_on_the_command_line(
    xherald: Run, odd: Configuration, demo_files: list[Path], tmp_path: Path
) -> None:
    kept = xherald("plugins", "--check", "chandra", demo_files[0])
    assert kept.exit_code == 0
    assert "chandra (adapters) conforms to the contract" in kept.stdout
    environment = {"XHERALD_PLUGINS__FILES": json.dumps([str(path) for path in odd.settings.plugins.files])}
    path = tmp_path / "apertures.odd"
    path.write_text("nothing")
    broken = xherald("plugins", "--check", "odd", path, "--json", environment=environment)
    assert broken.exit_code == 1
    (report,) = broken.rows
    assert not report["conforms"]
    assert {one["rule"] for one in report["rules"] if one["state"] == "failed"} >= {"apertures", "limits"}
    place = tmp_path / "alerts.jsonl"
    assert xherald("plugins", "--check", "jsonl", "--option", f"path={place}").exit_code == 0
    assert "kit-repeated" in place.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--check",), "--check needs the name of a plugin"),
        (("--check", "chandra"), "add FILE arguments"),
        (("--check", "hot_pixel", "x.fits"), "remove the FILE arguments"),
        (("--check", "nothing"), "no plugin or entry point is named 'nothing'"),
        (("--check", "hot_pixel", "--option", "chance=often"), "options of hot_pixel"),
        (("--check", "hot_pixel", "--option", "chance"), "write KEY=VALUE"),
        (("hot_pixel", "--enforce-performance"), "require --check"),
        (("chandra", "--kind", "vetoes"), "no plugin or entry point is named 'chandra'"),
    ],
)
def test_invalid_use_is_exit_code_two(xherald: Run, words: tuple[str, ...], said: str) -> None:
    answer = xherald("plugins", *words)
    assert answer.exit_code == 2
    assert said in answer.stderr


class StubPool:
    """A pool that returns one result, of a drop that is no longer claimed, with failures of plugins."""

    idle, size, running_jobs = 0, 1, ()

    def collect_results(self, timeout_s: float, also: Any = ()) -> list[Any]:
        return [Answered(7, plugin_failures=(("vetoes", "hot_pixel", 2), ("adapters", "odd", 1)))]


def test_failures_in_workers_are_counted_in_the_daemon(store: Any, tmp_path: Path) -> None:
    from xherald.daemon.jobs.job_runner import JobRunner

    configuration, metrics = load_configuration(None, {}), Metrics()
    files = intake(tmp_path, store, configuration).files
    job_runner = JobRunner("me", store, configuration, StubPool(), files, metrics, Silence())  # type: ignore[arg-type]
    job_runner.step(0.0)
    _, report = metrics.health()
    assert {(one["name"], one["times"]) for one in report["plugin_failures"]} == {("hot_pixel", 2), ("odd", 1)}
