"""Whether a serialised Python function is the identity, told from its bytes alone.

Keras 2 keeps a ``Lambda`` layer's function as a marshalled code object. To unmarshal and call it would be to run
whatever a file brings; here the bytes are compared, field by field, with what ``lambda x: x`` is in Python 3.6 to 3.13,
and whatever differs in a way that could matter is not the identity. Nothing is built from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["is_identity"]

CODE: Final = ord("c")
FLAG_REF: Final = 0x80
"""Bit of a type byte: the object is numbered, so that later ones can refer to it."""

MATTERS: Final = 0x1FEF
"""Bits of the compiler's flags that change what an identity does: all but "defined within a function" (0x10) and those
of ``from __future__`` (from 0x2000 up)."""

NONE, TUPLE, REFERENCE = b"N", b")", b"r"
SHORT_TEXT: Final = (b"z", b"Z")
LONG_TEXT: Final = (b"a", b"A", b"u", b"t")
BYTES: Final = b"s"


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a version of Python writes a code object.

    Parameters
    ----------
    header : tuple of int or None
        The numbers that come first; None where any will do (the size of the stack).
    flags : int
        The compiler's flags, the last number.
    code : tuple of bytes
        Identities in its bytecode.
    tail : str
        What the objects after it must be: c constants, n no names, v one name, f no further variables, k kind of the
        one variable, t text, l line, b bytes, e no bytes.
    """

    header: tuple[int | None, ...]
    flags: int
    code: tuple[bytes, ...]
    tail: str


LAYOUTS: Final = (
    # 3.6 and 3.7: arguments, keyword-only ones, variables, stack; LOAD_FAST 0, RETURN_VALUE.
    _Layout((1, 0, 1, None), 0x43, (b"\x7c\x00\x53\x00",), "cnvffttlb"),
    # 3.8 to 3.10: positional-only arguments come second.
    _Layout((1, 0, 0, 1, None), 0x43, (b"\x7c\x00\x53\x00",), "cnvffttlb"),
    # 3.11 and 3.12, 3.13: RESUME before; variables are listed with their kinds.
    _Layout((1, 0, 0, None), 0x03, (b"\x97\x00\x7c\x00\x53\x00", b"\x95\x00\x55\x00\x24\x00"), "cnvktttlbe"),
)

LOCAL: Final = b"\x20"
"""Kind of a variable that is neither a cell nor free."""


class _OtherError(Exception):
    """The bytes are not what they are compared with."""


def is_identity(payload: bytes) -> bool:
    """Whether marshalled code is that of a function that gives back its one argument.

    Parameters
    ----------
    payload : bytes
        As ``marshal.dumps`` makes them of a code object.
    """
    return any(_matches(payload, layout) for layout in LAYOUTS)


def _matches(payload: bytes, layout: _Layout) -> bool:
    reader = _Reader(payload)
    try:
        reader.compare(layout)
    except _OtherError:
        return False
    return True


class _Reader:
    """Goes through a payload once, from its first byte to its last."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0
        self._numbered: list[object] = []

    def compare(self, layout: _Layout) -> None:
        kind = self._take(1)[0]
        _require(kind & ~FLAG_REF == CODE)
        if kind & FLAG_REF:
            self._numbered.append(None)
        for expected in layout.header:
            number = self._number()
            _require(expected is None or number == expected)
        _require(self._number() & MATTERS == layout.flags)
        _require(self._object() in layout.code)
        for part in layout.tail:
            self._part(part)
        _require(self._at == len(self._payload))

    def _part(self, part: str) -> None:
        if part == "l":
            self._number()
            return
        found = self._object()
        if part == "c":
            _require(isinstance(found, tuple) and all(one is None for one in found))
        elif part in "nf":
            _require(found == ())
        elif part == "v":
            _require(isinstance(found, tuple) and len(found) == 1 and isinstance(found[0], str))
        elif part == "k":
            _require(found == LOCAL)
        elif part == "t":
            _require(isinstance(found, str))
        else:
            _require(found == b"" if part == "e" else isinstance(found, bytes))

    def _object(self, *, inside: bool = False) -> object:
        """None, text, bytes, or a tuple of these that holds no tuple; nothing else is in an identity."""
        first = self._take(1)[0]
        kind, numbered = bytes([first & ~FLAG_REF]), bool(first & FLAG_REF)
        if kind == REFERENCE:
            index = self._number()
            _require(index < len(self._numbered))
            return self._numbered[index]
        place = len(self._numbered)
        if numbered:
            self._numbered.append(None)
        if kind == TUPLE and not inside:
            count = self._take(1)[0]
            found: object = tuple(self._object(inside=True) for _ in range(count))
        else:
            found = self._plain(kind)
        if numbered:
            self._numbered[place] = found
        return found

    def _plain(self, kind: bytes) -> object:
        if kind == NONE:
            return None
        if kind == BYTES:
            return self._take(self._number())
        _require(kind in SHORT_TEXT + LONG_TEXT)
        length = self._take(1)[0] if kind in SHORT_TEXT else self._number()
        return self._take(length).decode("latin-1")

    def _number(self) -> int:
        return int.from_bytes(self._take(4), "little")

    def _take(self, count: int) -> bytes:
        taken = self._payload[self._at : self._at + count]
        _require(len(taken) == count)
        self._at += count
        return taken


def _require(condition: bool) -> None:
    if not condition:
        raise _OtherError
