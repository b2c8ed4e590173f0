"""A candidate's place before and after: what other observations saw there, and whether its rate is what it was.

On the road this stands where a drop is decided on (`stream.deciding`), inside the store's transaction; what it makes
becomes part of the candidate's `Evidence`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from xherald.photons.statistics.rates import Counted, rate_ratio, same_rate_chance, source_interval, upper_limit

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.history_records import PlaceHistory, Visit
    from xherald.catalog_store.ledger.records import DetectionRecord, ObservationRecord
    from xherald.detector.results.json_columns import Value68

__all__ = ["History", "Seen", "SeenElsewhere", "history_of"]

LIMIT: Final = 0.95
"""Probability of upper limits, and of ratios that are at least or at most so much."""

TAIL: Final = 0.15865525393145707
"""Probability beyond one standard deviation of a Gaussian."""


class Seen(TypedDict):
    """What one observation of the same instrument saw: a net rate (counts/s, 68 %), or where nothing was found a limit.

    `exposure_s` is livetime times the part of a source's photons that was counted; `crowded` says that photons of a
    neighbour are among the counts of a place where nothing was found, which is then not compared.
    """

    obs_id: str
    start_utc: str | None
    exposure_s: float
    counts: int
    background_counts: float
    rate: Value68 | None
    upper_limit: float | None
    detection_id: str | None
    candidate_id: str | None
    crowded: bool


class SeenElsewhere(TypedDict):
    """A detection of the place by another instrument, whose rates are not comparable."""

    mission: str
    instrument: str
    obs_id: str
    start_utc: str | None
    separation_arcsec: float


class History(TypedDict):
    """Other observations of the place, the latest first, and how this one's rate compares with theirs.

    Of `total` observations the latest are listed, and `compared` of these make the mean, weighted by exposure. Rates
    are net counts/s over whole exposures. `ratio` is this rate over the mean: median and 68 % of its posterior, None
    where nothing was ever found; `ratio_at_least` and `ratio_at_most` hold with 95 % each. `p_value` is the chance of a
    likelihood ratio no smaller if the rate is constant; each observation that was compared was an occasion for one so
    small, which `p_after_trials` counts. `extreme` says whether the interval lies beyond those of all others.
    """

    start_utc: str | None
    rate: Value68
    observations: list[Seen]
    total: int
    compared: int
    exposure_s: float
    mean_rate: Value68 | None
    mean_upper_limit: float | None
    ratio: Value68 | None
    ratio_at_least: float | None
    ratio_at_most: float | None
    p_value: float | None
    trials: int
    p_after_trials: float | None
    extreme: Literal["brightest", "faintest"] | None
    seen_elsewhere: list[SeenElsewhere]


def history_of(detection: DetectionRecord, observation: ObservationRecord, place: PlaceHistory) -> History | None:
    """Compare a detection with what other observations saw at its place.

    Parameters
    ----------
    detection : DetectionRecord
    observation : ObservationRecord
        Of which it is.
    place : PlaceHistory

    Returns
    -------
    History or None
        None of a detection without livetime, which has no rate.
    """
    exposure = detection.livetime_s * float(detection.features.get("psf_fraction") or 1.0)
    if exposure <= 0:
        return None
    now = Counted(detection.counts, detection.background_counts, exposure)
    counted = [Counted(one.counts, one.background, one.exposure_s) for one in place.visits]
    compared = [one for one, visit in zip(counted, place.visits, strict=True) if not visit.crowded]
    others = _together(compared)
    rates = _rates([now, *([others] if others else []), *counted])
    seen = _seen(place.visits, counted, rates[-len(counted) :] if counted else [])
    history: History = {
        "start_utc": _told(observation.start),
        "rate": rates[0],
        "observations": seen,
        "total": place.total,
        "compared": len(compared),
        "exposure_s": others.exposure_s if others else 0.0,
        "mean_rate": None,
        "mean_upper_limit": None,
        "ratio": None,
        "ratio_at_least": None,
        "ratio_at_most": None,
        "p_value": None,
        "trials": len(compared),
        "p_after_trials": None,
        "extreme": None,
        "seen_elsewhere": [
            {
                "mission": one.mission,
                "instrument": one.instrument,
                "obs_id": one.obs_id,
                "start_utc": _told(one.start),
                "separation_arcsec": one.separation_arcsec,
            }
            for one in place.elsewhere
        ],
    }
    if others:
        _compare(history, now, others, rates[1])
    return history


def _together(compared: Sequence[Counted]) -> Counted | None:
    """All of them as one exposure."""
    if not compared:
        return None
    return Counted(
        sum(one.counts for one in compared),
        sum(one.background for one in compared),
        sum(one.exposure_s for one in compared),
    )


def _compare(history: History, now: Counted, others: Counted, mean: Value68) -> None:
    compared = [one for one in history["observations"] if not one["crowded"]]
    least, low, middle, high, most = rate_ratio(now, others, [1 - LIMIT, TAIL, 0.5, 1 - TAIL, LIMIT]).tolist()
    if any(one["detection_id"] is not None for one in compared):
        history["mean_rate"] = mean
        history["ratio"] = {"value": middle, "low": low, "high": high}
    else:
        [history["mean_upper_limit"]] = _limits([others])
    history["ratio_at_least"], history["ratio_at_most"] = least, most
    chance = same_rate_chance(now, others)
    history["p_value"] = chance
    history["p_after_trials"] = float(-np.expm1(len(compared) * np.log1p(-min(chance, 1 - 1e-16))))
    history["extreme"] = _extreme(history["rate"], compared)


def _extreme(rate: Value68, compared: Sequence[Seen]) -> Literal["brightest", "faintest"] | None:
    lows = [0.0 if one["rate"] is None else one["rate"]["low"] or 0.0 for one in compared]
    highs = [one["upper_limit"] if one["rate"] is None else one["rate"]["high"] for one in compared]
    if all(high is not None and (rate["low"] or 0.0) > high for high in highs):
        return "brightest"
    return "faintest" if all(rate["high"] is not None and rate["high"] < low for low in lows) else None


def _seen(visits: Sequence[Visit], counted: Sequence[Counted], rates: Sequence[Value68]) -> list[Seen]:
    return [
        {
            "obs_id": visit.obs_id,
            "start_utc": _told(visit.start),
            "exposure_s": visit.exposure_s,
            "counts": visit.counts,
            "background_counts": visit.background,
            "rate": rate if visit.detection_id is not None else None,
            "upper_limit": limit if visit.detection_id is None else None,
            "detection_id": visit.detection_id,
            "candidate_id": visit.candidate_id,
            "crowded": visit.crowded,
        }
        for visit, rate, limit in zip(visits, rates, _limits(counted), strict=True)
    ]


def _rates(counted: Sequence[Counted]) -> list[Value68]:
    """Net rates with the intervals of Kraft, Burrows & Nousek, counts/s."""
    n, b, t = _columns(counted)
    low, high = source_interval(n, b)
    columns = (np.maximum(n - b, 0.0) / t, low / t, high / t)
    return [
        {"value": value, "low": lower, "high": upper}
        for value, lower, upper in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _limits(counted: Sequence[Counted]) -> list[float]:
    n, b, t = _columns(counted)
    limits: list[float] = (upper_limit(n, b, LIMIT) / t).tolist()
    return limits


def _columns(counted: Sequence[Counted]) -> NDArray[np.float64]:
    rows = [(one.counts, one.background, one.exposure_s) for one in counted]
    return np.array(rows, dtype=np.float64).reshape(-1, 3).T


def _told(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
