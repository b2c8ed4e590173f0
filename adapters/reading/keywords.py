"""Keywords of FITS headers, parsed when they are read: `Keywords`.

FITS standard 4.0 (Pence et al. 2018): §4.1 (cards), §4.4.1 (size of the data).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from xherald.photons.errors import UnreadableFileError

__all__ = ["CARD", "Keywords", "data_size", "parse_real"]

CARD = 80
"""Length of a card, bytes."""

_PLAIN_VALUE = re.compile(
    r"= +(?:'([ -%(-~]*)'|([+-]?\d+)|([+-]?(?:\d+\.\d*|\.\d+)(?:[EeDd][+-]?\d+)?)|([TF])) *(?:/[ -~]*)?"
)
"""Text without quotes or continuation, integer, real or logical value, and a comment (FITS standard 4.0, §4.2)."""


class Keywords(Mapping[str, object]):
    """Keywords of a FITS header, upper case, without commentary, blank and CONTINUE cards.

    Cards are parsed when their values are read, all but the plain ones by astropy, which takes 50 times as long.
    """

    def __init__(self, cards: Mapping[str, str]) -> None:
        self._cards = cards

    @classmethod
    def from_bytes(cls, header: bytes) -> Keywords:
        """Keywords of a header."""
        text = header.decode("ascii", errors="replace")
        starts = range(0, len(text), CARD)
        return cls({text[i : i + 8].rstrip().upper(): text[i : i + CARD] for i in starts if text[i + 8 : i + 9] == "="})

    def over(self, fallback: Keywords) -> Keywords:
        """These keywords, and those of another header that are not among them."""
        return Keywords({**fallback._cards, **self._cards})

    def cards(self, keys: Iterable[str]) -> str:
        """Header text of some keywords, as written in the file."""
        return "".join(self._cards[key.upper()].ljust(CARD) for key in keys)

    def __getitem__(self, key: str) -> object:
        card = self._cards[key.upper()]
        plain = _PLAIN_VALUE.fullmatch(card[8:].rstrip())
        # Astropy splits text of the form "name: number" (record-valued keywords).
        if plain is not None and not (plain[1] and ": " in plain[1]):
            text, integer, real, logical = plain.groups()
            if text is not None:
                return text.strip()
            if real is not None:
                return float(real.upper().replace("D", "E"))
            return int(integer) if integer is not None else logical == "T"
        from astropy.io.fits import Card, VerifyError

        try:
            value: object = Card.fromstring(card).value
        except VerifyError:
            # Not a valid card: return its text, for the error message of whoever needs the value.
            return card[10:].strip()
        return value.strip() if isinstance(value, str) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._cards)

    def __len__(self) -> int:
        return len(self._cards)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.upper() in self._cards

    def integer(self, key: str, default: int, path: Path) -> int:
        """Non-negative integer on which the structure of the file depends."""
        if key not in self:
            return default
        value = self._cards[key][10:].partition("/")[0].strip()
        if not value.lstrip("-").isdigit() or int(value) < 0:
            raise UnreadableFileError(path, f"header keyword {key} = {value} is not a valid size; the file is damaged")
        return int(value)


def data_size(header: Keywords, path: Path) -> int:
    """Size of a unit's data, bytes (FITS standard 4.0, equations 1 and 2)."""
    axes = [header.integer(f"NAXIS{n}", 0, path) for n in range(1, header.integer("NAXIS", 0, path) + 1)]
    if not axes:
        return 0
    if axes[0] == 0 and "GROUPS" in header:
        axes = axes[1:]
    elements = 1
    for axis in axes:
        elements *= axis
    bits = abs(int(parse_real(header.get("BITPIX", 8), "BITPIX", path)))
    return bits // 8 * header.integer("GCOUNT", 1, path) * (header.integer("PCOUNT", 0, path) + elements)


def parse_real(value: object, key: str, path: Path) -> float:
    """Value of a keyword as a float; anything but a number raises `UnreadableFileError`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnreadableFileError(path, f"header keyword {key} = {value!r} is not a number; the file is damaged")
    return float(value)
