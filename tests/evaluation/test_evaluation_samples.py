"""Samples of the evaluation: they follow their priors, are reproducible and have the stated truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest
from scored_samples import SEED, draw_sample

from xherald.evaluation.event_grid import COUNTS, DEPTHS, STRENGTHS, WIDTHS, Templates, draw_grid, shortest_flare
from xherald.evaluation.event_profiles import DIPS, FLARES
from xherald.evaluation.samples import FIRST_SEED, TELESCOPES, SamplePart, derive_seed, draw, make_parts
from xherald.photons.errors import ConfigError
from xherald.photons.statistics.clock import null_clock

KINDS = ("steady", "flare", "dip")


@pytest.mark.parametrize("telescope", ["swift-xrt", "erosita-pointed", "ep-wxt"])
@pytest.mark.parametrize("kind", KINDS)
def test_sample_sources_are_valid_photon_lists(telescope: str, kind: str) -> None:
    sources = draw_sample(telescope, kind)
    batch = sources.batch
    # EventList rejects unsorted times, energies outside the band and events outside good times.
    lists = list(batch.select(np.arange(0, len(batch), 7)))
    assert all(COUNTS[0] <= len(one) <= COUNTS[1] for one in lists)
    assert len({one.identity.detection_id for one in batch}) == len(batch)
    assert (sources.kind == kind).all()


@pytest.mark.parametrize("telescope", ["chandra-acis-i", "swift-xrt"])
def test_steady_sources_are_uniform_on_the_null_clock(telescope: str) -> None:
    clock = null_clock(draw_sample(telescope, "steady").batch)
    assert kstest(clock.u, "uniform").pvalue > 1e-3


def test_sample_times_are_middles_of_frames() -> None:
    batch = draw_sample("swift-xrt", "flare").batch
    source = np.repeat(np.arange(len(batch)), batch.counts)
    row = np.searchsorted(batch.gti[: batch.gti_offsets[1], 0], batch.time[: batch.counts[0]], side="right") - 1
    inside = (batch.time[: batch.counts[0]] - batch.gti[row, 0]) / batch.frame_time[0]
    assert np.abs(inside - np.floor(inside) - 0.5).max() < 1e-3
    assert source[-1] == len(batch) - 1


def test_background_counts_agree_with_the_stated_fraction() -> None:
    sources = draw_sample("xmm-mos1", "steady", 1000)
    expected = (sources.events.background * sources.batch.counts / sources.batch.area_ratio).sum()
    found = len(sources.batch.background_time)
    assert abs(found - expected) < 5 * np.sqrt(expected)


def test_events_follow_their_priors() -> None:
    flares, dips = draw_sample("chandra-acis-i", "flare", 1000), draw_sample("chandra-acis-i", "dip", 1000)
    least = np.log(shortest_flare(flares.batch))
    place = (np.log(flares.duration) - least) / (np.log(0.5) - least)
    assert kstest(place, "uniform").pvalue > 1e-3
    for values, (low, high), log in (
        (flares.strength, STRENGTHS, True),
        (dips.duration, WIDTHS, True),
        (dips.strength, DEPTHS, False),
    ):
        transform = np.log if log else np.asarray
        part_of = (transform(values) - transform(low)) / (transform(high) - transform(low))
        assert kstest(part_of, "uniform").pvalue > 1e-3
    assert kstest(flares.events.middle, "uniform").pvalue > 1e-3
    for sources, profiles in ((flares, FLARES), (dips, DIPS)):
        for one in profiles:
            expected = 1000 / len(profiles)
            assert abs((sources.label == one.name).sum() - expected) < 5 * np.sqrt(expected)


def test_flares_contain_the_stated_fraction_of_photons() -> None:
    """Within T90 are 90 % of the flare's photons and the corresponding part of the steady ones."""
    sources = draw_sample("chandra-acis-i", "flare", 1000)
    batch, events = sources.batch, sources.events
    clock = null_clock(batch)
    source = np.repeat(np.arange(len(batch)), np.diff(clock.offsets))
    low, high = events.middle - 0.5 * events.duration, events.middle + 0.5 * events.duration
    whole = (low > 0) & (high < 1) & (events.middle > 0.3) & (events.middle < 0.6) & (events.shape == "flat")
    inside = np.bincount(source, (clock.u >= low[source]) & (clock.u < high[source]), len(batch))
    taken = (1 - events.background) * events.strength
    expected = batch.counts * (0.9 * taken + (1 - taken) * events.duration)
    chosen = whole & (events.duration < 0.25)
    assert chosen.sum() > 20
    assert abs(inside[chosen].sum() - expected[chosen].sum()) < 4 * np.sqrt(expected[chosen].sum())


