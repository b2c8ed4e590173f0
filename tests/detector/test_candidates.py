"""Evidence of candidates: arithmetic against published and analytic values, text, plot sheet, id, look-up."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_result import CliResult
from handmade_detections import FLOOR, STREAM_HZ, detections_of, flag, scan_of, table_of
from hypothesis import assume, given
from hypothesis import strategies as st
from store_rows import NOW, RUN, claimed, observation
from variable_sources import simulated_source

from xherald.catalog_store.ledger.drop_outcome import DropOutcome
from xherald.catalog_store.ledger.records import CandidateRecord
from xherald.catalog_store.ledger.store import open_store
from xherald.detector.candidates.candidate_id import candidate_id
from xherald.detector.candidates.durations import event_windows, middle_90
from xherald.detector.candidates.evidence import Evidence, make_evidence
from xherald.detector.candidates.evidence_measures import excess, hardness_change, poisson_interval, rate_ratio
from xherald.detector.candidates.find_candidate import find_candidate
from xherald.detector.candidates.formatting import format_measurement
from xherald.detector.candidates.sheet import draw_sheet
from xherald.detector.configuration.configuration import load_configuration
from xherald.detector.extraction.extracted_sources import extract_sources
from xherald.detector.results import writers
from xherald.detector.results.rows import make_rows
from xherald.detector.scoring.detections import Detections
from xherald.photons import EventBatch, Identity
from xherald.photons.errors import FileError
from xherald.photons.probabilities import format_probability
from xherald.photons.statistics import DIP, FLARE
from xherald.simulation.population.population import Population, simulate_population

Run = Callable[..., CliResult]
COVERED = 0.6827


def binomial_slack(n: int, sigmas: float = 4.0) -> float:
    """How far a measured coverage may lie off by chance."""
    return sigmas * math.sqrt(COVERED * (1 - COVERED) / n)


# --- arithmetic ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [(0, 0.0, 1.841), (1, 0.1727, 3.300), (2, 0.708, 4.638), (5, 2.840, 8.382), (10, 6.891, 14.27), (50, 42.95, 58.12)],
)
def test_poisson_limits_are_those_of_gehrels(counts: int, low: float, high: float) -> None:
    # Gehrels 1986, ApJ 303, 336, tables 1 (upper) and 2 (lower), S = 1
    assert poisson_interval([counts]) == (pytest.approx(low, rel=2e-3), pytest.approx(high, rel=2e-3))


def test_unknown_counts_have_unknown_limits() -> None:
    low, high = poisson_interval([np.nan, 3.0])
    assert np.isnan([low[0], high[0]]).all()
    assert np.isfinite([low[1], high[1]]).all()


def test_ratio_of_two_rates_covers_the_truth() -> None:
    rng, n, truth, scale = np.random.default_rng(3), 4_000, 6.0, 0.1
    outside = rng.poisson(40.0, n)
    inside = rng.poisson(40.0 * truth * scale, n)
    value, low, high = rate_ratio(inside, outside, np.full(n, scale))
    inner = (low <= value) & (value <= high)
    assert inner.all()
    # exact limits never cover less than they say; discreteness makes them cover a little more
    covered = ((low <= truth) & (truth <= high)).mean()
    assert COVERED - binomial_slack(n) < covered < COVERED + 0.08


def test_ratio_of_no_counts_at_all_is_none() -> None:
    value, low, high = rate_ratio([0, 5, 0], [0, 0, 5], [0.1, 0.1, 0.1])
    assert np.isnan([value[0], low[0], high[0], value[1], high[1]]).all()
    # five counts against none: the ratio has a lower limit only
    assert low[1] > 0
    assert (value[2], low[2]) == (0.0, 0.0)
    assert high[2] > 0


def test_excess_covers_the_truth() -> None:
    rng, n, signal, background = np.random.default_rng(4), 4_000, 12.0, 6.0
    counts, around = rng.poisson(signal + background, n), rng.poisson(background * 5, n)
    limits = poisson_interval(around)
    value, low, high = excess(counts, around / 5, limits[0] / 5, limits[1] / 5)
    covered = ((low <= signal) & (signal <= high)).mean()
    # Two exact intervals in quadrature stay conservative: of a single mean near 18 they cover 0.73 on average.
    assert COVERED - binomial_slack(n) < covered < COVERED + 0.1
    assert value.mean() == pytest.approx(signal, abs=4 * math.sqrt((signal + background * 1.2) / n))


def test_a_hardness_change_is_a_test_of_two_proportions_where_photons_are_many() -> None:
    from xherald.photons.statistics.hardness import hardness_posterior

    soft, hard = np.array([2_000, 1_900]), np.array([3_000, 3_200])
    none, ratio = np.zeros(2, dtype=np.int64), np.zeros(2)
    parts = hardness_posterior(soft, hard, none, none, ratio)
    inside, outside = (tuple(part[i : i + 1] for part in parts) for i in (0, 1))
    *_, sigma = hardness_change(inside, outside)
    share = hard / (soft + hard)
    plain = (share[0] - share[1]) / math.sqrt((share * (1 - share) / (soft + hard)).sum())
    assert sigma[0] == pytest.approx(plain, rel=0.02)


def test_hardness_that_does_not_change_seldom_seems_to() -> None:
    from xherald.photons.statistics.hardness import hardness_posterior

    rng, n = np.random.default_rng(6), 3_000
    none, ratio = np.zeros(n, dtype=np.int64), np.zeros(n)
    inside, outside = (
        hardness_posterior(rng.poisson(12.0, n), rng.poisson(18.0, n), none, none, ratio) for _ in range(2)
    )
    *_, sigma = hardness_change(inside, outside)
    beyond = (np.abs(sigma) > 2).mean()
    assert 0.02 < beyond < 0.0455 + 4 * math.sqrt(0.0455 / n)


def bursts(kind: str, counts: float, steady: float, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Bursts on the unit clock, the windows about them, and their true T90."""
    rng = np.random.default_rng(int(counts) + len(kind))
    lists, width = [], 0.02
    if kind == "exponential":
        window, truth = (0.3, 0.3 + 6 * width), math.log(19) * width
    else:
        window, truth = (0.5 - 4 * width, 0.5 + 4 * width), 2 * 1.6448536 * width
    for _ in range(n):
        k = rng.poisson(counts)
        burst = 0.3 + rng.exponential(width, k) if kind == "exponential" else rng.normal(0.5, width, k)
        lists.append(np.sort(np.concatenate([burst, rng.uniform(0, 1, rng.poisson(steady))])))
    offsets = np.cumsum([0, *(len(one) for one in lists)])
    return np.concatenate(lists), offsets, np.tile(window, (n, 1)), truth


