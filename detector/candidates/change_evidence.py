"""Evidence of a source that changed between exposures: `change_fields`, `make_change_evidence`.

It is made from stored detections. What only photons can give, such as the hardness, is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from xherald.catalog_store.ledger.history_records import PositionHistory
from xherald.detector.results.context_fields import make_context_fields
from xherald.detector.results.row_types import Evidence, LongTermFields
from xherald.detector.results.version import code_version
from xherald.photons import Identity
from xherald.photons.statistics.rates import source_interval, upper_limit

from .candidate_id import long_term_candidate_id
from .evidence_measures import excess
from .formatting import format_measurement
from .place_notes import make_no_place_fields
from .position_history import LIMIT, compare_with_history, to_iso_utc

if TYPE_CHECKING:
    from .field_places import PlaceVisit
    from .long_term_changes import LongTermChange

__all__ = ["change_fields", "change_to_json", "describe_change", "make_change_evidence"]


def change_fields(change: LongTermChange, sources_per_second: float | None) -> LongTermFields:
    """The change as evidence has it.

    Parameters
    ----------
    change : LongTermChange
    sources_per_second : float or None — in the stream of files
    """
    probability = change.false_alarm_probability
    return {
        "long_term_change": change.change,
        "long_term_p_value": change.p_value,
        "long_term_false_alarm_probability": probability,
        "long_term_far_hz": None if sources_per_second is None else probability * sources_per_second,
        "long_term_reason": describe_change(change),
    }


def change_to_json(change: LongTermChange) -> dict[str, Any]:
    """The change and the detection that it is of, in JSON's own types."""
    one, source = change.bright.observation.observation, change.bright.source
    assert source is not None
    return {
        "mission": one.mission,
        "instrument": one.instrument,
        "obs_id": one.obs_id,
        "detection_id": source.detection.detection_id,
        "ra_deg": source.detection.ra_deg,
        "dec_deg": source.detection.dec_deg,
        "net_rate_ct_s": change.bright.rate_ct_s,
        "candidate_id": source.candidate_id,
        **{name: value for name, value in change_fields(change, None).items() if name != "long_term_far_hz"},
    }


def describe_change(change: LongTermChange) -> str:
    """What was measured, and what was expected from the other observations, in one line; limits are at 95 %."""
    bright, faint = change.bright.measured, change.faint_counts
    low, high = (float(part) for part in source_interval(bright.counts, bright.background_counts))
    net = max(bright.counts - bright.background_counts, 0.0)
    scale = 1.0 if change.is_brightening else faint.exposure_s / bright.exposure_s
    seen = format_measurement(net * scale, low * scale, high * scale, "counts")
    limit = float(upper_limit(faint.counts, faint.background_counts, LIMIT))
    if change.is_brightening:
        limit *= bright.exposure_s / faint.exposure_s
        return f"{change.change} source: {seen}, at most {limit:.2g} expected from {_name(change.faint)}"
    return (
        f"{change.change} source: at most {limit:.2g} counts in {_name(change.faint)}, "
        f"{seen} expected from {_name([change.bright])}"
    )


