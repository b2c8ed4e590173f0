"""A candidate's evidence: arithmetic against published and analytic values, what is told of it, the sheet, the id."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_result import CliResult
from handmade_detections import STREAM_HZ, detections_of, flag, scan_of, table_of
from hypothesis import assume, given
from hypothesis import strategies as st
from store_rows import NOW, RUN, claimed, observation
from variable_sources import simulated_source

from xherald.catalog_store.ledger.records import CandidateRecord, DropOutcome
from xherald.catalog_store.ledger.store import open_store
from xherald.detector.candidates.candidate_id import candidate_id
from xherald.detector.candidates.durations import event_windows, middle_90
from xherald.detector.candidates.evidence import Evidence, evidence_of
from xherald.detector.candidates.evidence_measures import excess, hardness_change, poisson_interval, rate_ratio
from xherald.detector.candidates.find_candidate import find_candidate
from xherald.detector.candidates.formatting import format_rate, measured, one_in, per_day, percent
from xherald.detector.candidates.sheet import draw_sheet
from xherald.detector.configuration.configuration import load_configuration
from xherald.detector.extraction.extracted_sources import extract_sources
from xherald.detector.results import writers
from xherald.detector.results.rows import source_rows
from xherald.detector.scoring.detections import Detections
from xherald.photons import EventBatch, Identity
from xherald.photons.errors import FileError
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


# --- words -----------------------------------------------------------------------------------------------------------


def test_chances_and_rates_in_words() -> None:
    assert [one_in(p) for p in (None, 0.5, 1 / 37, 1 / 12_345, 3.2e-7, 1e-40, 0.0)] == [
        "–", "1 in 2", "1 in 37", "1 in 12,000", "1 in 3,100,000", "<1 in 1e9", "<1 in 1e9",
    ]  # fmt: skip
    assert per_day(3.24) == "3.2 per day"
    assert per_day(0.02) == "0.02 per day, one in 50 days"
    assert per_day(1e-4) == "1.0e-04 per day, one in 27 years"
    assert per_day(1e-30) == "less than once in a million years"
    assert (percent(0.9999), percent(0.5), percent(None)) == (">99.9 %", "50 %", "–")


def test_values_have_the_digits_that_their_limits_warrant() -> None:
    assert measured({"value": 34.0, "low": 28.2, "high": 40.9}, "ct") == "34.0 +6.9 −5.8 ct"
    assert measured({"value": -0.153, "low": -0.33, "high": 0.113}) == "−0.15 +0.27 −0.18"
    assert measured({"value": 10.0, "low": 8.0, "high": 12.0}) == "10.0 ±2.0"
    assert measured({"value": 3.2, "low": None, "high": None}) == "3.2"
    assert measured(None) == "–"


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
def told(detections: Detections) -> list[Evidence]:
    return evidence_of(detections, np.arange(len(detections)))


def test_evidence_is_json_and_what_is_known_has_limits(told: list[Evidence]) -> None:
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    valued = ("counts_inside", "expected", "background_inside", "fluence_counts", "contrast")
    values = [one[name] for one in told if one["interval"] for name in valued]
    assert len(values) > 1_000
    for value in values:
        assert value is None or value["low"] is None or value["low"] <= value["value"]
        assert value is None or value["high"] is None or value["value"] <= value["high"]


def test_evidence_of_some_is_that_of_all(detections: Detections, told: list[Evidence]) -> None:
    chosen = [30, 2, 17]
    assert evidence_of(detections, chosen) == [told[index] for index in chosen]
    mask = np.isin(np.arange(len(detections)), chosen)
    assert evidence_of(detections, mask) == [told[index] for index in sorted(chosen)]
    assert evidence_of(detections, []) == []


def test_numbers_are_those_of_the_verdict(detections: Detections, told: list[Evidence]) -> None:
    intervals, batch = detections.detection_batch.intervals, detections.detection_batch.batch
    for index in np.flatnonzero(detections.candidate)[:20].tolist():
        one, found = told[index], told[index]["interval"]
        assert found is not None
        assert (found["start_s"], found["counts"]) == (intervals.start[index], intervals.counts[index])
        assert one["counts_inside"]["value"] == intervals.counts[index]  # type: ignore[index]
        assert one["expected"]["value"] == pytest.approx(intervals.expected[index])  # type: ignore[index]
        assert one["counts"] == batch.counts[index]
        chance = one["false_alarm"]
        p = detections.false_alarm_probability[index]
        assert chance["probability"] == p
        assert chance["per_1000_sources"] == pytest.approx(1e3 * p)
        assert chance["one_in_sources"] == pytest.approx(1 / p)
        assert chance["per_day"] == pytest.approx(86_400 * STREAM_HZ * p)
        assert one["versions"]["reference"] == "toy@1.2.0"
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
    evidence = evidence_of(detections, bright)
    middle = np.array([0.5 * (one["t90"]["start_s"] + one["t90"]["stop_s"]) for one in evidence])  # type: ignore[index]
    assert len(bright) > 20
    inside = (middle >= start[bright]) & (middle <= stop[bright])
    assert inside.mean() > 0.9


def test_dips_have_a_depth_and_no_peak(detections: Detections, told: list[Evidence]) -> None:
    dips = [
        told[i] for i in np.flatnonzero(detections.significant & (detections.detection_batch.direction == DIP)).tolist()
    ]
    assert len(dips) > 5
    for one in dips:
        assert (one["kind"], one["t90"], one["peak"]) == ("dip", None, None)
        assert one["fluence_counts"]["high"] < 0  # type: ignore[index, operator]
        assert one["contrast"]["high"] < 1  # type: ignore[index, operator]


def test_the_peak_is_the_brightest_block_or_the_interval() -> None:
    burst = simulated_source("burst", 1, 0.004, (7_000.0, 7_400.0, 0.2))
    (one,) = evidence_of(detections_of(table_of(EventBatch.from_lists([burst]))), [0])
    peak = one["peak"]
    assert peak is not None
    assert peak["over"] == "brightest Bayesian block"
    assert peak["rate"]["low"] < 0.204 < peak["rate"]["high"]  # type: ignore[operator]
    assert peak["interval"]["start_s"] == pytest.approx(7_000, abs=30)
    faint = simulated_source("faint", 3, 0.0015)
    (steady,) = evidence_of(detections_of(table_of(EventBatch.from_lists([faint]))), [0])
    assert steady["peak"] is None or steady["peak"]["over"] == "interval"


def test_background_inside_is_that_of_its_time() -> None:
    source = simulated_source("burst", 1, 0.004, (7_000.0, 7_400.0, 0.2))
    (one,) = evidence_of(detections_of(table_of(EventBatch.from_lists([source]))), [0])
    interval = one["interval"]
    assert interval is not None
    assert source.background is not None
    around = source.background.time
    during = np.count_nonzero((around >= interval["start_s"]) & (around <= interval["stop_s"]))
    assert one["background_inside"]["value"] == pytest.approx(during * 0.05)  # type: ignore[index]
    bare = dataclasses.replace(source, background=None)
    (without,) = evidence_of(detections_of(table_of(EventBatch.from_lists([bare]))), [0])
    assert without["background_inside"] is None


def test_a_harder_burst_is_told_as_harder() -> None:
    source = simulated_source("burst", 1, 0.01, (7_000.0, 7_400.0, 0.2))
    during = (source.time >= 7_000) & (source.time <= 7_400)
    energy = np.where(during, 5.0, 1.0).astype(np.float32)
    changed = dataclasses.replace(source, energy=energy, background=None)
    (one,) = evidence_of(detections_of(table_of(EventBatch.from_lists([changed]))), [0])
    hardness = one["hardness"]
    assert hardness["sigma"] is not None
    assert hardness["sigma"] > 5
    assert hardness["inside"]["low"] > hardness["outside"]["high"]  # type: ignore[index, operator]


def test_flags_come_with_the_numbers_behind_them(told: list[Evidence]) -> None:
    assert [(one["veto"], one["rejects"]) for one in told[3]["vetoes"]] == [("hot_pixel", True), ("chip_edge", False)]
    assert told[3]["vetoes"][0]["reason"] == "62% of the photons fell on 1 pixel"
    assert told[3]["vetoes"][0]["numbers"] == {"share": 0.62, "pixels": 1.0}
    assert told[5]["vetoes"] == []


def test_without_a_reference_nothing_is_like_it(population: Population) -> None:
    plain = detections_of(table_of(population.batch.select([0, 1])), with_reference=False)
    for one in evidence_of(plain, [0, 1]):
        assert (one["similar_to"], one["place"], one["versions"]["reference"]) == ([], None, None)


def test_an_untested_source_is_told_of_without_numbers() -> None:
    few = simulated_source("few", 4, 0.0001, dated=False)
    verdict = detections_of(table_of(EventBatch.from_lists([few])))
    (one,) = evidence_of(verdict, [0])
    assert (one["kind"], one["false_alarm"]["probability"], one["class_probabilities"]) == ("steady", None, {})
    json.dumps(one, allow_nan=False)


# --- sheets ----------------------------------------------------------------------------------------------------------


def words_on(detections: Detections, index: int) -> str:
    """Everything that is written on a sheet, panels' titles too."""
    figure = draw_sheet(detections, index, evidence_of(detections, [index])[0])
    figure.canvas.draw()
    texts = [text.get_text() for text in figure.texts]
    for place in figure.axes:
        texts += [place.get_title(), *(text.get_text() for text in place.texts)]
    return "\n".join(texts)


