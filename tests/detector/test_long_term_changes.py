"""New and vanished sources between exposures, which no test within an exposure finds."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_rows import NOW, RUN, claimed, detection

from xherald.catalog_store.ledger.drop_outcome import DropOutcome
from xherald.catalog_store.ledger.map_tiles import make_tiles
from xherald.catalog_store.ledger.records import DetectionRecord, MapTile, ObservationRecord
from xherald.catalog_store.ledger.store import Store, open_store
from xherald.detector.candidates.long_term_changes import LongTermSearch, find_long_term_changes
from xherald.photons import PointSpread
from xherald.photons.sky_map import SkyMap, healpix_index

RA, DEC, LIVE = 150.1, 2.2, 12_000.0
DAY = timedelta(days=1)
SPREAD = PointSpread("made up", (0.0,), (1.5,), ((7.5,),), ((25.0,),), 1.0)


def field() -> tuple[MapTile, ...]:
    """Map of a field of five arcmin without photons."""
    grid = np.linspace(-0.08, 0.08, 161)
    lon, lat = np.meshgrid(RA + grid / np.cos(np.radians(DEC)), DEC + grid)
    pixels = np.unique(healpix_index(lon.ravel(), lat.ravel(), 13))
    each = np.ones(len(pixels))
    photons = np.zeros(len(pixels), dtype=np.int32)
    return make_tiles(SkyMap(13, pixels, photons, 0.02 * each, LIVE * each, SPREAD, (RA, DEC)), 1.5)


def source(counts: int, name: str = "s1", offset_deg: float = 0.0) -> DetectionRecord:
    return detection(
        name, RA, DEC + offset_deg, counts=counts, livetime_s=LIVE, background_counts=1.0, pos_err_arcsec=1.0,
        kind="steady", details={"psf_fraction": 0.9},
    )  # fmt: skip


def observed(obs_id: str, days: float, *found: DetectionRecord) -> ObservationRecord:
    start = NOW + days * DAY
    return ObservationRecord(
        "XMM", "EPN", obs_id, start=start, stop=start + timedelta(hours=4), ra_deg=RA, dec_deg=DEC,
        detections=found, tiles=field(),
    )  # fmt: skip


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.sqlite'}"


def search(url: str, *observations: tuple[ObservationRecord, int], since: int = -1) -> LongTermSearch:
    """Changes that recent observations show; each is stored so many days after the present."""
    with open_store(url) as store:
        keep(store, *observations)
        return find_long_term_changes(store.source_histories(NOW + since * DAY))


def keep(store: Store, *observations: tuple[ObservationRecord, int]) -> None:
    for one, days in observations:
        (drop,) = claimed(store, f"{one.obs_id} {days}")
        store.commit_result(drop.id, RUN, [one], DropOutcome(), NOW + days * DAY)


def test_a_steady_source_that_was_absent_is_new(url: str) -> None:
    old = (observed("1", -300, source(50, "old", 0.03)), -300)
    found = search(url, old, (observed("2", -200), -200), (observed("3", 0, source(40), source(55, "old", 0.03)), 0))
    assert [(one.change, one.obs_id, one.detection_id) for one in found.changes] == [("new", "3", "s1")]
    assert found.changes[0].p_value < 1e-3
    assert found.changes[0].rate_ct_s == pytest.approx(39 / (0.9 * LIVE))
    assert found.tested == 2  # "old" was there before and still is


def test_a_source_that_is_missing_has_vanished(url: str) -> None:
    found = search(url, (observed("1", -300, source(120)), -300), (observed("2", 0), 0))
    assert [(one.change, one.obs_id, one.other_obs_id) for one in found.changes] == [("vanished", "1", "2")]


@pytest.mark.parametrize("counts", [25, 40, 70])
def test_ordinary_scatter_is_no_change(url: str, counts: int) -> None:
    found = search(url, (observed("1", -300, source(40)), -300), (observed("2", 0, source(counts)), 0))
    assert found == LongTermSearch((), 1)
    assert found.expected_false_alarms == pytest.approx(1e-3)


def test_what_only_old_observations_show_is_not_searched(url: str) -> None:
    found = search(url, (observed("1", -300, source(120)), -300), (observed("2", -200), -200))
    assert found == LongTermSearch((), 0)


def test_the_command_lists_changes(url: str, xherald: Any) -> None:
    with open_store(url) as store:
        keep(store, (observed("1", -300), -300), (observed("2", 0, source(60)), 0))
    since = (NOW - DAY).isoformat()
    answer = xherald("store", "changes", "--since", since, "--store", url)
    assert answer.exit_code == 0, answer.stderr
    assert "new" in answer.stdout
    assert "1 of 1 sources changed; 0.001 false alarms expected" in answer.stdout
    (row,) = [
        json.loads(line)
        for line in xherald("store", "changes", "--since", since, "--store", url, "--json").stdout.splitlines()
    ]
    assert (row["change"], row["obs_id"]) == ("new", "2")
