"""Rows that are in a list more than once, as after merging overlapping lists: `find_repeated_rows`.

Photons of one frame have equal times, and in a list of coarse columns two of them may be equal in every other column,
too. Only more equal rows than chance allows are repetitions. Chance is measured on photons of successive frames.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64, Mask

from .fits_files import FitsFile
from .fits_tables import Hdu

__all__ = ["find_repeated_rows"]

MAX_CHANCE: Final = 1e-6
"""Largest probability of as many equal rows by chance at which they are repetitions."""

MIN_EXPECTED: Final = 0.01
"""Smallest expected number of rows that are equal by chance."""

Keys = NDArray[np.uint64]

_FACTORS: Final = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)


def find_repeated_rows(
    file: FitsFile, events: Hdu, time: F64, values: tuple[NDArray[np.generic], ...], row: NDArray[np.int32]
) -> Mask:
    """Mask of the photons whose row repeats that of an earlier one in every byte.

    Parameters
    ----------
    file : FitsFile
    events : Hdu
    time : ndarray, shape (n,) — s, sorted
    values : ndarrays of 4 bytes, each of shape (n,)
        Other values of the photons, which are equal for equal rows.
    row : ndarray, shape (n,), int32 — row in the table

    Returns
    -------
    ndarray, shape (n,), bool
        All false if chance explains the equal rows.
    """
    repeated = np.zeros(len(time), dtype=np.bool_)
    if len(time) < 2 or not (time[1:] == time[:-1]).any():
        return repeated
    frame = np.concatenate([[0], np.cumsum(time[1:] != time[:-1])]).astype(np.uint64)
    content = np.zeros(len(time), dtype=np.uint64)
    for factor, one in zip(_FACTORS, values, strict=False):
        content = _mix(content ^ one.view(np.uint32).astype(np.uint64), factor)
    keys = _mix(content ^ _mix(frame + np.uint64(1), _FACTORS[3]), _FACTORS[0])
    ordered = np.sort(keys)
    shared = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(shared):
        return repeated
    members = np.flatnonzero(np.isin(keys, shared))
    first_of = _first_equal(_raw_rows(file, events, row[members]))
    again = members[first_of != np.arange(len(members))]
    if _is_chance(len(again), _expected_by_chance(content, frame, keys)):
        return repeated
    repeated[again] = True
    return repeated


def _mix(keys: Keys, factor: int) -> Keys:
    """Scramble 64-bit keys (multiplication and shift, with wrap-around)."""
    mixed = keys * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(29))


def _raw_rows(file: FitsFile, events: Hdu, wanted: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Bytes of some rows, shape (n, bytes per row)."""
    found = np.empty((len(wanted), events.row_bytes), dtype=np.uint8)
    for rows in file.blocks(events):
        here = np.flatnonzero((wanted >= rows.start) & (wanted < rows.start + rows.count))
        if len(here):
            found[here] = rows.raw(wanted[here] - rows.start)
    return found


def _first_equal(rows: NDArray[np.uint8]) -> I64:
    """Index of the first row that equals each row."""
    cells = np.ascontiguousarray(rows).view([("", np.void, rows.shape[1])]).ravel()
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(cell.tobytes(), i) for i, cell in enumerate(cells)], dtype=np.int64)


def _expected_by_chance(content: Keys, frame: Keys, keys: Keys) -> float:
    """Expected number of photons equal to another one of their frame, from pairs of successive frames."""
    counts = np.bincount(frame.astype(np.int64))
    within, between = float((counts * (counts - 1)).sum() / 2), float((counts[1:] * counts[:-1]).sum())
    following = _mix(content ^ _mix(frame + np.uint64(2), _FACTORS[3]), _FACTORS[0])
    matches = int(np.count_nonzero(np.isin(following, keys)))
    return max(matches * within / between if between else 0.0, MIN_EXPECTED)


def _is_chance(observed: int, expected: float) -> bool:
    from scipy.stats import poisson

    return observed == 0 or float(poisson.sf(observed - 1, expected)) > MAX_CHANCE
