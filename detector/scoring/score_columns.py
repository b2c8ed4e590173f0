"""From photons and timing to columns: what a source would rather be, its features, and what every scorer says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xherald.detector.plugin_support.plugin_guard import guarded
from xherald.detector.references.case_pipeline import case_of, represent
from xherald.photons import EventBatch
from xherald.photons.arrays import F32, F64
from xherald.photons.errors import PluginDefectError
from xherald.photons.statistics import DIP, FLARE, STEADY, Intervals, Timing
from xherald.plugins import DetectionBatch, PluginHost
from xherald.plugins.reference import Reference

__all__ = ["COVARIATES", "choose_direction", "covariates_of", "detection_batch_of", "gap_fraction", "score_columns"]


COVARIATES = ("log10_counts", "background_share", "gap_fraction", "log10_livetime")
"""What null sources are matched in, besides the instrument."""


def detection_batch_of(
    batch: EventBatch, timing: Timing, reference: Reference | None, host: PluginHost
) -> DetectionBatch:
    """Sources as scorers get them, in the direction that the timing tests favour.

    Parameters
    ----------
    batch : EventBatch
    timing : Timing
    reference : Reference, optional
        Of the sources' own instrument.
    host : PluginHost
    """
    direction, intervals = choose_direction(timing)
    return DetectionBatch(
        batch=batch,
        timing=timing,
        direction=direction,
        intervals=intervals,
        reference=reference,
        features=None if reference is None else _features(batch, timing, reference, host),
    )


def choose_direction(timing: Timing, direction: NDArray[np.int8] | None = None) -> tuple[NDArray[np.int8], Intervals]:
    """Direction of each source, and what the surest test of that direction points at.

    Parameters
    ----------
    timing : Timing
    direction : ndarray, shape (n,), int8, optional
        If not given, that of the surest test that looks for either.
    """
    p = np.column_stack([np.where(np.isnan(test.p), 2.0, test.p) for test in timing.tests])
    looks = np.array([test.looks_for for test in timing.tests])
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


def _features(batch: EventBatch, timing: Timing, reference: Reference, host: PluginHost) -> dict[str, F32]:
    """Features of every case of the reference; one whose plugins break is left out, and written down at the host."""
    features = {}
    for name, kept in reference.cases.items():
        case = case_of(name, kept.settings, host)
        try:
            with guarded(host, "representations", case.representation or case.extractor, f"representing for {name}"):
                sample = represent(batch, case, timing)
            with guarded(host, "extractors", case.extractor, f"making features for {name}"):
                features[name] = np.ascontiguousarray(kept.extractor.transform(sample), dtype=np.float32)
        except PluginDefectError:
            continue
    return features


def score_columns(
    detection_batch: DetectionBatch, host: PluginHost, settings: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, F64]:
    """What every scorer says, and the covariates.

    A scorer that breaks is written down at the host, and the others go on: what it would have said counts as missing.

    Parameters
    ----------
    subjects : DetectionBatch
    host : PluginHost
        Told of failures (`PluginHost.note_failure`).
    settings : mapping of str to mapping, optional
        Options of scorers by name.
    """
    columns = covariates_of(detection_batch.batch)
    where = detection_batch.batch.identities[0].source_path if len(detection_batch) else "no sources"
    for name, scorer in host.scorers.items():
        options = host.options_for(scorer, (settings or {}).get(name, {}), f"detection.scorers.{name}")
        # A scorer may be foreign code: whatever it raises must name it and must not cost the others their say.
        try:
            said = scorer.score(detection_batch, options)
            own = {column: _column(values, column, columns, len(detection_batch)) for column, values in said.items()}
        except Exception as fault:
            host.note_failure("scorers", scorer, f"scoring {where}", fault)
            continue
        columns.update(own)
    return columns


def _column(values: object, name: str, taken: Mapping[str, F64], n: int) -> F64:
    """Hold a column to the contract of `Scorer.score`."""
    if name in taken:
        raise ValueError(f"column {name!r} is another's")
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (n,):
        raise ValueError(f"column {name!r} has shape {column.shape}, not one number a source")
    return column


def covariates_of(batch: EventBatch) -> dict[str, F64]:
    """What a null source must have in common with a source, shape (n,) each."""
    counts = np.maximum(batch.counts, 1)
    return {
        "log10_counts": np.log10(counts),
        "background_share": np.minimum(batch.background_counts / counts, 1.0),
        "gap_fraction": gap_fraction(batch),
        "log10_livetime": np.log10(np.maximum(batch.livetime, 1e-3)),
    }


def gap_fraction(batch: EventBatch) -> F64:
    """Part of the time from the first good moment to the last that is not good, shape (n,)."""
    if not len(batch):
        return np.empty(0)
    # A sum of its own, not a difference of running sums, gives a source the same number whatever batch it is in.
    first, last = batch.gti_offsets[:-1], batch.gti_offsets[1:] - 1
    good = np.add.reduceat(np.diff(batch.gti, axis=1).ravel(), first)
    span = batch.gti[last, 1] - batch.gti[first, 0]
    gaps: F64 = np.clip(1.0 - good / np.maximum(span, np.finfo(float).tiny), 0.0, 1.0)
    return gaps


def in_direction(detection_batch: DetectionBatch, direction: NDArray[np.int8]) -> DetectionBatch:
    """The same sources in other directions, with the intervals of these."""
    _, intervals = choose_direction(
        detection_batch.timing, np.where(direction == STEADY, detection_batch.direction, direction)
    )
    return replace(detection_batch, direction=direction, intervals=intervals)


DIRECTIONS = {"flare": FLARE, "dip": DIP}
"""By name, in the order of the models."""
