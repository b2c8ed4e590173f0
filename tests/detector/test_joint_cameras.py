"""Photons of one source in several cameras as one list: nothing lost, steady where it is, more flares found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from three_cameras import NAMES, measure_efficiencies, three_cameras

from xherald.detector.scoring.joint_cameras import ABSENT, join_cameras, main_cameras, match_cameras
from xherald.photons import EventBatch, EventList, Exposure, Identity, Wings
from xherald.photons.statistics import assess


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 4), st.lists(st.booleans(), min_size=12, max_size=12))
def test_photons_live_time_and_background_are_conserved(seed: int, count: int, present: list[bool]) -> None:
    cameras = three_cameras(count, seed, least=0.5)
    matches = np.repeat(np.arange(count)[:, None], 3, axis=1)
    matches[~np.array(present[: 3 * count]).reshape(count, 3)] = ABSENT
    matches = matches[(matches != ABSENT).sum(axis=1) > 0]
    joint = join_cameras(cameras, matches)
    assert len(joint) == len(matches)
    for source, row in zip(joint, matches.tolist(), strict=True):
        own = [cameras[camera][index] for camera, index in enumerate(row) if index != ABSENT]
        assert len(source) == sum(map(len, own))
        assert np.array_equal(source.time, np.sort(np.concatenate([one.time for one in own])))
        assert np.sort(source.energy).tolist() == np.sort(np.concatenate([one.energy for one in own])).tolist()
        expected = sum(len(one.background.time) * one.background.area_ratio for one in own if one.background)
        assert source.background is not None
        assert len(source.background.time) * source.background.area_ratio == pytest.approx(expected, rel=1e-6)
        counted = [one for one in own if len(one)]
        if counted:
            # Live time is weighted by the rates of the cameras: their sum over it is the number of photons.
            assert source.livetime * sum(len(one) / one.livetime for one in counted) == pytest.approx(len(source))
        assert source.frame_time == max(one.frame_time for one in own)
        assert source.identity.instrument == "+".join(NAMES[i] for i, index in enumerate(row) if index != ABSENT)


def test_exposure_follows_the_cameras_that_are_on() -> None:
    cameras = three_cameras(1, 3)
    joint = join_cameras(cameras, np.zeros((1, 3), dtype=np.int64))
    (source,) = joint
    rates = np.array([len(one[0]) / one[0].livetime for one in cameras])
    middle = source.exposure.gti.mean(axis=1)
    expected = np.zeros(len(middle))
    for one, rate in zip(cameras, rates / rates.sum(), strict=True):
        exposure = one[0].exposure
        row = np.clip(np.searchsorted(exposure.gti[:, 0], middle, side="right") - 1, 0, None)
        expected += rate * one[0].live_fraction * exposure.fraction[row] * (middle < exposure.gti[row, 1]) * (
            middle > exposure.gti[row, 0]
        )  # fmt: skip
    assert source.exposure.fraction == pytest.approx(expected, rel=1e-6)


def test_steady_sources_are_as_improbable_as_stated() -> None:
    count = 5000
    cameras = three_cameras(count, 11, most=150.0)
    p = assess(join_cameras(cameras, np.repeat(np.arange(count)[:, None], 3, axis=1))).p_value
    p = p[np.isfinite(p)]
    for level in (0.1, 0.01):
        # The smallest of nine p-values is corrected for their number as if they were independent.
        number = int((p <= level).sum())
        assert number <= binom.ppf(0.999, len(p), level)
        assert number >= 0.5 * level * len(p)


def test_one_test_of_all_cameras_finds_more_flares_and_dips() -> None:
    found = measure_efficiencies(500, 23)
    # Differences of two fractions of 500 have errors of up to 0.03.
    assert found["joint: flares"] > found["best of three: flares"] + 0.05
    assert found["joint: dips"] > found["best of three: dips"] + 0.05


def test_sources_are_matched_by_position_within_their_errors() -> None:
    cameras = three_cameras(6, 5)

    def move(batch: EventBatch, east_arcsec: float, order: list[int]) -> EventBatch:
        chosen = batch.select(np.array(order))
        moved = tuple(replace(one, ra=(one.ra or 0.0) + east_arcsec / 3600) for one in chosen.identities)
        return replace(chosen, identities=moved)

    first, second, third = cameras[0], move(cameras[1], 2.0, [3, 1, 0]), move(cameras[2], 9.0, [0, 1, 2])
    matches = match_cameras([first, second, third])
    joined = matches[(matches != ABSENT).sum(axis=1) > 1]
    assert sorted(map(tuple, joined.tolist())) == [(0, 2, ABSENT), (1, 1, ABSENT), (3, 0, ABSENT)]
    # The others are detections of their own, and each is listed once.
    assert all(
        sorted(set(column.tolist()) - {ABSENT}) == list(range(n))
        for column, n in zip(matches.T, (6, 3, 3), strict=True)
    )
    assert (matches != ABSENT).sum() == 12
    untested = replace(first, identities=tuple(replace(one, flags=("exposure_unknown",)) for one in first.identities))
    assert (match_cameras([untested, second])[:, 0] == ABSENT).all()
    assert main_cameras([first, second, third], joined).tolist() == [
        int(np.argmax([first.counts[row[0]], second.counts[row[1]]])) for row in joined
    ]


def test_weights_and_wings_of_all_cameras_are_joined() -> None:
    lists = []
    for number in range(2):
        time = np.arange(5.0) * 100 + 10 * number
        one = EventList(
            time,
            np.ones(5, np.float32),
            Exposure(np.array([[0.0, 1000.0]])),
            Identity("XMM", f"EMOS{number + 1}", "1", "1", ra=10.0, dec=0.0, pos_err_arcsec=1.0),
            0.0,
            (0.5, 7.0),
            weight=np.full(5, 0.5 + 0.1 * number, np.float32),
            wings=Wings(time[:2] + 1, np.ones(2, np.float32), np.full(2, 0.2, np.float32)),
        )
        lists.append(EventBatch.from_lists([one]))
    joint = join_cameras(lists, match_cameras(lists))
    np.testing.assert_allclose(joint.weight, np.tile([0.5, 0.6], 5), rtol=1e-6)
    np.testing.assert_array_equal(joint.wing_time, [1.0, 11.0, 101.0, 111.0])


def test_no_weights_where_cameras_were_on_at_different_times() -> None:
    lists = []
    for number, start in enumerate((0.0, 500.0)):
        one = EventList(
            np.linspace(start + 10.0, 990.0, 20),
            np.ones(20, np.float32),
            Exposure(np.array([[start, 1000.0]])),
            Identity("XMM", f"EMOS{number + 1}", "1", "1", ra=10.0, dec=0.0, pos_err_arcsec=1.0),
            0.0,
            (0.5, 7.0),
            weight=np.full(20, 0.5 + 0.3 * number, np.float32),
        )
        lists.append(EventBatch.from_lists([one]))
    assert (join_cameras(lists, match_cameras(lists)).weight == 1).all()


def test_no_weights_where_one_camera_has_none() -> None:
    cameras = three_cameras(3, 1, least=5.0)
    weighted = EventBatch.from_lists([replace(one, weight=np.full(len(one), 0.9, np.float32)) for one in cameras[0]])
    joint = join_cameras([weighted, *cameras[1:]], np.repeat(np.arange(3)[:, None], 3, axis=1))
    assert (joint.weight == 1).all()
