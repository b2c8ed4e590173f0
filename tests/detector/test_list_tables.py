"""Source lists as spreadsheets and catalogues write them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table
from event_files import some_photons, write_chandra
from paths import ROOT
from read_files import observe

from xherald.detector.extraction.list_tables import TABLE_FORMATS, ListedPositions, read_positions, read_table
from xherald.detector.extraction.source_lists import read_source_list
from xherald.photons.errors import UnreadableFileError


def read(path: Path, content: bytes) -> ListedPositions:
    path.write_bytes(content)
    kind = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    return read_positions(read_table(path, TABLE_FORMATS[kind]), path)


@pytest.mark.parametrize(
    "text",
    [
        "ra,dec,name\n50.5,20.25,A\n51,-3,B\n",
        "\ufeffra,dec,name\n50.5,20.25,A\n51,-3,B\n",
        "RA,DEC,NAME\r\n50.5,20.25,A\r\n51,-3,B\r\n",
        " Ra , Dec , Name \n 50.5 , 20.25 , A \n 51 , -3 , B \n",
        '"ra","dec","name"\n"50.5","20.25","A"\n"51","-3","B"\n',
        "ra;dec;name\n50.5;20.25;A\n51;-3;B\n",
        "sep=;\nra;dec;name\n50,5;20,25;A\n51;-3;B\n",
        "ra\tdec\tname\n50.5\t20.25\tA\n51\t-3\tB\n",
        "ra|dec|name\n50.5|20.25|A\n51|-3|B\n",
        "#ra,dec,name\n50.5,20.25,A\n51,-3,B\n",
        "# a list of mine\nra,dec,name\n50.5,20.25,A\n# the second\n51,-3,B\n",
        "RA (deg),Dec [deg],name\n50.5,20.25,A\n51,-3,B\n",
        "ra,dec,name,\n50.5,20.25,A,,\n51,-3,B\n\n",
        "name,ra,dec,note\nA,50.5,20.25,\"one, two\"\nB,51,-3,\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("encode", [lambda text: text.encode(), lambda text: gzip.compress(text.encode())])
def test_one_list_in_all_notations(text: str, encode, tmp_path: Path) -> None:
    content = encode(text)
    found = read(tmp_path / ("list.csv" if content[:2] != b"\x1f\x8b" else "list.csv.gz"), content)
    assert found.names == ("A", "B")
    assert (found.ra.tolist(), found.dec.tolist()) == ([50.5, 51.0], [20.25, -3.0])
    assert found.notes == ()


def test_other_encodings(tmp_path: Path) -> None:
    text = "ra,dec,name\n50.5,20.25,Müller\n"
    for encoding in ("utf-16", "latin-1"):
        assert read(tmp_path / "list.csv", text.encode(encoding)).names == ("Müller",)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["1", "2"], ("1", "2")),
        (["1.0", "2.0"], ("1", "2")),
        (["1.", "2.00"], ("1", "2")),
        (["1.5", "2.0"], ("1.5", "2.0")),
        (["  7 ", "x  "], ("7", "x")),
        (["", "x"], ("1", "x")),
        (["nan", "None"], ("1", "2")),
        (["", "1"], ("row_1", "1")),
        (["0012", "0013"], ("0012", "0013")),
    ],
)
def test_names(ids: list[str], expected: tuple[str, ...], tmp_path: Path) -> None:
    text = "id,ra,dec\n" + "".join(f"{one},{50 + i},20\n" for i, one in enumerate(ids))
    assert read(tmp_path / "list.csv", text.encode()).names == expected


@pytest.mark.parametrize(
    ("rows", "names", "note"),
    [
        (
            "50,20,S1\n,,S2\nnan,nan,S3\n51,20,S4\n",
            ("S1", "S4"),
            "row 2 (S2), row 3 (S3) have no position and were left",
        ),
        ("50,20,S1\n50,,S2\n", ("S1",), "row 2 (S2) has no position and was left out"),
        ("50,20,S1\n,,\n", ("S1",), "row 2 has no position and was left out"),
        ("50,20,a\n" + ",,b\n" * 5, ("a",), "row 2 (b), row 3 (b), row 4 (b) and 2 more have no position"),
    ],
)
def test_rows_without_a_position_are_named(rows: str, names: tuple[str, ...], note: str, tmp_path: Path) -> None:
    found = read(tmp_path / "list.csv", f"ra,dec,name\n{rows}".encode())
    assert found.names == names
    assert note in found.notes[0]


def test_numbers_of_tables_in_memory() -> None:
    """Float ids, masked values and quantities, as FITS tables and QTable have them."""
    table = Table(
        {
            "ID": [3.0, 4.0, 5.0],
            "RA": MaskedColumn([50.0, 51.0, 52.0], mask=[False, True, False], unit="deg"),
            "DEC": np.array([1200.0, 1260.0, 1320.0], dtype=np.float32) * u.arcmin,
            "radius": MaskedColumn([2.0, 3.0, 4.0], mask=[True, False, False]),
        }
    )
    found = read_positions(table, Path("list"))
    assert found.names == ("3", "5")
    assert (found.ra.tolist(), found.dec.tolist()) == ([50.0, 52.0], [20.0, 22.0])
    assert np.isnan(found.radius[0])
    assert found.radius[1] == 4.0
    quantities = read_positions(QTable({"ra": [0.5, 0.6] * u.rad, "dec": [20, 21] * u.deg}), Path("list"))
    assert quantities.ra == pytest.approx(np.degrees([0.5, 0.6]))
    assert quantities.names == ("1", "2")


def test_missing_columns_name_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"no column of declination \(dec\); columns: ra, delta, name"):
        read(tmp_path / "list.csv", b"ra;delta;name\n1;2;x\n")


@pytest.mark.parametrize(("name", "names"), [("bom", ("S1",)), ("emptyname", ("1", "2")), ("nan", ("S1",))])
def test_lists_of_the_shared_cases(name: str, names: tuple[str, ...], tmp_path: Path) -> None:
    folder = ROOT.parent / "shared" / "cases" / "lists"
    if not folder.is_dir():
        pytest.skip(f"the shared cases are not at {folder}")
    photons = some_photons(3000, centre=(316.4, -6.1), radius_arcmin=8)
    header = {"TCRVL11": 316.4, "TCRVL12": -6.1}
    rng = np.random.default_rng(1)
    pixels = {"x": rng.uniform(3000, 5200, 3000), "y": rng.uniform(3000, 5200, 3000)}
    field = observe(write_chandra(tmp_path / "field.fits", photons, header=header, columns=pixels))
    listed = read_source_list(folder / f"{name}.csv", field)
    assert tuple(one.detection_id for one in listed.apertures) == names
    assert len(listed.notes) == (name == "nan")
