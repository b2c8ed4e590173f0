"""Evidence as lines of label and value under headings, the same on the plot sheet and in the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from xherald.context.fluxes.measure import luminosity_distance_mpc, luminosity_erg_s
from xherald.photons.probabilities import (
    UNKNOWN,
    format_count_per_1000,
    format_percent,
    format_probability,
    format_rate_hz,
)

from .formatting import format_class, format_length, format_measurement, format_novelty
from .history_rendering import history_rows
from .place_notes import format_decision, format_mute

if TYPE_CHECKING:
    from xherald.detector.results.row_types import Evidence, PlaceVerdict

__all__ = ["Line", "format_evidence"]

MAX_CLASSES: Final = 4
MAX_SIMILAR: Final = 4
MAX_VERDICTS: Final = 4

MIN_PROBABILITY: Final = 0.5
"""Probability of a counterpart from which its distance is taken as that of the source."""
MAX_COUNTERPARTS: Final = 3


@dataclass(frozen=True, slots=True)
class Line:
    """A label and its value; a heading has no value."""

    label: str
    value: str = ""


def format_evidence(evidence: Evidence) -> list[Line]:
    """All of a candidate's evidence except its flags and vetoes."""
    return [
        *_time_lines(evidence),
        *_count_lines(evidence),
        *_hardness_lines(evidence),
        *_significance_lines(evidence),
        *_change_lines(evidence),
        *_similarity_lines(evidence),
        *_object_lines(evidence),
        *_history_lines(evidence),
        *_verdict_lines(evidence),
        *_version_lines(evidence),
    ]


def _time_lines(evidence: Evidence) -> list[Line]:
    lines = [Line("Time")]
    start, stop = evidence["interval_start_s"], evidence["interval_stop_s"]
    if start is None or stop is None:
        return [*lines, Line("interval", UNKNOWN)]
    start_utc, stop_utc = evidence["interval_start_utc"], evidence["interval_stop_utc"]
    if start_utc is None or stop_utc is None:
        lines += [Line("start", f"{start:.3f} s"), Line("stop", f"{stop:.3f} s")]
    else:
        lines += [Line("start (UTC)", _date(start_utc)), Line("stop (UTC)", _date(stop_utc))]
    livetime = evidence["interval_livetime_s"]
    exposure = f", exposure {format_length(livetime)}" if livetime else ""
    lines.append(Line("duration", format_length(stop - start) + exposure))
    if evidence["direction"] == "brighter":
        t90 = format_measurement(evidence["t90_s"], evidence["t90_low_s"], evidence["t90_high_s"], "s")
        lines.append(Line("T90", t90))
    return lines


def _date(utc: str) -> str:
    return utc.removesuffix("Z").replace("T", " ")


def _count_lines(evidence: Evidence) -> list[Line]:
    one = evidence
    excess, low, high = one["fluence_counts"], one["fluence_counts_low"], one["fluence_counts_high"]
    label = "excess"
    if one["direction"] == "fainter":
        label = "deficit"
        excess, low, high = (None if value is None else -value for value in (excess, high, low))
    lines = [
        Line("Counts"),
        Line(
            "within the interval",
            format_measurement(one["interval_counts"], one["interval_counts_low"], one["interval_counts_high"]),
        ),
        Line(
            "expected if steady",
            format_measurement(
                one["interval_expected_counts"],
                one["interval_expected_counts_low"],
                one["interval_expected_counts_high"],
            ),
        ),
        Line(
            "background",
            format_measurement(
                one["interval_background_counts"],
                one["interval_background_counts_low"],
                one["interval_background_counts_high"],
            ),
        ),
        Line(label, format_measurement(excess, low, high, "ct")),
        Line("rate inside / outside", format_measurement(one["contrast"], one["contrast_low"], one["contrast_high"])),
    ]
    seconds = one["peak_rate_livetime_s"]
    if one["peak_rate_ct_s"] is not None and seconds is not None:
        rate = format_measurement(one["peak_rate_ct_s"], one["peak_rate_low_ct_s"], one["peak_rate_high_ct_s"], "ct/s")
        lines.append(Line(f"peak, {format_length(seconds)}", rate))
    background = one["background_counts"]
    around = "background unknown" if background is None else f"background {background:.1f}"
    return [
        *lines,
        Line("whole exposure", f"{one['counts']:,} in {one['livetime_s']:,.0f} s, {around}"),
        *_flux_lines(evidence),
    ]


