"""Alerts from the evidence of candidates, and their records for the outbox: `announcements`, `retractions`.

The records are written in the same transaction as the candidate itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from xherald.catalog_store.ledger.records import AlertRecord
from xherald.catalog_store.ledger.states import AlertType
from xherald.detector.candidates.formatting import format_change, format_classes
from xherald.detector.candidates.history_rendering import format_history
from xherald.detector.candidates.place_notes import format_decision, format_mute, format_verdicts
from xherald.detector.configuration.alert_settings import AlertSettings, SinkSettings
from xherald.photons.probabilities import format_false_alarm_probability, format_percent
from xherald.photons.times import SECONDS_A_DAY
from xherald.plugins.alerts import Alert, AlertKind, AlertTense, Facts

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

CAUSE_DIGITS: Final = 8
"""Hexadecimal digits of the hash of an alert's cause in its id."""

MAX_COUNTERPARTS: Final = 3
MAX_REASONS: Final = 3

MAX_SIMILAR: Final = 3
"""Known transients that are named."""

SHARED_FACTS: Final = (
    "kind",
    "mission",
    "instrument",
    "obs_id",
    "detection_id",
    "ra_deg",
    "dec_deg",
    "pos_err_arcsec",
    "interval_start_utc",
    "interval_stop_utc",
    "interval_livetime_s",
    "t90_s",
    "t90_low_s",
    "t90_high_s",
    "livetime_s",
    "peak_flux_broad_erg_cm2_s",
    "peak_flux_broad_low_erg_cm2_s",
    "peak_flux_broad_high_erg_cm2_s",
    "flux_broad_erg_cm2_s",
    "flux_broad_low_erg_cm2_s",
    "flux_broad_high_erg_cm2_s",
    "nh_cm2",
    "nh_source",
    "known_source",
    "association_probability",
    "interest",
    "false_alarm_probability",
    "extrapolated",
    "ranking_statistic",
    "expected_false_alarms_per_1000",
    "far_hz",
    "p_astro",
    "likely_class",
    "class_coverage",
    "novelty",
    "long_term_change",
    "long_term_false_alarm_probability",
    "long_term_far_hz",
    "long_term_reason",
)
"""Facts that are copied from the evidence."""


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
    """Make the alerts of a candidate, one for each sink that wants it.

    A sink that was sent an alert of the candidate before gets an update, whatever its thresholds: it must know if the
    candidate became doubtful. The others get an initial alert if the candidate passes their thresholds; it is stored as
    withdrawn, with the reason, if its place is muted and the sink skips such candidates.

    Parameters
    ----------
    evidence : mapping
        See `detector.results.row_types.Evidence`.
    settings : AlertSettings
    cause : str
        Cause of the alert, such as the SHA-256 of the drop's content: the same cause gives the same ids, so that a drop
        that is processed again after a power cut is announced once.
    now : datetime
    heard : collection of str
        Sinks that were sent an alert of this candidate before (`PriorState.announced`).
    injected : bool
        Whether the candidate is a simulated source in real data.
    sheets : mapping of str to str, optional
        Path of the plot sheet, by name of the sink, for those that want it.
    """
    tense = tense_of(evidence, now, settings.archival_after_days, injected=injected)
    records = []
    for name, sink in settings.sinks.items():
        was_sent = name in heard
        if was_sent or wants(sink, evidence, tense):
            kind = AlertType.UPDATE if was_sent else AlertType.INITIAL
            alert = alert_of(evidence, kind.value, tense, cause, now, sheet=(sheets or {}).get(name))
            is_skipped = sink.muted == "skip" and not was_sent
            records.append(_record(alert, name, kind, alert.facts.mute_summary if is_skipped else ""))
    return records


def retractions(
    evidence: Mapping[str, Any], sinks: Iterable[str], cause: str, reason: str, now: datetime, tense: AlertTense
) -> list[AlertRecord]:
    """Make the retractions of a candidate, one for each sink; the outbox drops those to sinks without an earlier alert.

    Parameters
    ----------
    evidence : mapping
        Of the candidate; only its ``candidate_id`` is required.
    sinks : iterable of str
        Names of sinks that may have been sent an alert, still in the settings or not.
    cause : str
        See `announcements`.
    reason : str
        One line.
    now : datetime
    tense : AlertTense
        Of the alerts that are retracted (`tense_of`).
    """
    alert = alert_of(evidence, "retraction", tense, cause, now, reason=reason)
    return [_record(alert, name, AlertType.RETRACTION) for name in dict.fromkeys(sinks)]


