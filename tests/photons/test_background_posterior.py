"""The background drawn from its posterior under the null hypothesis."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_fields import CHANDRA, PointSource, simulated_field

from xherald.evaluation.null_skies import SKIES, draw_sky
from xherald.photons import Aperture, Ellipse, EventBatch, EventList, Exposure, Identity
from xherald.photons.events import Background
from xherald.photons.extraction import extract
from xherald.photons.statistics import assess
from xherald.photons.statistics.background_posterior import draw_background
from xherald.photons.statistics.clock import null_clock
from xherald.photons.statistics.result import FLARE


def bound(level: float, sources: int) -> float:
    """Largest fraction at or below a stated probability, four binomial standard errors above it."""
    return level + 4.0 * np.sqrt(level * (1.0 - level) / sources)


@pytest.mark.parametrize("name", ["proton flares, region 12 ×", "slow background, region 1 ×", "survey passes"])
def test_steady_sources_have_the_stated_rate(name: str) -> None:
    batch = draw_sky(SKIES[name], 1_500, np.random.default_rng(8))
    p = assess(batch).p_value
    for level in (0.1, 0.01):
        assert np.nanmean(p <= level) < bound(level, len(p))
    assert np.nanmean(p <= 0.1) > 0.1 - 4.0 * np.sqrt(0.09 / len(p))


def test_a_large_region_fixes_the_profile() -> None:
    """With 20,000 photons in the region, the expected counts follow its light curve to its counting error."""
    rng = np.random.default_rng(3)
    background = np.sort(np.concatenate([rng.uniform(0, 100, 5_000), rng.uniform(40, 60, 15_000)]))
    aperture = np.sort(np.concatenate([rng.uniform(0, 100, 50), rng.choice(background, 100)]))
    bands = np.zeros(len(aperture), np.int64), np.zeros(len(background), np.int64)
    warp = np.array([0.0, 100.0]), np.array([0.0, 100.0])
    edges, expected = draw_background(aperture, bands[0], background, bands[1], 1, warp, 0.005, 1)
    assert expected[:, 0] == pytest.approx(0.0)
    assert expected[:, -1] == pytest.approx(1.0)
    assert (np.diff(expected, axis=1) > 0).all()
    inside = np.diff(np.interp([40.0, 60.0], edges, expected[0]))[0]
    # A share of the source s gives 0.2 s + 0.8 (1 - s) inside; s follows from 150 photons, 100 of the background.
    assert 0.2 / 3 + 0.8 * 2 / 3 - 0.12 < inside < 0.2 / 3 + 0.8 * 2 / 3 + 0.12


def test_the_draw_depends_on_the_photons_alone() -> None:
    batch = draw_sky(SKIES["proton flares, region 1 ×"], 20, np.random.default_rng(5))
    together = null_clock(batch)
    for i in (0, 7, 19):
        alone = null_clock(batch.select(np.array([i])))
        own = slice(together.offsets[i], together.offsets[i + 1])
        np.testing.assert_array_equal(alone.tested_u, together.tested_u[own])
        np.testing.assert_array_equal(alone.u, together.u[own])


def test_photons_and_energies_stay_together() -> None:
    batch = draw_sky(SKIES["proton flares, region 1 ×"], 5, np.random.default_rng(6))
    clock = null_clock(batch)
    for i in range(5):
        own = slice(clock.offsets[i], clock.offsets[i + 1])
        assert (np.diff(clock.u[own]) >= 0).all()
        assert (np.diff(clock.tested_u[own]) >= 0).all()
        np.testing.assert_array_equal(np.sort(clock.tested_energy[own]), np.sort(batch.energy[own]))


def flaring(flags: tuple[str, ...] = ()) -> EventBatch:
    """Source with 40 of 100 photons in 2 % of the exposure, half of the others background."""
    rng = np.random.default_rng(11)
    time = np.sort(np.concatenate([rng.uniform(0, 1e4, 60), rng.uniform(5_000, 5_200, 40)]))
    region = np.sort(rng.uniform(0, 1e4, 360))
    return EventBatch.from_lists(
        [
            EventList(
                time=time,
                energy=rng.uniform(0.5, 7.0, 100),
                exposure=Exposure([(0.0, 1e4)]),
                identity=Identity("X", "Y", "1", "1", flags=flags),
                frame_time=0.1,
                band=(0.5, 7.0),
                background=Background(region, rng.uniform(0.5, 7.0, 360), 1 / 12),
            )
        ]
    )


def test_a_flare_over_an_uncertain_background_is_found() -> None:
    result = assess(flaring())
    assert result.kind[0] == FLARE
    assert result.p_value[0] < 1e-10
    assert 4_950 < result.intervals.start[0] < 5_050
    assert 5_150 < result.intervals.stop[0] < 5_250


@pytest.mark.parametrize("flag", ["exposure_unknown", "background_unknown"])
def test_sources_without_a_null_hypothesis_are_not_tested(flag: str) -> None:
    result = assess(flaring((flag,)))
    assert np.isnan(result.p_value[0])
    assert result.kind[0] == 0
    assert result.variability_index[0] == -1


@pytest.mark.parametrize("flares", [False, True])
def test_a_source_without_region_is_not_tested_while_the_field_flares(flares: bool) -> None:
    """Half of the field's photons come in a tenth of the time, or none do; a burst's own wings do not count."""
    burst = PointSource(60.0, 0.0, 400, start=3_000.0, stop=3_100.0)
    field = simulated_field(9, 20_000, [burst], profile=[(1_000.0, 1_500.0, 20_000.0)] if flares else ())
    ra, dec = (float(v) for v in field.require_projection().to_sky(4096.5 + 60.0 / CHANDRA.pixel, 4096.5))
    without = Aperture("1", ra, dec, Ellipse.circle(ra, dec, 5.0), None)
    batch = extract(field, [without])
    assert ("background_unknown" in batch.identities[0].flags) == flares
    assert np.isnan(assess(batch).p_value[0]) == flares
