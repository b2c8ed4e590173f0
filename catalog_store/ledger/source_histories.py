"""Sources of recent observations, and earlier sources in their fields, each with the history of its position.

`query_source_histories` reads what a search for new and vanished sources needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, or_, select

from .healpix_cones import cone_ranges
from .history_records import PositionHistory
from .position_history_query import query_position_history
from .records import DetectionRecord, ObservationRecord
from .tables import detections, observations

__all__ = ["SourceHistory", "query_source_histories"]

FIELD_DEG: Final = 0.5
"""Radius around the pointing of a recent observation in which earlier sources are looked up; its map decides."""

MIN_MATCH_ARCSEC: Final = 2.0
MATCH_ERRORS: Final = 3.0
"""Positions of one source agree within this, or within this many times their errors."""


@dataclass(frozen=True, slots=True)
class SourceHistory:
    """A source in one observation, and other observations of its position.

    Parameters
    ----------
    detection : DetectionRecord
    observation : ObservationRecord
    history : PositionHistory
    is_recent : bool — whether it was detected in a recent observation; else a recent one has its position in the field
    """

    detection: DetectionRecord
    observation: ObservationRecord
    history: PositionHistory
    is_recent: bool


def query_source_histories(connection: Connection, since: datetime) -> Iterator[SourceHistory]:
    """Sources with a position in current observations stored since a time, and earlier ones in their fields.

    Parameters
    ----------
    connection : Connection
    since : datetime
    """
    recent = connection.execute(
        select(observations).where(observations.c.is_current, observations.c.created >= since)
    ).all()
    recent_ids, seen = {row.id for row in recent}, set()
    for row in recent:
        for found in connection.execute(select(detections).where(detections.c.observation_id == row.id)).all():
            if found.ra_deg is not None:
                yield _with_history(connection, found, row, is_recent=True)
        for found, earlier in _find_earlier(connection, row):
            key = found.observation_id, found.number
            if found.observation_id not in recent_ids and key not in seen:
                seen.add(key)
                yield _with_history(connection, found, earlier, is_recent=False)


def _find_earlier(connection: Connection, row: Row[Any]) -> list[tuple[Row[Any], Row[Any]]]:
    """Detections of other observations by the same instrument near the pointing, each with its observation."""
    if row.ra_deg is None or row.dec_deg is None:
        return []
    near = or_(
        *(detections.c.healpix.between(low, high) for low, high in cone_ranges(row.ra_deg, row.dec_deg, FIELD_DEG))
    )
    is_other = and_(
        observations.c.is_current,
        observations.c.id != row.id,
        observations.c.mission == row.mission,
        observations.c.instrument == row.instrument,
    )
    ids = select(observations.c.id).where(is_other)
    found = connection.execute(select(detections).where(near, detections.c.observation_id.in_(ids))).all()
    parents = {
        one.id: one
        for one in connection.execute(
            select(observations).where(observations.c.id.in_({each.observation_id for each in found}))
        )
    }
    return [(one, parents[one.observation_id]) for one in found]


def _with_history(connection: Connection, found: Row[Any], row: Row[Any], *, is_recent: bool) -> SourceHistory:
    observation = ObservationRecord(row.mission, row.instrument, row.obs_id, start=row.start, stop=row.stop)
    detection = DetectionRecord(
        detection_id=found.detection_id,
        ra_deg=found.ra_deg,
        dec_deg=found.dec_deg,
        counts=found.counts,
        livetime_s=found.livetime_s,
        kind=found.kind,
        background_counts=found.background_counts,
        pos_err_arcsec=found.pos_err_arcsec,
        details=found.details,
    )
    radius = max(MIN_MATCH_ARCSEC, MATCH_ERRORS * (found.pos_err_arcsec or 0.0))
    history = query_position_history(connection, found.ra_deg, found.dec_deg, radius, observation)
    return SourceHistory(detection, observation, history, is_recent)
