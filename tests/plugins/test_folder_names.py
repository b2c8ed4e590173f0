"""Names of a folder's files: which match a pattern, and that a look-up does not compare them all."""

from __future__ import annotations

import time
from fnmatch import fnmatchcase
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from xherald.plugins import FolderNames

NAMES = st.lists(st.text("ab1_.[]", max_size=6))


@given(NAMES, st.text("ab1*?[]_", max_size=5))
def test_matching_is_fnmatch_over_sorted_names(names: list[str], pattern: str) -> None:
    assert FolderNames(names).matching(pattern) == sorted({name for name in names if fnmatchcase(name, pattern)})


@given(NAMES)
def test_it_is_a_sorted_collection(names: list[str]) -> None:
    made = FolderNames(names)
    assert list(made) == sorted(set(names))
    assert len(made) == len(set(names))
    assert all(name in made for name in names)
    assert "absent" not in made


def test_a_folder_is_listed_when_a_name_is_asked_for(tmp_path: Path) -> None:
    made = FolderNames.in_folder(tmp_path)
    (tmp_path / "b.fits").touch()
    (tmp_path / "folder.fits").mkdir()
    assert list(made) == ["b.fits"]
    assert list(FolderNames.in_folder(tmp_path / "absent")) == []


def test_lookups_do_not_compare_all_names() -> None:
    made = FolderNames(f"acisf{number:06d}_reg3.fits" for number in range(40_000))
    len(made.matching("acisf000000_*"))  # sorts
    begin = time.perf_counter()
    for number in range(0, 40_000, 4):
        assert len(made.matching(f"acisf{number:06d}_*")) == 1
    assert time.perf_counter() - begin < 5.0  # comparing each with all would take a minute


def test_names_of_one_observation_are_found_by_their_region() -> None:
    names = [f"acisf23022_000N020_r{k:05d}_{kind}.fits" for k in range(10_000) for kind in ("regevt3", "reg3")]
    made = FolderNames([*names, "P0123456789M1S001OBSMLI0000.FTZ", "acisf23022_000N021_r00007_reg3.fits.gz"])
    begin = time.perf_counter()
    for k in range(0, 10_000, 2):
        assert made.matching(f"acisf23022_???N???_r{k:05d}_reg3.fits*") == [f"acisf23022_000N020_r{k:05d}_reg3.fits"]
        assert made.matching("P0123456789*OBSMLI*") == ["P0123456789M1S001OBSMLI0000.FTZ"]
    assert time.perf_counter() - begin < 10.0  # comparing each with all of the observation would take minutes
    assert len(made.matching("acisf23022_???N???_r00007_reg3.fits*")) == 2
    assert made.matching("acisf23022_???N???_r00007_[r]eg3.fits") == ["acisf23022_000N020_r00007_reg3.fits"]
    assert made.matching("*_r00007_none*") == []
