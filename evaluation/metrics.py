"""Efficiencies at fixed false-positive rates, with errors, for tables and plots.

A method's threshold is its own, set in every bin of counts by the sample's steady sources: of n of them in a bin at
most ⌊rate × n⌋ score higher. Everything follows from `exceeding`, the part of those steady sources that score at least
as high as a source. Errors are Wilson's (1927, J. Am. Stat. Assoc. 22, 209), 68 %; methods meet on the same sources, so
their differences have McNemar's error (1947, Psychometrika 12, 153), much smaller than that of two independent samples.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64

from .method_scores import DETECTOR, DIRECTIONS, ScoredSources

__all__ = [
    "COUNTS",
    "DURATIONS",
    "RATES",
    "SPANS",
    "difference",
    "efficiencies",
    "efficiencies_by",
    "exceeding",
    "roc",
    "wilson",
]


COUNTS: Final = (10, 20, 50, 100, 200, 501)
"""Edges of the bins of counts in which thresholds are set."""

SPANS: Final = (*pairwise(COUNTS), (10, 50), (50, 501), (10, 501))
"""Ranges of counts in tables, the second number excluded."""

FAINT: Final = 50
"""Counts below which sources are faint."""

RATES: Final = (0.01, 0.001)

DURATIONS: Final = (0.0, 2.0**-10, 2.0**-8, 2.0**-6, 2.0**-5, 2.0**-4, 2.0**-3, 2.0**-2, 1.0)
"""Edges of the bins of event length, fractions of the live time."""

ONE_SIGMA: Final = 1.0


def wilson(found: int, of: int) -> tuple[float, float]:
    """Wilson's 68 % interval of a binomial probability; 0 to 1 without data."""
    if of == 0:
        return 0.0, 1.0
    z2 = ONE_SIGMA**2
    p = found / of
    middle = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = ONE_SIGMA / (1 + z2 / of) * float(np.sqrt(p * (1 - p) / of + z2 / (4 * of * of)))
    return (middle - half if found else 0.0), (middle + half if found < of else 1.0)


