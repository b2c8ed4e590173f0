"""Queries of the nightly job, on both databases."""

from __future__ import annotations

from datetime import timedelta

from store_rows import NOW, RUN, candidate, claimed, detection, observation

from xherald.catalog_store.ledger.drop_outcome import DropOutcome
from xherald.catalog_store.ledger.nightly_queries import CalibrationKey
from xherald.catalog_store.ledger.states import VettingDecision
from xherald.catalog_store.ledger.store import Store

HOUR = timedelta(hours=1)
BY = CalibrationKey("CHANDRA", "ACIS-I", RUN.calibration)


def kept(store: Store, name: str, version: str = "1", hours: float = 0.0, verdict: DropOutcome = DropOutcome()) -> int:  # noqa: B008
    """Finish a drop of two detections, one of which was tested; answers its number."""
    now = NOW + hours * HOUR
    (drop,) = claimed(store, f"{name}-{version}", now=now)
    rows = [detection("s1", false_alarm_probability=0.25), detection("s2", false_alarm_probability=None)]
    store.commit_result(drop.id, RUN, [observation(name, version, rows)], verdict, now=now)
    return drop.id


def test_false_alarm_probabilities_of_a_window_and_current_observations(store: Store) -> None:
    for number in range(3):
        kept(store, f"obs{number}", hours=number)
    found = store.false_alarm_probabilities(NOW, NOW + 3 * HOUR)
    assert {by: p.tolist() for by, p in found.items()} == {BY: [0.25] * 3}
    assert len(store.false_alarm_probabilities(NOW + HOUR, NOW + 2 * HOUR)[BY]) == 1
    assert store.false_alarm_probabilities(NOW + 9 * HOUR, NOW + 10 * HOUR) == {}
    # A later processing replaces the earlier one, in the window of its own time.
    kept(store, "obs0", "2", hours=9)
    assert len(store.false_alarm_probabilities(NOW, NOW + 3 * HOUR)[BY]) == 2
    assert len(store.false_alarm_probabilities(NOW + 9 * HOUR, NOW + 10 * HOUR)[BY]) == 1


def test_processed_files_are_current_latest_first(store: Store) -> None:
    first, second = kept(store, "obs1"), kept(store, "obs2")
    files = store.processed_files(5)
    assert [(one.drop_id, one.url, one.size, one.mtime) for one in files] == [
        (second, "/drop/obs2-1", 100, 1.5),
        (first, "/drop/obs1-1", 100, 1.5),
    ]
    assert {(one.source, one.mission, one.instrument, one.detection_count) for one in files} == {
        ("local", "CHANDRA", "ACIS-I", 2)
    }
    assert len(store.processed_files(1)) == 1
    replaced = kept(store, "obs1", "2")
    assert [one.drop_id for one in store.processed_files(5)] == [replaced, second]


def test_last_verdict_on_a_candidate_counts(store: Store) -> None:
    for name in ("A", "B", "C", "D"):
        kept(store, f"obs{name}", verdict=DropOutcome([candidate(name)]))
    store.record_vetting("A", "x", VettingDecision.REAL)
    store.record_vetting("B", "x", VettingDecision.REAL)
    store.record_vetting("B", "y", VettingDecision.REJECTED)
    store.record_vetting("C", "x", VettingDecision.REAL)
    store.record_vetting("C", "y", VettingDecision.UNSURE)
    found = {one.candidate_id: one for one in store.vetted_candidates(9)}
    assert {name: one.verdict for name, one in found.items()} == {
        "A": VettingDecision.REAL,
        "B": VettingDecision.REJECTED,
    }
    one = found["A"]
    assert (one.obs_id, one.detection_id, one.file.url) == ("obsA", "s1", "/drop/obsA-1")
    assert [one.candidate_id for one in store.vetted_candidates(1)] == ["B"]


def test_shared_state_is_updated_in_one_transaction(store: Store) -> None:
    def count(state: object) -> dict[str, int]:
        before = state if isinstance(state, dict) else {"n": 0}
        return {"n": before["n"] + 1}

    assert store.update_shared_state("x", count) == {"n": 1}
    assert store.update_shared_state("x", count) == {"n": 2}
    assert store.update_shared_state("x", lambda _: None) is None
    assert store.shared_state("x") == {"n": 2}
