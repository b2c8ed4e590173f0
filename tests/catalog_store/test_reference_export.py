"""A reference catalogue's export: what is written reads back the same, unknown stays unknown, old files stay."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable import parse_single_table, validate
from astropy.io.votable.ucd import parse_ucd
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st
from small_reference import CANDIDATES, SOURCES, WIDTH, small_reference, with_sources

from xherald.catalog_store.references.export import SUFFIXES, export_reference, flat_table
from xherald.photons.errors import ArtefactError, ConfigError, FileError
from xherald.plugins.reference import Reference

TABLES = (".parquet", ".fits", ".vot", ".xml")
NUMBERS = (
    "tsne1",
    "tsne2",
    "distance",
    "ra_deg",
    "dec_deg",
    "hardness",
    "livetime_s",
    "counts",
    "variability_index",
    "cluster",
)
WORDS = ("obsreg_id", "mission", "obs_id", "bona_fide", "class", "candidate", "nearest")


@pytest.fixture(scope="module")
def reference() -> Reference:
    return small_reference()


def rows_of(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    return header, rows


def with_embedding(reference: Reference, embedding: np.ndarray) -> Reference:
    return replace(reference, cases={"2D-PCA": replace(reference.cases["2D-PCA"], embedding=embedding)})


# --- published tables ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("target", "stem"), [("", "2DPCA"), ("made/below", "2DPCA"), ("paper2DPCA.csv", "paper2DPCA")])
def test_published_tables_are_written(reference: Reference, tmp_path: Path, target: str, stem: str) -> None:
    written = export_reference(reference, "2D-PCA", tmp_path / target)
    folder = tmp_path / target if not target.endswith(".csv") else tmp_path
    assert written == [folder / f"{stem}_{name}.csv" for name in ("embedding", "clusters", "candidates")]
    case = reference.cases["2D-PCA"]
    header, rows = rows_of(written[0])
    assert header == ["tsne1", "tsne2", "obsreg_id"]
    assert [row[2] for row in rows] == reference.sources["obsreg_id"].to_pylist()
    assert np.array_equal(np.array([row[:2] for row in rows], dtype=float), case.embedding)
    header, clustered = rows_of(written[1])
    assert header == ["tsne1", "tsne2", "obsreg_id", "cluster"]
    assert [row[:3] for row in clustered] == rows
    assert [int(row[3]) for row in clustered] == case.cluster.tolist()
    header, candidates = rows_of(written[2])
    assert header == ["tsne1", "tsne2", "obsreg_id", "kind", "through", "cluster", "nearest", "distance"]
    assert [row[:3] for row in candidates] == [rows[row] for row in CANDIDATES]
    assert [float(row[-1]) for row in candidates] == case.candidates["distance"].to_pylist()
    assert sorted(folder.iterdir()) == sorted(written)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2))
def test_numbers_are_read_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, reference: Reference, place: list[float]
) -> None:
    moved = with_embedding(reference, np.tile(place, (SOURCES, 1)))
    written = export_reference(moved, "2D-PCA", tmp_path_factory.mktemp("numbers"))
    assert [float(word) for word in rows_of(written[0])[1][-1][:2]] == place


def test_names_with_commas_and_quotes_read_back(reference: Reference, tmp_path: Path) -> None:
    names = [f'a "{row}", b' for row in range(SOURCES)]
    odd = with_sources(small_reference(candidates=False), obsreg_id=names)
    written = export_reference(odd, "2D-PCA", tmp_path)
    assert [row[2] for row in rows_of(written[1])[1]] == names
    assert rows_of(written[2])[1] == []


def test_files_equal_the_published_form(reference: Reference, tmp_path: Path) -> None:
    export_reference(with_embedding(reference, np.tile([-0.1, 1e-17], (SOURCES, 1))), "2D-PCA", tmp_path)
    first = (tmp_path / "2DPCA_clusters.csv").read_bytes().split(b"\n")[:2]
    assert first == [b"tsne1,tsne2,obsreg_id,cluster", b"-0.1,1e-17,10000_0,1"]


# --- one table -------------------------------------------------------------------------------------------------------


def read_back(path: Path) -> dict[str, np.ma.MaskedArray]:
    """Columns of an exported table, masked where it says nothing."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        empty = {name: "" if pa.types.is_string(table[name].type) else 0 for name in table.column_names}
        return {
            name: np.ma.array(table[name].fill_null(empty[name]).to_pylist(), mask=table[name].is_null().to_numpy())
            for name in table.column_names
        }
    table = Table.read(path, format="fits" if path.suffix == ".fits" else "votable")
    return {name: np.ma.array(table[name]) for name in table.colnames}


