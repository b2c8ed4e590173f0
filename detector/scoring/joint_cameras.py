"""The photons of one source in several cameras of an observation as one list: `join_cameras`.

A flare is split between cameras that look at the same sky at the same time, such as MOS1, MOS2 and pn. One test of all
photons finds weaker ones than a test of each camera. `match_cameras` finds which detections are of one source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from xherald.detector.candidates.same_event import MATCH_ERRORS, MIN_MATCH_ARCSEC
from xherald.detector.extraction.forced_sources import FORCED_FLAG
from xherald.photons import Background, EventBatch, EventList, Exposure, Identity, Wings
from xherald.photons.projection import separation_deg

if TYPE_CHECKING:
    from xherald.photons.arrays import F64, I64

__all__ = ["ABSENT", "join_cameras", "main_cameras", "match_cameras"]

MAX_DIFFERENCE: Final = 0.02
"""Largest difference between the fractions of two exposures that have passed at any time, for them to be the same."""

ABSENT: Final = -1
"""Index of a source in a camera that does not have it."""


def match_cameras(batches: Sequence[EventBatch]) -> I64:
    """The sources of an observation by position, each once, in all cameras that detected it.

    Two detections are of one source if each is the nearest to the other, within three times their errors. Detections
    that cannot be tested are left out.

    Parameters
    ----------
    batches : sequence of EventBatch
        One for each camera.

    Returns
    -------
    ndarray, shape (m, cameras), int64
        Index of each source in each batch, `ABSENT` where that camera did not detect it. Sources with most counts come
        first.
    """
    places = [_positions(batch) for batch in batches]
    owner = [np.full(len(batch), ABSENT, dtype=np.int64) for batch in batches]
    seeds = sorted(
        ((int(count), camera, i) for camera, batch in enumerate(batches) for i, count in enumerate(batch.counts)),
        key=lambda one: (-one[0], one[1], one[2]),
    )
    rows: list[list[int]] = []
    for _, camera, i in seeds:
        if owner[camera][i] != ABSENT or not np.isfinite(places[camera][i, 0]):
            continue
        row = [ABSENT] * len(batches)
        row[camera] = i
        for other in range(len(batches)):
            if other != camera:
                row[other] = _find_counterpart(places[camera], i, places[other], owner[other])
        for other, index in enumerate(row):
            if index != ABSENT:
                owner[other][index] = len(rows)
        rows.append(row)
    return np.array(rows, dtype=np.int64).reshape(-1, len(batches))


def main_cameras(batches: Sequence[EventBatch], matches: I64) -> I64:
    """The camera with most counts of each source, shape (m,)."""
    counts = np.full(matches.shape, ABSENT, dtype=np.int64)
    for camera, batch in enumerate(batches):
        found = matches[:, camera] != ABSENT
        counts[found, camera] = batch.counts[matches[found, camera]]
    main: I64 = np.argmax(counts, axis=1).astype(np.int64)
    return main


def join_cameras(batches: Sequence[EventBatch], matches: I64) -> EventBatch:
    """Join the photons of each source in all cameras.

    The photons are merged by time. The fraction of the joint exposure is the sum of the cameras' fractions, each
    weighted by the count rate that the camera measures, relative to all cameras together: a steady source follows it,
    whichever cameras are on. Background photons are merged with the area ratio that conserves the background expected
    in the apertures.

    Parameters
    ----------
    batches : sequence of EventBatch
        One for each camera, with one zero point of mission time and one energy band.
    matches : ndarray, shape (m, cameras), int64
        Index of each source in each batch; `ABSENT` where a camera has none.

    Returns
    -------
    EventBatch
        Of m sources. Each has the name and flags of all its cameras, the best position, and the id and the file of the
        camera with most counts among those that detected it.
    """
    lists = []
    for row in matches.tolist():
        found = [(camera, index) for camera, index in enumerate(row) if index != ABSENT]
        lists.append(_join([batches[camera][index] for camera, index in found]))
    return EventBatch.from_lists(lists)


def _join(sources: Sequence[EventList]) -> EventList:
    main = max(sources, key=lambda one: (FORCED_FLAG not in one.identity.flags, len(one)))
    time, energy = (np.concatenate([getattr(one, name) for one in sources]) for name in ("time", "energy"))
    order = np.argsort(time, kind="stable")
    exposure = _join_exposures(sources)
    has_weights = _can_weigh(sources, exposure)
    return EventList(
        time=time[order],
        energy=energy[order],
        exposure=exposure,
        identity=_join_identities(sources, main),
        # Photons of the faster camera are spread over the frames of the slowest: nothing shorter is tested.
        frame_time=max(one.frame_time for one in sources),
        band=main.band,
        hardness_split=main.hardness_split,
        background=_join_backgrounds(sources),
        good_times_known=all(one.good_times_known for one in sources),
        selection_p=min(one.selection_p for one in sources),
        selection_trials=max(one.selection_trials for one in sources),
        weight=np.concatenate([one.known_weight for one in sources])[order] if has_weights else None,
        wings=_join_wings(sources) if has_weights else None,
    )


def _can_weigh(sources: Sequence[EventList], joint: Exposure) -> bool:
    """Whether the photons of all cameras together may have weights.

    Weights differ between cameras and must not tell the time: every camera has the exposure of all together. Photons of
    a camera without weights would count as surely the source's beside those of a camera with weights.
    """
    edges = joint.gti.ravel()
    expected = joint.livetime_at(edges) / joint.livetime
    for one in sources:
        arrived = one.exposure.livetime_at(edges) / one.exposure.livetime
        if np.abs(arrived - expected).max() > MAX_DIFFERENCE or (len(one) and not (one.known_weight < 1).any()):
            return False
    return True


def _join_exposures(sources: Sequence[EventList]) -> Exposure:
    """Exposure whose livetime times the sum of the cameras' count rates is the number of photons."""
    counted = [one for one in sources if len(one)] or list(sources)
    rates = np.array([max(len(one), 1) / one.livetime for one in counted])
    starts, stops, steps = [], [], []
    for one, rate in zip(counted, rates / rates.sum(), strict=True):
        starts.append(one.exposure.gti[:, 0])
        stops.append(one.exposure.gti[:, 1])
        steps.append(rate * one.live_fraction * one.exposure.fraction)
    step = np.concatenate(steps)
    edges, index = np.unique(np.concatenate([*starts, *stops]), return_inverse=True)
    level = np.cumsum(np.bincount(index, weights=np.concatenate([step, -step]), minlength=len(edges)))
    number = np.cumsum(np.bincount(index[: len(step)], minlength=len(edges)) - np.bincount(index[len(step) :]))
    is_on = number[:-1] > 0
    gti: F64 = np.column_stack([edges[:-1], edges[1:]])[is_on]
    return Exposure(gti, np.clip(level[:-1][is_on], np.finfo(np.float64).tiny, 1.0))


