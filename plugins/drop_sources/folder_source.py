"""A folder as a drop source: `FolderSource`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from xherald.photons.errors import DropError
from xherald.plugins.drops import DropSource, Listing, SourceOptions

__all__ = ["FolderOptions", "FolderSource"]


class FolderOptions(SourceOptions):
    """Options of `FolderSource`."""

    path: Path = Field(description="folder, polled with its subfolders")


class FolderSource(DropSource[FolderOptions]):
    """A local or mounted folder with its subfolders; links to folders are not followed.

    Changes that the operating system reports trigger a poll at once; network file systems do not report any.
    """

    name = "folder"

    def poll(self, options: FolderOptions) -> Iterator[Listing]:
        """Files below the folder with their size and time of change."""
        root = options.path.absolute()
        if not root.is_dir():
            raise DropError(f"{root}: is not a folder, or missing; mount it, or correct the path in the configuration")
        yield from _below(root, "", options)

    def fetch(self, listing: Listing, into: Path, options: FolderOptions) -> Path:
        """Its path; nothing is copied."""
        return Path(listing.url)

    def watched_folder(self, options: FolderOptions) -> Path | None:
        """The folder."""
        return options.path.absolute()


def _below(folder: Path, above: str, settings: FolderOptions) -> Iterator[Listing]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda one: one.name)
    except FileNotFoundError:
        return  # removed since its parent was listed
    except OSError as fault:
        raise DropError(f"{folder}: cannot be listed: {fault.strerror or fault}") from fault
    for entry in found:
        name = f"{above}{entry.name}"
        try:
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("."):
                    yield from _below(Path(entry.path), f"{name}/", settings)
            elif settings.wants(name) and entry.is_file():
                facts = entry.stat()
                yield Listing(entry.path, name, facts.st_size, facts.st_mtime)
        except FileNotFoundError:
            continue  # removed in the meantime
