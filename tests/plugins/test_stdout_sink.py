"""The sink that prints alerts on standard output."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from example_alerts import ALERT_EXAMPLES, flare_alert, send

from xherald.plugins.alerts import Alert


def test_stdout_writes_text_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    send("stdout", replace(flare_alert(kind="retraction"), reason="a hot pixel"))
    text = capsys.readouterr().out
    assert text.startswith("[RETRACTED] Flare at 83.8333 -5.4206 in CHANDRA ACIS-I 29128")
    for part in (
        "a hot pixel",
        "1e-5 per source",
        "1e-7 Hz (1 per 120 days)",
        "error 0.9 arcsec",
        "0.03 ct/s net (background 0.004 ct/s), 0.5 to 7 keV",
        "XRT 000519",
    ):
        assert part in text
    send("stdout", flare_alert(), form="json")
    assert Alert.from_json(json.loads(capsys.readouterr().out)) == flare_alert()
    for alert in ALERT_EXAMPLES:
        send("stdout", alert)
