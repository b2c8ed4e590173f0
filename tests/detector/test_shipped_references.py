"""Features that shipped references hold are those that today's code makes of the same sources."""

from __future__ import annotations

import numpy as np
import pytest

from xherald.detector.calibration.calibration import Calibration, cached_calibration
from xherald.detector.calibration.simulated_samples import SIMULATED, simulate_sources
from xherald.detector.references.case_pipeline import make_case, represent
from xherald.photons.statistics import assess
from xherald.plugins import PluginHost, Sample
from xherald.plugins.reference import Reference

MEMBERS = 40

HOST = PluginHost()
CALIBRATION = cached_calibration()
GROUPS = [name for name, group in CALIBRATION.groups.items() if group.serves]


def reference_of(calibration: Calibration, group: str) -> Reference:
    reference = calibration.load_reference(calibration.groups[group], HOST)
    assert reference is not None
    return reference


@pytest.mark.parametrize("group", GROUPS)
def test_features_are_those_of_the_maps_that_are_kept(group: str) -> None:
    reference = reference_of(CALIBRATION, group)
    rows = np.linspace(0, len(reference) - 1, MEMBERS).astype(int)
    maps = np.stack([reference.members.et_map(int(row)) for row in rows]).astype(np.float32)
    low, high = (function(maps, axis=(1, 2), keepdims=True) for function in (np.min, np.max))
    normalised = (maps - low) / np.where(high > low, high - low, 1.0)
    kept = reference.case("encoded")
    batch = simulate_sources(group, MEMBERS, 1, 0.0).batch  # the extractor reads the maps alone
    features = kept.extractor.transform(Sample(batch, normalised, maps.shape[1:]))
    np.testing.assert_allclose(features, kept.features[rows], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("group", GROUPS)
def test_features_are_those_of_the_photons_simulated_again(group: str) -> None:
    reference = reference_of(CALIBRATION, group)
    sources = simulate_sources(group, MEMBERS, int(CALIBRATION.about["seed"]), 0.5)
    row_of = {name: row for row, name in enumerate(reference.sources.column("obsreg_id").to_pylist())}
    names = [SIMULATED + name for name in sources.names.tolist()]
    known = np.array([name in row_of for name in names])
    assert known.sum() > MEMBERS // 4
    sources = sources.select(known)
    rows = np.array([row_of[name] for name in names if name in row_of])
    timing = assess(sources.batch)
    for name, kept in reference.cases.items():
        case = make_case(name, kept.settings, HOST)
        features = kept.extractor.transform(represent(sources.batch, case, timing))
        np.testing.assert_allclose(features, kept.features[rows], rtol=1e-3, atol=1e-3, err_msg=name)
