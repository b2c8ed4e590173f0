"""A directory tree as a drop source: looked through as a whole, its changes told by the operating system as a hint."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from xherald.photons.errors import DropError
from xherald.plugins.drops import DropSource, Listing, SourceOptions

__all__ = ["FolderOptions", "FolderSource"]


class FolderOptions(SourceOptions):
    """Which directory."""

    path: Path = Field(description="directory, looked through with all below it")


class FolderSource(DropSource[FolderOptions]):
    """A directory and all below it, on a local disk or mounted; links to directories are not followed.

    Looking through it is the truth. The operating system's word on changes only makes it happen at once, and does not
    come from network file systems.
    """

    name = "folder"

    def poll(self, options: FolderOptions) -> Iterator[Listing]:
        """Files below the directory with their size and time of change."""
        root = options.path.absolute()
        if not root.is_dir():
            raise DropError(f"{root}: is no directory, or gone; mount it, or mend its path in the configuration")
        yield from _below(root, "", options)

    def fetch(self, listing: Listing, into: Path, options: FolderOptions) -> Path:
        """Where it lies: nothing is copied."""
        return Path(listing.url)

    def watched_folder(self, options: FolderOptions) -> Path | None:
        """The directory."""
        return options.path.absolute()


def _below(folder: Path, above: str, settings: FolderOptions) -> Iterator[Listing]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda one: one.name)
    except FileNotFoundError:
        return  # removed since its parent was read
    except OSError as fault:
        raise DropError(f"{folder}: cannot be looked into: {fault.strerror or fault}") from fault
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
            continue  # moved on while we looked
