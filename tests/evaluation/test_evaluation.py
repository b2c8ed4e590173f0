"""Injection and recovery: samples are what their priors say, the limit is the limit, errors and rates are right."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, kstest

from benchmarks.evaluation_document import markdown
from benchmarks.evaluation_goals import goals
from xherald.cli.evaluation_tables import print_report
from xherald.detector.configuration.configuration import load_configuration
from xherald.evaluation import baselines, metrics, reliability
from xherald.evaluation.detector_under_test import averaged_detector
from xherald.evaluation.event_grid import COUNTS, DEPTHS, STRENGTHS, WIDTHS, Templates, draw_grid, shortest_flare
from xherald.evaluation.event_profiles import CELLS, DIPS, FLARES
from xherald.evaluation.measured_spectra import absorbed_to, spectra_of
from xherald.evaluation.method_scores import DETECTOR, ORACLE, ScoredSources, score_parts
from xherald.evaluation.real_fields import QUIET, evaluate_files
from xherald.evaluation.report import read_report, write_report
from xherald.evaluation.run import EvaluationSizes, evaluate
from xherald.evaluation.samples import FIRST_SEED, TELESCOPES, SamplePart, derive_seed, draw, make_parts
from xherald.evaluation.stream_replay import replay
from xherald.evaluation.timing_limit import oracle_scores
from xherald.photons import EventBatch
from xherald.photons.errors import ArtefactError, ConfigError
from xherald.photons.statistics import DIP, FLARE, TimingSettings, assess
from xherald.photons.statistics.clock import null_clock
from xherald.simulation.spectra import absorption

KINDS = ("steady", "flare", "dip")
SEED = 77


@cache
def part(telescope: str, kind: str, size: int = 400):
    return draw(SamplePart("grid", telescope, kind, 0, size), SEED)


# --- samples ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("telescope", ["swift-xrt", "erosita-pointed", "ep-wxt"])
@pytest.mark.parametrize("kind", KINDS)
def test_drawn_sources_are_such_as_an_instrument_could_have_seen(telescope: str, kind: str) -> None:
    sources = part(telescope, kind)
    batch = sources.batch
    # EventList refuses unsorted times, energies out of band, events outside good times.
    lists = list(batch.select(np.arange(0, len(batch), 7)))
    assert all(COUNTS[0] <= len(one) <= COUNTS[1] for one in lists)
    assert len({one.identity.detection_id for one in batch}) == len(batch)
    assert (sources.kind == kind).all()


@pytest.mark.parametrize("telescope", ["chandra-acis-i", "swift-xrt"])
def test_steady_sources_are_uniform_on_the_null_clock(telescope: str) -> None:
    clock = null_clock(part(telescope, "steady").batch)
    assert kstest(clock.u, "uniform").pvalue > 1e-3


def test_stamps_stand_on_frames() -> None:
    batch = part("swift-xrt", "flare").batch
    source = np.repeat(np.arange(len(batch)), batch.counts)
    row = np.searchsorted(batch.gti[: batch.gti_offsets[1], 0], batch.time[: batch.counts[0]], side="right") - 1
    inside = (batch.time[: batch.counts[0]] - batch.gti[row, 0]) / batch.frame_time[0]
    assert np.abs(inside - np.floor(inside) - 0.5).max() < 1e-3
    assert source[-1] == len(batch) - 1


def test_the_background_is_as_much_as_it_is_said_to_be() -> None:
    sources = part("xmm-mos1", "steady", 1000)
    expected = (sources.events.background * sources.batch.counts / sources.batch.area_ratio).sum()
    found = len(sources.batch.background_time)
    assert abs(found - expected) < 5 * np.sqrt(expected)


def test_events_follow_their_priors() -> None:
    flares, dips = part("chandra-acis-i", "flare", 1000), part("chandra-acis-i", "dip", 1000)
    least = np.log(shortest_flare(flares.batch))
    place = (np.log(flares.duration) - least) / (np.log(0.5) - least)
    assert kstest(place, "uniform").pvalue > 1e-3
    for values, (low, high), log in (
        (flares.strength, STRENGTHS, True),
        (dips.duration, WIDTHS, True),
        (dips.strength, DEPTHS, False),
    ):
        transform = np.log if log else np.asarray
        part_of = (transform(values) - transform(low)) / (transform(high) - transform(low))
        assert kstest(part_of, "uniform").pvalue > 1e-3
    assert kstest(flares.events.middle, "uniform").pvalue > 1e-3
    for sources, profiles in ((flares, FLARES), (dips, DIPS)):
        for one in profiles:
            expected = 1000 / len(profiles)
            assert abs((sources.label == one.name).sum() - expected) < 5 * np.sqrt(expected)


def test_events_hold_the_share_that_is_said() -> None:
    """Photons within T90 of strong flares: the share of the event there, and the steady rest's."""
    sources = part("chandra-acis-i", "flare", 1000)
    batch, events = sources.batch, sources.events
    clock = null_clock(batch)
    source = np.repeat(np.arange(len(batch)), np.diff(clock.offsets))
    low, high = events.middle - 0.5 * events.duration, events.middle + 0.5 * events.duration
    whole = (low > 0) & (high < 1) & (events.middle > 0.3) & (events.middle < 0.6) & (events.shape == "flat")
    inside = np.bincount(source, (clock.u >= low[source]) & (clock.u < high[source]), len(batch))
    taken = (1 - events.background) * events.strength
    expected = batch.counts * (0.9 * taken + (1 - taken) * events.duration)
    chosen = whole & (events.duration < 0.25)
    assert chosen.sum() > 20
    assert abs(inside[chosen].sum() - expected[chosen].sum()) < 4 * np.sqrt(expected[chosen].sum())


