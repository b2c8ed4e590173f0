"""Evidence as lines of label and value, under headings: what the plot sheet and the terminal show alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .formatting import UNKNOWN, length, measured, one_in, per_day, percent
from .history_rendering import history_rows

if TYPE_CHECKING:
    from .evidence import Evidence

__all__ = ["Line", "lines_of"]


LEAST_TOLD: Final = 0.005
"""Class probabilities below this are left out: they would read 0 %."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line: what is told and its value; a heading has no value."""

    label: str
    value: str = ""


def lines_of(evidence: Evidence) -> list[Line]:
    """All of a candidate's evidence but its flags."""
    return [
        *_when(evidence),
        *_how_much(evidence),
        *_spectrum(evidence),
        *_verdict(evidence),
        *_likeness(evidence),
        *_history(evidence),
        *_versions(evidence),
    ]


def _when(evidence: Evidence) -> list[Line]:
    interval = evidence["interval"]
    lines = [Line("When")]
    if interval is None:
        return [*lines, Line("interval", UNKNOWN)]
    start, stop = interval["start_utc"], interval["stop_utc"]
    if start is None or stop is None:
        lines += [Line("from", f"{interval['start_s']:.3f} s"), Line("to", f"{interval['stop_s']:.3f} s")]
    else:
        lines += [Line("from (UTC)", _date(start)), Line("to (UTC)", _date(stop))]
    good = interval["livetime_s"]
    lines.append(Line("length", length(interval["duration_s"]) + (f", good {length(good)}" if good else "")))
    t90 = evidence["t90"]
    if evidence["kind"] == "flare":
        lines.append(Line("T90", measured(t90["seconds"], "s") if t90 else UNKNOWN))
    return lines


def _date(utc: str) -> str:
    return utc.removesuffix("Z").replace("T", " ")


def _how_much(evidence: Evidence) -> list[Line]:
    net = "missing" if evidence["kind"] == "dip" else "fluence"
    fluence = evidence["fluence_counts"]
    if fluence is not None and evidence["kind"] == "dip" and fluence["low"] is not None and fluence["high"] is not None:
        fluence = {"value": -fluence["value"], "low": -fluence["high"], "high": -fluence["low"]}
    lines = [
        Line("How much"),
        Line("counts inside", measured(evidence["counts_inside"])),
        Line("expected", measured(evidence["expected"])),
        Line("background inside", measured(evidence["background_inside"])),
        Line(net, measured(fluence, "ct")),
        Line("rate inside / outside", measured(evidence["contrast"])),
    ]
    peak = evidence["peak"]
    if peak is not None:
        seconds = peak["interval"]["livetime_s"] or peak["interval"]["duration_s"]
        lines.append(Line(f"peak, {length(seconds)}", measured(peak["rate"], "ct/s")))
    total = f"{evidence['counts']:,} in {evidence['livetime_s']:,.0f} s"
    background = evidence["background_counts"]
    around = "background unknown" if background is None else f"background {background:.1f}"
    return [*lines, Line("whole exposure", f"{total}, {around}")]


def _spectrum(evidence: Evidence) -> list[Line]:
    hardness = evidence["hardness"]
    sigma = hardness["sigma"]
    change = UNKNOWN if sigma is None else f"{abs(sigma):.1f} σ {'harder' if sigma > 0 else 'softer'} inside"
    return [
        Line("Spectrum"),
        Line("hardness inside", measured(hardness["inside"], sign="+")),
        Line("hardness outside", measured(hardness["outside"], sign="+")),
        Line("change", change),
    ]


def _verdict(evidence: Evidence) -> list[Line]:
    chance = evidence["false_alarm"]
    index, odds = evidence["variability_index"], evidence["log10_odds"]
    per_1000, far = chance["per_1000_sources"], chance["far_hz"]
    return [
        Line("Verdict"),
        Line("false alarm", f"{one_in(chance['probability'])} sources"),
        Line("expected in 1,000 sources", _small(per_1000)),
        Line("false-alarm rate", _small(far, " Hz")),
        Line("", per_day(chance["per_day"])),
        Line("p astrophysical", percent(evidence["p_astro"])),
        Line("variability index", UNKNOWN if index is None else f"{index} of 10"),
        Line("Gregory–Loredo log odds", UNKNOWN if odds is None else f"{odds:.1f}"),
    ]


def _small(value: float | None, unit: str = "") -> str:
    if value is None:
        return UNKNOWN
    return f"<1e-12{unit}" if value < 1e-12 else f"{value:.2g}{unit}"


def _likeness(evidence: Evidence) -> list[Line]:
    classes = [
        Line(name.replace("_", " "), f"{part:.0%}")
        for name, part in evidence["class_probabilities"].items()
        if part >= LEAST_TOLD
    ]
    place = evidence["place"]
    known = [
        Line(f"{one['kind'].replace('_', ' ')} {one['name']}", f"at {one['distance']:.3g}")
        for one in evidence["similar_to"][:4]
    ]
    ordinary = place["ordinary_distance"] if place else None
    if known and ordinary is not None:
        known.append(Line("ordinary sources", f"at {ordinary:.3g}"))
    if place is not None:
        known.append(Line(f"place, {place['case']}", f"{place['x']:+.1f} {place['y']:+.1f}".replace("-", "−")))
    return [
        *([Line("Class, given that it varies"), *classes[:3]] if classes else []),
        *([Line("Nearest known"), *known] if known else []),
    ]


def _history(evidence: Evidence) -> list[Line]:
    history = evidence["history"]
    if history is None:
        return []
    return [Line("Other observations of the place"), *(Line(*row) for row in history_rows(history))]


def _versions(evidence: Evidence) -> list[Line]:
    versions = evidence["versions"]
    # "name@version group": the version is a date, too long to stand beside the others.
    name, _, rest = versions["calibration"].partition("@")
    number, _, group = rest.partition(" ")
    return [
        Line("Made by"),
        Line("xherald", versions["xherald"]),
        Line("calibration", " ".join(part for part in (name, group) if part) or UNKNOWN),
        *([Line("", number)] if number else []),
        Line("reference", versions["reference"] or UNKNOWN),
    ]
