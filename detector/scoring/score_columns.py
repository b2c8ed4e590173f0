"""From photons and timing to score columns: direction and interval of each source, features, scorers' results."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xherald.detector.plugin_support.plugin_guard import guarded
from xherald.detector.references.case_pipeline import make_case, represent
from xherald.photons import EventBatch
from xherald.photons.arrays import F32, F64
from xherald.photons.errors import PluginDefectError
from xherald.photons.statistics import DIP, FLARE, STEADY, Intervals, Timing
from xherald.plugins import DetectionBatch, PluginHost
from xherald.plugins.reference import Reference

__all__ = [
    "COVARIATES",
    "choose_direction",
    "compute_covariates",
    "find_input_cases",
    "gap_fraction",
    "make_detection_batch",
    "score_columns",
]


COVARIATES = ("log10_counts", "background_share", "gap_fraction", "log10_livetime")
"""Quantities, besides the instrument, in which null sources are matched to a source."""


def make_detection_batch(
    batch: EventBatch,
    timing: Timing,
    reference: Reference | None,
    host: PluginHost,
    cases: Collection[str] | None = None,
) -> DetectionBatch:
    """Prepare sources for the scorers, in the direction that the timing tests favour.

    Parameters
    ----------
    batch : EventBatch
    timing : Timing
    reference : Reference, optional
        Of the sources' instrument.
    host : PluginHost
    cases : collection of str, optional
        Cases whose features are computed; if not given, all of the reference.
    """
    direction, intervals = choose_direction(timing)
    return DetectionBatch(
        batch=batch,
        timing=timing,
        direction=direction,
        intervals=intervals,
        reference=reference,
        features=None if reference is None else _features(batch, timing, reference, host, cases),
    )


def choose_direction(timing: Timing, direction: NDArray[np.int8] | None = None) -> tuple[NDArray[np.int8], Intervals]:
    """Direction of each source, and the interval of the most significant test of that direction.

    Parameters
    ----------
    timing : Timing
    direction : ndarray, shape (n,), int8, optional
        If not given, that of the most significant test for flares or dips.
    """
    p = np.column_stack([np.where(np.isnan(test.p), 2.0, test.p) for test in timing.tests])
    looks = np.array([test.target_kind for test in timing.tests])
    p[:, looks == STEADY] = 3.0
    if direction is not None:
        p = np.where((looks[None, :] == direction[:, None]), p, 3.0)
    best = np.argmin(p, axis=1)
    rows = np.arange(len(p))
    tested = p[rows, best] <= 1.0
    found = np.where(tested, looks[best], STEADY).astype(np.int8)

    def chosen(name: str) -> F64:
        values = np.column_stack([getattr(test.intervals, name) for test in timing.tests])
        return np.where(tested, values[rows, best], np.nan)

    return found, Intervals(**{name: chosen(name) for name in Intervals.__slots__})


def _features(
    batch: EventBatch, timing: Timing, reference: Reference, host: PluginHost, cases: Collection[str] | None
) -> dict[str, F32]:
    """Features of cases of the reference; those with a failing plugin are left out, the host notes why."""
    features = {}
    for name, kept in reference.cases.items():
        if cases is not None and name not in cases:
            continue
        case = make_case(name, kept.settings, host)
        try:
            with guarded(host, "representations", case.representation or case.extractor, f"representing for {name}"):
                sample = represent(batch, case, timing)
            with guarded(host, "extractors", case.extractor, f"making features for {name}"):
                features[name] = np.ascontiguousarray(kept.extractor.transform(sample), dtype=np.float32)
        except PluginDefectError:
            continue
    return features


def find_input_cases(
    host: PluginHost, settings: Mapping[str, Mapping[str, Any]] | None = None
) -> frozenset[str] | None:
    """Cases whose features the combined score is made of; None for all.

    Parameters
    ----------
    host : PluginHost
    settings : mapping of str to mapping, optional
        Options of scorers by name.
    """
    found: set[str] = set()
    for name, scorer in host.scorers.items():
        options = host.validate_options(scorer, (settings or {}).get(name, {}), f"detection.scorers.{name}")
        cases = scorer.input_cases(options)
        if cases is None:
            return None
        found.update(cases)
    return frozenset(found)


def score_columns(
    detection_batch: DetectionBatch, host: PluginHost, settings: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, F64]:
    """Columns of every scorer, and the covariates.

    If a scorer fails, the host notes the failure, its columns are missing, and the other scorers continue.

    Parameters
    ----------
    detection_batch : DetectionBatch
    host : PluginHost
        Notes failures (`PluginHost.record_failure`).
    settings : mapping of str to mapping, optional
        Options of scorers by name.
    """
    columns = compute_covariates(detection_batch.batch)
    where = detection_batch.batch.identities[0].source_path if len(detection_batch) else "no sources"
    for name, scorer in host.scorers.items():
        options = host.validate_options(scorer, (settings or {}).get(name, {}), f"detection.scorers.{name}")
        # A scorer may be third-party code: any error must name it and must not stop the others.
        try:
            scores = scorer.score(detection_batch, options)
            own = {
                column: _check_column(values, column, columns, len(detection_batch))
                for column, values in scores.items()
            }
        except Exception as fault:
            host.record_failure("scorers", scorer, f"scoring {where}", fault)
            continue
        columns.update(own)
    return columns


def _check_column(values: object, name: str, taken: Mapping[str, F64], n: int) -> F64:
    """Check a column against the contract of `Scorer.score`."""
    if name in taken:
        raise ValueError(f"column {name!r} is already given by another scorer")
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (n,):
        raise ValueError(f"column {name!r} has shape {column.shape}; expected one number per source")
    return column


def compute_covariates(batch: EventBatch) -> dict[str, F64]:
    """Quantities in which null sources are matched to each source, shape (n,) each."""
    counts = np.maximum(batch.counts, 1)
    return {
        "log10_counts": np.log10(counts),
        "background_share": np.minimum(batch.background_counts / counts, 1.0),
        "gap_fraction": gap_fraction(batch),
        "log10_livetime": np.log10(np.maximum(batch.livetime, 1e-3)),
    }


def gap_fraction(batch: EventBatch) -> F64:
    """Fraction of the time between the start of the first and the end of the last GTI that is not good, shape (n,)."""
    if not len(batch):
        return np.empty(0)
    # Summing each source by itself, instead of a difference of running sums, makes the result independent of the batch.
    first, last = batch.gti_offsets[:-1], batch.gti_offsets[1:] - 1
    good = np.add.reduceat(np.diff(batch.gti, axis=1).ravel(), first)
    span = batch.gti[last, 1] - batch.gti[first, 0]
    gaps: F64 = np.clip(1.0 - good / np.maximum(span, np.finfo(float).tiny), 0.0, 1.0)
    return gaps


def in_direction(detection_batch: DetectionBatch, direction: NDArray[np.int8]) -> DetectionBatch:
    """The same sources in other directions, with the intervals of those directions."""
    _, intervals = choose_direction(
        detection_batch.timing, np.where(direction == STEADY, detection_batch.direction, direction)
    )
    return replace(detection_batch, direction=direction, intervals=intervals)


DIRECTIONS = {"flare": FLARE, "dip": DIP}
"""Codes by name, in the order of the models."""
