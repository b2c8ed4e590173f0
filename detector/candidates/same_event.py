"""Whether two detections are of one event: `is_same_event`, `group_events`.

An event is one thing, however many cameras, files, tiles or processings show it: detections of the same direction whose
positions agree within their errors and whose intervals overlap in absolute time, or that have the same photons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np

from xherald.photons.projection import separation_deg

__all__ = ["MATCH_ERRORS", "MIN_MATCH_ARCSEC", "group_events", "is_same_event", "match_radius_arcsec"]

MIN_MATCH_ARCSEC: Final = 2.0
"""Detections are of one source within this, or within `MATCH_ERRORS` times their errors."""

MATCH_ERRORS: Final = 3.0

MIN_TIME_TOLERANCE_S: Final = 5.0
MAX_GAP_FRACTION: Final = 0.1
"""Intervals overlap if the gap between them is shorter than this, or than this fraction of the longer one: tests of two
cameras do not find the same edges, and their frames are several seconds long."""

MIN_COMMON_PHOTONS: Final = 5
MIN_SHARED_FRACTION: Final = 0.8
SAME_PHOTON_S: Final = 0.01
"""Detections without a position have the same photons if, in the time that both lists have, this fraction of those of
the smaller list has the same arrival time within this; there must be at least so many."""

Detection = Mapping[str, Any]
"""A row, evidence, or one of the ``detections`` of evidence (`results.row_types`)."""


def match_radius_arcsec(error_arcsec: float | None, other_arcsec: float | None) -> float:
    """Largest distance of two detections of one source, arcsec, from their 68 % errors."""
    return max(MIN_MATCH_ARCSEC, MATCH_ERRORS * float(np.hypot(error_arcsec or 0.0, other_arcsec or 0.0)))


def is_same_event(one: Detection, other: Detection) -> bool:
    """Whether two detections are of one event.

    Parameters
    ----------
    one, other : mapping
        With the position and its error, the direction, the interval, and ``photon_times_s``, as evidence has them.
    """
    if one.get("direction") != other.get("direction"):
        return False
    if None in (one.get("ra_deg"), other.get("ra_deg")):
        return _is_same_observation(one, other) and _has_same_photons(one, other)
    away = float(separation_deg(one["ra_deg"], one["dec_deg"], other["ra_deg"], other["dec_deg"]))
    radius = match_radius_arcsec(one.get("pos_err_arcsec"), other.get("pos_err_arcsec"))
    return 3600.0 * away <= radius and _do_overlap(one, other)


def group_events(detections: Sequence[Detection]) -> list[list[int]]:
    """Indices of the detections of each event, in the order given; the first of each is the first in the sequence."""
    groups: list[list[int]] = []
    for index, one in enumerate(detections):
        joined = next((group for group in groups if any(is_same_event(one, detections[i]) for i in group)), None)
        if joined is None:
            groups.append([index])
        else:
            joined.append(index)
    return groups


def _is_same_observation(one: Detection, other: Detection) -> bool:
    """Whether both are of one obs_id; a table of photons may not name the mission."""
    missions = {str(each.get("mission") or "").upper() for each in (one, other)} - {""}
    return bool(one.get("obs_id")) and one.get("obs_id") == other.get("obs_id") and len(missions) <= 1


def _do_overlap(one: Detection, other: Detection) -> bool:
    spans = _utc_spans(one, other) or _mission_spans(one, other)
    if spans is None:
        return False
    (start, stop), (other_start, other_stop) = spans
    longer = max(stop - start, other_stop - other_start)
    gap = max(start, other_start) - min(stop, other_stop)
    return gap <= max(MIN_TIME_TOLERANCE_S, MAX_GAP_FRACTION * longer)


def _utc_spans(one: Detection, other: Detection) -> tuple[tuple[float, float], tuple[float, float]] | None:
    dates = [each.get(f"interval_{end}_utc") for each in (one, other) for end in ("start", "stop")]
    if None in dates:
        return None
    start, stop, other_start, other_stop = (datetime.fromisoformat(str(date)).timestamp() for date in dates)
    return (start, stop), (other_start, other_stop)


def _mission_spans(one: Detection, other: Detection) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Intervals in mission time, which two detections of one observation have in common."""
    times = [each.get(f"interval_{end}_s") for each in (one, other) for end in ("start", "stop")]
    if None in times or not _is_same_observation(one, other):
        return None
    start, stop, other_start, other_stop = (float(time) for time in times if time is not None)
    return (start, stop), (other_start, other_stop)


def _has_same_photons(one: Detection, other: Detection) -> bool:
    times = [np.asarray(each.get("photon_times_s") or (), dtype=np.float64) for each in (one, other)]
    if not all(len(each) for each in times):
        return False
    first, last = max(each[0] for each in times), min(each[-1] for each in times)
    common = [each[(each >= first - SAME_PHOTON_S) & (each <= last + SAME_PHOTON_S)] for each in times]
    few, many = sorted(common, key=len)
    if len(few) < MIN_COMMON_PHOTONS:
        return False
    after = np.minimum(np.searchsorted(many, few), len(many) - 1)
    nearest = np.minimum(np.abs(many[after] - few), np.abs(many[np.maximum(after - 1, 0)] - few))
    return float(np.mean(nearest <= SAME_PHOTON_S)) >= MIN_SHARED_FRACTION
