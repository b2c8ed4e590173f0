"""Artefacts are whole or not there: hashed, never changed, refused when anything about them is off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xherald.photons.artefact_folders import (
    MANIFEST,
    load_arrays,
    new_artefact,
    open_artefact,
    read_manifest,
    save_arrays,
    save_json,
)
from xherald.photons.errors import ArtefactError


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    folder = tmp_path / "things" / "1"
    with new_artefact(folder, "thing") as (part, about):
        about["seed"] = 11
        (part / "deep").mkdir()
        save_arrays(part / "deep" / "arrays.npz", a=np.arange(3), b=np.eye(2))
        save_json(part / "more.json", {"x": 1.5})
    return folder


def test_written_artefact_is_read(artefact: Path) -> None:
    manifest = open_artefact(artefact, "thing")
    assert manifest.about == {"seed": 11}
    assert set(manifest.files) == {"deep/arrays.npz", "more.json"}
    arrays = load_arrays(artefact / "deep" / "arrays.npz", "a", "b")
    assert np.array_equal(arrays["a"], np.arange(3))
    assert [path.name for path in artefact.parent.iterdir()] == ["1"]


def test_existing_artefact_is_not_overwritten(artefact: Path) -> None:
    before = {path: path.read_bytes() for path in artefact.rglob("*") if path.is_file()}
    with (
        pytest.raises(ArtefactError, match="exists already, and artefacts are immutable"),
        new_artefact(artefact, "thing"),
    ):
        pass
    assert {path: path.read_bytes() for path in artefact.rglob("*") if path.is_file()} == before


def test_failed_artefact_leaves_no_files(tmp_path: Path) -> None:
    def fail() -> None:
        with new_artefact(tmp_path / "x", "thing") as (part, _):
            save_json(part / "a.json", {})
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail()
    assert list(tmp_path.iterdir()) == []


def _changed(folder: Path) -> None:
    path = folder / "deep" / "arrays.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_changed, r"deep/arrays.npz: modified since it was written"),
        (lambda folder: (folder / "more.json").unlink(), r"more.json: missing, though listed in the manifest"),
        (lambda folder: (folder / "deep" / "new.npz").write_bytes(b"x"), r"deep/new.npz: not listed in the manifest"),
        (lambda folder: (folder / MANIFEST).unlink(), r"has no manifest.json, so it is not a thing or incomplete"),
        (lambda folder: (folder / MANIFEST).write_text("{"), r"manifest.json: cannot be read"),
        (lambda folder: (folder / MANIFEST).write_text("[]"), r"manifest.json: expected a JSON object"),
        (lambda folder: (folder / MANIFEST).write_text('{"kind": "thing"}'), r"has no files with hashes"),
        (lambda folder: (folder / MANIFEST).write_text("{}"), r"is not an artefact, expected a thing"),
    ],
)
def test_modified_artefact_is_refused(artefact: Path, harm, said: str) -> None:
    harm(artefact)
    with pytest.raises(ArtefactError, match=said):
        open_artefact(artefact, "thing")


def test_artefact_of_another_kind_is_refused(artefact: Path) -> None:
    with pytest.raises(ArtefactError, match="is of kind 'thing', expected a encoder"):
        read_manifest(artefact, "encoder")
    with pytest.raises(ArtefactError, match="no such folder"):
        read_manifest(artefact / "nowhere", "thing")


def test_object_arrays_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="array a contains objects"):
        save_arrays(tmp_path / "a.npz", a=np.array([{}], dtype=object))
    np.savez(tmp_path / "b.npz", a=np.array([{}], dtype=object))
    with pytest.raises(ArtefactError, match=r"b.npz: cannot be read: .*allow_pickle"):
        load_arrays(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", a=np.zeros(1))
    with pytest.raises(ArtefactError, match="has no array b"):
        load_arrays(tmp_path / "c.npz", "b")
    (tmp_path / "d.npz").write_bytes(b"PK\x03\x04broken")
    with pytest.raises(ArtefactError, match=r"d.npz: cannot be read"):
        load_arrays(tmp_path / "d.npz")


def test_nan_in_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_json(tmp_path / "a.json", {"x": float("nan")})
