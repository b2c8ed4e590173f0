"""Pile-up and grades of recorded events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats
from scipy.sparse.csgraph import connected_components
from toy_telescope import FAST_FRAME_S, MIN_P_VALUE, chip, exposure, steady, toy

from xherald.simulation.energies import MIDDLE_KEV
from xherald.simulation.exposure import Fault, RecordedEvents
from xherald.simulation.frames import FramedEvents
from xherald.simulation.pileup import pile_up
from xherald.simulation.response import record


@pytest.mark.parametrize("mean", [0.2, 1.0, 3.0])
def test_pile_up_on_one_pixel_agrees_with_the_closed_form(mean: float) -> None:
    one_pixel = chip(width=3, height=3, pixel_arcsec=60.0)
    telescope = toy(frame_time=1.0, chips=(one_pixel,))
    observing = exposure(telescope, 10_000.0)
    events = record(telescope, observing, [steady(observing, mean * 10_000)], 13)
    # A frame has an event with probability 1 − exp(−m); it keeps its grade with Σ Poisson(n; m) α^(n − 1).
    seen, good = 1 - np.exp(-mean), np.exp(-mean) * np.expm1(0.5 * mean) / 0.5
    assert len(np.unique(events.frame)) == len(events)
    assert stats.binomtest(len(events), 10_000, seen).pvalue > MIN_P_VALUE
    assert stats.binomtest(int((events.grade < 7).sum()), len(events), good / seen).pvalue > MIN_P_VALUE
    assert events.energy.sum() == pytest.approx(1.5 * mean * 10_000, rel=5 / np.sqrt(mean * 10_000))


# Two branches that join at their last event: events of the second must be merged with those of the first.
@example([(0, 0, x, y, 1) for x, y in ((1, 1), (1, 4), (2, 2), (2, 5), (3, 3), (3, 4))])
@given(
    places=st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(1, 6), st.integers(1, 6), st.integers(1, 40)),
        max_size=60,
    ),
)
def test_pile_up_merges_adjacent_events_only(places: list[tuple[int, int, int, int, int]]) -> None:
    detector, frame, x, y, energy = np.array(places, dtype=np.int64).reshape(-1, 5).T
    n = len(detector)
    events = RecordedEvents(
        *(frame.astype(float), frame, np.zeros(n), np.zeros(n), energy.astype(float)),
        *(column.astype(np.int16) for column in (detector, x, y, 0 * x, 0 * x)),
        np.arange(n, dtype=np.int32),
    )
    luck = (np.arange(n) * 0.618034) % 1
    merged = pile_up(FramedEvents(events, luck))
    touch = (detector[:, None] == detector) & (frame[:, None] == frame)
    touch &= (abs(x[:, None] - x) <= 1) & (abs(y[:, None] - y) <= 1)
    clusters, label = connected_components(touch)
    assert len(merged) == clusters
    for event in range(len(merged)):
        brightest = merged.origin[event]
        members = label == label[brightest]
        assert merged.energy[event] == energy[members].sum()
        assert energy[brightest] == energy[members].max()
        assert (merged.chip_x[event], merged.chip_y[event]) == (x[brightest], y[brightest])
    assert (np.diff(merged.time) >= 0).all()
    members = np.bincount(label, minlength=clusters)[label[merged.origin]] if n else np.empty(0)
    assert np.array_equal(merged.grade == 7, luck[merged.origin] >= 0.5 ** (members - 1))
    assert np.array_equal(merged.fault == Fault.BAD_GRADE, merged.grade == 7)


def test_harder_photons_have_fewer_single_pixel_events() -> None:
    telescope = toy(frame_time=FAST_FRAME_S)
    observing = exposure(telescope)
    lines = [np.eye(400)[np.searchsorted(MIDDLE_KEV, energy)] for energy in (0.5, 7.0)]
    singles = []
    for line in lines:
        events = record(telescope, observing, [steady(observing, 5000, spectrum=line)], 14)
        singles.append((events.grade == 0).mean())
        assert (events.grade <= 3).all()
    assert singles[0] > singles[1] + 0.1


def test_pn_records_singles_and_doubles_only() -> None:
    telescope = toy(name="xmm-pn", frame_time=FAST_FRAME_S)
    observing = exposure(telescope)
    events = record(telescope, observing, [steady(observing, 2000)], 15)
    assert set(np.unique(events.grade)) == {0, 1}
