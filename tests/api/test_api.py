"""The Python API as a notebook uses it: scan, tables, sources, similar transients, references, stores, simulation."""

from __future__ import annotations

import subprocess
import sys
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import QTable, Table
from astropy.time import Time
from astropy.timeseries import BinnedTimeSeries
from matplotlib.figure import Figure

import xherald as xh
from xherald.photons.errors import ConfigError, FileError, ReferenceDataError, StoreError
from xherald.simulate import SimulatedFile


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> SimulatedFile:
    return xh.simulate.field(
        "chandra",
        sources=12,
        transients=["stellar_flare", "fast_transient"],
        counts=150,
        seed=4,
        folder=tmp_path_factory.mktemp("field"),
    )


@pytest.fixture(scope="module")
def scan(field: SimulatedFile) -> xh.ScanResult:
    return xh.scan(str(field.path))


@pytest.fixture(scope="module")
def best(scan: xh.ScanResult) -> xh.Source:
    return scan.candidates[0]


# --- names ------------------------------------------------------------------------------------------------------------


def test_every_public_name_exists_and_is_documented() -> None:
    for name in xh.__all__:
        thing = getattr(xh, name)
        assert name == "__version__" or thing.__doc__, name
    assert set(xh.__all__) <= set(dir(xh))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = xh.nonsense  # type: ignore[attr-defined]


