"""Scorers: resemblance says which of two crowds a source is nearer to, significance repeats what the tests found."""

from __future__ import annotations

import numpy as np
import pytest

from xherald.detector.calibration.calibration import cached_calibration
from xherald.detector.calibration.simulated_samples import simulate_sources
from xherald.detector.configuration.configuration import load_configuration
from xherald.detector.scoring.detect import score_batch
from xherald.detector.scoring.score_columns import make_detection_batch, score_columns
from xherald.photons import EventBatch, EventList, Exposure, Identity
from xherald.photons.errors import PluginError
from xherald.photons.statistics import DIP, FLARE, TESTS, assess
from xherald.plugins import Options, Scorer
from xherald.plugins.known_transients import find_nearest_members, get_member_kinds


@pytest.fixture(scope="module")
def configuration():
    return load_configuration(None, {})


@pytest.fixture(scope="module")
def chandra(configuration):
    """The shipped reference of Chandra, new sources, and what the scorers say of them."""
    calibration = cached_calibration()
    reference = calibration.load_reference(calibration.groups["chandra-acis-i"], configuration.host)
    sources = simulate_sources("chandra-acis-i", 600, 3000, 0.5)
    detection_batch = make_detection_batch(sources.batch, assess(sources.batch), reference, configuration.host)
    return reference, sources, score_columns(detection_batch, configuration.host)


def test_transients_resemble_transients(chandra):
    _, sources, columns = chandra
    steady = sources.steady
    for name, code in (("flare", FLARE), ("dip", DIP)):
        own = columns[f"similarity_{name}_variability"]
        sure = sources.bona_fide & (sources.direction == code)
        assert sure.any()
        assert np.median(own[sure]) > np.quantile(own[steady], 0.95)


def test_votes_are_shares_and_name_the_class(chandra):
    reference, sources, columns = chandra
    votes = {name.removeprefix("votes_"): values for name, values in columns.items() if name.startswith("votes_")}
    assert np.column_stack(list(votes.values())).sum(axis=1) == pytest.approx(np.ones(len(sources)))
    assert set(votes) == set(get_member_kinds(reference).kinds[get_member_kinds(reference).rows["transient"]].tolist())
    dips = sources.bona_fide & (sources.direction == DIP)
    named = sum(votes[one] for one in ("eclipse", "dip", "transit") if one in votes)
    assert np.mean(named[dips]) > np.mean(named[sources.steady])


def test_a_member_is_its_own_nearest_neighbour(chandra):
    reference, _, _ = chandra
    known = get_member_kinds(reference)
    assert sorted(np.concatenate([known.rows[name] for name in ("flare", "dip", "ordinary")])) == list(
        range(len(reference))
    )
    for group in ("flare", "dip", "ordinary"):
        rows = known.rows[group][:20]
        found, away = find_nearest_members(
            reference, "variability", group, reference.case("variability").features[rows], 3
        )
        assert found.shape == (len(rows), 3)
        assert np.all(away[:, 0] < 1e-3)
        assert np.all(np.diff(away, axis=1) >= 0)


def test_significance_tells_what_the_tests_found(configuration):
    # 20 steady photons, and a burst of 30 from 4,000 to 4,300 s that begins hard and ends soft.
    early, late = np.linspace(4000, 4090, 20), np.linspace(4210, 4299, 10)
    steady = np.linspace(100, 9900, 20)
    time = np.concatenate([steady, early, late])
    energy = np.concatenate([np.full(20, 1.0), np.full(20, 5.0), np.full(10, 1.0)]).astype(np.float32)
    order = np.argsort(time)
    made = EventList(
        time[order], energy[order], Exposure(np.array([[0.0, 10_000.0]])), Identity("M", "I", "1", "1"), 0.0, (0.5, 7.0)
    )
    batch = EventBatch.from_lists([made, made])
    timing = assess(batch)
    columns = score_columns(make_detection_batch(batch, timing, None, configuration.host), configuration.host)
    for test in timing.tests:
        assert columns[f"evidence_{test.name}"] == pytest.approx(-np.log10(test.p))
    assert columns["share_early"][0] > 0.5
    assert columns["hardness_early"][0] == pytest.approx(1.0)
    assert columns["hardness_late"][0] == pytest.approx(-1.0)
    assert columns["hardness_all"][0] == pytest.approx(2 * 20 / 50 - 1)
    assert 0 <= columns["peak_place"][0] <= 1
    assert columns["interval_counts"][0] == pytest.approx(0.6, abs=0.05)
    assert {name: values[0] for name, values in columns.items()} == pytest.approx(
        {name: values[1] for name, values in columns.items()}, nan_ok=True
    )
    assert not any(name.startswith(("similarity_", "votes_")) for name in columns)


def test_the_score_uses_no_spectrum(configuration):
    inputs = {
        direction: {
            name: sign
            for scorer in configuration.host.scorers.values()
            for name, sign in scorer.inputs(direction, scorer.options_model()).items()
        }
        for direction in ("flare", "dip")
    }
    for direction, looks in (("flare", FLARE), ("dip", DIP)):
        assert set(cached_calibration().trees[direction].inputs) == {"log10_counts", *inputs[direction]}
        assert {name for name in inputs[direction] if name.startswith("similarity")} == {
            f"similarity_{direction}_variability"
        }
        other = [f"evidence_{name}" for name, target_kind in TESTS if target_kind not in (looks, 0)]
        assert {name for name, sign in inputs[direction].items() if sign == 0} == set(other)


class Wrong(Scorer):
    """A scorer that breaks the contract as it is told to."""

    name = "wrong"

    def __init__(self, column: str, length: int) -> None:
        self.column, self.length = column, length

    def score(self, detection_batch, options: Options):
        return {self.column: np.zeros(self.length)}


@pytest.mark.parametrize(
    ("column", "length", "told"), [("evidence_ks", 1, "already given by another scorer"), ("own", 2, "one number")]
)
def test_a_scorer_that_breaks_the_contract_is_named_and_left_out(column, length, told):
    configuration = load_configuration(None, {})
    host = configuration.host
    batch = simulate_sources("chandra-acis-i", 1, 3001, 0.0).batch
    timing = assess(batch)
    before = score_batch(batch, timing, configuration)
    host._plugins["scorers"]["wrong"] = (Wrong(column, length), "test")
    after = score_batch(batch, timing, configuration)
    assert told in host.failures[-1].reason
    assert host.failures[-1].name == "wrong"
    assert after.false_alarm_probability == pytest.approx(before.false_alarm_probability)


def test_without_the_tests_nothing_is_judged():
    configuration = load_configuration(None, {"XHERALD_PLUGINS__DISABLED": "[scorers]"})
    batch = simulate_sources("chandra-acis-i", 1, 3001, 0.0).batch
    with pytest.raises(PluginError, match="evidence_flare_averaged"):
        score_batch(batch, assess(batch), configuration)