def test_dips_take_what_is_said_and_soft_photons_first() -> None:
    sources = part("chandra-acis-i", "dip", 3000)
    batch, events = sources.batch, sources.events
    clock = null_clock(batch)
    source = np.repeat(np.arange(len(batch)), np.diff(clock.offsets))
    low, high = events.middle - 0.5 * events.duration, events.middle + 0.5 * events.duration
    within = (clock.u >= low[source]) & (clock.u < high[source])
    kept = events.background + (1 - events.background) * (1 - events.strength)
    for shape in ("flat", "absorbed"):
        chosen = (events.shape == shape) & (low > 0) & (high < 1)
        inside = np.bincount(source, within, len(batch))
        width = events.duration
        expected = batch.counts * kept * width / (1 - width + kept * width)
        assert abs(inside[chosen].sum() - expected[chosen].sum()) < 4 * np.sqrt(expected[chosen].sum())
    absorbed = (events.shape == "absorbed")[source] & (events.background < 0.2)[source]
    flat = (events.shape == "flat")[source] & (events.background < 0.2)[source]
    hard = batch.energy > 2.0
    errors = [np.sqrt(0.25 / (kind & within).sum()) for kind in (absorbed, flat)]
    harder = hard[absorbed & within].mean() - hard[flat & within].mean()
    assert harder > 5 * np.hypot(*errors)


@pytest.mark.parametrize("column", [0.1, 1.0, 30.0])
def test_gas_lets_the_wanted_part_pass(column: float) -> None:
    spectra = spectra_of("chandra-acis-i", SEED).source[:20, 0]
    behind = spectra * absorption(column)
    left = absorbed_to(spectra, behind.sum(axis=1) / spectra.sum(axis=1))
    assert left / left.sum(axis=1, keepdims=True) == pytest.approx(behind / behind.sum(axis=1, keepdims=True), abs=1e-6)
    assert np.isfinite(absorbed_to(spectra, np.zeros(20))).all()


