"""Candidates in a store whose alerts are due, and what tests read of their delivery."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from alert_servers import evidence_of_a_flare
from store_rows import NOW, RUN, candidate, claimed, detection, observation

from xherald.catalog_store.ledger.drop_outcome import DropOutcome
from xherald.catalog_store.ledger.records import AlertRecord
from xherald.catalog_store.ledger.states import VettingDecision
from xherald.catalog_store.ledger.store import Store
from xherald.daemon.alerts.dispatch import Outcome
from xherald.daemon.alerts.payload import announcements, retractions
from xherald.detector.configuration.alert_settings import AlertSettings
from xherald.plugins import PluginHost
from xherald.plugins.alerts import Alert

HOST = PluginHost()


def file_sink_settings(tmp_path: Path, **more: Any) -> AlertSettings:
    """Settings with one sink, a file; keyword arguments are its other settings."""
    return AlertSettings.model_validate({"sinks": {"file": {"kind": "jsonl", "path": tmp_path / "a.jsonl", **more}}})


def announce(
    store: Store,
    names: Sequence[str],
    chosen: AlertSettings,
    far_hz: Callable[[int], float] = lambda _: 1e-7,
    now: datetime = NOW,
    place: Mapping[str, Any] | None = None,
    **about: Any,
) -> list[AlertRecord]:
    """Store candidates of one drop with their alerts; `place` is what people decided about their position."""
    (drop,) = claimed(store, "-".join(names), now=now)
    records: list[AlertRecord] = []
    for number, name in enumerate(names):
        evidence = evidence_of_a_flare(name, far_hz=far_hz(number), **(place or {}))
        records += announcements(evidence, chosen, f"drop {name}", now, **about)
    found = [candidate(name, index) for index, name in enumerate(names)]
    seen = [observation("-".join(names), detections=[detection(name) for name in names])]
    store.commit_result(drop.id, RUN, seen, DropOutcome(found, records), now)
    return records


def retract(store: Store, name: str, now: datetime, sinks: Sequence[str] = ("file",)) -> None:
    """Reject a candidate and queue its retractions."""
    records = retractions({"candidate_id": name}, sinks, "Ann", "a hot pixel", now, "current")
    store.record_vetting(name, "Ann", VettingDecision.ARTEFACT, "a hot pixel", records, now)


def results_of(outcomes: Sequence[Outcome]) -> list[tuple[str, str]]:
    """Result and candidate of each alert."""
    return [(one.result, one.candidate_id) for one in outcomes]


def read_alerts(path: Path) -> list[Alert]:
    """Alerts in a file of the JSON Lines sink."""
    return [Alert.from_json(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []
