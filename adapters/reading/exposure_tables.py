"""Tables that say when and where a detector was sensitive: attitude, bad pixels, live fractions.

They are in the event file or in files beside it. Tables are found by name, with the number of a detector at the end
(``CORRATT3``, ``BADPIX01``, ``DEADCOR7``) or without one for all detectors. A table that cannot be used is left out:
the exposure is then fitted from the events.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from xherald.photons import Attitude
from xherald.photons.arrays import F64, I64

from .fits_files import FitsFile, Hdu
from .headers import get_number

__all__ = ["read_attitude", "read_bad_pixels", "read_live_curves"]

ATTITUDE = re.compile(r"(?:CORRATT|ATTITUDE|ATT|ASPSOL)(\d*)")
BAD_PIXELS = re.compile(r"BADPIX(\d*)")
LIVE_CURVES = {
    re.compile(r"DEADCOR(\d*)"): ("TIME", "DEADC"),
    re.compile(r"EXPOSU(\d*)"): ("TIME", "FRACEXP"),
}

LIVE_STEP_S = 100.0
"""Live fractions are averaged over at least this time, s: single frames do not matter to a source."""

MIN_LIVE_CHANGE = 0.02
"""Live fractions that vary by less are taken as constant."""

MAX_ROWS = 3_000_000
"""Tables with more rows are not read."""


def _tables(file: FitsFile, name: re.Pattern[str], *columns: str) -> Iterator[tuple[int | None, Hdu]]:
    """Tables of a name that have all columns, with the number of their detector."""
    for hdu in file.hdus:
        match = name.fullmatch(hdu.name.upper())
        if match is None or not 0 < hdu.rows <= MAX_ROWS or any(one not in hdu.columns for one in columns):
            continue
        # XMM-Newton numbers its tables consecutively, even if a CCD is missing.
        keywords = (get_number(hdu.header, key, hdu.path) for key in ("CCDID", "CCD_ID"))
        number = next((one for one in keywords if one is not None), None)
        yield (int(number) if number is not None else int(match[1]) if match[1] else None), hdu


def _numbers(file: FitsFile, hdu: Hdu, *columns: str) -> list[F64]:
    return [file.column(hdu, name).astype(np.float64) for name in columns]


def read_attitude(files: Iterable[FitsFile], timezero: float) -> dict[int | None, Attitude]:
    """Attitude tables (TIME in mission seconds; RA, DEC, ROLL in deg), by detector or None for all.

    Tables of one detector are joined: the attitude of an observation may come in several files.
    """
    parts: dict[int | None, list[F64]] = {}
    for file in files:
        for number, hdu in _tables(file, ATTITUDE, "TIME", "RA", "DEC", "ROLL"):
            rows = np.array(_numbers(file, hdu, "TIME", "RA", "DEC", "ROLL"))
            own = get_number(hdu.header, "TIMEZERO", hdu.path)
            rows[0] += timezero if own is None else own
            parts.setdefault(number, []).append(rows[:, np.isfinite(rows).all(axis=0) & (np.abs(rows[2]) <= 90)])
    found: dict[int | None, Attitude] = {}
    for number, tables in parts.items():
        joined = np.concatenate(tables, axis=1)
        time, row = np.unique(joined[0], return_index=True)
        if len(time) >= 2:
            found[number] = Attitude(time, *joined[1:, row])
    return found


def read_bad_pixels(files: Iterable[FitsFile], columns: tuple[str, str], detectors: Sequence[int]) -> dict[int, I64]:
    """Bad pixels by detector: first and last pixel along both columns, shape (k, 4).

    Rows give a pixel and the number of pixels along the second column (YEXTENT, or its old name TYPE = 2 for a column
    to the end), or ranges of pixels in vector columns as in Chandra's bad-pixel files.
    """
    found: dict[int, I64] = {}
    first, second = (name.upper() for name in columns)
    tables = ((file, *table) for file in files for table in _tables(file, BAD_PIXELS, first, second))
    for file, number, hdu in tables:
        x, y = (_ranges(file.column(hdu, name)) for name in (first, second))
        if "YEXTENT" in hdu.columns:
            y = np.column_stack([y[:, 0], y[:, 0] + np.maximum(file.column(hdu, "YEXTENT").astype(np.int64), 1) - 1])
        pixels = np.column_stack([x, y])
        for detector in detectors if number is None else (number,):
            found[detector] = np.concatenate([found[detector], pixels]) if detector in found else pixels
    return found


def _ranges(values: NDArray[np.generic]) -> I64:
    """First and last of each row, shape (k, 2), of single numbers or of pairs."""
    numbers = np.asarray(values).astype(np.int64).reshape(len(values), -1)
    return np.column_stack([numbers[:, 0], numbers[:, -1]])


def read_live_curves(file: FitsFile, timezero: float) -> Mapping[int, F64]:
    """Live fraction of each detector as a function of time, shape (k, 2), where it varies; s and fraction in [0, 1]."""
    found: dict[int, F64] = {}
    for name, (time_column, value_column) in LIVE_CURVES.items():
        for number, hdu in _tables(file, name, time_column, value_column):
            time, value = _numbers(file, hdu, time_column, value_column)
            valid = np.isfinite(time + value) & (value >= 0) & (value <= 1.001)
            if number is None or np.count_nonzero(valid) < 2:
                continue
            own = get_number(hdu.header, "TIMEZERO", hdu.path)
            curve = _averaged(time[valid] + (timezero if own is None else own), np.minimum(value[valid], 1.0))
            if np.ptp(curve[:, 1]) > MIN_LIVE_CHANGE:
                found[number] = curve
    return found


def _averaged(time: F64, value: F64) -> F64:
    """Means over `LIVE_STEP_S`, with the time at which each begins."""
    order = np.argsort(time, kind="stable")
    time, value = time[order], value[order]
    step = np.floor((time - time[0]) / LIVE_STEP_S).astype(np.int64)
    first = np.flatnonzero(np.r_[True, np.diff(step) > 0])
    return np.column_stack([time[first], np.add.reduceat(value, first) / np.diff(np.r_[first, len(value)])])