def difference(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[float, float]:
    """Difference between the fractions of the same sources that two methods find, and its error (McNemar)."""
    n = len(first)
    if n == 0:
        return 0.0, 1.0
    gained, lost = int((first & ~second).sum()), int((second & ~first).sum())
    change = (gained - lost) / n
    # Add one on each side, so that agreement on few sources has an error.
    error = float(np.sqrt(max((gained + lost + 1) - (gained - lost) ** 2 / n, 1.0)) / n)
    return change, error


def exceeding(score: F64, counts: NDArray[np.integer[Any]], null: NDArray[np.bool_]) -> tuple[F64, F64]:
    """Number of steady sources in the same bin of counts that score at least as high.

    Parameters
    ----------
    score : ndarray, shape (n,) — NaN, which counts as not found, if not scored
    counts : ndarray, shape (n,)
    null : ndarray, shape (n,), bool — steady sources

    Returns
    -------
    number, of : ndarray, shape (n,)
        Steady sources that score as high (of a steady source: itself among them), and all steady ones of the bin; NaN
        outside all bins.
    """
    score = np.where(np.isnan(score), -np.inf, score)
    where = np.digitize(counts, COUNTS) - 1
    number, of = np.full(len(score), np.nan), np.full(len(score), np.nan)
    for b in range(len(COUNTS) - 1):
        here = where == b
        ordered = np.sort(score[here & null])
        number[here] = len(ordered) - np.searchsorted(ordered, score[here], side="left")
        of[here] = len(ordered)
    return number, of


def _found(number: F64, of: F64, rate: float, spread: float = 0.0) -> NDArray[np.bool_]:
    """Found at a false-positive rate: fewer steady sources than allowed score as high.

    `spread` moves the number allowed by so many of its own standard deviations.
    """
    with np.errstate(invalid="ignore"):
        allowed = np.floor(rate * of + 1e-9)
        allowed = np.maximum(np.floor(allowed + spread * np.sqrt(np.maximum(allowed, 1.0))), 0.0)
        found: NDArray[np.bool_] = (number <= allowed) & (of > 0)
    return found


def efficiencies(scored: ScoredSources) -> list[dict[str, Any]]:
    """Fraction of the events that each method finds.

    Parameters
    ----------
    judged : ScoredSources

    Returns
    -------
    list of dict
        direction, rate, counts (range), group ("all", or "5 sigma": events expected to stand out that much), method,
        events, found, efficiency, low, high, threshold_error (half the change of the efficiency when the threshold's
        own Poisson error is added and taken off), steady (sources that set the threshold), difference and
        difference_error (of this method minus the detector).
    """
    rows: list[dict[str, Any]] = []
    counts, null = scored.facts["counts"], scored.of_kind("steady")
    for direction in DIRECTIONS:
        events = scored.of_kind(direction)
        ranks = {method: exceeding(score, counts, null) for method, score in scored.scores[direction].items()}
        for rate in RATES:
            found = {method: _found(*rank, rate) for method, rank in ranks.items()}
            spread = {method: [_found(*rank, rate, sigma) for sigma in (1.0, -1.0)] for method, rank in ranks.items()}
            for low, high in SPANS:
                inside = (counts >= low) & (counts < high)
                for group, chosen in (
                    ("all", events & inside),
                    ("5 sigma", events & inside & (scored.facts["sigma"] >= 5.0)),
                ):
                    rows += [
                        {
                            "direction": direction,
                            "rate": rate,
                            "counts": [low, high],
                            "group": group,
                            "method": method,
                            "steady": int((null & inside).sum()),
                            **_efficiency(found[method][chosen]),
                            "threshold_error": 0.5
                            * abs(_mean(spread[method][0][chosen]) - _mean(spread[method][1][chosen])),
                            **_against(found[method][chosen], found[DETECTOR][chosen]),
                        }
                        for method in ranks
                    ]
    return rows


def _mean(found: NDArray[np.bool_]) -> float:
    return float(found.mean()) if len(found) else 0.0


def _efficiency(found: NDArray[np.bool_]) -> dict[str, Any]:
    events, number = len(found), int(found.sum())
    low, high = wilson(number, events)
    return {
        "events": events,
        "found": number,
        "efficiency": number / events if events else None,
        "low": low,
        "high": high,
    }


def _against(found: NDArray[np.bool_], detector: NDArray[np.bool_]) -> dict[str, Any]:
    change, error = difference(found, detector)
    return {"difference": change, "difference_error": error}


def efficiencies_by(scored: ScoredSources, rate: float = RATES[0]) -> list[dict[str, Any]]:
    """Efficiency by length of the event, by kind of shape, by spectrum and by telescope, 10–500 counts.

    Returns
    -------
    list of dict
        direction, by ("duration", "label", "spectrum", "telescope", and "faint", the telescope for 10–50 counts), value
        (of durations the range), method, and what `efficiencies` tells of each.
    """
    rows: list[dict[str, Any]] = []
    counts, null = scored.facts["counts"], scored.of_kind("steady")
    length = scored.facts["duration"].astype(np.float64)
    for direction in DIRECTIONS:
        events = scored.of_kind(direction)
        groups: list[tuple[str, Any, NDArray[np.bool_]]] = [
            ("duration", [low, high], (length >= low) & (length < high)) for low, high in pairwise(DURATIONS)
        ]
        for fact in ("label", "spectrum", "telescope"):
            values = sorted({str(value) for value in scored.facts[fact][events]} - {""})
            groups += [(fact, value, scored.facts[fact] == value) for value in values]
        groups += [("faint", value, own & (counts < FAINT)) for by, value, own in groups if by == "telescope"]
        found = {
            method: _found(*exceeding(score, counts, null), rate) for method, score in scored.scores[direction].items()
        }
        rows += [
            {
                "direction": direction,
                "by": by,
                "value": value,
                "method": method,
                **_efficiency(one[events & own]),
                **_against(one[events & own], found[DETECTOR][events & own]),
            }
            for method, one in found.items()
            for by, value, own in groups
            if (events & own).any()
        ]
    return rows


def roc(scored: ScoredSources, points: int = 40) -> list[dict[str, Any]]:
    """Efficiency against false-positive rate, by direction and method; at rates that the sample can measure.

    Returns
    -------
    list of dict
        direction, method, rate (list), efficiency (list).
    """
    rows = []
    counts, null = scored.facts["counts"], scored.of_kind("steady")
    for direction in DIRECTIONS:
        events = scored.of_kind(direction)
        for method, score in scored.scores[direction].items():
            number, of = exceeding(score, counts, null)
            known = events & (of > 0)  # NaN is not
            least = max(3.0 / float(of[known].min()), 1e-4) if known.any() else 1.0
            rates = np.geomspace(min(least, 0.5), 1.0, points)
            part = number[known] / of[known]
            rows.append(
                {
                    "direction": direction,
                    "method": method,
                    "rate": [float(rate) for rate in rates],
                    "efficiency": [_mean(part <= rate) for rate in rates],
                }
            )
    return rows