@pytest.mark.parametrize("suffix", TABLES)
def test_tables_hold_all_columns(reference: Reference, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"toy{suffix}"
    assert export_reference(reference, "2D-PCA", target) == [target]
    found, flat, case = read_back(target), flat_table(reference, reference.cases["2D-PCA"]), reference.cases["2D-PCA"]
    assert list(found) == flat.column_names
    for name in NUMBERS:
        missing = flat[name].is_null().to_numpy()
        assert np.array_equal(np.ma.getmaskarray(found[name]), missing), name
        values = np.array(flat[name].drop_null())
        assert np.array_equal(found[name].compressed(), values), name
    for name in WORDS:
        assert np.ma.filled(found[name].astype(str), "").tolist() == flat[name].to_pylist(), name
    features = np.column_stack([found[f"feature_{number}"] for number in range(1, WIDTH + 1)])
    assert np.array_equal(features.astype(np.float32), case.features)
    assert list(tmp_path.iterdir()) == [target]


def test_flat_table_describes_candidates(reference: Reference) -> None:
    table = flat_table(reference, reference.cases["2D-PCA"])
    assert {row: kind for row, kind in enumerate(table["candidate"].to_pylist()) if kind} == {
        row: kind for row, (kind, *_) in CANDIDATES.items()
    }
    ids = table["obsreg_id"].to_pylist()
    assert {row: name for row, name in enumerate(table["nearest"].to_pylist()) if name} == {
        row: ids[nearest] for row, (_, _, _, nearest) in CANDIDATES.items()
    }
    assert table["distance"].null_count == SOURCES - len(CANDIDATES)
    untested = np.array(reference.sources["variability_index"]) == -1
    assert np.array_equal(table["variability_index"].is_null().to_numpy(), untested)
    assert table["feature_1"].type == pa.float32()


def test_no_candidates_and_no_clusters(tmp_path: Path) -> None:
    bare = small_reference(clusters=0, candidates=False, classes=False)
    for suffix in TABLES:
        export_reference(bare, "2D-PCA", tmp_path / f"bare{suffix}")
        found = read_back(tmp_path / f"bare{suffix}")
        assert np.ma.getmaskarray(found["distance"]).all()
        assert not found["cluster"].any()


def test_fits_columns_have_units_and_descriptions(reference: Reference, tmp_path: Path) -> None:
    export_reference(reference, "2D-PCA", tmp_path / "toy.fits")
    header = fits.getheader(tmp_path / "toy.fits", "REFERENCE")
    assert (header["REFNAME"], header["REFVER"], header["REFCASE"]) == ("toy", "1.2.0", "2D-PCA")
    assert header["CREATOR"].startswith("xherald ")
    number = {header[f"TTYPE{n}"]: n for n in range(1, header["TFIELDS"] + 1)}
    assert all(header[f"TCOMM{n}"] for n in number.values())
    assert {name: header.get(f"TUNIT{number[name]}") for name in ("ra_deg", "livetime_s", "counts", "tsne1")} == {
        "ra_deg": "deg", "livetime_s": "s", "counts": "count", "tsne1": None,
    }  # fmt: skip
    assert header[f"TUCD{number['dec_deg']}"] == "pos.eq.dec;meta.main"
    assert header[f"TNULL{number['variability_index']}"] == -1
    assert f"TNULL{number['counts']}" not in header
    assert header[f"TCOMM{number['feature_12']}"] == "feature number 12"


@pytest.mark.parametrize("suffix", [".vot", ".xml"])
def test_votables_are_valid_with_units_and_descriptions(
    reference: Reference, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / f"toy{suffix}"
    export_reference(reference, "2D-PCA", target)
    assert validate(str(target)), capsys.readouterr().out
    table = parse_single_table(str(target))
    params = {param.name: str(param.value) for param in table.params}
    assert params.pop("CREATOR").startswith("xherald ")
    assert params == {"REFNAME": "toy", "REFVER": "1.2.0", "REFCASE": "2D-PCA"}
    fields = {field.name: field for field in table.fields}
    assert all(field.description for field in fields.values())
    assert (str(fields["ra_deg"].unit), fields["ra_deg"].ucd) == ("deg", "pos.eq.ra;meta.main")
    for field in fields.values():
        if field.ucd:
            parse_ucd(field.ucd, check_controlled_vocabulary=True, has_colon=True)


def test_parquet_columns_have_units_and_descriptions(reference: Reference, tmp_path: Path) -> None:
    export_reference(reference, "2D-PCA", tmp_path / "toy.parquet")
    schema = pq.read_schema(tmp_path / "toy.parquet")
    assert schema.metadata[b"REFNAME"] == b"toy"
    assert schema.metadata[b"REFCASE"] == b"2D-PCA"
    assert schema.field("livetime_s").metadata[b"unit"] == b"s"
    assert schema.field("variability_index").metadata[b"description"].startswith(b"Gregory-Loredo")


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["toy.csv", "toy.parquet", "toy.fits", "toy.vot"])
def test_existing_files_are_kept_unless_overwritten(reference: Reference, tmp_path: Path, name: str) -> None:
    written = export_reference(reference, "2D-PCA", tmp_path / name)
    first = written[0]
    first.write_text("old")
    with pytest.raises(FileError, match=rf"{first.name}: exists already; choose another name"):
        export_reference(reference, "2D-PCA", tmp_path / name)
    assert first.read_text() == "old"
    export_reference(reference, "2D-PCA", tmp_path / name, overwrite=True)
    assert first.read_bytes() != b"old"


def test_one_existing_file_prevents_all_from_being_written(reference: Reference, tmp_path: Path) -> None:
    (tmp_path / "2DPCA_candidates.csv").write_text("old")
    with pytest.raises(FileError, match="exists already"):
        export_reference(reference, "2D-PCA", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["2DPCA_candidates.csv"]


@pytest.mark.parametrize("target", ["toy.xlsx", "file/below", "file/toy.parquet"])
def test_unwritable_targets_are_named(reference: Reference, tmp_path: Path, target: str) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(FileError, match=r"use a folder or one of .csv, .parquet|cannot be created: ") as refused:
        export_reference(reference, "2D-PCA", tmp_path / target)
    assert "\n" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("name", "suffix", "reason"),
    [
        ("Proxima α", ".fits", "class 'Proxima α': FITS allows only printable ASCII"),
        ("bell\x07", ".vot", r"class 'bell\\x07': not allowed in XML"),
    ],
)
def test_text_that_a_format_cannot_represent_is_refused(
    reference: Reference, tmp_path: Path, name: str, suffix: str, reason: str
) -> None:
    odd = with_sources(reference, **{"class": [name, *[""] * (SOURCES - 1)]})
    with pytest.raises(FileError, match=reason):
        export_reference(odd, "2D-PCA", tmp_path / f"toy{suffix}")
    assert not list(tmp_path.iterdir())
    export_reference(odd, "2D-PCA", tmp_path / "toy.parquet")
    assert read_back(tmp_path / "toy.parquet")["class"][0] == name


def test_votables_hold_unicode(reference: Reference, tmp_path: Path) -> None:
    names = ["Проксима <α> & co", *["plain"] * (SOURCES - 1)]
    export_reference(with_sources(reference, **{"class": names}), "2D-PCA", tmp_path / "toy.vot")
    assert read_back(tmp_path / "toy.vot")["class"].tolist() == names


def test_more_columns_than_fits_allows_are_refused(reference: Reference, tmp_path: Path) -> None:
    wide = replace(reference.cases["2D-PCA"], features=np.zeros((SOURCES, 1_000), np.float32))
    with pytest.raises(FileError, match=r"1018 columns are more than FITS allows, 999; export to .parquet"):
        export_reference(replace(reference, cases={"2D-PCA": wide}), "2D-PCA", tmp_path / "wide.fits")


def test_missing_case_is_refused(reference: Reference, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"toy@1.2.0 has no case '3D-AE'; available: 2D-PCA"):
        export_reference(reference, "3D-AE", tmp_path)


def test_candidate_that_is_not_a_source_is_refused(reference: Reference, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="candidate '10008_8' of case 2D-PCA is not among its sources"):
        export_reference(with_sources(reference, obsreg_id=[str(n) for n in range(SOURCES)]), "2D-PCA", tmp_path)


def test_every_suffix_can_be_written(reference: Reference, tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        assert all(path.is_file() for path in export_reference(reference, "2D-PCA", tmp_path / f"toy{suffix}"))
