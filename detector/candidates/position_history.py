"""History of a candidate's position: its rates in other observations, and whether the present one differs.

The daemon computes it within the transaction that stores the candidate; it becomes part of the candidate's `Evidence`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from xherald.photons.statistics.rates import (
    ObservedCounts,
    rate_ratio,
    same_rate_probability,
    source_interval,
    upper_limit,
)

from .ordinary_changes import ScatterMixture, decline_probability, lag_days, ordinary_scatter

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.history_records import PositionHistory, Visit
    from xherald.catalog_store.ledger.records import DetectionRecord, ObservationRecord
    from xherald.detector.results.json_columns import Value68

__all__ = [
    "DetectionElsewhere",
    "History",
    "ObservationRate",
    "compare_with_history",
    "to_iso_utc",
]

LIMIT: Final = 0.95
"""Probability of upper limits, and of ratios that are at least or at most so much."""

TAIL: Final = 0.15865525393145707
"""Probability beyond one standard deviation of a Gaussian."""


MAX_P_OF_CHANGE: Final = 1e-3
"""Largest p-value at which the rate of a position has changed more than ordinary sources do."""


class ObservationRate(TypedDict):
    """One observation by the same instrument: net rate with 68 % limits, or an upper limit where nothing was detected.

    `exposure_s` is live time times the fraction of a source's photons that was counted. Where nothing was detected and
    photons of a neighbour are among the counts, the observation is `crowded` and not compared.
    """

    obs_id: str
    start_utc: str | None
    exposure_s: float
    counts: int
    background_counts: float
    rate_ct_s: Value68 | None
    upper_limit_ct_s: float | None
    detection_id: str | None
    candidate_id: str | None
    crowded: bool


class DetectionElsewhere(TypedDict):
    """A detection at the position by another instrument, whose count rates are not comparable."""

    mission: str
    instrument: str
    obs_id: str
    start_utc: str | None
    separation_arcsec: float


class History(TypedDict):
    """Other observations of the position, the latest first, and the present rate compared with theirs.

    Of `total` observations the latest are listed, and `compared` of these give the mean, weighted by exposure. Rates
    are net count rates of whole exposures; `mean_upper_limit_erg_cm2_s` is the limit of the mean as a flux in
    0.3-10 keV, with the conversion factor of the present detection. `ratio` is the present rate over the mean: median
    and 68 % of its posterior, None where nothing was detected before; `ratio_at_least` and `ratio_at_most` are 95 %
    limits. `p_value` is that of a likelihood-ratio test of a constant rate; `p_after_trials` counts the observations
    compared as trials. `extreme` says whether the 68 % interval lies beyond those of all others. `p_long_term` is the
    p-value of an ordinary source, whose rate scatters between exposures (`ordinary_changes`), in either direction;
    `change` names a significant one: "new" if nothing was detected before.
    """

    start_utc: str | None
    rate_ct_s: Value68
    observations: list[ObservationRate]
    total: int
    compared: int
    exposure_s: float
    mean_rate_ct_s: Value68 | None
    mean_upper_limit_ct_s: float | None
    mean_upper_limit_erg_cm2_s: float | None
    ratio: Value68 | None
    ratio_at_least: float | None
    ratio_at_most: float | None
    p_value: float | None
    trials: int
    p_after_trials: float | None
    extreme: Literal["brightest", "faintest"] | None
    p_long_term: float | None
    change: Literal["new", "brighter", "fainter"] | None
    seen_elsewhere: list[DetectionElsewhere]


def compare_with_history(
    detection: DetectionRecord, observation: ObservationRecord, place: PositionHistory
) -> History | None:
    """Compare a detection with other observations of its position.

    Parameters
    ----------
    detection : DetectionRecord
    observation : ObservationRecord
        Of the detection.
    place : PositionHistory
        Other observations, as the store returns them.

    Returns
    -------
    History or None
        None for a detection without live time, which has no rate.
    """
    exposure = detection.livetime_s * float(detection.details.get("psf_fraction") or 1.0)
    if exposure <= 0:
        return None
    now = ObservedCounts(detection.counts, detection.background_counts, exposure)
    counted = [ObservedCounts(one.counts, one.background_counts, one.exposure_s) for one in place.visits]
    compared = [one for one, visit in zip(counted, place.visits, strict=True) if not visit.crowded]
    others = _merge(compared)
    rates = _rates([now, *([others] if others else []), *counted])
    seen = _observation_rates(place.visits, counted, rates[-len(counted) :] if counted else [])
    history: History = {
        "start_utc": to_iso_utc(observation.start),
        "rate_ct_s": rates[0],
        "observations": seen,
        "total": place.total,
        "compared": len(compared),
        "exposure_s": others.exposure_s if others else 0.0,
        "mean_rate_ct_s": None,
        "mean_upper_limit_ct_s": None,
        "mean_upper_limit_erg_cm2_s": None,
        "ratio": None,
        "ratio_at_least": None,
        "ratio_at_most": None,
        "p_value": None,
        "trials": len(compared),
        "p_after_trials": None,
        "extreme": None,
        "p_long_term": None,
        "change": None,
        "seen_elsewhere": [
            {
                "mission": one.mission,
                "instrument": one.instrument,
                "obs_id": one.obs_id,
                "start_utc": to_iso_utc(one.start),
                "separation_arcsec": one.separation_arcsec,
            }
            for one in place.elsewhere
        ],
    }
    if others:
        starts = [visit.start for visit in place.visits if not visit.crowded]
        _compare(history, now, others, rates[1], ordinary_scatter(lag_days(observation.start, starts)))
        limit, factor = history["mean_upper_limit_ct_s"], detection.details.get("erg_cm2_per_count")
        if limit is not None and factor is not None:
            history["mean_upper_limit_erg_cm2_s"] = limit * float(factor)
    return history


def _merge(compared: Sequence[ObservedCounts]) -> ObservedCounts | None:
    """All exposures as one."""
    if not compared:
        return None
    return ObservedCounts(
        sum(one.counts for one in compared),
        sum(one.background_counts for one in compared),
        sum(one.exposure_s for one in compared),
    )


def _compare(
    history: History, now: ObservedCounts, others: ObservedCounts, mean: Value68, scatter: ScatterMixture
) -> None:
    compared = [one for one in history["observations"] if not one["crowded"]]
    least, low, middle, high, most = rate_ratio(now, others, [1 - LIMIT, TAIL, 0.5, 1 - TAIL, LIMIT]).tolist()
    if any(one["detection_id"] is not None for one in compared):
        history["mean_rate_ct_s"] = mean
        history["ratio"] = {"value": middle, "low": low, "high": high}
    else:
        [history["mean_upper_limit_ct_s"]] = _limits([others])
    history["ratio_at_least"], history["ratio_at_most"] = least, most
    p_value = same_rate_probability(now, others)
    history["p_value"] = p_value
    history["p_after_trials"] = float(-np.expm1(len(compared) * np.log1p(-min(p_value, 1 - 1e-16))))
    brighter, fainter = decline_probability(now, others, scatter), decline_probability(others, now, scatter)
    p_long_term = min(2.0 * min(brighter, fainter), 1.0)
    history["p_long_term"] = p_long_term
    if p_long_term <= MAX_P_OF_CHANGE:
        is_new = brighter < fainter and history["mean_rate_ct_s"] is None
        history["change"] = "new" if is_new else "brighter" if brighter < fainter else "fainter"
    history["extreme"] = _extreme(history["rate_ct_s"], compared)


def _extreme(rate: Value68, compared: Sequence[ObservationRate]) -> Literal["brightest", "faintest"] | None:
    lows = [0.0 if one["rate_ct_s"] is None else one["rate_ct_s"]["low"] or 0.0 for one in compared]
    highs = [one["upper_limit_ct_s"] if one["rate_ct_s"] is None else one["rate_ct_s"]["high"] for one in compared]
    if all(high is not None and (rate["low"] or 0.0) > high for high in highs):
        return "brightest"
    return "faintest" if all(rate["high"] is not None and rate["high"] < low for low in lows) else None


def _observation_rates(
    visits: Sequence[Visit], counted: Sequence[ObservedCounts], rates: Sequence[Value68]
) -> list[ObservationRate]:
    return [
        {
            "obs_id": visit.obs_id,
            "start_utc": to_iso_utc(visit.start),
            "exposure_s": visit.exposure_s,
            "counts": visit.counts,
            "background_counts": visit.background_counts,
            "rate_ct_s": rate if visit.detection_id is not None else None,
            "upper_limit_ct_s": limit if visit.detection_id is None else None,
            "detection_id": visit.detection_id,
            "candidate_id": visit.candidate_id,
            "crowded": visit.crowded,
        }
        for visit, rate, limit in zip(visits, rates, _limits(counted), strict=True)
    ]


def _rates(counted: Sequence[ObservedCounts]) -> list[Value68]:
    """Net rates with the intervals of Kraft, Burrows & Nousek, counts/s."""
    n, b, t = _columns(counted)
    low, high = source_interval(n, b)
    columns = (np.maximum(n - b, 0.0) / t, low / t, high / t)
    return [
        {"value": value, "low": lower, "high": upper}
        for value, lower, upper in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _limits(counted: Sequence[ObservedCounts]) -> list[float]:
    n, b, t = _columns(counted)
    limits: list[float] = (upper_limit(n, b, LIMIT) / t).tolist()
    return limits


def _columns(counted: Sequence[ObservedCounts]) -> NDArray[np.float64]:
    rows = [(one.counts, one.background_counts, one.exposure_s) for one in counted]
    return np.array(rows, dtype=np.float64).reshape(-1, 3).T


def to_iso_utc(moment: datetime | None) -> str | None:
    """A time as ISO 8601, to the second, ending in Z; None if unknown."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
