"""Vetoes of detector artefacts: afterglows, hot pixels, tracks, chip edges, pile-up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from dithering_field import (
    FRAME_S,
    PIXEL_PER_ARCSEC,
    REJECTING_VETOES,
    WIDE_SPREAD,
    DitheringField,
    extract_at,
    find_flags,
    find_rejections,
)
from scipy.stats import binom
from variable_sources import simulated_source

from xherald.detector.extraction.extracted_sources import ExtractedSources
from xherald.evaluation.veto_trials import make_detection_batch
from xherald.photons import EventBatch, EventList, Exposure, Identity
from xherald.photons.statistics import TimingSettings, assess


def test_afterglow_is_rejected_and_a_similar_burst_is_kept() -> None:
    sky = DitheringField(3)
    sky.add_background(3_000)
    frames = 5_000 + FRAME_S * np.arange(10)
    sky.add_pixel(60, 60, frames, energy=4.0 * np.exp(-0.2 * np.arange(10)))
    sky.add_source(-60, 60, frames)
    sky.add_pixel(60, -60, frames + 3_000, energy=1.0 + 0.3 * np.arange(10))
    detection_batch = extract_at(sky.make_observation(), [(60, 60), (-60, 60), (60, -60)])
    assert (detection_batch.timing.p_value < 1e-6).all()
    # Energies of an afterglow fall; with rising ones only the hot pixel is flagged.
    assert find_rejections(detection_batch) == {"hot_pixel": [0, 2], "afterglow": [0]}


def test_fast_bursts_are_rejected_at_most_at_the_allowed_rate() -> None:
    sky = DitheringField(4)
    sky.add_background(2_000)
    places = [(x, y) for x in np.linspace(-200, 200, 12) for y in np.linspace(-200, 200, 12)]
    for number, (x, y) in enumerate(places):
        sky.add_source(x, y, 100 + 120 * number + sky.rng.uniform(0, 15, 7))
    detection_batch = extract_at(sky.make_observation(), places)
    assert np.count_nonzero(detection_batch.timing.p_value < 1e-3) > 130
    rejections = find_rejections(detection_batch)
    # That all of them vary is this test's doing.
    assert len(rejections.pop("many_candidates")) > 130
    lost = {one for found in rejections.values() for one in found}
    # hot_pixel allows 1 % and afterglow, where energies fall, 5 %. These are upper bounds: all pixels are combined.
    assert len(lost) <= binom.ppf(0.9999, len(places), 0.01)


def test_hot_pixel_in_a_flaring_source_is_not_rejected() -> None:
    sky = DitheringField(5)
    sky.add_background(3_000)
    for x in (60, -60):
        sky.add_pixel(x, 0, 8_000 + FRAME_S * np.arange(12))
    sky.add_source(60, 0, sky.rng.uniform(7_950, 8_150, 60))
    detection_batch = extract_at(sky.make_observation(), [(60, 0), (-60, 0)])
    assert find_rejections(detection_batch) == {"hot_pixel": [1]}


def test_steady_source_with_a_flickering_pixel_is_rejected() -> None:
    sky = DitheringField(6)
    sky.add_background(3_000)
    sky.add_source(50, 50, sky.rng.uniform(0, 20_000, 60))
    for start in (3_000, 9_000):
        sky.add_pixel(50.3, 50.2, start + FRAME_S * np.arange(8))
    detection_batch = extract_at(sky.make_observation(), [(50, 50)])
    assert detection_batch.timing.p_value[0] < 1e-4
    assert 0 in find_rejections(detection_batch)["hot_pixel"]


def test_track_is_rejected_and_a_crowded_frame_is_kept() -> None:
    sky = DitheringField(7)
    sky.add_background(3_000)
    along = np.arange(8)[:, None] * np.linalg.inv(PIXEL_PER_ARCSEC)[:, 0][None, :]
    sky.add_photons(np.full(8, 6_000.0), np.array([150.0, 0.0]) + along - along.mean(axis=0))
    sky.add_source(-150, 0, np.full(8, 6_000.0), spread=WIDE_SPREAD)
    detection_batch = extract_at(sky.make_observation(spread=WIDE_SPREAD), [(150, 0), (-150, 0)])
    assert (detection_batch.timing.p_value < 1e-3).all()
    assert find_rejections(detection_batch) == {"cosmic_ray_track": [0]}


def edge_source(time, name: str) -> EventList:
    """A source whose exposure is reduced to 20 % by a chip edge in the first eight intervals of 500 s."""
    starts = np.arange(0, 20_000, 500.0)
    exposure = Exposure(np.column_stack([starts, starts + 500]), np.where(np.arange(len(starts)) < 8, 0.2, 1.0))
    time = np.sort(time)
    return EventList(
        time, np.full(len(time), 1.5, np.float32), exposure, Identity("SIM", "CCD", "1", name), 0.0, (0.5, 7.0)
    )


def test_flare_explained_by_a_chip_edge_is_rejected() -> None:
    rng = np.random.default_rng(10)
    even = rng.uniform(0, 20_000, 300)
    batch = EventBatch.from_lists(
        [edge_source(even, "even"), edge_source(np.concatenate([even[:60], rng.uniform(1_000, 1_100, 40)]), "burst")]
    )
    timing = assess(batch, TimingSettings(threads=1))
    assert (timing.p_value < 1e-6).all()
    # The photons of the first are uniform in time, so that the reduced exposure alone causes its flare.
    assert find_flags(make_detection_batch(ExtractedSources(Path("x"), None, (), batch), timing))["chip_edge"] == [0]


def test_flare_without_good_times_is_rejected() -> None:
    rng = np.random.default_rng(12)
    time = np.concatenate([rng.uniform(0, 20_000, 60), rng.uniform(1_000, 1_100, 40)])
    known = edge_source(time, "known")
    unknown = replace(known, exposure=Exposure([[time.min(), time.max()]]), good_times_known=False)
    batch = EventBatch.from_lists([known, unknown])
    timing = assess(batch, TimingSettings(threads=1))
    assert (timing.p_value < 1e-6).all()
    found = find_flags(make_detection_batch(ExtractedSources(Path("x"), None, (), batch), timing))
    assert found["good_times_unknown"] == [1]


def test_pile_up_and_extent_are_flagged_without_rejection() -> None:
    sky = DitheringField(14)
    sky.add_background(3_000)
    sky.add_source(0, 0, sky.rng.uniform(0, 20_000, 3_000))
    sky.add_source(150, 0, sky.rng.uniform(0, 20_000, 400))
    sky.add_source(-150, 0, sky.rng.uniform(0, 20_000, 6_000), wider=8.0)
    # The background annulus would contain photons of the extended source itself.
    found = find_flags(extract_at(sky.make_observation(), [(0, 0), (150, 0), (-150, 0)], background=False))
    assert found["pile_up"] == [0]
    assert found["extended"] == [2]
    assert not REJECTING_VETOES & set(found)


def test_photon_table_is_not_flagged_by_detector_vetoes() -> None:
    batch = EventBatch.from_lists([simulated_source("a", 1, 0.01, burst=(2_000.0, 2_100.0, 0.5))])
    detection_batch = make_detection_batch(
        ExtractedSources(Path("t.csv"), None, (), batch), assess(batch, TimingSettings(threads=1))
    )
    assert detection_batch.timing.p_value[0] < 1e-3
    assert not REJECTING_VETOES & set(find_flags(detection_batch))
