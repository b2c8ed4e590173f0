"""Places of a field: its sources, and what each observation measures there, detected or not: `find_places`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xherald.catalog_store.ledger.history_records import FieldHistory, FieldObservation, FieldSource, Visit
from xherald.photons.arrays import F64
from xherald.photons.projection import separation_deg
from xherald.photons.sky_map import healpix_index
from xherald.photons.statistics.rates import ObservedCounts

from .same_event import MATCH_ERRORS, match_radius_arcsec

__all__ = ["MIN_FACTOR", "Place", "PlaceVisit", "find_places", "is_rejected"]

MIN_FACTOR: Final = 10.0
"""Observations at least so many times fainter than a bright one are compared with it; a detection above ends them."""

MAX_ERROR_ARCSEC: Final = 60.0
"""Largest position error with which a source is matched with those of other observations."""


@dataclass(frozen=True, slots=True, eq=False)
class PlaceVisit:
    """What an observation measures at a place.

    Parameters
    ----------
    observation : FieldObservation
    measured : ObservedCounts
    source : FieldSource or None — None if nothing was detected
    """

    observation: FieldObservation
    measured: ObservedCounts
    source: FieldSource | None = None

    @property
    def rate_ct_s(self) -> float:
        """Net count rate, at least 0."""
        return max(self.measured.counts - self.measured.background_counts, 0.0) / self.measured.exposure_s

    def as_visit(self) -> Visit:
        """The visit as the history of a position lists it."""
        one, found = self.observation.observation, self.source
        return Visit(
            one.obs_id,
            one.start,
            self.measured.counts,
            self.measured.background_counts,
            self.measured.exposure_s,
            None if found is None else found.detection.detection_id,
            None if found is None else found.candidate_id,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A position and the observations of it that the present one can be compared with, in the order of time.

    Parameters
    ----------
    visits : tuple of PlaceVisit
        Of several lists with one obs_id only one; without those whose counts are those of another source. They end on
        either side with the first detection near the brightest rate.
    present : int — index of the present observation
    list_all : callable — visits of all observations, also those beyond
    """

    visits: tuple[PlaceVisit, ...]
    present: int
    list_all: Callable[[], tuple[PlaceVisit, ...]]


def find_places(field: FieldHistory) -> Iterator[Place]:
    """Places of the sources in a field that the present observation and at least one other measure.

    The sources of the present observation come first. A detection is of a place if it agrees with the first one there
    within three times the errors of both (`same_event.match_radius_arcsec`), the nearest one of each observation. Where
    nothing was detected, the sky map gives counts and exposure. Sources that a veto rejects are no measurement.
    """
    every = [_Prepared(one) for one in (field.present, *field.others) if one.observation.start is not None]
    if len(every) < 2 or every[0].observation is not field.present:
        return
    present = every[0]
    every.sort(key=_time_order)
    owner = np.repeat(np.arange(len(every)), [len(one.sources) for one in every])
    row = np.concatenate([np.arange(len(one.sources)) for one in every])
    match = _make_matcher(np.concatenate([one.position for one in every]), np.concatenate([one.error for one in every]))
    is_known = np.zeros(len(owner), dtype=np.bool_)
    for index in np.lexsort((-owner, owner != every.index(present))).tolist():
        if is_known[index]:
            continue
        nearest = {int(owner[other]): other for other in reversed(match(index))}
        is_known[list(nearest.values())] = True
        first = every[owner[index]].sources[row[index]]
        if not is_rejected(first):
            rows = [int(row[nearest[number]]) if number in nearest else None for number in range(len(every))]
            place = _make_place(every, rows, first, every.index(present))
            if place is not None:
                yield place


def is_rejected(source: FieldSource) -> bool:
    """Whether a veto rejects a source: it may be an artefact, such as a hot pixel."""
    return any(flag["rejects"] for flag in source.detection.details.get("raised_flags", ()))


