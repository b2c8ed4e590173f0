"""Metrics and health over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from xherald.daemon.metrics import Metrics, MetricsServer
from xherald.photons.errors import ConfigError


def test_metrics_and_health_are_served() -> None:
    metrics = Metrics()
    server = MetricsServer(metrics, 0)
    try:
        url = f"http://127.0.0.1:{server.port}"
        metrics.count_processed(12, 2, 0.4)
        metrics.count_alert("mail", "sent")
        text = urllib.request.urlopen(f"{url}/metrics").read().decode()
        assert "xherald_detections_total 12.0" in text
        assert 'xherald_alerts_total{outcome="sent",sink="mail"} 1.0' in text
        assert json.load(urllib.request.urlopen(f"{url}/health"))["healthy"] is True
        metrics.set_heartbeat("the store is gone")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{url}/health")
        with caught.value:
            assert (caught.value.code, json.load(caught.value)["problem"]) == (503, "the store is gone")
        with pytest.raises(ConfigError, match="metrics_port"):
            MetricsServer(metrics, server.port)
    finally:
        server.close()
