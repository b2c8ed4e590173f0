"""Kinds of variability: shapes of another hand, the ends of the exposure, gaps, and what a kind must not depend on."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from benchmarks.shapes_light_curves import FAMILIES, Shape, ShapeSample, draw_shapes
from xherald.photons import Background, EventBatch, EventList, Exposure, Identity
from xherald.photons.light_curve_models.kinds import KINDS, compare_kinds
from xherald.photons.statistics import assess

SPAN = 4e4
"""Length of an exposure, s."""


def batch_of(sample: ShapeSample, exposure: Exposure | None = None, seed: int = 1) -> EventBatch:
    """Sources of a sample, each with a background region ten times the aperture."""
    rng = np.random.default_rng(seed)
    exposure = exposure or Exposure(np.array([[0.0, SPAN]]))
    lists = []
    for index in range(len(sample.kind)):
        u = sample.u[sample.offsets[index] : sample.offsets[index + 1]]
        behind = rng.poisson(10 * u.size * sample.background_share[index])
        time = np.sort(exposure.time_at(rng.uniform(0, exposure.livetime, behind)))
        lists.append(
            EventList(
                exposure.time_at(u * exposure.livetime),
                rng.uniform(0.5, 7.0, u.size).astype(np.float32),
                exposure,
                Identity("NONE", "NONE", "0", str(index)),
                0.0,
                (0.5, 7.0),
                background=Background(time, np.full(behind, 1.0, np.float32), 0.1),
            )
        )
    return EventBatch.from_lists(lists)


def only(name: str) -> dict[str, Shape]:
    return {name: FAMILIES[name]}


def kinds_of(batch: EventBatch) -> np.ndarray:
    return np.array(KINDS)[compare_kinds(batch).most_probable]


EVENTS = {name: draw for name, draw in FAMILIES.items() if name not in ("damped random walk", "power-law noise")}


@pytest.fixture(scope="module")
def judged() -> tuple[np.ndarray, np.ndarray]:
    """True and most probable kind of significant events."""
    sample = draw_shapes(12, 11, families=EVENTS)
    batch = batch_of(sample)
    significant = assess(batch).p_value <= 1e-3
    return sample.kind[significant], kinds_of(batch.select(significant))


def test_most_events_are_of_the_right_kind(judged):
    true, found = judged
    right = (true == found).sum()
    # 95 % are right in large samples (docs/detection.md); four standard deviations fewer is a fault.
    assert right >= 0.95 * true.size - 4 * np.sqrt(0.95 * 0.05 * true.size)


def test_flares_are_not_dips(judged):
    true, found = judged
    flares = true == "flare"
    assert (found[flares] == "dip").sum() <= 1 + 3 * np.sqrt(0.01 * flares.sum())


def test_a_flare_over_long_quiet_time_is_a_flare():
    # The quiet three quarters beside it are longer than any dip, and hold 5 of 45 photons.
    rng = np.random.default_rng(3)
    time = np.sort(np.concatenate([rng.uniform(0, 1, 5), 0.05 + rng.exponential(0.05, 40)]))
    u = time[time < 1]
    sample = ShapeSample(u, np.array([0, u.size]), np.array(["flare"]), np.array([""]), np.array([0.0]))
    assert kinds_of(batch_of(sample)).tolist() == ["flare"]


def test_time_reversed_decay_is_an_onset():
    sample = draw_shapes(20, 5, families=only("decay from the start"), counts=(100, 300))
    first = sample.offsets
    mirrored = np.concatenate([np.sort(1.0 - sample.u[a:b]) for a, b in pairwise(first)])
    turned = ShapeSample(mirrored, first, sample.kind, sample.family, sample.background_share)
    batch, other = batch_of(sample), batch_of(turned)
    significant = assess(batch).p_value <= 1e-3
    decays, onsets = kinds_of(batch.select(significant)), kinds_of(other.select(significant))
    assert (decays == "decay").mean() >= 0.8
    assert (onsets == "onset").mean() >= 0.8


def test_gaps_are_not_dips():
    # 40 % of the time is missing in four gaps; the photons are those of the same flares.
    gti = np.array([[0.0, 6e3], [1e4, 1.6e4], [2e4, 2.2e4], [3e4, 4e4]])
    sample = draw_shapes(20, 6, families=only("fast rise, exponential decay"), counts=(60, 300))
    flares = sample.kind == "flare"
    found = kinds_of(batch_of(sample, Exposure(gti)).select(flares))
    assert (found == "flare").mean() >= 0.85
    assert (found != "dip").all()


def test_results_do_not_depend_on_the_batch_or_threads():
    batch = batch_of(draw_shapes(2, 7, counts=(30, 200)))
    whole = compare_kinds(batch, threads=2).probability
    alone = compare_kinds(batch.select(np.array([3])), threads=1).probability
    np.testing.assert_allclose(whole[3], alone[0], rtol=1e-4)
    np.testing.assert_allclose(whole.sum(axis=1), 1.0, rtol=1e-12)


def test_sources_without_photons_have_no_kind():
    empty = ShapeSample(np.empty(0), np.array([0, 0]), np.array(["flare"]), np.array([""]), np.array([0.0]))
    batch = batch_of(empty)
    assert np.isnan(compare_kinds(batch).probability).all()
    assert compare_kinds(batch).most_probable.tolist() == [-1]
    assert len(compare_kinds(batch.select(np.array([], dtype=np.int64))).probability) == 0
