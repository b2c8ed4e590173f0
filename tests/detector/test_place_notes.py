"""What people decided about a position, as fields of evidence and as text."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from xherald.catalog_store.ledger.place_records import (
    MarkedPlace,
    NearbyVetting,
    PlaceNotes,
    StoredPlace,
    Vetting,
)
from xherald.catalog_store.ledger.states import PlacePurpose, VettingDecision
from xherald.detector.candidates.place_notes import (
    find_place_fields,
    format_mute,
    format_verdicts,
    make_no_place_fields,
    mute_to_json,
)
from xherald.detector.results.context_fields import make_interest_fields

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def vetting(name: str, separation_arcsec: float, error_arcsec: float | None, **more: object) -> NearbyVetting:
    one = Vetting(name, "Ann", NOW, VettingDecision.REAL, source_class="stellar_flare", **more)  # type: ignore[arg-type]
    return NearbyVetting(one, separation_arcsec, error_arcsec)


def test_verdicts_are_those_whose_positions_agree() -> None:
    asked: list[tuple[float, float, float]] = []

    def query(cone: tuple[float, float, float]) -> PlaceNotes:
        asked.append(cone)
        return PlaceNotes((vetting("near", 6.0, 2.0), vetting("far", 7.0, 2.0), vetting("sharp", 1.9, None)))

    found = find_place_fields(query, 370.0, -5.0, 1.0)
    # Three times the errors of both, 6.7 arcsec, or 2 arcsec at least.
    assert [one["candidate_id"] for one in found["verdicts"]] == ["near", "sharp"]
    ((ra, dec, radius),) = asked
    assert (ra, dec) == (10.0, -5.0)
    assert 3600 * radius > 3 * 30
    assert find_place_fields(query, None, None, None) == make_no_place_fields()
    assert len(asked) == 1


def test_latest_mute_and_names_of_lists() -> None:
    places = [
        StoredPlace(
            number, MarkedPlace(purpose, 10.0, 20.0, 5.0, "Ann", list_name=name, ends=NOW.replace(year=2027)), NOW
        )
        for number, (purpose, name) in enumerate(
            [(PlacePurpose.MUTE, ""), (PlacePurpose.MUTE, ""), (PlacePurpose.WATCH, "b"), (PlacePurpose.WATCH, "a")]
        )
    ]
    found = find_place_fields(lambda _: PlaceNotes((), tuple(places[:2]), tuple(places[2:])), 10.0, 20.0, 1.0)
    assert found["mute"] == mute_to_json(places[0])
    assert found["watch_lists"] == ["a", "b"]
    assert format_mute(found["mute"]) == "muted until 2027-03-01 by Ann"
    assert (format_mute(None), format_verdicts([])) == ("", "")


@pytest.mark.parametrize(
    ("verdict", "source_class", "expected"),
    [
        ("artefact", None, -1),
        ("known", None, -1),
        ("real", "stellar_flare", -1),  # another flare of a known star
        ("real", "fast_transient", 1),  # a second one at the same place
        ("real", None, 1),
        ("unsure", None, 0),
    ],
)
def test_interest_follows_the_last_verdict(verdict: str, source_class: str | None, expected: int) -> None:
    one = {"candidate_id": "x", "verdict": verdict, "source_class": source_class}
    unsure = {**one, "verdict": "unsure", "source_class": None}
    evidence = {"false_alarm_probability": 1e-4, "kind": "flare"}
    rated = make_interest_fields({**evidence, "verdicts": [one]}, 1e-3)["interest"]
    neutral = make_interest_fields({**evidence, "verdicts": [unsure]}, 1e-3)["interest"]
    assert (rated > neutral) - (rated < neutral) == expected
