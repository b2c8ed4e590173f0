"""Lists of bona-fide transients, in the published form: a JSON object of lists of ``obsreg_id``, a key a kind.

Keys are free, as in the published list ("Known Dips", "Known Flares", "Others"): one that says "dip" lists dips, one
that says "flare" flares, any other transients that are neither.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xherald.photons.errors import FileError, ReferenceDataError, UnreadableFileError

__all__ = ["BonaFideList", "parse_kind", "read_bona_fide"]

NAMED = 10
"""Most names that a message lists."""


@dataclass(frozen=True, slots=True)
class BonaFideList:
    """Bona-fide transients by name.

    Parameters
    ----------
    kinds : mapping of str to str
        "flare", "dip" or "other" by obsreg_id.
    duplicates : tuple of str
        Names that the list holds more than once; they count once.
    origin : str — where the list came from
    """

    kinds: Mapping[str, str]
    duplicates: tuple[str, ...]
    origin: str

    def among(self, names: Iterable[str], *, skip_unknown: bool = False) -> tuple[BonaFideList, tuple[str, ...]]:
        """Those that are in a population, and notes for the user.

        Parameters
        ----------
        names : iterable of str — of the population
        skip_unknown : bool — leave out names that it does not have, with a note, instead of refusing the list

        Raises
        ------
        ReferenceDataError
            A name is unknown, or there is no flare or no dip left.
        """
        held = set(names)
        unknown = tuple(name for name in self.kinds if name not in held)
        notes = []
        if self.duplicates:
            notes.append(f"{self.origin}: {_listed(self.duplicates)} listed more than once; each counts once")
        if unknown:
            number = f"{len(unknown)} of {len(self.kinds)} bona-fide transients"
            what = f"{number} are not in the population: {_listed(unknown)}"
            if not skip_unknown:
                twice = f"; listed more than once: {_listed(self.duplicates)}" if self.duplicates else ""
                raise ReferenceDataError(f"{self.origin}: {what}{twice}; mend the list or say --skip-unknown")
            notes.append(f"{self.origin}: {what}; left out")
        kinds = {name: kind for name, kind in self.kinds.items() if name in held}
        for kind in ("flare", "dip"):
            if kind not in kinds.values():
                raise ReferenceDataError(
                    f"{self.origin}: no bona-fide {kind} among {len(held):,} sources; "
                    "a reference needs both flares and dips"
                )
        return BonaFideList(kinds, self.duplicates, self.origin), tuple(notes)


def parse_kind(key: str) -> str:
    """Kind of the transients listed under a key."""
    words = key.lower()
    return "dip" if "dip" in words else "flare" if "flare" in words else "other"


def read_bona_fide(path: Path) -> BonaFideList:
    """Read a list.

    Raises
    ------
    FileError
        It is missing, not JSON, or not of the published form.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise FileError(path, f"cannot be read: {fault.strerror}") from fault
    except ValueError as fault:
        raise UnreadableFileError(path, f"is not JSON: {fault}") from fault
    if not isinstance(content, dict) or not all(isinstance(names, list) for names in content.values()):
        raise UnreadableFileError(path, 'must hold an object of lists of obsreg_id, such as {"Known Flares": [...]}')
    pairs = [(str(name), parse_kind(key)) for key, names in content.items() for name in names]
    kinds = dict(pairs)
    if torn := [name for name, kind in pairs if kinds[name] != kind]:
        raise UnreadableFileError(path, f"{_listed(tuple(dict.fromkeys(torn)))}: listed under different kinds")
    duplicates = tuple(name for name, number in Counter(name for name, _ in pairs).items() if number > 1)
    return BonaFideList(kinds, duplicates, str(path))


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