@pytest.mark.parametrize("kind", ["exponential", "gaussian"])
@pytest.mark.parametrize(("counts", "steady"), [(20, 0), (100, 50), (1_000, 100)])
def test_t90_is_that_of_the_shape_and_its_limits_hold_it(kind: str, counts: float, steady: float) -> None:
    n = 400
    u, offsets, window, truth = bursts(kind, counts, steady, n)
    start, stop, low, high = middle_90(u, offsets, window)
    width = stop - start
    assert np.isfinite(width).all()
    assert ((low <= width) & (width <= high)).all()
    assert np.median(width) == pytest.approx(truth, rel=0.12 if counts < 100 else 0.04)
    covered = ((low <= truth) & (truth <= high)).mean()
    assert 0.62 - binomial_slack(n, 3) < covered < 0.82 + binomial_slack(n, 3)


def test_t90_of_nothing_in_excess_is_unknown() -> None:
    u = np.linspace(0.01, 0.99, 50)
    start, stop, low, high = middle_90(u, np.array([0, 50]), np.array([[0.4, 0.41]]))
    assert np.isnan([start[0], stop[0], low[0], high[0]]).all()


@given(shift=st.floats(0, 0.3), squeeze=st.floats(0.1, 1))
def test_t90_moves_and_scales_with_the_burst(shift: float, squeeze: float) -> None:
    x = np.sort(np.random.default_rng(1).uniform(0.1, 0.4, 30))
    window = np.array([[0.05, 0.45]])
    offsets = np.array([0, 30])
    start, stop, low, high = middle_90(x, offsets, window)
    moved = middle_90(shift + squeeze * x, offsets, shift + squeeze * window)
    np.testing.assert_allclose(moved[1] - moved[0], squeeze * (stop - start), rtol=1e-9)
    np.testing.assert_allclose([moved[2], moved[3]], [squeeze * low, squeeze * high], rtol=1e-9)


