"""The types everybody speaks: event lists, batches, time references, projections, point spread."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xherald.photons import (
    Background,
    EventBatch,
    EventList,
    Exposure,
    Identity,
    PointSpread,
    TimeReference,
)
from xherald.photons.errors import PhotonError

NAME = Identity("CHANDRA", "ACIS", "1", "1_1")


def event_list(time=(1.0, 2.0, 2.0), energy=(1.0, 2.0, 3.0), gti=((0.0, 10.0),), **more):
    arguments = {"identity": NAME, "frame_time": 3.2, "band": (0.5, 7.0)} | more
    return EventList(np.array(time), np.array(energy, dtype=np.float32), Exposure(np.array(gti)), **arguments)


@st.composite
def event_lists(draw):
    starts = np.cumsum(draw(st.lists(st.floats(1.0, 50.0), min_size=2, max_size=8)))
    gti = starts[: len(starts) // 2 * 2].reshape(-1, 2)
    exposure = Exposure(gti, np.array(draw(st.lists(st.floats(0.1, 1.0), min_size=len(gti), max_size=len(gti)))))
    n = draw(st.integers(0, 30))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    time = np.sort(exposure.time_at(random.uniform(0, exposure.livetime, n)))
    around = np.sort(exposure.time_at(random.uniform(0, exposure.livetime, draw(st.integers(0, 10)))))
    background = draw(st.sampled_from([None, Background(around, np.full(len(around), 1.0, np.float32), 0.25)]))
    return EventList(
        time,
        random.uniform(0.5, 7, n).astype(np.float32),
        exposure,
        Identity("M", "I", "1", str(draw(st.integers(0, 9)))),
        draw(st.sampled_from([0.0, 3.2])),
        (0.5, 7.0),
        live_fraction=0.98,
        background=background,
        good_times_known=draw(st.booleans()),
    )


def same(a: EventList, b: EventList) -> bool:
    pairs = [
        (a.time, b.time),
        (a.energy, b.energy),
        (a.exposure.gti, b.exposure.gti),
        (a.exposure.fraction, b.exposure.fraction),
    ]
    if (a.background is None) != (b.background is None):
        return False
    if a.background is not None and b.background is not None:
        pairs += [(a.background.time, b.background.time), (a.background.energy, b.background.energy)]
        if a.background.area_ratio != b.background.area_ratio:
            return False
    facts = ("identity", "frame_time", "band", "live_fraction", "hardness_split", "good_times_known")
    return all(np.array_equal(x, y) for x, y in pairs) and all(getattr(a, f) == getattr(b, f) for f in facts)


@given(st.lists(event_lists(), max_size=6), st.data())
@settings(max_examples=50)
def test_batch_has_the_sources_of_its_lists(lists, data):
    batch = EventBatch.from_lists(lists)
    assert len(batch) == len(lists)
    assert all(same(a, b) for a, b in zip(batch, lists, strict=True))
    assert batch.counts.tolist() == [len(one) for one in lists]
    assert np.allclose(batch.livetime, [one.livetime for one in lists])
    chosen = data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=8)) if lists else []
    assert all(same(a, lists[i]) for a, i in zip(batch.select(chosen), chosen, strict=True))
    cut = data.draw(st.integers(0, len(lists)))
    joined = EventBatch.concatenate([EventBatch.from_lists(lists[:cut]), EventBatch.from_lists(lists[cut:])])
    assert all(same(a, b) for a, b in zip(joined, lists, strict=True))


def test_arrays_are_read_only():
    one = event_list()
    with pytest.raises(ValueError, match="read-only"):
        one.time[0] = 5.0
    with pytest.raises(ValueError, match="read-only"):
        EventBatch.from_lists([one]).energy[0] = 5.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"time": (2.0, 1.0, 3.0)}, "not sorted"),
        ({"time": (1.0, 2.0, np.nan)}, "times are not finite"),
        ({"energy": (1.0, 2.0, np.inf)}, "energies are not finite"),
        ({"energy": (1000.0, 2000.0, 3000.0), "band": (0.5, 7000.0)}, "looks like eV"),
        ({"energy": (1.0, 2.0, 9.0)}, "outside the band"),
        ({"time": (1.0, 2.0, 11.0)}, "outside the good-time intervals"),
        ({"time": (1.0, 2.0)}, "times but"),
        ({"frame_time": -1.0}, "frame time"),
        ({"band": (7.0, 0.5)}, "invalid band"),
        ({"live_fraction": 1.5}, "live fraction"),
        ({"hardness_split": 9.0}, "hardness split"),
    ],
)
def test_invalid_photons_are_refused_by_name(change, reason):
    with pytest.raises(PhotonError, match=reason) as caught:
        event_list(**change)
    assert "1/1_1" in str(caught.value)


@pytest.mark.parametrize(
    ("mjd", "seconds", "utc"),
    [
        # TSTART of real files of three missions; Swift's header gives this date, Chandra's 69.184 s later, in TT.
        ((50814.0, 0.0), 819629554.26624, "2023-12-22T10:51:25"),
        ((50814.0, 0.0), 200506085.074207, "2004-05-09T16:07:00"),
        ((51910.0, 7.4287037e-4), 578396473.1871234, "2019-05-01T09:41:08"),
        # Chandra's reference itself: 1998-01-01T00:00:00 TT is 63.184 s before that date in UTC.
        ((50814.0, 0.0), 0.0, "1997-12-31T23:58:56"),
    ],
)
def test_mission_time_converts_to_utc(mjd, seconds, utc):
    assert TimeReference(*mjd).utc(seconds).startswith(utc)


def test_invalid_time_reference_is_refused():
    with pytest.raises(PhotonError, match="invalid time reference"):
        TimeReference(float("nan"))
    with pytest.raises(PhotonError, match="scale"):
        TimeReference(50814.0, 0.0, "local")


@given(st.floats(0.5, 20), st.floats(1.9, 15), st.floats(0.05, 0.98))
def test_point_spread_reproduces_its_table(r50, ratio, fraction):
    spread = PointSpread("made up", (0.0,), (1.5,), ((r50,),), ((r50 * ratio,),), 0.5)
    assert spread.radius(0.5, 0.0) == pytest.approx(r50, rel=1e-6)
    assert spread.radius(0.9, 0.0) == pytest.approx(r50 * ratio, rel=1e-3)
    assert spread.radius(fraction + 0.01, 0.0) > spread.radius(fraction, 0.0)