def test_harder_and_softer_are_so() -> None:
    spectra = spectra_of("xmm-mos1", SEED).source
    mean = (spectra @ np.arange(spectra.shape[2])) / spectra.sum(axis=2)
    assert (mean[:, 1] > mean[:, 0]).all()
    assert (mean[:, 2] < mean[:, 0]).all()


def test_parts_are_the_same_whoever_draws_them_and_differ_from_one_another() -> None:
    one, again = (draw(SamplePart("grid", "ep-wxt", "flare", 3, 50), SEED) for _ in range(2))
    other, seed = (
        draw(SamplePart("grid", "ep-wxt", "flare", 4, 50), SEED),
        draw(SamplePart("grid", "ep-wxt", "flare", 3, 50), 78),
    )
    assert np.array_equal(one.batch.time, again.batch.time)
    assert np.array_equal(one.batch.energy, again.batch.energy)
    for different in (other, seed):
        assert not np.array_equal(one.batch.counts, different.batch.counts)


def test_seeds_of_evaluation_are_its_own() -> None:
    assert derive_seed(0, "templates") == FIRST_SEED > 1000
    uses = ("templates", "classes", "reference")
    used = [derive_seed(seed, what, number) for seed in (0, 1, 999_999) for what in uses for number in range(5)]
    assert len(set(used)) == len(used)
    with pytest.raises(ConfigError):
        derive_seed(1_000_000, "classes")


def test_parts_add_up() -> None:
    parts = list(make_parts("grid", "flare", 12_000))
    assert sum(one.size for one in parts) == 12_000
    assert {one.telescope for one in parts} == set(TELESCOPES)
    assert max(one.size for one in parts) <= 1000


def test_classes_are_told_with_their_truth() -> None:
    sources = draw(SamplePart("classes", "chandra-acis-i", "mixed", 0, 300), SEED)
    counts = sources.batch.counts
    assert counts.min() >= COUNTS[0]
    assert counts.max() <= COUNTS[1]
    assert set(sources.kind) == {"steady", "flare", "dip", "other"}
    assert set(sources.label[sources.kind == "steady"]) <= {"constant", "supersoft"}
    assert np.isnan(sources.duration[sources.kind == "steady"]).all()
    assert (sources.duration[sources.kind == "dip"] > 0).all()


# --- the limit -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "column"), [("flare", 0), ("dip", 1)])
def test_the_limit_is_the_odds_of_an_event(kind: str, column: int) -> None:
    """Among as many events as steady sources, those of log ratio L are events with odds e^L: no ratio but the true one
    has that property at every L.
    """
    steady, events = part("swift-xrt", "steady", 600), part("swift-xrt", kind, 600)
    ratio = np.concatenate([oracle_scores(one.batch, one.events)[column] for one in (steady, events)])
    event = np.repeat([False, True], 600)
    chance = 1 / (1 + np.exp(-ratio))
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.5), (0.5, 0.9), (0.9, 1.01)):
        own = (chance >= low) & (chance < high)
        if own.sum() >= 20:
            error = np.sqrt((chance[own] * (1 - chance[own])).sum()) / own.sum()
            assert abs(event[own].mean() - chance[own].mean()) < 4 * error + 0.01


def test_profiles_are_densities() -> None:
    for one in FLARES:
        assert one.density.shape == (CELLS,)
        assert one.cumulative[-1] == pytest.approx(1.0)
        low, high = one.core
        assert np.interp([low, high], np.linspace(0, 1, CELLS + 1), one.cumulative) == pytest.approx([0.05, 0.95])
    assert all(one.density.max() <= 1 for one in DIPS)


# --- baselines -------------------------------------------------------------------------------------------------------


