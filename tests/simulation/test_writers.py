"""Native files of every telescope, written out of exposures made by hand and read back as on the road."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from handmade_exposures import AXIS, HALF_CHANNEL, NAMES, expected, exposure_of, single, swift_sky
from hypothesis import given, settings
from hypothesis import strategies as st
from read_files import LIMITS, observe

from xherald.adapters.reading.fits_files import read_header
from xherald.photons import Observation
from xherald.photons.errors import ConfigError, UnreadableFileError
from xherald.photons.projection import separation_deg
from xherald.plugins import PluginHost
from xherald.simulation.exposure import RecordedEvents, SimulatedExposure
from xherald.simulation.random_streams import stream
from xherald.simulation.telescopes import TELESCOPES
from xherald.simulation.writers import WRITERS, WrittenFiles, read_truth, swift, write_catalogue_source, write_exposure

FILE_NAMES = {
    "chandra-acis-i": "acisf98765N001_evt2.fits.gz",
    "chandra-acis-s": "acisf98765N001_evt2.fits.gz",
    "xmm-mos1": "P0987654321M1S001MIEVLI0000.FTZ",
    "xmm-mos2": "P0987654321M2S002MIEVLI0000.FTZ",
    "xmm-pn": "P0987654321PNS003PIEVLI0000.FTZ",
    "swift-xrt": "sw00098765432xpcw3po_cl.evt.gz",
    "erosita": "em01_098765_020_EventList_c010.fits.gz",
    "erosita-pointed": "fm00_098765_020_EventList_c001.fits.gz",
    "ep-wxt": "ep09876543210wxt{chip}po_cl.evt.gz",
    "ep-fxt": "fxt_a_09876543210_ff_01_po_cl_3db.fits.gz",
}


FITSVERIFY = shutil.which("fitsverify")

verified = pytest.mark.skipif(FITSVERIFY is None, reason="fitsverify is not at hand (Debian: apt install fitsverify)")
per_telescope = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def observed(written: dict[str, WrittenFiles]) -> dict[str, Observation]:
    """What the adapters read of them."""
    return {name: observe(files.events) for name, files in written.items()}


def test_every_telescope_has_a_writer() -> None:
    assert set(WRITERS) == set(TELESCOPES)


@per_telescope
def test_names_are_those_of_the_archives(name: str, written: dict[str, WrittenFiles]) -> None:
    chip = TELESCOPES[name].chips[0].number
    assert written[name].events.name == FILE_NAMES[name].format(chip=chip)
    assert written[name].truth.name == written[name].events.name.split(".")[0] + ".truth.json"


@per_telescope
def test_exactly_one_adapter_claims_the_file(name: str, written: dict[str, WrittenFiles]) -> None:
    header = read_header(written[name].events, LIMITS)
    claims = [
        adapter.name for adapter in PluginHost().adapters.values() if adapter.claims(written[name].events, header)
    ]
    assert len(claims) == 1


@per_telescope
def test_photons_come_back_in_order(
    name: str, exposures: dict[str, SimulatedExposure], observed: dict[str, Observation]
) -> None:
    exposure, observation = exposures[name], observed[name]
    events, wanted = observation.events, expected(exposure)
    x, y = observation.require_projection().to_pixel(wanted.ra, wanted.dec)
    assert len(events) == len(wanted) > 300
    np.testing.assert_array_equal(events.time, wanted.time)
    # Whole sky pixels; Chandra's are 4-byte fractions.
    half = 0.5 + 1e-3 if name not in ("chandra-acis-i", "chandra-acis-s") else 1e-3
    np.testing.assert_allclose(events.x, x, rtol=0, atol=half)
    np.testing.assert_allclose(events.y, y, rtol=0, atol=half)
    np.testing.assert_allclose(
        events.energy, wanted.energy, rtol=0, atol=HALF_CHANNEL[exposure.telescope.mission] + 1e-6
    )
    np.testing.assert_array_equal(events.detector, wanted.detector)


@per_telescope
def test_the_sky_is_the_telescopes(name: str, observed: dict[str, Observation]) -> None:
    ours, theirs = observed[name].require_projection(), TELESCOPES[name].projection_at(*AXIS)
    assert ours.kind == theirs.kind
    for field in ("ra", "dec", "x_reference", "y_reference", "x_step", "y_step"):
        assert getattr(ours, field) == pytest.approx(getattr(theirs, field), rel=1e-14)


@per_telescope
def test_facts_of_the_exposure_come_back(
    name: str, exposures: dict[str, SimulatedExposure], observed: dict[str, Observation]
) -> None:
    exposure, observation = exposures[name], observed[name]
    assert observation.obs_id == exposure.obs_id
    assert observation.object_name == "simulated"
    assert observation.frame_time == pytest.approx(exposure.telescope.frame_time, rel=1e-12)
    assert observation.band == exposure.telescope.band
    assert {one.number for one in observation.detectors} == set(exposure.observing.gti)
    for one in observation.detectors:
        np.testing.assert_array_equal(one.gti, exposure.observing.gti[one.number])
        assert one.live_fraction == pytest.approx(exposure.telescope.live_fraction, rel=1e-6)
    if exposure.telescope.pattern != "scans":
        assert observation.pointing == pytest.approx((exposure.observing.ra, exposure.observing.dec))


def read_back(exposure: SimulatedExposure, observation: Observation) -> SimulatedExposure:
    """The exposure made of what was read."""
    events = observation.events
    ra, dec = observation.require_projection().to_sky(events.x, events.y)
    n = len(events)
    zeros, ones = np.zeros(n, dtype=np.int16), np.ones(n, dtype=np.int16)
    again = RecordedEvents(
        time=events.time, frame=np.zeros(n, dtype=np.int64), ra=ra, dec=dec, energy=events.energy.astype(np.float64),
        detector=events.detector, chip_x=ones, chip_y=ones, grade=zeros, fault=zeros, origin=zeros.astype(np.int32),
    )  # fmt: skip
    return replace(exposure, events=again)


@per_telescope
def test_writing_what_was_read_changes_no_bit(
    name: str, exposures: dict[str, SimulatedExposure], observed: dict[str, Observation], tmp_path: Path
) -> None:
    first = observed[name].events
    second = observe(write_exposure(read_back(exposures[name], observed[name]), tmp_path).events).events
    for column in ("time", "x", "y", "energy", "detector"):
        np.testing.assert_array_equal(getattr(second, column), getattr(first, column), err_msg=column)


@per_telescope
@pytest.mark.parametrize("compress", [True, False], ids=["compressed", "plain"])
def test_same_seed_same_bytes(name: str, compress: bool, written: dict[str, WrittenFiles], tmp_path: Path) -> None:
    one, two = (write_exposure(exposure_of(name), tmp_path / folder, compress=compress) for folder in ("a", "b"))
    files = [(made.events, *made.companions, made.truth) for made in (one, two)]
    for first, second in zip(*files, strict=True):
        assert first.name == second.name
        assert first.read_bytes() == second.read_bytes()
    if compress:
        whole = one.events.read_bytes()
        assert whole == written[name].events.read_bytes()
        assert whole[3] == 0, "no file name in the gzip header"
        assert whole[4:8] == b"\0\0\0\0", "no time in the gzip header"
    else:
        assert one.events.read_bytes()[:6] == b"SIMPLE"
        observe(one.events)


@per_telescope
def test_files_keep_the_fits_standard(name: str, written: dict[str, WrittenFiles]) -> None:
    """Warnings are errors here: a wrong checksum or card would be one."""
    for path in (written[name].events, *written[name].companions):
        with fits.open(path, checksum=True) as units:
            for unit in units:
                unit.verify("exception")
                assert unit.verify_checksum() == 1
                assert unit.verify_datasum() == 1
            units.verify("exception")


@verified
@per_telescope
def test_fitsverify_finds_nothing(name: str, written: dict[str, WrittenFiles], tmp_path: Path) -> None:
    for path in (written[name].events, *written[name].companions):
        assert_verified(path, tmp_path)


@verified
def test_fitsverify_finds_nothing_in_a_catalogue_source(
    exposures: dict[str, SimulatedExposure], tmp_path: Path
) -> None:
    made = write_catalogue_source(exposures["chandra-acis-s"], 1, tmp_path)
    for path in (made.events, *made.companions):
        assert_verified(path, tmp_path)


def assert_verified(path: Path, folder: Path) -> None:
    """HEASARC's own verifier has neither a warning nor an error for a file."""
    whole = path.read_bytes()
    # It goes by names, and .FTZ and .cat are none that it knows.
    plain = folder / "plain.fits"
    plain.write_bytes(gzip.decompress(whole) if whole.startswith(b"\x1f\x8b") else whole)
    told = subprocess.run([str(FITSVERIFY), str(plain)], capture_output=True, text=True, check=False).stdout
    assert "**** Verification found 0 warning(s) and 0 error(s). ****" in told, told