def _flux_lines(evidence: Evidence) -> list[Line]:
    """Flux at the peak and of the whole exposure in 0.3-10 keV; none of telescopes without conversion factors."""
    lines = []
    for label, prefix in (("peak flux", "peak_flux_broad"), ("mean flux", "flux_broad")):
        value, low, high = (evidence.get(f"{prefix}{end}_erg_cm2_s") for end in ("", "_low", "_high"))
        if isinstance(value, float) and isinstance(low, float) and isinstance(high, float):
            limits = f"{value:.2g} ({low:.2g} to {high:.2g}) erg/cm²/s"
            lines.append(Line(label, limits))
    return [*lines, *_luminosity_lines(evidence)]


def _luminosity_lines(evidence: Evidence) -> list[Line]:
    """Luminosity at the distance of the counterpart that is more probable than not, from the peak flux or the mean."""
    best = next(iter(evidence.get("counterparts") or ()), None)
    distance = luminosity_distance_mpc(best["distance_pc"], best["redshift"]) if best else None
    flux = evidence.get("peak_flux_broad_erg_cm2_s") or evidence.get("flux_broad_erg_cm2_s")
    if best is None or best["probability"] < MIN_PROBABILITY or distance is None or not flux:
        return []
    words = f"{distance:.3g} Mpc" if distance >= 1e-2 else f"{1e6 * distance:.3g} pc"
    return [Line("luminosity", f"{float(luminosity_erg_s(flux, distance)):.2g} erg/s at {words}, {best['name']}")]


def _hardness_lines(evidence: Evidence) -> list[Line]:
    one = evidence
    sigma = one["hardness_change_sigma"]
    change = UNKNOWN if sigma is None else f"{abs(sigma):.1f} σ {'harder' if sigma > 0 else 'softer'} inside"
    return [
        Line("Hardness"),
        Line(
            "inside",
            format_measurement(
                one["hardness_inside"], one["hardness_inside_low"], one["hardness_inside_high"], sign="+"
            ),
        ),
        Line(
            "outside",
            format_measurement(
                one["hardness_outside"], one["hardness_outside_low"], one["hardness_outside_high"], sign="+"
            ),
        ),
        Line("change", change),
    ]


def _significance_lines(evidence: Evidence) -> list[Line]:
    index, odds, extrapolated = evidence["variability_index"], evidence["log10_odds"], bool(evidence["extrapolated"])
    per_1000 = evidence["expected_false_alarms_per_1000"]
    return [
        Line("Significance"),
        Line(
            "false-alarm probability",
            format_probability(evidence["false_alarm_probability"], extrapolated=extrapolated),
        ),
        Line("null hypothesis", _null_hypothesis(evidence)),
        Line("expected in 1,000 sources", format_count_per_1000(per_1000, extrapolated=extrapolated)),
        Line("false-alarm rate", format_rate_hz(evidence["far_hz"], extrapolated=extrapolated)),
        Line("probability of variability", format_percent(evidence["p_astro"])),
        Line(f"probability of {evidence['kind']} among kinds", format_percent(evidence["kind_probability"])),
        Line("p-value of red noise", _red_noise(evidence)),
        Line("variability index", UNKNOWN if index is None else f"{index} of 10"),
        Line("Gregory–Loredo log10 odds", UNKNOWN if odds is None else f"{odds:.1f}"),
    ]


def _change_lines(evidence: Evidence) -> list[Line]:
    """Significance of a change between exposures."""
    if evidence["long_term_change"] is None:
        return []
    return [
        Line("Change between exposures"),
        Line("change", evidence["long_term_change"]),
        Line("p-value, ordinary source", format_probability(evidence["long_term_p_value"])),
        Line("false-alarm probability", format_probability(evidence["long_term_false_alarm_probability"])),
        Line("false-alarm rate", format_rate_hz(evidence["long_term_far_hz"])),
    ]


def _null_hypothesis(evidence: Evidence) -> str:
    """What gave the false-alarm probability, with its standard error if draws of the source itself did."""
    hypothesis, error = evidence["null_hypothesis"], evidence["false_alarm_probability_error"]
    if hypothesis == "own" and error is not None:
        return f"draws of this source, ± {error:.1g}"
    return UNKNOWN if hypothesis is None else "pooled steady sources"


