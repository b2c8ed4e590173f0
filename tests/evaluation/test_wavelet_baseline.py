"""The wavelet baseline of `benchmarks.statix`: fields as stated, coefficients that ignore what is steady."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import statix, statix_fields, statix_wavelets
from benchmarks.statix_fields import EXPOSURE_S, R80, SIDE, Kind, draw_field


@pytest.mark.parametrize("spread", ["Gaussian", "King"])
def test_sources_have_the_stated_photons_and_background(spread: str) -> None:
    kind = Kind(50.0, 0.5, spread)
    drawn = draw_field(np.random.default_rng(1), kind, flares=0)
    inside = [np.count_nonzero(np.hypot(drawn.x - x, drawn.y - y) <= R80) for x, y in drawn.places]
    # 64 sources of 100 photons, half of them background; wings of neighbours, where there are any, add a few.
    assert np.sum(inside) == pytest.approx(6400, abs=4 * np.sqrt(6400) + (320 if spread == "King" else 0))
    assert (np.diff(drawn.time) >= 0).all()


def test_the_fields_take_nothing_from_the_simulator() -> None:
    code = Path(statix_fields.__file__).read_text("utf-8")
    assert "import xherald.simulation" not in code
    assert "from xherald.simulation" not in code


def test_coefficients_of_a_steady_rate_are_zero_and_those_of_a_flare_are_not() -> None:
    counts = np.full((64, 40, 40), 0.5, dtype=np.float32)
    counts[:, 20, 20] += 3.0
    steady, _ = statix_wavelets.transform(counts)
    assert np.abs(steady).max() < 1e-5
    counts[30:33, 10, 12] += 5.0
    changes, _ = statix_wavelets.transform(counts)
    for band in changes[:5]:
        assert np.unravel_index(band.argmax(), band.shape) == (10, 12)


def test_a_bright_flare_is_the_first_detection_of_every_method() -> None:
    rng = np.random.default_rng(3)
    kind = Kind(25.0, 0.1, "King")
    null = draw_field(rng, kind, flares=0)
    tails = statix_wavelets.BandTails.measure([_transform(null)[0]])
    drawn = draw_field(rng, kind, flares=0, transient_counts=60.0, transients=1)
    results = (statix.search_xherald(drawn, rng), *statix.search_wavelets(*_transform(drawn), drawn, tails))
    for found in results:
        assert np.hypot(*(found.places[found.rank.argmax()] - drawn.places[-1])) < R80
        assert found.rank_at(drawn.places[-1:])[0][0] == found.rank.max()


def _transform(drawn: statix_fields.DrawnField) -> tuple[np.ndarray, np.ndarray]:
    cube = statix_wavelets.count_cube(drawn.x, drawn.y, drawn.time, SIDE, EXPOSURE_S)
    assert cube.sum() == len(drawn.time)
    return statix_wavelets.transform(cube)
