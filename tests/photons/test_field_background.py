"""The light curve of the whole field in the null hypothesis of each source's background."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated_fields import CHANDRA, PointSource, simulated_field

from xherald.evaluation.null_skies import SKIES, draw_sky
from xherald.photons import EventBatch, FieldBackground, Observation, aperture_at
from xherald.photons.errors import PhotonError
from xherald.photons.extraction import extract
from xherald.photons.statistics import assess
from xherald.photons.statistics.clock import field_warp

GOOD_TIME = np.array([[0.0, 40.0], [60.0, 120.0]])


def test_warped_livetime_passes_as_the_field_does() -> None:
    """Rates 1, 3 and 1 from 0, 70 and 90 s: livetimes 50, 20 and 30 s are worth 50, 60 and 30 of 140."""
    live, warped = field_warp(np.array([0.0, 70.0, 90.0]), np.array([1.0, 3.0, 1.0]), GOOD_TIME, np.ones(2))
    np.testing.assert_allclose(live, [0.0, 50.0, 70.0, 100.0])
    np.testing.assert_allclose(warped, np.array([0.0, 50.0, 110.0, 140.0]) / 1.4)


@pytest.mark.parametrize("start", [[], [0.0], [-50.0, 200.0], [45.0, 50.0]])
def test_a_constant_field_does_not_warp(start: list[float]) -> None:
    live, warped = field_warp(np.array(start), np.ones(len(start)), GOOD_TIME, np.ones(2))
    np.testing.assert_allclose(live, warped)
    assert live[-1] == 100.0


def extract_two(observation: Observation) -> EventBatch:
    """Two sources of a field."""
    projection = observation.require_projection()
    apertures = []
    for name, x in (("a", 0.0), ("b", 100.0)):
        ra, dec = projection.to_sky(4096.5 + x / CHANDRA.pixel, 4096.5)
        apertures.append(aperture_at(observation, float(ra), float(dec), name, "test"))
    return extract(observation, apertures)


def test_extraction_measures_the_field() -> None:
    sources = [PointSource(0.0, 0.0, 100), PointSource(100.0, 0.0, 100)]
    flaring = extract_two(simulated_field(1, 20_000, sources, profile=[(5_000.0, 6_000.0, 10_000)]))
    for source in flaring:
        field = source.field_background
        assert field is not None
        at = np.searchsorted(field.start, [2_500.0, 5_500.0, 15_000.0], side="right") - 1
        quiet, bright, late = field.rate[at]
        assert bright / quiet == pytest.approx(11.0, rel=0.1)
        assert late == pytest.approx(quiet, rel=0.1)
    steady = extract_two(simulated_field(2, 20_000, sources))
    assert all(source.field_background is None for source in steady)


def test_fields_follow_their_sources_through_batches() -> None:
    flaring = extract_two(simulated_field(1, 20_000, profile=[(5_000.0, 6_000.0, 10_000)]))
    source = flaring[0]
    bare = replace(source, field_background=None)
    batch = EventBatch.concatenate([EventBatch.from_lists([bare, source]), flaring.select([1])])
    assert batch[0].field_background is None
    for one in (batch[1], batch[2]):
        assert one.field_background is not None
        assert source.field_background is not None
        np.testing.assert_array_equal(one.field_background.rate, source.field_background.rate)


def test_steady_sources_stay_steady_where_the_field_shows_the_flares() -> None:
    """Proton flares over a region of a quarter of the aperture: too many p-values without the field, not with it."""
    n, stated = 1_500, 0.1
    rates = []
    for name in ("proton flares, region 0.25 ×", "proton flares, region 0.25 ×, with a field"):
        p = assess(draw_sky(SKIES[name], n, np.random.default_rng(3))).p_value
        rates.append(float(np.mean(p[~np.isnan(p)] <= stated)))
    error = 3 * np.sqrt(stated / n)
    assert rates[1] < 1.1 * stated + error
    assert rates[1] < rates[0]


def test_impossible_fields_are_refused() -> None:
    with pytest.raises(PhotonError, match="starts must ascend and rates be positive"):
        FieldBackground(np.array([1.0, 1.0]), np.array([1.0, 2.0]))
    with pytest.raises(PhotonError, match="starts must ascend and rates be positive"):
        FieldBackground(np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    with pytest.raises(PhotonError, match="starts but"):
        FieldBackground(np.array([0.0, 1.0]), np.array([1.0]))
