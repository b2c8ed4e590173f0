"""Building blocks of FITS event files for all missions: columns, tables, headers, checksums.

The same tables give the same bytes: dates are those of the exposure, and a compressed file contains neither name nor
time.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import ArrayLike

from xherald.photons import SkyProjection
from xherald.photons.errors import ConfigError
from xherald.simulation.write_errors import is_compressed

__all__ = ["Changes", "Column", "Header", "axis_keywords", "gti_table", "sky_keywords", "table", "write_file"]

Header = Mapping[str, object]
"""Keywords: a value, or a value and its comment; None leaves a keyword out, a list makes one card of each item."""

Columns = Sequence["Column"]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column of a binary table.

    Parameters
    ----------
    name, form, unit : str — TTYPE, TFORM, TUNIT ("" for none)
    values : array_like, shape (n,) or (n, bits) — as they are stored
    null : int or None — TNULL
    legal : (number, number) or None — TLMIN and TLMAX; None omits one
    scale : (float, float) or None — TSCAL and TZERO; `values` are the stored ones
    """

    name: str
    form: str
    unit: str
    values: ArrayLike
    null: int | None = None
    legal: tuple[float | None, float | None] = (None, None)
    scale: tuple[float, float] | None = None

    def keywords(self, number: int) -> dict[str, object]:
        """Keywords of the column other than name, form and unit."""
        scale, zero = self.scale or (None, None)
        lowest, highest = self.legal
        return {
            f"TLMIN{number}": lowest, f"TLMAX{number}": highest, f"TNULL{number}": self.null,
            f"TSCAL{number}": scale, f"TZERO{number}": zero,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """Changes of the usual table of a mission.

    Parameters
    ----------
    header : mapping — keywords to set; None removes one
    columns : mapping of str to array_like — replacement values
    without : tuple of str — columns to omit
    """

    header: Header = field(default_factory=dict)
    columns: Mapping[str, ArrayLike] = field(default_factory=dict)
    without: tuple[str, ...] = ()

    def of(self, columns: Columns) -> list[Column]:
        """The columns after the changes.

        Raises
        ------
        ConfigError
            A column to be changed or omitted does not exist.
        """
        names = {one.name for one in columns}
        if unknown := [name for name in (*self.columns, *self.without) if name not in names]:
            raise ConfigError(f"column {unknown[0]} does not exist; available: {', '.join(sorted(names))}")
        return [
            Column(one.name, one.form, one.unit, self.columns.get(one.name, one.values), one.null, one.legal, one.scale)
            for one in columns
            if one.name not in self.without
        ]


def set_keywords(header: fits.Header, keywords: Header) -> None:
    """Set keywords; None removes one."""
    for key, value in keywords.items():
        if value is None:
            header.remove(key, ignore_missing=True)
        elif isinstance(value, list):
            for item in value:
                header[key] = item
        else:
            header[key] = value


def table(
    name: str, columns: Columns, header: Header, *, version: int | None = None, changes: Changes | None = None
) -> fits.BinTableHDU:
    """A binary table.

    Parameters
    ----------
    name : str — EXTNAME
    columns : sequence of Column
    header : mapping — keywords
    version : int or None — EXTVER
    changes : Changes or None
        Applied after everything else.
    """
    kept = columns if changes is None else changes.of(columns)
    made = fits.BinTableHDU.from_columns(
        [
            fits.Column(name=one.name, format=one.form, unit=one.unit or None, array=np.asarray(one.values))
            for one in kept
        ],
        name=name,
    )
    if version is not None:
        made.header["EXTVER"] = version
    for number, one in enumerate(kept, 1):
        set_keywords(made.header, {key: value for key, value in one.keywords(number).items() if value is not None})
    set_keywords(made.header, {key: value for key, value in header.items() if value is not None})
    if changes is not None:
        set_keywords(made.header, changes.header)
    return made


def gti_table(
    name: str, intervals: ArrayLike, header: Header, *, form: str = "1D", unit: str = "s", version: int | None = None
) -> fits.BinTableHDU:
    """START and STOP of good-time intervals, shape (m, 2), s."""
    start, stop = np.asarray(intervals, dtype=np.float64).reshape(-1, 2).T
    columns = [Column("START", form, unit, start), Column("STOP", form, unit, stop)]
    return table(name, columns, header, version=version)


def axis_keywords(
    names: Sequence[str], column: str, kind: str, *, value: float, pixel: float, step: float, unit: str = ""
) -> dict[str, object]:
    """Linear coordinates of the pixels of a column; the keywords contain the column number.

    Parameters
    ----------
    names : sequence of str — all columns of the table, in order
    column : str
    kind : str — type of the axis, TCTYP
    value : float — at the reference pixel, TCRVL
    pixel : float — the reference pixel, TCRPX
    step : float — a pixel, TCDLT
    unit : str — TCUNI, "" for none
    """
    upper = [name.upper() for name in names]
    if column.upper() not in upper:
        return {}
    n = upper.index(column.upper()) + 1
    unit_card = {f"TCUNI{n}": unit} if unit else {}
    return {f"TCTYP{n}": kind, f"TCRVL{n}": value, f"TCRPX{n}": pixel, f"TCDLT{n}": step, **unit_card}


def sky_keywords(names: Sequence[str], projection: SkyProjection, x: str, y: str) -> dict[str, object]:
    """The sky grid of two columns of a table, given the names of all."""
    p = projection
    return axis_keywords(
        names, x, f"RA---{p.kind}", value=p.ra, pixel=p.x_reference, step=p.x_step, unit="deg"
    ) | axis_keywords(names, y, f"DEC--{p.kind}", value=p.dec, pixel=p.y_reference, step=p.y_step, unit="deg")


def write_file(
    path: Path, units: Sequence[fits.BinTableHDU | fits.ImageHDU], primary: Header, *, checksums: str | None = None
) -> Path:
    """Write a FITS file, compressed if its name ends in .gz or .FTZ.

    Parameters
    ----------
    path : Path
    units : sequence of HDU — after the primary one
    primary : mapping — keywords of the primary header
    checksums : str or None
        Date in the comments of CHECKSUM and DATASUM; None for no checksums.

    Returns
    -------
    Path
    """
    first = fits.PrimaryHDU()
    set_keywords(first.header, {key: value for key, value in primary.items() if value is not None})
    whole = fits.HDUList([first, *units])
    if checksums is not None:
        for unit in whole:
            unit.add_checksum(when=checksums)
    if not is_compressed(path):
        whole.writeto(path, overwrite=True)
        return path
    plain = io.BytesIO()
    whole.writeto(plain)
    # mtime and name would make files with equal content differ.
    with path.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed:
        packed.write(plain.getbuffer())
    return path
