"""Catalogues of any format become the same folder, whatever their order and length; errors leave nothing behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.table import Table
from astropy_healpix import lonlat_to_healpix
from catalogue_files import FORMATS, ROLES, import_table, small_table, write_table
from hypothesis import given
from hypothesis import strategies as st

from xherald.context.catalogues import hats_files
from xherald.context.catalogues import import_catalogue as importing
from xherald.context.catalogues.catalogue import Catalogue
from xherald.context.catalogues.columns import ColumnMap, parse_columns, sigma_of_error
from xherald.context.catalogues.import_catalogue import ImportOptions, import_catalogue
from xherald.context.catalogues.sorted_runs import COUNT_ORDER, choose_partitions
from xherald.photons.errors import ArtefactError, ConfigError, FileError, XheraldError

OPTIONS = ImportOptions(ColumnMap(roles=ROLES, keep=("Flag",)))


def all_rows(catalogue: Catalogue) -> Table:
    """The whole catalogue, by name."""
    files = sorted((catalogue.folder / "dataset").rglob("Npix=*.parquet"))
    rows = [row for path in files for row in pq.read_table(path, partitioning=None).to_pylist()]
    return Table(rows=sorted(rows, key=lambda row: row["name"]))


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_the_same_catalogue(form: str, tmp_path: Path) -> None:
    table = small_table()
    import_catalogue(write_table(table, tmp_path, form), tmp_path / "imported", "test", OPTIONS)
    catalogue = Catalogue.open(tmp_path / "imported", verify=True)
    rows = all_rows(catalogue)
    table.sort("Name")
    assert len(catalogue) == len(table)
    assert list(rows["name"]) == list(table["Name"])
    np.testing.assert_allclose(rows["ra_deg"], table["RAJ"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(rows["dec_deg"], table["DEJ"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(rows["pos_err_arcsec"], table["e_pos"], rtol=1e-6)
    np.testing.assert_allclose(rows["magnitude"].astype(float), np.ma.filled(table["G"], np.nan), rtol=1e-6)
    assert list(rows["Flag"]) == list(table["Flag"])
    assert catalogue.columns["pos_err_arcsec"] == "arcsec"


@pytest.mark.parametrize("form", ["fits", "vot", "ecsv", "tsv", "parquet"])
def test_units_of_the_file_are_used(form: str, tmp_path: Path) -> None:
    table = small_table(50)
    table["e_pos"] = (table["e_pos"].quantity).to("mas")
    path = write_table(table, tmp_path, form)
    roles = {"name": "name", "ra": "raj", "dec": "dej", "pos_err": "E_POS"}
    import_catalogue(path, tmp_path / "imported", "test", ImportOptions(ColumnMap(roles=roles)))
    rows = all_rows(Catalogue.open(tmp_path / "imported"))
    table.sort("Name")
    np.testing.assert_allclose(rows["pos_err_arcsec"], table["e_pos"] / 1000, rtol=1e-6)


def test_long_catalogues_are_sorted_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "CHUNK_ROWS", 700)
    monkeypatch.setattr(importing, "MAX_PARTITION_ROWS", 300)
    monkeypatch.setattr(hats_files, "ROW_GROUP_ROWS", 64)
    table = small_table(5_000)
    catalogue = import_table(table, tmp_path)
    files = sorted((catalogue.folder / "dataset").rglob("Npix=*.parquet"))
    assert len(files) > 12
    names: list[str] = []
    for path in files:
        order, folder, pixel = (int(part.partition("=")[2].split(".")[0]) for part in path.parts[-3:])
        rows = pq.read_table(path, partitioning=None)
        expected = lonlat_to_healpix(
            rows["ra_deg"].to_numpy() * units.deg, rows["dec_deg"].to_numpy() * units.deg, 2**order, order="nested"
        )
        assert set(expected.tolist()) == {pixel}
        assert folder == pixel // 10_000 * 10_000
        assert len(rows) <= 300
        index = rows["_healpix_29"].to_numpy()
        assert (np.diff(index) >= 0).all()
        assert (index >> (2 * (29 - order)) == pixel).all()
        names += rows["name"].to_pylist()
    assert sorted(names) == sorted(table["Name"])
    listed = (catalogue.folder / "partition_info.csv").read_text().split()
    assert listed[0] == "Norder,Npix"
    assert len(listed) == len(files) + 1
    assert "hats_nrows=5000" in (catalogue.folder / "hats.properties").read_text()


@given(st.lists(st.tuples(st.integers(0, 12 * 4**COUNT_ORDER - 1), st.integers(1, 90)), max_size=30))
def test_partitions_hold_every_row_once(filled: list[tuple[int, int]]) -> None:
    counts = np.zeros(12 * 4**COUNT_ORDER, dtype=np.int64)
    for pixel, rows in filled:
        counts[pixel] += rows
    covered = np.zeros(len(counts), dtype=np.int64)
    for order, pixel in choose_partitions(counts, 100):
        width = 4 ** (COUNT_ORDER - order)
        inside = slice(pixel * width, (pixel + 1) * width)
        covered[inside] += 1
        assert counts[inside].sum() > 0
        assert counts[inside].sum() <= 100 or order == COUNT_ORDER
    assert (covered[counts > 0] == 1).all()
    assert covered.max() <= 1


@pytest.mark.parametrize(("meaning", "content"), [("68%", 0.68), ("90%", 0.90), ("95%", 0.95)])
def test_error_radii_hold_the_stated_part_of_a_normal_distribution(meaning: str, content: float) -> None:
    draws = np.random.default_rng(5).normal(0, sigma_of_error(meaning), (2, 100_000))
    inside = np.mean(np.hypot(*draws) < 1)
    assert abs(inside - content) < 4 * np.sqrt(content * (1 - content) / 100_000)


def test_root_of_both_variances() -> None:
    draws = np.random.default_rng(6).normal(0, sigma_of_error("rms"), (2, 100_000))
    assert abs(np.sqrt((draws**2).sum(axis=0).mean()) - 1) < 4 / np.sqrt(100_000)


def test_errors_along_right_ascension_and_declination_become_an_ellipse(tmp_path: Path) -> None:
    table = small_table(4)
    table["e_ra"] = [3.0, 1.0, 2.0, 0.5] * units.arcsec
    table["e_dec"] = [1.0, 2.0, 2.0, 0.5] * units.arcsec
    roles = {key: ROLES[key] for key in ("name", "ra", "dec")} | {"pos_err_ra": "e_ra", "pos_err_dec": "e_dec"}
    rows = all_rows(import_table(table, tmp_path, ColumnMap(roles=roles)))
    table.sort("Name")
    np.testing.assert_allclose(rows["pos_err_major_arcsec"], np.maximum(table["e_ra"], table["e_dec"]))
    np.testing.assert_allclose(rows["pos_err_minor_arcsec"], np.minimum(table["e_ra"], table["e_dec"]))
    assert list(rows["pos_err_angle_deg"]) == [90.0 if e > n else 0.0 for e, n in table["e_ra", "e_dec"]]
    np.testing.assert_allclose(
        rows["pos_err_arcsec"], np.sqrt((np.array(table["e_ra"]) ** 2 + np.array(table["e_dec"]) ** 2) / 2), rtol=1e-6
    )


@pytest.mark.parametrize(("unit", "value"), [("yr", 2015.5), ("d", 2457206.375), ("d", 57205.875)])
def test_epochs_are_years_or_julian_dates(unit: str, value: float, tmp_path: Path) -> None:
    table = small_table(3)
    table["pm"] = 1.0 * units.mas / units.yr
    table["when"] = value * units.Unit(unit)
    columns = ColumnMap(roles=ROLES | {"pmra": "pm", "pmdec": "pm", "epoch": "when"})
    assert all_rows(import_table(table, tmp_path, columns))["epoch_yr"] == pytest.approx(2015.5, abs=2e-4)


def test_sexagesimal_positions(tmp_path: Path) -> None:
    path = tmp_path / "pulsars.csv"
    path.write_text("NAME,RAJ,DECJ\nJ0534+2200,05:34:31.973,+22:00:52.06\nJ0835-4510,08 35 20.61,-45 10 34.88\n")
    columns = ColumnMap(roles={"name": "NAME", "ra": "RAJ[hms]", "dec": "DECJ[dms]"}, default_pos_err_arcsec=0.1)
    import_catalogue(path, tmp_path / "imported", "pulsars", ImportOptions(columns))
    rows = all_rows(Catalogue.open(tmp_path / "imported"))
    np.testing.assert_allclose(rows["ra_deg"], [83.6332208, 128.8358750], atol=1e-6)
    np.testing.assert_allclose(rows["dec_deg"], [22.0144611, -45.1763556], atol=1e-6)


def spoiled(name: str, row: int, value: object) -> Table:
    table = small_table(40)
    table[name][row] = value
    return table


BAD = {
    "missing position": (spoiled("RAJ", 11, np.nan), ["row 12", "RAJ", "--skip-invalid"]),
    "negative right ascension": (spoiled("RAJ", 3, -5.0), ["row 4", "RAJ", "-5", "--wrap-ra"]),
    "right ascension beyond 360": (spoiled("RAJ", 3, 361.0), ["row 4", "RAJ", "361"]),
    "declination beyond the pole": (spoiled("DEJ", 0, 90.5), ["row 1", "DEJ", "90.5"]),
    "missing error": (spoiled("e_pos", 7, np.nan), ["row 8", "e_pos", "--default-error"]),
    "zero error": (spoiled("e_pos", 7, 0.0), ["row 8", "e_pos", "--default-error"]),
    "no name": (spoiled("Name", 20, ""), ["row 21", "Name", "empty"]),
    "repeated name": (spoiled("Name", 20, small_table(40)["Name"][5]), ["row 21", "row 6", "--keep-repeated"]),
    "no rows": (small_table(0), ["no rows"]),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("form", ["fits", "csv"])
def test_bad_rows_are_named_and_nothing_is_imported(what: str, form: str, tmp_path: Path) -> None:
    table, words = BAD[what]
    path = write_table(table, tmp_path, form)
    (tmp_path / "store").mkdir()
    with pytest.raises(FileError) as error:
        import_catalogue(path, tmp_path / "store" / "imported", "test", OPTIONS)
    assert [word for word in [str(path), *words] if word not in str(error.value)] == []
    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"ra": "RAJ_2000[deg]"}, ["RAJ_2000", "did you mean RAJ"]),
        ({"e_pos": "e_pos"}, ["'e_pos' is not a role"]),
        ({"pos_err": None}, ["pos_err=COLUMN", "--default-error"]),
        ({"pmra": "G[mas/yr]", "pmdec": "G[mas/yr]"}, ["pmra needs epoch"]),
        ({"flux": "G[erg/s/cm2]"}, ["--flux-band"]),
        ({"pos_err": "e_pos[furlong]"}, ["e_pos", "furlong"]),
        ({"pos_err": "e_pos[mag]"}, ["e_pos", "'mag' cannot be converted"]),
        ({"name": None}, ["no column is the name", "name=COLUMN"]),
        ({"ra": "180[deg]"}, ["ra must be a column"]),
        ({"pos_err_ra": "e_pos"}, ["do not make a positional error"]),
    ],
)
def test_wrong_columns_are_named(columns: dict[str, str | None], words: list[str], tmp_path: Path) -> None:
    path = write_table(small_table(5), tmp_path, "fits")
    roles = {key: value for key, value in (ROLES | columns).items() if value is not None}
    with pytest.raises(ConfigError) as error:
        import_catalogue(path, tmp_path / "imported", "test", ImportOptions(ColumnMap(roles=roles)))
    assert [word for word in words if word not in str(error.value)] == []
    assert not (tmp_path / "imported").exists()


def test_a_column_without_a_unit_is_named(tmp_path: Path) -> None:
    path = write_table(small_table(5), tmp_path, "csv")
    columns = ColumnMap(roles=ROLES | {"pos_err": "e_pos"})
    with pytest.raises(ConfigError, match=r"pos_err \(column e_pos\) has no unit.*pos_err=e_pos\[arcsec\]"):
        import_catalogue(path, tmp_path / "imported", "test", ImportOptions(columns))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("text.csv", b"Name,RAJ,DEJ,e_pos,G,Flag\na,twelve,5,1,1,a\n"),
        ("comments.csv", b"# nothing\n"),
        ("cut.fits", b"SIMPLE  =                    T"),
        ("cut.parquet", b"PAR1 and nothing more"),
        ("cut.vot", b"<?xml version='1.0'?><VOTABLE><RESOURCE>"),
        ("cut.csv.gz", b"\x1f\x8b\x08\x00"),
        ("photo.csv", b"\x89PNG\r\n\x1a\n\x00\x00"),
    ],
)
def test_unreadable_files_are_refused(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FileError, match=name):
        import_catalogue(path, tmp_path / "imported", "test", OPTIONS)
    assert sorted(one.name for one in tmp_path.iterdir()) == [name]


def test_invalid_rows_can_be_left_out(tmp_path: Path) -> None:
    table = small_table(40)
    table["RAJ"][3], table["DEJ"][4], table["e_pos"][5], table["Name"][6] = np.nan, -91.0, 0.0, ""
    path = write_table(table, tmp_path, "fits")
    import_catalogue(path, tmp_path / "imported", "test", replace(OPTIONS, skip_invalid=True))
    catalogue = Catalogue.open(tmp_path / "imported")
    assert len(catalogue) == 36
    assert catalogue.about["skipped"] == {
        "no position": 1,
        "position out of range": 1,
        "no positional error": 1,
        "no name": 1,
    }


def test_repeated_names_are_counted_in_the_file(tmp_path: Path) -> None:
    """Also where rows before them are left out."""
    table = small_table(40)
    table["RAJ"][3] = np.nan
    table["Name"][30] = table["Name"][10]
    path = write_table(table, tmp_path, "fits")
    with pytest.raises(FileError, match=r"row 31 that of row 11\b"):
        import_catalogue(path, tmp_path / "imported", "test", replace(OPTIONS, skip_invalid=True))
    import_catalogue(path, tmp_path / "imported", "test", replace(OPTIONS, skip_invalid=True, keep_repeated=True))
    assert len(Catalogue.open(tmp_path / "imported")) == 39


def test_a_default_error_is_for_rows_without_one(tmp_path: Path) -> None:
    table = spoiled("e_pos", 7, np.nan)
    named, others = table["Name"][7], float(table["e_pos"][8])
    catalogue = import_table(table, tmp_path, ColumnMap(roles=ROLES, default_pos_err_arcsec=4.5))
    errors = dict(all_rows(catalogue)["name", "pos_err_arcsec"].iterrows())
    assert errors[named] == pytest.approx(4.5)
    assert errors[table["Name"][8]] == pytest.approx(others)


def test_right_ascensions_from_minus_180_can_be_wrapped(tmp_path: Path) -> None:
    table = small_table(40)
    expected = np.sort(np.array(table["RAJ"]))
    table["RAJ"] = np.where(table["RAJ"] > 180, table["RAJ"] - 360, table["RAJ"]) * units.deg
    path = write_table(table, tmp_path, "fits")
    import_catalogue(path, tmp_path / "imported", "test", replace(OPTIONS, wrap_ra=True))
    np.testing.assert_allclose(np.sort(all_rows(Catalogue.open(tmp_path / "imported"))["ra_deg"]), expected, atol=1e-9)


def test_a_changed_catalogue_is_refused(tmp_path: Path) -> None:
    catalogue = import_table(small_table(), tmp_path)
    file = next((catalogue.folder / "dataset").rglob("Npix=*.parquet"))
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ArtefactError, match="modified"):
        Catalogue.open(catalogue.folder, verify=True)
    with pytest.raises(XheraldError, match="import the catalogue again"):
        Catalogue.open(catalogue.folder).count([0.0], [0.0], 0.0, 180 * 3600.0)


def test_columns_as_text() -> None:
    found = parse_columns("ra=RA_ICRS, pos_err = e_pos [mas],epoch=2016.0[yr],flux=")
    assert found["ra"].column == "RA_ICRS"
    assert (found["pos_err"].column, found["pos_err"].unit) == ("e_pos", "mas")
    assert (found["epoch"].constant, found["epoch"].unit) == (2016.0, "yr")
    assert found["flux"] is None
    for wrong in ("ra", "ra=a,ra=b", "right=RA", "ra=RA[deg"):
        with pytest.raises(ConfigError):
            parse_columns(wrong)
