"""The event-centred representation finds the event, on livetime and over the measured background."""

from __future__ import annotations

import numpy as np
import pytest

from xherald.photons import EventBatch, EventList, Exposure, Identity
from xherald.photons.events import Background
from xherald.plugins import PluginHost
from xherald.plugins.representations import event_kernels as kernels
from xherald.plugins.representations.event_map import EventMap

SCALARS = kernels.COLUMNS - kernels.SCALARS
FLARE, DIP, IS_FLARE, LENGTH, START, REST = (SCALARS + k for k in (0, 1, 3, 5, 10, 11))
"""Columns of the likelihoods of excess and deficit, whether it is an excess, and where it is."""


def source(time, energy=1.0, gti=((0.0, 10_000.0),), background=None) -> EventList:
    time = np.sort(np.asarray(time, dtype=float))
    energies = np.broadcast_to(np.asarray(energy, dtype=np.float32), time.shape)
    who = Identity("NONE", "NONE", "7", "source")
    behind = None if background is None else Background(background, np.ones(len(background), np.float32), 0.5)
    return EventList(time, energies, Exposure(np.array(gti)), who, 0.1, (0.3, 10.0), background=behind)


def described(*sources: EventList) -> np.ndarray:
    plugin = EventMap()
    return plugin.transform(EventBatch.from_lists(sources), plugin.options_model())


def steady(number: int, seed: int = 1, stop: float = 10_000.0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.0, stop, number)


def test_it_is_registered_with_its_shape() -> None:
    plugin = PluginHost().representations["event_map"]
    assert plugin.shape(plugin.options_model()) == (kernels.COLUMNS,)


@pytest.mark.parametrize("number", [0, 1, 2, 3, 30, 3_000])
def test_values_are_from_0_to_1_and_depend_on_the_source_alone(number: int) -> None:
    one, other = source(steady(number)), source(steady(100, 2))
    alone = described(one)
    assert np.isfinite(alone).all()
    assert alone.min() >= 0
    assert alone.max() <= 1
    assert np.array_equal(described(other, one, other)[1], alone[0])
    assert (alone == 0).all() == (number == 0)


@pytest.mark.parametrize(("start", "length"), [(2_000.0, 20.0), (6_000.0, 300.0), (500.0, 3_000.0)])
def test_flare_is_found_where_it_is(start: float, length: float) -> None:
    flare = start + np.random.default_rng(3).uniform(0.0, length, 100)
    values = described(source([*steady(50), *flare]))[0]
    assert values[IS_FLARE] == 1
    # An end is uncertain by a few spacings of the photons: of the flare's, one is a hundredth of its length; of the
    # others, whose level is that of a tenth to a half of the flare's, a few more may be taken in.
    assert values[START] == pytest.approx(start / 1e4, abs=0.1 * length / 1e4 + 1e-3)
    assert 10 ** (6 * values[LENGTH] - 1) == pytest.approx(length, rel=0.15)
    before, inside = values[kernels.CURVE_BINS :][: kernels.BEFORE], values[kernels.CURVE_BINS + kernels.BEFORE :][:8]
    assert inside.min() > before.max()


def test_eclipse_is_a_deficit_where_it_is() -> None:
    time = steady(400)
    values = described(source(time[(time < 4_000) | (time > 5_500)]))[0]
    assert values[IS_FLARE] == 0
    assert values[DIP] > values[FLARE]
    # The gap reaches to the photons on both sides, which are 25 s apart.
    assert values[START] == pytest.approx(0.4, abs=0.03)
    assert 1 - values[REST] == pytest.approx(0.55, abs=0.03)


def test_gap_in_the_good_times_is_no_event() -> None:
    time = steady(400)
    moved = np.where(time > 4_000, time + 5_000, time)
    whole, gap = described(source(time), source(moved, gti=((0.0, 4_000.0), (9_000.0, 15_000.0))))
    span = kernels.COLUMNS - 1  # the last value is that of the elapsed time
    np.testing.assert_allclose(gap[:span], whole[:span], atol=1e-6)
    assert gap[span] > whole[span]


def test_flare_of_the_background_is_no_event() -> None:
    random = np.random.default_rng(5)
    background = np.sort([*steady(200, 6), *random.uniform(3_000, 4_000, 400)])
    inside = [*steady(100, 7), *random.uniform(3_000, 4_000, 200)]
    burst, clean = (
        described(source([*steady(200, 8), *inside], background=behind))[0] for behind in (background, None)
    )
    assert clean[FLARE] > 2 * burst[FLARE]


def test_fainter_copy_of_a_flare_is_nearer_than_another_event() -> None:
    random = np.random.default_rng(9)
    quiet, flare = steady(300, 10), 6_000 + random.exponential(500, 300)
    bright = source([*quiet, *flare[flare < 10_000]])
    faint = source([*quiet[::3], *flare[flare < 10_000][::3]])
    dip = source(quiet[(quiet < 4_000) | (quiet > 6_500)])
    a, b, c = described(bright, faint, dip).astype(float)
    assert np.linalg.norm(a - b) < 0.5 * np.linalg.norm(a - c)
