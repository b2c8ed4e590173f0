"""Drop sources, where event files come from: the base class `DropSource`, its options, and `Listing`.

The daemon polls each configured source and fetches new files that are complete.
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
"""Name endings of files that are still being written."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A file as an archive lists it.

    Parameters
    ----------
    url : str
        Path or URL from which the source fetches it.
    name : str
        Path relative to the root of the source, separated by ``/``.
    size : int
        In bytes; 0 if unknown or known only approximately.
    mtime : float
        Time of the last change, s since 1970, UTC; 0 if unknown.
    etag : str
        Further identification of the content, such as an HTTP ETag; empty if there is none.
    """

    url: str
    name: str
    size: int = 0
    mtime: float = 0.0
    etag: str = ""

    @property
    def folder(self) -> str:
        """URL of its folder; companions are in the same folder."""
        return self.url.rpartition("/")[0]

    @property
    def file_name(self) -> str:
        """Last part of the name."""
        return PurePosixPath(self.name).name


class SourceOptions(Options):
    """Options of every drop source: which files are wanted.

    Shell patterns without ``/`` are compared with the file name, others with the path relative to the root, in which
    ``*`` also matches ``/``.
    """

    include: tuple[str, ...] = Field(default=("*",), description="patterns of wanted files")
    exclude: tuple[str, ...] = Field(default=(), description="patterns of files to ignore")

    def wants(self, name: str) -> bool:
        """Whether a file is wanted; hidden files and those with a temporary name are not."""
        parts = PurePosixPath(name).parts
        if not parts or any(part.startswith(".") for part in parts) or name.lower().endswith(TEMPORARY_SUFFIXES):
            return False
        return _matches(name, parts[-1], self.include) and not _matches(name, parts[-1], self.exclude)


class DropSource(Plugin[OptionsT]):
    """A location where an archive provides files.

    The options derive from `SourceOptions`. Methods keep no state and can be repeated after a crash.
    """

    @abstractmethod
    def poll(self, options: OptionsT) -> Iterable[Listing]:
        """List the wanted files, without hidden and temporary ones.

        Raises
        ------
        DropError
            The location cannot be listed completely.
        """

    @abstractmethod
    def fetch(self, listing: Listing, into: Path, options: OptionsT) -> Path:
        """Return a local copy in the folder `into`, under the listed name, or the original if it is local.

        A download that an earlier call left incomplete is continued.

        Raises
        ------
        DropError
            The file cannot be fetched.
        """

    def narrow_to_folder(self, options: OptionsT, url: str) -> Options | None:
        """Options with which `poll` lists only one folder, after a notice of new files in it.

        Names and URLs of the files are the same as in a complete listing.

        Parameters
        ----------
        options : Options
        url : str
            URL of the folder; not trusted to be below the root.

        Returns
        -------
        Options or None
            None if the folder is not below the root, or the source cannot list a single folder.
        """
        return None

    def watched_folder(self, options: OptionsT) -> Path | None:
        """Folder to watch with the operating system, so that the daemon polls at changes; None if not possible."""
        return None


def _matches(name: str, last: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name if "/" in one else last, one) for one in patterns)
