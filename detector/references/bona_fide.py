"""Lists of bona-fide transients in the published form: a JSON object with a list of ``obsreg_id`` for each kind.

Keys are free, as in the published list ("Known Dips", "Known Flares", "Others"): a key that contains "dip" lists dips,
one that contains "flare" lists flares, any other lists transients that are neither.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xherald.photons.errors import FileError, ReferenceDataError, UnreadableFileError

__all__ = ["BonaFideList", "parse_kind", "read_bona_fide"]

MAX_LISTED_NAMES = 10
"""Names in a message."""


@dataclass(frozen=True, slots=True)
class BonaFideList:
    """Bona-fide transients by name.

    Parameters
    ----------
    kinds : mapping of str to str
        "flare", "dip" or "other" by obsreg_id.
    duplicates : tuple of str
        Names listed more than once; each counts once.
    origin : str — file or other source of the list, for messages
    """

    kinds: Mapping[str, str]
    duplicates: tuple[str, ...]
    origin: str

    def restrict_to(self, names: Iterable[str], *, skip_unknown: bool = False) -> tuple[BonaFideList, tuple[str, ...]]:
        """The transients that are in a population, and notes for the user.

        Parameters
        ----------
        names : iterable of str — of the population
        skip_unknown : bool — drop names that are not in the population, with a note, instead of raising

        Raises
        ------
        ReferenceDataError
            A name is not in the population, or no flare or no dip remains.
        """
        available = set(names)
        unknown = tuple(name for name in self.kinds if name not in available)
        notes = []
        if self.duplicates:
            notes.append(f"{self.origin}: {_listed(self.duplicates)} listed more than once; each counts once")
        if unknown:
            number = f"{len(unknown)} of {len(self.kinds)} bona-fide transients"
            unknown_names = f"{number} are not in the population: {_listed(unknown)}"
            if not skip_unknown:
                twice = f"; listed more than once: {_listed(self.duplicates)}" if self.duplicates else ""
                raise ReferenceDataError(
                    f"{self.origin}: {unknown_names}{twice}; correct the list or pass --skip-unknown"
                )
            notes.append(f"{self.origin}: {unknown_names}; left out")
        kinds = {name: kind for name, kind in self.kinds.items() if name in available}
        for kind in ("flare", "dip"):
            if kind not in kinds.values():
                raise ReferenceDataError(
                    f"{self.origin}: no bona-fide {kind} among {len(available):,} sources; "
                    "a reference needs both flares and dips"
                )
        return BonaFideList(kinds, self.duplicates, self.origin), tuple(notes)


def parse_kind(key: str) -> str:
    """Kind of the transients listed under a key: "flare", "dip" or "other"."""
    lower = key.lower()
    return "dip" if "dip" in lower else "flare" if "flare" in lower else "other"


def read_bona_fide(path: Path) -> BonaFideList:
    """Read a list of bona-fide transients.

    Raises
    ------
    FileError
        The file is missing, not JSON, or not in the published form.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise FileError(path, f"cannot be read: {fault.strerror}") from fault
    except ValueError as fault:
        raise UnreadableFileError(path, f"is not JSON: {fault}") from fault
    if not isinstance(content, dict) or not all(isinstance(names, list) for names in content.values()):
        raise UnreadableFileError(path, 'is not an object of lists of obsreg_id, such as {"Known Flares": [...]}')
    pairs = [(str(name), parse_kind(key)) for key, names in content.items() for name in names]
    kinds = dict(pairs)
    if ambiguous := [name for name, kind in pairs if kinds[name] != kind]:
        raise UnreadableFileError(path, f"{_listed(tuple(dict.fromkeys(ambiguous)))}: listed under different kinds")
    duplicates = tuple(name for name, number in Counter(name for name, _ in pairs).items() if number > 1)
    return BonaFideList(kinds, duplicates, str(path))


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MAX_LISTED_NAMES} more" if len(names) > MAX_LISTED_NAMES else ""
    return ", ".join(names[:MAX_LISTED_NAMES]) + more
