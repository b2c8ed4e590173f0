"""Fluxes and the luminosity of a candidate as its sheet and `candidate show` state them."""

from __future__ import annotations

from typing import Any

import pytest
from handmade_detections import detections_of, table_of
from variable_sources import simulated_source

from xherald.detector.candidates.evidence import make_evidence
from xherald.detector.candidates.evidence_lines import format_evidence
from xherald.photons import EventBatch

FLUXES = {
    "peak_flux_broad_erg_cm2_s": 3e-12, "peak_flux_broad_low_erg_cm2_s": 2e-12, "peak_flux_broad_high_erg_cm2_s": 5e-12,
    "flux_broad_erg_cm2_s": 2e-13, "flux_broad_low_erg_cm2_s": 1.5e-13, "flux_broad_high_erg_cm2_s": 2.7e-13,
}  # fmt: skip


def lines(**facts: Any) -> dict[str, str]:
    source = simulated_source("burst", 1, 0.004, (7_000.0, 7_400.0, 0.2))
    (evidence,) = make_evidence(detections_of(table_of(EventBatch.from_lists([source])), threshold=1.0), [0])
    evidence.update(facts)  # type: ignore[typeddict-item]
    return {one.label: one.value for one in format_evidence(evidence)}


def counterpart(probability: float, distance_pc: float | None, redshift: float | None) -> dict[str, Any]:
    return {
        "catalogue": "stars", "name": "GJ 1", "category": "star", "type": "flare star", "probability": probability,
        "ra_deg": 0.0, "dec_deg": 0.0, "separation_arcsec": 1.0, "separation_sigma": 1.0, "magnitude": None,
        "distance_pc": distance_pc, "redshift": redshift, "flux_erg_cm2_s": None,
    }  # fmt: skip


def test_tables_of_photons_have_no_flux_lines() -> None:
    assert not {"peak flux", "mean flux", "luminosity"} & set(lines())


def test_fluxes_have_their_limits() -> None:
    found = lines(**FLUXES)
    assert found["peak flux"] == "3e-12 (2e-12 to 5e-12) erg/cm²/s"
    assert found["mean flux"] == "2e-13 (1.5e-13 to 2.7e-13) erg/cm²/s"
    assert "luminosity" not in found


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        # 4 pi d^2 of 3e-12 erg cm-2 s-1: 3.6e28 erg/s at 10 pc; 8.1e43 at z = 0.1, 475.8 Mpc.
        (counterpart(0.9, 10.0, None), "3.6e+28 erg/s at 10 pc, GJ 1"),
        (counterpart(0.9, None, 0.1), "8.1e+43 erg/s at 476 Mpc, GJ 1"),
        (counterpart(0.4, 10.0, None), None),
        (counterpart(0.9, None, None), None),
    ],
)
def test_luminosity_is_that_at_the_distance_of_a_probable_counterpart(
    one: dict[str, Any], expected: str | None
) -> None:
    assert lines(**FLUXES, counterparts=[one]).get("luminosity") == expected


def test_a_source_without_a_peak_has_the_luminosity_of_its_mean_flux() -> None:
    facts = {**FLUXES, "peak_flux_broad_erg_cm2_s": None}
    # 4 pi (10 pc)^2 x 2e-13 erg cm-2 s-1.
    assert lines(**facts, counterparts=[counterpart(0.9, 10.0, None)])["luminosity"] == "2.4e+27 erg/s at 10 pc, GJ 1"
