"""Places of a field: its sources, and what each observation measures there, detected or not: `find_places`."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from xherald.catalog_store.ledger.history_records import FieldHistory, FieldObservation, FieldSource, Visit
from xherald.photons.arrays import F64
from xherald.photons.projection import separation_deg
from xherald.photons.sky_map import healpix_index
from xherald.photons.statistics.rates import ObservedCounts

from .same_event import MATCH_ERRORS, match_radius_arcsec

__all__ = ["MIN_FACTOR", "Place", "PlaceVisit", "find_places", "is_rejected"]

MIN_FACTOR: Final = 10.0
"""Observations at least so many times fainter than a bright one are compared with it; a detection above ends them."""

BACKGROUND_ERROR: Final = 0.05
"""Relative error of the background of a sky map, which is measured in far more than the point spread and stored in
steps of 3 %, and of a detection's where its own error is unknown."""

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
    dated = [one for one in (field.present, *field.others) if one.observation.start is not None]
    if len(dated) < 2 or dated[0] is not field.present:
        return
    every = [_Prepared(number, one) for number, one in enumerate(sorted(dated, key=_time_order))]
    present = next(one.number for one in every if one.observation is field.present)
    matched = list(_match_sources(every, present))
    for one in every:
        is_wanted = (place.begin <= one.number < place.end and one.number not in place.rows for place in matched)
        one.measure_undetected(list(itertools.compress(matched, is_wanted)))
    for place in matched:
        visits = _choose_lists([one.visit(place) for one in every[place.begin : place.end]])
        index = next((i for i, one in enumerate(visits) if one.observation is field.present), None)
        if index is not None and len(visits) > 1:
            yield Place(visits, index, functools.partial(_list_all, every, place))


def is_rejected(source: FieldSource) -> bool:
    """Whether a veto rejects a source: it may be an artefact, such as a hot pixel."""
    return any(flag["rejects"] for flag in source.detection.details.get("raised_flags", ()))


@dataclass(frozen=True, slots=True, eq=False)
class _Matched:
    """A source, its row in each observation that detects it, and the observations that it is measured in."""

    first: FieldSource
    rows: Mapping[int, int]
    begin: int
    end: int


class _Prepared:
    """An observation with its sources as arrays."""

    def __init__(self, number: int, observation: FieldObservation) -> None:
        self.number = number
        self.observation = observation
        self.sources: Sequence[FieldSource] = observation.sources
        found = [one.detection for one in self.sources]
        self.position = np.array([(one.ra_deg, one.dec_deg) for one in found], dtype=np.float64).reshape(-1, 2)
        self.error = np.minimum([one.pos_err_arcsec or 0.0 for one in found], MAX_ERROR_ARCSEC)
        self.detections = [self._visit_detection(one) for one in self.sources]
        self._undetected: dict[_Matched, PlaceVisit | None] = {}

    def measure_undetected(self, places: Sequence[_Matched]) -> None:
        """Measure the sky map at places without a detection; None outside it and next to a source."""
        sky = self.observation.sky
        if sky is None or not places:
            self._undetected |= dict.fromkeys(places)
            return
        where = [place.first.detection for place in places]
        columns = [(one.ra_deg, one.dec_deg, one.pos_err_arcsec or 0.0) for one in where]
        found = sky.sample_many(*np.array(columns, dtype=np.float64).T)
        of_source = np.unique(healpix_index(self.position[:, 0], self.position[:, 1], sky.order))
        owner = np.repeat(np.arange(len(places)), np.diff(found.offsets))
        is_crowded = np.bincount(owner, np.isin(found.pixels, of_source), len(places)) > 0
        is_usable = (found.exposure_s > 0) & ~is_crowded
        numbers = zip(found.counts.tolist(), found.background.tolist(), found.exposure_s.tolist(), strict=True)
        for place, usable, (counts, background, exposure) in zip(places, is_usable.tolist(), numbers, strict=True):
            measured = ObservedCounts(counts, background, exposure, BACKGROUND_ERROR * background) if usable else None
            self._undetected[place] = None if measured is None else PlaceVisit(self.observation, measured)

    def visit(self, place: _Matched) -> PlaceVisit | None:
        """What it measures at a place; None if nothing."""
        row = place.rows.get(self.number)
        if row is not None:
            return self.detections[row]
        if place not in self._undetected:
            self.measure_undetected([place])
        return self._undetected[place]

    def _visit_detection(self, source: FieldSource) -> PlaceVisit | None:
        one = source.detection
        exposure = one.livetime_s * float(one.details.get("psf_fraction") or 1.0)
        if exposure <= 0 or is_rejected(source):
            return None
        background = one.background_counts
        error = float(one.details.get("background_counts_error") or BACKGROUND_ERROR * background)
        return PlaceVisit(self.observation, ObservedCounts(one.counts, background, exposure, error), source)


def _time_order(one: FieldObservation) -> tuple[float, str]:
    start = one.observation.start
    assert start is not None
    return start.timestamp(), one.observation.obs_id


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


def _match_sources(every: Sequence[_Prepared], present: int) -> Iterator[_Matched]:
    """Sources that no veto rejects, those of the present observation first, and their detections in each observation.

    Parameters
    ----------
    every : sequence of _Prepared — in the order of time
    present : int
    """
    owner = np.repeat(np.arange(len(every)), [len(one.sources) for one in every])
    row = np.concatenate([np.arange(len(one.sources)) for one in every])
    match = _make_matcher(np.concatenate([one.position for one in every]), np.concatenate([one.error for one in every]))
    is_known = np.zeros(len(owner), dtype=np.bool_)
    for index in np.lexsort((-owner, owner != present)).tolist():
        if is_known[index]:
            continue
        nearest = {int(owner[other]): other for other in reversed(match(index))}
        is_known[list(nearest.values())] = True
        first = every[owner[index]].sources[row[index]]
        if not is_rejected(first):
            rows = {number: int(row[other]) for number, other in nearest.items()}
            yield _Matched(first, rows, *_find_bounds(every, rows, present))


def _find_bounds(every: Sequence[_Prepared], rows: Mapping[int, int], present: int) -> tuple[int, int]:
    """The first and one beyond the last observation up to a detection near the brightest rate on either side."""
    seen = {number: visit for number, row in rows.items() if (visit := every[number].detections[row]) is not None}
    brightest = max((visit.rate_ct_s for visit in seen.values()), default=0.0)
    ends = [number for number, visit in seen.items() if MIN_FACTOR * visit.rate_ct_s > brightest]
    begin = max((number for number in ends if number < present), default=0)
    return begin, min((number for number in ends if number > present), default=len(every) - 1) + 1


def _list_all(every: Sequence[_Prepared], place: _Matched) -> tuple[PlaceVisit, ...]:
    """Visits of all observations of a place."""
    return _choose_lists([one.visit(place) for one in every])


def _choose_lists(found: Sequence[PlaceVisit | None]) -> tuple[PlaceVisit, ...]:
    """One visit of each obs_id, that with a detection, else with the longest exposure."""
    best: dict[object, PlaceVisit] = {}
    visits = [one for one in found if one is not None]
    for one in visits:
        key = one.observation.observation.obs_id or id(one.observation)
        if key not in best or _rank(one) > _rank(best[key]):
            best[key] = one
    return tuple(one for one in visits if any(one is other for other in best.values()))


def _rank(visit: PlaceVisit) -> tuple[bool, float]:
    return visit.source is not None, visit.measured.exposure_s