def test_a_burst_s_window_takes_in_its_tail_but_not_the_usual_level() -> None:
    edges = np.array([0.0, 0.3, 0.32, 0.4, 1.0])
    u = np.sort(np.concatenate([np.linspace(a, b, k, endpoint=False) + 1e-6 for a, b, k in (
        (0.0, 0.3, 6), (0.3, 0.32, 30), (0.32, 0.4, 10), (0.4, 1.0, 12))]))  # fmt: skip
    spike = np.array([[0.301, 0.319]])
    found = event_windows(spike, edges, np.array([0, 5]), u, np.array([0, len(u)]))
    np.testing.assert_allclose(found, [[0.3, 0.4]])
    plain = event_windows(spike, np.array([0.0, 1.0]), np.array([0, 2]), u, np.array([0, len(u)]))
    np.testing.assert_array_equal(plain, spike)


# --- text ------------------------------------------------------------------------------------------------------------


def test_values_have_the_digits_that_their_limits_warrant() -> None:
    assert format_measurement(34.0, 28.2, 40.9, "ct") == "34.0 +6.9 −5.8 ct"
    assert format_measurement(-0.153, -0.33, 0.113) == "−0.15 +0.27 −0.18"
    assert format_measurement(10.0, 8.0, 12.0) == "10.0 ±2.0"
    assert format_measurement(3.2, None, None) == "3.2"
    assert format_measurement(None, None, None) == "–"


# --- the id ----------------------------------------------------------------------------------------------------------


TIMES = np.array([100.0, 100.0003, 250.25])


def test_ids_read_as_promised() -> None:
    identity = Identity("CHANDRA", "ACIS", "23022", "23022_122")
    assert re.fullmatch(r"XH-CHANDRA-ACIS-23022-23022_122-[0-9a-f]{6}-F", candidate_id(identity, TIMES, FLARE))
    plain = candidate_id(Identity("", "", "90001", "J0535.1-0525"), TIMES, DIP)
    assert re.fullmatch(r"XH-unknown-unknown-90001-J0535.1-0525-[0-9a-f]{6}-D", plain)
    odd = candidate_id(Identity("SWIFT", "XRT", "../1", "a b/c"), TIMES, FLARE)
    assert "/" not in odd
    assert " " not in odd


NAMES = st.text(max_size=12)
IDENTITIES = st.builds(Identity, mission=NAMES, instrument=NAMES, obs_id=NAMES, detection_id=NAMES)


@given(first=IDENTITIES, second=IDENTITIES)
def test_different_detections_have_different_ids(first: Identity, second: Identity) -> None:
    def spoken(one: Identity) -> tuple[str, ...]:
        # what is not named at all is "unknown", whatever white space stands for it
        parts = (one.mission, one.instrument, one.obs_id, one.detection_id)
        return tuple(part if part.split() else "unknown" for part in parts)

    assume(spoken(first) != spoken(second))
    assert candidate_id(first, TIMES, FLARE) != candidate_id(second, TIMES, FLARE)


@given(identity=IDENTITIES)
def test_ids_can_stand_in_file_names_addresses_and_shells(identity: Identity) -> None:
    name = candidate_id(identity, TIMES, DIP)
    assert name == candidate_id(dataclasses.replace(identity, flags=("seen",), source_path="elsewhere"), TIMES, DIP)
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.+_-~")


def test_other_photons_have_another_id() -> None:
    identity = Identity("EP", "WXT", "06800000181", "1")
    name = candidate_id(identity, TIMES, FLARE)
    assert name == candidate_id(identity, TIMES + 1e-6, FLARE)
    assert name != candidate_id(identity, TIMES[:2], FLARE)
    assert name != candidate_id(identity, TIMES + 3.2, FLARE)


# --- evidence --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def population() -> Population:
    return simulate_population(400, seed=5, variable_fraction=0.6)


