"""Writing astropy tables as FITS and VOTable files, and replacing files atomically.

Columns have units, descriptions and masks, and their UCD in ``meta["ucd"]``; metadata of the table are in its ``meta``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from xherald.photons.errors import FileError

if TYPE_CHECKING:
    from astropy.table import Column, Table
    from numpy.typing import ArrayLike, NDArray

__all__ = ["make_column", "replace_on_success", "write_fits", "write_votable"]

NULL: Final = -(2**63)
"""Value of unknown integers in FITS, unless a column sets another."""

FLUX_UNIT: Final = "erg / (cm2 s)"


@contextmanager
def replace_on_success(target: Path) -> Iterator[Path]:
    """A temporary path that replaces the target on success; on failure an existing target is kept.

    Parameters
    ----------
    target : Path

    Raises
    ------
    FileError
        The file cannot be written.
    """
    part = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    try:
        yield part
        part.replace(target)
    except OSError as fault:
        raise FileError(target, f"cannot be written: {fault.strerror or fault}") from fault
    finally:
        part.unlink(missing_ok=True)


def make_column(
    values: ArrayLike,
    missing: NDArray[np.bool_] | None = None,
    *,
    unit: str = "",
    ucd: str = "",
    description: str = "",
    null: int | None = None,
) -> Column:
    """A column of a table as the writers here want it.

    Parameters
    ----------
    values : array_like, shape (n,) — strings, int64 or floats
    missing : ndarray, shape (n,), bool, optional
        Mask of unknown values.
    unit, ucd, description : str
        The description in ASCII, for FITS.
    null : int, optional
        Value of unknown integers in FITS; no known value may be equal to it. By default `NULL`.
    """
    from astropy.table import Column, MaskedColumn

    about = {"unit": unit or None, "description": description, "meta": {"ucd": ucd}}
    array = np.asarray(values)
    # A masked column without masked values would get a TNULL too, and values equal to it would be lost.
    if missing is None or not missing.any():
        return Column(array, **about)
    filler = None if array.dtype.kind != "i" else NULL if null is None else null
    return MaskedColumn(array, mask=missing, fill_value=filler, **about)


def write_fits(table: Table, target: Path, name: str) -> None:
    """Write a table as the only extension of a FITS file; its ``meta`` becomes keywords.

    Parameters
    ----------
    table : Table
    target : Path
    name : str
        Name of the extension.
    """
    from astropy.io import fits

    plain = table.copy(copy_data=False)
    for column in plain.itercols():  # astropy would write these as keywords of its own; they are written below
        column.meta.clear()
    extension = fits.table_to_hdu(plain, name=name)
    for number, column in enumerate(table.itercols(), start=1):
        extension.header[f"TCOMM{number}"] = column.description
        if column.meta["ucd"]:
            extension.header[f"TUCD{number}"] = column.meta["ucd"]
    fits.HDUList([fits.PrimaryHDU(), extension]).writeto(target, overwrite=True)


def write_votable(table: Table, target: Path) -> None:
    """Write a table as a VOTable; its ``meta`` becomes PARAMs.

    Fluxes are in mW / m2, as in VizieR: VOUnit deprecates the erg, and 1 mW / m2 is 1 erg / (cm2 s).
    """
    from astropy import units
    from astropy.io.votable import from_table
    from astropy.io.votable.tree import Param

    written = table.copy(copy_data=False)
    for column in written.columns.values():
        if column.unit is not None and units.Unit(column.unit) == units.Unit(FLUX_UNIT):
            column.unit = units.Unit("mW / m2")
    document = from_table(written)
    resource = document.get_first_table()
    for field in resource.fields:
        field.ucd = table[field.name].meta["ucd"] or None
    for key, value in table.meta.items():
        resource.params.append(
            Param(document, ID=key, name=key, datatype="unicodeChar", arraysize="*", value=str(value))
        )
    document.to_xml(str(target))
