"""Reliability of stated false-alarm probabilities, in bins of source properties, and of classes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .method_scores import ScoredSources
from .metrics import wilson

__all__ = ["BINS", "NOMINAL", "RECOVERED", "confusion", "false_alarms", "poisson_interval"]


NOMINAL: Final = (0.1, 0.03, 0.01, 0.003, 0.001)

BINS: Final = {
    "counts": (10, 20, 50, 100, 200, 501),
    "livetime_s": (0.0, 3e3, 1e4, 3e4, np.inf),
    "gap": (0.0, 1e-3, 0.5, 0.8, 1.001),
    "background": (0.0, 0.1, 0.3, 0.6, 1.001),
}
"""Edges of the bins in which false alarms are counted."""

TOLERANCE: Final = 0.2
"""Largest relative difference between measured and stated rates."""

RECOVERED: Final = 0.01
"""False-alarm probability at which a transient counts as recovered for the comparison of classes."""


def poisson_interval(number: int) -> tuple[float, float]:
    """Garwood's 68 % interval of a Poisson mean (1936, Biometrika 28, 437)."""
    from scipy.stats import chi2

    low = 0.5 * float(chi2.ppf(0.1587, 2 * number)) if number else 0.0
    return low, 0.5 * float(chi2.ppf(0.8413, 2 * number + 2))


def false_alarms(scored: ScoredSources) -> list[dict[str, Any]]:
    """Steady sources at or below each nominal false-alarm probability, compared with the expected number.

    Returns
    -------
    list of dict
        by ("all", "telescope" or a key of `BINS`), value (of bins the range), nominal, steady, expected, found, ratio,
        low, high (68 %, of the ratio), tells (whether its Poisson error is below `TOLERANCE`), holds (whether the
        interval and 1 ± `TOLERANCE` overlap).
    """
    null = scored.of_kind("steady") & np.isfinite(scored.false_alarm_probability)
    groups: list[tuple[str, Any, NDArray[np.bool_]]] = [("all", "all", null)]
    for name, edges in BINS.items():
        values = scored.facts[name].astype(np.float64)
        for low, high in pairwise(edges):
            shown = [float(low), float(high) if np.isfinite(high) else None]
            groups.append((name, shown, null & (values >= low) & (values < high)))
    telescopes = sorted({str(name) for name in scored.facts["telescope"]})
    groups += [("telescope", one, null & (scored.facts["telescope"] == one)) for one in telescopes]
    rows = []
    for by, value, chosen in groups:
        p = scored.false_alarm_probability[chosen]
        if not len(p):
            continue
        for nominal in NOMINAL:
            found, expected = int((p <= nominal).sum()), nominal * len(p)
            low, high = (end / expected for end in poisson_interval(found))
            rows.append(
                {
                    "by": by,
                    "value": value,
                    "nominal": nominal,
                    "steady": len(p),
                    "expected": expected,
                    "found": found,
                    "ratio": found / expected,
                    "low": low,
                    "high": high,
                    "tells": expected >= 1.0 / TOLERANCE**2,
                    "holds": low <= 1.0 + TOLERANCE and high >= 1.0 - TOLERANCE,
                }
            )
    return rows


def confusion(scored: ScoredSources) -> list[dict[str, Any]]:
    """Classes of recovered flares and dips compared with those of the detector, below and above 50 counts.

    Returns
    -------
    list of dict
        counts (range), classes (true ones), answers (the detector's), table (rows by true class), recovered, right,
        accuracy, low, high; accuracy is None where the detector's classes are not those of the truth.
    """
    truth, counts = scored.facts["label"], scored.facts["counts"]
    with np.errstate(invalid="ignore"):
        recovered = scored.false_alarm_probability <= RECOVERED
    events = (scored.of_kind("flare") | scored.of_kind("dip")) & recovered
    classes = sorted({str(name) for name in truth[scored.of_kind("flare") | scored.of_kind("dip")]})
    best = np.argmax(np.where(np.isnan(scored.class_probabilities), -1.0, scored.class_probabilities), axis=1)
    said = np.array(scored.classes)[best]
    known = bool(set(scored.classes) & set(classes))
    tables = []
    for low, high in ((10, 50), (50, 501)):
        chosen = events & (counts >= low) & (counts < high)
        right, number = int((said[chosen] == truth[chosen]).sum()), int(chosen.sum())
        lowest, highest = wilson(right, number)
        tables.append(
            {
                "counts": [low, high],
                "classes": classes,
                "answers": list(scored.classes),
                "table": [
                    [int((chosen & (truth == one) & (said == answer)).sum()) for answer in scored.classes]
                    for one in classes
                ],
                "recovered": number,
                "right": right,
                "accuracy": right / number if number and known else None,
                "low": lowest,
                "high": highest,
            }
        )
    return tables
