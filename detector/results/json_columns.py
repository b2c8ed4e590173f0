"""Flat arrays as lists in JSON's own types: what rows and evidence are put together from. What is not known is None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from xherald.photons.arrays import F64
from xherald.photons.statistics.result import Intervals

if TYPE_CHECKING:
    from xherald.photons import EventBatch

__all__ = ["Interval", "Value68", "by_name", "intervals_to_json", "nan_to_none", "utc_dates", "values_to_json"]


class Interval(TypedDict):
    """A stretch of time: what the verdict points at, or the peak; `livetime_s` is the good time inside, gaps closed."""

    start_utc: str | None
    stop_utc: str | None
    start_s: float
    stop_s: float
    duration_s: float
    livetime_s: float | None
    counts: float | None
    expected: float | None


class Value68(TypedDict):
    """A value with the interval that holds 68 % of the probability."""

    value: float
    low: float | None
    high: float | None


def nan_to_none(array: F64) -> list[float | None]:
    """Values as Python numbers, None for what is not finite: JSON has no NaN, and nobody wants one."""
    return [
        value if finite else None for value, finite in zip(array.tolist(), np.isfinite(array).tolist(), strict=True)
    ]


def by_name(columns: Mapping[str, Sequence[Any]], n: int) -> list[dict[str, Any]]:
    """Rows of a nested object from its columns."""
    if not columns:
        return [{} for _ in range(n)]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def values_to_json(value: F64, low: F64, high: F64) -> list[Value68 | None]:
    """Values with their 68 % intervals, None where there is no value."""
    rows: list[Any] = by_name(
        {"value": nan_to_none(value), "low": nan_to_none(low), "high": nan_to_none(high)}, len(value)
    )
    return [row if row["value"] is not None else None for row in rows]


def intervals_to_json(batch: EventBatch, found: Intervals) -> list[Interval | None]:
    """Stretches of time with their dates, None where there is none."""
    rows: list[Any] = by_name(
        {
            "start_utc": utc_dates(batch, found.start),
            "stop_utc": utc_dates(batch, found.stop),
            "start_s": nan_to_none(found.start),
            "stop_s": nan_to_none(found.stop),
            "duration_s": nan_to_none(found.stop - found.start),
            "livetime_s": nan_to_none(found.livetime),
            "counts": nan_to_none(found.counts),
            "expected": nan_to_none(found.expected),
        },
        len(batch),
    )
    choose_direction = np.isfinite(found.stop - found.start).tolist()
    return [row if finite else None for row, finite in zip(rows, choose_direction, strict=True)]


def utc_dates(batch: EventBatch, seconds: F64) -> list[str | None]:
    """UTC dates to the millisecond, one astropy call a time reference rather than one a source."""
    dates: list[str | None] = [None] * len(batch)
    references = [one.time_reference for one in batch.identities]
    for reference in set(references) - {None}:
        chosen = np.flatnonzero(np.array([one == reference for one in references]) & np.isfinite(seconds))
        if reference is None or not chosen.size:
            continue
        time = reference.to_time(seconds[chosen]).utc
        time.precision = 3
        for index, date in zip(chosen.tolist(), time.isot.tolist(), strict=True):
            dates[index] = f"{date}Z"
    return dates
