"""Spectra of simulated events: absorbed, harder and softer ones."""

from __future__ import annotations

import numpy as np
import pytest
from scored_samples import SEED

from xherald.evaluation.measured_spectra import absorbed_to, spectra_of
from xherald.simulation.spectra import absorption


@pytest.mark.parametrize("column", [0.1, 1.0, 30.0])
def test_absorbed_spectra_transmit_the_requested_fraction(column: float) -> None:
    spectra = spectra_of("chandra-acis-i", SEED).source[:20, 0]
    behind = spectra * absorption(column)
    left = absorbed_to(spectra, behind.sum(axis=1) / spectra.sum(axis=1))
    assert left / left.sum(axis=1, keepdims=True) == pytest.approx(behind / behind.sum(axis=1, keepdims=True), abs=1e-6)
    assert np.isfinite(absorbed_to(spectra, np.zeros(20))).all()


def test_hard_and_soft_spectra_have_higher_and_lower_mean_energy() -> None:
    spectra = spectra_of("xmm-mos1", SEED).source
    mean = (spectra @ np.arange(spectra.shape[2])) / spectra.sum(axis=2)
    assert (mean[:, 1] > mean[:, 0]).all()
    assert (mean[:, 2] < mean[:, 0]).all()
