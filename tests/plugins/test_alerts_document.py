"""The examples in docs/alerts.md."""

from __future__ import annotations

import re
from pathlib import Path

from example_alerts import HOST, flare_alert
from paths import ROOT

from xherald.daemon.alerts.sinks import deliver, open_sinks
from xherald.detector.configuration import marked_yaml
from xherald.detector.configuration.alert_settings import AlertSettings, SinkSettings
from xherald.plugins import PluginHost


def test_document_settings_are_valid() -> None:
    first, *others = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "alerts.md").read_text(), re.DOTALL)
    sinks = open_sinks(AlertSettings.model_validate(marked_yaml.parse(first)[0]["alerts"]), HOST)
    assert {one.plugin.name for one in sinks.values()} == {"jsonl", "webhook", "mail"}
    kafka = {name: one for text in others for name, one in marked_yaml.parse(text)[0].items()}
    opened = open_sinks(AlertSettings.model_validate({"sinks": kafka}), HOST)
    assert {name: one.plugin.name for name, one in opened.items()} == {"gcn": "kafka", "hopskotch": "kafka"}
    assert opened["gcn"].settings.far_hz_below == 1e-7


def test_document_sink_plugin_works(tmp_path: Path) -> None:
    document = (ROOT / "docs" / "alerts.md").read_text()
    code = next(one for one in re.findall(r"```python\n(.*?)```", document, re.DOTALL) if "register_alert_sinks" in one)
    (tmp_path / "bell.py").write_text(code)
    host = PluginHost(files=[tmp_path / "bell.py"])
    assert host.failures == []
    chosen = AlertSettings.model_validate({"sinks": {"door": {"kind": "bell", "device": str(tmp_path / "bell")}}})
    deliver(open_sinks(chosen, host)["door"], flare_alert(), host)
    assert (tmp_path / "bell").read_text() == flare_alert().headline


def test_document_names_every_option() -> None:
    document = (ROOT / "docs" / "alerts.md").read_text()
    named = set(SinkSettings.model_fields)
    for sink in HOST.alert_sinks.values():
        named |= {f"**`{sink.name}`**", *sink.options_model.model_fields}
    assert {name for name in named if name not in document} == set()
