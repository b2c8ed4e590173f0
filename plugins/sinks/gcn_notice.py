"""An alert as a notice of NASA's General Coordinates Network, in the fields of its core schemas (gcn-schema 7.2.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from xherald.plugins.alerts import Alert, Facts

from .alert_text import subject

__all__ = ["CONTAINMENT", "gcn_notice"]

CONTAINMENT: Final = 0.68
"""Probability that the error circle holds the source."""


def gcn_notice(alert: Alert, schema: str | None = None) -> dict[str, Any]:
    """A notice in the core schemas' fields; what is not known is left out.

    Counts beyond what the rest of the exposure predicts are net counts, what it predicts is background: a transient's
    own steady emission is what it stands out from. Rates are over `rate_duration`, good time. A hardness as xherald
    measures it is no ratio of fluxes, so ``hardness_ratio`` is left out, and so is what only a spectral fit tells.

    Parameters
    ----------
    alert : Alert
    schema : str, optional
        Address of the schema that the topic promises, for ``$schema``.

    Returns
    -------
    dict
        In JSON's types. ``alert_id`` beside the schemas' own fields is the same for all tries.
    """
    notice: dict[str, Any] = {
        "$schema": schema,
        "alert_datetime": alert.created,
        "alert_tense": alert.alert_tense,
        "alert_type": alert.alert_type,
        "alert_id": alert.id,
        "id": [alert.candidate_id],
        "record_number": len(alert.previous) + 1,
        "messenger": "EM",
        **_reporter(alert.facts),
        **_time(alert.facts),
        **_place(alert.facts),
        **_statistics(alert.facts),
        "additional_info": ". ".join(part for part in (subject(alert), alert.facts.history, alert.reason) if part),
    }
    if alert.members:
        # The schemas know no digest: it is a notice of several ids that says in words what each of them is.
        told = [f"{one.candidate_id}: {subject(one)}" for one in alert.members]
        notice |= {"alert_type": None, "record_number": None, "id": [one.candidate_id for one in alert.members]}
        notice["additional_info"] = "\n".join([subject(alert), *told])
    return {key: value for key, value in notice.items() if value not in (None, "", [""])}


def _reporter(facts: Facts) -> Mapping[str, Any]:
    band = None if facts.band_kev is None else list(facts.band_kev)
    return {
        "mission": facts.mission,
        "instrument": facts.instrument,
        "spectral_band": band,
        "spectral_band_units": None if band is None else "keV",
    }


def _time(facts: Facts) -> Mapping[str, Any]:
    limits = None
    if facts.t90_s is not None and facts.t90_low_s is not None and facts.t90_high_s is not None:
        limits = [facts.t90_s - facts.t90_low_s, facts.t90_high_s - facts.t90_s]
    return {
        "trigger_time": facts.start_utc,
        "observation_livetime": facts.observation_livetime_s,
        "t90": facts.t90_s,
        "t90_error": limits,
    }


def _place(facts: Facts) -> Mapping[str, Any]:
    if facts.ra is None or facts.dec is None:
        return {}
    if facts.error_deg is None:
        return {"ra": facts.ra, "dec": facts.dec}
    circle = {"ra_dec_error": facts.error_deg, "containment_probability": CONTAINMENT, "systematic_included": True}
    return {"ra": facts.ra, "dec": facts.dec, **circle}


def _statistics(facts: Facts) -> Mapping[str, Any]:
    return {
        "far": facts.far_hz,
        "p_astro": facts.p_astro,
        "trigger_type": "rate" if facts.kind else None,
        "net_count_rate": facts.net_count_rate,
        "background_count_rate": facts.background_count_rate,
        "rate_snr": facts.rate_snr,
        "rate_duration": facts.duration_s,
        "rate_energy_range": None if facts.band_kev is None else list(facts.band_kev),
        "classification": dict(facts.classes) or None,
    }
