"""Other observations of the field of an observation, with their sources and sky maps: `query_field_history`.

It runs in the transaction that stores the observation, and reads a bounded number of rows: the observations by two
indices, then map tiles and detections of those nearest in time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select

from .candidate_queries import IS_ONE_OF_ITS_DETECTIONS, make_detection
from .healpix_cones import ORDER, compute_healpix, cone_ranges
from .history_records import FieldHistory, FieldObservation, FieldSource
from .map_tiles import find_overlapping_tiles, find_tile_numbers, join_tiles, tile_range
from .records import MapTile, ObservationRecord
from .tables import candidate_detections, detections, drops, map_tiles, observations

__all__ = ["list_field_histories", "query_field_history"]

MAX_OBSERVATIONS: Final = 20
"""Other observations that are read, those nearest in time."""

REACH_DEG: Final = 0.05
"""Distance from a detection of an observation without a sky map in which others are read."""


def query_field_history(
    connection: Connection, present: ObservationRecord, without: Collection[int] = ()
) -> FieldHistory:
    """Current observations of a field by the instrument of the present one, which is not stored yet.

    Parameters
    ----------
    connection : Connection
    present : ObservationRecord
        Without dates it has no history.
    without : collection of int
        Observations that are left out: those that the present one replaces.
    """
    pixels = compute_healpix([one.ra_deg for one in present.detections], [one.dec_deg for one in present.detections])
    sources = tuple(
        FieldSource(number, one, pixel)
        for number, (one, pixel) in enumerate(zip(present.detections, pixels, strict=True))
        if pixel is not None
    )
    sky = join_tiles(present.tiles) if present.tiles else None
    own = FieldObservation(replace(present, detections=(), tiles=()), sources, sky)
    return _add_others(connection, own, [one.uniq for one in present.tiles], without)


def list_field_histories(connection: Connection, since: datetime) -> list[FieldHistory]:
    """Field histories of the current observations stored since a time."""
    query = _select_observations().where(observations.c.is_current, observations.c.created >= since)
    rows = connection.execute(query.order_by(observations.c.id)).all()
    found = []
    for row in rows:
        numbers = connection.execute(select(map_tiles.c.uniq).where(map_tiles.c.observation_id == row.id)).scalars()
        [present] = _load(connection, [row], None)
        found.append(_add_others(connection, present, list(numbers), [row.id]))
    return found


def _add_others(
    connection: Connection, present: FieldObservation, tiles: Sequence[int], without: Collection[int]
) -> FieldHistory:
    one = present.observation
    if one.start is None or one.stop is None or not (tiles or present.sources):
        return FieldHistory(present)
    table = observations.c
    is_apart = or_(table.stop <= one.start, table.start >= one.stop)
    is_part = and_(table.obs_id == one.obs_id, table.obs_id != "")
    is_comparable = and_(
        table.is_current,
        table.id.not_in(without),
        table.mission == one.mission,
        table.instrument == one.instrument,
        table.start.is_not(None),
        table.stop.is_not(None),
        or_(is_apart, is_part),
    )
    has_tile = table.id.in_(
        select(map_tiles.c.observation_id).where(_in_ranges(map_tiles.c.uniq, _tiles(present, tiles)))
    )
    in_field = _in_ranges(detections.c.healpix, _pixels(present, tiles))
    has_detection = table.id.in_(select(detections.c.observation_id).where(in_field))
    rows = connection.execute(_select_observations().where(is_comparable, or_(has_tile, has_detection))).all()
    nearest = sorted(rows, key=lambda row: (abs(row.start - one.start), row.id))[:MAX_OBSERVATIONS]
    return FieldHistory(present, tuple(_load(connection, nearest, in_field)))


def _select_observations() -> Any:
    return select(observations, drops.c.url).join(drops, drops.c.id == observations.c.drop_id)


def _tiles(present: FieldObservation, tiles: Sequence[int]) -> list[tuple[int, int]]:
    """Ranges of the tiles that overlap with the field."""
    if tiles:
        return find_overlapping_tiles(tiles)
    positions = [(one.detection.ra_deg, one.detection.dec_deg) for one in present.sources]
    numbers = {
        number for ra, dec in positions if ra is not None and dec is not None for number in find_tile_numbers(ra, dec)
    }
    return [(number, number) for number in sorted(numbers)]


def _pixels(present: FieldObservation, tiles: Sequence[int]) -> list[tuple[int, int]]:
    """Ranges of HEALPix indices in the field."""
    if tiles:
        return [tile_range(number, ORDER) for number in tiles]
    positions = [(one.detection.ra_deg, one.detection.dec_deg) for one in present.sources]
    return [
        pair for ra, dec in positions if ra is not None and dec is not None for pair in cone_ranges(ra, dec, REACH_DEG)
    ]


def _in_ranges(column: ColumnElement[Any], ranges: Sequence[tuple[int, int]]) -> ColumnElement[bool]:
    """Whether a value lies in one of some ranges, of which those that adjoin are joined."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(last, joined[-1][1])
        else:
            joined.append((first, last))
    return or_(*(column.between(first, last) for first, last in joined))


def _load(
    connection: Connection, rows: Sequence[Row[Any]], in_field: ColumnElement[bool] | None
) -> list[FieldObservation]:
    """Observations with their sky maps and their sources, or those in a field."""
    ids = [row.id for row in rows]
    tiles: dict[int, list[MapTile]] = {}
    for row in connection.execute(select(map_tiles).where(map_tiles.c.observation_id.in_(ids))):
        tile = MapTile(row.uniq, row.background_peak, row.livetime_peak, row.content, row.point_spread)
        tiles.setdefault(row.observation_id, []).append(tile)
    query = (
        select(detections, candidate_detections.c.candidate_id, candidate_detections.c.evidence)
        .select_from(detections.outerjoin(candidate_detections, IS_ONE_OF_ITS_DETECTIONS))
        .where(detections.c.observation_id.in_(ids), detections.c.healpix.is_not(None))
        .order_by(detections.c.observation_id, detections.c.number)
    )
    sources: dict[int, list[FieldSource]] = {}
    for row in connection.execute(query if in_field is None else query.where(in_field)):
        source = FieldSource(row.number, make_detection(row), row.healpix, row.candidate_id, row.evidence or {})
        sources.setdefault(row.observation_id, []).append(source)
    return [
        FieldObservation(
            ObservationRecord(
                row.mission, row.instrument, row.obs_id, row.part, row.processing_version, row.start, row.stop,
                row.exposure_s, row.ra_deg, row.dec_deg, row.details,
            ),
            tuple(sources.get(row.id, ())),
            join_tiles(tiles[row.id]) if row.id in tiles else None,
            row.id,
            row.url,
        )
        for row in rows
    ]  # fmt: skip
