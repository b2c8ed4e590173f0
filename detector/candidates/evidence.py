"""What speaks for and against a candidate, in numbers with their uncertainty: `Evidence`, in JSON's own types.

On the road this stands behind the verdict (`detector.detection`): rows, the plot sheet, the command line and alerts all
tell of a candidate what stands here, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xherald.detector.results.json_columns import (
    Interval,
    Value68,
    intervals_to_json,
    nan_to_none,
    utc_dates,
    values_to_json,
)
from xherald.detector.results.version import code_version
from xherald.detector.scoring.veto_flags import RaisedFlag, flag_rows
from xherald.photons.arrays import F64, I64
from xherald.photons.statistics.result import DIP, FLARE, STEADY, Intervals
from xherald.photons.times import SECONDS_A_DAY

from .candidate_id import candidate_id
from .evidence_measures import excess, hardness_change, poisson_interval, rate_ratio

if TYPE_CHECKING:
    from xherald.detector.scoring.detections import Detections
    from xherald.photons import EventBatch
    from xherald.photons.statistics.clock import NullClock

    from .position_history import History

__all__ = [
    "KINDS",
    "T90",
    "Evidence",
    "FalseAlarm",
    "HardnessChange",
    "Kind",
    "Peak",
    "Place",
    "Position",
    "SimilarTransient",
    "Versions",
    "classes_to_json",
    "evidence_of",
    "similar_transients",
]


Kind = Literal["flare", "dip", "steady"]
KINDS: Final[dict[int, Kind]] = {FLARE: "flare", DIP: "dip", STEADY: "steady"}


class Position(TypedDict):
    """Where it is: ICRS deg, the 68 % radius with the astrometry in arcsec, arcmin from the optical axis."""

    ra: float | None
    dec: float | None
    error_arcsec: float | None
    off_axis_arcmin: float | None


class Peak(TypedDict):
    """The brightest stretch: counts a second of livetime, background among them, and when."""

    rate: Value68
    interval: Interval
    over: Literal["brightest Bayesian block", "interval"]


class T90(TypedDict):
    """Good time in which the middle 90 % of a flare's counts came, s, and the instants that bound it."""

    seconds: Value68
    start_utc: str | None
    stop_utc: str | None
    start_s: float
    stop_s: float


class HardnessChange(TypedDict):
    """Hardness (H − S) / (H + S) of the source alone inside and outside the interval, and their difference."""

    inside: Value68 | None
    outside: Value68 | None
    change: Value68 | None
    sigma: float | None


class FalseAlarm(TypedDict):
    """How often chance does that: to one source, to a thousand of them, and in the stream that the file is of."""

    probability: float | None
    per_1000_sources: float | None
    one_in_sources: float | None
    far_hz: float | None
    per_day: float | None


class SimilarTransient(TypedDict):
    """A bona-fide transient that it is like: its name, its kind, and how far away it is in feature space."""

    name: str
    kind: str
    distance: float


class Place(TypedDict):
    """Where it is on a reference's map, and how far the k-th nearest ordinary source is in feature space."""

    reference: str
    case: str
    x: float
    y: float
    ordinary_distance: float | None


class Versions(TypedDict):
    """What made the verdict."""

    xherald: str
    calibration: str
    reference: str | None


class Evidence(TypedDict):
    """Everything that is told of a candidate; None where it is not known.

    `expected` is what the photons outside the interval predict for inside, `background_inside` what of the counts
    inside the background region accounts for, `fluence_counts` what came beyond `expected` (below zero for a dip),
    `contrast` the rate inside over the rate outside, background included in both, `history` what the store knows of the
    place (a scan asks no store).
    """

    candidate_id: str
    kind: Kind
    file: str
    mission: str
    instrument: str
    obs_id: str
    detection_id: str
    position: Position
    band_kev: list[float]
    livetime_s: float
    counts: int
    background_counts: float | None
    interval: Interval | None
    counts_inside: Value68 | None
    expected: Value68 | None
    background_inside: Value68 | None
    fluence_counts: Value68 | None
    contrast: Value68 | None
    t90: T90 | None
    peak: Peak | None
    hardness: HardnessChange
    variability_index: int | None
    log10_odds: float | None
    false_alarm: FalseAlarm
    p_astro: float | None
    score: float | None
    class_probabilities: dict[str, float]
    similar_to: list[SimilarTransient]
    place: Place | None
    history: History | None
    flags: list[str]
    vetoes: list[RaisedFlag]
    versions: Versions