def _join_backgrounds(sources: Sequence[EventList]) -> Background | None:
    """Background photons of all cameras; their ratios of areas are averaged, weighted by the photons."""
    regions = [one.background for one in sources if one.background is not None]
    if not regions:
        return None
    time, energy = (np.concatenate([getattr(one, name) for one in regions]) for name in ("time", "energy"))
    order = np.argsort(time, kind="stable")
    counts, ratios = np.array([len(one.time) for one in regions]), np.array([one.area_ratio for one in regions])
    ratio = float(counts @ ratios / counts.sum()) if counts.any() else float(ratios.mean())
    return Background(time[order], energy[order], ratio)


def _join_wings(sources: Sequence[EventList]) -> Wings | None:
    """Photons of all cameras beyond the edges of their apertures, by time."""
    wings = [one.wings for one in sources if one.wings is not None]
    if not wings:
        return None
    time, energy, weight = (
        np.concatenate([getattr(one, name) for one in wings]) for name in ("time", "energy", "weight")
    )
    order = np.argsort(time, kind="stable")
    return Wings(time[order], energy[order], weight[order])


def _join_identities(sources: Sequence[EventList], main: EventList) -> Identity:
    best = best_position([one.identity for one in sources], main.identity)
    return replace(
        main.identity,
        instrument="+".join(sorted({one.identity.instrument for one in sources})),
        ra=best.ra,
        dec=best.dec,
        pos_err_arcsec=best.pos_err_arcsec,
        flags=tuple(dict.fromkeys(flag for one in sources for flag in one.identity.flags if flag != FORCED_FLAG)),
    )


def best_position(identities: Sequence[Identity], main: Identity) -> Identity:
    """The identity with the smallest position error; `main` if none has an error."""
    known = [one for one in identities if one.pos_err_arcsec is not None]
    return min(known, key=lambda one: one.pos_err_arcsec or 0.0, default=main)


def _positions(batch: EventBatch) -> F64:
    """Right ascension, declination (deg) and error (arcsec) of each source; NaN for those that cannot be joined."""
    rows = [(one.ra, one.dec, one.pos_err_arcsec or 0.0) for one in batch.identities]
    places = np.array([(np.nan, np.nan, 0.0) if row[0] is None else row for row in rows], dtype=np.float64)
    places = places.reshape(-1, 3)
    places[~batch.is_testable] = np.nan
    return places


def _find_counterpart(mine: F64, index: int, theirs: F64, owner: I64) -> int:
    """The free source that is nearest, if it is near enough and has no nearer one; `ABSENT` if there is none."""
    free = np.flatnonzero((owner == ABSENT) & np.isfinite(theirs[:, 0]))
    if not free.size:
        return ABSENT
    away = separation_deg(theirs[free, 0], theirs[free, 1], mine[index, 0], mine[index, 1]) * 3600.0
    nearest = int(free[np.argmin(away)])
    radius = max(MIN_MATCH_ARCSEC, MATCH_ERRORS * float(np.hypot(mine[index, 2], theirs[nearest, 2])))
    if float(away.min()) > radius:
        return ABSENT
    back = separation_deg(mine[:, 0], mine[:, 1], theirs[nearest, 0], theirs[nearest, 1]) * 3600.0
    return nearest if int(np.nanargmin(back)) == index else ABSENT
