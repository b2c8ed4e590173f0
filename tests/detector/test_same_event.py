"""Which detections are of one event: positions within errors and overlapping intervals, or the same photons."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xherald.detector.candidates.same_event import group_events, is_same_event

START = datetime(2026, 3, 1, tzinfo=UTC)


def make_detection(
    ra: float | None = 10.0, error: float = 1.0, start: float = 0.0, length: float = 100.0, **values: Any
) -> dict[str, Any]:
    begin, end = (START + timedelta(seconds=each) for each in (start, start + length))
    return {
        "direction": "brighter", "mission": "XMM", "instrument": "EMOS1", "obs_id": "1", "ra_deg": ra,
        "dec_deg": None if ra is None else 0.0, "pos_err_arcsec": error, "interval_start_s": 1e8 + start,
        "interval_stop_s": 1e8 + start + length, "interval_start_utc": begin.isoformat(),
        "interval_stop_utc": end.isoformat(), **values,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (make_detection(10.0 + 3 / 3600, instrument="EPN"), True),
        (make_detection(10.0 + 6 / 3600), False),
        (make_detection(10.0 + 6 / 3600, error=5.0), True),
        (make_detection(start=90.0), True),
        (make_detection(start=104.0), True),
        (make_detection(start=130.0), False),
        (make_detection(start=1050.0, length=2000.0), False),
        (make_detection(start=250.0, length=2000.0), True),
        (make_detection(obs_id="2", mission="EROSITA"), True),
        (make_detection(direction="fainter"), False),
        (make_detection(None), False),
    ],
)
def test_place_and_time_make_one_event(other: dict[str, Any], expected: bool) -> None:
    assert is_same_event(make_detection(), other) is expected
    assert is_same_event(other, make_detection()) is expected


def test_without_dates_mission_time_of_the_same_observation_counts() -> None:
    undated = {"interval_start_utc": None, "interval_stop_utc": None}
    assert is_same_event(make_detection(), make_detection(**undated))
    assert not is_same_event(make_detection(), make_detection(obs_id="2", **undated))


@given(st.integers(0, 2**31), st.floats(0.0, 0.12))
def test_same_photons_make_one_event_without_a_position(seed: int, lost: float) -> None:
    random = np.random.default_rng(seed)
    time = np.sort(random.uniform(0, 100, 50))
    kept = time[random.random(50) >= lost]
    listed = make_detection(None, mission="", photon_times_s=kept.tolist())
    assert is_same_event(make_detection(photon_times_s=time.tolist()), listed)
    others = np.sort(random.uniform(0, 100, 50)).tolist()
    assert not is_same_event(make_detection(photon_times_s=time.tolist()), make_detection(None, photon_times_s=others))
    assert not is_same_event(
        make_detection(photon_times_s=time.tolist()), make_detection(None, obs_id="2", photon_times_s=time.tolist())
    )


def test_detections_are_grouped_by_event() -> None:
    many = [make_detection(), make_detection(20.0), make_detection(instrument="EPN"), make_detection(start=1e4)]
    assert group_events(many) == [[0, 2], [1], [3]]
