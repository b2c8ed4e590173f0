"""Kinds of variability: shapes of another hand, the ends of the exposure, gaps, and what a kind must not depend on."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from paths import DATA

from benchmarks.shapes_light_curves import FAMILIES, Shape, ShapeSample, draw_shapes
from xherald.detector.configuration.configuration import load_configuration
from xherald.detector.extraction.extracted_sources import extract_sources
from xherald.photons import Background, EventBatch, EventList, Exposure, Identity
from xherald.photons.light_curve_models import KINDS, compare_kinds, red_noise_probability
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


def test_a_burst_in_the_first_cell_that_no_dip_explains_is_a_flare_or_decay():
    """No constant rate is within exp(-700) of 940 photons beside 300 spread over the exposure."""
    rng = np.random.default_rng(2)
    u = np.sort(np.concatenate([rng.uniform(0.0, 1e-4, 940), rng.random(300)]))
    sample = ShapeSample(u, np.array([0, u.size]), np.array(["decay"]), np.array(["burst"]), np.array([0.25]))
    assert kinds_of(batch_of(sample))[0] in ("flare", "decay")


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


def red_noise_of(sample: ShapeSample) -> np.ndarray:
    """p-values of red noise of the significant sources."""
    batch = batch_of(sample)
    some = batch.select(assess(batch).p_value <= 1e-3)
    p, error = red_noise_probability(compare_kinds(some).log_events_over_red_noise, some.counts)
    assert ((error > 0) | (p == 1)).all()
    return p


def test_red_noise_of_another_hand_has_uniform_p_values():
    noise = {name: FAMILIES[name] for name in ("damped random walk", "power-law noise")}
    p = red_noise_of(draw_shapes(60, 8, families=noise, counts=(60, 600)))
    # Ranges of amplitude and index differ from those of the null distribution, which costs a factor of two.
    assert (p <= 0.1).mean() <= 0.2 + 4 * np.sqrt(0.1 / p.size)
    assert (p <= 0.01).mean() <= 0.02 + 4 * np.sqrt(0.01 / p.size)


def test_bright_flares_stand_out_of_red_noise():
    p = red_noise_of(draw_shapes(30, 9, families=only("fast rise, exponential decay"), counts=(200, 600)))
    assert np.median(p) <= 0.01


def test_red_noise_of_unknown_sources_is_unknown():
    p, error = red_noise_probability(np.array([np.nan, 1e3, -1e3]), np.array([0, 50, 50]))
    assert np.isnan([p[0], error[0]]).all()
    assert p[1] < 0.01
    assert p[2] == 1.0


# Real transients, and a case that came out wrong


def binned(time: np.ndarray, counts: np.ndarray, width: float) -> EventBatch:
    """A source of which the counts in bins without gaps are known."""
    at = np.repeat(time, counts)
    exposure = Exposure(np.array([[time[0] - width / 2, time[-1] + width / 2]]))
    energy = np.full(at.size, 1.0, np.float32)
    return EventBatch.from_lists(
        [EventList(at, energy, exposure, Identity("CHANDRA", "ACIS", "0", "1"), width, (0.5, 7.0))]
    )


@pytest.fixture
def light_curves() -> Path:
    folder = DATA / "light_curves"
    if not folder.is_dir():
        pytest.skip(f"{folder} does not exist")
    return folder


def test_cdf_s_xt1_is_a_flare(light_curves: Path) -> None:
    # Bauer et al. 2017, MNRAS 467, 4841: a rise in 100 s and a decay over the rest of the exposure.
    with fits.open(light_curves / "CDF-S_XT1_10s_lc.fits.gz") as table:
        rows = table[1].data
        rows = rows[rows["EXPOSURE"] > 0]
        batch = binned(rows["TIME"].astype(float), rows["COUNTS"].astype(int), 10.0)
    assert batch.counts.tolist() == [77]
    assert kinds_of(batch).tolist() == ["flare"]


def test_xrt_000519_is_a_flare(light_curves: Path) -> None:
    # Jonker et al. 2013, ApJ 779, 14: two peaks within 60 s, and a tail.
    with gzip.open(light_curves / "XRT_000519_3.2s.asc.gz", "rt") as text:
        words = [line.split() for line in text]
    rows = np.array([[float(one) for one in row] for row in words if len(row) == 4 and row[0].isdigit()])
    width = float(np.median(np.diff(rows[:, 1])))
    batch = binned(rows[:, 1], np.round(rows[:, 2] * width).astype(int), width)
    assert kinds_of(batch).tolist() == ["flare"]


def test_a_young_star_that_was_called_a_dip_is_a_flare() -> None:
    path = DATA.parent / "cases" / "kind" / "yso_0.03_4000.fits"
    if not path.is_file():
        pytest.skip(f"{path} does not exist")
    batch = extract_sources(path, load_configuration(None, {})).batch
    assert kinds_of(batch)[np.argmax(batch.counts)] == "flare"
