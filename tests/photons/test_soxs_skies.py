"""Fields that SOXS simulated: flares are found, steady sources keep the stated rates, at chip edges, too."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soxs_skies
from read_files import observe
from scipy.stats import binom

from xherald import scan
from xherald.photons.apertures import aperture_at
from xherald.photons.extraction import extract
from xherald.photons.statistics import assess


def _interpreter() -> str:
    """Python with SOXS: ``XHERALD_SOXS_PYTHON``, or the one that runs the tests."""
    if (named := os.environ.get("XHERALD_SOXS_PYTHON")) is not None:
        return named
    if importlib.util.find_spec("soxs") is None:
        pytest.skip("SOXS is not installed; set XHERALD_SOXS_PYTHON to the Python of an environment that has it")
    return sys.executable


@dataclass(frozen=True)
class Field:
    """A simulated file with the positions of its sources, of which the first flares."""

    path: Path
    positions: np.ndarray
    flare: dict[str, float]


def _simulate(folder: Path, n: int) -> list[Field]:
    command = [_interpreter(), soxs_skies.__file__, str(folder), "1", str(n + 1)]
    subprocess.run(command, check=True, capture_output=True)
    fields = []
    for path in sorted(folder.glob("*.fits")):
        if path.with_suffix(".json").is_file():
            truth = json.loads(path.with_suffix(".json").read_text("utf-8"))
            fields.append(Field(path, np.column_stack([truth["ra_deg"], truth["dec_deg"]]), truth["flare"]))
    assert len(fields) == n
    return fields


def _separations(positions: np.ndarray, one: np.ndarray) -> np.ndarray:
    """Arcsec from a position."""
    off = (positions - one) * [np.cos(np.radians(one[1])), 1.0]
    return np.hypot(*off.T) * 3600.0


def _p_values(field: Field) -> tuple[np.ndarray, bool | None]:
    """p-values of steady sources of at least five photons, and whether the flare has a small one, if it was seen."""
    observation = observe(field.path)
    apertures = [aperture_at(observation, ra, dec, str(i), "test") for i, (ra, dec) in enumerate(field.positions)]
    batch = extract(observation, apertures)
    p = assess(batch).p_value
    is_far = _separations(field.positions, field.positions[0]) > 20.0
    is_known = np.array(["exposure_unknown" not in one.flags for one in batch.identities])
    flare = bool(p[0] < 1e-6) if batch.counts[0] >= soxs_skies.FLARE_COUNTS / 2 else None
    return p[is_far & is_known & (batch.counts >= 5)], flare


def _require_rates(fields: list[Field]) -> None:
    results = [_p_values(field) for field in fields]
    p = np.concatenate([steady for steady, _ in results])
    assert len(p) > 25 * len(fields)
    for level in (0.1, 0.01, 0.001):
        assert np.count_nonzero(p <= level) <= binom.ppf(0.999, len(p), level), level
    assert all(found for _, found in results if found is not None)


def test_soxs_fields_keep_the_rates_and_show_their_flares(tmp_path: Path) -> None:
    _require_rates(_simulate(tmp_path, 3))


@pytest.mark.prove
def test_many_soxs_fields_keep_the_rates_and_show_their_flares(tmp_path: Path) -> None:
    _require_rates(_simulate(tmp_path, 100))


def test_scan_of_a_soxs_field_finds_its_sources_and_the_flare(tmp_path: Path) -> None:
    (field,) = _simulate(tmp_path, 1)
    rows = scan(field.path).table
    found = np.column_stack([np.array(rows["ra_deg"]), np.array(rows["dec_deg"])])
    flares = found[np.array(rows["candidate_id"]) != ""]
    assert len(flares) == 1
    assert _separations(flares, field.positions[0]).min() < 3.0
    # Detections are sources of the simulation; a chip gap or a dead corner makes none.
    nearest = np.array([_separations(field.positions, one).min() for one in found])
    assert np.count_nonzero(nearest > 4.0) <= 1
