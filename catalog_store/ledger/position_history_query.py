"""Detections and upper limits of other observations at a position: `query_position_history`.

It runs in the transaction that stores a new observation of the position, and reads a bounded number of rows: the
observations by two indices, then map tiles and detections of the latest of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select

from xherald.photons.projection import separation_deg
from xherald.photons.sky_map import SkyMapSample, healpix_centre, healpix_index, pixel_side_arcsec

from .candidate_queries import IS_ONE_OF_ITS_DETECTIONS
from .healpix_cones import cone_ranges
from .history_records import DetectionElsewhere, PositionHistory, Visit
from .map_tiles import find_tile_numbers, join_tiles
from .records import MapTile, ObservationRecord
from .tables import candidate_detections, detections, map_tiles, observations

__all__ = ["query_position_history"]

MAX_OBSERVATIONS: Final = 50
"""Observations that are read, the latest ones."""

ELSEWHERE_ARCSEC: Final = 200.0
"""Radius in which detections of other instruments are read: three times the largest position error."""

MAX_ELSEWHERE_ROWS: Final = 500

MATCH_ERRORS: Final = 3.0
"""Detections within this many 68 % radii of each other are of one source."""


def query_position_history(
    connection: Connection, ra_deg: float, dec_deg: float, radius_arcsec: float, present: ObservationRecord
) -> PositionHistory:
    """Current observations of a position, without those of the present exposure.

    An observation of the same mission and instrument counts if it detected a source there or its sky map contains the
    position. Those with the same obs_id, in any part or processing, and those that overlap in time are excluded, as
    their photons may be the same. Of several parts with one obs_id, the one with a detection counts, else the one with
    the longest exposure.

    Parameters
    ----------
    connection : Connection
    ra_deg, dec_deg : float
    radius_arcsec : float
        Three times the position error: the nearest detection within this and three times its own error, added in
        quadrature, is the same source.
    present : ObservationRecord
    """
    is_comparable = _is_comparable(present)
    tiles = find_tile_numbers(ra_deg, dec_deg)
    reach = 2.0 * radius_arcsec
    found = _find_observations(connection, is_comparable, tiles, (ra_deg, dec_deg, reach / 3600.0))
    groups = list(dict.fromkeys(one.group for one in found))
    latest = set(groups[:MAX_OBSERVATIONS])
    chosen = {one.id: one for one in found if one.group in latest}
    samples = _measure_maps(connection, chosen, tiles, (ra_deg, dec_deg, radius_arcsec / MATCH_ERRORS))
    reach = max([reach, *(_extent_arcsec(order, sample, ra_deg, dec_deg) for order, sample in samples.values())])
    near = _find_detections(connection, chosen, (ra_deg, dec_deg, reach / 3600.0))
    best: dict[str, Visit] = {}
    for observation_id, one in chosen.items():
        visit = _make_visit(one, near.get(observation_id, []), samples.get(observation_id), radius_arcsec)
        if visit is not None and (one.group not in best or _rank(visit) > _rank(best[one.group])):
            best[one.group] = visit
    visits = tuple(best[group] for group in groups if group in best)
    elsewhere = _find_elsewhere(connection, present, ra_deg, dec_deg, radius_arcsec)
    return PositionHistory(visits, len(visits) + len(groups[MAX_OBSERVATIONS:]), elsewhere)


@dataclass(frozen=True, slots=True)
class _Observation:
    """An observation, and the exposure that it belongs to."""

    id: int
    obs_id: str
    start: datetime | None
    group: str


def _is_comparable(present: ObservationRecord) -> ColumnElement[bool]:
    """Condition for current observations of the same instrument and another exposure."""
    table = observations.c
    conditions = [table.is_current, table.mission == present.mission, table.instrument == present.instrument]
    if present.obs_id:
        conditions.append(table.obs_id != present.obs_id)
    if present.start is not None and present.stop is not None:
        apart = or_(table.stop <= present.start, table.start >= present.stop)
        conditions.append(or_(table.start.is_(None), table.stop.is_(None), apart))
    return and_(*conditions)


def _find_observations(
    connection: Connection, is_comparable: ColumnElement[bool], tiles: Sequence[int], near: tuple[float, float, float]
) -> list[_Observation]:
    """Observations whose sky map may contain the position, or with a detection near it, the latest first."""
    columns = (observations.c.id, observations.c.obs_id, observations.c.start, observations.c.created)
    has_tile = map_tiles.c.observation_id == observations.c.id
    mapped = select(*columns).join(map_tiles, has_tile).where(map_tiles.c.uniq.in_(tiles))
    has_detection = detections.c.observation_id == observations.c.id
    detected = select(*columns).join(detections, has_detection).where(_in_cone(near))
    rows = {row.id: row for query in (mapped, detected) for row in connection.execute(query.where(is_comparable))}
    latest = sorted(rows.values(), key=lambda row: (row.start or row.created, row.id), reverse=True)
    return [_Observation(row.id, row.obs_id, row.start, row.obs_id or f"#{row.id}") for row in latest]


def _measure_maps(
    connection: Connection, chosen: Mapping[int, _Observation], tiles: Sequence[int], circle: tuple[float, float, float]
) -> dict[int, tuple[int, SkyMapSample]]:
    """Order of each sky map and what it measures at the position; maps that do not contain it are omitted."""
    rows = connection.execute(
        select(map_tiles)
        .where(map_tiles.c.observation_id.in_(chosen), map_tiles.c.uniq.in_(tiles))
        .order_by(map_tiles.c.observation_id, map_tiles.c.uniq)
    )
    parts: dict[int, list[MapTile]] = {}
    for row in rows:
        tile = MapTile(row.uniq, row.background_peak, row.livetime_peak, row.content, row.point_spread)
        parts.setdefault(row.observation_id, []).append(tile)
    found: dict[int, tuple[int, SkyMapSample]] = {}
    for observation_id, some in parts.items():
        sky = join_tiles(some)
        sample = sky.sample(*circle)
        if sample is not None:
            found[observation_id] = sky.order, sample
    return found


def _extent_arcsec(order: int, sample: SkyMapSample, ra_deg: float, dec_deg: float) -> float:
    """Radius around the position that contains the pixels measured, arcsec."""
    away = separation_deg(*healpix_centre(sample.pixels, order), ra_deg, dec_deg)
    return float(away.max()) * 3600.0 + pixel_side_arcsec(order)


def _find_detections(
    connection: Connection, chosen: Mapping[int, _Observation], near: tuple[float, float, float]
) -> dict[int, list[tuple[float, Row[Any]]]]:
    """Detections around the position by observation, with their separations in arcsec, the nearest first."""
    query = (
        select(
            detections.c.observation_id,
            detections.c.detection_id,
            detections.c.ra_deg,
            detections.c.dec_deg,
            detections.c.pos_err_arcsec,
            detections.c.counts,
            detections.c.background_counts,
            detections.c.livetime_s,
            detections.c.details,
            candidate_detections.c.candidate_id,
        )
        .select_from(detections.outerjoin(candidate_detections, IS_ONE_OF_ITS_DETECTIONS))
        .where(detections.c.observation_id.in_(chosen), _in_cone(near))
    )
    found: dict[int, list[tuple[float, Row[Any]]]] = {}
    for away, row in _sort_by_separation(connection.execute(query).all(), near):
        found.setdefault(row.observation_id, []).append((away, row))
    return found


def _make_visit(
    one: _Observation,
    near: Sequence[tuple[float, Row[Any]]],
    sample: tuple[int, SkyMapSample] | None,
    radius_arcsec: float,
) -> Visit | None:
    for away, row in near:
        exposure = row.livetime_s * float(row.details.get("psf_fraction") or 1.0)
        if _is_same(away, row, radius_arcsec) and exposure > 0:
            measured = (row.counts, row.background_counts, exposure)
            return Visit(one.obs_id, one.start, *measured, row.detection_id, row.candidate_id)
    if sample is None:
        return None
    order, seen = sample
    others = (
        healpix_index([row.ra_deg for _, row in near], [row.dec_deg for _, row in near], order) if near else np.zeros(0)
    )
    crowded = bool(np.isin(others, seen.pixels).any())
    return Visit(one.obs_id, one.start, seen.counts, seen.background, seen.exposure_s, crowded=crowded)


def _rank(visit: Visit) -> tuple[bool, float]:
    return visit.detection_id is not None, visit.exposure_s


def _is_same(away: float, row: Row[Any], radius_arcsec: float) -> bool:
    return away <= float(np.hypot(radius_arcsec, MATCH_ERRORS * (row.pos_err_arcsec or 0.0)))


def _find_elsewhere(
    connection: Connection, present: ObservationRecord, ra_deg: float, dec_deg: float, radius_arcsec: float
) -> tuple[DetectionElsewhere, ...]:
    near = ra_deg, dec_deg, max(ELSEWHERE_ARCSEC, radius_arcsec) / 3600.0
    table = observations.c
    begin = func.coalesce(table.start, table.created)
    query = (
        select(
            table.mission,
            table.instrument,
            table.obs_id,
            table.start,
            detections.c.ra_deg,
            detections.c.dec_deg,
            detections.c.pos_err_arcsec,
        )
        .join(observations, table.id == detections.c.observation_id)
        .where(
            _in_cone(near),
            table.is_current,
            or_(table.mission != present.mission, table.instrument != present.instrument),
        )
        .order_by(begin.desc(), table.id, detections.c.number)
        .limit(MAX_ELSEWHERE_ROWS)
    )
    found: dict[tuple[str, str, str, datetime | None], DetectionElsewhere] = {}
    for away, row in _sort_by_separation(connection.execute(query).all(), near):
        if _is_same(away, row, radius_arcsec):
            key = (row.mission, row.instrument, row.obs_id, row.start)
            found.setdefault(key, DetectionElsewhere(*key, away))
    never = datetime.min.replace(tzinfo=UTC)
    return tuple(sorted(found.values(), key=lambda one: one.start or never, reverse=True))[:MAX_OBSERVATIONS]


def _sort_by_separation(rows: Sequence[Any], near: tuple[float, float, float]) -> Iterable[tuple[float, Row[Any]]]:
    """Rows with their separations in arcsec, the nearest first."""
    if not rows:
        return []
    away = separation_deg([row.ra_deg for row in rows], [row.dec_deg for row in rows], near[0], near[1]) * 3600.0
    order = np.argsort(away, kind="stable").tolist()
    return [(float(away[index]), rows[index]) for index in order]


def _in_cone(near: tuple[float, float, float]) -> ColumnElement[bool]:
    return or_(*(detections.c.healpix.between(first, last) for first, last in cone_ranges(*near)))
