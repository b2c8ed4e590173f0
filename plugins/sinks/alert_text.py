"""An alert as text for people, in terminals, mail and chat."""

from __future__ import annotations

from xherald.photons.probabilities import (
    format_count_per_1000,
    format_count_rate,
    format_percent,
    format_probability,
    format_rate,
)
from xherald.photons.sky_links import describe_position, make_sky_links, make_vet_command
from xherald.plugins.alerts import Alert, Facts

__all__ = ["label", "lines", "subject", "text"]

MAX_CLASSES = 3
MAX_SIMILAR = 3


def label(alert: Alert) -> str:
    """Label in front of a headline: TEST, INJECTION, RETRACTED, UPDATE; empty for a first alert of a real source."""
    words = []
    if alert.alert_tense in ("test", "injection"):
        words.append(alert.alert_tense.upper())
    if alert.alert_type == "retraction":
        words.append("RETRACTED")
    elif alert.alert_type == "update":
        words.append("UPDATE")
    return " ".join(words)


def subject(alert: Alert) -> str:
    """The headline with its label, on one line."""
    before = label(alert)
    return " ".join(f"[{before}] {alert.headline}".split() if before else alert.headline.split())


def lines(alert: Alert) -> list[tuple[str, str]]:
    """Names and values of all facts known; ids and headlines of the members of a digest."""
    if alert.members:
        return [(one.candidate_id, subject(one)) for one in alert.members]
    facts = alert.facts
    extrapolated = bool(facts.extrapolated)
    rows = [
        ("reason", alert.reason),
        ("candidate", alert.candidate_id),
        ("alert", alert.id),
        ("tense", alert.alert_tense),
        (
            "source",
            " ".join(part for part in (facts.mission, facts.instrument, facts.obs_id, facts.detection_id) if part),
        ),
        ("position", _position(facts)),
        *describe_position(facts.ra_deg, facts.dec_deg),
        ("interval", _interval(facts)),
        ("exposure within the interval", _seconds(facts.interval_livetime_s)),
        ("T90", _t90(facts)),
        ("rate", _rate(facts)),
        ("peak flux", _peak_flux(facts)),
        ("mean flux", _mean_flux(facts)),
        ("Galactic column", "" if facts.nh_cm2 is None else f"{facts.nh_cm2:.2g} cm^-2 ({facts.nh_source})"),
        ("signal to noise", "" if facts.signal_to_noise is None else f"{facts.signal_to_noise:.1f}"),
        ("false-alarm probability", _false_alarm_probability(facts)),
        ("expected false alarms", _expected_false_alarms(facts)),
        ("false-alarm rate", "" if facts.far_hz is None else format_rate(facts.far_hz, extrapolated=extrapolated)),
        ("probability of variability", "" if facts.p_astro is None else format_percent(facts.p_astro)),
        ("classes", _classes(facts)),
        ("novelty", "" if facts.novelty is None else format_percent(facts.novelty)),
        ("counterparts", "; ".join(facts.counterparts)),
        ("no counterpart", _no_counterpart(facts)),
        ("interest", _interest(facts)),
        ("similar to", ", ".join(facts.similar_to[:MAX_SIMILAR])),
        ("change between exposures", facts.long_term_reason or ""),
        ("its false-alarm probability", _change_probability(facts)),
        ("history", facts.history_summary),
        ("verdicts", facts.verdict_summary),
        ("mute", facts.mute_summary),
        ("watch lists", ", ".join(facts.watch_lists)),
        ("flags", ", ".join((*facts.flags, *facts.vetoes))),
        *make_sky_links(facts.ra_deg, facts.dec_deg, facts.pos_err_arcsec),
        ("to vet", _vet_command(alert)),
    ]
    return [(name, value) for name, value in rows if value]


def _vet_command(alert: Alert) -> str:
    """Command that records a verdict; empty for what is not a candidate, or not any more."""
    is_candidate = alert.alert_type in ("initial", "update") and alert.alert_tense != "test"
    return make_vet_command(alert.candidate_id) if is_candidate else ""