def wants(sink: SinkSettings, evidence: Mapping[str, Any], tense: AlertTense) -> bool:
    """Whether a sink wants a candidate: by its tense, watch lists, the last verdict on the source, and thresholds.

    An unknown rate passes no threshold. A candidate passes by its variability within the exposure or by its change
    between exposures, each with its own rates. Beyond the smallest probability that the calibration measured,
    thresholds are compared with the rates of its exponential tail, which are not stated anywhere: otherwise no
    candidate could pass a lower threshold.
    """
    tail = _tail_factor(evidence)
    far_hz, per_1000 = evidence.get("far_hz"), evidence.get("expected_false_alarms_per_1000")
    long_term = evidence.get("long_term_false_alarm_probability")
    rates = [
        (None if far_hz is None else far_hz * tail, None if per_1000 is None else per_1000 * tail),
        (evidence.get("long_term_far_hz"), None if long_term is None else 1e3 * long_term),
    ]
    limits = sink.far_hz_below, sink.expected_false_alarms_per_1000_below
    passed = any(
        all(limit is None or (value is not None and value < limit) for limit, value in zip(limits, one, strict=True))
        for one in rates
    )
    is_watched = sink.watch_list is None or sink.watch_list in (evidence.get("watch_lists") or ())
    interest = evidence.get("interest")
    is_interesting = sink.min_interest is None or (interest is not None and interest >= sink.min_interest)
    return passed and is_watched and is_interesting and tense in sink.tenses and not _is_excluded(sink, evidence)


def _is_excluded(sink: SinkSettings, evidence: Mapping[str, Any]) -> bool:
    """Whether the sink excludes the last verdict on the source, or the category of the object that it is known as."""
    verdicts = evidence.get("verdicts") or ()
    if any(one in sink.exclude_verdicts for last in verdicts[:1] for one in (last["verdict"], last["source_class"])):
        return True
    counterparts: Sequence[Mapping[str, Any]] = evidence.get("counterparts") or []
    return evidence.get("known_source") is not None and counterparts[0]["category"] in sink.exclude_counterparts


