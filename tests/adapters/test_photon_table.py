"""Photon tables of the published form: the same sources whatever the file, nothing lost without a word."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from read_files import batch, read

from xherald.adapters.photon_table import TableAdapter, TableOptions
from xherald.photons.errors import FileError, GtiError, UnreadableFileError


def photons(sources: int = 20, mean: int = 30, seed: int = 5) -> pa.Table:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(mean, sources) + 2
    n = int(counts.sum())
    ids = np.repeat([f"{20000 + i // 3}_{i}" for i in range(sources)], counts)
    shuffled = rng.permutation(n)
    return pa.table(
        {
            "obsreg_id": ids[shuffled],
            "time": 7e8 + rng.random(n) * 2e4,
            "energy": rng.uniform(510.0, 6900.0, n),
            "extra": np.zeros(n),
        }
    )


def write_csv(path: Path, table: pa.Table) -> Path:
    pc.write_csv(table, path)
    return path


def write_text(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_csv_and_parquet_give_the_same_sources(tmp_path: Path) -> None:
    table = photons()
    pq.write_table(table, tmp_path / "a.parquet")
    one, other = batch(write_csv(tmp_path / "a.csv", table)), batch(tmp_path / "a.parquet")
    assert len(one) == 20
    assert [i.detection_id for i in one.identities] == [i.detection_id for i in other.identities]
    np.testing.assert_array_equal(one.time, other.time)
    np.testing.assert_array_equal(one.energy, other.energy)


def test_photons_are_sorted_by_source_and_time(tmp_path: Path) -> None:
    table = photons()
    read_back = batch(write_csv(tmp_path / "a.csv", table))
    ids, time, energy = (table.column(name).to_numpy() for name in ("obsreg_id", "time", "energy"))
    for source in read_back:
        own = ids == source.identity.detection_id
        order = np.argsort(time[own], kind="stable")
        np.testing.assert_array_equal(source.time, time[own][order])
        np.testing.assert_allclose(source.energy, energy[own][order] / 1e3, rtol=1e-6)
        assert source.identity.obs_id == source.identity.detection_id.split("_")[0]


def test_photons_define_unknown_good_times(tmp_path: Path) -> None:
    read_back = batch(write_csv(tmp_path / "a.csv", photons()))
    assert not read_back.good_times_known.any()
    for source in read_back:
        np.testing.assert_array_equal(source.exposure.gti, [(source.time[0], source.time[-1])])
        assert source.identity.flags == ("good_times_unknown",)


def test_good_times_are_read_from_a_companion(tmp_path: Path) -> None:
    path = write_text(
        tmp_path / "a.csv", "obsreg_id,time,energy", "1_1,5,1000", "2_7,4,900", "1_1,25,2000", "1_1,12,700",
        "3_1,1,600", "3_1,9,600",
    )  # fmt: skip
    write_text(tmp_path / "a_gti.csv", "obsreg_id,start,stop", "1_1,20,30", "1_1,0,10", "2_7,0,100", "9_9,0,1")
    read_back = batch(path)
    assert [one.identity.detection_id for one in read_back] == ["1_1", "2_7", "3_1"]
    first, second, third = read_back
    np.testing.assert_array_equal(first.exposure.gti, [(0, 10), (20, 30)])
    np.testing.assert_array_equal(first.time, [5, 25])
    assert first.identity.flags == ("photons_outside_good_times",)
    assert (second.livetime, second.good_times_known, second.identity.flags) == (100.0, True, ())
    assert (third.livetime, third.good_times_known) == (8.0, False)


def test_source_with_one_time_is_omitted_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_text(tmp_path / "a.csv", "obsreg_id,time,energy", "1_1,5,1000", "2_7,4,900", "2_7,6,900", "3_1,7,900",
                      "3_1,7,950")  # fmt: skip
    with caplog.at_level(logging.WARNING):
        read_back = batch(path)
    assert [one.identity.detection_id for one in read_back] == ["2_7"]
    assert "2 of 3 sources" in caplog.text
    alone = write_text(tmp_path / "b.csv", "obsreg_id,time,energy", "1_1,5,1000")
    with pytest.raises(UnreadableFileError, match=r"no source has good times.*b_gti\.csv"):
        batch(alone)


def test_rows_without_time_or_energy_are_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = ("1_1,5,1000", "1_1,nan,1000", "1_1,9,", "1_1,6,900", "1_1,inf,900", "1_1,,")
    path = write_text(tmp_path / "a.csv", "obsreg_id,time,energy", *rows)
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(batch(path).time, [5, 6])
    assert "4 of 6 rows have no finite time and energy" in caplog.text


def test_photons_outside_the_band_are_rejected(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.csv", "obsreg_id,time,energy", "1_1,1,499", "1_1,2,500", "1_1,3,7000", "1_1,4,7001")
    np.testing.assert_array_equal(batch(path).time, [2, 3])
    np.testing.assert_array_equal(batch(path, band_kev=(0.4, 8.0)).time, [1, 2, 3, 4])
    in_kev = write_text(tmp_path / "b.csv", "obsreg_id,time,energy", "1_1,1,1.2", "1_1,2,3.4")
    with pytest.raises(UnreadableFileError, match="must be in eV"):
        batch(in_kev)


def test_options_complete_the_table(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", photons())
    told = batch(path, mission="CHANDRA", instrument="ACIS", mjd_reference=50814.0, frame_time_s=3.14)
    reference = told.identities[0].time_reference
    assert reference is not None
    assert reference.utc(0.0) == "1997-12-31T23:58:56.816Z"
    assert (told.identities[0].mission, told.frame_time[0]) == ("CHANDRA", 3.14)
    assert batch(path).identities[0].time_reference is None
    with pytest.raises(ValidationError, match="hardness_split"):
        TableOptions(band_kev=(3.0, 7.0))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("obsreg_id,time,energy", "1_1,,1000", "1_1,nan,1000"), "2 of 2 rows have no finite time and energy"),
        (("obsreg_id,time,energy", "1_1,1,1000", ",2,1000"), "column obsreg_id, row 2"),
        (("obsreg_id,time,energy", "1_1,1,1000", "1_1,soon,1000"), "Row #3.*'soon'"),
        (("obsreg_id,time,energy", "1_1,1,1000", "1_1,2"), "cannot be parsed"),
        (("obsreg_id,time,energy",), "has no events"),
    ],
)
def test_invalid_rows_are_named(tmp_path: Path, lines: tuple[str, ...], said: str) -> None:
    path = write_text(tmp_path / "bad.csv", *lines)
    with pytest.raises(UnreadableFileError, match=said):
        read(path)


def test_parquet_with_text_for_numbers(tmp_path: Path) -> None:
    path = tmp_path / "bad.parquet"
    pq.write_table(pa.table({"obsreg_id": ["1_1"], "time": ["a"], "energy": [1.0]}), path)
    with pytest.raises(UnreadableFileError, match="column time has type string"):
        read(path)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("obsreg_id,start,stop", "1_1,10,0"), "of 1_1 ends before it starts"),
        (("obsreg_id,start,end", "1_1,0,10"), "no column stop"),
        (("obsreg_id,start,stop", "1_1,0,"), "column stop, row 1"),
    ],
)
def test_invalid_good_times_are_named(tmp_path: Path, lines: tuple[str, ...], said: str) -> None:
    path = write_text(tmp_path / "a.csv", "obsreg_id,time,energy", "1_1,1,1000", "1_1,2,1000")
    write_text(tmp_path / "a_gti.csv", *lines)
    with pytest.raises((UnreadableFileError, GtiError), match=said):
        read(path)


def test_only_tables_of_photons_are_claimed(tmp_path: Path) -> None:
    adapter = TableAdapter()
    write_text(tmp_path / "a.csv", "energy,obsreg_id,note,time")
    write_text(tmp_path / "a_gti.csv", "obsreg_id,start,stop")
    write_text(tmp_path / "b.csv", "obsreg_id,tsne1,tsne2")
    write_text(tmp_path / "c.txt", "obsreg_id,time,energy")
    write_text(tmp_path / "d.parquet", "not parquet")
    assert adapter.claims(tmp_path / "a.csv", {})
    assert not any(
        adapter.claims(tmp_path / name, {}) for name in ("a_gti.csv", "b.csv", "c.txt", "d.parquet", "e.csv")
    )
    with pytest.raises(FileError, match="no adapter claims"):
        read(tmp_path / "b.csv")


def test_nine_thousand_sources(tmp_path: Path) -> None:
    path = tmp_path / "many.parquet"
    pq.write_table(photons(9000, 100), path)
    read_back = batch(path)
    assert len(read_back) == 9000
    assert len(read_back.time) == read_back.offsets[-1] > 800_000


def test_overlapping_good_times_are_united(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_text(tmp_path / "a.csv", "\ufeffobsreg_id,time,energy", "1_1,1,1000", "1_1,2,1000", "2_1,3,1000")
    rows = ("1_1,0,10", "1_1,5,20", "1_1,7,7", "2_1,0,5", "2_1,5,9")
    write_text(tmp_path / "a_gti.csv", "obsreg_id,start,stop", *rows)
    with caplog.at_level(logging.WARNING):
        found = batch(path)
    assert [one.exposure.gti.tolist() for one in found] == [[[0, 20]], [[0, 5], [5, 9]]]
    assert "good times of 1_1: 1 empty row left out, 1 interval merged with overlapping ones" in caplog.text
    assert "2_1" not in caplog.text
