"""The imported catalogues: a folder of names, each with its newest version.

    catalogues/<name>/<version>/manifest.json, hats.properties, dataset/…

A version is written aside, renamed when complete, and never changes; importing a name again adds a version and then
removes the earlier ones, so that a search always finds a complete catalogue.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from xherald.photons.artefact_folders import MANIFEST, compute_sha256
from xherald.photons.errors import ArtefactError, ConfigError, UnreadableFileError
from xherald.plugins.drop_sources import WebOptions, WebSource
from xherald.plugins.drops import Listing

from .catalogue import Catalogue
from .columns import ColumnMap
from .import_catalogue import ImportOptions, import_catalogue
from .known_sources import KNOWN_SOURCES, open_known_sources

__all__ = ["CatalogueStore", "default_folder", "fetched_file"]

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
URL: Final = re.compile(r"https?://")


def default_folder() -> Path:
    """Folder of the catalogues in the user's data folder."""
    from platformdirs import user_data_path

    return user_data_path("xherald") / "catalogues"


def fetched_file(origin: str, into: Path, stage: Callable[[str], None] = lambda _: None) -> Path:
    """A local file, or a copy of one from the web, whose download continues after an interruption.

    Parameters
    ----------
    origin : str
        Path, or URL (http, https).
    into : Path
        Folder of the copy.

    Raises
    ------
    DropError
        It cannot be fetched.
    """
    if not URL.match(origin):
        return Path(origin)
    name = PurePosixPath(unquote(urlsplit(origin).path)).name or "catalogue"
    stage(f"fetching {origin}")
    return WebSource().fetch(Listing(origin, name), into, WebOptions(url=origin))


@dataclass(frozen=True, slots=True)
class CatalogueStore:
    """A folder of catalogues.

    Parameters
    ----------
    folder : Path
        Created when a catalogue is imported.
    """

    folder: Path

    def names(self) -> list[str]:
        """Names of the catalogues."""
        return sorted({path.parent.parent.name for path in self.folder.glob(f"*/*/{MANIFEST}") if _is_version(path)})

    def find(self, name: str) -> Path:
        """Folder of the newest version of a catalogue.

        Raises
        ------
        ConfigError
            The name is unknown; the message lists the catalogues.
        """
        versions = self._versions(name)
        if not versions:
            available = ", ".join(self.names()) or "none; see `xherald context import`"
            raise ConfigError(f"no catalogue {name!r} in {self.folder}; available: {available}")
        return versions[-1]

    def open(self, name: str, *, verify: bool = False) -> Catalogue:
        """Open a catalogue by name (see `find` and `Catalogue.open`); the shipped table has one, too."""
        if name == KNOWN_SOURCES:
            return Catalogue.open(open_known_sources().folder, verify=verify)
        return Catalogue.open(self.find(name), verify=verify)

    def open_all(self) -> list[Catalogue]:
        """Open the shipped table of known sources and all imported catalogues.

        Raises
        ------
        ArtefactError
            One of them cannot be read.
        """
        return [open_known_sources(), *(self.open(name) for name in self.names())]

    def add(
        self,
        origin: str,
        name: str,
        options: ImportOptions,
        *,
        preset: str = "",
        replace: bool = False,
        stage: Callable[[str], None] = lambda _: None,
    ) -> Catalogue:
        """Import a file or URL under a name.

        Parameters
        ----------
        origin : str
        name : str
        options : ImportOptions
        preset : str
            Name of the preset that the columns come from, for the manifest.
        replace : bool
            Replace a catalogue of that name, whose versions are removed when the new one is complete.
        stage : callable
            Called with a description of the current step.

        Raises
        ------
        ConfigError
            The name is invalid or taken, or the columns do not fit.
        FileError, DropError, ArtefactError
            See `import_catalogue` and `fetched_file`; nothing was changed.
        """
        if not NAME.fullmatch(name):
            raise ConfigError(f"{name!r} is not a valid name of a catalogue; use letters, digits, '.', '_' and '-'")
        if name == KNOWN_SOURCES:
            raise ConfigError(f"{name!r} is the name of the shipped table; choose another")
        if self._versions(name) and not replace:
            raise ConfigError(
                f"a catalogue {name!r} exists; pass --replace, use `xherald context update`, or rename it"
            )
        options.columns.check()
        with self._local_copy(name, origin, stage) as local:
            return self._import(name, origin, local, options, preset, stage)

    def update(
        self, name: str, origin: str | None = None, stage: Callable[[str], None] = lambda _: None
    ) -> tuple[Catalogue, bool]:
        """Import a catalogue again with the same columns, if its file has changed.

        Parameters
        ----------
        name : str
        origin : str, optional
            File or URL of a new release; by default where it came from.

        Returns
        -------
        (Catalogue, bool)
            The catalogue, and whether it was imported again.

        Raises
        ------
        ConfigError, FileError, DropError, ArtefactError
            As in `add`; the catalogue stays as it was.
        """
        catalogue = self.open(name)
        about = catalogue.about
        wanted = origin or str(about["origin"])
        with self._local_copy(name, wanted, stage) as local:
            try:
                digest = compute_sha256(local)
            except OSError as fault:
                reason = f"cannot be read: {fault.strerror or fault}; state where the catalogue is with --from"
                raise UnreadableFileError(local, reason) from fault
            if digest == about["source_sha256"]:
                return catalogue, False
            options = ImportOptions(ColumnMap.model_validate(about["columns"]), **about["reading"])
            return self._import(name, wanted, local, options, str(about["preset"]), stage), True

    @contextmanager
    def _local_copy(self, name: str, origin: str, stage: Callable[[str], None]) -> Iterator[Path]:
        spool = self.folder / f".{name}.fetched"
        yield fetched_file(origin, spool, stage)
        shutil.rmtree(spool, ignore_errors=True)  # not after an error, so that a download can be continued

    def _import(
        self,
        name: str,
        origin: str,
        local: Path,
        options: ImportOptions,
        preset: str,
        stage: Callable[[str], None],
    ) -> Catalogue:
        """Import the next version, then remove the earlier ones."""
        before = self._versions(name)
        number = int(before[-1].name) + 1 if before else 1
        about: dict[str, Any] = {
            "origin": origin if URL.match(origin) else str(Path(origin).absolute()),
            "preset": preset,
            "version": number,
        }
        try:
            import_catalogue(local, self.folder / name / str(number), name, options, about=about, stage=stage)
        except BaseException:
            with suppress(OSError):  # not empty: an earlier version is there
                (self.folder / name).rmdir()
            raise
        for folder in before:
            shutil.rmtree(folder)
        return self.open(name)

    def remove(self, name: str) -> None:
        """Remove a catalogue.

        Raises
        ------
        ConfigError
            The name is unknown.
        ArtefactError
            It cannot be removed.
        """
        folder = self.find(name).parent
        try:
            shutil.rmtree(folder)
        except OSError as fault:
            raise ArtefactError(f"{folder}: cannot be removed: {fault.strerror or fault}") from fault

    def _versions(self, name: str) -> list[Path]:
        found = [path.parent for path in (self.folder / name).glob(f"*/{MANIFEST}") if _is_version(path)]
        return sorted(found, key=lambda one: int(one.name))


def _is_version(manifest: Path) -> bool:
    """Whether a manifest is that of a complete version; one that is being written has another name."""
    return manifest.parent.name.isdigit()