def at_times(parts_of_livetime: list[float]) -> EventBatch:
    """A source of 1,000 s without gaps, a photon at each place."""
    template = part("chandra-acis-i", "steady").batch.select([0])
    n = len(parts_of_livetime)
    return replace(
        template,
        time=np.sort(1000.0 * np.array(parts_of_livetime)),
        energy=np.full(n, 1.0, dtype=np.float32),
        offsets=np.array([0, n]),
        gti=np.array([[0.0, 1000.0]]),
        gti_fraction=np.ones(1),
        gti_offsets=np.array([0, 1]),
        background_time=np.empty(0),
        background_energy=np.empty(0, dtype=np.float32),
        background_offsets=np.array([0, 0]),
        area_ratio=np.zeros(1),
        frame_time=np.array([1e-3]),
    )


def test_halves_and_quarters_are_those_of_the_paper() -> None:
    first_half = [0.01 * k for k in range(1, 13)] + [0.6, 0.9]
    middle = [0.3 + 0.02 * k for k in range(12)] + [0.1, 0.9]
    score = [float(baselines.halves_and_quarters(at_times(one))[0]) for one in (first_half, middle)]
    by_hand = [-np.log(2 * binom.cdf(fewer, 14, 0.5)) for fewer in (1, 2)]
    assert score == pytest.approx(by_hand)


def test_a_flat_source_scores_nothing_by_halves() -> None:
    flat = at_times([(k + 0.5) / 40 for k in range(40)])
    assert float(baselines.halves_and_quarters(flat)[0]) == pytest.approx(0.0)


# --- measures --------------------------------------------------------------------------------------------------------


def made_up(score_of_events: float, seed: int = 0, n: int = 4000) -> ScoredSources:
    """Steady sources with normal scores, flares with ones that are higher by so much; p exact for the steady."""
    from scipy.stats import norm

    rng = np.random.default_rng(seed)
    kind = np.array(["steady"] * n + ["flare"] * n + ["dip"] * 20)
    counts = np.exp(rng.uniform(np.log(10), np.log(500), len(kind))).astype(int)
    score = rng.normal(size=len(kind)) + score_of_events * (kind == "flare")
    other = score + rng.normal(size=len(kind))
    nothing = np.full(len(kind), np.nan)
    scores = {
        "flare": {DETECTOR: score, "flare_scan": other},
        "dip": {DETECTOR: rng.normal(size=len(kind)), **dict.fromkeys(("dip_scan", "longest_gap"), score)},
    }
    for name in ("bayesian_blocks", "ks", "gregory_loredo", "halves_quarters"):
        scores["flare"][name] = scores["dip"][name] = other
    facts = {
        "kind": kind,
        "label": np.where(kind == "flare", "flat", "v_shaped"),
        "spectrum": np.full(len(kind), "same"),
        "telescope": np.array(TELESCOPES)[rng.integers(0, len(TELESCOPES), len(kind))],
        "counts": counts,
        "livetime_s": rng.uniform(1e3, 5e4, len(kind)),
        "gap": rng.random(len(kind)),
        "background": rng.random(len(kind)),
        "duration": np.where(kind == "steady", np.nan, 0.5 * rng.random(len(kind))),
        "strength": nothing,
        "sigma": rng.uniform(0, 10, len(kind)),
    }
    said = np.zeros((len(kind), 2))
    said[np.arange(len(kind)), rng.integers(0, 2, len(kind))] = 1.0
    return ScoredSources(
        facts=facts,
        scores=scores,
        false_alarm_probability=norm.sf(score),
        direction=np.where(kind == "dip", DIP, FLARE).astype(np.int8),
        classes=("flat", "v_shaped"),
        class_probabilities=said,
    )


def row_of(rows, **wanted):
    (row,) = [one for one in rows if all(one[key] == value for key, value in wanted.items())]
    return row


def test_at_most_the_allowed_steady_sources_lie_above_a_threshold() -> None:
    scored = made_up(3.0)
    counts, null = scored.facts["counts"], scored.of_kind("steady")
    number, of = metrics.exceeding(scored.scores["flare"][DETECTOR], counts, null)
    for low, high in zip(metrics.COUNTS[:-1], metrics.COUNTS[1:], strict=True):
        inside = null & (counts >= low) & (counts < high)
        for rate in metrics.RATES:
            assert (number[inside] <= np.floor(rate * inside.sum())).sum() == np.floor(rate * inside.sum())
        assert (of[inside] == inside.sum()).all()


