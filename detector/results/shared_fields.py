"""Fields that rows and evidence share, built from a scan's flat arrays: `make_shared_fields`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from xherald.detector.scoring.veto_flags import flag_rows
from xherald.photons.arrays import F64, I64
from xherald.photons.statistics.result import DIP, FLARE, STEADY, Hardness, Intervals
from xherald.simulation.published_templates import TEMPLATES

from .flux_fields import make_flux_fields, select_scale
from .json_columns import nan_to_none, utc_dates
from .row_types import (
    ClassFields,
    Direction,
    ExposureFields,
    HardnessInsideFields,
    IdentityFields,
    IntervalFields,
    Kind,
    KindFields,
    PositionFields,
    SharedFields,
    SignificanceFields,
    SimilarTransient,
)
from .version import code_version

if TYPE_CHECKING:
    from xherald.detector.scoring.detections import Detections
    from xherald.photons import EventBatch, Identity

__all__ = ["KINDS", "compute_hardness", "list_similar_transients", "make_shared_fields", "select_intervals"]

KINDS: Final[dict[int, Kind]] = {FLARE: "flare", DIP: "dip", STEADY: "steady"}

DIRECTIONS: Final[dict[int, Direction | None]] = {FLARE: "brighter", DIP: "fainter", STEADY: None}

BEFORE, INSIDE, AFTER = 0, 1, 2
"""Columns of a `Hardness`."""


def make_shared_fields(detections: Detections, index: I64, hardness: Hardness) -> list[SharedFields]:
    """Fields of some sources that their rows and their evidence share.

    Parameters
    ----------
    detections : Detections
    index : ndarray, shape (k,)
        Sources, as indices into the batch.
    hardness : Hardness
        Of these k sources, see `compute_hardness`.
    """
    whole = detections.detection_batch.batch
    batch = whole if np.array_equal(index, np.arange(len(whole))) else whole.select(index)
    intervals = select_intervals(detections.detection_batch.intervals, index)
    version = code_version()
    # Lists and an index instead of one zip, whose items mypy would not check.
    exposures = _exposure_fields(batch)
    fluxes = make_flux_fields(batch, select_scale(detections.flux_scale, index))
    significances = _significance_fields(detections, index)
    kinds = _kind_fields(detections, index)
    classes = _class_fields(detections, index, batch.identities)
    found = _interval_fields(batch, intervals)
    inside = _hardness_fields(hardness)
    return [
        {
            **_identity_fields(identity),
            **_position_fields(identity),
            **exposures[i],
            **fluxes[i],
            **significances[i],
            **kinds[i],
            **classes[i],
            **found[i],
            **inside[i],
            "xherald_version": version,
        }
        for i, identity in enumerate(batch.identities)
    ]


def _identity_fields(one: Identity) -> IdentityFields:
    return {
        "file": one.source_path,
        "mission": one.mission,
        "instrument": one.instrument,
        "obs_id": one.obs_id,
        "detection_id": one.detection_id,
    }


def _position_fields(one: Identity) -> PositionFields:
    return {
        "ra_deg": one.ra,
        "dec_deg": one.dec,
        "pos_err_arcsec": one.pos_err_arcsec,
        "off_axis_arcmin": one.off_axis_arcmin,
    }


def _exposure_fields(batch: EventBatch) -> list[ExposureFields]:
    photons_around = np.where(batch.area_ratio > 0, np.diff(batch.background_offsets), np.nan)
    background = photons_around * batch.area_ratio
    with np.errstate(invalid="ignore", divide="ignore"):
        net_rate = np.where(batch.livetime > 0, (batch.counts - background) / batch.livetime, np.nan)
    columns = zip(
        batch.counts.tolist(),
        nan_to_none(background),
        nan_to_none(np.sqrt(photons_around + 0.5) * batch.area_ratio),
        batch.livetime.tolist(),
        nan_to_none(net_rate),
        strict=True,
    )
    return [
        {
            "counts": counts,
            "background_counts": expected,
            "background_counts_error": error,
            "livetime_s": livetime,
            "net_rate_ct_s": rate,
        }
        for counts, expected, error, livetime, rate in columns
    ]


def _significance_fields(detections: Detections, index: I64) -> list[SignificanceFields]:
    timing = detections.detection_batch.timing
    probability = detections.false_alarm_probability[index]
    extrapolated: list[bool] = detections.extrapolated[index].tolist()
    variability: list[int] = timing.variability_index[index].tolist()
    ranking, per_1000 = nan_to_none(detections.ranking_statistic[index]), nan_to_none(1e3 * probability)
    far_hz, p_astro = nan_to_none(detections.far_hz[index]), nan_to_none(detections.p_astro[index])
    errors, is_own = nan_to_none(detections.probability_error[index]), detections.is_own_null[index].tolist()
    score, odds = nan_to_none(detections.score[index]), nan_to_none(timing.log10_odds[index])
    return [
        {
            "false_alarm_probability": p,
            "false_alarm_probability_error": errors[i],
            "null_hypothesis": None if p is None else "own" if is_own[i] else "pooled",
            "extrapolated": None if p is None else extrapolated[i],
            "ranking_statistic": ranking[i],
            "expected_false_alarms_per_1000": per_1000[i],
            "far_hz": far_hz[i],
            "p_astro": p_astro[i],
            "score": score[i],
            "variability_index": variability[i] if variability[i] >= 0 else None,
            "log10_odds": odds[i],
        }
        for i, p in enumerate(nan_to_none(probability))
    ]


def _kind_fields(detections: Detections, index: I64) -> list[KindFields]:
    probability = nan_to_none(detections.kind_probability[index])
    p_red_noise, error = nan_to_none(detections.p_red_noise[index]), nan_to_none(detections.p_red_noise_error[index])
    codes: list[int] = detections.detection_batch.direction[index].tolist()
    return [
        {
            "kind_probability": probability[i],
            "p_red_noise": p_red_noise[i],
            "p_red_noise_error": error[i],
            "direction": DIRECTIONS[code],
        }
        for i, code in enumerate(codes)
    ]


def _class_fields(detections: Detections, index: I64, identities: Sequence[Identity]) -> list[ClassFields]:
    ranked = _rank_classes(detections, index)
    rows = zip(
        ranked,
        _list_class_sets(detections, index, ranked),
        nan_to_none(detections.classes.novelty[index]),
        list_similar_transients(detections, index),
        index.tolist(),
        identities,
        strict=True,
    )
    return [
        {
            "likely_class": next(iter(found), None),
            "class_set": found,
            "class_coverage": detections.classes.coverage if found else None,
            "novelty": novelty,
            "class_probabilities": classes,
            "similar_to": similar,
            "vetoes": flag_rows(detections.vetoes, source),
            "flags": list(identity.flags),
        }
        for classes, found, novelty, similar, source, identity in rows
    ]


def list_similar_transients(detections: Detections, index: I64) -> list[list[SimilarTransient]]:
    """The known transients nearest to some sources, nearest first; empty lists without a reference."""
    near = detections.neighbours
    if near is None:
        return [[] for _ in index]
    publications = {name: one.publication for name, one in TEMPLATES.items()}
    names: list[list[str]] = near.names[index].tolist()
    kinds: list[list[str]] = near.kinds[index].tolist()
    distances: list[list[float]] = near.distances[index].tolist()
    return [
        [
            {"name": name, "kind": kind, "distance": distance, "publication": publications.get(name)}
            for name, kind, distance in zip(*source, strict=True)
            if math.isfinite(distance)
        ]
        for source in zip(names, kinds, distances, strict=True)
    ]


def _rank_classes(detections: Detections, index: I64) -> list[dict[str, float]]:
    """Class probabilities of some sources, highest first; empty where a source is not significant."""
    probabilities, own = detections.classes.probabilities[index], detections.classes.names
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=1)
    names = np.array(own, dtype=np.str_)[order] if own else order.astype(np.str_)
    tested = np.asarray(np.isfinite(probabilities).all(axis=1)).tolist()
    rows = zip(names.tolist(), ranked.tolist(), tested, strict=True)
    return [dict(zip(keys, values, strict=True)) if is_tested else {} for keys, values, is_tested in rows]


def _list_class_sets(detections: Detections, index: I64, ranked: list[dict[str, float]]) -> list[list[str]]:
    """Names of the classes in the sets of some sources, most probable first."""
    names, members = detections.classes.names, detections.classes.members[index]
    is_member: list[dict[str, bool]] = [dict(zip(names, row, strict=True)) for row in members.tolist()]
    return [[name for name in classes if row[name]] for classes, row in zip(ranked, is_member, strict=True)]


# --- intervals -------------------------------------------------------------------------------------------------------


def select_intervals(intervals: Intervals, index: I64) -> Intervals:
    """Intervals of some sources."""
    parts = (intervals.start, intervals.stop, intervals.livetime, intervals.counts, intervals.expected)
    return Intervals(*(part[index] for part in parts))


def _interval_fields(batch: EventBatch, found: Intervals) -> list[IntervalFields]:
    start_utc, stop_utc = utc_dates(batch, found.start), utc_dates(batch, found.stop)
    start, stop, duration = (nan_to_none(one) for one in (found.start, found.stop, found.stop - found.start))
    livetime, counts, expected = (nan_to_none(one) for one in (found.livetime, found.counts, found.expected))
    return [
        {
            "interval_start_utc": start_utc[i],
            "interval_stop_utc": stop_utc[i],
            "interval_start_s": start[i],
            "interval_stop_s": stop[i],
            "interval_duration_s": duration[i],
            "interval_livetime_s": livetime[i],
            "interval_counts": counts[i],
            "interval_expected_counts": expected[i],
        }
        for i in range(len(batch))
    ]


# --- hardness --------------------------------------------------------------------------------------------------------


def compute_hardness(detections: Detections, index: I64) -> Hardness:
    """Hardness before, inside and after the interval of some sources.

    The timing tests computed it for their own intervals; it is computed again where a detection has another interval,
    and for dips, whose bounding photons lie outside the interval.

    Parameters
    ----------
    detections : Detections
    index : ndarray, shape (k,)
    """
    from xherald.photons.statistics.hardness import hardness_posterior

    batch, timing = detections.detection_batch.batch, detections.detection_batch.timing
    intervals, own = select_intervals(detections.detection_batch.intervals, index), timing.intervals
    parts = [part[index].copy() for part in (timing.hardness.value, timing.hardness.low, timing.hardness.high)]
    with np.errstate(invalid="ignore"):
        other = (intervals.start != own.start[index]) | (intervals.stop != own.stop[index])
    is_dip = detections.significant[index] & (detections.detection_batch.direction[index] == DIP)
    chosen = np.flatnonzero(np.isfinite(intervals.start) & (other | is_dip))
    if chosen.size:
        some, found = batch.select(index[chosen]), select_intervals(intervals, chosen)
        counts, around = count_bands(some, found)
        posterior = hardness_posterior(
            counts[..., 0].ravel(),
            counts[..., 1].ravel(),
            around[..., 0].ravel(),
            around[..., 1].ravel(),
            np.repeat(some.area_ratio, 3),
        )
        for part, values in zip(parts, posterior, strict=True):
            part[chosen] = values.reshape(-1, 3)
    return Hardness(*parts)


def count_bands(batch: EventBatch, found: Intervals) -> tuple[I64, I64]:
    """Soft and hard photons before, inside and after each interval, in the aperture and in the background region.

    Returns
    -------
    counts, around : ndarray, shape (n, 3, 2)
    """
    return (
        _count_bands(batch.time, batch.energy, batch.offsets, batch.hardness_split, found),
        _count_bands(
            batch.background_time, batch.background_energy, batch.background_offsets, batch.hardness_split, found
        ),
    )


def _count_bands(time: F64, energy: NDArray[np.float32], offsets: I64, split: F64, found: Intervals) -> I64:
    n = len(offsets) - 1
    source = np.repeat(np.arange(n), np.diff(offsets))
    start, stop = found.start[source], found.stop[source]
    # A flare runs from its first photon to its last; a dip lies between the photons that bound it.
    is_brighter = (found.counts > found.expected)[source]
    is_before = (time < start) | ((time == start) & ~is_brighter)
    is_after = (time > stop) | ((time == stop) & ~is_brighter)
    part = np.where(is_before, BEFORE, np.where(is_after, AFTER, INSIDE))
    cell = 6 * source + 2 * part + (energy >= split[source])
    return np.bincount(cell, minlength=6 * n).reshape(n, 3, 2).astype(np.int64)


def _hardness_fields(ratio: Hardness) -> list[HardnessInsideFields]:
    value, low, high = (nan_to_none(part[:, INSIDE]) for part in (ratio.value, ratio.low, ratio.high))
    return [
        {"hardness_inside": value[i], "hardness_inside_low": low[i], "hardness_inside_high": high[i]}
        for i in range(len(value))
    ]
