"""A conforming drop source, and for each rule one that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field

from xherald.photons.errors import DropError
from xherald.plugins import DropSource, Listing, Options, SourceOptions

from .variants import call_numbers, common_violations, variant


class FolderOptions(SourceOptions):
    path: Path = Field(description="the folder")


class Folder(DropSource[FolderOptions]):
    """A folder."""

    name = "plain_folder"

    def poll(self, options):
        if not options.path.is_dir():
            raise DropError(f"{options.path} does not exist")
        for one in sorted(options.path.iterdir()):
            if options.wants(one.name):
                yield Listing(str(one), one.name, one.stat().st_size, one.stat().st_mtime)

    def fetch(self, listing, into, options):
        return Path(listing.url)

    def watched_folder(self, options):
        return options.path


def with_listings(change: Callable[[Listing], Listing]) -> Any:
    """A source whose listings are changed afterwards."""
    return variant(Folder, poll=lambda self, options: [change(one) for one in Folder.poll(self, options)])


class BareOptions(Options):
    path: Path = Field(description="the folder")
    include: tuple[str, ...] = Field(default=("*",), description="wanted")
    exclude: tuple[str, ...] = Field(default=(), description="not wanted")

    wants = SourceOptions.wants


def poll_everything(self: Folder, options: Any) -> Any:
    return Folder.poll(self, FolderOptions(path=options.path))


def fetch_first_file(self: Folder, listing: Listing, into: Path, options: Any) -> Path:
    path = Path(listing.url)
    return path if path.exists() else sorted(path.parent.iterdir())[0]


def fetch_other_bytes(self: Folder, listing: Listing, into: Path, options: Any) -> Path:
    path = into / listing.file_name
    path.write_bytes(next(call_numbers).to_bytes(listing.size or 8, "big"))
    if not Path(listing.url).exists():
        raise DropError("gone")
    return path


def fetch_under_another_name(self: Folder, listing: Listing, into: Path, options: Any) -> Path:
    if not Path(listing.url).exists():
        raise DropError("gone")
    (into / "other").write_bytes(Path(listing.url).read_bytes())
    return into / "other"


class CountingPolls(Folder):
    """Counts its polls."""

    polls = 0

    def poll(self, options):
        self.polls += 1
        return super().poll(options)


DROP_SOURCES = {
    **common_violations(Folder, FolderOptions),
    "patterns": variant(Folder, options_model=BareOptions),
    "lists": variant(Folder, poll=lambda self, options: list(Folder.poll(self, options)) * 2),
    "listings": with_listings(lambda one: replace(one, mtime=-1.0)),
    "wanted": variant(Folder, poll=poll_everything),
    "fetches": variant(Folder, fetch=fetch_under_another_name),
    "fetches-again": variant(Folder, fetch=fetch_other_bytes),
    "gone": variant(Folder, fetch=fetch_first_file),
    "unreachable": variant(
        Folder, poll=lambda self, options: list(Folder.poll(self, options)) if options.path.is_dir() else []
    ),
    "watched": variant(Folder, watched_folder=lambda self, options: str(options.path)),
    "deterministic": with_listings(lambda one: replace(one, etag=str(next(call_numbers)))),
    "stateless": CountingPolls(),
}
