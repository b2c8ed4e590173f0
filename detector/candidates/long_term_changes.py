"""New, vanished and strongly changed sources between exposures, whether or not they vary within one.

A source that is steady now but was absent before is a transient that no test within an exposure finds. The null
hypothesis is an ordinary source, whose rate scatters between exposures (`ordinary_changes`).

All comparisons are those of a bright observation of a place with the fainter ones before it ("new", "brighter") or
after it ("vanished", "fainter"), in the order of observation, so that the order in which files arrive does not matter.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xherald.photons.statistics.rates import ObservedCounts

from .field_places import MIN_FACTOR, Place, PlaceVisit, find_places
from .ordinary_changes import decline_probability, lag_days, ordinary_scatter
from .position_history import MAX_P_OF_CHANGE

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.history_records import FieldHistory, FieldSource
    from xherald.detector.results.row_types import LongTermChangeKind

__all__ = ["LongTermChange", "LongTermSearch", "find_long_term_changes", "search_stored_observations"]


@dataclass(frozen=True, slots=True, eq=False)
class LongTermChange:
    """A source whose rate changed more than that of ordinary sources does.

    Parameters
    ----------
    change : {"new", "brighter", "fainter", "vanished"}
        New: not detected in any earlier observation; vanished: not detected in `faint`; else brighter or fainter.
    bright : PlaceVisit — the observation in which it is bright
    faint : tuple of PlaceVisit — those before or after it in which it is absent or fainter, in the order of time
    place : Place
    event : FieldSource or None
        Detection at the same level in an adjoining observation that is a candidate by such a change: the same event.
    p_value : float — of an ordinary source that is detected in the bright observation, in this comparison
    trials : int — observations of this source compared with those that detect it
    """

    change: LongTermChangeKind
    bright: PlaceVisit
    faint: tuple[PlaceVisit, ...]
    place: Place
    event: FieldSource | None
    p_value: float
    trials: int

    @property
    def is_brightening(self) -> bool:
        """Whether the bright observation is the later one."""
        return self.change in ("new", "brighter")

    @property
    def is_known_end(self) -> bool:
        """Whether it is the end of an outburst whose beginning is a candidate."""
        return not self.is_brightening and self.event is not None and self.event.evidence["direction"] == "brighter"

    @property
    def faint_counts(self) -> ObservedCounts:
        """Counts of all fainter observations together."""
        return _merge(self.faint)

    @property
    def false_alarm_probability(self) -> float:
        """Probability of so small a p-value in any of the comparisons of an ordinary source."""
        return _after_trials(self.p_value, self.trials)


@dataclass(frozen=True, slots=True)
class LongTermSearch:
    """Changes with a false-alarm probability of at most 0.001, the most significant first, among so many sources."""

    changes: tuple[LongTermChange, ...]
    sources: int

    @property
    def expected_false_alarms(self) -> float:
        """Changes expected among ordinary sources, at most."""
        return self.sources * MAX_P_OF_CHANGE


@dataclass(frozen=True, slots=True)
class _Comparison:
    """A bright observation of a place and the fainter ones on one side of it, nearest first."""

    place: Place
    bright: PlaceVisit
    faint: tuple[PlaceVisit, ...]
    is_brightening: bool
    beyond: tuple[PlaceVisit, ...]
    """Observations on the same side that are further away."""


def find_long_term_changes(field: FieldHistory) -> LongTermSearch:
    """Search an observation, and what it tells of other observations of its field, for changes.

    Every source of the present observation is compared with earlier and later ones, and so is every other source whose
    position is in its field. A comparison that does not involve the present observation is left out.
    """
    changes = []
    sources = 0
    for place in find_places(field):
        sources += 1
        trials = _count_trials(place)
        for one in _compare(place):
            p_value = _p_value(one)
            if _after_trials(p_value, trials) <= MAX_P_OF_CHANGE:
                changes.append(_make_change(one, p_value, trials))
    return LongTermSearch(tuple(sorted(changes, key=lambda change: change.false_alarm_probability)), sources)


def search_stored_observations(fields: Iterable[FieldHistory]) -> LongTermSearch:
    """Search stored observations; a change that several of them show is listed once.

    Parameters
    ----------
    fields : iterable of FieldHistory
        Of each observation.
    """
    best: dict[object, LongTermChange] = {}
    sources = 0
    for field in fields:
        search = find_long_term_changes(field)
        sources += search.sources
        for one in search.changes:
            source = one.bright.source
            assert source is not None
            key = one.bright.observation.observation_id, source.number, one.is_brightening
            if key not in best or one.false_alarm_probability < best[key].false_alarm_probability:
                best[key] = one
    changes = sorted(best.values(), key=lambda change: change.false_alarm_probability)
    return LongTermSearch(tuple(changes), sources)


def _compare(place: Place) -> Iterator[_Comparison]:
    """Comparisons of a place that involve the present observation."""
    present = place.visits[place.present]
    for index, bright in enumerate(place.visits):
        if bright.source is None:
            continue
        sides = ((place.visits[:index][::-1], True), (place.visits[index + 1 :], False))
        for others, is_brightening in sides:
            end = next((number for number, one in enumerate(others) if _is_detected(one, bright)), len(others))
            faint = others[:end]
            if faint and (bright is present or any(one is present for one in faint)):
                yield _Comparison(place, bright, faint, is_brightening, others[end:])


def _is_detected(one: PlaceVisit, bright: PlaceVisit) -> bool:
    """Whether the source was detected at more than a tenth of the bright rate."""
    return one.source is not None and MIN_FACTOR * one.rate_ct_s > bright.rate_ct_s


def _count_trials(place: Place) -> int:
    """Pairs of the present observation and another one of which at least one detects the source, and may be bright."""
    present = place.visits[place.present]
    others = len(place.visits) - 1
    detected = sum(one.source is not None for one in place.visits if one is not present)
    return detected + (others if present.source is not None else 0)


def _after_trials(p_value: float, trials: int) -> float:
    """Probability of so small a p-value in any of a number of trials."""
    return float(-np.expm1(trials * np.log1p(-min(p_value, 1 - 1e-16))))


def _p_value(one: _Comparison) -> float:
    """P-value of an ordinary source; 1 where the rates differ by less than the factor."""
    bright, faint = one.bright.measured, _merge(one.faint)
    net = max(faint.counts - faint.background_counts, 0.0)
    if MIN_FACTOR * net / faint.exposure_s > one.bright.rate_ct_s:
        return 1.0
    starts = [visit.observation.observation.start for visit in one.faint]
    lag = lag_days(one.bright.observation.observation.start, starts)
    return decline_probability(bright, faint, ordinary_scatter(lag))


def _merge(visits: Iterable[PlaceVisit]) -> ObservedCounts:
    """All observations as one."""
    parts = [one.measured for one in visits]
    return ObservedCounts(
        sum(one.counts for one in parts),
        sum(one.background_counts for one in parts),
        sum(one.exposure_s for one in parts),
        sum(one.background_error for one in parts),  # of one map after another, all with the same systematic error
    )


def _make_change(one: _Comparison, p_value: float, trials: int) -> LongTermChange:
    seen = (*one.faint, *one.beyond) if one.is_brightening else one.faint
    was_detected = any(visit.source is not None for visit in seen)
    names: tuple[LongTermChangeKind, LongTermChangeKind] = (
        ("brighter", "new") if one.is_brightening else ("fainter", "vanished")
    )
    faint = one.faint[::-1] if one.is_brightening else one.faint
    return LongTermChange(names[not was_detected], one.bright, faint, one.place, _find_event(one), p_value, trials)


def _find_event(one: _Comparison) -> FieldSource | None:
    """Detection at the bright level that is a candidate by such a change, in the observations that adjoin."""
    visits = one.place.list_all()
    index = next(index for index, visit in enumerate(visits) if visit.observation is one.bright.observation)
    for others in (visits[:index][::-1], visits[index + 1 :]):
        for visit in itertools.takewhile(lambda other: _is_detected(other, one.bright), others):
            if visit.source is not None and visit.source.evidence.get("long_term_change") is not None:
                return visit.source
    return None