@pytest.fixture(scope="module")
def detections(population: Population) -> Detections:
    n = len(population.batch)
    vetoes = (flag("hot_pixel", n, [3]), flag("chip_edge", n, [3, 4], rejects=False))
    return detections_of(table_of(population.batch), vetoes=vetoes)


@pytest.fixture(scope="module")
def evidence(detections: Detections) -> list[Evidence]:
    return make_evidence(detections, np.arange(len(detections)))


def test_evidence_is_json_and_values_lie_within_their_limits(evidence: list[Evidence]) -> None:
    assert json.loads(json.dumps(evidence, allow_nan=False)) == evidence
    measured = (
        "interval_counts",
        "interval_expected_counts",
        "interval_background_counts",
        "fluence_counts",
        "contrast",
    )
    rows: list[Any] = [one for one in evidence if one["interval_start_s"] is not None]
    values = [[one[f"{name}{end}"] for end in ("_low", "", "_high")] for one in rows for name in measured]
    assert len(values) > 1_000
    for low, value, high in values:
        assert value is not None or low is high is None
        assert value is None or low is None or low <= value
        assert value is None or high is None or value <= high


def test_evidence_of_some_sources_equals_that_of_all(detections: Detections, evidence: list[Evidence]) -> None:
    chosen = [30, 2, 17]
    assert make_evidence(detections, chosen) == [evidence[index] for index in chosen]
    mask = np.isin(np.arange(len(detections)), chosen)
    assert make_evidence(detections, mask) == [evidence[index] for index in sorted(chosen)]
    assert make_evidence(detections, []) == []


def test_numbers_are_those_of_the_detections(detections: Detections, evidence: list[Evidence]) -> None:
    intervals, batch = detections.detection_batch.intervals, detections.detection_batch.batch
    for index in np.flatnonzero(detections.candidate)[:20].tolist():
        one = evidence[index]
        assert one["interval_start_s"] == intervals.start[index]
        assert one["interval_counts"] == intervals.counts[index]
        assert one["interval_expected_counts"] == pytest.approx(intervals.expected[index])
        assert one["counts"] == batch.counts[index]
        p = max(detections.tail_probability[index], FLOOR)
        assert one["false_alarm_probability"] == p
        assert one["extrapolated"] == (detections.tail_probability[index] < FLOOR)
        assert one["ranking_statistic"] == pytest.approx(-np.log10(detections.tail_probability[index]))
        assert one["expected_false_alarms_per_1000"] == pytest.approx(1e3 * p)
        assert one["far_hz"] == pytest.approx(STREAM_HZ * p)
        assert one["reference"] == "toy@1.2.0"
        assert sum(one["class_probabilities"].values()) == pytest.approx(1)
        assert [near["distance"] for near in one["similar_to"]] == sorted(
            near["distance"] for near in one["similar_to"]
        )


def test_t90_is_that_of_the_simulated_bursts(population: Population, detections: Detections) -> None:
    """The true event, as the simulation bounds it, holds the middle of what was measured."""
    truth = population.truth
    direction = np.array(truth["direction"].to_pylist())
    start, stop = (np.array(truth[f"event_{end}_s"].to_pylist(), dtype=float) for end in ("start", "stop"))
    bright = np.flatnonzero(
        (direction == "flare") & detections.significant & (detections.detection_batch.direction == FLARE)
    )
    found = make_evidence(detections, bright)
    middle = np.array([0.5 * (one["t90_start_s"] + one["t90_stop_s"]) for one in found])  # type: ignore[operator]
    assert len(bright) > 20
    inside = (middle >= start[bright]) & (middle <= stop[bright])
    assert inside.mean() > 0.9


def test_dips_have_a_depth_and_no_peak(detections: Detections, evidence: list[Evidence]) -> None:
    dips = [
        evidence[i]
        for i in np.flatnonzero(detections.significant & (detections.detection_batch.direction == DIP)).tolist()
    ]
    assert len(dips) > 5
    for one in dips:
        assert (one["kind"], one["t90_s"], one["peak_rate_ct_s"]) == ("dip", None, None)
        assert one["fluence_counts_high"] < 0  # type: ignore[operator]
        assert one["contrast_high"] < 1  # type: ignore[operator]


