"""An alert as a notice of NASA's General Coordinates Network, in the fields of its core schemas (gcn-schema 7.2.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from xherald.plugins.alerts import Alert, Facts

from .alert_text import subject

__all__ = ["CONTAINMENT", "gcn_notice"]

CONTAINMENT: Final = 0.68
"""Probability that the source lies within the error circle."""

ARCSEC_PER_DEGREE: Final = 3600.0

LIMIT_SIGMA: Final = 1.64
"""Standard deviations of a one-sided limit of 95 %."""

FLUX_BAND_KEV: Final = (0.3, 10.0)
"""Band of the fluxes of `Facts`."""


def gcn_notice(alert: Alert, schema: str | None = None) -> dict[str, Any]:
    """Make a notice with the fields of the core schemas; unknown values are left out.

    Counts in excess of those expected are net counts, the expected ones background, which includes the source's own
    steady emission. Rates are averages over `rate_duration`, live time. ``hardness_ratio`` is left out, since xherald
    does not measure a ratio of fluxes, and so is everything that needs a spectral fit.

    Parameters
    ----------
    alert : Alert
    schema : str, optional
        URL of the topic's schema, for ``$schema``.

    Returns
    -------
    dict
        In JSON's types. ``alert_id``, not a field of the schemas, is the same for all attempts.
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
        **_position(alert.facts),
        **_statistics(alert.facts),
        **_flux(alert.facts),
        "known_source": alert.facts.known_source,
        "association_probability": alert.facts.association_probability,
        "additional_info": ". ".join(
            part for part in (subject(alert), alert.facts.history_summary, alert.reason) if part
        ),
    }
    if alert.members:
        # The schemas have no digest: it is a notice of several ids, described in its text.
        members = [f"{one.candidate_id}: {subject(one)}" for one in alert.members]
        notice |= {"alert_type": None, "record_number": None, "id": [one.candidate_id for one in alert.members]}
        notice["additional_info"] = "\n".join([subject(alert), *members])
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
        "trigger_time": facts.interval_start_utc,
        "observation_livetime": facts.livetime_s,
        "t90": facts.t90_s,
        "t90_error": limits,
    }


def _position(facts: Facts) -> Mapping[str, Any]:
    if facts.ra_deg is None or facts.dec_deg is None:
        return {}
    position = {"ra": facts.ra_deg, "dec": facts.dec_deg}
    if facts.pos_err_arcsec is None:
        return position
    error_deg = facts.pos_err_arcsec / ARCSEC_PER_DEGREE
    return {
        **position,
        "ra_dec_error": error_deg,
        "containment_probability": CONTAINMENT,
        "systematic_included": True,
    }


def _flux(facts: Facts) -> Mapping[str, Any]:
    """Flux as observed: of a flare at its peak, else the mean; half the width of the 68 % interval is its error.

    The limiting flux is that of other observations of the position.
    """
    peak = (facts.peak_flux_broad_erg_cm2_s, facts.peak_flux_broad_low_erg_cm2_s, facts.peak_flux_broad_high_erg_cm2_s)
    mean = (facts.flux_broad_erg_cm2_s, facts.flux_broad_low_erg_cm2_s, facts.flux_broad_high_erg_cm2_s)
    value, low, high = mean if peak[0] is None else peak
    limit = facts.limiting_flux_broad_erg_cm2_s
    is_known = value is not None and low is not None and high is not None
    if limit is None and not is_known:
        return {}
    return {
        "flux": value if is_known else None,
        "flux_error": 0.5 * (high - low) if low is not None and high is not None else None,
        "limiting_flux": limit,
        "limiting_flux_sigma": None if limit is None else LIMIT_SIGMA,
        "flux_unit": "erg/cm2/s",
        "flux_spectral_band": list(FLUX_BAND_KEV),
        "flux_spectral_unit": "keV",
    }


def _statistics(facts: Facts) -> Mapping[str, Any]:
    return {
        "far": facts.long_term_far_hz if facts.far_hz is None else facts.far_hz,
        "p_astro": facts.p_astro,
        "trigger_type": "rate" if facts.kind else None,
        "net_count_rate": facts.interval_net_rate_ct_s,
        "background_count_rate": facts.interval_expected_rate_ct_s,
        "rate_snr": facts.signal_to_noise,
        "rate_duration": facts.interval_livetime_s,
        "rate_energy_range": None if facts.band_kev is None else list(facts.band_kev),
        "classification": dict(facts.class_probabilities) or None,
    }