def make_change_evidence(change: LongTermChange, sources_per_second: float | None, calibration: str) -> Evidence:
    """Evidence of a candidate that changed between exposures, and did not vary significantly within one.

    The detection is that of the bright observation. The interval is the observation in which the change is seen: the
    bright one of a new source, those without a vanished one. Expected counts are those at the rate of the others.

    Parameters
    ----------
    change : LongTermChange
    sources_per_second : float or None
    calibration : str — of the run
    """
    observation, source = change.bright.observation, change.bright.source
    assert source is not None
    one, found = observation.observation, source.detection
    identity = Identity(one.mission, one.instrument, one.obs_id, found.detection_id)
    net = max(found.counts - found.background_counts, 0.0)
    names: dict[str, Any] = {
        "file": observation.file,
        "mission": one.mission,
        "instrument": one.instrument,
        "obs_id": one.obs_id,
        "detection_id": found.detection_id,
        "ra_deg": found.ra_deg,
        "dec_deg": found.dec_deg,
        "pos_err_arcsec": found.pos_err_arcsec,
        "counts": found.counts,
    }
    interval = _measure_interval(change)
    summary = {"direction": "brighter" if change.is_brightening else "fainter"} | dict.fromkeys(
        ("false_alarm_probability", "extrapolated", "interval_start_s", "interval_stop_s")
    )
    dates = {name: interval[name] for name in ("interval_start_utc", "interval_stop_utc")}
    evidence = dict.fromkeys(sorted(Evidence.__required_keys__)) | {
        **names,
        **summary,
        **interval,
        **change_fields(change, sources_per_second),
        "background_counts": found.background_counts,
        "livetime_s": found.livetime_s,
        "net_rate_ct_s": net / found.livetime_s if found.livetime_s > 0 else None,
        "class_set": [],
        "class_probabilities": {},
        "similar_to": [],
        "vetoes": list(found.details.get("raised_flags", ())),
        "flags": list(found.details.get("flags", ())),
        "xherald_version": code_version(),
        "candidate_id": long_term_candidate_id(identity, found.counts, one.start, is_brightening=change.is_brightening),
        "kind": change.change,
        "history": _make_history(change),
        **make_no_place_fields(),
        **make_context_fields(None, None, None),
        "interest": None,
        "interest_reasons": [],
        "detections": [names | summary | dates],
        "photon_times_s": [],
        "calibration": calibration,
    }
    return cast(Evidence, evidence)


def _measure_interval(change: LongTermChange) -> dict[str, Any]:
    """Counts of the observations in which the change is seen, and those expected at the rate of the others."""
    bright, faint = change.bright.measured, change.faint_counts
    visits, now, other = ([change.bright], bright, faint) if change.is_brightening else (change.faint, faint, bright)
    scale = now.exposure_s / other.exposure_s
    net = max(other.counts - other.background_counts, 0.0)
    low, high = (float(part) for part in source_interval(other.counts, other.background_counts))
    expected = [now.background_counts + scale * part for part in (net, low, high)]
    fluence = [float(part) for part in excess(now.counts, *expected)]  # type: ignore[arg-type]
    spans = [(one.observation.observation.start, one.observation.observation.stop) for one in visits]
    lengths = [(stop - start).total_seconds() for start, stop in spans if start is not None and stop is not None]
    return {
        "interval_start_utc": to_iso_utc(spans[0][0]),
        "interval_stop_utc": to_iso_utc(spans[-1][1]),
        "interval_duration_s": sum(lengths),
        "interval_livetime_s": now.exposure_s,
        "interval_counts": float(now.counts),
        "interval_expected_counts": expected[0],
        "interval_expected_counts_low": expected[1],
        "interval_expected_counts_high": expected[2],
        "interval_background_counts": now.background_counts,
        "fluence_counts": fluence[0],
        "fluence_counts_low": fluence[1],
        "fluence_counts_high": fluence[2],
    }


def _make_history(change: LongTermChange) -> Any:
    """The bright observation compared with all others of the place."""
    source = change.bright.source
    assert source is not None
    others = [
        visit.as_visit()
        for visit in change.place.list_all()[::-1]
        if visit.observation is not change.bright.observation
    ]
    place = PositionHistory(tuple(others), len(others))
    return compare_with_history(source.detection, change.bright.observation.observation, place)


def _name(visits: Sequence[PlaceVisit]) -> str:
    """Obs_id and date of one observation; number and dates of several."""
    dates = [(to_iso_utc(one.observation.observation.start) or "")[:10] for one in visits]
    if len(visits) == 1:
        return f"obsid {visits[0].observation.observation.obs_id} on {dates[0]}"
    return f"{len(visits)} observations, {dates[0]} to {dates[-1]}"
