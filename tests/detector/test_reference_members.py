"""E–t maps and light curves of a reference's members: equal to histograms, compact, read when first needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xherald.detector.calibration.calibration import SHIPPED
from xherald.detector.configuration.configuration import load_configuration
from xherald.detector.references.member_arrays import make_members
from xherald.photons import EventBatch, EventList, Exposure, Identity
from xherald.photons.artefact_folders import load_arrays, save_arrays, save_compressed_arrays
from xherald.photons.errors import ArtefactError, ReferenceDataError
from xherald.plugins.reference_members import LIGHT_CURVE_BINS, MEMBER_ARRAYS, ReferenceMembers


def source(seed: int, counts: int, gti: list[list[float]]) -> EventList:
    rng = np.random.default_rng(seed)
    exposure = Exposure(np.array(gti), rng.uniform(0.5, 1.0, len(gti)))
    time = np.sort(exposure.time_at(rng.uniform(0.0, exposure.livetime, counts)))
    energy = rng.uniform(0.4, 8.0, counts).astype(np.float32)
    identity = Identity("M", "I", "1", str(seed))
    return EventList(time, energy, exposure, identity, frame_time=0.0, band=(0.3, 10.0))


@pytest.fixture
def batch() -> EventBatch:
    return EventBatch.from_lists(
        [
            source(1, 500, [[100.0, 1000.0], [1500.0, 1600.0], [9000.0, 12_000.0]]),
            source(2, 1, [[0.0, 10.0]]),
            source(3, 0, [[0.0, 10.0]]),
            source(4, 100_000, [[7e8, 7e8 + 5e4]]),
        ]
    )


def test_maps_are_histograms_on_the_published_axes(batch: EventBatch) -> None:
    members = make_members(batch)
    for row in (0, 3):
        one = batch[row]
        tau = (one.time - one.time[0]) / (one.time[-1] - one.time[0])
        edges = (np.linspace(0, 1, 25), np.linspace(np.log10(0.5), np.log10(7.0), 17))
        expected = np.histogram2d(tau, np.log10(one.energy.astype(np.float64)), edges)[0]
        assert np.array_equal(members.et_map(row), expected)
    assert members.et_map(1).sum() <= 1
    assert members.et_map(2).sum() == 0


def test_light_curves_have_bins_of_equal_exposure(batch: EventBatch) -> None:
    members = make_members(batch)
    for row, one in enumerate(batch):
        curve = members.light_curve(row)
        start, stop = one.exposure.gti[0, 0], one.exposure.gti[-1, 1]
        assert curve.counts.sum() == len(one)
        assert curve.exposure_s == pytest.approx(np.full(LIGHT_CURVE_BINS, one.livetime / LIGHT_CURVE_BINS))
        assert curve.edges_s[[0, -1]] == pytest.approx([0.0, stop - start])
        live = np.diff(one.exposure.livetime_at(start + curve.edges_s))
        # Edges are kept to 1/65535 of the exposure's length.
        assert live == pytest.approx(curve.exposure_s, abs=2 * (stop - start) / 65_535)
        assert curve.rate_ct_s * curve.exposure_s == pytest.approx(curve.counts)
    first = batch[0]
    expected = np.histogram(
        first.exposure.livetime_at(first.time), LIGHT_CURVE_BINS, range=(0, first.exposure.livetime)
    )[0]
    assert np.array_equal(members.light_curve(0).counts, expected)


def test_members_are_read_when_first_needed(batch: EventBatch, tmp_path: Path) -> None:
    made = make_members(batch)
    path = tmp_path / "members.npz"
    save_compressed_arrays(path, **made.arrays)
    calls: list[Path] = []

    def read() -> dict[str, np.ndarray]:
        calls.append(path)
        return load_arrays(path, *MEMBER_ARRAYS)

    members = ReferenceMembers(read)
    assert not calls
    assert len(members) == len(batch)
    assert np.array_equal(members.et_map(0), made.et_map(0))
    assert np.array_equal(members.light_curve(3).edges_s, made.light_curve(3).edges_s)
    assert len(calls) == 1
    with pytest.raises(ReferenceDataError, match="no source in row 4; the reference has 4 sources"):
        members.et_map(4)


def test_shipped_references_show_every_member() -> None:
    from xherald.detector.calibration.calibration import load_calibration

    calibration, host = load_calibration(SHIPPED), load_configuration(None, {}).host
    for group in calibration.groups.values():
        reference = calibration.load_reference(group, host)
        if reference is None:
            continue
        counts = reference.sources.column("counts").to_numpy()
        assert len(reference.members) == len(reference)
        assert np.array_equal(reference.members.arrays["curve_counts"].sum(axis=1), counts)
        name = reference.sources.column("obsreg_id")[17].as_py()
        assert reference.row(name) == 17


def test_members_without_their_arrays_are_refused(tmp_path: Path) -> None:
    save_arrays(tmp_path / "members.npz", span_s=np.ones(3))
    members = ReferenceMembers(lambda: load_arrays(tmp_path / "members.npz", *MEMBER_ARRAYS))
    with pytest.raises(ArtefactError, match="has no array map_offsets"):
        members.light_curve(0)