def test_importing_brings_nothing_heavy() -> None:
    code = (
        "import sys, xherald; heavy = ('numpy', 'astropy', 'numba', 'matplotlib', 'scipy', 'tensorflow', 'umap')\n"
        "print(*(name for name in heavy if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_script_needs_no_main_guard(field: SimulatedFile, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import xherald as xh\n"
        "from xherald.simulation.population import simulate_population\n"
        f"scan = xh.scan({str(field.path)!r})\n"
        "print(len(scan.candidates), len(simulate_population(4100, seed=1, workers=2).batch))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    candidates, population = done.stdout.split()
    assert int(candidates) >= 2
    assert int(population) == 4100
    assert done.stderr == ""


# --- scan -------------------------------------------------------------------------------------------------------------


def test_the_transients_of_the_field_are_the_candidates(scan: xh.ScanResult, field: SimulatedFile) -> None:
    truth = field.sources[field.sources["direction"] == "flare"]
    at = SkyCoord(truth["ra_deg"], truth["dec_deg"], unit="deg")
    found = SkyCoord([one.position for one in scan.candidates])
    assert (at.match_to_catalog_sky(found)[1] < 3 * u.arcsec).all()


def test_the_table_has_units_times_ucds_and_is_sorted(scan: xh.ScanResult) -> None:
    table = scan.table
    assert isinstance(table, QTable)
    assert len(table) == len(scan)
    assert table["ra_deg"].unit == u.deg
    assert table["livetime_s"].unit == u.s
    assert isinstance(table["interval_start_utc"], Time)
    assert all(table[name].info.description for name in table.colnames)
    assert table["ra_deg"].info.meta["ucd"] == "pos.eq.ra;meta.main"
    assert table["is_candidate"][0]
    assert list(table["detection_id"]) == [source.row["detection_id"] for source in scan]


def test_sources_are_found_by_place_name_and_candidate_id(scan: xh.ScanResult, best: xh.Source) -> None:
    assert scan[0] is best
    assert scan[best.name] is best
    assert best.candidate_id is not None
    assert scan[best.candidate_id] is best
    with pytest.raises(KeyError, match="no source is named 'x'"):
        scan["x"]
    with pytest.raises(IndexError):
        scan[len(scan)]


def test_sources_may_be_positions_tables_regions_and_lists(
    field: SimulatedFile, best: xh.Source, tmp_path: Path
) -> None:
    at = best.position
    assert at is not None
    listed = tmp_path / "list.csv"
    listed.write_text(f"name,ra,dec\nmine,{at.ra.deg},{at.dec.deg}\n")
    circle = f'fk5; circle({at.ra.deg}, {at.dec.deg}, 4")'
    given = [
        {"sources": listed},
        {"sources": str(listed)},
        {"sources": at},
        {"sources": SkyCoord([at])},
        {"sources": Table({"ra_deg": [at.ra.deg], "dec_deg": [at.dec.deg]})},
        {"region": circle},
    ]
    counts = [len(xh.scan(field.path, **one)[0].events) for one in given]
    assert counts[:5] == [counts[0]] * 5
    assert 0 < counts[5] < counts[0]
    ring = f'fk5; annulus({at.ra.deg}, {at.dec.deg}, 20", 40")'
    other = xh.scan(field.path, region=circle, background=ring)[0]
    assert len(other.events) == counts[5]
    assert other.event_list.background is not None
    # Areas of the ring and the circle, as far as both lie on the chip.
    assert other.event_list.background.area_ratio == pytest.approx(4**2 / (40**2 - 20**2), rel=0.1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sources": 5}, "sources: expected a path, a SkyCoord or a Table, got int"),
        ({"region": "circle(1,"}, "cannot be parsed as a DS9 region"),
        ({"region": 5}, "region: expected a path, DS9 text or a regions.Region, got int"),
        ({"sources": "list.csv", "region": "circle(1,1,1)"}, "either sources or region"),
        ({"background": "fk5; point(82.0, 48.7)"}, "background: expected a circle"),
        ({"config": {"timing": {"significanse": 1}}}, "config argument: unknown key 'timing.significanse'"),
        ({"config": 5}, "config: expected a path, a mapping or a Configuration, got int"),
        ({"on_error": "ignore"}, "on_error: expected 'raise' or 'keep'"),
    ],
)
def test_wrong_arguments_are_refused_by_name(field: SimulatedFile, given: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        xh.scan(field.path, **given)  # type: ignore[arg-type]


def test_settings_may_be_given_in_place(field: SimulatedFile) -> None:
    scan = xh.scan(field.path, config={"detection": {"false_alarms_per_1000": 300.0}})
    assert len(scan.candidates) > len(xh.scan(field.path).candidates)


def test_files_that_cannot_be_used_are_raised_or_kept(field: SimulatedFile, tmp_path: Path) -> None:
    missing = tmp_path / "missing.fits"
    with pytest.raises(FileError, match=r"missing\.fits"):
        xh.scan([missing, field.path])
    scan = xh.scan([missing, field.path], on_error="keep")
    assert list(scan.failures) == [missing]
    assert len(scan.scans) == 1
    assert "1 not usable" in repr(scan)


def test_a_plugin_that_cannot_be_loaded_is_a_warning(field: SimulatedFile, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise ValueError('no')\n")
    with pytest.warns(UserWarning, match="broken.* is not in use"):
        xh.scan(field.path, config={"plugins": {"files": [str(broken)]}})


@pytest.mark.parametrize("suffix", ["ecsv", "fits", "vot", "parquet", "csv", "jsonl"])
def test_results_are_written_in_the_format_of_the_suffix(scan: xh.ScanResult, tmp_path: Path, suffix: str) -> None:
    scan.write(tmp_path / f"sources.{suffix}")
    assert (tmp_path / f"sources.{suffix}").stat().st_size > 0
    with pytest.raises(ConfigError, match="suffix"):
        scan.write(tmp_path / "sources.docx")


# --- sources ----------------------------------------------------------------------------------------------------------


def test_a_light_curve_counts_every_photon_once(best: xh.Source) -> None:
    curve = best.light_curve(bin_s=200)
    assert isinstance(curve, BinnedTimeSeries)
    assert curve["counts"].sum() == len(best.events) * u.ct
    assert curve["exposure"].sum().to_value("s") == pytest.approx(best.event_list.livetime, rel=1e-9)
    assert (curve["rate_low"] <= curve["rate"]).all()
    assert (curve["rate"] <= curve["rate_high"]).all()
    assert u.allclose(curve["rate"], curve["counts"] / curve["exposure"])
    background = best.event_list.background
    assert background is not None
    expected = len(background.time) * background.area_ratio
    assert curve["background_counts"].sum().to_value("ct") == pytest.approx(expected, rel=1e-9)
    inside = (curve["time_s"].value >= best.interval[0] - 200) & (curve["time_s"].value < best.interval[1])  # type: ignore[index]
    assert curve["counts"][inside].sum() > 0.4 * len(best.events) * u.ct
    with pytest.raises(ConfigError, match="positive"):
        best.light_curve(0)
    with pytest.raises(ConfigError, match="most is"):
        best.light_curve(1e-6)


def test_events_are_photons_with_times_and_energies(best: xh.Source) -> None:
    events = best.events
    assert isinstance(events["time"], Time)
    assert events["energy"].unit == u.keV
    assert len(events) == best.row["counts"]
    assert ((events["energy"] >= 0.5 * u.keV) & (events["energy"] <= 7 * u.keV)).all()


def test_the_et_map_is_numpys_histogram(best: xh.Source) -> None:
    time, energy = best.event_list.time, best.event_list.energy.astype(np.float64)
    edges = np.linspace(0, 1, 25), np.linspace(np.log10(0.5), np.log10(7), 17)
    expected = np.histogram2d((time - time[0]) / (time[-1] - time[0]), np.log10(energy), edges)[0]
    assert np.array_equal(best.et_map(), expected)


def test_similar_transients_are_sorted_and_can_be_drawn(best: xh.Source) -> None:
    similar = best.similar(10)
    assert len(similar) == 10
    distances = [one.distance for one in similar]
    assert distances == sorted(distances)
    named = [one["name"] for one in best.row["similar_to"]]
    assert [one.name for one in similar][: len(named)] == named
    assert similar.table.colnames == ["name", "kind", "distance"]
    assert isinstance(similar[0].plot(), Figure)
    assert similar[0].member.et_map.shape == (24, 16)
    assert similar[0].name in similar._repr_html_()
    with pytest.raises(ConfigError, match="at least 1"):
        best.similar(0)


def test_figures_show_themselves_in_notebooks(scan: xh.ScanResult, best: xh.Source) -> None:
    for figure in (best.plot(), best.plot_light_curve(300), scan.plot_map()):
        assert figure._repr_png_()[:4] == b"\x89PNG"


def test_objects_have_one_line_and_escaped_html(scan: xh.ScanResult, best: xh.Source) -> None:
    for thing in (scan, best, best.similar(3)):
        assert "\n" not in repr(thing)
        assert "<table>" in thing._repr_html_()
    best.row["obs_id"], kept = "<script>", best.row["obs_id"]
    try:
        assert "<script>" not in best._repr_html_()
        assert "&lt;script&gt;" in scan._repr_html_()
    finally:
        best.row["obs_id"] = kept


def test_a_table_of_photons_has_no_position_no_dates_and_no_reference(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    times = np.sort(np.concatenate([rng.uniform(0, 10_000, 60), rng.uniform(5_000, 5_050, 40)]))
    path = tmp_path / "photons.csv"
    lines = [f"mine,{time},{energy}" for time, energy in zip(times, rng.uniform(600, 6_000, 100), strict=True)]
    path.write_text("\n".join(["obsreg_id,time,energy", *lines]) + "\n")
    source = xh.scan(path)[0]
    assert source.position is None
    assert source.kind == "flare"
    curve = source.light_curve(100)
    assert type(curve) is QTable
    assert curve["time_bin_start"].unit == u.s
    assert "time" not in source.events.colnames
    with pytest.raises(ReferenceDataError, match="no reference"):
        source.similar()
    with pytest.raises(ReferenceDataError, match="no embedding"):
        xh.scan(path).plot_map()


# --- references -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference() -> xh.Reference:
    return xh.Reference("chandra-acis-i")


def test_a_shipped_reference_opens_by_its_name(reference: xh.Reference) -> None:
    assert "chandra-acis-i" in xh.Reference.names()
    assert len(reference) > 1000
    assert len(reference.embedding) == len(reference)
    assert {"x", "y", "cluster", "obsreg_id"} <= set(reference.embedding.colnames)
    assert len(reference.transients) > 100
    with pytest.raises(ConfigError, match="no reference is named 'nonsense'; there are built-in"):
        xh.Reference("nonsense")


def test_members_keep_their_maps_and_light_curves(reference: xh.Reference) -> None:
    for row in range(0, len(reference), 500):
        member = reference[row]
        assert reference[member.name].index == row
        counts = int(member.light_curve["counts"].sum().to_value("ct"))
        assert counts == member.row["counts"]
        assert 0 < member.et_map.sum() <= counts
        assert member.light_curve["exposure"].sum().to_value("s") == pytest.approx(member.row["livetime_s"], rel=1e-5)
    assert isinstance(reference.transients[0].plot(), Figure)
    with pytest.raises(KeyError, match="no member 'x'"):
        reference["x"]
    with pytest.raises(IndexError):
        reference[len(reference)]


def test_members_resemble_others_but_not_themselves(reference: xh.Reference) -> None:
    member = reference.transients[0]
    near = member.similar(5)
    assert len(near) == 5
    assert member.index not in [one.index for one, _ in near]
    assert [distance for _, distance in near] == sorted(distance for _, distance in near)


def test_embeddings_are_coloured_by_any_column(reference: xh.Reference) -> None:
    for column in ("bona_fide", "class", "hardness", "cluster"):
        assert isinstance(reference.plot(reference.cases[-1], column), Figure)
    with pytest.raises(ConfigError, match="no column 'x'"):
        reference.plot(colour_by="x")


# --- stores, simulation, injection ------------------------------------------------------------------------------------


def test_an_empty_store_has_no_candidates(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    with pytest.raises(StoreError):
        xh.open_store(url)
    with xh.open_store(url, create=True) as store:
        found = store.candidates(since="2d")
        assert len(found) == 0
        assert len(found.table) == 0
        assert "0 candidates" in repr(found)
        assert "candidates" in store._repr_html_()
        with pytest.raises(ConfigError, match="verdict"):
            store.record_verdict("x", "maybe", author="me")
        with pytest.raises(ConfigError, match="since: 'soon'"):
            store.candidates(since="soon")
    with xh.open_store(tmp_path / "store.sqlite") as again:
        assert again.counts()["candidates"] == 0


def test_since_is_a_length_or_a_date() -> None:
    from xherald.time_texts import parse_since

    now = datetime.now(UTC)
    for given, hours in (("2d", 48), ("36h", 36), ("90m", 1.5), (timedelta(hours=5), 5)):
        assert abs((now - parse_since(given)).total_seconds() / 3600 - hours) < 0.01  # type: ignore[arg-type]
    assert parse_since("2026-01-02") == datetime(2026, 1, 2, tzinfo=UTC)
    assert parse_since(datetime(2026, 1, 2)) == datetime(2026, 1, 2, tzinfo=UTC)


def test_what_is_injected_is_found(tmp_path: Path) -> None:
    quiet = xh.simulate.field("chandra", sources=6, seed=11, folder=tmp_path)
    first = quiet.sources[0]
    at = SkyCoord(first["ra_deg"], first["dec_deg"], unit="deg").directional_offset_by(0.6 * u.rad, 1 * u.arcmin)
    injected = xh.inject(quiet.path, tmp_path / "with_evt2.fits", counts=80, at=at, seed=1)
    assert injected.photons > 50
    found = xh.scan(injected.path).candidates
    assert any(one.position is not None and one.position.separation(at) < 3 * u.arcsec for one in found)
    with pytest.raises(ConfigError):
        xh.inject(quiet.path, tmp_path / "other.fits", kind="nonsense", counts=80, at=at)


def test_a_drop_holds_one_file_of_each_mission(tmp_path: Path) -> None:
    files = xh.simulate.drop(tmp_path, missions=["swift", "ep-fxt"], seed=2)
    assert [one.path.parent for one in files] == [tmp_path, tmp_path]
    assert all(one.truth["sources"] for one in files)
    assert set(xh.simulate.options()) == {"classes", "telescopes", "patterns", "artefacts"}


def test_progress_is_quiet_where_nobody_looks(field: SimulatedFile, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xh.scan(field.path)
    assert capsys.readouterr() == ("", "")


def test_every_public_name_is_documented_for_users(root: Path) -> None:
    page = (root / "docs" / "python.md").read_text()
    missing = [name for name in xh.__all__ if name != "__version__" and f"xh.{name}" not in page]
    assert not missing
