"""Measurements and names as text for tables, panels and plot sheets; see `photons.probabilities` for probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from xherald.photons.probabilities import UNKNOWN, format_false_alarm_probability, format_rate

if TYPE_CHECKING:
    from xherald.detector.results.row_types import Evidence

__all__ = [
    "MAX_NAMED_CLASSES",
    "format_change",
    "format_class",
    "format_classes",
    "format_headline",
    "format_length",
    "format_measurement",
    "format_novelty",
    "format_position",
    "format_significance",
    "format_source_name",
    "format_warnings",
]


MAX_NAMED_CLASSES: Final = 4
"""Largest class set whose members are named in a headline; a larger one says little."""

CLASS_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "agn": "active galaxy",
        "dip": "absorption dip",
        "other_dip": "dip of no known class",
        "other_flare": "flare of no known class",
        "qpe": "quasi-periodic eruption",
        "sfxt": "supergiant fast X-ray transient",
        "xray_burst": "X-ray burst",
    }
)
"""Names of classes that are not those of the code with spaces."""


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
    """The kind in capitals, with the classes that cannot be excluded."""
    kind, names = evidence["kind"].upper(), format_classes(evidence["class_set"])
    if evidence["kind"] == evidence["long_term_change"]:
        kind += " SOURCE"
    return f"{kind}   {names}" if names else kind


def format_classes(class_set: Sequence[str]) -> str:
    """Format a class set: "stellar flare or X-ray burst"; "unclassified" if it is too large to inform.

    Parameters
    ----------
    class_set : sequence of str — most probable first; empty gives ""
    """
    if len(class_set) > MAX_NAMED_CLASSES:
        return f"unclassified ({len(class_set)} classes possible)"
    names = [format_class(name) for name in class_set]
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def format_class(name: str) -> str:
    """Format the name of a class: "X-ray burst" for "xray_burst"."""
    return CLASS_NAMES.get(name, name.replace("_", " "))


def format_novelty(novelty: float | None) -> str:
    """Format a novelty: "more unusual than 93 % of known events"."""
    if novelty is None:
        return UNKNOWN
    return f"more unusual than {novelty:.0%} of known events".replace("%", " %")


def format_significance(evidence: Evidence) -> str:
    """False-alarm probability and rate: "false-alarm probability 8.1e-4 per source; 1.2e-6 Hz (1 per 9.4 days)".

    Of a candidate that changed between exposures only, those of the change.
    """
    probability, extrapolated = evidence["false_alarm_probability"], bool(evidence["extrapolated"])
    if probability is None:
        if evidence["long_term_change"] is None:
            return "not testable"
        text = format_false_alarm_probability(evidence["long_term_false_alarm_probability"])
        return f"{text}; {format_rate(evidence['long_term_far_hz'])}"
    text = format_false_alarm_probability(probability, extrapolated=extrapolated)
    far_hz = evidence["far_hz"]
    return text if far_hz is None else f"{text}; {format_rate(far_hz, extrapolated=extrapolated)}"


def format_change(reason: str, probability: float | None) -> str:
    """Format a change between exposures with its false-alarm probability."""
    return f"{reason} ({format_false_alarm_probability(probability)})"


def format_warnings(evidence: Evidence) -> list[str]:
    """Vetoes with their reasons, those that reject first, then quality flags."""
    vetoes = [
        f"{one['veto'].replace('_', ' ')}{' (rejects)' if one['rejects'] else ''}: {one['reason']}"
        for one in evidence["vetoes"]
    ]
    return vetoes + [flag.replace("_", " ") for flag in evidence["flags"]]
