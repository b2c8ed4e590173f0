"""Names of the files in a folder, with look-ups that stay fast in folders of many thousands of files: `FolderNames`."""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Final

__all__ = ["FolderNames"]

_LITERAL_PREFIX: Final = re.compile(r"[^*?\[]*")


class FolderNames(Collection[str]):
    """Names of the files in a folder.

    Parameters
    ----------
    names : iterable of str, or callable
        The names, or a function that lists them; it is called when the first name is asked for.
    """

    def __init__(self, names: Iterable[str] | Callable[[], Iterable[str]]) -> None:
        self._source = names
        self._matches: dict[str, list[str]] = {}

    @classmethod
    def in_folder(cls, folder: Path) -> FolderNames:
        """Names of the files in a folder on disk, which is listed when the first name is asked for.

        A folder that cannot be listed has no names.
        """
        return cls(lambda: _list_files(folder))

    def matching(self, pattern: str) -> list[str]:
        """Sorted names that match a shell pattern, case-sensitive.

        Only names that begin as the pattern does before its first ``*``, ``?`` or ``[``, or those with its rarest word
        are compared with it. Words are separated by ``_``. Files of one observation ask for the same pattern, so that
        matches are kept.
        """
        if pattern not in self._matches:
            self._matches[pattern] = self._match(pattern)
        return list(self._matches[pattern])

    def _match(self, pattern: str) -> list[str]:
        words = [] if "[" in pattern else [word for word in pattern.split("_") if not set(word) & set("*?")]
        if len(words) > 1:
            candidates = min((self._by_word.get(word, []) for word in words), key=len)
        else:
            candidates = list(self._starting_with(_LITERAL_PREFIX.match(pattern)[0]))  # type: ignore[index]
        return [name for name in candidates if fnmatchcase(name, pattern)]

    def _starting_with(self, prefix: str) -> Iterator[str]:
        names = self._sorted
        for index in range(bisect_left(names, prefix), len(names)):
            if not names[index].startswith(prefix):
                return
            yield names[index]

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self._names)

    @cached_property
    def _by_word(self) -> dict[str, list[str]]:
        """Sorted names by each of their words."""
        found: dict[str, list[str]] = {}
        for name in self._sorted:
            for word in set(name.split("_")):
                found.setdefault(word, []).append(name)
        return found

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self._source() if callable(self._source) else self._source)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._sorted)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<FolderNames: {len(self)} files>"


def _list_files(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_file()]
    except OSError:
        return []
