"""Classes of a calibration are trained again without touching anything else of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from xherald.detector.calibration.calibration import SHIPPED, load_calibration, save_calibration
from xherald.detector.calibration.rebuild_calibration import rebuild_classes
from xherald.photons.artefact_folders import load_arrays, read_manifest

TELESCOPE = "swift-xrt"


def test_only_the_classes_of_a_calibration_are_trained_again(tmp_path: Path) -> None:
    shipped = load_calibration(SHIPPED)
    base = replace(shipped, about={**shipped.about, "telescopes": [TELESCOPE]})
    save_calibration(tmp_path / "mine", rebuild_classes("mine", base, scale=0.04), {})
    rebuilt = load_calibration(tmp_path / "mine")  # verifies the hashes of all files
    before, after = (read_manifest(folder, "calibration").files for folder in (SHIPPED, tmp_path / "mine"))
    assert {name for name in before | after if before.get(name) != after.get(name)} == {"arrays.npz"}
    old, new = (load_arrays(folder / "arrays.npz") for folder in (SHIPPED, tmp_path / "mine"))
    assert set(old) == set(new)
    for name, array in old.items():
        if not name.startswith("class_"):
            np.testing.assert_array_equal(new[name], array)
    assert rebuilt.class_model.telescopes == (TELESCOPE,)
    (events,) = (one["events"] for one in rebuilt.about["classes_measured"]["telescopes"].values())
    assert events < 400
    assert rebuilt.about["sizes"]["classes"] == 400
    assert rebuilt.about["measured"] == shipped.about["measured"]


def test_classes_are_trained_with_the_seed_and_telescopes_of_their_calibration(xherald, tmp_path: Path) -> None:
    for option in (("--seed", "3"), ("--telescope", TELESCOPE)):
        result = xherald("calibration", "build", "--classes-of", SHIPPED, *option, "--out", tmp_path / "mine")
        assert result.exit_code == 2
        assert "omit --seed and --telescope" in result.stderr
    assert not (tmp_path / "mine").exists()
