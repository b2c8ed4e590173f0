"""Where event files come from: what a drop source lists and how it fetches, `Listing`, `DropSource`.

On the road this stands before the adapters: the daemon polls each configured source, and fetches what is whole and new.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Final

from pydantic import Field

from .contract import Options, OptionsT, Plugin

__all__ = ["TEMPORARY_SUFFIXES", "DropSource", "Listing", "SourceOptions"]

TEMPORARY_SUFFIXES: Final = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".filepart", ".swp", "~")
"""Ends of names that programs give to what they have not finished writing."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A file as an archive lists it.

    Parameters
    ----------
    url : str
        Path or URL, by which the source fetches it.
    name : str
        Path below the source's root, with ``/`` between its parts.
    size : int
        Bytes; 0 where the archive tells none, or only a rounded number.
    mtime : float
        Last change, s since 1970, UTC; 0 where the archive tells none.
    etag : str
        What else tells one content from another there, such as an ETag.
    """

    url: str
    name: str
    size: int = 0
    mtime: float = 0.0
    etag: str = ""

    @property
    def folder(self) -> str:
        """URL of the folder that it lies in; files of one folder can belong to one another."""
        return self.url.rpartition("/")[0]

    @property
    def file_name(self) -> str:
        """Last part of its name."""
        return PurePosixPath(self.name).name


class SourceOptions(Options):
    """What every drop source can be told: which files are wanted.

    Patterns are those of a shell; one without ``/`` is held against the file's own name, else against its path below
    the root, where ``*`` stands for ``/`` too.
    """

    include: tuple[str, ...] = Field(default=("*",), description="patterns of files that are taken")
    exclude: tuple[str, ...] = Field(default=(), description="patterns of files that are left alone")

    def wants(self, name: str) -> bool:
        """Whether a file is wanted; what is hidden or has the name of something unfinished never is."""
        parts = PurePosixPath(name).parts
        if not parts or any(part.startswith(".") for part in parts) or name.lower().endswith(TEMPORARY_SUFFIXES):
            return False
        return _fits(name, parts[-1], self.include) and not _fits(name, parts[-1], self.exclude)


class DropSource(Plugin[OptionsT]):
    """A place where an archive drops files.

    Its options derive from `SourceOptions`. Neither method keeps state: the same call can be made again after a crash.
    """

    @abstractmethod
    def poll(self, options: OptionsT) -> Iterable[Listing]:
        """Files that are wanted and there now, unfinished ones by name left out.

        Raises
        ------
        DropError
            The place cannot be looked into; what it lists is not to be believed, for it may be partly read.
        """

    @abstractmethod
    def fetch(self, listing: Listing, into: Path, options: OptionsT) -> Path:
        """A local file with the content, in the folder `into` under the listing's own name, or where it lies already.

        What an earlier call left half done is gone on with.

        Raises
        ------
        DropError
            It cannot be fetched.
        """

    def below(self, options: OptionsT, url: str) -> Options | None:
        """Options with which `poll` looks at one folder only, for a notice says that something came there.

        What is listed bears the names and URLs that a look at everything gives it.

        Parameters
        ----------
        options : Options
        url : str
            Of the folder, from outside: it is not to be trusted to lie below the root.

        Returns
        -------
        Options or None
            None if it does not lie below the root, or the source cannot look at a part.
        """
        return None

    def watched(self, options: OptionsT) -> Path | None:
        """Folder whose changes the operating system can tell of, as a hint to poll at once; None without one."""
        return None


def _fits(name: str, last: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name if "/" in one else last, one) for one in patterns)
