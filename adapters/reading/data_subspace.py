"""Region that an event list was cut with, from its data subspace keywords or its region table: `cut_region`.

CIAO, SAS and XSELECT record a spatial selection as ``DSTYPn`` = ``sky(x,y)`` or ``POS`` with the region in ``DSVALn``,
or in the table that ``DSREFn`` names; XSELECT and SAS also without the keywords, in a table ``REGnnnnn``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from xherald.photons import SkyProjection
from xherald.photons.errors import XheraldError
from xherald.photons.regions import Annulus, CutRegion, Ellipse, Polygon, Shape

from .fits_files import FitsFile, Hdu
from .headers import get_text

__all__ = ["cut_region", "grating"]

POSITION_TYPE: Final = re.compile(r"(POS|SKY)?\s*(\(?\s*X\s*,\s*Y\s*\)?)?", re.IGNORECASE)
SHAPE: Final = re.compile(r"(?P<sign>[!+&|*-]*)\s*(?P<kind>[A-Za-z]+)\s*\((?P<values>[^)]*)\)")
REGION_TABLE: Final = re.compile(r"REG(ION)?\d*")

GRID: Final = 200
"""Points across a region at which its area is measured."""

ShapeNumbers = tuple[bool, str, list[float]]
"""Whether a shape is included, its kind in lower case and its numbers, in sky pixels and deg."""


def cut_region(file: FitsFile, projection: SkyProjection) -> CutRegion | None:
    """Region that all events of a list lie in; None if there is none, or not a single shape.

    Of several selections the smallest counts.
    """
    found = [region for shapes in _selections(file) if (region := _single_shape(shapes, projection)) is not None]
    return min(found, key=lambda region: region.area) if found else None


def grating(header: Mapping[str, object]) -> str:
    """Transmission grating in the beam (GRATING), "" for none."""
    name = get_text(header, "GRATING").upper()
    return "" if name in ("NONE", "OUT", "N/A") else name


def _selections(file: FitsFile) -> Iterator[list[ShapeNumbers]]:
    """Shapes of each spatial selection that the file records."""
    header = file.events.header
    tables = {hdu.name: hdu for hdu in file.hdus if hdu.is_table}
    named = False
    for n in range(1, 100):
        kind = get_text(header, f"DSTYP{n}")
        if not kind or not POSITION_TYPE.fullmatch(kind):
            continue
        named = True
        value = get_text(header, f"DSVAL{n}")
        if value.upper() != "TABLE":
            yield _shapes_of_text(value)
        elif (table := tables.get(get_text(header, f"DSREF{n}").rpartition(":")[2].upper())) is not None:
            yield _shapes_of_table(file, table)
    if not named:
        for name, table in tables.items():
            if REGION_TABLE.fullmatch(name):
                yield _shapes_of_table(file, table)


def _shapes_of_text(text: str) -> list[ShapeNumbers]:
    """Shapes of a region in CIAO's notation; none if it has anything but shapes with numbers."""
    shapes: list[ShapeNumbers] = []
    for match in SHAPE.finditer(text):
        try:
            values = [float(one) for one in match["values"].split(",") if one.strip()]
        except ValueError:
            return []
        shapes.append(("!" not in match["sign"] and "-" not in match["sign"], match["kind"].lower(), values))
    return shapes