def test_the_peak_is_the_brightest_block_or_the_interval() -> None:
    burst = simulated_source("burst", 1, 0.004, (7_000.0, 7_400.0, 0.2))
    (one,) = make_evidence(detections_of(table_of(EventBatch.from_lists([burst]))), [0])
    assert one["peak_rate_origin"] == "brightest Bayesian block"
    assert one["peak_rate_low_ct_s"] < 0.204 < one["peak_rate_high_ct_s"]  # type: ignore[operator]
    assert one["peak_rate_livetime_s"] == pytest.approx(400, abs=60)
    faint = simulated_source("faint", 3, 0.0015)
    (steady,) = make_evidence(detections_of(table_of(EventBatch.from_lists([faint]))), [0])
    assert steady["peak_rate_origin"] in (None, "interval")


def test_background_inside_is_that_of_its_time() -> None:
    source = simulated_source("burst", 1, 0.004, (7_000.0, 7_400.0, 0.2))
    (one,) = make_evidence(detections_of(table_of(EventBatch.from_lists([source]))), [0])
    start, stop = one["interval_start_s"], one["interval_stop_s"]
    assert source.background is not None
    around = source.background.time
    during = np.count_nonzero((around >= start) & (around <= stop))  # type: ignore[operator]
    assert one["interval_background_counts"] == pytest.approx(during * 0.05)
    bare = dataclasses.replace(source, background=None)
    (without,) = make_evidence(detections_of(table_of(EventBatch.from_lists([bare]))), [0])
    assert without["interval_background_counts"] is None


def test_hardness_change_of_a_harder_burst() -> None:
    source = simulated_source("burst", 1, 0.01, (7_000.0, 7_400.0, 0.2))
    during = (source.time >= 7_000) & (source.time <= 7_400)
    energy = np.where(during, 5.0, 1.0).astype(np.float32)
    changed = dataclasses.replace(source, energy=energy, background=None)
    (one,) = make_evidence(detections_of(table_of(EventBatch.from_lists([changed]))), [0])
    assert one["hardness_change_sigma"] is not None
    assert one["hardness_change_sigma"] > 5
    assert one["hardness_inside_low"] > one["hardness_outside_high"]  # type: ignore[operator]


def test_vetoes_have_reasons_and_numbers(evidence: list[Evidence]) -> None:
    assert [(one["veto"], one["rejects"]) for one in evidence[3]["vetoes"]] == [
        ("hot_pixel", True),
        ("chip_edge", False),
    ]
    assert evidence[3]["vetoes"][0]["reason"] == "62% of the photons fell on 1 pixel"
    assert evidence[3]["vetoes"][0]["numbers"] == {"share": 0.62, "pixels": 1.0}
    assert evidence[5]["vetoes"] == []


def test_without_a_reference_no_transient_is_similar(population: Population) -> None:
    plain = detections_of(table_of(population.batch.select([0, 1])), with_reference=False)
    for one in make_evidence(plain, [0, 1]):
        assert (one["similar_to"], one["embedding"], one["reference"]) == ([], None, None)


def test_evidence_of_an_untested_source_has_no_probabilities() -> None:
    few = simulated_source("few", 4, 0.0001, dated=False)
    verdict = detections_of(table_of(EventBatch.from_lists([few])))
    (one,) = make_evidence(verdict, [0])
    assert (one["kind"], one["false_alarm_probability"], one["class_probabilities"]) == ("steady", None, {})
    json.dumps(one, allow_nan=False)


# --- sheets ----------------------------------------------------------------------------------------------------------


def words_on(detections: Detections, index: int) -> str:
    """Everything that is written on a sheet, panels' titles too."""
    figure = draw_sheet(detections, index, make_evidence(detections, [index])[0])
    figure.canvas.draw()
    texts = [text.get_text() for text in figure.texts]
    for place in figure.axes:
        texts += [place.get_title(), *(text.get_text() for text in place.texts)]
    return "\n".join(texts)


