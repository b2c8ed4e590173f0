"""Alerts as JSON."""

from __future__ import annotations

import json

import pytest
from example_alerts import ALERT_EXAMPLES

from xherald.photons.errors import AlertRefusedError
from xherald.plugins.alerts import Alert


@pytest.mark.parametrize("alert", ALERT_EXAMPLES, ids=lambda one: one.id)
def test_alert_is_unchanged_by_json(alert: Alert) -> None:
    content = json.loads(json.dumps(alert.as_json(), allow_nan=False))
    assert next(iter(content)) == "id"
    assert Alert.from_json(content) == alert
    assert Alert.from_json({**content, "of_a_later_version": 1}) == alert


def test_incomplete_payload_is_refused() -> None:
    with pytest.raises(AlertRefusedError, match="alert x: payload lacks alert_tense, alert_type, candidate_id"):
        Alert.from_json({"id": "x"})
