"""Artefact folders: written atomically, with a manifest of hashes that is verified when they are opened.

Encoders and references are stored as JSON, npz and Parquet files, none of which can execute code, with a
``manifest.json`` of the SHA-256 of every other file. A folder without a manifest is incomplete, one whose files differ
from it was modified; both are refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .errors import ArtefactError

__all__ = [
    "MANIFEST",
    "Manifest",
    "compute_sha256",
    "load_arrays",
    "load_json",
    "new_artefact",
    "open_artefact",
    "read_manifest",
    "save_arrays",
    "save_compressed_arrays",
    "save_json",
]

MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Content of ``manifest.json``.

    Parameters
    ----------
    kind : str — "encoder", "reference"
    about : mapping — JSON-serializable facts: settings, seeds, versions, measurements
    files : mapping of str to str — SHA-256 by path relative to the folder
    """

    kind: str
    about: Mapping[str, Any]
    files: Mapping[str, str]


@contextmanager
def new_artefact(folder: Path, kind: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Create an artefact: yields a folder to fill and the facts of its manifest, and renames the folder when complete.

    Parameters
    ----------
    folder : Path
        Must not exist: artefacts are immutable.
    kind : str

    Raises
    ------
    ArtefactError
        The folder exists, or cannot be written.
    """
    if folder.exists():
        raise ArtefactError(f"{folder}: exists already, and artefacts are immutable; choose another name or remove it")
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    about: dict[str, Any] = {}
    try:
        part.mkdir(parents=True)
        yield part, about
        hashes = {
            str(path.relative_to(part)): compute_sha256(path) for path in sorted(part.rglob("*")) if path.is_file()
        }
        save_json(part / MANIFEST, {"kind": kind, **about, "files": hashes})
        for path in (*part.rglob("*"), part):
            _to_disk(path)
        part.rename(folder)
        _to_disk(folder.parent)
    except OSError as error:
        raise ArtefactError(f"{folder}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def read_manifest(folder: Path, kind: str) -> Manifest:
    """Read the manifest of an artefact without verifying its files.

    Raises
    ------
    ArtefactError
        The folder is not an artefact, incomplete, or of another kind.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise ArtefactError(f"{folder}: no such folder")
    if not path.is_file():
        raise ArtefactError(f"{folder}: has no {MANIFEST}, so it is not a {kind} or incomplete; create it again")
    about = load_json(path)
    found, files = about.pop("kind", None), about.pop("files", None)
    if found != kind:
        raise ArtefactError(
            f"{folder}: is {'not an artefact' if found is None else f'of kind {found!r}'}, expected a {kind}"
        )
    if not isinstance(files, dict) or not all(isinstance(value, str) for value in files.values()):
        raise ArtefactError(f"{path}: has no files with hashes; create the {kind} again")
    return Manifest(kind, about, files)


def open_artefact(folder: Path, kind: str) -> Manifest:
    """Read the manifest of an artefact and verify the hash of every file.

    Raises
    ------
    ArtefactError
        It is incomplete, of another kind, or a file is missing, modified or unexpected.
    """
    manifest = read_manifest(folder, kind)
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    for name, expected in manifest.files.items():
        if name not in found:
            raise ArtefactError(f"{folder / name}: missing, though listed in the manifest; create the {kind} again")
        if compute_sha256(folder / name) != expected:
            raise ArtefactError(f"{folder / name}: modified since it was written; create the {kind} again")
    if stray := sorted(found - set(manifest.files)):
        raise ArtefactError(f"{folder / stray[0]}: not listed in the manifest; remove it or create the {kind} again")
    return manifest


def save_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a mapping as JSON; NaN is refused."""
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def load_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    ArtefactError
        It cannot be read, or is not an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ArtefactError(f"{path}: expected a JSON object")
    return content


def save_arrays(path: Path, /, **arrays: NDArray[Any]) -> None:
    """Write arrays as npz; object arrays are refused, since reading them can execute code."""
    _save_arrays(path, arrays, np.savez)


def save_compressed_arrays(path: Path, /, **arrays: NDArray[Any]) -> None:
    """Write arrays as compressed npz, as `save_arrays` does uncompressed."""
    _save_arrays(path, arrays, np.savez_compressed)


def _save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], write: Callable[..., None]) -> None:
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise ArtefactError(f"{path}: array {name} contains objects")
    with path.open("wb") as file:
        write(file, **arrays)


def load_arrays(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    """Read the arrays of an npz; the named ones are required.

    Raises
    ------
    ArtefactError
        It cannot be read, contains objects, or lacks a required array.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ArtefactError(f"{path}: cannot be read: {error}") from error
    if missing := [name for name in names if name not in arrays]:
        raise ArtefactError(f"{path}: has no array {missing[0]}")
    return arrays


def compute_sha256(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _to_disk(path: Path) -> None:
    """Flush a file or folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