def _classes(facts: Facts) -> str:
    """Classes of the set with their probabilities, and the coverage of such sets."""
    if not facts.class_set or facts.class_coverage is None:
        return ""
    named = [
        f"{name.replace('_', ' ')} {format_percent(facts.class_probabilities.get(name))}"
        for name in facts.class_set[:MAX_CLASSES]
    ]
    more = len(facts.class_set) - len(named)
    further = [f"{more} more"] if more > 0 else []
    return f"{', '.join(named + further)} ({format_percent(facts.class_coverage)} coverage)"


def _no_counterpart(facts: Facts) -> str:
    return "" if facts.association_probability is None else format_percent(1.0 - facts.association_probability)


def _interest(facts: Facts) -> str:
    if facts.interest is None:
        return ""
    return f"{facts.interest:.2f} ({'; '.join(facts.interest_reasons)})"


def _change_probability(facts: Facts) -> str:
    """Probability and rate of false alarms of a change between exposures."""
    if facts.long_term_false_alarm_probability is None:
        return ""
    probability = format_probability(facts.long_term_false_alarm_probability)
    rate = "" if facts.long_term_far_hz is None else f"; {format_rate(facts.long_term_far_hz)}"
    return f"{probability} per source{rate}"


def text(alert: Alert) -> str:
    """Headline and all facts as plain text."""
    rows = lines(alert)
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join([subject(alert), *(f"  {name:<{width}}  {value}" for name, value in rows)])


def _position(facts: Facts) -> str:
    if facts.ra_deg is None or facts.dec_deg is None:
        return "unknown"
    error = "" if facts.pos_err_arcsec is None else f", error {facts.pos_err_arcsec:.2g} arcsec (68 %)"
    return f"RA {facts.ra_deg:.5f} Dec {facts.dec_deg:+.5f} (ICRS){error}"


def _interval(facts: Facts) -> str:
    return "" if facts.interval_start_utc is None else f"{facts.interval_start_utc} to {facts.interval_stop_utc}"


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.4g} s"


def _t90(facts: Facts) -> str:
    if facts.t90_s is None:
        return ""
    if facts.t90_low_s is None or facts.t90_high_s is None:
        return f"{facts.t90_s:.3g} s"
    return f"{facts.t90_s:.3g} s ({facts.t90_low_s:.3g} to {facts.t90_high_s:.3g} s)"


def _rate(facts: Facts) -> str:
    if facts.interval_net_rate_ct_s is None:
        return ""
    band = "" if facts.band_kev is None else f", {facts.band_kev[0]:g} to {facts.band_kev[1]:g} keV"
    return f"{format_count_rate(facts.interval_net_rate_ct_s, facts.interval_expected_rate_ct_s)}{band}"


def _peak_flux(facts: Facts) -> str:
    return format_flux(
        facts.peak_flux_broad_erg_cm2_s, facts.peak_flux_broad_low_erg_cm2_s, facts.peak_flux_broad_high_erg_cm2_s
    )


def _mean_flux(facts: Facts) -> str:
    return format_flux(facts.flux_broad_erg_cm2_s, facts.flux_broad_low_erg_cm2_s, facts.flux_broad_high_erg_cm2_s)


def format_flux(value: float | None, low: float | None, high: float | None) -> str:
    """Flux in 0.3-10 keV with its limits; empty if unknown."""
    if value is None or low is None or high is None:
        return ""
    return f"{value:.2g} ({low:.2g} to {high:.2g}) erg cm^-2 s^-1, 0.3 to 10 keV"


def _expected_false_alarms(facts: Facts) -> str:
    per_1000 = facts.expected_false_alarms_per_1000
    if per_1000 is None:
        return ""
    return f"{format_count_per_1000(per_1000, extrapolated=bool(facts.extrapolated))} per 1,000 sources"


def _false_alarm_probability(facts: Facts) -> str:
    if facts.false_alarm_probability is None:
        return ""
    return f"{format_probability(facts.false_alarm_probability, extrapolated=bool(facts.extrapolated))} per source"
