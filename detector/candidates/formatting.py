"""Measurements and names as text for tables, panels and plot sheets; see `photons.probabilities` for probabilities."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from xherald.photons.probabilities import UNKNOWN, format_false_alarm_probability, format_rate

if TYPE_CHECKING:
    from xherald.detector.results.row_types import Evidence

__all__ = [
    "format_headline",
    "format_length",
    "format_measurement",
    "format_position",
    "format_significance",
    "format_source_name",
    "format_warnings",
]


def format_measurement(
    value: float | None, low: float | None, high: float | None, unit: str = "", sign: str = ""
) -> str:
    """Format a value with its limits, to as many digits as they warrant: "34.0 +6.9 −5.8 ct".

    Parameters
    ----------
    value : float or None
        None gives `UNKNOWN`.
    low, high : float or None
        Limits of the 68 % interval.
    unit : str
    sign : str
        "+" to show the sign of positive values, too.
    """
    if value is None:
        return UNKNOWN
    unit = unit and f" {unit}"
    if low is None or high is None:
        return f"{value:{sign}.3g}{unit}".replace("-", "−")
    up, down = max(high - value, 0.0), max(value - low, 0.0)
    smallest = min(part for part in (up, down, math.inf) if part > 0)
    digits = 0 if math.isinf(smallest) else max(1 - math.floor(math.log10(smallest)), 0)
    if digits > 6:
        return f"{value:{sign}.3g} +{up:.2g} −{down:.2g}{unit}"
    plus, minus = f"{up:,.{digits}f}", f"{down:,.{digits}f}"
    limits = f"±{plus}" if plus == minus else f"+{plus} −{minus}"
    number = f"{value:{sign},.{digits}f}".replace("-", "−")
    return f"{number} {limits}{unit}"


def format_length(seconds: float) -> str:
    """Format a length of time to four digits or the whole second."""
    return f"{seconds:,.0f} s" if seconds >= 1e3 else f"{seconds:.4g} s"


def format_position(ra_deg: float | None, dec_deg: float | None) -> str:
    """Format a position as "RA 83.83330 Dec -5.42058"; empty where it is unknown."""
    return "" if ra_deg is None or dec_deg is None else f"RA {ra_deg:.5f} Dec {dec_deg:+.5f}"


def format_source_name(evidence: Evidence) -> str:
    """Mission, instrument, observation and detection on one line."""
    parts = (evidence["mission"], evidence["instrument"], evidence["obs_id"], evidence["detection_id"])
    return " ".join(part for part in parts if part)


def format_headline(evidence: Evidence) -> str:
    """The kind in capitals, with the most probable class."""
    kind, name = evidence["kind"].upper(), evidence["likely_class"]
    if name is None:
        return kind
    return f"{kind}   most like {name.replace('_', ' ')} ({evidence['class_probabilities'][name]:.0%})"


def format_significance(evidence: Evidence) -> str:
    """False-alarm probability and rate: "false-alarm probability 8.1e-4 per source; 1.2e-6 Hz (1 per 9.4 days)"."""
    probability, extrapolated = evidence["false_alarm_probability"], bool(evidence["extrapolated"])
    if probability is None:
        return "not testable"
    text = format_false_alarm_probability(probability, extrapolated=extrapolated)
    far_hz = evidence["far_hz"]
    return text if far_hz is None else f"{text}; {format_rate(far_hz, extrapolated=extrapolated)}"


def format_warnings(evidence: Evidence) -> list[str]:
    """Vetoes with their reasons, those that reject first, then quality flags."""
    vetoes = [
        f"{one['veto'].replace('_', ' ')}{' (rejects)' if one['rejects'] else ''}: {one['reason']}"
        for one in evidence["vetoes"]
    ]
    return vetoes + [flag.replace("_", " ") for flag in evidence["flags"]]