def test_efficiency_of_a_known_score_is_what_it_must_be() -> None:
    from scipy.stats import norm

    rows = metrics.efficiencies(made_up(3.0))
    row = row_of(rows, direction="flare", rate=0.01, group="all", counts=[10, 501], method=DETECTOR)
    true = norm.sf(norm.isf(0.01) - 3.0)
    assert abs(row["efficiency"] - true) < 4 * (row["threshold_error"] + row["high"] - row["low"])
    assert row["low"] < row["efficiency"] < row["high"]
    scan = row_of(rows, direction="flare", rate=0.01, group="all", counts=[10, 501], method="flare_scan")
    assert scan["difference"] == pytest.approx(scan["efficiency"] - row["efficiency"])
    assert scan["difference"] < -5 * scan["difference_error"]


def test_where_no_steady_source_tells_nothing_is_found() -> None:
    scored = made_up(6.0)
    null = scored.of_kind("steady")
    counts = np.where(null, 15, scored.facts["counts"])
    blind = replace(scored, facts={**scored.facts, "counts": counts})
    rows = metrics.efficiencies(blind)
    row = row_of(rows, direction="flare", rate=0.01, group="all", counts=[200, 501], method=DETECTOR)
    assert (row["events"] > 100, row["found"], row["steady"]) == (True, 0, 0)
    curves = metrics.roc(blind)
    assert row_of(curves, direction="flare", method=DETECTOR)["efficiency"][-1] == 1.0


def test_ties_never_count_as_found() -> None:
    counts, null = np.full(300, 15), np.arange(300) < 200
    number, of = metrics.exceeding(np.zeros(300), counts, null)
    assert (number == 200).all()
    assert (of == 200).all()
    unscored = metrics.exceeding(np.where(null, 0.0, np.nan), counts, null)[0]
    assert (unscored[~null] == 200).all()


@given(st.integers(1, 500), st.data())
def test_wilson_holds_what_was_found(of: int, data: st.DataObject) -> None:
    found = data.draw(st.integers(0, of))
    low, high = metrics.wilson(found, of)
    assert 0 <= low <= found / of <= high <= 1
    # Its ends are those p at which what was found is one standard deviation off.
    for end in (low, high):
        if 0 < end < 1 and 0 < found < of:
            assert abs(found / of - end) == pytest.approx(np.sqrt(end * (1 - end) / of), rel=1e-6)


def test_paired_differences_have_the_scatter_that_is_said() -> None:
    rng = np.random.default_rng(4)
    changes, errors = [], []
    for _ in range(500):
        hard = rng.random(400)
        first, second = hard < 0.6, hard < np.where(rng.random(400) < 0.1, rng.random(400), 0.55)
        change, error = metrics.difference(first, second)
        changes.append(change)
        errors.append(error)
    assert np.std(changes) == pytest.approx(np.mean(errors), rel=0.15)


def test_stated_false_alarms_that_are_true_hold_and_false_ones_do_not() -> None:
    scored = made_up(3.0, n=20_000)
    rows = reliability.false_alarms(scored)
    whole = [row for row in rows if row["by"] == "all"]
    assert [row["nominal"] for row in whole] == list(reliability.NOMINAL)
    assert all(row["holds"] for row in whole)
    boasting = replace(scored, false_alarm_probability=scored.false_alarm_probability / 2)
    assert not any(row["holds"] for row in reliability.false_alarms(boasting) if row["by"] == "all" and row["tells"])


@given(st.integers(0, 200))
def test_poisson_intervals_are_garwood_s(number: int) -> None:
    from scipy.stats import poisson

    low, high = reliability.poisson_interval(number)
    assert low <= number <= high
    assert poisson.cdf(number, high) == pytest.approx(0.1587, abs=1e-6)
    if number:
        assert poisson.sf(number - 1, low) == pytest.approx(0.1587, abs=1e-6)


