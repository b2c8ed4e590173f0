"""Reference catalogues on disk: `ReferenceStore`, a folder of names, each with its versions.

    references/active.json                         active version of each instrument
    references/<name>/<version>/manifest.json      settings, seeds, versions, measurements, hashes of all other files
                                 sources.parquet, members.npz
                                 cases/<case>/     extractor/, index/, arrays.npz, clusters.parquet, candidates.parquet

A version is written to a temporary folder and renamed, and is immutable; none of its files can execute code.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from numpy.typing import NDArray

from xherald.photons.artefact_folders import (
    load_arrays,
    load_json,
    new_artefact,
    open_artefact,
    read_manifest,
    save_arrays,
    save_compressed_arrays,
)
from xherald.photons.errors import ArtefactError, ConfigError
from xherald.plugins.contract import FeatureExtractor
from xherald.plugins.reference import Reference, ReferenceCase
from xherald.plugins.reference_members import MEMBER_ARRAYS, ReferenceMembers

from .neighbour_index import FeatureIndex

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ReferenceEntry", "ReferenceStore", "instrument_key"]

KIND: Final = "reference"
FORMAT: Final = 2
ACTIVE: Final = "active.json"
MEMBERS: Final = "members.npz"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def instrument_key(mission: str, instrument: str) -> str:
    """Key of an instrument, such as "CHANDRA/ACIS"; "any" if neither mission nor instrument is known."""
    return f"{mission}/{instrument}" if mission or instrument else "any"


@dataclass(frozen=True, slots=True)
class ReferenceEntry:
    """One version of a reference, from its manifest.

    Parameters
    ----------
    name, version : str
    folder : Path
    about : mapping — in JSON types
    active : bool — whether it is used for its instrument
    """

    name: str
    version: str
    folder: Path
    about: Mapping[str, Any]
    active: bool

    @property
    def is_readable(self) -> bool:
        """Whether it is of the format that this version of xherald reads."""
        return self.about.get("format") == FORMAT

    @property
    def serves(self) -> str:
        """Key of its instrument."""
        return instrument_key(self.about["mission"], self.about["instrument"])


class ReferenceStore:
    """A folder of reference catalogues.

    Parameters
    ----------
    folder : Path
        Created when something is written to it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def entries(self) -> list[ReferenceEntry]:
        """All complete versions, by name and version.

        Raises
        ------
        ArtefactError
            A manifest cannot be read.
        """
        active = self._active()
        # A version that is being written has a temporary name.
        folders = [path.parent for path in self.folder.glob("*/*/manifest.json") if path.parent.name.isdigit()]
        entries = []
        for folder in sorted(folders, key=lambda one: (one.parent.name, int(one.name))):
            about = read_manifest(folder, KIND).about
            key = instrument_key(about["mission"], about["instrument"])
            name, version = folder.parent.name, folder.name
            entries.append(ReferenceEntry(name, version, folder, about, active.get(key) == f"{name}@{version}"))
        return entries

    def find(self, which: str) -> ReferenceEntry:
        """A reference by ``name@version``, or the newest version of a name.

        Raises
        ------
        ConfigError
            The reference does not exist; the message lists those that do.
        """
        name, _, version = which.partition("@")
        entries = self.entries()
        fits = [one for one in entries if one.name == name and version in ("", one.version)]
        if not fits:
            available = (
                ", ".join(f"{one.name}@{one.version}" for one in entries) or "none; see `xherald reference build`"
            )
            raise ConfigError(f"no reference {which!r} in {self.folder}; available: {available}")
        return fits[-1]

    def serving(self, mission: str, instrument: str) -> ReferenceEntry | None:
        """The active reference of an instrument, if there is one."""
        key = instrument_key(mission, instrument)
        return next((one for one in self.entries() if one.active and one.serves == key), None)

    def activate(self, entry: ReferenceEntry) -> None:
        """Use a version for its instrument in place of any other; atomic."""
        active = {**self._active(), entry.serves: f"{entry.name}@{entry.version}"}
        part = self.folder / f".{ACTIVE}.{os.getpid()}"
        part.write_text(json.dumps(active, indent=1) + "\n", encoding="utf-8")
        part.replace(self.folder / ACTIVE)

    def _active(self) -> dict[str, Any]:
        path = self.folder / ACTIVE
        return load_json(path) if path.is_file() else {}

    def next_version(self, name: str) -> str:
        """Version number of the next build of a name.

        Raises
        ------
        ConfigError
            It is not a valid name.
        """
        if not NAME.fullmatch(name):
            raise ConfigError(f"{name!r} is not a valid name of a reference; use letters, digits, '.', '_' and '-'")
        taken = [int(path.name) for path in (self.folder / name).glob("*") if path.name.isdigit()]
        return str(max(taken, default=0) + 1)

    def save(self, reference: Reference) -> ReferenceEntry:
        """Write a new version.

        Raises
        ------
        ArtefactError
            It exists, or the folder cannot be written.
        """
        import pyarrow.parquet as pq

        folder = self.folder / reference.name / reference.version
        with new_artefact(folder, KIND) as (part, about):
            about.update(format=FORMAT, name=reference.name, version=reference.version, **reference.about)
            about["cases"] = {
                name: {"settings": dict(case.settings), "measured": dict(case.measured)}
                for name, case in reference.cases.items()
            }
            pq.write_table(reference.sources, part / "sources.parquet", compression="zstd")
            save_compressed_arrays(part / MEMBERS, **reference.members.arrays)
            for name, case in reference.cases.items():
                _save_case(part / "cases" / name, case)
        return self.find(f"{reference.name}@{reference.version}")

    def load(
        self, entry: ReferenceEntry, extractors: Mapping[str, FeatureExtractor], cases: Iterable[str] | None = None
    ) -> Reference:
        """Read a version and verify its hashes.

        Parameters
        ----------
        entry : ReferenceEntry
        extractors : mapping
            Registered extractors by name, which read the fitted extractors of the cases.
        cases : iterable of str, optional
            Only these.

        Raises
        ------
        ArtefactError
            It is incomplete, was modified, has another format, or an extractor is not installed.
        ConfigError
            It has no such case.
        """
        about = open_artefact(entry.folder, KIND).about
        if about.get("format") != FORMAT:
            raise ArtefactError(
                f"{entry.folder}: format {about.get('format')}, this xherald reads {FORMAT}; rebuild the reference"
            )
        chosen = tuple(about["cases"]) if cases is None else tuple(cases)
        if unknown := [name for name in chosen if name not in about["cases"]]:
            raise ConfigError(
                f"{entry.name}@{entry.version} has no case {unknown[0]!r}; available: {', '.join(about['cases'])}"
            )
        return Reference(
            name=entry.name,
            version=entry.version,
            about={key: value for key, value in about.items() if key not in ("format", "name", "version", "cases")},
            sources=_read_table(entry.folder / "sources.parquet"),
            cases={name: _load_case(entry.folder, name, about["cases"][name], extractors) for name in chosen},
            members=ReferenceMembers(partial(load_arrays, entry.folder / MEMBERS, *MEMBER_ARRAYS)),
        )


