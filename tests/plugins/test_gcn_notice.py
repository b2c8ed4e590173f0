"""GCN notices against the core schemas."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from example_alerts import ALERT_EXAMPLES, NOW, flare_alert
from handmade_detections import detections_of, table_of
from variable_sources import simulated_source

from xherald.daemon.alerts.payload import alert_of
from xherald.detector.candidates.evidence import make_evidence
from xherald.photons import EventBatch
from xherald.plugins.alerts import Alert
from xherald.plugins.sinks.alert_text import text
from xherald.plugins.sinks.gcn_notice import gcn_notice

CORE = (
    "Alert", "Event", "Reporter", "Localization", "Statistics", "DateTime", "Duration", "AdditionalInfo", "Spectral",
)  # fmt: skip


@pytest.fixture(scope="session")
def gcn_validator(data: Path) -> Any:
    from jsonschema import Draft202012Validator

    schemas = [json.loads((data / "gcn-schema/notices/core" / f"{name}.schema.json").read_text()) for name in CORE]
    # The core schemas allow other fields; here a misspelt field must fail.
    named = {key: True for schema in schemas for key in schema["properties"]} | {"$schema": True, "alert_id": True}
    return Draft202012Validator({"allOf": schemas, "properties": named, "additionalProperties": False})


@pytest.mark.parametrize("alert", ALERT_EXAMPLES, ids=lambda one: one.id)
def test_gcn_notices_are_valid(alert: Alert, gcn_validator: Any) -> None:
    notice = json.loads(json.dumps(gcn_notice(alert, "https://example.org/alert.schema.json"), allow_nan=False))
    gcn_validator.validate(notice)
    assert notice["alert_tense"] == alert.alert_tense
    assert notice.get("alert_type") == (None if alert.members else alert.alert_type)


def test_gcn_notice_has_the_values_for_follow_up(gcn_validator: Any) -> None:
    notice = gcn_notice(replace(flare_alert(), previous=("one",)))
    expected = {
        "far": 1e-7,
        "p_astro": 0.98,
        "net_count_rate": 0.03,
        "background_count_rate": 0.004,
        "rate_snr": 5.0,
        "rate_duration": 1000.0,
        "rate_energy_range": [0.5, 7.0],
        "ra": 83.8333,
        "dec": -5.42058,
        "ra_dec_error": 0.9 / 3600,
        "containment_probability": 0.68,
        "trigger_time": "2026-02-27T12:00:00.000Z",
        "t90": 800.0,
        "t90_error": [200.0, 100.0],
        "id": ["XH-CHANDRA-ACIS-29128-110-7446eb-F"],
        "record_number": 2,
        "mission": "CHANDRA",
    }
    assert {key: notice[key] for key in expected} == expected
    assert sum(notice["classification"].values()) == pytest.approx(1.0)


def test_gcn_notice_has_the_flux_at_the_peak_else_the_mean(gcn_validator: Any) -> None:
    alert = flare_alert()
    mean = replace(
        alert.facts, flux_broad_erg_cm2_s=2e-13, flux_broad_low_erg_cm2_s=1.5e-13, flux_broad_high_erg_cm2_s=2.7e-13,
        nh_cm2=3e20, nh_source="plane-parallel layer",
    )  # fmt: skip
    peak = replace(
        mean, peak_flux_broad_erg_cm2_s=3e-12, peak_flux_broad_low_erg_cm2_s=2e-12, peak_flux_broad_high_erg_cm2_s=5e-12
    )
    for facts, flux, error in ((mean, 2e-13, 0.6e-13), (peak, 3e-12, 1.5e-12)):
        notice = gcn_notice(replace(alert, facts=facts))
        gcn_validator.validate(notice)
        assert (notice["flux"], notice["flux_error"]) == (flux, pytest.approx(error))
        assert (notice["flux_unit"], notice["flux_spectral_band"]) == ("erg/cm2/s", [0.3, 10.0])
        words = text(replace(alert, facts=facts))
        assert "2e-13 (1.5e-13 to 2.7e-13) erg cm^-2 s^-1, 0.3 to 10 keV" in words
        assert "3e+20 cm^-2 (plane-parallel layer)" in words
    assert "flux" not in gcn_notice(alert)
    # An earlier limit is stated, with or without a flux.
    limited = gcn_notice(replace(alert, facts=replace(alert.facts, limiting_flux_broad_erg_cm2_s=4e-15)))
    gcn_validator.validate(limited)
    assert (limited["limiting_flux"], limited["limiting_flux_sigma"]) == (4e-15, 1.64)
    assert "flux" not in limited


def test_gcn_notice_of_a_scan_has_rates_with_their_band(gcn_validator: Any) -> None:
    source = simulated_source("burst", 1, 0.004, (7_000.0, 7_400.0, 0.2))
    (evidence,) = make_evidence(detections_of(table_of(EventBatch.from_lists([source])), threshold=1.0), [0])
    notice = json.loads(json.dumps(gcn_notice(alert_of(evidence, "initial", "current", "drop", NOW)), allow_nan=False))
    gcn_validator.validate(notice)
    # The schema: "Do specify rate_duration and rate_energy_range with net_count_rate".
    assert {"net_count_rate", "rate_duration"} <= set(notice)
    assert notice["rate_energy_range"] == notice["spectral_band"] == list(source.band)