class _Prepared:
    """An observation with its sources as arrays."""

    def __init__(self, observation: FieldObservation) -> None:
        self.observation = observation
        self.sources: Sequence[FieldSource] = observation.sources
        found = [one.detection for one in self.sources]
        self.position = np.array([(one.ra_deg, one.dec_deg) for one in found], dtype=np.float64).reshape(-1, 2)
        self.error = np.minimum([one.pos_err_arcsec or 0.0 for one in found], MAX_ERROR_ARCSEC)

    @cached_property
    def source_pixels(self) -> NDArray[np.int64]:
        """Pixels of the sky map that contain a source."""
        assert self.observation.sky is not None
        return np.unique(healpix_index(self.position[:, 0], self.position[:, 1], self.observation.sky.order))

    def visit(self, place: FieldSource, row: int | None) -> PlaceVisit | None:
        """What it measures at the position of a source, of which it has the detection in a row; None if nothing."""
        if row is not None:
            return self._visit_detection(self.sources[row])
        sky, where = self.observation.sky, place.detection
        if sky is None:
            return None
        seen = sky.sample(where.ra_deg or 0.0, where.dec_deg or 0.0, where.pos_err_arcsec or 0.0)
        if seen is None or (len(self.sources) and np.isin(self.source_pixels, seen.pixels).any()):
            return None
        return PlaceVisit(self.observation, ObservedCounts(seen.counts, seen.background, seen.exposure_s))

    def _visit_detection(self, source: FieldSource) -> PlaceVisit | None:
        one = source.detection
        exposure = one.livetime_s * float(one.details.get("psf_fraction") or 1.0)
        if exposure <= 0 or is_rejected(source):
            return None
        return PlaceVisit(self.observation, ObservedCounts(one.counts, one.background_counts, exposure), source)


def _time_order(one: _Prepared) -> tuple[float, str]:
    start = one.observation.observation.start
    assert start is not None
    return start.timestamp(), one.observation.observation.obs_id


def _make_matcher(position: F64, error: F64) -> Callable[[int], list[int]]:
    """Make a function that returns the indices of the detections at the place of one, the nearest first."""
    from scipy.spatial import cKDTree

    lon, lat = np.radians(position).T
    tree = cKDTree(np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]))
    reach = np.radians(match_radius_arcsec(error.max(initial=0.0), 0.0) + MATCH_ERRORS * error) / 3600.0

    def match(index: int) -> list[int]:
        rows = np.array(sorted(tree.query_ball_point(tree.data[index], reach[index])))
        away = separation_deg(*position[rows].T, *position[index]) * 3600.0
        is_same = away <= [match_radius_arcsec(error[index], error[row]) for row in rows]
        found: list[int] = rows[is_same][np.argsort(away[is_same], kind="stable")].tolist()
        return found

    return match


def _make_place(
    every: Sequence[_Prepared], rows: Sequence[int | None], first: FieldSource, present: int
) -> Place | None:
    """Observations of the position of a source; None without the present observation or without any other.

    Parameters
    ----------
    every : sequence of _Prepared — in the order of time
    rows : sequence of int or None — the source's row in each
    first : FieldSource
    present : int
    """

    def measure(begin: int, end: int) -> tuple[PlaceVisit, ...]:
        chosen = zip(every[begin:end], rows[begin:end], strict=True)
        return _choose_lists([visit for one, row in chosen if (visit := one.visit(first, row)) is not None])

    rates = [0.0] * len(every)
    for number, (one, row) in enumerate(zip(every, rows, strict=True)):
        visit = None if row is None else one.visit(first, row)
        rates[number] = 0.0 if visit is None else visit.rate_ct_s
    ends = [number for number, rate in enumerate(rates) if MIN_FACTOR * rate > max(rates)]
    begin = max((number for number in ends if number < present), default=0)
    end = min((number for number in ends if number > present), default=len(every) - 1) + 1
    visits = measure(begin, end)
    index = next((index for index, one in enumerate(visits) if one.observation is every[present].observation), None)
    if index is None or len(visits) < 2:
        return None
    return Place(visits, index, lambda: measure(0, len(every)))


def _choose_lists(visits: Sequence[PlaceVisit]) -> tuple[PlaceVisit, ...]:
    """One visit of each obs_id, that with a detection, else with the longest exposure."""
    best: dict[object, PlaceVisit] = {}
    for one in visits:
        key = one.observation.observation.obs_id or id(one.observation)
        if key not in best or _rank(one) > _rank(best[key]):
            best[key] = one
    return tuple(one for one in visits if any(one is other for other in best.values()))


def _rank(visit: PlaceVisit) -> tuple[bool, float]:
    return visit.source is not None, visit.measured.exposure_s
