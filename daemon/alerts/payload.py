"""What an alert says of a candidate: from its evidence to `Alert`, and the records of it that the outbox keeps.

On the road this stands where a drop's verdict is written: `announcements` and `retractions` make what goes into the
outbox in the same transaction as the candidate itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from xherald.catalog_store.ledger.records import AlertRecord, AlertType
from xherald.detector.candidates.formatting import format_rate
from xherald.detector.candidates.history_rendering import format_history
from xherald.detector.configuration.alert_settings import AlertSettings, SinkSettings
from xherald.photons.times import SECONDS_A_DAY
from xherald.plugins.alerts import Alert, AlertKind, AlertTense, Facts

if TYPE_CHECKING:
    from xherald.detector.results.json_columns import Value68

__all__ = [
    "alert_id",
    "alert_of",
    "announcements",
    "facts_of",
    "headline",
    "retractions",
    "tense_of",
    "trial_alert",
    "wants",
]

CAUSE: Final = 8
"""Hexadecimal digits of what caused an alert that stand in its id."""

NEAREST: Final = 3
"""Known transients that are named."""

ARCSEC_A_DEGREE: Final = 3600.0


def announcements(
    evidence: Mapping[str, Any],
    settings: AlertSettings,
    cause: str,
    now: datetime,
    *,
    heard: Collection[str] = (),
    injected: bool = False,
    sheets: Mapping[str, str] | None = None,
) -> list[AlertRecord]:
    """Alerts of a candidate, one a sink that is to be told of it.

    A sink that heard of the candidate gets an update, whatever its threshold: it must know if the candidate became
    doubtful. The others get an initial alert if the candidate is what they want to be told of.

    Parameters
    ----------
    evidence : mapping
        See `detector.candidates.evidence.Evidence`.
    settings : AlertSettings
    cause : str
        What made it be said, such as the SHA-256 of the drop's content: the same cause gives the same ids, so that a
        drop that is processed again after a power cut is announced once.
    now : datetime
    heard : collection of str
        Sinks that were sent something of this candidate before (`PriorState.announced`).
    injected : bool
        Whether the candidate is a simulated source in real data.
    sheets : mapping of str to str, optional
        Path of the plot sheet, by sink, for those that want it.
    """
    tense = tense_of(evidence, now, settings.archival_after_days, injected=injected)
    records = []
    for name, sink in settings.sinks.items():
        known = name in heard
        if known or wants(sink, evidence, tense):
            kind = AlertType.UPDATE if known else AlertType.INITIAL
            alert = alert_of(evidence, kind.value, tense, cause, now, sheet=(sheets or {}).get(name))
            records.append(_record(alert, name, kind))
    return records


def retractions(
    evidence: Mapping[str, Any], sinks: Iterable[str], cause: str, reason: str, now: datetime, tense: AlertTense
) -> list[AlertRecord]:
    """Alerts that take a candidate back, one a sink; the outbox drops those to sinks that never heard of it.

    Parameters
    ----------
    evidence : mapping
        Of the candidate; its ``candidate_id`` is all that it must hold.
    sinks : iterable of str
        Names of those that may have heard of it, still in the settings or not.
    cause : str
        See `announcements`.
    reason : str
        One line.
    now : datetime
    tense : AlertTense
        That of what is taken back (`tense_of`).
    """
    alert = alert_of(evidence, "retraction", tense, cause, now, reason=reason)
    return [_record(alert, name, AlertType.RETRACTION) for name in dict.fromkeys(sinks)]


def wants(sink: SinkSettings, evidence: Mapping[str, Any], tense: AlertTense) -> bool:
    """Whether a sink is to be told of a candidate; a rate that is not known is below no threshold."""
    chances = evidence.get("false_alarm") or {}
    limits = (
        (sink.far_hz_below, chances.get("far_hz")),
        (sink.expected_false_alarms_per_1000_below, chances.get("per_1000_sources")),
    )
    passed = all(limit is None or (value is not None and value < limit) for limit, value in limits)
    return passed and tense in sink.tenses


def alert_of(
    evidence: Mapping[str, Any],
    kind: AlertKind,
    tense: AlertTense,
    cause: str,
    now: datetime,
    *,
    reason: str = "",
    sheet: str | None = None,
) -> Alert:
    """An alert of a candidate.

    Parameters
    ----------
    evidence, cause, now
        See `announcements`.
    kind : AlertKind
    tense : AlertTense
    reason : str
        Why it is retracted.
    sheet : str, optional
        See `Alert`.
    """
    candidate_id = str(evidence["candidate_id"])
    facts = facts_of(evidence)
    return Alert(
        id=alert_id(candidate_id, kind, cause),
        candidate_id=candidate_id,
        alert_type=kind,
        alert_tense=tense,
        created=_told(now),
        headline=headline(facts),
        facts=facts,
        evidence=evidence,
        reason=" ".join(reason.split()),
        sheet=sheet,
    )


def alert_id(candidate_id: str, kind: str, cause: str) -> str:
    """Id of an alert: of its candidate, what it says, and what made it be said; the same for all sinks and tries."""
    return f"{candidate_id}-{kind}-{hashlib.sha256(cause.encode()).hexdigest()[:CAUSE]}"


def tense_of(
    evidence: Mapping[str, Any], now: datetime, archival_after_days: float, *, injected: bool = False
) -> AlertTense:
    """Injection, current or archival; what does not say when it was seen is archival."""
    if injected:
        return "injection"
    interval = evidence.get("interval") or {}
    seen = interval.get("stop_utc")
    if seen is None:
        return "archival"
    return "archival" if now - datetime.fromisoformat(seen) > timedelta(days=archival_after_days) else "current"


def facts_of(evidence: Mapping[str, Any]) -> Facts:
    """What of the evidence alert formats share."""
    position, interval = evidence.get("position") or {}, evidence.get("interval") or {}
    chances, t90 = evidence.get("false_alarm") or {}, (evidence.get("t90") or {}).get("seconds") or {}
    error, good_time, band = position.get("error_arcsec"), interval.get("livetime_s"), evidence.get("band_kev")
    beyond: Value68 | None = evidence.get("fluence_counts")
    expected: Value68 | None = evidence.get("expected")
    return Facts(
        kind=evidence.get("kind", ""),
        mission=evidence.get("mission", ""),
        instrument=evidence.get("instrument", ""),
        obs_id=evidence.get("obs_id", ""),
        detection_id=evidence.get("detection_id", ""),
        ra=position.get("ra"),
        dec=position.get("dec"),
        error_deg=None if error is None else error / ARCSEC_A_DEGREE,
        start_utc=interval.get("start_utc"),
        stop_utc=interval.get("stop_utc"),
        duration_s=good_time,
        band_kev=None if band is None else (band[0], band[1]),
        net_count_rate=_rate(beyond, good_time),
        background_count_rate=_rate(expected, good_time),
        rate_snr=_signal_to_noise(beyond),
        t90_s=t90.get("value"),
        t90_low_s=t90.get("low"),
        t90_high_s=t90.get("high"),
        observation_livetime_s=evidence.get("livetime_s"),
        far_hz=chances.get("far_hz"),
        false_alarms_per_1000=chances.get("per_1000_sources"),
        p_astro=evidence.get("p_astro"),
        classes=dict(evidence.get("class_probabilities") or {}),
        similar_to=tuple(one["name"] for one in (evidence.get("similar_to") or [])[:NEAREST]),
        history=format_history(evidence.get("history")),
        flags=tuple(evidence.get("flags") or ()) + tuple(one["veto"] for one in evidence.get("vetoes") or ()),
    )


def headline(facts: Facts) -> str:
    """One line: what it is, where, and how seldom chance does that."""
    words = [(facts.kind or "candidate").capitalize()]
    if facts.ra is not None and facts.dec is not None:
        words.append(f"at {facts.ra:.4f} {facts.dec:+.4f}")
    seen = " ".join(part for part in (facts.mission, facts.instrument, facts.obs_id) if part)
    if seen:
        words.append(f"in {seen}")
    told = " ".join(words)
    if facts.far_hz is not None:
        told += f", {format_rate(facts.far_hz)}"
    if facts.classes:
        told += f", most like {next(iter(facts.classes)).replace('_', ' ')}"
    return " ".join(told.split())


def trial_alert(now: datetime) -> Alert:
    """An alert of nothing, in tense test, to see whether a sink works; each has an id of its own."""
    facts = Facts(
        kind="flare",
        mission="XHERALD",
        instrument="TEST",
        obs_id="0",
        detection_id="0",
        ra=83.8221,
        dec=-5.3911,
        error_deg=1 / ARCSEC_A_DEGREE,
        start_utc=_told(now),
        stop_utc=_told(now + timedelta(seconds=100)),
        duration_s=100.0,
        band_kev=(0.5, 7.0),
        net_count_rate=0.5,
        background_count_rate=0.01,
        rate_snr=7.0,
        far_hz=1 / SECONDS_A_DAY,
        false_alarms_per_1000=1.0,
        p_astro=0.5,
    )
    name = f"XH-TEST-{now.astimezone(UTC):%Y%m%dT%H%M%S%f}"
    return Alert(name, name, "initial", "test", _told(now), "This is a test of xherald: nothing was seen", facts)


def _record(alert: Alert, sink: str, kind: AlertType) -> AlertRecord:
    return AlertRecord(alert.id, alert.candidate_id, sink, kind, alert.as_json())


def _rate(counts: Value68 | None, seconds: float | None) -> float | None:
    return None if counts is None or not seconds else counts["value"] / seconds


def _signal_to_noise(beyond: Value68 | None) -> float | None:
    """Counts beyond those expected over the 68 % limit that faces none at all."""
    if beyond is None:
        return None
    limit = beyond["low"] if beyond["value"] > 0 else beyond["high"]
    if limit is None:
        return None
    error = abs(beyond["value"] - limit)
    return abs(beyond["value"]) / error if error > 0 else None


def _told(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
