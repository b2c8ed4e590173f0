"""In whatever order the steps of several workers come, drops, candidates and alerts stand where they must; the sky."""

from __future__ import annotations

import hashlib
import tempfile
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from store_rows import NOW, RUN, alert, candidate, detection, observation

from xherald.catalog_store.ledger.drop_outcome import DropOutcome, PriorState
from xherald.catalog_store.ledger.healpix_cones import ORDER, compute_healpix, cone_ranges
from xherald.catalog_store.ledger.records import Sighting
from xherald.catalog_store.ledger.states import AlertType, DropState
from xherald.catalog_store.ledger.store import open_store
from xherald.catalog_store.ledger.supersession import version_key
from xherald.photons.errors import StoreError
from xherald.photons.projection import separation_deg

LEASE = timedelta(minutes=10)
MOST_ATTEMPTS = 3

workers = st.sampled_from(["w1", "w2"])
names = st.sampled_from("abcdef")
contents = st.sampled_from(["x", "y", "z", "u", "v"])
OBSERVATIONS = {"x": ("1", "1"), "y": ("1", "2"), "z": ("1", "10"), "u": ("2", "1"), "v": ("2", "1")}
"""What a file of a content holds: an observation, in a processing version."""

SINKS = ("file", "mail")


class LifeOfDrops(RuleBasedStateMachine):
    """The store beside a model of it: a drop's state, and what each sink was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = open_store(f"sqlite:///{self.folder.name}/store.sqlite")
        self.now = NOW
        self.state: dict[int, DropState] = {}
        self.content: dict[int, str] = {}
        self.holder: dict[int, tuple[str, object]] = {}
        self.attempts: dict[int, int] = {}
        self.finished = 0
        self.standing: dict[str, int] = {}
        self.sent: dict[str, list[tuple[str, AlertType]]] = {sink: [] for sink in SINKS}

    def teardown(self) -> None:
        self.nothing_is_wrong()
        self.store.close()
        self.folder.cleanup()

    def one_of(self, data: st.DataObject, *states: DropState) -> int | None:
        found = [drop for drop, state in self.state.items() if state in states]
        return data.draw(st.sampled_from(found)) if found else None

    @initialize()
    def first(self) -> None:
        self.see("a", 1)

    @rule(minutes=st.integers(1, 15))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(name=names, size=st.integers(1, 2))
    def see(self, name: str, size: int) -> None:
        (drop,) = self.store.record_sightings([Sighting("s", name, size)], self.now)
        if drop.id not in self.state:
            self.state[drop.id], self.attempts[drop.id] = DropState.SEEN, 0
        assert (drop.url, drop.size) == (name, size)

    @rule(data=st.data(), content=contents)
    def settle(self, data: st.DataObject, content: str) -> None:
        drop = self.one_of(data, DropState.SEEN)
        if drop is not None:
            self.take_as(drop, content)

    @rule(content=contents, size=st.integers(3, 4))
    def arrive(self, content: str, size: int) -> None:
        """A whole file at once, of which there are more than of those that dawdle."""
        self.see(content, size)
        (drop,) = self.store.record_sightings([Sighting("s", content, size)], self.now)
        if drop.state is DropState.SEEN:
            self.take_as(drop.id, content)

    def take_as(self, drop: int, content: str) -> None:
        known = content in self.content.values()
        self.store.mark_stable(drop, hashlib.sha256(content.encode()).hexdigest(), self.now)
        self.state[drop] = DropState.DUPLICATE if known else DropState.STABLE
        if not known:
            self.content[drop] = content

    @rule(worker=workers, limit=st.integers(1, 3))
    def claim(self, worker: str, limit: int) -> None:
        taken = self.store.claim(worker, limit, lease=LEASE, max_attempts=MOST_ATTEMPTS, now=self.now)
        free = [
            drop
            for drop in sorted(self.state)
            if self.state[drop] is DropState.STABLE
            or (self.state[drop] is DropState.CLAIMED and self.holder[drop][1] <= self.now)
        ]
        expected = []
        for drop in free:
            if len(expected) == limit:
                break
            if self.attempts[drop] >= MOST_ATTEMPTS:
                self.state[drop] = DropState.QUARANTINED
            else:
                expected.append(drop)
        assert [one.id for one in taken] == expected
        for drop in expected:
            self.state[drop] = DropState.CLAIMED
            self.holder[drop] = worker, self.now + LEASE
            self.attempts[drop] += 1

    @rule(data=st.data(), worker=workers)
    def postpone(self, data: st.DataObject, worker: str) -> None:
        drop = self.one_of(data, DropState.CLAIMED)
        if drop is not None:
            self.store.postpone(drop, worker, "try later", self.now, self.now)
            if self.holder[drop][0] == worker:
                self.state[drop] = DropState.STABLE

    @rule(data=st.data())
    def quarantine_or_release(self, data: st.DataObject) -> None:
        drop = data.draw(st.sampled_from(sorted(self.state)))
        before = self.state[drop]
        if data.draw(st.booleans()):
            waiting = before in (DropState.SEEN, DropState.STABLE, DropState.CLAIMED)
            if not waiting and before is not DropState.QUARANTINED:
                with pytest.raises(StoreError):
                    self.store.quarantine(drop, "broken", self.now)
                return
            self.store.quarantine(drop, "broken", self.now)
            self.state[drop] = DropState.QUARANTINED
        elif before in (DropState.PROCESSED, DropState.ALERTED, DropState.SUPERSEDED, DropState.DUPLICATE):
            with pytest.raises(StoreError):
                self.store.release(drop, self.now)
        else:
            self.store.release(drop, self.now)
            if before is DropState.CLAIMED:
                self.attempts[drop] -= 1
            if before is DropState.QUARANTINED:
                self.attempts[drop] = 0
            if before in (DropState.CLAIMED, DropState.QUARANTINED):
                self.state[drop] = DropState.STABLE if drop in self.content else DropState.SEEN

    @rule(data=st.data(), found=st.booleans())
    def finish(self, data: st.DataObject, found: bool) -> None:
        claimed = self.one_of(data, DropState.CLAIMED)
        drop = claimed if claimed is not None else data.draw(st.sampled_from(sorted(self.state)))
        self.finish_one(drop, found)

    @rule(data=st.data(), found=st.booleans())
    def finish_any(self, data: st.DataObject, found: bool) -> None:
        self.finish_one(data.draw(st.sampled_from(sorted(self.state))), found)

    def finish_one(self, drop: int, found: bool) -> None:
        before = self.state[drop]
        obs_id, version = OBSERVATIONS.get(self.content.get(drop, ""), ("", ""))

        def decide(prior: PriorState) -> DropOutcome:
            name = f"c{drop}"
            told = [candidate(name)] if found else []
            new = [alert(f"{name}-1", name, sink) for sink in SINKS] if found and not prior.is_outdated[0] else []
            taken_back = [
                alert(f"{one.id}-2", one.id, sink, AlertType.RETRACTION)
                for one in prior.replaced_candidates
                for sink in prior.notified_sinks[one.id]
            ]
            number = (prior.shared_state("count") or {"n": 0})["n"]
            return DropOutcome(told, [*new, *taken_back], {"count": {"n": number + 1}})

        def work() -> bool:
            return self.store.commit_result(drop, RUN, [observation(obs_id, version)], decide, self.now).is_new

        if before in (DropState.PROCESSED, DropState.ALERTED, DropState.SUPERSEDED):
            assert not work()
        elif before is not DropState.CLAIMED:
            with pytest.raises(StoreError, match="only a claimed"):
                work()
        else:
            assert work()
            self.finished += 1
            other = self.standing.get(obs_id)
            # Of equal versions the drop that was seen last stands.
            later = other is not None and (int(OBSERVATIONS[self.content[other]][1]), other) > (int(version), drop)
            self.state[drop] = DropState.SUPERSEDED if later else DropState.PROCESSED
            if not later:
                self.standing[obs_id] = drop
                if other is not None:
                    self.state[other] = DropState.SUPERSEDED

    @rule(data=st.data(), worker=workers, limit=st.integers(1, 4))
    def send(self, data: st.DataObject, worker: str, limit: int) -> None:
        for out in self.store.take_due_alerts(worker, limit, lease=LEASE, now=self.now):
            what = data.draw(st.sampled_from(["sent", "failed", "nothing"]))
            if what == "sent":
                self.sent[out.sink].append((out.candidate_id, out.alert_type))
                self.store.mark_sent(out.id, out.sink, {}, self.now)
            elif what == "failed":
                self.store.mark_failed(out.id, out.sink, "down", self.now + LEASE, self.now)

    @precondition(lambda self: self.state)
    @invariant()
    def drops_are_where_they_must_be(self) -> None:
        for drop in self.store.drops():
            expected = self.state[drop.id]
            allowed = {expected, DropState.ALERTED} if expected is DropState.PROCESSED else {expected}
            assert drop.state in allowed, drop
            assert drop.attempts == self.attempts[drop.id]

    @rule()
    def nothing_is_wrong(self) -> None:
        assert [one for one in self.store.check(self.now) if one.is_error] == []
        if self.finished:
            assert self.store.shared_state("count") == {"n": self.finished}
        entries = self.store.detections_near(83.8, -5.4, 0.1)
        assert sorted(entry.obs_id for entry in entries) == sorted(self.standing)

    @invariant()
    def sinks_are_told_each_thing_once_and_in_order(self) -> None:
        for told in self.sent.values():
            assert len(set(told)) == len(told)
            for name, kind in told:
                if kind is AlertType.RETRACTION:
                    assert told.index((name, AlertType.INITIAL)) < told.index((name, kind))


LifeOfDrops.TestCase.settings = settings(max_examples=20, stateful_step_count=40, deadline=None)
test_the_life_of_drops = LifeOfDrops.TestCase


# Versions, and the sky


@pytest.mark.parametrize(
    ("earlier", "later"),
    [("9.8", "10.2"), ("N001", "N002"), ("", "1"), ("1", "1.1"), ("20230101", "20230102"), ("r9", "r10"), ("a", "b")],
)
def test_processing_versions_compare_as_numbers(earlier: str, later: str) -> None:
    assert version_key(earlier) < version_key(later)
    assert not version_key(later) < version_key(later)


places = st.tuples(st.floats(0, 360), st.floats(-90, 90))
radii = st.floats(-4, np.log10(180)).map(lambda power: float(10**power))


@given(places, radii, st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_cone_ranges_contain_the_cone(centre: tuple[float, float], radius: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    at = SkyCoord(*centre, unit="deg")
    apart = radius * np.sqrt(random.random(200))
    around = at.directional_offset_by(random.uniform(0, 360, 200) * units.deg, apart * units.deg)
    ra, dec = around.ra.deg % 360, np.clip(around.dec.deg, -90, 90)
    inside = separation_deg(ra, dec, *centre) <= radius
    ranges = cone_ranges(*centre, radius)
    assert all(first <= last for first, last in ranges)
    assert all(before[1] < after[0] for before, after in pairwise(ranges))
    for index, is_inside in zip(compute_healpix(ra.tolist(), dec.tolist()), inside, strict=True):
        if is_inside:
            assert any(first <= index <= last for first, last in ranges)


@given(places, st.floats(-3, 1).map(lambda power: float(10**power)))
def test_cone_ranges_cover_little_more_than_the_cone(centre: tuple[float, float], radius: float) -> None:
    ranges = cone_ranges(*centre, radius)
    assert len(ranges) <= 40
    share = sum(last - first + 1 for first, last in ranges) / (12 * 4**ORDER)
    cap = (1 - np.cos(np.radians(radius))) / 2
    assert share < 6 * cap


def test_healpix_index_matches_the_publication() -> None:
    # Centres of the twelve base pixels, nested order (Górski et al. 2005, figure 3), then halfway inside pixel 0.
    lat = np.degrees(np.arcsin(2 / 3))
    base = (
        [(45 + 90 * i, lat) for i in range(4)]
        + [(90.0 * i, 0.0) for i in range(4)]
        + [(45 + 90 * i, -lat) for i in range(4)]
    )
    found = compute_healpix([place[0] for place in base], [place[1] for place in base])
    assert [index >> (2 * ORDER) for index in found if index is not None] == list(range(12))
    assert compute_healpix([None, 1.0], [2.0, None]) == [None, None]


def test_detections_are_found_anywhere_on_the_sky(tmp_path: Path) -> None:
    """A thousand sources over the sky, each found alone at its own place."""
    random = np.random.default_rng(3)
    ra, dec = random.uniform(0, 360, 1000), np.degrees(np.arcsin(random.uniform(-1, 1, 1000)))
    found = [detection(f"{i}", ra_deg=float(a), dec_deg=float(d)) for i, (a, d) in enumerate(zip(ra, dec, strict=True))]
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        store.mark_stable(store.record_sightings([Sighting("s", "a")], NOW)[0].id, "0" * 64, NOW)
        (drop,) = store.claim("w", now=NOW)
        store.commit_result(drop.id, RUN, [observation("1", detections=found)], now=NOW)
        for i in range(0, 1000, 25):
            assert [one.detection.detection_id for one in store.detections_near(ra[i], dec[i], 1e-4)] == [f"{i}"]
