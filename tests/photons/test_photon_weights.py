"""Weights of photons by place and energy, and photons beyond the edges of apertures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated_fields import CHANDRA, PointSource, simulated_field

from xherald.photons import Aperture, EventBatch, Observation, Wings, aperture_at
from xherald.photons.errors import PhotonError
from xherald.photons.extraction import extract
from xherald.photons.photon_weights import photon_weights
from xherald.photons.wings import wing_of


def aperture(observation: Observation, x: float, y: float, name: str = "1") -> Aperture:
    """The default aperture at a place in arcsec from the middle."""
    ra, dec = observation.require_projection().to_sky(4096.5 + x / CHANDRA.pixel, 4096.5 + y / CHANDRA.pixel)
    return aperture_at(observation, float(ra), float(dec), name, "test")


def mixture(
    counts: int, background: float, seed: int, spectra: bool = True, n: int = 400
) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Arguments of `photon_weights` for sources with a Gaussian-like King profile, and which photons are theirs."""
    random = np.random.default_rng(seed)
    core, slope, radius, ratio = 1.0, 2.0, 4.0, 1 / 12
    area = np.pi * radius**2
    own, behind = random.poisson(counts, n), random.poisson(background, n)
    around = random.poisson(background / ratio, n)
    r2, energy, truth = [], [], []
    for k in range(n):
        quantile = random.random(own[k])
        at = core**2 * ((1 - quantile) ** (-1 / slope) - 1)
        at = at[at < radius**2]
        r2.append(np.concatenate([at, random.random(behind[k]) * radius**2]))
        soft, hard = random.gamma(3.0, 0.4, len(at)), random.uniform(0.5, 7.0, behind[k])
        energy.append(np.concatenate([soft if spectra else random.uniform(0.5, 7.0, len(at)), hard]))
        truth.append(np.concatenate([np.ones(len(at)), np.zeros(behind[k])]))
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in r2])])
    arguments = (
        np.concatenate(r2),
        np.concatenate(energy).astype(np.float32),
        offsets.astype(np.int64),
        random.uniform(0.5, 7.0, around.sum()).astype(np.float32),
        np.concatenate([[0], np.cumsum(around)]).astype(np.int64),
        np.full(n, area),
        np.full(n, area / ratio),
        np.full(n, core),
        np.full(n, slope),
    )
    return arguments, np.concatenate(truth)


@pytest.mark.parametrize(("counts", "background"), [(30, 5.0), (15, 15.0), (200, 40.0)])
def test_a_weight_is_the_fraction_of_photons_that_are_the_sources(counts: int, background: float) -> None:
    arguments, truth = mixture(counts, background, 1)
    weight = photon_weights(*arguments)
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 0.9), (0.9, 1.01)):
        inside = (weight >= low) & (weight < high)
        error = np.sqrt(0.25 / inside.sum())
        # The spectra of few photons are uncertain, which moves the weights by a few per cent.
        assert abs(weight[inside].mean() - truth[inside].mean()) < 3 * error + 0.06


def test_energies_separate_source_and_background() -> None:
    separation = []
    for spectra in (True, False):
        arguments, truth = mixture(40, 40.0, 2, spectra)
        weight = photon_weights(*arguments)
        separation.append(weight[truth == 1].mean() - weight[truth == 0].mean())
    assert separation[0] > separation[1] + 0.05


def test_without_a_background_region_all_photons_count_the_same() -> None:
    arguments, _ = mixture(20, 10.0, 3, n=3)
    background_area = np.array([0.0, 1.0, 1.0]) * arguments[6]
    weight = photon_weights(*arguments[:6], background_area, *arguments[7:])
    stop = arguments[2][1]
    assert (weight[:stop] == 1).all()
    assert (weight[stop:] < 1).all()


def test_wings_hold_a_tenth_of_the_photons() -> None:
    """Sources whose apertures hold 90 %: the weights in the wings sum to the photons that are there."""
    places = [(x, y) for x in (-200.0, -100.0, 0.0, 100.0, 200.0) for y in (-200.0, -100.0, 0.0, 100.0, 200.0)]
    observation = simulated_field(4, 40_000, [PointSource(x, y, 400) for x, y in places])
    batch = extract(observation, [aperture(observation, x, y, str(k)) for k, (x, y) in enumerate(places)])
    held, beyond = float(batch.weight.sum()), float(batch.wing_weight.sum())
    net = float((batch.counts - batch.background_counts).sum())
    assert held == pytest.approx(net, abs=4 * np.sqrt(batch.counts.sum()))
    spread = observation.point_spread
    assert spread is not None
    expected = 0.0
    for x, y in places:
        core, slope = spread.king(np.hypot(x, y) / 60)
        expected += 1 - (1 + (2 * spread.radius(0.9, np.hypot(x, y) / 60) / core) ** 2) ** -slope - 0.9
    expected /= 0.9 * len(places)
    assert beyond / held == pytest.approx(expected, abs=4 * np.sqrt(len(batch.wing_time)) / held)
    events, projection = observation.events, observation.require_projection()
    for source, (x, y) in zip(batch, places, strict=True):
        assert source.wings is not None
        inside = wing_of(aperture(observation, x, y)).contains(projection, events.x, events.y)
        np.testing.assert_array_equal(source.wings.time, events.time[inside])


def test_wings_end_where_something_else_is() -> None:
    """No wings around sources with a neighbour, or at the edge of the detector."""
    places = [(0.0, 0.0), (2.5, 0.0), (246.0, 0.0), (100.0, 100.0)]
    observation = simulated_field(5, 40_000, [PointSource(x, y, 200) for x, y in places])
    batch = extract(observation, [aperture(observation, x, y, str(k)) for k, (x, y) in enumerate(places)])
    assert (np.diff(batch.wing_offsets) > 0).tolist() == [False, False, False, True]


def test_weights_follow_their_sources_through_batches() -> None:
    places = [(0.0, 0.0), (50.0, 0.0), (100.0, 100.0)]
    observation = simulated_field(6, 40_000, [PointSource(x, y, 100) for x, y in places])
    batch = extract(observation, [aperture(observation, x, y, str(k)) for k, (x, y) in enumerate(places)])
    turned = EventBatch.concatenate([batch.select([2]), batch.select([0, 1])])
    for one, other in zip([batch[2], batch[0], batch[1]], turned, strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)
        assert one.wings is not None
        assert other.wings is not None
        for name in ("time", "energy", "weight"):
            np.testing.assert_array_equal(getattr(one.wings, name), getattr(other.wings, name))
    again = EventBatch.from_lists(list(batch))
    np.testing.assert_array_equal(again.weight, batch.weight)
    np.testing.assert_array_equal(again.wing_weight, batch.wing_weight)


def test_impossible_weights_are_refused() -> None:
    observation = simulated_field(7, 4_000, [PointSource(0.0, 0.0, 50)])
    source = extract(observation, [aperture(observation, 0.0, 0.0)])[0]
    with pytest.raises(PhotonError, match="a weight is not in"):
        replace(source, weight=np.full(len(source), 1.5, np.float32))
    with pytest.raises(PhotonError, match=r"times but .* weights"):
        replace(source, weight=np.ones(3, np.float32))
    outside = Wings(np.array([1e9]), np.ones(1, np.float32), np.ones(1, np.float32))
    with pytest.raises(PhotonError, match="1 photons lie outside the good-time intervals"):
        replace(source, wings=outside)
    with pytest.raises(PhotonError, match="times are not sorted"):
        Wings(np.array([2.0, 1.0]), np.ones(2, np.float32), np.ones(2, np.float32))