def _tail_factor(evidence: Mapping[str, Any]) -> float:
    """Probability along the exponential tail over the stated one; 1 where it is not extrapolated."""
    probability, ranking = evidence.get("false_alarm_probability"), evidence.get("ranking_statistic")
    if not evidence.get("extrapolated") or not probability or ranking is None:
        return 1.0
    return min(float(10.0**-ranking) / float(probability), 1.0)


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
    """Make an alert of a candidate.

    Parameters
    ----------
    evidence, cause, now
        See `announcements`.
    kind : AlertKind
    tense : AlertTense
    reason : str
        Reason for a retraction.
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
        created=_iso_utc(now),
        headline=headline(facts),
        facts=facts,
        evidence=evidence,
        reason=" ".join(reason.split()),
        sheet=sheet,
    )


def alert_id(candidate_id: str, kind: str, cause: str) -> str:
    """Id of an alert, from its candidate, type and cause; the same for all sinks and attempts."""
    return f"{candidate_id}-{kind}-{hashlib.sha256(cause.encode()).hexdigest()[:CAUSE_DIGITS]}"


def tense_of(
    evidence: Mapping[str, Any], now: datetime, archival_after_days: float, *, injected: bool = False
) -> AlertTense:
    """Tense of an alert: injection, current or archival; archival where the date is unknown."""
    if injected:
        return "injection"
    stop = evidence.get("interval_stop_utc")
    if stop is None:
        return "archival"
    return "archival" if now - datetime.fromisoformat(stop) > timedelta(days=archival_after_days) else "current"


def facts_of(evidence: Mapping[str, Any]) -> Facts:
    """Facts of an alert from the evidence of its candidate."""
    livetime, band = evidence.get("interval_livetime_s"), evidence.get("band_kev")
    verdicts = evidence.get("verdicts") or ()
    shared = {name: evidence[name] for name in SHARED_FACTS if evidence.get(name) is not None}
    return Facts(
        **shared,
        band_kev=None if band is None else (band[0], band[1]),
        interval_net_rate_ct_s=_rate(evidence.get("fluence_counts"), livetime),
        interval_expected_rate_ct_s=_rate(evidence.get("interval_expected_counts"), livetime),
        signal_to_noise=_signal_to_noise(evidence),
        class_set=tuple(evidence.get("class_set") or ()),
        class_probabilities=dict(evidence.get("class_probabilities") or {}),
        similar_to=tuple(one["name"] for one in (evidence.get("similar_to") or [])[:MAX_SIMILAR]),
        counterparts=tuple(_format_counterpart(one) for one in (evidence.get("counterparts") or [])[:MAX_COUNTERPARTS]),
        interest_reasons=tuple(one["text"] for one in (evidence.get("interest_reasons") or [])[:MAX_REASONS]),
        limiting_flux_broad_erg_cm2_s=(evidence.get("history") or {}).get("mean_upper_limit_erg_cm2_s"),
        history_summary=format_history(evidence.get("history")),
        last_verdict=format_decision(verdicts[0]) if verdicts else "",
        verdict_summary=format_verdicts(verdicts),
        mute_summary=format_mute(evidence.get("mute")),
        watch_lists=tuple(evidence.get("watch_lists") or ()),
        flags=tuple(evidence.get("flags") or ()),
        vetoes=tuple(one["veto"] for one in evidence.get("vetoes") or ()),
    )


def _format_counterpart(one: Mapping[str, Any]) -> str:
    """A counterpart in words: "V1229 Ori (active star) 97 %, 0.3 arcsec"."""
    category = str(one["category"]).replace("_", " ")
    probability, separation = format_percent(one["probability"]), one["separation_arcsec"]
    return f"{one['name']} ({category}) {probability}, {separation:.1f} arcsec"


def headline(facts: Facts) -> str:
    """One line: kind, position, observation, false-alarm probability, known source, classes, change, last verdict."""
    is_change = bool(facts.kind) and facts.kind == facts.long_term_change
    words = [f"{facts.kind} source".capitalize() if is_change else (facts.kind or "candidate").capitalize()]
    if facts.ra_deg is not None and facts.dec_deg is not None:
        words.append(f"at {facts.ra_deg:.4f} {facts.dec_deg:+.4f}")
    observation = " ".join(part for part in (facts.mission, facts.instrument, facts.obs_id) if part)
    if observation:
        words.append(f"in {observation}")
    line = " ".join(words)
    if facts.false_alarm_probability is not None:
        probability = facts.false_alarm_probability
        line += f", {format_false_alarm_probability(probability, extrapolated=bool(facts.extrapolated))}"
    if facts.known_source:
        line += f", {facts.known_source}"
    if facts.class_set:
        line += f", {format_classes(facts.class_set)}"
    if facts.long_term_reason:
        reason = format_change(facts.long_term_reason, facts.long_term_false_alarm_probability)
        line += f": {reason.partition(': ')[2]}" if is_change else f", {reason}"
    if facts.last_verdict:
        line += f", source vetted before as {facts.last_verdict}"
    return " ".join(line.split())


def trial_alert(now: datetime) -> Alert:
    """An alert of tense "test", to check that a sink works; each call gives a new id."""
    facts = Facts(
        kind="flare",
        mission="XHERALD",
        instrument="TEST",
        obs_id="0",
        detection_id="0",
        ra_deg=83.8221,
        dec_deg=-5.3911,
        pos_err_arcsec=1.0,
        interval_start_utc=_iso_utc(now),
        interval_stop_utc=_iso_utc(now + timedelta(seconds=100)),
        interval_livetime_s=100.0,
        band_kev=(0.5, 7.0),
        interval_net_rate_ct_s=0.5,
        interval_expected_rate_ct_s=0.01,
        signal_to_noise=7.0,
        false_alarm_probability=1e-3,
        extrapolated=False,
        expected_false_alarms_per_1000=1.0,
        far_hz=1 / SECONDS_A_DAY,
        p_astro=0.5,
    )
    name = f"XH-TEST-{now.astimezone(UTC):%Y%m%dT%H%M%S%f}"
    return Alert(name, name, "initial", "test", _iso_utc(now), "Test of xherald: no source was detected", facts)


def _record(alert: Alert, sink: str, kind: AlertType, withheld: str = "") -> AlertRecord:
    return AlertRecord(alert.id, alert.candidate_id, sink, kind, alert.as_json(), withheld)


def _rate(counts: float | None, seconds: float | None) -> float | None:
    return None if counts is None or not seconds else counts / seconds


def _signal_to_noise(evidence: Mapping[str, Any]) -> float | None:
    """Excess counts over their 68 % error on the side of zero."""
    excess = evidence.get("fluence_counts")
    if excess is None:
        return None
    limit = evidence.get("fluence_counts_low" if excess > 0 else "fluence_counts_high")
    if limit is None:
        return None
    error = abs(float(excess) - float(limit))
    return abs(float(excess)) / error if error > 0 else None


def _iso_utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
