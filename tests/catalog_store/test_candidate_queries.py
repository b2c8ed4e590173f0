"""Queries for candidates and detections, on both databases, and the values they reject."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from store_rows import (
    NOW,
    RUN,
    candidate,
    claimed,
    detection,
    observation,
    one_candidate,
    store_errors,
)

from xherald.catalog_store.ledger.drop_outcome import DropOutcome
from xherald.catalog_store.ledger.records import DetectionRecord
from xherald.catalog_store.ledger.store import Store
from xherald.photons.errors import StoreError


def test_candidates_match_all_conditions(store: Store) -> None:
    random = np.random.default_rng(8)
    n = 300
    # Around the pole and across right ascension 0, where boxes in right ascension and declination fail.
    ra = np.concatenate([random.uniform(0, 360, n // 2), random.normal(0, 0.3, n // 2) % 360])
    dec = np.concatenate([random.uniform(88.5, 90, n // 2), random.normal(10, 0.3, n // 2)])
    far = 10 ** random.uniform(-10, -4, n)
    age = random.uniform(0, 96, n)
    names = random.choice(["stellar flare", "GRB", ""], n)
    drops = claimed(store, *(f"{i}" for i in range(n)), now=NOW - timedelta(days=9))
    for i, drop in enumerate(drops):
        one = candidate(f"c{i}", far_hz=far[i] if i % 9 else None, likely_class=str(names[i]))
        found = [detection(ra_deg=float(ra[i]), dec_deg=float(dec[i]))]
        when = NOW - timedelta(hours=float(age[i]))
        store.commit_result(drop.id, RUN, [observation(f"{i}", detections=found)], DropOutcome([one]), when)
    places = SkyCoord(ra, dec, unit="deg")
    known = np.arange(n) % 9 > 0
    for near in ((0.1, 10.1, 0.4), (359.9, 9.9, 0.02), (120.0, 89.9, 0.5), (10.0, 10.0, 90.0)):
        apart = places.separation(SkyCoord(near[0], near[1], unit="deg")).deg
        fits = (apart <= near[2]) & (age <= 48) & known & (far < 1e-6)
        asked = {"near": near, "since": NOW - timedelta(hours=48), "far_below": 1e-6}
        found = store.candidates(**asked)  # type: ignore[arg-type]
        assert {one.id for one in found} == {f"c{i}" for i in np.flatnonzero(fits)}
        assert [one.created for one in found] == sorted((one.created for one in found), reverse=True)
        assert store.candidates(**asked, limit=3) == found[:3]  # type: ignore[arg-type]
        of_class = store.candidates(near=near, likely_class="GRB", kind="flare")
        assert {one.id for one in of_class} == {f"c{i}" for i in np.flatnonzero((apart <= near[2]) & (names == "GRB"))}
    assert store.candidates(kind="dip") == []
    assert len(store.candidates(limit=7)) == 7
    at = store.detections_near(0.0, 10.0, 0.3)
    separation = places.separation(SkyCoord(0, 10, unit="deg"))
    assert len(at) == (separation.deg <= 0.3).sum()
    measured = {one.candidate_id: one.separation_arcsec for one in at}
    expected = separation.to_value(units.arcsec)
    assert measured == {f"c{i}": pytest.approx(expected[i], abs=1e-6) for i in np.flatnonzero(separation.deg <= 0.3)}


def test_detections_near_are_current_and_in_order_of_time(store: Store) -> None:
    for name, version in (("a", "1"), ("b", "1"), ("a", "2")):
        (drop,) = claimed(store, f"{name}{version}")
        store.commit_result(drop.id, RUN, [observation(name, version, [detection(counts=int(version))])], now=NOW)
    entries = store.detections_near(83.8, -5.4, 1e-3)
    assert [(one.obs_id, one.detection.counts) for one in entries] == [("b", 1), ("a", 2)]
    assert store.detections_near(83.9, -5.4, 1e-3) == []


@pytest.mark.parametrize("near", [(0, 91, 1), (-1, 0, 1), (0, 0, 0), (float("nan"), 0, 1)])
def test_invalid_cone_is_rejected(store: Store, near: tuple[float, float, float]) -> None:
    with pytest.raises(StoreError, match="not on the sky"):
        store.detections_near(*near)


@pytest.mark.parametrize(
    "facts",
    [{"score": float("nan")}, {"ra_deg": None}, {"dec_deg": 91.0}, {"far_hz": float("inf")}, {"livetime_s": np.nan}],
)
def test_invalid_detection_is_rejected(facts: dict[str, float]) -> None:
    with pytest.raises(StoreError, match="DetectionRecord"):
        detection(**{"ra_deg": 1.0, "dec_deg": 2.0, **facts})  # type: ignore[arg-type]


def test_time_without_zone_is_rejected(store: Store) -> None:
    with pytest.raises(StoreError, match="time zone"):
        store.claim("w", now=NOW.replace(tzinfo=None))


def test_detections_without_position_are_stored_but_never_near(store: Store) -> None:
    (drop,) = claimed(store, "table")
    nowhere = [DetectionRecord("s", None, None, 5, 10.0)]
    store.commit_result(drop.id, RUN, [observation("1", detections=nowhere)], one_candidate("c"), NOW)
    assert store.candidates(near=(0, 0, 180)) == []
    assert store.candidate("c").candidate.ra_deg is None
    assert store_errors(store) == []
