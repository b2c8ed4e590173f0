"""Alert sinks: the base class `AlertSink`, and what it receives and returns: `Alert`, `Facts`, `Receipt`.

The outbox delivers an alert to each sink at least once, under an id that is the same for all attempts; a sink that can
check what it already has, such as a file, accepts it once.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Literal, Self

from xherald.photons.errors import AlertRefusedError

from .contract import OptionsT, Plugin

__all__ = ["Alert", "AlertKind", "AlertSink", "AlertTense", "Facts", "Receipt"]

AlertKind = Literal["initial", "update", "retraction", "digest"]
"""Type of an alert, in GCN's terms; a digest lists several candidates that exceeded a daily limit."""

AlertTense = Literal["current", "archival", "injection", "test"]
"""Whether an alert is about a recent observation, an old one, a simulated source in real data, or is a test."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Measurements of a candidate that alert formats share; None or empty where unknown.

    Names, units and meanings are those of all results (docs/output.md).

    Parameters
    ----------
    kind : str — flare, dip, onset, decay, recurrent, stochastic or periodic
    mission, instrument, obs_id, detection_id : str
    ra_deg, dec_deg : float or None — ICRS
    pos_err_arcsec : float or None — 68 % error radius, astrometry included
    interval_start_utc, interval_stop_utc : str or None — of the flare or dip, ISO 8601, ending in Z
    interval_livetime_s : float or None — live time within the flare or dip
    band_kev : (float, float) or None — lowest and highest energy of the photons counted
    interval_net_rate_ct_s : float or None — count rate in excess of that expected, negative for a dip
    interval_expected_rate_ct_s : float or None — count rate expected if the source is steady, background included
    signal_to_noise : float or None — excess counts over their 68 % error
    t90_s, t90_low_s, t90_high_s : float or None — of a flare, with 68 % limits
    livetime_s : float or None — of the whole exposure
    peak_flux_broad_erg_cm2_s, peak_flux_broad_low_erg_cm2_s, peak_flux_broad_high_erg_cm2_s : float or None
        Flux of a flare at its peak, 0.3-10 keV as observed, with 68 % limits.
    flux_broad_erg_cm2_s, flux_broad_low_erg_cm2_s, flux_broad_high_erg_cm2_s : float or None
        Mean flux of the exposure in the same band.
    limiting_flux_broad_erg_cm2_s : float or None
        Upper limit (95 %) of the flux in other observations of the position, none of which detected the source.
    nh_cm2 : float or None — hydrogen column of the Galaxy in this direction
    nh_source : str or None — what it is from
    known_source : str or None — most probable catalogued counterpart, if its probability is at least 0.5
    association_probability : float or None — that the source has a counterpart; None if no catalogue was searched
    counterparts : tuple of str — the most probable ones, in words
    interest : float or None — 0 to 1, for ordering; no probability
    interest_reasons : tuple of str — the weightiest first
    false_alarm_probability : float or None — of one source; an upper limit if `extrapolated`
    extrapolated : bool or None — whether the probability is below the smallest one that the calibration measured
    ranking_statistic : float or None — orders candidates, also those that are extrapolated; higher is more significant
    expected_false_alarms_per_1000 : float or None — among 1,000 steady sources
    far_hz : float or None — rate of such false alarms
    p_astro : float or None — probability that the source varies
    likely_class : str or None — most probable class of the set
    class_set : tuple of str — classes that cannot be excluded, most probable first
    class_coverage : float or None — fraction of events whose set contains their class
    novelty : float or None — fraction of events of known classes that are less unusual
    class_probabilities : mapping of str to float — highest first
    similar_to : tuple of str — names of the nearest known transients, nearest first
    long_term_change, long_term_reason : str or None
        Change between exposures: new, brighter, fainter or vanished, and what was measured and expected.
    long_term_false_alarm_probability, long_term_far_hz : float or None — of that change, apart from those above
    history_summary : str — one sentence on other observations of the position
    last_verdict : str — latest verdict of a person on the source: its class, or a decision such as "artefact"
    verdict_summary : str — one sentence on earlier verdicts of people on the source
    mute_summary : str — until when the place is muted, by whom and why; empty if it is not
    watch_lists : tuple of str — watch lists that have the position
    flags, vetoes : tuple of str — quality flags, and names of the vetoes raised
    """

    kind: str = ""
    mission: str = ""
    instrument: str = ""
    obs_id: str = ""
    detection_id: str = ""
    ra_deg: float | None = None
    dec_deg: float | None = None
    pos_err_arcsec: float | None = None
    interval_start_utc: str | None = None
    interval_stop_utc: str | None = None
    interval_livetime_s: float | None = None
    band_kev: tuple[float, float] | None = None
    interval_net_rate_ct_s: float | None = None
    interval_expected_rate_ct_s: float | None = None
    signal_to_noise: float | None = None
    t90_s: float | None = None
    t90_low_s: float | None = None
    t90_high_s: float | None = None
    livetime_s: float | None = None
    peak_flux_broad_erg_cm2_s: float | None = None
    peak_flux_broad_low_erg_cm2_s: float | None = None
    peak_flux_broad_high_erg_cm2_s: float | None = None
    flux_broad_erg_cm2_s: float | None = None
    flux_broad_low_erg_cm2_s: float | None = None
    flux_broad_high_erg_cm2_s: float | None = None
    limiting_flux_broad_erg_cm2_s: float | None = None
    nh_cm2: float | None = None
    nh_source: str | None = None
    known_source: str | None = None
    association_probability: float | None = None
    counterparts: tuple[str, ...] = ()
    interest: float | None = None
    interest_reasons: tuple[str, ...] = ()
    false_alarm_probability: float | None = None
    extrapolated: bool | None = None
    ranking_statistic: float | None = None
    expected_false_alarms_per_1000: float | None = None
    far_hz: float | None = None
    p_astro: float | None = None
    likely_class: str | None = None
    class_set: tuple[str, ...] = ()
    class_coverage: float | None = None
    novelty: float | None = None
    class_probabilities: Mapping[str, float] = field(default_factory=dict)
    similar_to: tuple[str, ...] = ()
    long_term_change: str | None = None
    long_term_false_alarm_probability: float | None = None
    long_term_far_hz: float | None = None
    long_term_reason: str | None = None
    history_summary: str = ""
    last_verdict: str = ""
    verdict_summary: str = ""
    mute_summary: str = ""
    watch_lists: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    vetoes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert to be sent to a sink.

    Parameters
    ----------
    id : str
        The same for all attempts and sinks; consists of letters, digits and ``- . + _ ~``.
    candidate_id : str — empty for a digest
    alert_type : AlertKind
    alert_tense : AlertTense
    created : str — time at which it entered the outbox, ISO 8601, ending in Z
    headline : str — one line
    facts : Facts
    evidence : mapping
        All measurements, in JSON's types (docs/candidates.md); empty for a digest.
    reason : str — reason for a retraction; empty otherwise
    previous : tuple of str — ids of earlier alerts of the candidate to this sink, oldest first
    sheet : str or None — path of the plot sheet, a PNG, for sinks that want it; the file may be missing
    members : tuple of Alert — alerts that a digest summarises
    """

    id: str
    candidate_id: str
    alert_type: AlertKind
    alert_tense: AlertTense
    created: str
    headline: str
    facts: Facts = Facts()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    previous: tuple[str, ...] = ()
    sheet: str | None = None
    members: tuple[Alert, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The alert in JSON's own types, its id first."""
        payload: dict[str, Any] = {
            one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("facts", "members")
        }
        payload |= {"evidence": dict(self.evidence), "previous": list(self.previous)}
        payload["facts"] = {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self.facts).items()
        }
        if self.members:
            payload["members"] = [one.as_json() for one in self.members]
        return payload

    @classmethod
    def from_json(cls, payload: Mapping[str, Any]) -> Self:
        """Create an alert from the result of `as_json`; keys of other versions are ignored.

        Raises
        ------
        AlertRefusedError
            A required key is missing.
        """
        names = {one.name for one in fields(cls)}
        values = {key: value for key, value in payload.items() if key in names}
        fact_names = {one.name for one in fields(Facts)}
        facts: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in (values.get("facts") or {}).items()
            if key in fact_names
        }
        values["facts"] = Facts(**facts)
        values["previous"] = tuple(values.get("previous", ()))
        values["members"] = tuple(cls.from_json(one) for one in values.get("members", ()))
        if missing := sorted(_REQUIRED - set(values)):
            name = payload.get("id", "without an id")
            raise AlertRefusedError(
                f"alert {name}: payload lacks {', '.join(missing)}; it was pruned or is not an alert"
            )
        return cls(**values)


