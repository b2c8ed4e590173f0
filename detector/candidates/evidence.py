"""All measurements of a candidate, each with its uncertainty: `make_evidence`.

Rows, the plot sheet, the command line, the store and alerts all show what is in the evidence. Its type is
`results.row_types.Evidence`, its keys are declared in `results.schema`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike

from xherald.detector.results.context_fields import make_context_fields, make_interest_fields
from xherald.detector.results.flux_fields import make_peak_flux_fields, select_scale
from xherald.detector.results.json_columns import nan_to_none
from xherald.detector.results.row_types import EmbeddingPosition, EventDetection, Evidence, Kind, SharedFields
from xherald.detector.results.shared_fields import compute_hardness, make_shared_fields, select_intervals
from xherald.photons.arrays import F64, I64
from xherald.photons.statistics.result import FLARE

from .burst_measurements import measure_peaks, measure_t90
from .candidate_id import candidate_id
from .interval_measurements import measure_counts, measure_hardness_change
from .place_notes import make_no_place_fields

if TYPE_CHECKING:
    from xherald.detector.scoring.detections import Detections
    from xherald.photons import EventBatch

__all__ = ["Evidence", "make_evidence", "summarize_detection"]

MAX_PHOTON_TIMES: Final = 50
"""Arrival times in the evidence, by which detections without a position are recognized in another list."""


def make_evidence(detections: Detections, which: ArrayLike) -> list[Evidence]:
    """Measure some of the sources of a file.

    Parameters
    ----------
    detections : Detections
        n sources.
    which : array_like of int, or of bool of shape (n,)
        Sources to measure, candidates or not.

    Returns
    -------
    list of Evidence
        In the order of `which`.
    """
    chosen = np.asarray(which)
    index = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen.astype(np.int64)
    if not index.size:
        return []
    batch = detections.detection_batch.batch.select(index)
    intervals = select_intervals(detections.detection_batch.intervals, index)
    direction = detections.detection_batch.direction[index]
    is_flare = direction == FLARE
    hardness = compute_hardness(detections, index)
    shared = make_shared_fields(detections, index, hardness)
    counts = measure_counts(batch, intervals)
    t90 = measure_t90(batch, intervals, is_flare, _select_blocks(detections, index))
    peaks = select_intervals(detections.detection_batch.timing.peak, index)
    peak_rates = measure_peaks(batch, intervals, peaks, is_flare)
    peak_fluxes = make_peak_flux_fields(batch, select_scale(detections.flux_scale, index), peak_rates)
    changes = measure_hardness_change(batch, intervals, hardness)
    embedding = _embedding_positions(detections, index)
    reference = _name_reference(detections)
    codes: list[int] = direction.tolist()
    kinds: list[Kind] = detections.kind[index].tolist()
    bands: list[list[float]] = batch.band.tolist()
    latitudes = _galactic_latitudes(batch)
    made: list[Evidence] = [
        {
            **shared[i],
            **counts[i],
            **t90[i],
            **peak_rates[i],
            **peak_fluxes[i],
            **changes[i],
            "candidate_id": candidate_id(source.identity, source.time, codes[i]),
            "kind": kinds[i],
            "band_kev": bands[i],
            "embedding": embedding[i],
            "history": None,
            "detections": [summarize_detection(shared[i])],
            "long_term_change": None,
            "long_term_p_value": None,
            "long_term_false_alarm_probability": None,
            "long_term_far_hz": None,
            "long_term_reason": None,
            **make_no_place_fields(),
            **make_context_fields(
                detections.known_objects.get(int(index[i])), shared[i]["class_probabilities"], latitudes[i]
            ),
            "interest": None,
            "interest_reasons": [],
            "photon_times_s": _first_photons(source.time, float(intervals.start[i])),
            "calibration": detections.calibration,
            "reference": reference,
        }
        for i, source in enumerate(batch)
    ]
    for one in made:
        rated = make_interest_fields(one, detections.threshold)
        one["interest"], one["interest_reasons"] = rated["interest"], rated["interest_reasons"]
    return made


def summarize_detection(row: SharedFields) -> EventDetection:
    """What the list of an event's detections tells of each."""
    return {
        "file": row["file"],
        "mission": row["mission"],
        "instrument": row["instrument"],
        "obs_id": row["obs_id"],
        "detection_id": row["detection_id"],
        "ra_deg": row["ra_deg"],
        "dec_deg": row["dec_deg"],
        "pos_err_arcsec": row["pos_err_arcsec"],
        "counts": row["counts"],
        "direction": row["direction"],
        "false_alarm_probability": row["false_alarm_probability"],
        "extrapolated": row["extrapolated"],
        "interval_start_utc": row["interval_start_utc"],
        "interval_stop_utc": row["interval_stop_utc"],
        "interval_start_s": row["interval_start_s"],
        "interval_stop_s": row["interval_stop_s"],
    }


def _galactic_latitudes(batch: EventBatch) -> list[float | None]:
    """Galactic latitude of each source, deg; None without a position."""
    from astropy.coordinates import SkyCoord

    positions = np.array([(one.ra, one.dec) for one in batch.identities], dtype=np.float64).reshape(-1, 2)
    known = np.isfinite(positions).all(axis=1)
    latitudes = np.full(len(positions), np.nan)
    if known.any():
        latitudes[known] = SkyCoord(*positions[known].T, unit="deg", frame="icrs").galactic.b.deg
    return nan_to_none(latitudes)


def _first_photons(time: F64, start: float) -> list[float]:
    first = int(np.searchsorted(time, start)) if np.isfinite(start) else 0
    times: list[float] = np.round(time[first : first + MAX_PHOTON_TIMES], 4).tolist()
    return times


def _select_blocks(detections: Detections, index: I64) -> tuple[F64, I64]:
    """Edges of the Bayesian blocks of some sources, mission seconds, flat, and where those of each source begin."""
    timing = detections.detection_batch.timing
    lengths = np.diff(timing.block_offsets)[index]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = np.arange(offsets[-1]) + np.repeat(timing.block_offsets[index] - offsets[:-1], lengths)
    return timing.block_edges[rows], offsets


def _embedding_positions(detections: Detections, index: I64) -> list[EmbeddingPosition | None]:
    near = detections.neighbours
    if near is None:
        return [None] * len(index)
    columns = zip(near.places[index].tolist(), nan_to_none(near.typical[index]), strict=True)
    return [
        {"reference": near.reference, "case": near.case, "x": x, "y": y, "ordinary_distance": ordinary}
        if np.isfinite(x) and np.isfinite(y)
        else None
        for (x, y), ordinary in columns
    ]


def _name_reference(detections: Detections) -> str | None:
    near, reference = detections.neighbours, detections.detection_batch.reference
    if near is not None:
        return near.reference
    return None if reference is None else f"{reference.name}@{reference.version}"
