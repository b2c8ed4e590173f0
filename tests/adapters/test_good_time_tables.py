"""Good times as real files have them: names, detectors, overlaps, empty and null rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from event_files import gti_table, some_photons, whole_exposure, write_chandra, write_swift, write_wxt, write_xmm
from read_files import observe

from xherald.photons.errors import GtiError
from xherald.photons.gti import clean_gti

PHOTONS = some_photons(200)
((START, STOP),) = whole_exposure(PHOTONS)[0]
MIDDLE = (START + STOP) / 2


def with_tables(path: Path, tables: Sequence[fits.BinTableHDU]) -> Path:
    """The file with other good-time tables."""
    with fits.open(path) as units:
        kept = [unit for unit in units if "GTI" not in unit.name]
        fits.HDUList([*kept, *tables]).writeto(path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)
    return path


def gti(name: str, rows: Sequence[tuple[float, float]], **header: object) -> fits.BinTableHDU:
    return gti_table(name, rows, header, form="D")


@pytest.mark.parametrize("name", ["ALLGTI", "STDGTI", "MYTIMES", "GTI_SRC"])
@pytest.mark.parametrize("write", [write_swift, write_wxt, write_chandra])
def test_tables_of_any_name_are_recognized_by_their_class(name: str, write, tmp_path: Path) -> None:
    path = with_tables(write(tmp_path / "list.fits", PHOTONS), [gti(name, [(START, STOP)], HDUCLAS1="GTI")])
    observation = observe(path)
    assert [one.gti.tolist() for one in observation.detectors] == [[[START, STOP]]]
    assert observation.remarks == ()


def test_known_names_take_precedence_and_unused_tables_are_named(tmp_path: Path) -> None:
    tables = [gti("OTHER", [(START, MIDDLE)], HDUCLAS1="GTI"), gti("GTI", [(START, STOP)], HDUCLAS1="GTI")]
    observation = observe(with_tables(write_swift(tmp_path / "known.fits", PHOTONS), tables))
    assert observation.detectors[0].gti.tolist() == [[START, STOP]]
    tables = [gti("FIRST", [(START, STOP)], HDUCLAS1="GTI"), gti("SECOND", [(START, MIDDLE)], HDUCLAS1="GTI")]
    observation = observe(with_tables(write_swift(tmp_path / "several.fits", PHOTONS), tables))
    assert observation.detectors[0].gti.tolist() == [[START, STOP]]
    assert observation.notes == ("good times are those of table FIRST; not used: SECOND",)


def test_one_table_serves_all_ccds_of_xmm(tmp_path: Path) -> None:
    photons = some_photons(200, detectors=(1, 2), centre=(149.6, -11.08))
    path = write_xmm(tmp_path / "P0201901401M1S001MIEVLI0000.FTZ", photons)
    observation = observe(with_tables(path, [gti("ALLGTI", [(START, STOP)], HDUCLAS1="GTI", TIMEZERO=0.0)]))
    assert [one.gti.tolist() for one in observation.detectors] == [[[START, STOP]]] * 2


@pytest.mark.parametrize("second", ["GTI", "GTI3_CPT", "GTI3_CPT2", "GTI3"])
@pytest.mark.parametrize("has_keyword", [True, False])
def test_good_times_of_merged_chandra_lists(second: str, has_keyword: bool, tmp_path: Path) -> None:
    """CIAO gives the good times of the second observation of a CCD another name."""
    photons = some_photons(200, detectors=(3,))
    first = "GTI" if has_keyword else "GTI3"
    if second == "GTI" and not has_keyword:
        second = "GTI3"
    keyword = {"CCD_ID": 3} if has_keyword else {}
    path = write_chandra(tmp_path / "merged.fits", photons)
    tables = [gti(first, [(START, MIDDLE - 100)], **keyword), gti(second, [(MIDDLE + 100, STOP)], **keyword)]
    observation = observe(with_tables(path, tables))
    assert [(one.number, one.gti.tolist()) for one in observation.detectors] == [
        (3, [[START, MIDDLE - 100], [MIDDLE + 100, STOP]])
    ]


def test_merged_list_of_the_shared_cases_keeps_all_photons(cases: Path) -> None:
    events = [observe(cases / f"chandra/merged_{name}.fits").events for name in ("cpt", "plain")]
    assert len(events[0]) == len(events[1]) == 896
    assert not any(one.screening.losses for one in events)


@pytest.mark.parametrize(
    ("rows", "expected", "note"),
    [
        ([(0, 10), (9.999999, 20)], [(0, 20)], ("1 interval merged with overlapping ones",)),
        ([(0, 10), (20, 30), (0, 10), (20, 30)], [(0, 10), (20, 30)], ("2 intervals merged with overlapping ones",)),
        ([(0, 30), (5, 10), (20, 40)], [(0, 40)], ("2 intervals merged with overlapping ones",)),
        ([(20, 30), (0, 10)], [(0, 10), (20, 30)], ()),
        ([(0, 10), (10, 20)], [(0, 10), (10, 20)], ()),
        ([(0, 10), (15, 15), (0, 0)], [(0, 10)], ("2 empty rows left out",)),
        ([(0, 10), (np.nan, np.nan)], [(0, 10)], ("1 empty row left out",)),
        ([(5, 5)], [], ("1 empty row left out",)),
        ([], [], ()),
    ],
)
def test_good_times_are_united(rows, expected, note) -> None:
    cleaned, changes = clean_gti(rows)
    assert cleaned.tolist() == [list(map(float, one)) for one in expected]
    assert changes == note


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([(0, 10), (30, 20)], "CCD 3: row 2 ends before it starts"),
        ([(0, 10), (20, np.inf)], "CCD 3: row 2 has a value that is not finite"),
        ([(np.nan, 10)], "CCD 3: row 1 has a value that is not finite"),
    ],
)
def test_invalid_good_times_are_refused_by_row(rows, reason) -> None:
    with pytest.raises(GtiError, match=reason):
        clean_gti(rows, where="CCD 3")


@pytest.mark.parametrize(
    ("name", "good_time", "notes"),
    [
        ("overlap_1us", 4999.527, 1),
        ("overlap_merge_same", 4989.527, 1),
        ("zero_length", 4989.527, 1),
        ("null0_row", 4989.527, 1),
        ("allgti_hduclas1", 4989.527, 0),
        ("stdgti_xselect", 4989.527, 0),
    ],
)
def test_good_times_of_the_shared_cases(name: str, good_time: float, notes: int, cases: Path) -> None:
    observation = observe(cases / f"gti/{name}.evt.gz")
    assert observation.detectors[0].good_time == pytest.approx(good_time, abs=1e-2)
    assert len(observation.notes) == notes


def test_reversed_good_time_of_the_shared_cases(cases: Path) -> None:
    with pytest.raises(Exception, match="row 6 ends before it starts"):
        observe(cases / "gti/reversed_one.evt.gz")