def test_dips_remove_the_stated_fraction_and_absorbed_ones_are_harder() -> None:
    sources = draw_sample("chandra-acis-i", "dip", 3000)
    batch, events = sources.batch, sources.events
    clock = null_clock(batch)
    source = np.repeat(np.arange(len(batch)), np.diff(clock.offsets))
    low, high = events.middle - 0.5 * events.duration, events.middle + 0.5 * events.duration
    within = (clock.u >= low[source]) & (clock.u < high[source])
    kept = events.background + (1 - events.background) * (1 - events.strength)
    for shape in ("flat", "absorbed"):
        chosen = (events.shape == shape) & (low > 0) & (high < 1)
        inside = np.bincount(source, within, len(batch))
        width = events.duration
        expected = batch.counts * kept * width / (1 - width + kept * width)
        assert abs(inside[chosen].sum() - expected[chosen].sum()) < 4 * np.sqrt(expected[chosen].sum())
    absorbed = (events.shape == "absorbed")[source] & (events.background < 0.2)[source]
    flat = (events.shape == "flat")[source] & (events.background < 0.2)[source]
    hard = batch.energy > 2.0
    errors = [np.sqrt(0.25 / (kind & within).sum()) for kind in (absorbed, flat)]
    harder = hard[absorbed & within].mean() - hard[flat & within].mean()
    assert harder > 5 * np.hypot(*errors)


def test_steady_template_dominated_by_background_gives_sources() -> None:
    """The background fraction is limited to that of sources in a catalogue."""
    batch = draw_sample("swift-xrt", "steady").batch
    templates = Templates(batch, np.full(len(batch), 0.999))
    rng = np.random.default_rng(2)
    drawn, events = draw_grid(templates, "swift-xrt", "steady", 200, rng, seed=SEED, label="x")
    net = (1 - events.background) * drawn.counts
    assert net == pytest.approx(3.0 * np.sqrt(events.background * drawn.counts))


def test_sample_parts_are_reproducible_and_independent() -> None:
    one, again = (draw(SamplePart("grid", "ep-wxt", "flare", 3, 50), SEED) for _ in range(2))
    other, seed = (
        draw(SamplePart("grid", "ep-wxt", "flare", 4, 50), SEED),
        draw(SamplePart("grid", "ep-wxt", "flare", 3, 50), 78),
    )
    assert np.array_equal(one.batch.time, again.batch.time)
    assert np.array_equal(one.batch.energy, again.batch.energy)
    for different in (other, seed):
        assert not np.array_equal(one.batch.counts, different.batch.counts)


def test_evaluation_seeds_are_distinct_and_reserved() -> None:
    assert derive_seed(0, "templates") == FIRST_SEED > 1000
    uses = ("templates", "classes", "reference")
    used = [derive_seed(seed, what, number) for seed in (0, 1, 999_999) for what in uses for number in range(5)]
    assert len(set(used)) == len(used)
    with pytest.raises(ConfigError):
        derive_seed(1_000_000, "classes")


def test_sample_parts_add_up_to_the_sample() -> None:
    parts = list(make_parts("grid", "flare", 12_000))
    assert sum(one.size for one in parts) == 12_000
    assert {one.telescope for one in parts} == set(TELESCOPES)
    assert max(one.size for one in parts) <= 1000


def test_class_sample_has_the_truth_of_each_source() -> None:
    sources = draw(SamplePart("classes", "chandra-acis-i", "mixed", 0, 300), SEED)
    counts = sources.batch.counts
    assert counts.min() >= COUNTS[0]
    assert counts.max() <= COUNTS[1]
    assert set(sources.kind) == {"steady", "flare", "dip", "other"}
    assert set(sources.label[sources.kind == "steady"]) <= {"constant", "supersoft"}
    assert np.isnan(sources.duration[sources.kind == "steady"]).all()
    assert (sources.duration[sources.kind == "dip"] > 0).all()
