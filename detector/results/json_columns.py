"""Flat arrays as lists of JSON's own types, from which rows and evidence are built; None stands for unknown values."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import numpy as np

from xherald.photons.arrays import F64

if TYPE_CHECKING:
    from xherald.photons import EventBatch

__all__ = ["Value68", "nan_to_none", "utc_dates"]


class Value68(TypedDict):
    """A value with the limits of its 68 % interval."""

    value: float
    low: float | None
    high: float | None


def nan_to_none(array: F64) -> list[float | None]:
    """Values as Python numbers, None in place of what is not finite: JSON has no NaN."""
    return [
        value if finite else None for value, finite in zip(array.tolist(), np.isfinite(array).tolist(), strict=True)
    ]


def utc_dates(batch: EventBatch, seconds: F64) -> list[str | None]:
    """UTC dates to the millisecond, ending in Z; None where the time or the source's time reference is unknown.

    Parameters
    ----------
    batch : EventBatch
    seconds : ndarray, shape (n,)
        Mission seconds, one for each source.
    """
    dates: list[str | None] = [None] * len(batch)
    references = [one.time_reference for one in batch.identities]
    # One astropy call for each time reference, not for each source.
    for reference in set(references) - {None}:
        chosen = np.flatnonzero(np.array([one == reference for one in references]) & np.isfinite(seconds))
        if reference is None or not chosen.size:
            continue
        time = reference.to_time(seconds[chosen]).utc
        time.precision = 3
        for index, date in zip(chosen.tolist(), time.isot.tolist(), strict=True):
            dates[index] = f"{date}Z"
    return dates