def test_sheet_shows_kind_significance_and_vetoes(detections: Detections) -> None:
    said = words_on(detections, 3)
    one = make_evidence(detections, [3])[0]
    assert one["candidate_id"] in said
    probability = format_probability(one["false_alarm_probability"], extrapolated=one["extrapolated"])
    assert f"false-alarm probability {probability} per source" in said
    assert "hot pixel (rejects): 62% of the photons fell on 1 pixel" in said
    assert "map toy@1.2.0 2D-PCA" in said
    assert "cumulative counts" in said


@pytest.mark.parametrize("what", ["no field", "untested", "no reference"])
def test_sheets_of_what_little_is_known(what: str) -> None:
    source = simulated_source("few", 4, 0.0001, dated=False) if what == "untested" else simulated_source("a", 2, 0.01)
    verdict = detections_of(table_of(EventBatch.from_lists([source])), with_reference=what != "no reference")
    said = words_on(verdict, 0)
    assert ("not testable" in said) == (what == "untested")
    assert ("map" in said) == (what != "no reference")


def test_a_sheet_of_a_field_shows_the_image_inside_and_outside(demo_files: list[Path]) -> None:
    photons = extract_sources(demo_files[0], load_configuration(None, {}))
    verdict = detections_of(photons)
    index = int(np.flatnonzero(verdict.candidate)[0])
    said = words_on(verdict, index)
    assert "inside the interval" in said
    assert "outside the interval" in said
    assert "cumulative counts" not in said


def test_the_headline_discovery_comes_out_as_published(data: Path) -> None:
    photons = extract_sources(
        data / "chandra" / "acisf23022_000N027_r0122_regevt3.fits.gz", load_configuration(None, {})
    )
    (one,) = make_evidence(detections_of(photons), [0])
    assert one["candidate_id"].startswith("XH-CHANDRA-ACIS-23022-23022_122-")
    assert one["t90_start_utc"].startswith("2020-05-15T18:35:4")  # type: ignore[union-attr]
    # a spike of 10 s with a tail of about 800 s
    assert one["t90_low_s"] < 800 < one["t90_high_s"]  # type: ignore[operator]
    # 34 counts in the best 10 s
    assert one["peak_rate_low_ct_s"] < 3.4 < one["peak_rate_high_ct_s"]  # type: ignore[operator]


# --- found again -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(population: Population, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Evidence]]:
    """Rows of a scan on disk, and the evidence of its candidates."""
    scan = scan_of(table_of(population.batch))
    rows = make_rows(scan)
    target = tmp_path_factory.mktemp("rows") / "sources.jsonl"
    writers.write(rows, target)
    return target, [row["evidence"] for row in rows if row["evidence"] is not None]


def test_a_candidate_is_found_by_its_id(written: tuple[Path, list[Evidence]]) -> None:
    path, candidates = written
    assert len(candidates) > 30
    for one in candidates[:5]:
        assert find_candidate(one["candidate_id"], path) == one


def test_the_last_line_of_a_candidate_counts(written: tuple[Path, list[Evidence]], tmp_path: Path) -> None:
    path, candidates = written
    row = next(json.loads(line) for line in path.read_text().splitlines() if candidates[0]["candidate_id"] in line)
    row["evidence"]["p_astro"] = 0.25
    target = tmp_path / "twice.jsonl"
    target.write_text(path.read_text() + json.dumps(row) + "\n")
    assert find_candidate(candidates[0]["candidate_id"], target)["p_astro"] == 0.25


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "no candidate XH-none in this file, nor any other"),
        ('{"evidence": null}\n', "no candidate XH-none in this file, nor any other"),
        ("not json\n", "line 1 is not JSON"),
        ("[1]\n", "line 1 is not a row of a scan"),
        ('{"evidence": null}\n{"a": 1}\n', "line 2 is not a row of a scan"),
        ('{"evidence": {"candidate_id": "XH-none"}}\n', "written by another version, evidence lacks background_counts"),
        ('{"evidence": 3}\n', "line 1: evidence is not an object"),
        ("[" * 100_000, "line 1 is not JSON"),
    ],
)
def test_what_is_no_scan_s_output_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    with pytest.raises(FileError, match=reason):
        find_candidate("XH-none", path)


def test_binary_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(FileError, match="not a text file"):
        find_candidate("XH-none", path)