def evidence_of(detections: Detections, which: ArrayLike) -> list[Evidence]:
    """Put together what is told of some of the sources of a file.

    Parameters
    ----------
    detections : Detections
        n sources.
    which : array_like of int, or of bool of shape (n,)
        Sources to tell of.

    Returns
    -------
    list of Evidence
        In the order of `which`.
    """
    chosen = np.asarray(which)
    index = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen.astype(np.int64)
    if not index.size:
        return []
    columns = _columns(detections, index)
    rows: list[Any] = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return rows


def similar_transients(detections: Detections, index: I64) -> list[list[SimilarTransient]]:
    """The nearest bona-fide transients of some sources, nearest first; empty without a reference."""
    near = detections.neighbours
    if near is None:
        return [[] for _ in index]
    names: list[list[str]] = near.names[index].tolist()
    kinds: list[list[str]] = near.kinds[index].tolist()
    distances: list[list[float]] = near.distances[index].tolist()
    return [
        [
            {"name": name, "kind": kind, "distance": distance}
            for name, kind, distance in zip(*source, strict=True)
            if math.isfinite(distance)
        ]
        for source in zip(names, kinds, distances, strict=True)
    ]


def classes_to_json(detections: Detections, index: I64) -> list[dict[str, float]]:
    """Class probabilities of some sources, the likeliest first; empty where a source was not tested."""
    probabilities = detections.class_probabilities[index]
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=1)
    names = np.array(detections.classes, dtype=np.str_)[order] if detections.classes else order.astype(np.str_)
    tested = np.asarray(np.isfinite(probabilities).all(axis=1)).tolist()
    rows = zip(names.tolist(), ranked.tolist(), tested, strict=True)
    return [dict(zip(keys, values, strict=True)) if there else {} for keys, values, there in rows]


def _columns(detections: Detections, index: I64) -> dict[str, list[Any]]:
    detection_batch = detections.detection_batch
    batch, timing = detection_batch.batch.select(index), detection_batch.timing
    identities = batch.identities
    found, peak = _chosen(detection_batch.intervals, index), _chosen(timing.peak, index)
    direction = detection_batch.direction[index]
    indices = timing.variability_index[index].tolist()
    return {
        "candidate_id": [
            candidate_id(one.identity, one.time, code) for one, code in zip(batch, direction.tolist(), strict=True)
        ],
        "kind": [KINDS[code] for code in direction.tolist()],
        "file": [one.source_path for one in identities],
        **{name: [getattr(one, name) for one in identities] for name in _NAMES},
        "position": [
            {
                "ra": one.ra,
                "dec": one.dec,
                "error_arcsec": one.pos_err_arcsec,
                "off_axis_arcmin": one.off_axis_arcmin,
            }
            for one in identities
        ],
        "band_kev": batch.band.tolist(),
        "livetime_s": batch.livetime.tolist(),
        "counts": batch.counts.tolist(),
        "background_counts": nan_to_none(np.where(batch.area_ratio > 0, batch.background_counts, np.nan)),
        "interval": intervals_to_json(batch, found),
        **_counted(batch, found),
        **_shaped(batch, found, peak, direction, _blocks(detections, index)),
        "hardness": _hardness(batch, found),
        "variability_index": [value if value >= 0 else None for value in indices],
        "log10_odds": nan_to_none(timing.log10_odds[index]),
        "false_alarm": _false_alarms(detections.false_alarm_probability[index], detections.far_hz[index]),
        "p_astro": nan_to_none(detections.p_astro[index]),
        "score": nan_to_none(detections.score[index]),
        "class_probabilities": classes_to_json(detections, index),
        "similar_to": similar_transients(detections, index),
        "place": _places(detections, index),
        "history": [None] * len(index),
        "flags": [list(one.flags) for one in identities],
        "vetoes": [flag_rows(detections.vetoes, one) for one in index.tolist()],
        "versions": _versions(detections, len(index)),
    }


_NAMES: Final = ("mission", "instrument", "obs_id", "detection_id")


def _chosen(intervals: Intervals, index: I64) -> Intervals:
    parts = (intervals.start, intervals.stop, intervals.livetime, intervals.counts, intervals.expected)
    return Intervals(*(part[index] for part in parts))


# --- counts ----------------------------------------------------------------------------------------------------------