def test_a_sheet_says_what_how_sure_and_what_speaks_against_it(detections: Detections) -> None:
    said = words_on(detections, 3)
    evidence = evidence_of(detections, [3])[0]
    assert evidence["candidate_id"] in said
    assert f"chance does that to {one_in(evidence['false_alarm']['probability'])} sources" in said
    assert "hot pixel (rejects): 62% of the photons fell on 1 pixel" in said
    assert "map toy@1.2.0 2D-PCA" in said
    assert "counts so far" in said


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
    assert "counts so far" not in said


def test_the_headline_discovery_comes_out_as_published(data: Path) -> None:
    photons = extract_sources(
        data / "chandra" / "acisf23022_000N027_r0122_regevt3.fits.gz", load_configuration(None, {})
    )
    (one,) = evidence_of(detections_of(photons), [0])
    assert one["candidate_id"].startswith("XH-CHANDRA-ACIS-23022-23022_122-")
    assert one["t90"] is not None
    assert one["t90"]["start_utc"].startswith("2020-05-15T18:35:4")  # type: ignore[union-attr]
    # a spike of 10 s with a tail of about 800 s
    seconds = one["t90"]["seconds"]
    assert seconds["low"] < 800 < seconds["high"]  # type: ignore[operator]
    assert one["peak"] is not None
    # 34 counts in the best 10 s
    assert one["peak"]["rate"]["low"] < 3.4 < one["peak"]["rate"]["high"]  # type: ignore[operator]


