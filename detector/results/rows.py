"""Results of a scan as rows, one for each source, in JSON's own types: `make_rows`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from xherald.detector.candidates.evidence import make_evidence
from xherald.photons.arrays import F64
from xherald.photons.statistics.result import STEADY, Hardness, Intervals, TestColumns, Timing

from .json_columns import nan_to_none, utc_dates
from .row_types import DetectionRow, Evidence, Kind, PeakFields, TimingFields
from .shared_fields import AFTER, BEFORE, KINDS, compute_hardness, make_shared_fields

if TYPE_CHECKING:
    from xherald.detector.scan import Scan
    from xherald.detector.scoring.detections import Detections
    from xherald.photons import EventBatch

__all__ = ["DetectionRow", "make_rows", "significance_key"]

UNTESTED: Final = 2.0
"""Sorts behind every p-value and every negative ranking statistic."""


def make_rows(scan: Scan) -> list[DetectionRow]:
    """Rows of a scanned file, in the order of its batch.

    All values are computed as columns; the loop only joins them.
    """
    detections, timing = scan.detections, scan.timing
    batch, n = detections.detection_batch.batch, len(detections)
    every = np.arange(n)
    hardness = compute_hardness(detections, every)
    kinds: list[Kind] = np.where(detections.significant, detections.kind, KINDS[STEADY]).tolist()
    is_candidate: list[bool] = detections.candidate.tolist()
    shared = make_shared_fields(detections, every, hardness)
    peaks, tests = _peak_fields(batch, timing.peak), _timing_fields(timing, detections.detection_batch.intervals)
    before, after = _hardness_columns(hardness, BEFORE), _hardness_columns(hardness, AFTER)
    apertures = scan.photons.apertures or [None] * n
    candidates = _evidence_of_candidates(detections)
    return [
        {
            **shared[i],
            **peaks[i],
            **tests[i],
            "is_candidate": is_candidate[i],
            "candidate_id": evidence["candidate_id"] if evidence else None,
            "kind": kinds[i],
            "hardness_before": before[0][i],
            "hardness_before_low": before[1][i],
            "hardness_before_high": before[2][i],
            "hardness_after": after[0][i],
            "hardness_after_low": after[1][i],
            "hardness_after_high": after[2][i],
            "aperture_origin": aperture.origin if aperture else "photon table",
            "aperture_radius_arcsec": aperture.region.extent if aperture else None,
            "evidence": evidence,
        }
        for i, (aperture, evidence) in enumerate(zip(apertures, candidates, strict=True))
    ]


def significance_key(row: DetectionRow) -> tuple[int, float, float]:
    """Sorting key: candidates first, then other flares and dips, then the rest, each the most significant first.

    Sources of the same rank are ordered by the timing tests; untested sources come last.
    """
    order = 0 if row["is_candidate"] else 1 if row["kind"] != "steady" else 2
    ranking, p_value = row["ranking_statistic"], row["p_value"]
    return order, UNTESTED if ranking is None else -ranking, UNTESTED if p_value is None else p_value


def _evidence_of_candidates(detections: Detections) -> list[Evidence | None]:
    """Evidence of the candidates, None for all other sources."""
    out: list[Evidence | None] = [None] * len(detections)
    chosen = np.flatnonzero(detections.candidate)
    for index, evidence in zip(chosen.tolist(), make_evidence(detections, chosen), strict=True):
        out[index] = evidence
    return out


def _peak_fields(batch: EventBatch, peak: Intervals) -> list[PeakFields]:
    start_utc, stop_utc = utc_dates(batch, peak.start), utc_dates(batch, peak.stop)
    start, stop, duration = (nan_to_none(one) for one in (peak.start, peak.stop, peak.stop - peak.start))
    livetime, counts, expected = (nan_to_none(one) for one in (peak.livetime, peak.counts, peak.expected))
    return [
        {
            "peak_start_utc": start_utc[i],
            "peak_stop_utc": stop_utc[i],
            "peak_start_s": start[i],
            "peak_stop_s": stop[i],
            "peak_duration_s": duration[i],
            "peak_livetime_s": livetime[i],
            "peak_counts": counts[i],
            "peak_expected_counts": expected[i],
        }
        for i in range(len(batch))
    ]


def _timing_fields(timing: Timing, intervals: Intervals) -> list[TimingFields]:
    p = {test.name: nan_to_none(test.p) for test in timing.tests}
    return [
        {
            "p_value": p_value,
            "best_test": best,
            "p_flare_averaged": p["flare_averaged"][i],
            "p_flare_scan": p["flare_scan"][i],
            "p_dip_averaged": p["dip_averaged"][i],
            "p_dip_scan": p["dip_scan"][i],
            "p_longest_gap": p["longest_gap"][i],
            "p_ks": p["ks"][i],
            "p_kuiper": p["kuiper"][i],
            "p_bayesian_blocks": p["bayesian_blocks"][i],
            "p_gregory_loredo": p["gregory_loredo"][i],
        }
        for i, (p_value, best) in enumerate(
            zip(nan_to_none(timing.p_value), _best_tests(timing.tests, intervals), strict=True)
        )
    ]


def _best_tests(tests: Sequence[TestColumns], intervals: Intervals) -> list[str | None]:
    """The most significant test that finds just that interval; None where no test does."""
    if not tests:
        return [None] * len(intervals.start)

    def p_of_same_interval(test: TestColumns) -> F64:
        same = (test.intervals.start == intervals.start) & (test.intervals.stop == intervals.stop)
        return np.where(same & np.isfinite(test.p), test.p, np.inf)

    p = np.array([p_of_same_interval(test) for test in tests])
    best, is_found = np.argmin(p, axis=0).tolist(), np.isfinite(p.min(axis=0)).tolist()
    return [tests[index].name if found else None for index, found in zip(best, is_found, strict=True)]


def _hardness_columns(hardness: Hardness, when: int) -> tuple[list[float | None], ...]:
    """Value, lower and upper limits of one of the three parts of each light curve."""
    return tuple(nan_to_none(part[:, when]) for part in (hardness.value, hardness.low, hardness.high))