_REQUIRED: Final = {"id", "candidate_id", "alert_type", "alert_tense", "created", "headline"}


@dataclass(frozen=True, slots=True)
class Receipt:
    """Result of sending an alert.

    Parameters
    ----------
    where : str — destination without secrets: a file, a URL, a topic with partition and offset
    repeated : bool — whether the destination had the alert already, so that nothing was done
    note : str — remark; usually empty
    """

    where: str
    repeated: bool = False
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """The receipt in JSON's own types."""
        return asdict(self)


class AlertSink(Plugin[OptionsT]):
    """A destination of alerts.

    A sink keeps no state between calls. The same id may be sent again after a crash between sending and recording it: a
    sink that can check what it has accepts it once and returns a `repeated` receipt; others pass the id on, so that the
    recipient can check.
    """

    @abstractmethod
    def send(self, alert: Alert, options: OptionsT) -> Receipt:
        """Send an alert; return when it was accepted.

        Raises
        ------
        SinkUnavailableError
            The alert was not accepted now; the same alert is sent again later.
        AlertRefusedError
            The alert will never be accepted.
        ConfigError
            The options are wrong, for example a secret is missing; the alert is sent again later.
        """

    def wants_sheet(self, options: OptionsT) -> bool:
        """Whether alerts include the plot sheet, which is drawn only then; an alert waits for it briefly."""
        return False

    def secrets(self, options: OptionsT) -> Sequence[str]:
        """Passwords, keys and the like that the options refer to; redacted from all messages about the sink.

        Raises
        ------
        ConfigError
            They cannot be read.
        """
        return ()