def _shapes_of_table(file: FitsFile, table: Hdu) -> list[ShapeNumbers]:
    """Shapes of a FITS region table (ASC-FITS-REGION-1.1); none if a column cannot be read."""
    wanted = [name for name in ("X", "Y", "R", "ROTANG") if name in table.columns]
    if any(name not in table.columns for name in ("SHAPE", "X", "Y")):
        return []
    if any(table.columns[name].dtype is None for name in ("SHAPE", *wanted)):
        return []
    kinds = [bytes(one).decode("ascii", "replace").strip().lower() for one in file.column(table, "SHAPE")]
    numbers = {name: file.column(table, name).astype(np.float64).reshape(table.rows, -1) for name in wanted}
    shapes: list[ShapeNumbers] = []
    for row, kind in enumerate(kinds):
        x, y = numbers["X"][row], numbers["Y"][row]
        plain = kind.lstrip("!-+")
        if plain == "polygon":
            values = np.column_stack([x, y]).ravel().tolist()
        else:
            values = [float(x[0]), float(y[0])]
            values += numbers["R"][row].tolist()[: _SIZES.get(plain, 2)] if "R" in numbers else []
            values += [float(numbers["ROTANG"][row, 0])] if "ROTANG" in numbers else []
        shapes.append((not kind.startswith(("!", "-")), plain, values))
    return shapes


_SIZES: Final = {"circle": 1, "annulus": 2, "ellipse": 2, "box": 2, "rotbox": 2}
"""Numbers of sizes of a shape; further elements of R are padding."""


def _single_shape(shapes: list[ShapeNumbers], projection: SkyProjection) -> CutRegion | None:
    """The only shape that is included, and what is left of its area without those that are excluded."""
    if [included for included, _, _ in shapes].count(True) != 1:
        return None
    try:
        made = [(included, _make_shape(kind, values, projection)) for included, kind, values in shapes]
    except (XheraldError, IndexError):
        return None
    region = next(shape for included, shape in made if included)
    holes = [shape for included, shape in made if not included and shape is not None]
    if region is None:
        return None
    x, y = (float(v) for v in projection.to_pixel(region.ra, region.dec))
    offsets = (np.arange(GRID) + 0.5) / GRID * 2.0 - 1.0
    gx, gy = np.meshgrid(offsets, offsets)
    reach = region.extent / projection.pixel_arcsec
    gx, gy = x + gx.ravel() * reach, y + gy.ravel() * reach
    inside = region.contains(projection, gx, gy)
    left = inside.copy()
    for hole in holes:
        left &= ~hole.contains(projection, gx, gy)
    centre = np.array([x]), np.array([y])
    hollow = isinstance(region, Annulus) or any(bool(hole.contains(projection, *centre)[0]) for hole in holes)
    return CutRegion(region, region.area * float(left.sum()) / max(float(inside.sum()), 1.0), hollow)


def _make_shape(kind: str, values: list[float], projection: SkyProjection) -> Shape | None:
    scale = projection.pixel_arcsec
    if kind in ("circle", "ellipse"):
        ra, dec = (float(v) for v in projection.to_sky(values[0], values[1]))
        if kind == "circle":
            return Ellipse.circle(ra, dec, values[2] * scale)
        return Ellipse(ra, dec, values[2] * scale, values[3] * scale, values[4] if len(values) > 4 else 0.0)
    if kind == "annulus":
        ra, dec = (float(v) for v in projection.to_sky(values[0], values[1]))
        return Annulus(ra, dec, values[2] * scale, values[3] * scale)
    if kind in ("box", "rotbox"):
        angle = math.radians(values[4]) if len(values) > 4 else 0.0
        u, v = np.array([-1, 1, 1, -1]) * values[2] / 2, np.array([-1, -1, 1, 1]) * values[3] / 2
        x = values[0] + u * math.cos(angle) - v * math.sin(angle)
        y = values[1] + u * math.sin(angle) + v * math.cos(angle)
    elif kind == "rectangle":
        x, y = np.array(values)[[0, 2, 2, 0]], np.array(values)[[1, 1, 3, 3]]
    elif kind == "polygon":
        corners = np.array(values[: len(values) // 2 * 2]).reshape(-1, 2)
        x, y = corners[np.isfinite(corners).all(axis=1)].T
    else:
        return None
    corners_ra, corners_dec = projection.to_sky(x, y)
    return Polygon(tuple(zip(corners_ra.tolist(), corners_dec.tolist(), strict=True)))