def test_classes_are_counted_where_transients_were_recovered() -> None:
    scored = made_up(6.0)
    right = np.zeros((len(scored), 2))
    right[:, 0], right[:, 1] = scored.facts["label"] == "flat", scored.facts["label"] == "v_shaped"
    tables = reliability.confusion(replace(scored, class_probabilities=right))
    assert [one["accuracy"] for one in tables] == [1.0, 1.0]
    assert sum(one["recovered"] for one in tables) > 3000
    guessed = reliability.confusion(scored)
    assert all(abs(one["accuracy"] - 0.5) < 4 * np.sqrt(0.25 / one["recovered"]) for one in guessed)
    nameless = reliability.confusion(replace(scored, classes=("a", "b")))
    assert all(one["accuracy"] is None for one in nameless)


def test_a_replayed_stream_keeps_its_false_fraction() -> None:
    scored = made_up(6.0, n=20_000)
    rows = replay(scored, 10_000, 10, np.random.default_rng(1))
    assert [row["method"] for row in rows] == ["lord", "saffron"]
    for row in rows:
        assert row["false_fraction"] <= row["level"] + 3 * row["error"]
        assert row["power"] > 0.5
        assert row["at"][-1] == 10_000
    lying = replace(scored, false_alarm_probability=scored.false_alarm_probability**2)
    assert all(row["false_fraction"] > 0.2 for row in replay(lying, 10_000, 5, np.random.default_rng(1)))


# --- the whole -------------------------------------------------------------------------------------------------------

TINY = EvaluationSizes(
    steady=150, flares=100, dips=100, population=150, reference=120, injections=1, stream=2000, replays=3
)


@pytest.fixture(scope="module")
def report() -> dict[str, object]:
    return evaluate(averaged_detector, "toy", load_configuration(None, {}), sizes=TINY, seed=SEED)


def test_a_report_holds_every_method_on_every_sample(report) -> None:
    for name, sample in report["samples"].items():
        methods = {row["method"] for row in sample["efficiencies"] if row["direction"] == "flare"}
        wanted = {DETECTOR, *baselines.FLARE_TESTS, "halves_quarters", "2D-PCA 1-NN", "3D-PCA kNN ratio"}
        assert wanted <= methods
        assert (ORACLE in methods) == (name == "grid")
    assert report["samples"]["grid"]["sources"] == {"dip": 100, "flare": 100, "steady": 150}
    assert [one["file"] for one in report["real"]["skipped"]] == list(QUIET)
    assert {row["wanted"] for row in goals(report)} >= {"≥ 0.03", "≤ 0.01", "≤ 0.10"}


def test_goals_are_told_as_measured(report) -> None:
    """The whole report with one number after the other changed: the goal follows it."""
    told = {row["goal"]: row for row in goals(report) if row["sample"] == "grid"}
    own = row_of(
        report["samples"]["grid"]["efficiencies"],
        direction="dip",
        rate=0.01,
        group="all",
        counts=[10, 501],
        method=DETECTOR,
    )
    dips = told["dips at 1 % false, 10–500 counts"]
    assert dips["measured"] == own["efficiency"]
    assert dips["reached"] is (own["efficiency"] >= 0.52)
    streams = [{**row, "false_fraction": 0.3} for row in report["stream"]]
    count = {"kind": "", "telescope": "", "trials": 1000, "low": 0.0, "high": 1.0}
    vetoes = [
        {**count, "group": "clean", "what": "flagged", "counted": 6, "part": 0.006},
        {**count, "group": "transient", "what": "kept", "counted": 990, "part": 0.99},
        {**count, "group": "artefact", "what": "rejected", "counted": 900, "part": 0.9},
    ]
    changed = {**report, "stream": streams, "vetoes": {"rows": vetoes}}
    told = {row["goal"]: row["reached"] for row in goals(changed)}
    assert told["false discoveries along a stream, lord"] is False
    assert told["clean: flagged (6 of 1,000)"] is False
    assert told["transient: kept (990 of 1,000)"] is True
    assert told["artefact: rejected (900 of 1,000)"] is False
    assert "| artefact, rejected | all | 900 | 1,000 |" in markdown(changed)


