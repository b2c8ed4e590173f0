"""Every real file is read, or refused for the right reason; what is known of them comes out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from read_files import LIMITS, observe, read

from xherald.adapters.chandra import ChandraAdapter
from xherald.adapters.reading.fits_files import open_fits, read_header
from xherald.adapters.testing import check_adapter
from xherald.photons import Ellipse
from xherald.photons.errors import FileError
from xherald.plugins import PluginHost

# Events kept by the standard screening, and frame time, s.
READ = {
    "chandra/755_7_evt2_05_8keV.fits.gz": (20176, 16710, 3.24104),
    "chandra/acisf23022_0.3-7_evt2_filtered.fits": (230, 225, 3.14104),
    "chandra/acisf23022_000N027_r0122_regevt3.fits.gz": (5813, 1843, 3.14104),
    "chandra/acisf28964N002_evt2.fits.gz": (35249, 5198, 3.04104),
    "chandra/acisf29128N001_evt2.fits.gz": (47222, 36443, 3.14104),
    "chandra/stingray_chandra_test.fits": (4612, 3820, 0.44104),
    "chandra/stingray_chandra_noener_test.fits": (4612, 3820, 0.44104),
    "xmm/0201901401_mos1_exp1_clean_evts.fits.gz": (22124, 19994, 2.6),
    "xmm/0201901401_mos2_exp1_clean_evts.fits.gz": (20982, 19491, 2.6),
    "xmm/0201903501_mos1_exp1_clean_evts.fits.gz": (31607, 29337, 2.6),
    "swift/sw00011337002xpcw3po_cl.evt.gz": (727, 528, 2.5073),
    "swift/sw00011337002xpcw3po_uf.evt.gz": (38983, 528, 2.5073),
    "swift/sw00011337002xwtw2sl_cl.evt.gz": (625, 400, 1.7791e-3),
    "erosita/ero_edr_300003_band1_salvaged_events.fits": (1244, 1244, 0.0500584),
}
REFUSED = {
    "chandra/acisf23022_000N020_r0122_reg3.fits.gz": "has no events table, only PRIMARY, ECF90REGB",
    "einstein_probe/fxt_a_06800000181_ff_01_po_src_1_3db_0401.pha.gz": "has no events table, only PRIMARY, SPECTRUM",
    "erosita/em01_081069_020_c010_s02_LightCurve_tb20.fits": "no adapter claims this file",
    "light_curves/CDF-S_XT1_10s_lc.fits.gz": "has no events table, only PRIMARY, LIGHTCURVE",
    "light_curves/NGC4636_source1.txt": "no adapter claims this file",
    "light_curves/XRT_000519_3.2s.asc.gz": "no adapter claims this file",
    "light_curves/XRT_080109_SN2008D.txt": "no adapter claims this file",
    "other/nicer_sgr1830_timezero.evt.gz": "no adapter claims this file: NICER XTI is not supported",
    "other/nustar_solar_bad_wcs.evt.gz": "no adapter claims this file: NuSTAR FPMA is not supported",
    "published/encoder_et.h5": "no adapter claims this file",
    "published/bonafide_transients.json": "no adapter claims this file",
    "voevent/VOEvent-v2.0.xsd": "no adapter claims this file",
}


def test_all_real_files_are_tested(data: Path) -> None:
    held = {str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()}
    without = {name for name in held if name.startswith("gcn-schema/") or name == "README.md"}
    assert held - without == set(READ) | set(REFUSED)


@pytest.mark.parametrize("name", READ)
def test_real_file_is_read(data: Path, name: str) -> None:
    rows, kept, frame_time = READ[name]
    observation = observe(data / name)
    events = observation.events
    assert (events.screening.rows, events.screening.kept) == (rows, kept)
    assert observation.frame_time == pytest.approx(frame_time, rel=1e-4)


@pytest.mark.parametrize("name", READ)
def test_real_file_conforms_to_the_contract(data: Path, name: str) -> None:
    path = data / name
    report = check_adapter(PluginHost().find_adapter(path, read_header(path, LIMITS)), [path])
    # eROSITA's salvaged list has no good times, and the kit wants files that have.
    assert report.broken_rules == (("good-times",) if "salvaged" in name else ())


@pytest.mark.parametrize("name", REFUSED)
def test_real_file_is_refused(data: Path, name: str) -> None:
    with pytest.raises(FileError, match=REFUSED[name].replace("/", ".")):
        read(data / name)


@pytest.mark.parametrize("name", [name for name in READ if name.startswith(("chandra", "xmm"))])
def test_times_and_positions_agree_with_astropy(data: Path, name: str) -> None:
    """Row by row against an independent reader and WCS."""
    observation = observe(data / name)
    events = observation.events
    with fits.open(data / name) as units:
        table = units["EVENTS"].data[events.row]
        np.testing.assert_array_equal(events.time, table["TIME"])
        np.testing.assert_array_equal(events.x, table["X"].astype(np.float32))
        energy = table["ENERGY"] / 1e3 if "ENERGY" in [n.upper() for n in units["EVENTS"].columns.names] else None
    if energy is not None:
        np.testing.assert_allclose(events.energy, energy, rtol=1e-6)


def test_xrt_200515_has_232_events_and_188_selected(data: Path) -> None:
    """The numbers of the published discovery: ellipse of the broad band, before and after the selection."""
    path = data / "chandra/acisf23022_000N027_r0122_regevt3.fits.gz"
    adapter = ChandraAdapter()
    observation = observe(path)
    (aperture,) = adapter.apertures(observation)
    assert isinstance(aperture.region, Ellipse)
    assert aperture.detection_id == observation.per_source_id == "23022_122"
    assert (aperture.ra, aperture.dec) == (pytest.approx(77.8218, abs=3e-4), pytest.approx(-67.4322, abs=3e-4))
    projection, events = observation.require_projection(), observation.events
    assert np.count_nonzero(aperture.region.contains(projection, events.x, events.y)) == 188
    with open_fits(path, LIMITS) as file:
        x, y = file.column(file.events, "x"), file.column(file.events, "y")
    assert np.count_nonzero(aperture.region.contains(projection, x, y)) == 232
    assert aperture.background is not None
    assert aperture.background.area > 20 * aperture.region.area


def test_region_band_is_an_option(data: Path) -> None:
    path = data / "chandra/acisf23022_000N027_r0122_regevt3.fits.gz"
    with pytest.raises(FileError, match="no region table ECF90REGW"):
        ChandraAdapter().apertures(observe(path, region_band="W"))
    (hard,) = ChandraAdapter().apertures(observe(path, region_band="H"))
    (broad,) = ChandraAdapter().apertures(observe(path))
    assert hard.region != broad.region


def test_missing_energies_come_from_channels(data: Path) -> None:
    """The same list with and without its energy column: the middle of a 14.6 eV channel is at most 7.3 eV off."""
    full = observe(data / "chandra/stingray_chandra_test.fits").events
    bare = observe(data / "chandra/stingray_chandra_noener_test.fits").events
    _, i, j = np.intersect1d(full.row, bare.row, return_indices=True)
    assert len(i) > 3800
    assert np.abs(full.energy[i] - bare.energy[j]).max() <= 0.0074


def test_header_exposure_is_not_used(data: Path) -> None:
    observation = observe(data / "chandra/stingray_chandra_test.fits")
    assert observation.exposure == pytest.approx(18279.3, abs=0.1)
    assert observation.detectors[0].good_time == pytest.approx(945.3, abs=0.1)


def test_good_times_are_per_ccd(data: Path) -> None:
    observation = observe(data / "chandra/acisf29128N001_evt2.fits.gz")
    by_number = {one.number: one for one in observation.detectors}
    assert sorted(by_number) == [0, 1, 2, 3]
    assert by_number[1].good_time == pytest.approx(9584.797975, abs=1e-5)
    assert by_number[3].good_time == pytest.approx(9594.303077, abs=1e-5)
    assert by_number[3].live_fraction == pytest.approx(0.98693426, abs=1e-7)
    assert observation.time_reference.utc(observation.span[0]) == "2023-12-22T11:09:25.629Z"


def test_user_filter_of_xmm_is_preferred(data: Path) -> None:
    observation = observe(data / "xmm/0201903501_mos1_exp1_clean_evts.fits.gz")
    good = {one.number: one.good_time for one in observation.detectors}
    assert good[1] == pytest.approx(9466.793, abs=1e-2)  # and not the 14,596.6 of STDGTI01
    assert good[5] == pytest.approx(9458.990, abs=1e-2)
    assert sorted(good) == list(range(1, 8))


def test_cleaned_and_unfiltered_swift_lists_agree(data: Path) -> None:
    """Our screening of the unfiltered list gives the mission's cleaned list back."""
    cleaned = observe(data / "swift/sw00011337002xpcw3po_cl.evt.gz").events
    unfiltered = observe(data / "swift/sw00011337002xpcw3po_uf.evt.gz").events
    assert len(cleaned) == len(unfiltered) == 528
    np.testing.assert_allclose(cleaned.energy, unfiltered.energy)
    np.testing.assert_allclose(cleaned.time, unfiltered.time, atol=0.05)


def test_slew_has_no_positions(data: Path) -> None:
    observation = observe(data / "swift/sw00011337002xwtw2sl_cl.evt.gz")
    assert observation.projection is None
    assert "no sky positions" in observation.projection_fault


def test_erosita_positions_agree_with_its_sky_columns(data: Path) -> None:
    """X, Y through the SIN projection against RA, DEC of the file, within the 1e-6 deg they are rounded to."""
    observation = observe(data / "erosita/ero_edr_300003_band1_salvaged_events.fits")
    events = observation.events
    ra, dec = observation.require_projection().to_sky(events.x, events.y)
    np.testing.assert_allclose(ra, observation.columns("RA")[0], atol=3e-5)
    np.testing.assert_allclose(dec, observation.columns("DEC")[0], atol=3e-5)
    assert observation.pointing == (pytest.approx(107.170417), pytest.approx(-49.551667))


def test_nicer_and_nustar_headers_are_read(data: Path) -> None:
    assert read_header(data / "other/nicer_sgr1830_timezero.evt.gz", LIMITS)["TIMEZERO"] == -1.0
    assert read_header(data / "other/nustar_solar_bad_wcs.evt.gz", LIMITS)["TCRVL13"] == "0.0"
