"""Draws under the null hypothesis of a source's own, tail probabilities from draws, and undeclared frames."""

from __future__ import annotations

import numpy as np
import pytest

from xherald.evaluation.null_skies import SKIES, Sky, draw_sky
from xherald.photons import EventBatch, EventList, Exposure, Identity
from xherald.photons.statistics import assess
from xherald.photons.statistics.frames import notice_frames
from xherald.photons.statistics.own_null import draw_steady_sources, uncertain_backgrounds
from xherald.photons.statistics.tail_probability import tail_probability

DRAWS = 400


def make_source(time: np.ndarray, **given: object) -> EventBatch:
    energy = np.linspace(0.6, 6.0, len(time)).astype(np.float32)
    exposure = Exposure([[0.0, 4_000.0], [6_000.0, 10_000.0]])
    given = {"frame_time": 0.0, "exposure": exposure, **given}
    identity = Identity("NULL", "SKY", "1", "1")
    return EventBatch.from_lists(
        [EventList(time=np.sort(time), energy=energy, identity=identity, band=(0.5, 7.0), **given)]
    )


def test_draws_keep_numbers_and_energies_and_are_steady_over_the_exposure() -> None:
    rng = np.random.default_rng(1)
    source = make_source(rng.uniform(6_000.0, 6_500.0, 60))  # a burst
    drawn = draw_steady_sources(source, DRAWS)
    assert len(drawn) == DRAWS
    assert (drawn.counts == 60).all()
    energies = np.sort(drawn.energy.reshape(DRAWS, 60), axis=1)
    assert (energies == np.sort(source.energy)).all()
    assert (np.diff(drawn.time.reshape(DRAWS, 60), axis=1) >= 0).all()
    in_gap = (drawn.time > 4_000.0) & (drawn.time < 6_000.0)
    assert not in_gap.any()
    # Half of the exposure lies before the gap: binomial error of 24,000 photons.
    assert np.mean(drawn.time < 5_000.0) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(60 * DRAWS))


def test_draws_are_reproducible_and_salted() -> None:
    source = make_source(np.random.default_rng(2).uniform(0.0, 4_000.0, 30))
    first, again, other = (draw_steady_sources(source, 5, salt) for salt in (0, 0, 1))
    assert (first.time == again.time).all()
    assert not np.isin(first.time, other.time).any()


def test_draws_lie_in_the_frames_of_the_source() -> None:
    time = 100.0 * np.floor(np.random.default_rng(3).uniform(0.0, 40.0, 50)) + 50.0
    drawn = draw_steady_sources(make_source(time), 20)
    assert np.allclose((drawn.time - 50.0) % 100.0, 0.0)


def test_good_times_from_the_photons_keep_the_first_and_last() -> None:
    time = np.random.default_rng(4).uniform(0.0, 4_000.0, 40)
    drawn = draw_steady_sources(
        make_source(time, good_times_known=False, exposure=Exposure([[time.min(), time.max()]])), 20
    )
    assert (drawn.time[drawn.offsets[:-1]] == time.min()).all()
    assert (drawn.time[drawn.offsets[1:] - 1] == time.max()).all()


def test_region_of_draws_follows_the_flares_of_the_background() -> None:
    sky = draw_sky(SKIES["proton flares, region 12 ×"], 5, np.random.default_rng(5))
    drawn = draw_steady_sources(sky, 50)
    for s in range(len(sky)):
        held = sky.background_time[sky.background_offsets[s] : sky.background_offsets[s + 1]]
        made = drawn.background_time[drawn.background_offsets[50 * s] : drawn.background_offsets[50 * s + 50]]
        edges = np.linspace(0.0, 30_000.0, 11)
        observed, expected = np.histogram(held, edges)[0], np.histogram(made, edges)[0] / 50
        # Draws have the error of the profile and of their own counts.
        assert (np.abs(observed - expected) < 5 * np.sqrt(observed + 10.0)).all()


def test_backgrounds_are_uncertain_where_the_region_is_small_or_flares() -> None:
    rng = np.random.default_rng(6)
    assert uncertain_backgrounds(draw_sky(Sky(region=0.25), 20, rng)).all()
    assert uncertain_backgrounds(draw_sky(SKIES["proton flares, region 12 ×"], 20, rng)).mean() > 0.8
    assert uncertain_backgrounds(draw_sky(SKIES["quiet"], 40, rng)).sum() <= 2


@pytest.mark.parametrize("draws", [50, 200])
@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_tail_probability_keeps_the_stated_rate(draws: int, scale: float) -> None:
    """Values of the same distribution as the draws reach p <= 0.01 as often as that."""
    rng, trials = np.random.default_rng(7), 4_000
    # Only large values can have small p: those above 3 scales, 5 % of all.
    values = scale * (3.0 + rng.exponential(size=rng.binomial(trials, np.exp(-3.0))))
    p = np.array([tail_probability(value, rng.exponential(scale, draws))[0] for value in values])
    assert np.count_nonzero(p <= 0.01) == pytest.approx(0.01 * trials, abs=4 * np.sqrt(0.01 * trials))


def test_tail_probability_has_its_error_and_falls_beyond_the_draws() -> None:
    drawn = np.random.default_rng(8).exponential(size=500)
    near, far, farther = (tail_probability(value, drawn) for value in (2.0, 9.0, 14.0))
    assert near[0] == pytest.approx(np.exp(-2.0), abs=4 * near[1])
    assert near[1] == pytest.approx(np.sqrt(near[0] * (1 - near[0]) / 500), rel=1e-6)
    assert near[0] > far[0] > farther[0] > 0
    assert abs(far[0] - np.exp(-9.0)) < 3 * far[1]


@pytest.mark.parametrize("frame", [3.2, 100.0])
def test_undeclared_frames_are_noticed(frame: float) -> None:
    rng = np.random.default_rng(9)
    framed = make_source(frame * np.floor(rng.uniform(0.0, 4_000.0, 50) / frame) + 0.5 * frame)
    found = float(notice_frames(framed).frame_time[0])
    assert found / frame == pytest.approx(round(found / frame), abs=1e-6)
    assert 1 <= round(found / frame) <= 2
    free = make_source(rng.uniform(0.0, 4_000.0, 50))
    assert notice_frames(free).frame_time[0] == 0.0


def test_bins_of_100_s_do_not_make_steady_sources_vary() -> None:
    sources = 400
    p = assess(draw_sky(SKIES["bins of 100 s, undeclared"], sources, np.random.default_rng(10))).p_value
    # 50 times the stated rate at 1 % if the bins were not noticed.
    assert np.count_nonzero(p <= 0.01) <= 0.01 * sources + 3 * np.sqrt(0.01 * sources)
