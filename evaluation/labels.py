"""Names of methods, samples and ranges in tables, documents and plots of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from .method_scores import DETECTOR, ORACLE

__all__ = [
    "METHODS",
    "SAMPLES",
    "Table",
    "efficiency_table",
    "ordered",
    "percent",
    "range_words",
    "rows_where",
]

METHODS: Final = {
    DETECTOR: "detector",
    ORACLE: "limit of timing (true priors)",
    "flare_averaged": "averaged likelihood ratio",
    "dip_averaged": "averaged likelihood ratio",
    "flare_scan": "Poisson scan",
    "dip_scan": "deficit scan",
    "longest_gap": "longest gap",
    "bayesian_blocks": "Bayesian Blocks",
    "gregory_loredo": "Gregory–Loredo",
    "ks": "Kolmogorov–Smirnov",
    "halves_quarters": "halves and quarters (Yang et al. 2019)",
    "2D-PCA 1-NN": "published 2D-PCA, nearest",
    "2D-PCA kNN ratio": "published 2D-PCA, kNN ratio",
    "3D-PCA 1-NN": "published 3D-PCA, nearest",
    "3D-PCA kNN ratio": "published 3D-PCA, kNN ratio",
}
"""Display names, in the order of tables."""

SAMPLES: Final = {"grid": "Grid of known events", "classes": "Simulated source classes"}

WHOLE: Final = [10, 501]

Table = tuple[list[str], list[list[str]]]
"""Heads and rows of cells."""


def ordered(methods: Iterable[str]) -> list[str]:
    """Methods in the order of `METHODS`, unknown ones last."""
    known = list(METHODS)
    return sorted(set(methods), key=lambda one: (known.index(one) if one in known else len(known), one))


def range_words(counts: Sequence[int]) -> str:
    """Text of a range of counts, whose end is excluded."""
    return f"{counts[0]:g}–{counts[1] if counts[1] != 501 else 500:g}"


def rows_where(rows: Iterable[Mapping[str, Any]], **wanted: Any) -> list[Mapping[str, Any]]:
    """Rows that have the given values."""
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def percent(row: Mapping[str, Any]) -> str:
    """An efficiency with its 68 % error, in per cent."""
    if row["efficiency"] is None:
        return "–"
    return f"{100 * row['efficiency']:.1f} ± {50 * (row['high'] - row['low']):.1f}"


def efficiency_table(sample: Mapping[str, Any], direction: str, rate: float, group: str = "all") -> Table:
    """Efficiencies of all methods by range of counts, and the difference from the detector."""
    rows = rows_where(sample["efficiencies"], direction=direction, rate=rate, group=group)
    ranges = list(dict.fromkeys(tuple(row["counts"]) for row in rows))
    heads = ["method", *(f"{range_words(one)}" for one in ranges), "minus detector, 10–500"]
    table = []
    for method in ordered(row["method"] for row in rows):
        own = {tuple(row["counts"]): row for row in rows_where(rows, method=method)}
        whole = own[tuple(WHOLE)]
        against = f"{100 * whole['difference']:+.1f} ± {100 * whole['difference_error']:.1f}"
        table.append([METHODS.get(method, method), *(percent(own[one]) for one in ranges), against])
    counted = {tuple(row["counts"]): (row["events"], row["steady"]) for row in rows}
    table.append(["events / steady sources", *("{} / {}".format(*counted[one]) for one in ranges), ""])
    return heads, table
