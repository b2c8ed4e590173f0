"""New, vanished and changed sources between exposures, whether or not they vary within one: `find_long_term_changes`.

A source that is steady now but was absent before is a transient that no test within an exposure finds. The null
hypothesis is an ordinary source, whose rate scatters between exposures (`position_history.SCATTER`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from xherald.photons.statistics.rates import ObservedCounts

from .position_history import MAX_P_OF_CHANGE, compare_with_history, long_term_probabilities

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.history_records import Visit
    from xherald.catalog_store.ledger.source_histories import SourceHistory

__all__ = ["LongTermChange", "LongTermSearch", "find_long_term_changes"]


@dataclass(frozen=True, slots=True)
class LongTermChange:
    """A source whose rate changed more than that of ordinary sources does.

    Parameters
    ----------
    change : {"new", "brighter", "fainter", "vanished"}
    mission, instrument, obs_id, detection_id : str — the detection; of a vanished source the earlier one
    ra_deg, dec_deg : float
    rate_ct_s : float — net rate of that detection
    other_obs_id : str — of a vanished source, the observation without it; else empty
    p_value : float — of an ordinary source, per source
    """

    change: Literal["new", "brighter", "fainter", "vanished"]
    mission: str
    instrument: str
    obs_id: str
    detection_id: str
    ra_deg: float
    dec_deg: float
    rate_ct_s: float
    other_obs_id: str
    p_value: float


@dataclass(frozen=True, slots=True)
class LongTermSearch:
    """Changes found, the most significant first, among `tested` sources; about `tested` times 0.001 by chance."""

    changes: tuple[LongTermChange, ...]
    tested: int

    @property
    def expected_false_alarms(self) -> float:
        """Changes expected among ordinary sources."""
        return self.tested * MAX_P_OF_CHANGE


def find_long_term_changes(sources: Iterable[SourceHistory]) -> LongTermSearch:
    """Search sources for changes between exposures.

    Parameters
    ----------
    sources : iterable of SourceHistory
        Recent sources are compared with all other observations, earlier ones with the latest that has their position
        in its field and does not detect them.
    """
    found: list[LongTermChange] = []
    tested = 0
    for one in sources:
        exposure = one.detection.livetime_s * float(one.detection.details.get("psf_fraction") or 1.0)
        if exposure <= 0:
            continue
        if not one.is_recent:
            visit = _latest_without(one)
            if visit is not None:
                tested += 1
                earlier = ObservedCounts(one.detection.counts, one.detection.background_counts, exposure)
                later = ObservedCounts(visit.counts, visit.background_counts, visit.exposure_s)
                p = min(2.0 * long_term_probabilities(later, earlier)[1], 1.0)
                if p <= MAX_P_OF_CHANGE:
                    found.append(_make_change("vanished", one, exposure, visit.obs_id, p))
            continue
        history = compare_with_history(one.detection, one.observation, one.history)
        if history is None or history["p_long_term"] is None:
            continue
        tested += 1
        if history["change"] is not None:
            found.append(_make_change(history["change"], one, exposure, "", history["p_long_term"]))
    return LongTermSearch(tuple(sorted(found, key=lambda change: change.p_value)), tested)


def _latest_without(one: SourceHistory) -> Visit | None:
    """The latest observation of the position, if it is later and does not detect the source."""
    visit = next((visit for visit in one.history.visits if not visit.crowded), None)
    if visit is None or visit.detection_id is not None or visit.start is None or one.observation.start is None:
        return None
    return visit if visit.start > one.observation.start else None


def _make_change(
    change: Literal["new", "brighter", "fainter", "vanished"],
    one: SourceHistory,
    exposure: float,
    other_obs_id: str,
    p_value: float,
) -> LongTermChange:
    detection, observation = one.detection, one.observation
    assert detection.ra_deg is not None
    assert detection.dec_deg is not None
    return LongTermChange(
        change=change,
        mission=observation.mission,
        instrument=observation.instrument,
        obs_id=observation.obs_id,
        detection_id=detection.detection_id,
        ra_deg=detection.ra_deg,
        dec_deg=detection.dec_deg,
        rate_ct_s=max(detection.counts - detection.background_counts, 0.0) / exposure,
        other_obs_id=other_obs_id,
        p_value=p_value,
    )