# --- found again -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(population: Population, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Evidence]]:
    """Rows of a scan on disk, and the evidence of its candidates."""
    scan = scan_of(table_of(population.batch))
    rows = source_rows(scan)
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
        ("", "holds no candidate XH-none, nor any other"),
        ('{"evidence": null}\n', "holds no candidate XH-none, nor any other"),
        ("not json\n", "line 1 is no JSON"),
        ("[1]\n", "line 1 is no row of a scan"),
        ('{"evidence": null}\n{"a": 1}\n', "line 2 is no row of a scan"),
        ('{"evidence": {"candidate_id": "XH-none"}}\n', "evidence of another version: it lacks background_counts"),
        ('{"evidence": 3}\n', "evidence of another version; scan the file again"),
        ("[" * 100_000, "line 1 is no JSON"),
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
    with pytest.raises(FileError, match="is no text"):
        find_candidate("XH-none", path)


def test_show_prints_the_evidence(xherald: Run, written: tuple[Path, list[Evidence]]) -> None:
    path, candidates = written
    one = candidates[0]
    answer = xherald("candidate", "show", one["candidate_id"], "--from", path)
    assert answer.exit_code == 0
    assert answer.stdout.startswith(one["candidate_id"])
    assert f"to {one_in(one['false_alarm']['probability'])} sources" in answer.stdout
    assert "counts inside" in answer.stdout
    assert xherald("candidate", "show", one["candidate_id"], "--from", path, "--json").rows == [one]


def test_show_looks_into_the_store(xherald: Run, written: tuple[Path, list[Evidence]], tmp_path: Path) -> None:
    _, candidates = written
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    name = candidates[0]["candidate_id"]
    with open_store(url) as store:
        for place, evidence in enumerate((candidates[0], {"of": "another version"})):
            (drop,) = claimed(store, f"file{place}")
            record = CandidateRecord(name if place == 0 else "XH-old", 0, "flare", evidence=evidence)
            store.finish(drop.id, RUN, [observation(f"obs{place}")], DropOutcome([record], []), NOW)
    answer = xherald("candidate", "show", name, "--store", url, "--json")
    assert (answer.exit_code, answer.rows) == (0, [candidates[0]])
    absent = xherald("candidate", "show", "XH-absent", "--store", url)
    assert (absent.exit_code, absent.stderr.count("\n")) == (1, 1)
    assert "XH-absent" in absent.stderr
    old = xherald("candidate", "show", "XH-old", "--store", url)
    assert old.exit_code == 1
    assert "evidence of another version" in old.stderr


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
    assert "holds no candidate XH-nothing; it holds XH-" in answer.stderr
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
    writers.write(source_rows(scan), rows)
    evidence = evidence_of(scan.detections, scan.detections.candidate)[0]
    sheet = tmp_path / "sheet.png"
    answer = xherald("candidate", "show", evidence["candidate_id"], "--from", rows, "--sheet", sheet)
    assert (answer.exit_code, answer.stderr) == (0, "")
    assert answer.stdout.endswith(f"Wrote {sheet}.\n")
    assert sheet.read_bytes().startswith(b"\x89PNG")
    rows.write_text(rows.read_text().replace(f'"counts": {evidence["counts"]}', '"counts": 3'))
    changed = xherald("candidate", "show", evidence["candidate_id"], "--from", rows, "--sheet", sheet)
    assert changed.exit_code == 1
    assert "scan it again" in changed.stderr


def test_rates_below_what_can_be_known_are_not_told() -> None:
    assert format_rate(2.34e-8) == "FAR 2.3e-08 Hz"
    assert format_rate(4e-305) == "FAR below 1e-15 Hz"
    assert format_rate(None) == "FAR –"