def test_checksums_detect_a_changed_byte(tmp_path: Path) -> None:
    path = write_exposure(exposure_of("swift-xrt", n=50), tmp_path, compress=False).events
    with fits.open(path) as units:
        start = units["EVENTS"].fileinfo()["datLoc"]
    whole = bytearray(path.read_bytes())
    whole[start + 3] ^= 1
    path.write_bytes(whole)
    with fits.open(path) as units:
        assert units["EVENTS"].verify_datasum() == 0


@per_telescope
def test_headers_say_that_the_file_is_simulated(name: str, written: dict[str, WrittenFiles]) -> None:
    with fits.open(written[name].events) as units:
        for header in (units[0].header, units["EVENTS"].header):
            assert header["CREATOR"] == "xherald simulate"
            assert header["ORIGIN"] == "xherald"
            assert "Simulated by xherald: no telescope took these events." in list(header["HISTORY"])
            assert any("seed 5" in line for line in header["HISTORY"])
            assert header["DATE"] == header["DATE-END"][:19]


def test_erosita_scans_or_points(observed: dict[str, Observation]) -> None:
    assert observed["erosita"].mode == "SURVEY"
    assert observed["erosita"].pointing is None
    assert observed["erosita-pointed"].mode == "POINTING"
    assert observed["erosita-pointed"].pointing == pytest.approx(AXIS)


