"""Files in the layout of every mission, traps included: what was written is what is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from event_files import (
    Photons,
    ebounds,
    some_photons,
    whole_exposure,
    write,
    write_chandra,
    write_ep_cat,
    write_erosita,
    write_fxt,
    write_obsmli,
    write_swift,
    write_wxt,
    write_xmm,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from read_files import observe

from xherald.adapters import FitsAdapter, GtiLayout, Instrument, LinearEnergy, MissionTable
from xherald.adapters.einstein_probe import EinsteinProbeAdapter
from xherald.adapters.xmm import XmmAdapter
from xherald.photons.errors import FileError, UnreadableFileError

# Writer, file name, detectors, centre, spread (arcmin), shift to the middle of the frame (s), position and energy step.
MISSIONS: dict[
    str, tuple[Callable[..., Path], str, tuple[int, ...], tuple[float, float], float, float, float, float]
] = {
    "chandra": (write_chandra, "acisf12345N001_evt2.fits.gz", (0, 1, 3), (83.8, -5.4), 4, 0.0, 0.01, 1e-4),
    "mos": (write_xmm, "P0201901401M1S001MIEVLI0000.FTZ", (1, 2, 7), (149.6, -11.08), 8, 0.0, 0.05, 1e-3),
    "swift": (write_swift, "sw00011337002xpcw3po_cl.evt.gz", (0,), (185.7, 15.83), 8, 2.5073 / 2, 2.4, 1e-2),
    "erosita": (write_erosita, "pm00_300003_020_EventList_c001.fits", (5, 6, 7), (107.17, -49.55), 20, 0.0, 0.01, 1e-4),
    "wxt": (write_wxt, "ep11900000001wxt12po_cl.evt", (0,), (200.0, 30.0), 60, 0.0, 8.2, 1e-2),
    "fxt": (write_fxt, "fxt_a_06800000181_ff_01_po_cl_3db.fits", (0,), (28.87, 5.91), 15, 0.0, 9.7, 1e-2),
}


def mission_photons(name: str, n: int = 300, **changes: object) -> Photons:
    _, _, detectors, centre, radius, *_ = MISSIONS[name]
    return some_photons(n, detectors=detectors, centre=centre, radius_arcmin=radius, **changes)  # type: ignore[arg-type]


def write_mission(name: str, folder: Path, photons: Photons, **changes: object) -> Path:
    writer, file_name, *_ = MISSIONS[name]
    return writer(folder / file_name, photons, **changes)


@pytest.mark.parametrize("ordered", [True, False], ids=["ordered", "grouped by CCD"])
@pytest.mark.parametrize("name", MISSIONS)
def test_round_trip(name: str, ordered: bool, tmp_path: Path) -> None:
    *_, shift, arcsec, kev = MISSIONS[name]
    photons = mission_photons(name, ordered=ordered)
    observation = observe(write_mission(name, tmp_path, photons))
    events = observation.events
    order = np.argsort(photons.time, kind="stable")
    expected = photons[order]
    assert events.screening.losses == {}
    np.testing.assert_array_equal(events.row, order)
    np.testing.assert_allclose(events.time, expected.time + shift, rtol=0, atol=1e-6)
    np.testing.assert_allclose(events.energy, expected.energy, rtol=0, atol=kev)
    ra, dec = observation.require_projection().to_sky(events.x, events.y)
    np.testing.assert_allclose(dec, expected.dec, atol=arcsec / 3600)
    np.testing.assert_allclose((ra - expected.ra) * np.cos(np.radians(expected.dec)), 0, atol=arcsec / 3600)
    if name != "wxt":
        np.testing.assert_array_equal(events.detector, expected.detector)
    assert observation.point_spread is not None
    assert observation.point_spread.source


# XMM states TIMEZERO in its GTI headers too, and those have their own test below.
@pytest.mark.parametrize("name", [name for name in MISSIONS if name != "mos"])
def test_timezero_is_added_to_events_and_good_times(name: str, tmp_path: Path) -> None:
    photons = mission_photons(name)
    (tmp_path / "moved").mkdir()
    plain = observe(write_mission(name, tmp_path, photons))
    moved = observe(write_mission(name, tmp_path / "moved", photons, header={"TIMEZERO": "-1.5"}))
    np.testing.assert_allclose(moved.events.time, plain.events.time - 1.5, rtol=0, atol=1e-6)
    for one, other in zip(plain.detectors, moved.detectors, strict=True):
        np.testing.assert_allclose(other.gti, one.gti - 1.5, rtol=0, atol=1e-6)


def test_timezero_may_be_missing_or_the_string_0(tmp_path: Path) -> None:
    photons = some_photons(50)
    plain = observe(write_chandra(tmp_path / "plain.fits", photons)).events.time
    for name, value in (("missing", None), ("string", "0")):
        other = observe(write_chandra(tmp_path / f"{name}.fits", photons, header={"TIMEZERO": value})).events.time
        np.testing.assert_array_equal(other, plain)


def test_gti_table_with_its_own_timezero(tmp_path: Path) -> None:
    """Shifted events on good times that say they are not shifted fall outside them."""
    photons = some_photons(50, detectors=(1,), centre=(149.6, -11.08))
    path = write_xmm(tmp_path / "P0201901401M1S001MIEVLI0000.FTZ", photons, header={"TIMEZERO": 5e6})
    with pytest.raises(UnreadableFileError, match="outside the good-time"):
        _ = observe(path).events


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1), frame=st.floats(0.1, 5.0))
def test_times_are_moved_to_the_middle_of_the_frame(where: float, frame: float, tmp_path: Path) -> None:
    photons = some_photons(20)
    path = tmp_path / "framed.fits"
    path.unlink(missing_ok=True)
    start, stop = whole_exposure(photons)[0][0]
    wide = {0: [(start - 5, stop + 5)]}
    observation = observe(write_chandra(path, photons, gti=wide, header={"TIMEPIXR": where, "TIMEDEL": frame}))
    np.testing.assert_allclose(observation.events.time, photons.time + (0.5 - where) * frame, rtol=0, atol=1e-6)


def test_events_are_good_inside_the_good_times_of_their_own_detector(tmp_path: Path) -> None:
    photons = some_photons(400, detectors=(0, 1, 2))
    start, stop = whole_exposure(photons)[0][0]
    middle = (start + stop) / 2
    path = write_chandra(tmp_path / "halves.fits", photons, gti={0: [(start, middle)], 1: [(middle, stop)]})
    observation = observe(path)
    events = observation.events
    expected = ((photons.detector == 0) & (photons.time <= middle)) | (
        (photons.detector == 1) & (photons.time >= middle)
    )
    np.testing.assert_array_equal(events.row, np.flatnonzero(expected))
    assert events.screening.losses["no good times for its detector"] == np.count_nonzero(photons.detector == 2)
    assert observation.span == (start, stop)


def test_events_of_a_ccd_with_an_empty_gti_table_are_rejected(tmp_path: Path) -> None:
    photons = some_photons(200, detectors=(0, 1))
    gti = {0: whole_exposure(photons)[0], 1: []}
    events = observe(write_chandra(tmp_path / "one_empty.fits", photons, gti=gti)).events
    assert set(events.detector.tolist()) == {0}
    assert list(events.screening.losses) == ["no good times for its detector"]


def test_merged_list_has_several_tables_a_ccd(tmp_path: Path) -> None:
    """Tables of the same CCD are united: two halves and a piece across both."""
    photons = some_photons(100)
    start, stop = whole_exposure(photons)[0][0]
    path = write_chandra(tmp_path / "merged.fits", photons, gti={0: [(start, start + 4000)]})
    with fits.open(path) as units:
        made = fits.HDUList([unit.copy() for unit in units])
    for low, high in ((start + 5000, stop), (start + 3000, start + 5500)):
        extra = made["GTI"].copy()
        extra.data["START"], extra.data["STOP"] = low, high
        made.append(extra)
    made.writeto(path, overwrite=True)
    (ccd,) = observe(path).detectors
    np.testing.assert_allclose(ccd.gti, [(start, stop)])


@pytest.mark.parametrize("keyword", [True, False], ids=["CCDID", "data subspace"])
def test_xmm_gti_digits_shift_where_a_ccd_is_missing(keyword: bool, tmp_path: Path) -> None:
    """CCD 6 is off: GTI00506 is of CCD 7, and CCDs are told apart by how long each was good."""
    ccds = (1, 2, 3, 4, 5, 7)
    photons = some_photons(600, detectors=ccds, centre=(149.6, -11.08), ordered=False)
    start, stop = whole_exposure(photons)[0][0]
    filtered = {ccd: [(start, stop - 100.0 * ccd)] for ccd in ccds}
    path = write_xmm(tmp_path / "P0201901401M1S001MIEVLI0000.FTZ", photons, filtered=filtered, keyword=keyword)
    observation = observe(path)
    assert {one.number: round(stop - one.gti[-1, 1]) for one in observation.detectors} == {c: 100 * c for c in ccds}
    assert observation.frame_time == pytest.approx(2.6)
    assert [one.live_fraction for one in observation.detectors] == pytest.approx([0.98] * len(ccds))
    late = photons.time > stop - 100.0 * photons.detector
    assert observation.events.screening.losses == {"outside good time": np.count_nonzero(late)}


def test_xmm_gti_of_an_unknown_ccd_is_refused(tmp_path: Path) -> None:
    photons = some_photons(30, detectors=(1, 2), centre=(149.6, -11.08))
    path = write_xmm(tmp_path / "P0201901401M1S001MIEVLI0000.FTZ", photons, keyword=False)
    with pytest.raises(UnreadableFileError, match="STDGTI01 has no CCDID"):
        observe(path)


def test_xmm_screening(tmp_path: Path) -> None:
    photons = some_photons(100, detectors=(4,), centre=(149.6, -11.08))
    x = np.full(100, 25921)
    x[:5] = -99999999
    flags = np.zeros(100)
    flags[5:15] = 0x800
    patterns = np.zeros(100)
    patterns[15:25], patterns[25:30] = 8, 26
    pi = np.full(100, 1000)
    pi[30:40] = 150
    columns = {"X": x, "FLAG": flags, "PATTERN": patterns, "PI": pi}
    for instrument, patterns_lost in (("EMOS1", 5), ("EPN", 15)):
        path = write_xmm(tmp_path / f"P0201901401{instrument}.fits", photons, instrument=instrument, columns=columns)
        observation = observe(path)
        assert dict(observation.events.screening.losses) == {
            f"pattern above {12 if instrument == 'EMOS1' else 4}": patterns_lost,
            "flagged": 10,
            "outside 0.2–12 keV": 10,
            "no sky position": 5,
        }
    assert observation.frame_time == pytest.approx(0.073)


def test_mos_ccd_number_without_its_node(tmp_path: Path) -> None:
    photons = some_photons(40, detectors=(3,), centre=(149.6, -11.08))
    path = write_xmm(tmp_path / "P0201901401M1.fits", photons, columns={"CCDNR": np.full(40, 13)})
    assert set(observe(path).events.detector.tolist()) == {3}


def test_chandra_screening(tmp_path: Path) -> None:
    photons = some_photons(100)
    energy = np.full(100, 1500.0)
    energy[:10], energy[10:12], energy[12:14] = 8000.0, 500.0, 7000.0
    grades = np.zeros(100)
    grades[20:25] = 7
    status = np.zeros((100, 32), dtype=bool)
    status[30:33, 17] = True
    pha = np.full(100, 400)
    pha[40:44] = 40
    columns = {"energy": energy, "grade": grades, "status": status, "pha": pha}
    field = observe(write_chandra(tmp_path / "acisf12345N001_evt2.fits", photons, columns=columns)).events
    assert dict(field.screening.losses) == {
        "grade not 0, 2, 3, 4, 6": 5,
        "status bits set": 3,
        "outside 0.5–7 keV": 14,
    }
    source = write_chandra(tmp_path / "acisf12345_000N001_r0042_regevt3.fits", photons, columns=columns)
    observation = observe(source)
    assert observation.per_source_id == "12345_42"
    assert dict(observation.events.screening.losses) == {"pha not above 40": 4, "outside 0.5–7 keV": 14}


def test_chandra_energy_from_the_channel(tmp_path: Path) -> None:
    photons = some_photons(200)
    events = observe(write_chandra(tmp_path / "bare.fits", photons, has_energy=False)).events
    assert np.abs(events.energy - photons.energy).max() <= 0.0073 + 1e-6
    channels = np.full(200, 100)
    channels[:3] = 0
    nulls = observe(write_chandra(tmp_path / "null.fits", photons, has_energy=False, columns={"pi": channels}))
    assert nulls.events.screening.losses == {"no energy": 3}


def test_swift_nulls(tmp_path: Path) -> None:
    photons = mission_photons("swift", 100)
    pi, x = np.full(100, 150), np.full(100, 400)
    pi[:7], x[7:10] = -4095, -1
    events = observe(write_swift(tmp_path / "nulls.evt", photons, columns={"PI": pi, "X": x})).events
    assert dict(events.screening.losses) == {"no energy": 7, "no sky position": 3}
    nowhere = observe(write_swift(tmp_path / "nowhere.evt", photons, columns={"X": np.full(100, -1)}))
    assert nowhere.projection is None
    assert "null in all rows" in nowhere.projection_fault
    assert len(nowhere.events) == 100
    with pytest.raises(FileError, match="null in all rows"):
        nowhere.require_projection()


def test_erosita_modules_have_their_own_good_times_and_dead_times(tmp_path: Path) -> None:
    photons = mission_photons("erosita", 600)
    start, stop = whole_exposure(photons)[0][0]
    gti = {module: [(start, start + 40.0 * module), (stop - 1000, stop)] for module in (5, 6, 7)}
    path = write_erosita(tmp_path / "em01_081069_020_EventList_c010.fits", photons, gti=gti, dead_time={6: 0.98})
    observation = observe(path)
    assert [one.name for one in observation.detectors] == ["TM 5", "TM 6", "TM 7"]
    assert [round(one.good_time) for one in observation.detectors] == [1200, 1240, 1280]
    assert [one.live_fraction for one in observation.detectors] == [1.0, pytest.approx(0.98), 1.0]
    assert observation.frame_time == pytest.approx(0.0500584)


def test_erosita_screening_and_survey(tmp_path: Path) -> None:
    photons = mission_photons("erosita", 100)
    energy = np.full(100, 1000.0)
    energy[:4], energy[4:6] = -1.0, 15000.0
    flags = np.zeros(100, dtype=np.int32)
    flags[10:13], flags[13:15] = np.int32(-0x80000000), 0x1000
    patterns = np.ones(100)
    patterns[20:25] = 0
    path = write_erosita(
        tmp_path / "survey.fits",
        photons,
        columns={"PI": energy, "FLAG": flags, "PAT_TYP": patterns},
        header={"OBS_MODE": "SURVEY"},
    )
    observation = observe(path)
    assert dict(observation.events.screening.losses) == {
        "pattern not 1–4": 5,
        "flagged": 5,
        "no energy": 4,
        "outside 0.2–10 keV": 2,
    }
    assert observation.pointing is None
    assert observation.point_spread is not None
    assert observation.point_spread.r50_and_r90(0.0)[0] == 15.0


def test_wxt_is_one_cmos(tmp_path: Path) -> None:
    observation = observe(write_wxt(tmp_path / "ep11900000001wxt37po_cl.evt", mission_photons("wxt"), cmos=37))
    assert [(one.number, one.name) for one in observation.detectors] == [(37, "CMOS 37")]
    assert set(observation.events.detector.tolist()) == {37}
    assert observation.band == (0.5, 4.0)


def test_fxt_energies_need_a_response(tmp_path: Path) -> None:
    photons = mission_photons("fxt")
    name = "fxt_a_06800000181_ff_01_po_cl_3db.fits"
    with_bounds = observe(write_fxt(tmp_path / name, photons)).events
    (tmp_path / "bare").mkdir()
    bare = write_fxt(tmp_path / "bare" / name, photons, has_ebounds=False)
    with pytest.raises(UnreadableFileError, match="no EBOUNDS in the file and no response"):
        observe(bare)
    stated = observe(bare, pi_kev_per_channel=0.01).events
    np.testing.assert_allclose(stated.energy, with_bounds.energy, atol=0.006)
    write(bare.with_name("fxt_a_06800000181_ff_01_po_3db.rmf"), [ebounds()], {})
    responded = observe(bare)
    np.testing.assert_array_equal(responded.events.energy, with_bounds.energy)
    assert [one.name for one in responded.companions] == ["fxt_a_06800000181_ff_01_po_3db.rmf"]
    assert [one.name for one in responded.detectors] == ["FXTA"]


def test_source_list_of_xmm(tmp_path: Path) -> None:
    photons = mission_photons("mos")
    path = write_xmm(tmp_path / "P0201901401M1S001MIEVLI0000.FTZ", photons)
    beside = write_obsmli(tmp_path / "P0201901401EP000OBSMLI0000.FTZ", [149.61, 149.58], [-11.07, -11.1])
    observation = observe(path)
    assert observation.companions == (beside,)
    apertures = XmmAdapter().apertures(observation)
    assert [(one.detection_id, one.ra, one.dec) for one in apertures] == [
        ("0201901401_1", 149.61, -11.07),
        ("0201901401_2", 149.58, -11.1),
    ]
    assert apertures[0].pos_err_arcsec == pytest.approx(np.hypot(0.9, 1.2))


def test_source_list_of_wxt(tmp_path: Path) -> None:
    path = write_wxt(tmp_path / "ep11900000001wxt12po_cl.evt", mission_photons("wxt"))
    write_ep_cat(tmp_path / "ep11900000001wxt12po_cl.cat", [200.1], [30.2])
    (aperture,) = EinsteinProbeAdapter().apertures(observe(path))
    assert (aperture.ra, aperture.dec) == (200.1, 30.2)
    assert aperture.pos_err_arcsec == pytest.approx(np.hypot(60, 60), rel=1e-6)


def test_events_table_by_any_name_and_column_case(tmp_path: Path) -> None:
    photons = some_photons(30)
    for name in ("STDEVT", "EVENTS01", "PHOTONS"):
        path = write_chandra(tmp_path / f"{name}.fits", photons)
        with fits.open(path, mode="update") as units:
            units["EVENTS"].header["EXTNAME"] = name
            units[name].header["TTYPE1"] = "TiMe"
        assert len(observe(path).events) == 30


def test_columns_of_bits_are_read(tmp_path: Path) -> None:
    path = write_chandra(tmp_path / "bits.fits.gz", some_photons(300, detectors=(2, 3)))
    assert observe(path).columns("status")[0].shape == (300, 4)


def test_list_without_sky_columns_is_read_without_sky(tmp_path: Path) -> None:
    photons = some_photons(30)
    path = write_chandra(tmp_path / "blind.fits", photons)
    with fits.open(path, mode="update") as units:
        names = [name.lower() for name in units["EVENTS"].columns.names]
        units["EVENTS"].header[f"TTYPE{names.index('x') + 1}"] = "other"
    observation = observe(path)
    assert observation.projection is None
    assert "no columns" in observation.projection_fault
    assert len(observation.events) == 30


def test_hrc_is_not_supported(tmp_path: Path) -> None:
    path = write_chandra(tmp_path / "hrcf12345N001_evt2.fits", some_photons(10), header={"INSTRUME": "HRC"})
    with pytest.raises(FileError, match="CHANDRA HRC is not supported, only ACIS"):
        observe(path)


@pytest.mark.parametrize("written", ["NuSTAR", "NUSTAR"])
def test_telescop_is_matched_in_any_case(written: str) -> None:
    fpma = Instrument(
        instrume=("FPMA",),
        energies=(LinearEnergy("PI", 0.04, offset=40),),
        band=(3.0, 79.0),
        hardness_split=10.0,
        gti=(GtiLayout("GTI"),),
        frame_default=2e-6,
    )

    class NustarAdapter(FitsAdapter):
        name = "nustar"
        mission = MissionTable(written, (fpma,))

    adapter = NustarAdapter()
    assert adapter.claims(Path("a.evt"), {"TELESCOP": "NuSTAR", "INSTRUME": "fpma"})
    assert not adapter.claims(Path("b.evt"), {"TELESCOP": "NuSTAR", "INSTRUME": "FPMB"})
    assert not adapter.claims(Path("c.evt"), {"TELESCOP": "SWIFT", "INSTRUME": "FPMA"})
