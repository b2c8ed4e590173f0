"""Alerts of candidates: their facts, ids and tense, and which sinks they are for."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alert_servers import evidence_of_a_flare
from announced_candidates import file_sink_settings
from handmade_detections import detections_of, table_of
from store_rows import NOW
from variable_sources import simulated_source

from xherald.catalog_store.ledger.states import AlertType
from xherald.daemon.alerts.payload import announcements, facts_of, tense_of
from xherald.detector.candidates.evidence import make_evidence
from xherald.detector.configuration.alert_settings import AlertSettings
from xherald.photons import EventBatch
from xherald.plugins.alerts import Alert


def test_facts_follow_the_evidence_of_a_scan() -> None:
    lists = [simulated_source("burst", seed, 0.004, (7_000.0, 7_400.0, 0.2)) for seed in (1, 2)]
    for evidence in make_evidence(detections_of(table_of(EventBatch.from_lists(lists)), threshold=1.0), [0, 1]):
        facts = facts_of(evidence)
        alert = announcements(evidence, AlertSettings.model_validate({"sinks": {"s": {"kind": "stdout"}}}), "x", NOW)[0]
        assert Alert.from_json(json.loads(json.dumps(alert.payload, allow_nan=False))).evidence == evidence
        assert (facts.far_hz, facts.p_astro) == (evidence["far_hz"], evidence["p_astro"])
        excess, livetime = evidence["fluence_counts"], evidence["interval_livetime_s"]
        assert excess is not None
        assert livetime is not None
        assert facts.interval_livetime_s == livetime
        assert facts.interval_net_rate_ct_s == excess / livetime
        assert facts.interval_start_utc == evidence["interval_start_utc"]
        assert facts.band_kev == lists[0].band
        assert sum(facts.class_probabilities.values()) == pytest.approx(1.0)
        assert facts.signal_to_noise is not None
        assert facts.signal_to_noise > 1


def test_facts_without_measurements_are_unknown() -> None:
    facts = facts_of({"kind": "dip", "ra_deg": None, "interval_livetime_s": None, "fluence_counts": None})
    unknown = (facts.ra_deg, facts.interval_net_rate_ct_s, facts.signal_to_noise, facts.far_hz)
    assert (facts.kind, *unknown) == ("dip", None, None, None, None)
    dip = facts_of(
        {
            "fluence_counts": -20.0,
            "fluence_counts_low": -25.0,
            "fluence_counts_high": -16.0,
            "interval_livetime_s": 100.0,
        }
    )
    assert (dip.interval_net_rate_ct_s, dip.signal_to_noise) == (-0.2, 5.0)


def test_thresholds_and_tenses_select_sinks(tmp_path: Path) -> None:
    chosen = AlertSettings.model_validate(
        {
            "sinks": {
                "all": {"kind": "stdout", "tenses": ["current", "archival", "injection"]},
                "rare": {"kind": "stdout", "far_hz_below": 1e-7},
                "rarer": {"kind": "stdout", "expected_false_alarms_per_1000_below": 0.1},
                "now": {"kind": "stdout", "tenses": ["current"]},
            }
        }
    )

    def sinks(far_hz: float | None, per_1000: float | None, **about: Any) -> list[str]:
        evidence = evidence_of_a_flare(far_hz=far_hz, expected_false_alarms_per_1000=per_1000)
        return [one.sink for one in announcements(evidence, chosen, "drop", about.pop("now", NOW), **about)]

    assert sinks(1e-8, 0.01) == ["all", "rare", "rarer", "now"]
    assert sinks(1e-7, 0.1) == ["all", "now"]
    assert sinks(None, None) == ["all", "now"]
    assert sinks(1e-8, 0.01, now=NOW + timedelta(days=60)) == ["all", "rare", "rarer"]
    assert sinks(1e-8, 0.01, injected=True) == ["all"]
    records = announcements(
        evidence_of_a_flare(far_hz=1e-3, expected_false_alarms_per_1000=1.0), chosen, "drop", NOW, heard=("rare",)
    )
    assert {one.sink: one.alert_type for one in records} == {
        "all": AlertType.INITIAL,
        "rare": AlertType.UPDATE,
        "now": AlertType.INITIAL,
    }


def test_thresholds_below_the_floor_use_the_exponential_tail() -> None:
    sinks = {
        "deep": {"kind": "stdout", "far_hz_below": 1e-9},
        "deeper": {"kind": "stdout", "expected_false_alarms_per_1000_below": 1e-7},
    }
    chosen = AlertSettings.model_validate({"sinks": sinks})

    def passing(ranking_statistic: float) -> list[str]:
        evidence = evidence_of_a_flare(
            false_alarm_probability=1e-4,
            extrapolated=True,
            ranking_statistic=ranking_statistic,
            expected_false_alarms_per_1000=0.1,
            far_hz=1e-6,
        )
        return [one.sink for one in announcements(evidence, chosen, "drop", NOW)]

    assert passing(6.9) == []
    assert passing(7.1) == ["deep"]
    assert passing(12.0) == ["deep", "deeper"]


@pytest.mark.parametrize(
    ("stop", "days", "tense"),
    [("2026-02-27T12:16:40.000Z", 30, "current"), ("2026-02-27T12:16:40.000Z", 1, "archival"), (None, 30, "archival")],
)
def test_tense_follows_the_date_of_the_interval(stop: str | None, days: float, tense: str) -> None:
    evidence = {"interval_stop_utc": stop}
    assert tense_of(evidence, NOW, days) == tense
    assert tense_of(evidence, NOW, days, injected=True) == "injection"


def test_ids_are_those_of_candidate_kind_and_cause(tmp_path: Path) -> None:
    chosen = file_sink_settings(tmp_path)

    def name(candidate_id: str, cause: str, **about: Any) -> str:
        return announcements(evidence_of_a_flare(candidate_id), chosen, cause, NOW, **about)[0].id

    assert name("c", "drop 1") == name("c", "drop 1")
    assert (
        len({name("c", "drop 1"), name("c", "drop 2"), name("d", "drop 1"), name("c", "drop 1", heard=["file"])}) == 4
    )
