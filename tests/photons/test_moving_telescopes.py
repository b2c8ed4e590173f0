"""Steady sources under telescopes that move keep the stated rates; skies from `independent_skies`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from independent_skies import (
    Sky,
    drifting,
    erosita,
    fixed,
    observe_sky,
    scattered,
    snapshots,
    survey,
    swift,
    xmm_like,
)
from scipy.stats import binom
from sky_observations import apertures_of, observation_of

from xherald.adapters.erosita import SURVEY_SPREAD, ErositaAdapter
from xherald.adapters.swift import SwiftAdapter
from xherald.adapters.xmm import XmmAdapter
from xherald.photons import Observation
from xherald.photons.extraction import extract
from xherald.photons.statistics import assess

EROSITA, SWIFT, XMM = (one.mission.instruments[0] for one in (ErositaAdapter, SwiftAdapter, XmmAdapter))


@dataclass(frozen=True)
class Kind:
    """How to make a sky and its observation."""

    sky: Callable[[np.random.Generator], Sky]
    observe: Callable[[Sky], Observation]


def _sources(
    rng: np.random.Generator, n: int, reach: float, apart: float, low: float, high: float
) -> tuple[np.ndarray, np.ndarray]:
    positions = scattered(rng, n, reach, apart)
    return positions, 10 ** rng.uniform(low, high, len(positions))


def _swift_snapshots(rng: np.random.Generator) -> Sky:
    column = int(rng.integers(150, 450))
    telescope = swift(rng, dead_columns=(column, column + 1, column + 2))
    return observe_sky(telescope, snapshots(rng), *_sources(rng, 20, 700, 200, -2.4, -0.9), rng)


def _as_swift(sky: Sky) -> Observation:
    return observation_of(sky, SWIFT.point_spread, SWIFT.layout)


KINDS = {
    "survey": Kind(
        lambda rng: observe_sky(erosita(rng), survey(rng), *_sources(rng, 80, 3600, 420, -2.2, -0.6), rng),
        lambda sky: observation_of(sky, SURVEY_SPREAD, EROSITA.layout, is_scan=True),
    ),
    "snapshots": Kind(_swift_snapshots, _as_swift),
    "bad column": Kind(
        lambda rng: observe_sky(
            xmm_like(rng, (200, 201, 350)), fixed(rng), *_sources(rng, 12, 280, 120, -2.7, -1.2), rng
        ),
        lambda sky: observation_of(sky, XMM.point_spread, XMM.layout),
    ),
    "drift": Kind(
        lambda rng: observe_sky(swift(rng), drifting(rng), *_sources(rng, 20, 650, 200, -3.2, -1.5), rng), _as_swift
    ),
    "efficiency": Kind(
        lambda rng: observe_sky(swift(rng), snapshots(rng, live=True), *_sources(rng, 20, 700, 200, -2.4, -0.9), rng),
        _as_swift,
    ),
}


def p_values(kind: Kind, n: int) -> np.ndarray:
    """p-values of at least n testable sources of five photons or more."""
    found: list[float] = []
    seed = 0
    while len(found) < n:
        sky = kind.sky(np.random.default_rng([11, seed]))
        observation = kind.observe(sky)
        batch = extract(observation, apertures_of(sky, observation))
        is_known = np.array(["exposure_unknown" not in one.flags for one in batch.identities])
        found += assess(batch).p_value[is_known & (batch.counts >= 5)].tolist()
        seed += 1
    return np.array(found)


def _require_rates(p: np.ndarray) -> None:
    """At most as many small p-values as chance gives in 1 of 1,000 tests."""
    for level in (0.1, 0.01, 0.001):
        assert np.count_nonzero(p <= level) <= binom.ppf(0.999, len(p), level), level


@pytest.mark.parametrize("name", KINDS)
def test_steady_sources_keep_the_stated_rates(name: str) -> None:
    p = p_values(KINDS[name], 2000)
    _require_rates(p)
    assert np.count_nonzero(p <= 0.1) >= binom.ppf(0.001, len(p), 0.06)


@pytest.mark.prove
@pytest.mark.parametrize("name", KINDS)
def test_many_steady_sources_keep_the_stated_rates(name: str) -> None:
    _require_rates(p_values(KINDS[name], 20_000))


@pytest.mark.parametrize("name", ["survey", "snapshots", "drift", "efficiency"])
def test_the_same_sources_vary_if_the_exposure_is_not_known(name: str) -> None:
    rng, found = np.random.default_rng(3), []
    while sum(map(len, found)) < 200:
        sky = KINDS[name].sky(rng)
        observation = replace(KINDS[name].observe(sky), pixels=None, is_scan=False)
        detectors = tuple(replace(one, live_curve=None) for one in observation.detectors)
        found.append(assess(extract(replace(observation, detectors=detectors), apertures_of(sky, observation))).p_value)
    p = np.concatenate(found)
    assert np.nanmean(p <= 0.01) > 0.01 + 4.0 * np.sqrt(0.01 * 0.99 / len(p))


def _survey_with(factor: Callable[[int, np.ndarray], np.ndarray], rate: float, seed: int) -> tuple[float, str]:
    """p-value and kind of the middle source of a survey tile whose rate is multiplied by a factor."""
    rng = np.random.default_rng(seed)
    positions = np.array([[0.0, 0.0], [1500.0, -900.0], [-1200.0, 1800.0]])
    rates = np.array([rate, 0.02, 0.02])
    sky = observe_sky(erosita(rng), survey(rng), positions, rates, rng, factor)
    observation = KINDS["survey"].observe(sky)
    timing = assess(extract(observation, apertures_of(sky, observation)))
    assert timing.p_value[1:].min() > 1e-3
    return float(timing.p_value[0]), str(timing.kind[0])


def test_flare_and_dip_of_a_survey_source_are_detected() -> None:
    # Passes 4 h apart, of which the source is in the field in five or six.
    middle = 5e8 + (3600.0 + 1500.0) / 90.0 + 14_400.0 * 5.5

    def flare(k: int, t: np.ndarray) -> np.ndarray:
        return np.where(np.abs(t - middle) < 7200.0, 1.0, 0.1) if k == 0 else np.ones_like(t)

    def dip(k: int, t: np.ndarray) -> np.ndarray:
        return np.where(np.abs(t - middle) < 7200.0, 0.02, 1.0) if k == 0 else np.ones_like(t)

    assert _survey_with(flare, 0.25, 4)[0] < 1e-6
    assert _survey_with(dip, 0.35, 5)[0] < 1e-6


def test_scan_without_detector_pixels_has_unknown_exposure() -> None:
    sky = KINDS["survey"].sky(np.random.default_rng(2))
    observation = replace(KINDS["survey"].observe(sky), pixels=None)
    batch = extract(observation, apertures_of(sky, observation))
    assert all("exposure_unknown" in one.flags for one in batch.identities)
