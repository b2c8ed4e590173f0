"""Region files of DS9 and CIAO, line by line: `parse_region_text`.

The `regions` package reads coordinates and sizes of single shapes; here are the parts of both languages around them:
frames, CIAO's shapes and operators, composites, exclusions, properties. Shapes in physical coordinates and shapes
without a frame, as CIAO writes them, are in the sky pixels (X, Y) of the event list. Image coordinates are refused,
since they depend on the binning of an image that is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from xherald.photons.errors import ConfigError

__all__ = ["RegionText", "ShapeText", "parse_region_text"]

SKY_FRAMES: Final = {
    "fk4": "fk4",
    "b1950": "fk4",
    "fk5": "fk5",
    "j2000": "fk5",
    "icrs": "icrs",
    "galactic": "galactic",
    "ecliptic": "ecliptic",
}
PIXEL_FRAMES: Final = frozenset({"physical", ""})
OTHER_FRAMES: Final = re.compile(r"image|linear|amplifier|detector|wcs[a-z]?|wcs0|tile|local|unknown")

SHAPES: Final = (
    "annulus", "box", "bpanda", "circle", "ellipse", "epanda", "panda", "pie", "point", "polygon", "rectangle",
)  # fmt: skip
ALIASES: Final = {"rotbox": "box", "cpanda": "panda", "rotrectangle": "rectangle"}
POINT_KINDS: Final = frozenset({"circle", "box", "diamond", "cross", "x", "arrow", "boxcircle"})

SHAPE: Final = re.compile(
    r"""\s*(?P<operator>\|\||[-+!&|*\s]*)      # CIAO's operators; DS9's sign, and || of composites
        (?P<name>[A-Za-z]+)\s*
        (?:\((?P<inside>[^()]*)\)|(?P<bare>[^()|]*))""",
    re.VERBOSE,
)
TEXT: Final = re.compile(r"""(?:text|tag)\s*=\s*(?:\{(?P<a>[^}]*)\}|"(?P<b>[^"]*)"|'(?P<c>[^']*)')""", re.IGNORECASE)
BRACED: Final = re.compile(r"""\{[^}]*\}|"[^"]*"|'[^']*'""")
SEXAGESIMAL: Final = re.compile(r"\d\s*[:hdms]\s*\d", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ShapeText:
    """One shape.

    Parameters
    ----------
    frame : str
        Of the `regions` package; "" for the sky pixels of the event list.
    name : str — of DS9, lower case
    values : tuple of str — as written
    operator : str
        How it is combined with the shapes before it: "+" adds, "-" cuts out, "*" intersects.
    """

    frame: str
    name: str
    values: tuple[str, ...]
    operator: str = "+"


@dataclass(frozen=True, slots=True)
class RegionText:
    """One region, of one shape or several.

    Parameters
    ----------
    shapes : tuple of ShapeText
    text : str — its label, "" for none
    is_background : bool
    is_excluded : bool — whether it is cut out of all other regions
    line : int — from 1
    """

    shapes: tuple[ShapeText, ...]
    text: str = ""
    is_background: bool = False
    is_excluded: bool = False
    line: int = 0


def parse_region_text(text: str) -> list[RegionText]:
    """Regions of a DS9 or CIAO file.

    Raises
    ------
    ConfigError
        A line cannot be read; the message has its number.
    """
    regions: list[RegionText] = []
    frame, is_open = "", False
    for number, line in _statements(text):
        content, properties = _split_comment(line)
        word = content.strip().lower().rstrip(";")
        if not word or word.startswith("global"):
            continue
        if word in SKY_FRAMES or word in PIXEL_FRAMES:
            frame = SKY_FRAMES.get(word, word)
            continue
        if OTHER_FRAMES.fullmatch(word):
            frame = word
            continue
        found = _parse_shapes(content, frame, number)
        region = replace(found, text=_label(properties), is_background=_is_background(properties))
        if is_open and not region.is_excluded:
            last = regions[-1]
            regions[-1] = replace(last, shapes=(*last.shapes, *region.shapes), text=last.text or region.text)
        else:
            regions.append(region)
        # A composite of DS9 continues as long as its lines end with ||.
        is_open = content.rstrip().endswith("||")
    return regions


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Statements, which end with a line or a semicolon outside of a comment, with their line numbers."""
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        if line.lstrip().startswith("#"):
            continue
        content, properties = _split_comment(line)
        parts = content.split(";")
        for part in parts[:-1]:
            yield number, part
        yield number, parts[-1] + (f"#{properties}" if properties else "")


def _split_comment(line: str) -> tuple[str, str]:
    content, _, properties = line.partition("#")
    return content, properties


def _label(properties: str) -> str:
    match = TEXT.search(properties)
    return (match["a"] or match["b"] or match["c"] or "").strip() if match else ""


def _is_background(properties: str) -> bool:
    words = BRACED.sub(" ", properties).lower()
    return re.search(r"\bbackground\b|\bsource\s*=\s*0", words) is not None


def _parse_shapes(content: str, frame: str, number: int) -> RegionText:
    """Shapes of one statement."""
    shapes: list[ShapeText] = []
    is_excluded, position = False, 0
    rest = content.strip().removesuffix("||").rstrip()
    while position < len(rest):
        match = SHAPE.match(rest, position)
        if match is None or match.end() == position:
            raise ConfigError(f"line {number}: {content.strip()!r} is not a region of DS9 or CIAO")
        position = match.end()
        shape = _make_shape(match, frame, number)
        if not shapes and shape.operator == "-":
            is_excluded, shape = True, replace(shape, operator="+")
        shapes.append(shape)
    return RegionText(tuple(shapes), is_excluded=is_excluded, line=number)


def _make_shape(match: re.Match[str], frame: str, number: int) -> ShapeText:
    name = match["name"].lower()
    inside = match["inside"] if match["inside"] is not None else match["bare"]
    values = tuple(one for one in re.split(r"[\s,]+", inside.strip()) if one)
    name = ALIASES.get(name, name)
    if name in POINT_KINDS and values[:1] == ("point",):
        name, values = "point", values[1:]
    if name not in SHAPES:
        raise ConfigError(f"line {number}: shape {name!r} is not supported, only {', '.join(SHAPES)}")
    if frame not in PIXEL_FRAMES and frame not in SKY_FRAMES.values():
        why = "the binning of the image is unknown" if frame == "image" else "event lists have no such coordinates"
        raise ConfigError(f"line {number}: frame {frame!r} is not supported ({why}); save the regions in fk5 or icrs")
    signs = match["operator"]
    operator = "-" if "-" in signs or "!" in signs else "*" if "*" in signs or "&" in signs else "+"
    if frame in PIXEL_FRAMES:
        # CIAO writes sky positions without a frame, in sexagesimal notation.
        is_sky = bool(SEXAGESIMAL.search(" ".join(values[:2]))) or (bool(values) and values[0].lower().endswith("d"))
        frame = "fk5" if is_sky else ""
    return ShapeText(frame, name, values, operator)
