"""An alert in words, for people: what standard output, mail and chat show."""

from __future__ import annotations

from typing import Final

from xherald.photons.times import SECONDS_A_DAY
from xherald.plugins.alerts import Alert, Facts

__all__ = ["label", "lines", "subject", "text"]

AGES_S: Final = 1e4 * 365.25 * SECONDS_A_DAY
"""Beyond ten thousand years nobody needs to be told how long."""


def label(alert: Alert) -> str:
    """What stands before a headline: TEST, INJECTION, RETRACTED, UPDATE; empty for a first alert of the sky."""
    words = []
    if alert.alert_tense in ("test", "injection"):
        words.append(alert.alert_tense.upper())
    if alert.alert_type == "retraction":
        words.append("RETRACTED")
    elif alert.alert_type == "update":
        words.append("UPDATE")
    return " ".join(words)


def subject(alert: Alert) -> str:
    """The headline with its label, one line."""
    before = label(alert)
    return " ".join(f"[{before}] {alert.headline}".split() if before else alert.headline.split())


def lines(alert: Alert) -> list[tuple[str, str]]:
    """What is known, as names and values; of a digest, its members."""
    if alert.members:
        return [(one.candidate_id, subject(one)) for one in alert.members]
    facts = alert.facts
    told = [
        ("reason", alert.reason),
        ("candidate", alert.candidate_id),
        ("alert", alert.id),
        ("tense", alert.alert_tense),
        (
            "source",
            " ".join(part for part in (facts.mission, facts.instrument, facts.obs_id, facts.detection_id) if part),
        ),
        ("position", _position(facts)),
        ("when", _when(facts)),
        ("good time in it", "" if facts.duration_s is None else f"{facts.duration_s:.4g} s"),
        ("T90", _t90(facts)),
        ("net rate", _rate(facts)),
        ("signal to noise", "" if facts.rate_snr is None else f"{facts.rate_snr:.1f}"),
        ("false-alarm rate", _far(facts)),
        ("false alarms", "" if facts.false_alarms_per_1000 is None else f"{facts.false_alarms_per_1000:.2g} per 1,000"),
        ("varies", "" if facts.p_astro is None else f"with a chance of {_percent(facts.p_astro)}"),
        (
            "most like",
            ", ".join(
                f"{name.replace('_', ' ')} {_percent(chance)}" for name, chance in list(facts.classes.items())[:3]
            ),
        ),
        ("similar to", ", ".join(facts.similar_to[:3])),
        ("history", facts.history),
        ("flags", ", ".join(facts.flags)),
    ]
    return [(name, value) for name, value in told if value]


def text(alert: Alert) -> str:
    """Headline and all that is known, as plain text."""
    told = lines(alert)
    width = max((len(name) for name, _ in told), default=0)
    return "\n".join([subject(alert), *(f"  {name:<{width}}  {value}" for name, value in told)])


def _position(facts: Facts) -> str:
    if facts.ra is None or facts.dec is None:
        return "unknown"
    error = "" if facts.error_deg is None else f", within {facts.error_deg * 3600:.2g} arcsec (68 %)"
    return f"RA {facts.ra:.5f} Dec {facts.dec:+.5f} (ICRS){error}"


def _when(facts: Facts) -> str:
    return "" if facts.start_utc is None else f"{facts.start_utc} to {facts.stop_utc}"


def _t90(facts: Facts) -> str:
    if facts.t90_s is None:
        return ""
    limits = (
        ""
        if facts.t90_low_s is None or facts.t90_high_s is None
        else f"{facts.t90_low_s:.3g} to {facts.t90_high_s:.3g}"
    )
    return f"{facts.t90_s:.3g} s" + (f" ({limits})" if limits else "")


def _rate(facts: Facts) -> str:
    if facts.net_count_rate is None:
        return ""
    band = "" if facts.band_kev is None else f" in {facts.band_kev[0]:g} to {facts.band_kev[1]:g} keV"
    level = "" if facts.background_count_rate is None else f" over {facts.background_count_rate:.3g}"
    return f"{facts.net_count_rate:.3g} counts/s{level}{band}"


def _far(facts: Facts) -> str:
    if facts.far_hz is None:
        return ""
    told = f"{facts.far_hz:.2g} Hz"
    if facts.far_hz * SECONDS_A_DAY > 1 or facts.far_hz * AGES_S < 1:
        return told
    days = 1 / (facts.far_hz * SECONDS_A_DAY)
    often = f"{days:.2g} days" if days < 100 else f"{days:.0f} days" if days < 730 else f"{days / 365.25:.2g} years"
    return f"{told} (one in {often})"


def _percent(chance: float) -> str:
    return f"{min(chance, 0.999):.1%}" if chance < 0.9995 else "> 99.9%"