def test_a_report_is_written_read_and_shown(report, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = write_report(report, tmp_path / "out")
    assert read_report(written[0]) == json.loads(json.dumps(report))
    text = markdown(report)
    assert "limit of timing" in text
    assert "halves and quarters" in text
    pages = [path for path in written if path.suffix == ".png"]
    assert {page.stem for page in pages} >= {"efficiency_grid", "roc_classes", "false_alarms_grid", "stream"}
    assert all(page.read_bytes()[:4] == b"\x89PNG" for page in pages)
    print_report(report)
    assert "Poisson scan" in capsys.readouterr().out


def test_a_report_of_another_version_is_refused(report, tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps({**report, "schema_version": 99}))
    with pytest.raises(ArtefactError, match="99"):
        read_report(path)


def test_the_same_seed_gives_the_same_numbers() -> None:
    def again(seed: int) -> ScoredSources:
        return score_parts(
            [SamplePart("grid", "swift-xrt", "flare", 0, 60)], seed, averaged_detector, {}, TimingSettings()
        )

    first, second, other = again(5), again(5), again(6)
    for method, score in first.scores["flare"].items():
        assert np.array_equal(score, second.scores["flare"][method]), method
    assert not np.array_equal(first.facts["counts"], other.facts["counts"])


def test_the_document_is_the_released_run_or_says_that_there_is_none(root: Path) -> None:
    text = (root / "docs" / "evaluation.md").read_text()
    assert text.startswith(markdown(None).split("\nNo run")[0].rstrip())
    assert ("## This run" in text) != ("No run has been released yet." in text)


def test_the_stand_in_answers_in_its_direction() -> None:
    for kind, code in (("flare", FLARE), ("dip", DIP)):
        batch = part("chandra-acis-i", kind).batch
        verdicts = averaged_detector(batch, assess(batch))
        sure = verdicts.false_alarm_probability < 1e-4
        assert (verdicts.direction[sure] == code).mean() > 0.9
        assert np.isfinite(verdicts.score_flare).all()


def test_a_steady_template_of_nothing_but_background_still_gives_sources() -> None:
    """The share of the background is cut to what a catalogue would hold."""
    batch = part("swift-xrt", "steady").batch
    templates = Templates(batch, np.full(len(batch), 0.999))
    rng = np.random.default_rng(2)
    drawn, events = draw_grid(templates, "swift-xrt", "steady", 200, rng, seed=SEED, label="x")
    net = (1 - events.background) * drawn.counts
    assert net == pytest.approx(3.0 * np.sqrt(events.background * drawn.counts))


def test_real_files_are_judged_blind(data: Path) -> None:
    configuration = load_configuration(None, {})
    told = evaluate_files(data, 1, SEED, averaged_detector, configuration)
    assert told["skipped"] == []
    assert [one["file"] for one in told["files"]] == list(QUIET)
    assert all(one["tested"] > 5 for one in told["files"])
    assert len(told["injections"]) == len(QUIET)
    strong = [one for one in told["injections"] if one["photons"] >= 40]
    assert all(one["placed"] for one in strong)


def test_the_command_line_evaluates(xherald, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from xherald.evaluation import run as whole

    monkeypatch.setattr(whole, "QUICK", EvaluationSizes(50, 50, 50, 50, 0, 0, 500, 2))
    answer = xherald("evaluate", "--quick", "--json", "--seed", 3, "--out", tmp_path)
    assert answer.exit_code == 0, answer
    assert json.loads(answer.stdout)["seed"] == 3
    assert (tmp_path / "evaluation.json").is_file()