def _counted(batch: EventBatch, found: Intervals) -> dict[str, list[Value68 | None]]:
    """Counts inside, expected, of the background, beyond those expected; and the contrast."""
    tested = batch.counts - np.where(batch.good_times_known, 0, 2)
    outside = tested - found.counts
    scale = _exposure_ratio(batch, found, outside)
    few, many = poisson_interval(outside)
    expected = outside * scale, few * scale, many * scale
    return {
        "counts_inside": values_to_json(found.counts, *poisson_interval(found.counts)),
        "expected": values_to_json(*expected),
        "background_inside": values_to_json(*_background_inside(batch, found)),
        "fluence_counts": values_to_json(*excess(found.counts, *expected)),
        "contrast": values_to_json(*rate_ratio(found.counts, outside, scale)),
    }


def _exposure_ratio(batch: EventBatch, found: Intervals, outside: F64) -> F64:
    """Counts expected inside a photon outside; by livetime where no photon outside tells it."""
    rest = np.maximum(batch.livetime - found.livetime, 0.0)
    by_time = np.divide(found.livetime, rest, out=np.full(rest.shape, np.nan), where=rest > 0)
    ratio: F64 = np.divide(found.expected, outside, out=by_time, where=outside > 0)
    return ratio


def _background_inside(batch: EventBatch, found: Intervals) -> tuple[F64, F64, F64]:
    """Background among the photons inside, by the background region's photons of the same time."""
    source = np.repeat(np.arange(len(batch)), np.diff(batch.background_offsets))
    during = (batch.background_time >= found.start[source]) & (batch.background_time <= found.stop[source])
    around = np.bincount(source[during], minlength=len(batch)).astype(np.float64)
    around[(batch.area_ratio == 0) | ~np.isfinite(found.start)] = np.nan
    low, high = poisson_interval(around)
    return around * batch.area_ratio, low * batch.area_ratio, high * batch.area_ratio


# --- duration and peak -----------------------------------------------------------------------------------------------


def _blocks(detections: Detections, index: I64) -> tuple[F64, I64]:
    """Edges of the Bayesian blocks of some sources, mission seconds, flat, and where each source's begin."""
    timing = detections.detection_batch.timing
    lengths = np.diff(timing.block_offsets)[index]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = np.arange(offsets[-1]) + np.repeat(timing.block_offsets[index] - offsets[:-1], lengths)
    return timing.block_edges[rows], offsets


def _shaped(
    batch: EventBatch, found: Intervals, peak: Intervals, direction: NDArray[np.int8], blocks: tuple[F64, I64]
) -> dict[str, list[Any]]:
    """T90 and peak of the flares; a dip has neither."""
    from xherald.photons.statistics.clock import null_clock

    clock = null_clock(batch)
    flares = direction == FLARE
    return {
        "t90": _durations(batch, clock, found, flares, blocks),
        "peak": _peaks(batch, found, peak, flares),
    }


def _durations(
    batch: EventBatch, clock: NullClock, found: Intervals, flares: NDArray[np.bool_], blocks: tuple[F64, I64]
) -> list[T90 | None]:
    from xherald.photons.statistics.intervals import to_mission_time

    from .durations import event_windows, middle_90

    edges, offsets = blocks
    every = np.arange(len(batch))
    half = 0.5 * batch.frame_time
    ends = (np.where(flares, found.start - half, np.nan), found.stop + half)
    window = np.column_stack([_on_clock(batch, clock, one, every) for one in ends])
    marks = _on_clock(batch, clock, edges, np.repeat(every, np.diff(offsets)))
    window = event_windows(window, marks, offsets, clock.u, clock.offsets)
    start, stop, low, high = middle_90(clock.u, clock.offsets, window)
    there = np.flatnonzero(np.isfinite(start) & np.isfinite(stop))
    out: list[T90 | None] = [None] * len(batch)
    if not there.size:
        return out
    times = [to_mission_time(batch, clock, one[there], there) for one in (start, stop)]
    seconds, width = times[1][1] - times[0][1], (stop - start)[there]
    # The clock is livetime but for a background that changes: limits scale as the width does.
    scale = np.divide(seconds, width, out=batch.livetime[there].copy(), where=width > 0)
    # Nothing shorter than a frame is known to be shorter.
    upper = np.maximum(high[there] * scale, batch.frame_time[there])
    lengths = values_to_json(seconds, low[there] * scale, np.maximum(upper, seconds))
    chosen = batch.select(there)
    dates = [utc_dates(chosen, one) for one, _ in times]
    for place, (row, length) in enumerate(zip(there.tolist(), lengths, strict=True)):
        if length is not None:
            out[row] = {
                "seconds": length,
                "start_utc": dates[0][place],
                "stop_utc": dates[1][place],
                "start_s": float(times[0][0][place]),
                "stop_s": float(times[1][0][place]),
            }
    return out


