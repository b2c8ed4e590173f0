"""Folders of results that are whole or not there: written aside, hashed, renamed; checked when they are opened.

What is learned or built (encoders, references) is kept as JSON, npz and Parquet, of which nothing can execute, with a
``manifest.json`` that holds the SHA-256 of every other file. A folder that lacks its manifest was not finished; one
whose files differ from it was changed afterwards; neither is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
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
    "load_arrays",
    "load_json",
    "new_artefact",
    "open_artefact",
    "read_manifest",
    "save_arrays",
    "save_json",
    "sha256_of",
]

MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an artefact says of itself.

    Parameters
    ----------
    kind : str — "encoder", "reference"
    about : mapping — in JSON's own types: settings, seeds, versions, what was measured
    files : mapping of str to str — SHA-256 by path below the folder
    """

    kind: str
    about: Mapping[str, Any]
    files: Mapping[str, str]


@contextmanager
def new_artefact(folder: Path, kind: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Write an artefact: a folder to fill and what its manifest is to say; it appears under its name when all is done.

    Parameters
    ----------
    folder : Path
        Must not exist: an artefact never changes.
    kind : str

    Raises
    ------
    ArtefactError
        The folder exists, or cannot be written.
    """
    if folder.exists():
        raise ArtefactError(
            f"{folder}: exists already, and an artefact never changes; choose another name or remove it"
        )
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    about: dict[str, Any] = {}
    try:
        part.mkdir(parents=True)
        yield part, about
        hashes = {str(path.relative_to(part)): sha256_of(path) for path in sorted(part.rglob("*")) if path.is_file()}
        save_json(part / MANIFEST, {"kind": kind, **about, "files": hashes})
        for path in (*part.rglob("*"), part):
            _to_disk(path)
        part.rename(folder)
        _to_disk(folder.parent)
    except OSError as fault:
        raise ArtefactError(f"{folder}: cannot be written: {fault.strerror or fault}") from fault
    finally:
        shutil.rmtree(part, ignore_errors=True)


def read_manifest(folder: Path, kind: str) -> Manifest:
    """What an artefact says of itself, its files unchecked.

    Raises
    ------
    ArtefactError
        There is none, it is not finished, or of another kind.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise ArtefactError(f"{folder}: no such folder")
    if not path.is_file():
        raise ArtefactError(f"{folder}: has no {MANIFEST}: it is no {kind}, or was not finished; make it anew")
    about = load_json(path)
    found, files = about.pop("kind", None), about.pop("files", None)
    if found != kind:
        raise ArtefactError(f"{folder}: is {'no artefact' if found is None else f'of kind {found!r}'}, not a {kind}")
    if not isinstance(files, dict) or not all(isinstance(value, str) for value in files.values()):
        raise ArtefactError(f"{path}: names no files with their hashes; make the {kind} anew")
    return Manifest(kind, about, files)


def open_artefact(folder: Path, kind: str) -> Manifest:
    """What an artefact says of itself, every file of it compared with its hash.

    Raises
    ------
    ArtefactError
        It is not finished, of another kind, or a file is missing, changed, or was added.
    """
    manifest = read_manifest(folder, kind)
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    for name, expected in manifest.files.items():
        if name not in found:
            raise ArtefactError(f"{folder / name}: missing, though the manifest names it; make the {kind} anew")
        if sha256_of(folder / name) != expected:
            raise ArtefactError(f"{folder / name}: changed since it was written; make the {kind} anew")
    if stray := sorted(found - set(manifest.files)):
        raise ArtefactError(f"{folder / stray[0]}: not named by the manifest; remove it or make the {kind} anew")
    return manifest


def save_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write an object as JSON that no NaN can stand in."""
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def load_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    ArtefactError
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise ArtefactError(f"{path}: cannot be read: {fault}") from fault
    if not isinstance(content, dict):
        raise ArtefactError(f"{path}: holds no object")
    return content


def save_arrays(path: Path, *, compress: bool = False, **arrays: NDArray[Any]) -> None:
    """Write arrays as npz; one of objects is refused, for reading it would execute what it holds."""
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise ArtefactError(f"{path}: array {name} holds objects")
    with path.open("wb") as file:
        (np.savez_compressed if compress else np.savez)(file, **arrays)  # type: ignore[arg-type]


def load_arrays(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    """Read arrays of an npz; those named must be there.

    Raises
    ------
    ArtefactError
        It cannot be read, holds objects, or lacks an array.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as fault:
        raise ArtefactError(f"{path}: cannot be read: {fault}") from fault
    if missing := [name for name in names if name not in arrays]:
        raise ArtefactError(f"{path}: has no array {missing[0]}")
    return arrays


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _to_disk(path: Path) -> None:
    """Make sure that a file's or folder's content outlives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