def _save_case(folder: Path, case: ReferenceCase) -> None:
    import pyarrow.parquet as pq

    for name in ("extractor", "index"):
        (folder / name).mkdir(parents=True)
    case.extractor.save(folder / "extractor")
    case.index.save(folder / "index")
    arrays: dict[str, NDArray[Any]] = {
        "features": case.features,
        "embedding": case.embedding,
        "cluster": case.cluster,
    }
    if case.means is not None:
        arrays["means"] = case.means
    save_arrays(folder / "arrays.npz", **arrays)
    for name in ("clusters", "candidates"):
        pq.write_table(getattr(case, name), folder / f"{name}.parquet", compression="zstd")


def _load_case(
    root: Path, name: str, about: Mapping[str, Any], extractors: Mapping[str, FeatureExtractor]
) -> ReferenceCase:
    folder, kind = root / "cases" / name, about["settings"]["extractor"]["name"]
    if kind not in extractors:
        raise ArtefactError(f"{folder}: needs extractor {kind!r}, which is not installed; install its plugin")
    arrays = load_arrays(folder / "arrays.npz", "features", "embedding", "cluster")
    return ReferenceCase(
        name=name,
        settings=about["settings"],
        extractor=extractors[kind].load(folder / "extractor"),
        features=arrays["features"],
        embedding=arrays["embedding"],
        cluster=arrays["cluster"],
        clusters=_read_table(folder / "clusters.parquet"),
        candidates=_read_table(folder / "candidates.parquet"),
        index=FeatureIndex.load(folder / "index", arrays["features"]),
        measured=about["measured"],
        means=arrays.get("means"),
    )


def _read_table(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as fault:
        raise ArtefactError(f"{path}: cannot be read: {fault}") from fault