def _on_clock(batch: EventBatch, clock: NullClock, time: F64, source: I64) -> F64:
    """Where mission times of the given sources lie on the clock of the null hypothesis."""
    from .durations import on_clock

    knots = (clock.knot_livetime, clock.knot_u, clock.knot_offsets)
    placed: F64 = on_clock(time, source, batch.gti, batch.gti_fraction, batch.gti_offsets, *knots)
    return placed


def _peaks(batch: EventBatch, found: Intervals, peak: Intervals, flares: NDArray[np.bool_]) -> list[Peak | None]:
    """The brightest Bayesian block, or the interval where the light curve is one block."""
    block = np.isfinite(peak.start)
    parts = ("start", "stop", "livetime", "counts", "expected")
    best = Intervals(*(np.where(block, getattr(peak, part), getattr(found, part)) for part in parts))
    low, high = poisson_interval(best.counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = values_to_json(
            *(np.where(best.livetime > 0, part / best.livetime, np.nan) for part in (best.counts, low, high))
        )
    told_of = zip(rates, intervals_to_json(batch, best), block.tolist(), flares.tolist(), strict=True)
    return [
        {"rate": rate, "interval": when, "over": "brightest Bayesian block" if blocked else "interval"}
        if flare and rate is not None and when is not None
        else None
        for rate, when, blocked, flare in told_of
    ]


# --- hardness --------------------------------------------------------------------------------------------------------


def _hardness(batch: EventBatch, found: Intervals) -> list[HardnessChange]:
    """Hardness inside and outside the interval, and the change."""
    from xherald.photons.statistics.hardness import hardness_posterior

    columns = []
    bands = [
        _bands(time, energy, offsets, batch.hardness_split, found)
        for time, energy, offsets in (
            (batch.time, batch.energy, batch.offsets),
            (batch.background_time, batch.background_energy, batch.background_offsets),
        )
    ]
    unknown = ~np.isfinite(found.start)
    for where in (1, 0):
        (soft, hard), (around_soft, around_hard) = (band[:, where].T for band in bands)
        parts = hardness_posterior(soft, hard, around_soft, around_hard, batch.area_ratio)
        value, low, high = (np.where(unknown, np.nan, part) for part in parts)
        columns.append((value, low, high))
    inside, outside = columns
    *change, sigma = hardness_change(inside, outside)
    rows = zip(
        values_to_json(*inside), values_to_json(*outside), values_to_json(*change), nan_to_none(sigma), strict=True
    )
    return [{"inside": a, "outside": b, "change": c, "sigma": d} for a, b, c, d in rows]


def _bands(time: F64, energy: NDArray[np.float32], offsets: I64, split: F64, found: Intervals) -> I64:
    """Photons outside and inside, soft and hard, shape (n, 2, 2)."""
    n = len(offsets) - 1
    source = np.repeat(np.arange(n), np.diff(offsets))
    inside = (time > found.start[source]) & (time < found.stop[source])
    # A flare runs from its first photon to its last; a dip lies between the photons that bound it.
    bounds = (time == found.start[source]) | (time == found.stop[source])
    inside |= bounds & (found.counts > found.expected)[source]
    cell = 4 * source + 2 * inside + (energy >= split[source])
    return np.bincount(cell, minlength=4 * n).reshape(n, 2, 2).astype(np.int64)


# --- verdict ---------------------------------------------------------------------------------------------------------


def _false_alarms(probability: F64, far_hz: F64) -> list[FalseAlarm]:
    with np.errstate(divide="ignore"):
        columns = (probability, 1e3 * probability, 1.0 / probability, far_hz, far_hz * SECONDS_A_DAY)
    rows: list[Any] = [
        dict(zip(FalseAlarm.__annotations__, values, strict=True))
        for values in zip(*(nan_to_none(column) for column in columns), strict=True)
    ]
    return rows


def _places(detections: Detections, index: I64) -> list[Place | None]:
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


def _versions(detections: Detections, n: int) -> Sequence[Versions]:
    near, reference = detections.neighbours, detections.detection_batch.reference
    held = near.reference if near else f"{reference.name}@{reference.version}" if reference else None
    code = code_version()
    return [{"xherald": code, "calibration": detections.calibration, "reference": held} for _ in range(n)]
