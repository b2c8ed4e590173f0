"""Tests that weigh photons: their false-alarm rates, and what they find more than timing in the aperture alone.

The sky of this file is its own: a King profile, a soft source over a hard background, places and times drawn here.
"""

from __future__ import annotations

import numpy as np
import pytest

from xherald.photons import Background, EventBatch, EventList, Exposure, Identity, Wings
from xherald.photons.batch import unweighted
from xherald.photons.photon_weights import photon_weights
from xherald.photons.statistics import assess

CORE, SLOPE, LIVETIME, RATIO = 1.0, 1.8, 20_000.0, 1 / 12
APERTURE = CORE * np.sqrt(0.1 ** (-1 / SLOPE) - 1)
WING = 2.0 * APERTURE
GOOD_TIME = Exposure(np.array([[0.0, LIVETIME]]))


def draw_sources(
    n: int, counts: float, share: float, seed: int, flare: float = 0.0, rise: float = 0.0
) -> tuple[EventBatch, EventBatch]:
    """Sources with a number of counts in the aperture, of which a share is background; with and without weights.

    A fraction `flare` of the source's photons arrives in 1/50 of the livetime. The background rises by the factor
    ``1 + rise`` in a fifth of the livetime.
    """
    random = np.random.default_rng(seed)
    density = counts * share / (np.pi * APERTURE**2)
    lists = []
    for k in range(n):
        own = random.poisson(counts * (1 - share) / 0.9)
        radius = CORE * np.sqrt((1 - random.random(own)) ** (-1 / SLOPE) - 1)
        time = random.random(own)
        at = random.uniform(0, 0.98)
        time = np.where(random.random(own) < flare, at + 0.02 * time, time) * LIVETIME
        energy = np.clip(random.gamma(3.0, 0.4, own), 0.5, 7.0)
        parts = {}
        for name, area in (("wide", np.pi * WING**2), ("region", np.pi * APERTURE**2 / RATIO)):
            number = random.poisson(density * area)
            when = random.random(number)
            bright = random.random(number) < rise * 0.2 / (1 + rise * 0.2)
            parts[name] = np.where(bright, 0.4 + 0.2 * when, when) * LIVETIME, random.uniform(0.5, 7.0, number)
        radius = np.concatenate([radius, WING * np.sqrt(random.random(len(parts["wide"][0])))])
        time, energy = np.concatenate([time, parts["wide"][0]]), np.concatenate([energy, parts["wide"][1]])
        order = np.argsort(time)[radius[np.argsort(time)] < WING]
        time, energy, radius = time[order], energy[order].astype(np.float32), radius[order]
        around = np.argsort(parts["region"][0])
        background = Background(parts["region"][0][around], parts["region"][1][around].astype(np.float32), RATIO)
        weight = photon_weights(
            radius**2,
            energy,
            np.array([0, len(time)]),
            background.energy,
            np.array([0, len(background.energy)]),
            np.array([np.pi * WING**2]),
            np.array([np.pi * APERTURE**2 / RATIO]),
            np.array([CORE]),
            np.array([SLOPE]),
        )
        inside = radius < APERTURE
        wings = Wings(time[~inside], energy[~inside], weight[~inside])
        name = Identity("M", "I", "1", str(k))
        lists.append(
            EventList(
                time[inside],
                energy[inside],
                GOOD_TIME,
                name,
                0.0,
                (0.5, 7.0),
                background=background,
                weight=weight[inside],
                wings=wings,
            )
        )
    batch = EventBatch.from_lists(lists)
    bare = {name: getattr(batch, name) for name in EventBatch.__slots__} | unweighted(len(batch.time), len(batch))
    return batch, EventBatch(**bare)


@pytest.mark.parametrize(("counts", "share", "rise"), [(15, 0.1, 0.0), (30, 0.5, 0.0), (60, 0.5, 8.0)])
def test_weights_keep_the_false_alarm_rate(counts: float, share: float, rise: float) -> None:
    n = 3_000
    batch, _ = draw_sources(n, counts, share, 1, rise=rise)
    timing = assess(batch)
    for name in ("flare_averaged", "dip_averaged"):
        p = next(test.p for test in timing.tests if test.name == name)
        for stated in (0.1, 0.01):
            measured = float(np.mean(p[~np.isnan(p)] <= stated))
            assert measured < 1.3 * stated + 3 * np.sqrt(stated / n), f"{name}: {measured} at {stated}"


def test_weights_find_more_flares() -> None:
    """Half of the counts are background: at one false-alarm rate, weights find at least 2 % more of the flares."""
    found = []
    null = draw_sources(2_000, 30, 0.5, 2)
    flares = draw_sources(2_000, 30, 0.5, 3, flare=0.3)
    for steady, flaring in zip(null, flares, strict=True):
        p = [next(test.p for test in assess(one).tests if test.name == "flare_averaged") for one in (steady, flaring)]
        found.append(p[1] <= np.quantile(p[0], 0.01))
    more, fewer = int((found[0] & ~found[1]).sum()), int((found[1] & ~found[0]).sum())
    assert (more - fewer - 3 * np.sqrt(more + fewer)) / len(found[0]) > 0.02


def test_a_burst_beyond_the_edge_of_the_aperture_counts() -> None:
    """Photons in the wings alone, in 20 s of 20,000 s, are evidence of a burst of the source."""
    batch, _ = draw_sources(1, 40, 0.05, 4)
    source = batch[0]
    assert source.wings is not None
    burst = np.linspace(5_000.0, 5_020.0, 8)
    time = np.concatenate([source.wings.time, burst])
    order = np.argsort(time)
    wings = Wings(
        time[order],
        np.concatenate([source.wings.energy, np.full(8, 1.0, np.float32)])[order],
        np.concatenate([source.wings.weight, np.full(8, 0.9, np.float32)])[order],
    )
    values = {name: getattr(source, name) for name in EventList.__slots__}
    brighter = EventList(**(values | {"wings": wings}))
    p = [assess(EventBatch.from_lists([one])).tests[0].p[0] for one in (source, brighter)]
    assert p[0] > 1e-3
    assert p[1] < 1e-6
