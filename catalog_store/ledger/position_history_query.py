"""What earlier and later observations of a place saw there, detections and non-detections alike: `history_at_position`.

It is asked inside the transaction that a new observation of the place is kept in, and reads a bounded number of rows:
numbers of observations by two indices, then tiles and detections of the latest of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select

from xherald.photons.projection import separation_deg
from xherald.photons.sky_map import Look, middle_of, pixel_of, pixel_side_arcsec

from .field_tiles import map_of, tiles_about
from .healpix_cones import cone_ranges
from .history_records import Elsewhere, FieldTile, PlaceHistory, Visit
from .records import ObservationRecord
from .tables import candidates, detections, fields, observations

__all__ = ["history_at_position"]

MOST: Final = 50
"""Observations that are read, the latest ones."""

ELSEWHERE_ARCSEC: Final = 200.0
"""Radius within which other instruments' detections are looked through: three times the largest error of a position."""

ELSEWHERE_ROWS: Final = 500

ERRORS: Final = 3.0
"""Detections are of one source within so many times their 68 % radii."""


def history_at_position(
    connection: Connection, ra: float, dec: float, radius_arcsec: float, asking: ObservationRecord
) -> PlaceHistory:
    """What observations that stand saw at a place, those of the asking exposure left out.

    An observation of the same mission and instrument counts if it detected a source there, or if its map holds the
    place. Left out are those of the same obs_id, in whatever part or processing, and those whose time overlaps: their
    photons may be the same. Of several parts under one obs_id one is told: that with a detection, or of the longest
    exposure.

    Parameters
    ----------
    connection : Connection
    ra, dec : float — deg
    radius_arcsec : float
        Three times the position's error: within this and three times its own error, added in quadrature, the nearest
        detection is the source's.
    asking : ObservationRecord
    """
    ours = _same_instrument(asking)
    tiles = tiles_about(ra, dec)
    reach = 2.0 * radius_arcsec
    known = _observations(connection, ours, tiles, (ra, dec, reach / 3600.0))
    groups = list(dict.fromkeys(one.group for one in known))
    chosen = set(groups[:MOST])
    kept = {one.id: one for one in known if one.group in chosen}
    looks = _looks(connection, kept, tiles, (ra, dec, radius_arcsec / ERRORS))
    reach = max([reach, *(_extent(order, look, ra, dec) for order, look in looks.values())])
    near = _near(connection, kept, (ra, dec, reach / 3600.0))
    best: dict[str, Visit] = {}
    for number, one in kept.items():
        visit = _visit(one, near.get(number, []), looks.get(number), radius_arcsec)
        if visit is not None and (one.group not in best or _rank(visit) > _rank(best[one.group])):
            best[one.group] = visit
    visits = tuple(best[group] for group in groups if group in best)
    return PlaceHistory(
        visits, len(visits) + len(groups[MOST:]), _elsewhere(connection, asking, ra, dec, radius_arcsec)
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """An observation, and the exposure that it is of."""

    id: int
    obs_id: str
    start: datetime | None
    group: str


def _same_instrument(asking: ObservationRecord) -> ColumnElement[bool]:
    """Observations of the asking instrument that stand and are of another exposure."""
    table = observations.c
    rules = [table.current, table.mission == asking.mission, table.instrument == asking.instrument]
    if asking.obs_id:
        rules.append(table.obs_id != asking.obs_id)
    if asking.start is not None and asking.stop is not None:
        apart = or_(table.stop <= asking.start, table.start >= asking.stop)
        rules.append(or_(table.start.is_(None), table.stop.is_(None), apart))
    return and_(*rules)


def _observations(
    connection: Connection, ours: ColumnElement[bool], tiles: Sequence[int], near: tuple[float, float, float]
) -> list[_Known]:
    """Observations whose map may hold the place, or that detected something near it, the latest first."""
    columns = (observations.c.id, observations.c.obs_id, observations.c.start, observations.c.stored)
    mapped = select(*columns).join(fields, fields.c.observation_id == observations.c.id).where(fields.c.uniq.in_(tiles))
    seen = select(*columns).join(detections, detections.c.observation_id == observations.c.id).where(_inside(near))
    rows = {row.id: row for query in (mapped, seen) for row in connection.execute(query.where(ours))}
    latest = sorted(rows.values(), key=lambda row: (row.start or row.stored, row.id), reverse=True)
    return [_Known(row.id, row.obs_id, row.start, row.obs_id or f"#{row.id}") for row in latest]


def _looks(
    connection: Connection, kept: Mapping[int, _Known], tiles: Sequence[int], place: tuple[float, float, float]
) -> dict[int, tuple[int, Look]]:
    """What each map shows of the place, with its order; those that do not hold it are left out."""
    rows = connection.execute(
        select(fields)
        .where(fields.c.observation_id.in_(kept), fields.c.uniq.in_(tiles))
        .order_by(fields.c.observation_id, fields.c.uniq)
    )
    parts: dict[int, list[FieldTile]] = {}
    for row in rows:
        tile = FieldTile(row.uniq, row.background_peak, row.livetime_peak, row.content, row.spread)
        parts.setdefault(row.observation_id, []).append(tile)
    found: dict[int, tuple[int, Look]] = {}
    for number, some in parts.items():
        sky = map_of(some)
        look = sky.look(*place)
        if look is not None:
            found[number] = sky.order, look
    return found


def _extent(order: int, look: Look, ra: float, dec: float) -> float:
    """Radius about the place that holds the pixels looked at, arcsec."""
    away = separation_deg(*middle_of(look.pixels, order), ra, dec)
    return float(away.max()) * 3600.0 + pixel_side_arcsec(order)


def _near(
    connection: Connection, kept: Mapping[int, _Known], near: tuple[float, float, float]
) -> dict[int, list[tuple[float, Row[Any]]]]:
    """Detections about the place by observation, with their separations in arcsec, the nearest first."""
    query = (
        select(
            detections.c.observation_id,
            detections.c.detection_id,
            detections.c.ra,
            detections.c.dec,
            detections.c.pos_err_arcsec,
            detections.c.counts,
            detections.c.background_counts,
            detections.c.livetime_s,
            detections.c.features,
            candidates.c.id.label("candidate_id"),
        )
        .select_from(
            detections.outerjoin(
                candidates,
                and_(
                    candidates.c.observation_id == detections.c.observation_id, candidates.c.place == detections.c.place
                ),
            )
        )
        .where(detections.c.observation_id.in_(kept), _inside(near))
    )
    found: dict[int, list[tuple[float, Row[Any]]]] = {}
    for away, row in _apart(connection.execute(query).all(), near):
        found.setdefault(row.observation_id, []).append((away, row))
    return found


def _visit(
    one: _Known, near: Sequence[tuple[float, Row[Any]]], look: tuple[int, Look] | None, radius_arcsec: float
) -> Visit | None:
    for away, row in near:
        exposure = row.livetime_s * float(row.features.get("psf_fraction") or 1.0)
        if _is_same(away, row, radius_arcsec) and exposure > 0:
            counted = (row.counts, row.background_counts, exposure)
            return Visit(one.obs_id, one.start, *counted, row.detection_id, row.candidate_id)
    if look is None:
        return None
    order, seen = look
    others = pixel_of([row.ra for _, row in near], [row.dec for _, row in near], order) if near else np.zeros(0)
    crowded = bool(np.isin(others, seen.pixels).any())
    return Visit(one.obs_id, one.start, seen.counts, seen.background, seen.exposure_s, crowded=crowded)


def _rank(visit: Visit) -> tuple[bool, float]:
    return visit.detection_id is not None, visit.exposure_s


def _is_same(away: float, row: Row[Any], radius_arcsec: float) -> bool:
    return away <= float(np.hypot(radius_arcsec, ERRORS * (row.pos_err_arcsec or 0.0)))


def _elsewhere(
    connection: Connection, asking: ObservationRecord, ra: float, dec: float, radius_arcsec: float
) -> tuple[Elsewhere, ...]:
    near = ra, dec, max(ELSEWHERE_ARCSEC, radius_arcsec) / 3600.0
    table = observations.c
    begun = func.coalesce(table.start, table.stored)
    query = (
        select(
            table.mission,
            table.instrument,
            table.obs_id,
            table.start,
            detections.c.ra,
            detections.c.dec,
            detections.c.pos_err_arcsec,
        )
        .join(observations, table.id == detections.c.observation_id)
        .where(
            _inside(near),
            table.current,
            or_(table.mission != asking.mission, table.instrument != asking.instrument),
        )
        .order_by(begun.desc(), table.id, detections.c.place)
        .limit(ELSEWHERE_ROWS)
    )
    found: dict[tuple[str, str, str, datetime | None], Elsewhere] = {}
    for away, row in _apart(connection.execute(query).all(), near):
        if _is_same(away, row, radius_arcsec):
            key = (row.mission, row.instrument, row.obs_id, row.start)
            found.setdefault(key, Elsewhere(*key, away))
    never = datetime.min.replace(tzinfo=UTC)
    return tuple(sorted(found.values(), key=lambda one: one.start or never, reverse=True))[:MOST]


def _apart(rows: Sequence[Any], near: tuple[float, float, float]) -> Iterable[tuple[float, Row[Any]]]:
    """Rows with their separations in arcsec, the nearest first."""
    if not rows:
        return []
    away = separation_deg([row.ra for row in rows], [row.dec for row in rows], near[0], near[1]) * 3600.0
    order = np.argsort(away, kind="stable").tolist()
    return [(float(away[index]), rows[index]) for index in order]


def _inside(near: tuple[float, float, float]) -> ColumnElement[bool]:
    return or_(*(detections.c.healpix.between(first, last) for first, last in cone_ranges(*near)))