def test_show_prints_the_evidence(xherald: Run, written: tuple[Path, list[Evidence]]) -> None:
    path, candidates = written
    one = candidates[0]
    answer = xherald("candidate", "show", one["candidate_id"], "--from", path)
    assert answer.exit_code == 0
    assert answer.stdout.startswith(one["candidate_id"])
    probability = format_probability(one["false_alarm_probability"], extrapolated=one["extrapolated"])
    assert f"false-alarm probability {probability} per source" in answer.stdout
    assert "within the interval" in answer.stdout
    assert xherald("candidate", "show", one["candidate_id"], "--from", path, "--json").rows == [one]


def test_show_looks_into_the_store(xherald: Run, written: tuple[Path, list[Evidence]], tmp_path: Path) -> None:
    _, candidates = written
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    name = candidates[0]["candidate_id"]
    with open_store(url) as store:
        for place, evidence in enumerate((candidates[0], {"of": "another version"})):
            (drop,) = claimed(store, f"file{place}")
            record = CandidateRecord(name if place == 0 else "XH-old", 0, "flare", evidence=evidence)
            store.commit_result(drop.id, RUN, [observation(f"obs{place}")], DropOutcome([record], []), NOW)
    answer = xherald("candidate", "show", name, "--store", url, "--json")
    assert answer.exit_code == 0
    assert {key: answer.rows[0][key] for key in candidates[0]} == candidates[0]
    absent = xherald("candidate", "show", "XH-absent", "--store", url)
    assert (absent.exit_code, absent.stderr.count("\n")) == (1, 1)
    assert "XH-absent" in absent.stderr
    old = xherald("candidate", "show", "XH-old", "--store", url)
    assert old.exit_code == 1
    assert "stored by another version" in old.stderr


def test_names_out_of_files_are_no_markup(xherald: Run, written: tuple[Path, list[Evidence]], tmp_path: Path) -> None:
    _, candidates = written
    odd = {**candidates[0], "candidate_id": "XH-odd", "obs_id": "[bold]x[/bold] [/nothing]"}
    target = tmp_path / "odd.jsonl"
    target.write_text(json.dumps({"evidence": odd}) + "\n")
    answer = xherald("candidate", "show", "XH-odd", "--from", target)
    assert answer.exit_code == 0
    assert "[bold]x[/bold] [/nothing]" in answer.stdout


def test_show_says_which_id_is_not_there(xherald: Run, written: tuple[Path, list[Evidence]], tmp_path: Path) -> None:
    path, candidates = written
    answer = xherald("candidate", "show", "XH-nothing", "--from", path)
    assert answer.exit_code == 1
    assert answer.stderr.count("\n") == 1
    assert "no candidate XH-nothing in this file; it has XH-" in answer.stderr
    assert xherald("candidate", "show", "XH-nothing", "--from", tmp_path / "none.jsonl").exit_code == 2
    name = candidates[0]["candidate_id"]
    assert xherald("candidate", "show", name, "--from", path, "--sheet", tmp_path / "a.pdf").exit_code == 2
    gone = xherald("candidate", "show", name, "--from", path, "--sheet", tmp_path / "a.png")
    assert gone.exit_code == 1
    assert "drop/list.parquet" in gone.stderr


def test_scan_and_show_agree(xherald: Run, demo_files: list[Path], tmp_path: Path) -> None:
    rows = tmp_path / "sources.jsonl"
    photons = extract_sources(demo_files[0], load_configuration(None, {}))
    scan = scan_of(photons)
    writers.write(make_rows(scan), rows)
    evidence = make_evidence(scan.detections, scan.detections.candidate)[0]
    sheet = tmp_path / "sheet.png"
    answer = xherald("candidate", "show", evidence["candidate_id"], "--from", rows, "--sheet", sheet)
    assert (answer.exit_code, answer.stderr) == (0, "")
    assert answer.stdout.endswith(f"Wrote {sheet}\n")
    assert sheet.read_bytes().startswith(b"\x89PNG")
    rows.write_text(rows.read_text().replace(f'"counts": {evidence["counts"]}', '"counts": 3'))
    changed = xherald("candidate", "show", evidence["candidate_id"], "--from", rows, "--sheet", sheet)
    assert changed.exit_code == 1
    assert "scan the file again" in changed.stderr
