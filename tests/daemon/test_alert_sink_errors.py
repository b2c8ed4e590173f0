"""Errors of sink plugins and settings of alerts: failing plugins, missing secrets, unknown kinds."""

from __future__ import annotations

from pathlib import Path

import pytest
from alert_servers import SECRET, web_server
from announced_candidates import HOST, announce, file_sink_settings, results_of
from store_rows import MINUTE, NOW

from xherald.catalog_store.ledger.store import Store
from xherald.daemon.alerts.dispatch import Dispatcher
from xherald.detector.configuration.alert_settings import AlertSettings
from xherald.photons.errors import ConfigError
from xherald.plugins import PluginHost

BROKEN_SINK = """
from xherald.plugins import AlertSink, Options, hookimpl

class Broken(AlertSink):
    name = "broken"
    def send(self, alert, options):
        raise RuntimeError("token={secret}")
    def secrets(self, options):
        return ["{secret}"]

@hookimpl
def register_alert_sinks(register):
    register(Broken())
"""


def test_failing_sink_plugin_is_reported_without_secrets(store: Store, tmp_path: Path) -> None:
    plugin = tmp_path / "broken.py"
    plugin.write_text(BROKEN_SINK.replace("{secret}", SECRET))
    host = PluginHost(files=[plugin])
    sinks = {"odd": {"kind": "broken"}, "file": {"kind": "jsonl", "path": tmp_path / "a.jsonl"}}
    chosen = AlertSettings.model_validate({"sinks": sinks})
    announce(store, ["a"], chosen)
    outcomes = Dispatcher(store, chosen, host, "d").send_due(now=NOW)
    assert [(one.sink, one.result) for one in outcomes] == [("odd", "deferred"), ("file", "sent")]
    assert outcomes[0].reason == "sink odd: broken failed: RuntimeError: token=•••"
    (failure,) = host.failures
    assert (failure.name, failure.package) == ("broken", str(plugin))
    everything = repr((outcomes, host.failures, store.alerts()))
    assert SECRET not in everything


def test_sink_with_invalid_receipt_has_failed(store: Store, tmp_path: Path) -> None:
    plugin = tmp_path / "broken.py"
    plugin.write_text(BROKEN_SINK.replace('raise RuntimeError("token={secret}")', "return None"))
    chosen = AlertSettings.model_validate({"sinks": {"odd": {"kind": "broken"}}})
    announce(store, ["a"], chosen)
    (one,) = Dispatcher(store, chosen, PluginHost(files=[plugin]), "d").send_due(now=NOW)
    assert (one.result, one.reason.startswith("sink odd: broken failed: AttributeError")) == ("deferred", True)


def test_missing_secret_is_reported_and_retried(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with web_server() as hook:
        web = {"kind": "webhook", "url": hook.url, "secret_env": "HOOK_KEY"}
        chosen = AlertSettings.model_validate({"sinks": {"web": web}})
        announce(store, ["a"], chosen)
        dispatcher = Dispatcher(store, chosen, HOST, "d")
        (one,) = dispatcher.send_due(now=NOW)
        assert one.reason == "sink web: secret: environment variable HOOK_KEY is not set"
        monkeypatch.setenv("HOOK_KEY", SECRET)
        assert results_of(dispatcher.send_due(now=NOW + MINUTE)) == [("sent", "a")]
    assert SECRET not in repr(store.alerts())


def test_unknown_kinds_and_options_are_rejected(store: Store, tmp_path: Path) -> None:
    for sinks, reason in (
        (
            {"x": {"kind": "pigeon"}},
            r"alerts\.sinks\.x\.kind: no alert sink is named 'pigeon'; available: jsonl, kafka",
        ),
        ({"x": {"kind": "jsonl"}}, r"alerts\.sinks\.x\.path: Field required"),
        ({"x": {"kind": "jsonl", "path": "a", "colour": 1}}, r"alerts\.sinks\.x\.colour: Extra inputs"),
    ):
        with pytest.raises(ConfigError, match=reason):
            Dispatcher(store, AlertSettings.model_validate({"sinks": sinks}), HOST, "d")
    with pytest.raises(ConfigError, match="no sink is named 'other'; available: file"):
        Dispatcher(store, file_sink_settings(tmp_path), HOST, "d").send_due(["other"])


def test_alerts_for_removed_sinks_are_counted(store: Store, tmp_path: Path) -> None:
    announce(store, ["a", "b"], file_sink_settings(tmp_path))
    dispatcher = Dispatcher(store, AlertSettings(), HOST, "d")
    assert dispatcher.send_due(now=NOW) == []
    assert dispatcher.count_unknown_sinks() == {"file": 2}
