"""What sinks do with candidates at muted places, on watch lists, and of vetted sources."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alert_servers import evidence_of_a_flare
from announced_candidates import HOST, announce, file_sink_settings, read_alerts, results_of, retract
from example_alerts import flare_alert
from pydantic import ValidationError
from store_rows import NOW

from xherald.catalog_store.ledger.states import AlertState, AlertType
from xherald.catalog_store.ledger.store import Store
from xherald.daemon.alerts.dispatch import Dispatcher
from xherald.daemon.alerts.payload import announcements, wants
from xherald.detector.configuration.alert_settings import SinkSettings
from xherald.plugins.sinks.alert_text import text

MUTE = {
    "mute_id": 1,
    "ra_deg": 83.83,
    "dec_deg": -5.42,
    "radius_arcsec": 10.0,
    "ends_utc": "2027-03-01T00:00:00Z",
    "author": "Ann",
    "created_utc": "2026-02-01T00:00:00Z",
    "comment": "flare star",
}
VERDICT = {
    "candidate_id": "XH-1",
    "verdict": "real",
    "source_class": "stellar_flare",
    "author": "Ann",
    "created_utc": "2026-02-01T10:00:00Z",
    "comment": "V1229 Ori",
    "separation_arcsec": 0.4,
}
REASON = "muted until 2027-03-01 by Ann: flare star"
HOUR = timedelta(hours=1)


def dispatch(store: Store, tmp_path: Path, now: datetime, **settings: Any) -> list[tuple[str, str]]:
    return results_of(Dispatcher(store, file_sink_settings(tmp_path, **settings), HOST, "d").send_due(now=now))


def test_muted_candidate_is_skipped_with_the_reason(store: Store, tmp_path: Path) -> None:
    announce(store, ["muted"], file_sink_settings(tmp_path), place={"mute": MUTE})
    announce(store, ["new"], file_sink_settings(tmp_path))
    assert dispatch(store, tmp_path, NOW) == [("sent", "new")]
    (skipped,) = store.alerts(candidate_id="muted")
    assert (skipped.state, skipped.error, skipped.attempts) == (AlertState.WITHDRAWN, REASON, 0)
    # It is a candidate as any other, and was not announced.
    found = {one.id: one.alert_type for one in store.candidates()}
    assert found == {"muted": None, "new": AlertType.INITIAL}
    assert [one.name for one in store.check(NOW) if one.is_error] == []
    # A retraction would go nowhere.
    retract(store, "muted", NOW)
    assert dispatch(store, tmp_path, NOW + HOUR) == []
    # It can be sent all the same.
    store.requeue(skipped.id, now=NOW)
    assert dispatch(store, tmp_path, NOW + HOUR) == [("sent", "muted")]
    *_, alert = read_alerts(tmp_path / "a.jsonl")
    assert alert.facts.mute_summary == REASON


def test_muted_candidates_are_sent_as_a_digest(store: Store, tmp_path: Path) -> None:
    settings = file_sink_settings(tmp_path, muted="digest")
    announce(store, ["a", "b", "gone"], settings, place={"mute": MUTE})
    announce(store, ["new"], settings)
    first = dispatch(store, tmp_path, NOW, muted="digest")
    assert sorted(first) == [("held", "a"), ("held", "b"), ("held", "gone"), ("sent", "new")]
    retract(store, "gone", NOW + HOUR)
    assert dispatch(store, tmp_path, NOW + 2 * HOUR, muted="digest") == []
    night = dispatch(store, tmp_path, NOW.replace(hour=0) + timedelta(days=1), muted="digest")
    assert sorted(night) == [("digested", "a"), ("digested", "b"), ("withheld", "gone"), ("withheld", "gone")]
    _, digest = read_alerts(tmp_path / "a.jsonl")
    assert (digest.alert_type, digest.headline) == ("digest", "2 candidates of muted places on 2026-03-01")
    assert [one.candidate_id for one in digest.members] == ["a", "b"]
    assert dispatch(store, tmp_path, NOW + timedelta(days=3), muted="digest") == []


def test_digest_of_muted_candidates_waits_for_a_sink_that_is_down(store: Store, tmp_path: Path) -> None:
    announce(store, ["a"], file_sink_settings(tmp_path, muted="digest"), place={"mute": MUTE})
    dispatch(store, tmp_path, NOW, muted="digest")
    (tmp_path / "a.jsonl").mkdir()
    tomorrow = NOW + timedelta(days=1)
    assert dispatch(store, tmp_path, tomorrow, muted="digest") == [("deferred", "a")]
    (tmp_path / "a.jsonl").rmdir()
    assert dispatch(store, tmp_path, tomorrow + HOUR, muted="digest") == [("digested", "a")]


def test_muted_candidate_is_sent_if_the_sink_wants_it(store: Store, tmp_path: Path) -> None:
    announce(store, ["a"], file_sink_settings(tmp_path, muted="send"), place={"mute": MUTE})
    assert dispatch(store, tmp_path, NOW, muted="send") == [("sent", "a")]
    (alert,) = read_alerts(tmp_path / "a.jsonl")
    assert f"mute                          {REASON}" in text(alert)


def test_updates_of_what_a_sink_has_are_sent(tmp_path: Path) -> None:
    settings = file_sink_settings(tmp_path)
    (update,) = announcements(evidence_of_a_flare("a", mute=MUTE), settings, "later drop", NOW, heard=["file"])
    assert (update.alert_type, update.withheld) == (AlertType.UPDATE, "")


def test_alert_states_earlier_verdicts() -> None:
    later = {**VERDICT, "verdict": "artefact", "source_class": None, "author": "Bob", "comment": ""}
    facts = flare_alert(verdicts=[later, VERDICT, VERDICT, VERDICT]).facts
    assert facts.last_verdict == "artefact"
    assert facts.verdict_summary == (
        "vetted before as artefact by Bob on 2026-02-01; stellar flare by Ann on 2026-02-01: V1229 Ori; 2 more"
    )
    alert = flare_alert(verdicts=[VERDICT], watch_lists=["stars"])
    assert alert.headline.endswith(", source vetted before as stellar flare")
    assert "verdicts                      vetted before as stellar flare by Ann on 2026-02-01: V1229 Ori" in text(alert)
    assert "watch lists                   stars" in text(alert)
    assert flare_alert().facts.verdict_summary == ""


@pytest.mark.parametrize(
    ("options", "evidence", "expected"),
    [
        ({"watch_list": "stars"}, {"watch_lists": ["magnetars", "stars"]}, True),
        ({"watch_list": "stars"}, {"watch_lists": ["magnetars"]}, False),
        ({"watch_list": "stars"}, {}, False),
        ({}, {"watch_lists": ["stars"]}, True),
        ({"watch_list": "stars", "far_hz_below": 1e-9}, {"watch_lists": ["stars"]}, False),
        ({"exclude_verdicts": ["stellar_flare"]}, {"verdicts": [VERDICT]}, False),
        ({"exclude_verdicts": ["real"]}, {"verdicts": [VERDICT]}, False),
        ({"exclude_verdicts": ["artefact"]}, {"verdicts": [VERDICT]}, True),
        # The last one counts.
        ({"exclude_verdicts": ["artefact"]}, {"verdicts": [VERDICT, {**VERDICT, "verdict": "artefact"}]}, True),
        ({"exclude_verdicts": ["artefact"]}, {}, True),
    ],
)
def test_sinks_select_by_watch_list_and_verdict(
    options: dict[str, Any], evidence: dict[str, Any], expected: bool
) -> None:
    sink = SinkSettings.model_validate({"kind": "jsonl", **options})
    assert wants(sink, evidence_of_a_flare(**evidence), "current") is expected


def test_unknown_treatment_of_muted_candidates_is_refused() -> None:
    with pytest.raises(ValidationError, match="muted"):
        SinkSettings.model_validate({"kind": "jsonl", "muted": "never"})


def test_a_digest_may_have_waited_for_days(store: Store, tmp_path: Path) -> None:
    """A process that was down at the end of the day sends the digest later, once."""
    announce(
        store,
        ["a"],
        file_sink_settings(tmp_path, muted="digest"),
        now=datetime(2026, 3, 1, 23, tzinfo=UTC),
        place={"mute": MUTE},
    )
    later = datetime(2026, 3, 5, 9, tzinfo=UTC)
    assert dispatch(store, tmp_path, later, muted="digest") == [("digested", "a")]