def _red_noise(evidence: Evidence) -> str:
    p, error = evidence["p_red_noise"], evidence["p_red_noise_error"]
    return UNKNOWN if p is None or error is None else f"{p:.2g} ± {error:.1g}"


def _similarity_lines(evidence: Evidence) -> list[Line]:
    probabilities, class_set = evidence["class_probabilities"], evidence["class_set"]
    classes = [Line(format_class(name), format_percent(probabilities[name])) for name in class_set[:MAX_CLASSES]]
    if len(class_set) > MAX_CLASSES:
        classes.append(Line("further classes", f"{len(class_set) - MAX_CLASSES}"))
    classes.append(Line("novelty", format_novelty(evidence["novelty"])))
    embedding = evidence["embedding"]
    similar = [
        Line(f"{one['kind'].replace('_', ' ')} {one['name']}", f"{one['distance']:.3g}")
        for one in evidence["similar_to"][:MAX_SIMILAR]
    ]
    ordinary = embedding["ordinary_distance"] if embedding else None
    if similar and ordinary is not None:
        similar.append(Line("5th ordinary source", f"{ordinary:.3g}"))
    if embedding is not None:
        position = f"{embedding['x']:+.1f} {embedding['y']:+.1f}".replace("-", "−")
        similar.append(Line(f"map position, {embedding['case']}", position))
    return [
        *([Line(f"Classes, {format_percent(evidence['class_coverage'])} coverage"), *classes] if class_set else []),
        *([Line("Distance to known transients"), *similar] if similar else []),
    ]


def _object_lines(evidence: Evidence) -> list[Line]:
    """What is catalogued at the position, and the interest."""
    shown = (evidence["counterparts"] or [])[:MAX_COUNTERPARTS]
    lines = [
        Line(
            one["name"],
            f"{format_percent(one['probability'])}, {one['category'].replace('_', ' ')}, "
            f"{one['separation_arcsec']:.1f}″ ({one['catalogue']})",
        )
        for one in shown
    ]
    association = evidence["association_probability"]
    if association is not None:
        searched = evidence["catalogues_searched"]
        where = searched[0] if len(searched) == 1 else f"{len(searched)} catalogues"
        lines.append(Line(f"none in {where}", format_percent(1.0 - association)))
    lines += [Line("not searched", one.partition(":")[0]) for one in evidence["context_failures"]]
    if evidence["interest"] is not None:
        lines.append(Line("interest", f"{evidence['interest']:.2f}"))
    return [Line("Counterparts"), *lines] if lines else []


def _history_lines(evidence: Evidence) -> list[Line]:
    history = evidence["history"]
    if history is None:
        return []
    return [Line("Other observations of the position"), *(Line(*row) for row in history_rows(history))]


def _verdict_lines(evidence: Evidence) -> list[Line]:
    """What people decided about the position."""
    shown = evidence["verdicts"][:MAX_VERDICTS]
    lines = [Line(f"{one['created_utc'][:10]}, {one['author']}", _verdict(one)) for one in shown]
    hidden = len(evidence["verdicts"]) - MAX_VERDICTS
    if hidden > 0:
        lines.append(Line("earlier verdicts", f"{hidden:,}"))
    if evidence["mute"] is not None:
        lines.append(Line("alerts", format_mute(evidence["mute"])))
    if evidence["watch_lists"]:
        lines.append(Line("watch lists", ", ".join(evidence["watch_lists"])))
    return [Line("Verdicts at the position"), *lines] if lines else []


def _verdict(one: PlaceVerdict) -> str:
    return format_decision(one) + (f": {one['comment']}" if one["comment"] else "")


def _version_lines(evidence: Evidence) -> list[Line]:
    # "name@version group": the version is a date, too long for the same line.
    name, _, rest = evidence["calibration"].partition("@")
    version, _, group = rest.partition(" ")
    return [
        Line("Versions"),
        Line("xherald", evidence["xherald_version"]),
        Line("calibration", " ".join(part for part in (name, group) if part) or UNKNOWN),
        *([Line("", version)] if version else []),
        Line("reference", evidence["reference"] or UNKNOWN),
    ]