def test_events_beyond_the_sky_grid_have_no_position(tmp_path: Path) -> None:
    exposure = exposure_of("swift-xrt", n=200)
    events = exposure.events
    far = replace(events, dec=np.where(np.arange(200) % 4 == 0, events.dec + 1.0, events.dec))
    made = write_exposure(replace(exposure, events=far), tmp_path)
    with fits.open(made.events) as units:
        assert (units["EVENTS"].data["X"] == -1).sum() > 20
    observation = observe(made.events)
    assert len(observation.events) == read_truth(made.truth)["events_kept"]
    assert observation.events.screening.losses["no sky position"] > 10


@per_telescope
def test_truth_counts_what_readers_keep(
    name: str,
    exposures: dict[str, SimulatedExposure],
    written: dict[str, WrittenFiles],
    observed: dict[str, Observation],
) -> None:
    truth, wanted = read_truth(written[name].events), expected(exposures[name])
    assert truth["events_kept"] == len(observed[name].events)
    assert truth["events_recorded"] == len(exposures[name].events)
    sources = truth["sources"]
    assert isinstance(sources, list)
    assert [one["counts_kept"] for one in sources] == [np.count_nonzero(wanted.origin == k) for k in range(3)]
    assert truth["background_kept"] == {
        kind: np.count_nonzero(wanted.origin == code)
        for kind, code in (("sky_background", -1), ("particles", -2), ("soft_protons", -3))
    }
    assert truth["good_time_s"] == pytest.approx(
        3 * int(1000.0 / TELESCOPES[name].frame_time) * TELESCOPES[name].frame_time
    )
    flare = sources[2]
    start = exposures[name].observing.start
    assert flare["event"]["start_s"] == start + 200.0
    assert flare["event"]["start_utc"] == observed[name].time_reference.utc(start + 200.0)
    assert (flare["class"], flare["direction"]) == ("stellar_flare", "flare")
    assert sources[0]["event"] is None
    assert truth["artefacts"] == [{"kind": "hot_pixel", "detector": 1, "events": 40}]


def test_a_truth_of_another_version_is_refused(written: dict[str, WrittenFiles], tmp_path: Path) -> None:
    truth = read_truth(written["swift-xrt"].truth)
    path = tmp_path / "other.truth.json"
    path.write_text(json.dumps({**truth, "schema_version": 99}))
    with pytest.raises(UnreadableFileError, match="version 99"):
        read_truth(path)
    path.write_text("no JSON")
    with pytest.raises(UnreadableFileError, match="not JSON"):
        read_truth(path)
    with pytest.raises(UnreadableFileError, match="was this file simulated"):
        read_truth(tmp_path / "absent.fits")


@pytest.mark.parametrize("name", ["xmm-mos1", "xmm-pn", "ep-wxt"])
def test_source_lists_hold_what_was_detected(
    name: str,
    exposures: dict[str, SimulatedExposure],
    written: dict[str, WrittenFiles],
    observed: dict[str, Observation],
) -> None:
    (companion,) = written[name].companions
    assert observed[name].companions == (companion,)
    host = PluginHost()
    adapter = host.find_adapter(written[name].events, read_header(written[name].events, LIMITS))
    apertures = adapter.apertures(observed[name])
    assert len(apertures) == 3
    for one, source in zip(apertures, exposures[name].sources, strict=True):
        away = float(separation_deg(one.ra, one.dec, source.ra, source.dec)) * 3600
        assert one.pos_err_arcsec is not None
        # Four of their 68 % radii: 1 in 10⁷ by chance.
        assert 0 < away < 4 * one.pos_err_arcsec


