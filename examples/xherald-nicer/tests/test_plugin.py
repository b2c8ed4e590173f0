"""The NICER adapter: its facts, and that it does what every adapter owes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import BURST, BURST_SECONDS, CLEAN, DEAD_SECONDS, GAP, SECONDS, START, times, write_nicer

from xherald.adapters.testing import check_adapter
from xherald.photons import Observation
from xherald.photons.errors import FileError, UnreadableFileError
from xherald.plugins import PluginHost, ReadLimits
from xherald_nicer import NicerAdapter


def read(path: Path) -> Observation:
    adapter = NicerAdapter()
    return adapter.read(path, adapter.options_model(), ReadLimits())


def test_it_keeps_the_contract(event_file: Path) -> None:
    check_adapter(NicerAdapter(), files=[event_file]).require()


def test_it_is_found_by_its_entry_point() -> None:
    host = PluginHost()
    assert "nicer" in host.adapters
    assert [one for one in host.failures if one.name == "nicer"] == []


def test_timezero_belongs_to_events_and_good_times(event_file: Path, tmp_path: Path) -> None:
    with_offset, without = read(event_file), read(write_nicer(tmp_path / "plain.evt", timezero=None))
    # TIME points at the start of its tick of 40 ns, which is finer than the numbers here.
    np.testing.assert_allclose(with_offset.events.time, without.events.time - 1.0, rtol=0, atol=1e-6)
    for one, other in zip(with_offset.detectors, without.detectors, strict=True):
        np.testing.assert_array_equal(one.gti, other.gti - 1.0)
    assert with_offset.span == (START - 1.0, START + SECONDS - 1.0)


def test_the_date_is_that_of_the_mission(event_file: Path) -> None:
    """213,820,499 s after 2014-01-01T00:00:00 UTC, two leap seconds since: 2020-10-10T18:34:57."""
    observation = read(event_file)
    assert observation.time_reference.utc(observation.span[0]) == "2020-10-10T18:34:57.000Z"


def test_only_clean_events_with_an_energy_are_kept(event_file: Path) -> None:
    screening, n = read(event_file).events.screening, len(times())
    odd = np.arange(n)[9::10] // 10 % 3 + 1
    assert screening.rows == n
    unfit = int((odd < 3).sum())
    assert screening.losses == {"not a clean X-ray event": unfit, "no energy": n - screening.kept - unfit}
    assert screening.kept == n - len(odd)


def test_energies_are_ten_electronvolts_a_channel(event_file: Path) -> None:
    energy = read(event_file).events.energy
    np.testing.assert_allclose(energy * 100, np.round(energy * 100), atol=1e-3)
    assert 0.4 <= energy.min() < 0.5
    assert 7.9 < energy.max() <= 8.0


def test_each_detector_loses_the_dead_time_of_its_unit(event_file: Path) -> None:
    """Every event counts, unfit ones too: a unit is busy with those as well."""
    detectors = read(event_file).detectors
    assert {one.name for one in detectors} <= {f"FPM {unit}{module}" for unit in range(7) for module in range(8)}
    by_unit = {one.number // 10: one.live_fraction for one in detectors}
    assert all(one.live_fraction == by_unit[one.number // 10] for one in detectors)
    good = SECONDS - (GAP[1] - GAP[0])
    dead = sum((1 - fraction) * good for fraction in by_unit.values())
    assert dead == pytest.approx(len(times()) * DEAD_SECONDS, rel=1e-6)


def test_dead_times_that_cannot_be_are_refused(tmp_path: Path) -> None:
    # TSCAL of the column a million times too large: 22 s an event.
    path = write_nicer(tmp_path / "dead.evt", TSCAL3=0.62)
    with pytest.raises(UnreadableFileError, match="DEADTIME"):
        read(path)


def test_its_one_source_is_the_field_of_view(event_file: Path) -> None:
    observation = read(event_file)
    (aperture,) = NicerAdapter().apertures(observation)
    assert (aperture.ra, aperture.dec, aperture.origin) == (277.6702, -6.755, "field of view")
    assert aperture.region.area / 3600 == pytest.approx(30.0, rel=0.01)
    assert observation.projection is None


def test_a_file_without_a_target_is_refused(tmp_path: Path) -> None:
    path = write_nicer(tmp_path / "nowhere.evt", RA_OBJ=None, DEC_OBJ=None)
    with pytest.raises(FileError, match="RA_OBJ, DEC_OBJ"):
        read(path)


def test_an_uncalibrated_file_is_refused(tmp_path: Path) -> None:
    """Level 1 lists have PHA only: what energies those are, `nicerl2` works out."""
    path = write_nicer(tmp_path / "uf.evt", energy="PHA")
    with pytest.raises(FileError, match="no energy column PI"):
        read(path)


def test_the_written_burst_is_where_it_was_put(event_file: Path) -> None:
    """The files of these tests are what they claim to be."""
    inside = (times() - START > BURST) & (times() - START < BURST + BURST_SECONDS)
    assert inside.sum() > 150
    assert CLEAN == 0b011000
    assert len(read(event_file).events) > 1000


def test_the_real_file_reads(real_file: Path) -> None:
    check_adapter(NicerAdapter(), files=[real_file]).require()
    observation = read(real_file)
    events = observation.events
    assert (observation.mission, observation.instrument, observation.obs_id) == ("NICER", "XTI", "2010101830")
    assert events.screening.rows == 9369
    # Cut to clean events of these detectors by its maker: only those outside 0.3–12 keV go.
    assert events.screening.losses == {"outside 0.3–12 keV": 114}
    assert {14, 34, 43, 54}.isdisjoint(one.number for one in observation.detectors)
    assert float(observation.exposure or 0) == pytest.approx(observation.detectors[0].good_time, abs=1e-6)
    assert all(0.9999 < one.live_fraction < 1 for one in observation.detectors)
    assert observation.time_reference.utc(observation.span[0]) == "2020-10-10T18:34:57.000Z"
