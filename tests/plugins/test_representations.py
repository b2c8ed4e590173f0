"""Representations are numpy's histograms bin for bin where those are defined, and what is documented elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.sparse import csr_array

from benchmarks import baseline
from xherald.photons import EventBatch, EventList, Exposure, Identity
from xherald.photons.errors import PhotonError
from xherald.plugins import PluginHost, Representation
from xherald.plugins.representations import EtdtCube, EtMap, LivetimeCube, LivetimeMap

ALL = (EtMap(), EtdtCube(), LivetimeMap(), LivetimeCube())
by_name = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)


def source(time, energy=1.0, gti=None, frame_time=0.0, band=(0.1, 20.0), fraction=None) -> EventList:
    """A source of photons at some times, s, all of one energy or one each, keV."""
    time = np.asarray(time, dtype=float)
    if gti is None:
        low, high = (time[0], time[-1]) if len(time) else (0.0, 0.0)
        gti = [[low - 1 - abs(low) * 1e-6, high + 1 + abs(high) * 1e-6]]
    energies = np.broadcast_to(np.asarray(energy, dtype=np.float32), time.shape)
    return EventList(time, energies, Exposure(gti, fraction), Identity("NONE", "NONE", "7", "source"), frame_time, band)


def transformed(kind: Representation, sources: list[EventList], **options) -> np.ndarray:
    """Dense arrays of sources, shape (n, *shape)."""
    chosen = kind.options_model(**options)
    made = kind.transform(EventBatch.from_lists(sources), chosen)
    return np.asarray(made.toarray() if isinstance(made, csr_array) else made).reshape(-1, *kind.shape(chosen))


# --- as published ---

EDGES_KEV = (10 ** np.linspace(np.log10(500), np.log10(7000), 17) / 1e3).astype(np.float32)


@st.composite
def photon_lists(draw, fewest: int):
    """Photons on a coarse or fine grid of any scale, from any second on; energies on edges of bins and beside them."""
    n = draw(st.integers(fewest, 60))
    ticks = draw(st.lists(st.integers(0, draw(st.sampled_from([24, 48, 500, 10**7]))), min_size=n, max_size=n))
    scale = draw(st.sampled_from([1e-3, 1 / 3, 1.0, 3.14104, 86400.0]))
    start = draw(st.sampled_from([0.0, -5e4, 123.456, 7.0e8, 7.12345678e8]))
    time = start + np.sort(np.array(ticks)) * scale
    some = st.floats(0.125, 16.0, width=32)
    edge = st.builds(
        lambda e, to: np.nextafter(e, np.float32(to)) if to else e,
        st.sampled_from([*EDGES_KEV, np.float32(0.5), np.float32(7.0)]),
        st.sampled_from([0.0, 0.01, 50.0]),
    )
    energy = draw(st.lists(st.one_of(some, edge), min_size=n, max_size=n))
    return source(time, np.array(energy, dtype=np.float32))


def plain(sources: list[EventList]):
    return [one.time for one in sources], [one.energy.astype(np.float64) * 1e3 for one in sources]


@given(st.lists(photon_lists(2), min_size=1, max_size=3))
def test_maps_are_numpy_s_histograms_bin_for_bin(sources) -> None:
    assume(all(one.time[-1] > one.time[0] for one in sources))
    assert np.array_equal(transformed(EtMap(), sources), baseline.maps(*plain(sources)))


@given(st.lists(photon_lists(3), min_size=1, max_size=3))
def test_cubes_are_numpy_s_histograms_bin_for_bin(sources) -> None:
    assume(all(one.time[-2] > one.time[0] and np.ptp(np.diff(one.time)) > 0 for one in sources))
    assert np.array_equal(transformed(EtdtCube(), sources), baseline.cubes(*plain(sources)))


@given(photon_lists(3))
def test_normalised_arrays_are_those_of_numpy(one) -> None:
    assume(one.time[-2] > one.time[0] and np.ptp(np.diff(one.time)) > 0)
    inside = baseline.cubes(*plain([one]))
    assume(np.ptp(inside) > 0)
    for kind, expected in ((EtMap(), baseline.maps), (EtdtCube(), baseline.cubes)):
        made = transformed(kind, [one], normalise=True)
        assert np.array_equal(made, expected(*plain([one]), normalise=True).astype(np.float32))


@given(
    photon_lists(3),
    st.tuples(*(st.integers(1, 40) for _ in range(3))),
    st.sampled_from([(0.5, 7.0), (0.2, 2.3), (0.3, 10.0), (3.0, 3.1)]),
)
def test_any_bins_and_any_band_count_as_numpy_counts(one, bins, band) -> None:
    assume(one.time[-2] > one.time[0] and np.ptp(np.diff(one.time)) > 0)
    time, energy, wait = one.time[:-1], np.log10(one.energy[:-1].astype(np.float64) * 1e3), np.diff(one.time)
    parts = [(axis - axis.min()) / (axis.max() - axis.min()) for axis in (time, wait)]
    ranges = [[0, 1], np.log10(np.array(band) * 1e3), [0, 1]]
    expected, _ = np.histogramdd([parts[0], energy, parts[1]], bins=bins, range=ranges)
    assert np.array_equal(transformed(EtdtCube(), [one], bins=bins, band_kev=band)[0], expected)


@pytest.mark.parametrize("start", [0.0, 123.456, 7e8])
@pytest.mark.parametrize("bins", [5, 10, 24])
def test_times_that_rounding_puts_on_an_edge_fall_where_numpy_puts_them(start, bins) -> None:
    """The product of a part and the number of bins is not always on the side of the edge that the part is on."""
    sources = [source(start + np.arange(n + 1) * 3.14104) for n in (5, 10, 24, 70, 72, 240)]
    assert np.array_equal(
        transformed(EtMap(), sources, bins=(bins, 16)), baseline.maps(*plain(sources), bins=(bins, 16))
    )


def test_large_sources_count_as_numpy_counts() -> None:
    random = np.random.default_rng(5)
    sources = [
        source(7e8 + np.sort(random.uniform(0, 3e4, n)), random.uniform(0.4, 7.5, n).astype(np.float32))
        for n in (300, 400, 700, 3000, 40_000)
    ]
    assert np.array_equal(transformed(EtMap(), sources), baseline.maps(*plain(sources)))
    assert np.array_equal(transformed(EtdtCube(), sources), baseline.cubes(*plain(sources)))


def test_photons_on_edges_fall_where_numpy_puts_them() -> None:
    time = np.arange(25.0)
    made = transformed(EtMap(), [source(time)])[0].sum(axis=1)
    assert made.tolist() == [1] * 23 + [2]
    ends = transformed(EtMap(), [source([0.0, 1.0], [0.5, 7.0])])[0]
    assert ends[0, 0] == ends[-1, -1] == 1
    beyond = [np.nextafter(np.float32(0.5), np.float32(0)), np.nextafter(np.float32(7.0), np.float32(9))]
    assert transformed(EtMap(), [source([0.0, 1.0], beyond)]).sum() == 0


def test_photons_outside_the_band_take_part_in_the_axes() -> None:
    inside = transformed(EtMap(), [source([0.0, 12.0, 24.0], [0.2, 1.0, 9.0])])[0]
    assert inside.sum() == inside[12].sum() == 1


@pytest.mark.parametrize(
    ("time", "bins"),
    [([], []), ([5.0], [0]), ([5.0, 5.0, 5.0], [0, 0, 0]), ([5.0, 6.0], [0, 23])],
    ids=["no photon", "one", "one instant", "two"],
)
def test_maps_of_lists_without_a_time_axis_are_defined(time, bins) -> None:
    curve = np.bincount(np.array(bins, dtype=int), minlength=24)
    assert transformed(EtMap(), [source(time)])[0].sum(axis=1).tolist() == curve.tolist()
    peak = max(curve.max(), 1)
    assert transformed(EtMap(), [source(time)], normalise=True)[0].sum(axis=1).tolist() == (curve / peak).tolist()


@pytest.mark.parametrize(
    ("time", "bins"),
    [
        ([], {}),
        ([5.0], {}),
        ([5.0, 6.0], {(0, 0): 1}),
        ([5.0, 5.0, 5.0], {(0, 0): 2}),
        ([5.0, 5.0, 9.0], {(0, 0): 1, (0, 15): 1}),
        ([0.0, 1.0, 2.0, 3.0], {(0, 0): 1, (12, 0): 1, (23, 0): 1}),
    ],
    ids=["no photon", "one", "two", "one instant", "no time axis", "even spacing"],
)
def test_cubes_of_lists_without_an_axis_are_defined(time, bins) -> None:
    expected = np.zeros((24, 16))
    for place, count in bins.items():
        expected[place] = count
    assert np.array_equal(transformed(EtdtCube(), [source(time)])[0].sum(axis=1), expected)


@pytest.mark.parametrize(
    ("kind", "time", "bins"),
    [(EtMap(), [0.0, 1.0, 3.0, 4.0], (2, 1)), (EtdtCube(), [0.0, 1.0, 3.0, 4.0, 5.0], (2, 1, 1))],
)
def test_an_array_of_equal_bins_is_normalised_to_zeros(kind, time, bins) -> None:
    assert transformed(kind, [source(time)], bins=bins).ravel().tolist() == [2, 2]
    for energy in (1.0, 15.0):
        assert not transformed(kind, [source(time, energy)], bins=bins, normalise=True).any()


def test_a_filled_cube_is_normalised_with_its_emptiest_bin_at_zero() -> None:
    filled = source([0.0, 1.0, 2.0, 3.0, 4.5, 5.0])
    kind, options = EtdtCube(), EtdtCube.options_model(bins=(2, 1, 1), normalise=True)
    made = kind.transform(EventBatch.from_lists([filled]), options)
    assert transformed(kind, [filled], bins=(2, 1, 1)).ravel().tolist() == [3, 2]
    assert made.toarray().tolist() == [[1, 0]]
    assert made.nnz == 1


# --- on livetime ---


def test_the_time_axis_is_good_time_from_its_start_to_its_stop() -> None:
    one = source([2.5, 4.0, 9.5], gti=[[0.0, 4.0], [6.0, 10.0]])
    curve = transformed(LivetimeMap(), [one], bins=(8, 16), scale="counts")[0].sum(axis=1)
    assert curve.tolist() == [0, 0, 1, 0, 1, 0, 0, 1]
    half = source([2.5, 4.0, 8.0], gti=[[0.0, 4.0], [6.0, 10.0]], fraction=[1.0, 0.5])
    curve = transformed(LivetimeMap(), [half], bins=(6, 16), scale="counts")[0].sum(axis=1)
    assert curve.tolist() == [0, 0, 1, 0, 1, 1]


def test_waiting_times_are_decades_of_the_mean_one() -> None:
    # 4 photons in 400 s: a mean wait of 100 s; waits of 0 s (a frame of 10 s), 1000 s would be beyond, 90 s, 300 s.
    one = source([0.0, 0.0, 90.0, 390.0], gti=[[0.0, 400.0]], frame_time=10.0)
    cube = transformed(LivetimeCube(), [one], bins=(1, 1, 3), scale="counts")[0, 0, 0]
    assert cube.tolist() == [0, 2, 1]
    endless = replace(one, frame_time=0.0)
    cube = transformed(LivetimeCube(), [endless], bins=(1, 1, 3), scale="counts")[0, 0, 0]
    assert cube.tolist() == [1, 1, 1]


def test_the_energy_axis_is_the_band_of_each_source_s_instrument() -> None:
    sources = [source([1.0, 2.0], band, band=band) for band in ((0.5, 7.0), (0.2, 10.0))]
    for one in transformed(LivetimeMap(), sources):
        assert np.flatnonzero(one.sum(axis=0)).tolist() == [0, 15]
    narrow = transformed(LivetimeMap(), [source([1.0, 2.0, 3.0], [0.3, 0.7, 2.0])], band_kev=(0.3, 0.7))
    assert narrow[0].sum() == 2
    with pytest.raises(PhotonError, match=r"7/source: its band begins at 0 keV.*set band_kev"):
        transformed(LivetimeMap(), [source([1.0], band=(0.0, 7.0))])
    assert transformed(LivetimeMap(), [source([1.0], band=(0.0, 7.0))], band_kev=(0.5, 7.0)).sum() == 1


LIVETIME = pytest.mark.parametrize("kind", [LivetimeMap(), LivetimeCube()], ids=lambda kind: kind.name)

whole_seconds = st.lists(st.integers(0, 1023), min_size=0, max_size=80).map(lambda t: np.sort(np.array(t, dtype=float)))


@LIVETIME
@given(time=whole_seconds, cut=st.integers(1, 1023), gap=st.integers(1, 10**6))
def test_a_gap_changes_nothing(kind, time, cut, gap) -> None:
    open_ = source(time, gti=[[0.0, 1024.0]], frame_time=2.0)
    moved = np.where(time >= cut, time + gap, time)
    broken = source(moved, gti=[[0.0, cut], [cut + gap, 1024.0 + gap]], frame_time=2.0)
    assert np.array_equal(*(transformed(kind, [one]) for one in (open_, broken)))


@LIVETIME
@given(time=whole_seconds, power=st.integers(-12, 12), start=st.sampled_from([0.0, 2.0**29]))
def test_the_scale_of_time_changes_nothing(kind, time, power, start) -> None:
    one = source(time, gti=[[0.0, 1024.0]], frame_time=2.0)
    scale = 2.0**power
    other = source(start + time * scale, gti=[[start, start + 1024.0 * scale]], frame_time=2.0 * scale)
    assert np.array_equal(*(transformed(kind, [one, other])))


@LIVETIME
def test_values_are_roots_of_counts_and_can_be_normalised(kind) -> None:
    random = np.random.default_rng(2)
    time = np.sort(np.concatenate([random.uniform(0, 100, 60), random.uniform(40, 41, 40)]))
    one = [source(time, gti=[[0.0, 100.0]])]
    counts = transformed(kind, one, scale="counts")
    roots = np.sqrt(counts)
    assert counts.sum() == (100 if kind.name == "livetime_map" else 99)
    assert np.array_equal(transformed(kind, one), roots)
    for scale, values in (("counts", counts), ("sqrt", roots)):
        made = transformed(kind, one, scale=scale, normalise="minmax")
        np.testing.assert_allclose(made, values / values.max(), rtol=1e-6)
        made = transformed(kind, one, scale=scale, normalise="unit")
        np.testing.assert_allclose(made, values / np.linalg.norm(values), rtol=1e-6)
    empty = [source([], gti=[[0.0, 100.0]])]
    assert not any(transformed(kind, empty, normalise=how).any() for how in ("none", "minmax", "unit"))


@LIVETIME
@pytest.mark.parametrize("at", [0.5, 11.5, 17.5, 23.5])
def test_the_brightest_stretch_is_put_in_the_middle(kind, at) -> None:
    # Steady photons, four a bin, and a burst of twenty whose bin is then the 13th of 24.
    steady = (np.arange(96) + 0.5) / 4
    time = np.sort(np.concatenate([steady, np.full(20, at)]))
    one = [source(time, gti=[[0.0, 24.0]])]
    plain, aligned = (transformed(kind, one, scale="counts", align=align)[0] for align in (False, True))
    assert np.array_equal(aligned, np.roll(plain, 12 - int(at), axis=0))
    assert aligned.reshape(24, -1).sum(axis=1).argmax() == 12


# --- all of them; tests/plugins/test_conformance_kit.py holds them to the contract ---


def crowd(seed: int) -> list[EventList]:
    """Sources of 0 to 3,000 photons with gaps, ties and frames."""
    random = np.random.default_rng(seed)
    out = []
    for n in (0, 1, 2, 3, 5, 30, 100, 390, 520, 3000, 7, 40):
        time = np.round(np.sort(random.uniform(0, 9e3, n)) / 3.2) * 3.2
        time += np.where(time > 4e3, 5e3, 0)
        gti = [[-4.0, 4.5e3], [8.9e3, 1.5e4]]
        out.append(source(time, np.exp(random.uniform(-2, 2.9, n)), gti=gti, frame_time=3.2, fraction=[1.0, 0.7]))
    return out


@pytest.mark.parametrize(("of_map", "of_cube"), [(EtMap(), EtdtCube()), (LivetimeMap(), LivetimeCube())])
def test_cubes_of_one_waiting_time_are_maps_without_the_last_photon(of_map, of_cube) -> None:
    sources = [one for one in crowd(3) if len(one) > 1]
    options = {} if of_map.name == "et_map" else {"scale": "counts"}
    cut = [replace(one, time=one.time[:-1], energy=one.energy[:-1]) for one in sources]
    cubes = transformed(of_cube, sources, bins=(24, 16, 1), **options)
    assert np.array_equal(cubes[..., 0], transformed(of_map, cut, **options))


@by_name
def test_options_that_cannot_be_are_refused(kind) -> None:
    axes = len(kind.shape(kind.options_model()))
    for options in ({"bins": [0] * axes}, {"bins": [24] * (axes + 1)}, {"band_kev": (7.0, 0.5)}, {"band_kev": (0, 7)}):
        with pytest.raises(ValidationError):
            kind.options_model(**options)
    assert kind.shape(kind.options_model(bins=[5] * axes)) == (5,) * axes


def test_representations_are_registered_like_any_plugin() -> None:
    assert {kind.name for kind in ALL} <= set(PluginHost().representations)


@settings(max_examples=20)
@given(photon_lists(3))
def test_event_files_in_mission_seconds_do_not_lose_bins(one) -> None:
    """Shifting times by whole seconds that a double holds exactly changes nothing."""
    assume(np.array_equal(one.time, np.round(one.time)) and one.time[0] >= 0)
    moved = source(one.time + 2.0**30, one.energy)
    for kind in (EtMap(), EtdtCube()):
        assert np.array_equal(*transformed(kind, [one, moved]))