def test_faint_sources_are_not_listed(tmp_path: Path) -> None:
    exposure = exposure_of("xmm-mos1")
    origin = np.where(exposure.events.origin == 1, -1, exposure.events.origin).astype(np.int32)
    origin[np.flatnonzero(exposure.events.origin == 1)[:10]] = 1
    made = write_exposure(replace(exposure, events=replace(exposure.events, origin=origin)), tmp_path)
    with fits.open(made.companions[0]) as units:
        rows = units["SRCLIST"].data
        assert len(rows[rows["ID_INST"] == 0]) == 2


def test_no_source_list_on_request(tmp_path: Path) -> None:
    made = write_exposure(exposure_of("xmm-pn", n=100), tmp_path, source_list=False)
    assert made.companions == ()
    assert (
        sorted(path.name for path in tmp_path.iterdir())
        == [made.truth.name, made.events.name][:: 1 if made.truth.name < made.events.name else -1]
    )


def test_catalogue_source_of_chandra(exposures: dict[str, SimulatedExposure], tmp_path: Path) -> None:
    exposure = exposures["chandra-acis-i"]
    source, events = exposure.sources[1], exposure.events
    rng = stream(3, "near")
    near = np.arange(len(events)) % 3 == 0
    ra = np.where(near, source.ra + rng.normal(0, 0.5 / 3600, len(events)), events.ra)
    dec = np.where(near, source.dec + rng.normal(0, 0.5 / 3600, len(events)), events.dec)
    exposure = replace(exposure, events=replace(events, ra=ra, dec=dec))
    made = write_catalogue_source(exposure, 1, tmp_path)
    assert made.events.name == "acisf98765_000N001_r0002_regevt3.fits.gz"
    assert made.companions[0].name == "acisf98765_000N001_r0002_reg3.fits.gz"
    observation = observe(made.events)
    assert observation.per_source_id == "98765_2"
    host = PluginHost()
    (aperture,) = host.adapters["chandra"].apertures(observation)
    assert float(separation_deg(aperture.ra, aperture.dec, source.ra, source.dec)) * 3600 < 0.1
    wanted = expected(exposure)
    sky = observation.require_projection()
    x, y = sky.to_pixel(wanted.ra, wanted.dec)
    inside = int(np.count_nonzero(aperture.region.contains(sky, x, y)))
    held = int(np.count_nonzero(aperture.region.contains(sky, observation.events.x, observation.events.y)))
    assert held == inside > 100
    assert read_truth(made.events)["events_kept"] == len(observation.events) < len(wanted)
    for path in (made.events, *made.companions):
        with fits.open(path, checksum=True) as units:
            units.verify("exception")
    one = zlib.crc32(made.events.read_bytes())
    assert zlib.crc32(write_catalogue_source(exposure, 1, tmp_path / "again").events.read_bytes()) == one


def test_catalogue_sources_are_chandras(exposures: dict[str, SimulatedExposure], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="for Chandra only"):
        write_catalogue_source(exposures["ep-wxt"], 0, tmp_path)
    with pytest.raises(ConfigError, match="no source 7"):
        write_catalogue_source(exposures["chandra-acis-s"], 7, tmp_path)


def test_a_telescope_without_a_writer_is_named(tmp_path: Path) -> None:
    exposure = exposure_of("swift-xrt", n=10)
    with pytest.raises(ConfigError, match="no writer for telescope 'uhuru'"):
        write_exposure(replace(exposure, telescope=replace(exposure.telescope, name="uhuru")), tmp_path)


@per_telescope
@pytest.mark.parametrize("obs_id", ["", "12", "12345678901234", "abcde"])
def test_a_number_the_mission_could_not_give_is_refused(name: str, obs_id: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not an observation number"):
        write_exposure(replace(exposure_of(name, n=10), obs_id=obs_id), tmp_path)
    assert not list(tmp_path.iterdir())


@settings(max_examples=200)
@given(time=st.floats(6e8, 8e8), frame=st.sampled_from([2.5073, 0.05, 3.14104, 2.6]))
def test_moving_to_the_start_of_a_frame_and_back_loses_no_bit(time: float, frame: float) -> None:
    """Swift's times are stored half a frame early, and readers add it again."""
    columns = {one.name: one.values for one in swift.event_columns(single(time, 1.0), swift_sky(), frame, stream(1))}
    assert np.asarray(columns["TIME"])[0] + (0.5 - 0.0) * frame == time
