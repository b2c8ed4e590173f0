"""Marked places, which are mutes and entries of watch lists: add, remove, list, find. Rows are never changed.

A removal is a row of its own, so that the table tells who marked and unmarked what, and when.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, or_, select

from xherald.photons.errors import ConfigError, StoreError

from .healpix_cones import Cone, compute_healpix, in_cone, separations_from_centre
from .outbox import insert_unless_exists
from .place_records import MarkedPlace, PlaceNotes, PlaceRemoval, StoredPlace
from .states import PlacePurpose
from .tables import candidates, marked_places, place_removals
from .vetting_queries import find_vettings_near

__all__ = ["add_places", "list_places", "query_place_notes", "remove_places"]

PLACE_COLUMNS = (
    "purpose",
    "ra_deg",
    "dec_deg",
    "radius_arcsec",
    "author",
    "comment",
    "ends",
    "list_name",
    "name",
    "candidate_id",
)


def add_places(connection: Connection, places: Sequence[MarkedPlace], now: datetime) -> list[StoredPlace]:
    """Mark places, except for those that are marked in the same way already; returns all of them as stored.

    Raises
    ------
    ConfigError
        A place would have ended already.
    StoreError
        The candidate of a place is not in the store.
    """
    for one in places:
        if one.ends is not None and one.ends <= now:
            raise ConfigError(f"end {one.ends:%Y-%m-%d %H:%M}: has passed already")
    named = {one.candidate_id for one in places if one.candidate_id is not None}
    known = set(connection.execute(select(candidates.c.id).where(candidates.c.id.in_(named))).scalars())
    if missing := sorted(named - known):
        raise StoreError(f"candidate {missing[0]}: not in the store")
    existing: dict[MarkedPlace, StoredPlace] = {}
    for purpose, list_name in {(one.purpose, one.list_name) for one in places}:
        existing |= {one.place: one for one in list_places(connection, purpose, now, list_name=list_name)}
    pixels = compute_healpix([one.ra_deg for one in places], [one.dec_deg for one in places])
    stored = []
    for one, pixel in zip(places, pixels, strict=True):
        if one not in existing:
            values = {name: getattr(one, name) for name in PLACE_COLUMNS} | {"healpix": pixel, "created": now}
            statement = insert(marked_places).values(**values).returning(marked_places.c.id)
            existing[one] = StoredPlace(connection.execute(statement).scalar_one(), one, now)
        stored.append(existing[one])
    return stored


def remove_places(
    connection: Connection, ids: Collection[int], purpose: PlacePurpose, removal: PlaceRemoval
) -> list[StoredPlace]:
    """Remove marked places; those that were removed before stay as they are. Returns all of them as stored.

    Raises
    ------
    StoreError
        No place of this purpose has the id.
    """
    wanted = marked_places.c.id.in_(ids)
    found = {one.id: one for one in _load(connection, marked_places.c.purpose == purpose, wanted)}
    if missing := sorted(set(ids) - set(found)):
        what = "mute" if purpose is PlacePurpose.MUTE else "entry of a watch list"
        raise StoreError(f"{what} {missing[0]}: not in the store")
    for one in found.values():
        if one.removal is None:
            values = {"author": removal.author, "comment": removal.comment, "created": removal.created}
            connection.execute(insert_unless_exists(connection, place_removals).values(place_id=one.id, **values))
    return sorted(_load(connection, wanted), key=lambda one: one.id)


def list_places(
    connection: Connection,
    purpose: PlacePurpose,
    now: datetime,
    *,
    list_name: str | None = None,
    include_ended: bool = False,
) -> list[StoredPlace]:
    """Marked places of a purpose, and of one watch list if that is named, in the order in which they were added."""
    conditions = [marked_places.c.purpose == purpose]
    if list_name is not None:
        conditions.append(marked_places.c.list_name == list_name)
    if not include_ended:
        conditions += [place_removals.c.place_id.is_(None), _has_not_ended(now)]
    return _load(connection, *conditions)


def query_place_notes(connection: Connection, near: Cone, now: datetime) -> PlaceNotes:
    """What people decided about a position: verdicts within the cone, and marked places that contain its centre."""
    widest = connection.execute(select(func.max(marked_places.c.radius_arcsec))).scalar()
    marked: list[StoredPlace] = []
    if widest is not None:
        cone = (near[0], near[1], widest / 3600.0)
        is_active = (place_removals.c.place_id.is_(None), _has_not_ended(now))
        found = _load(connection, in_cone(marked_places.c.healpix, cone), *is_active)
        away = (3600.0 * separations_from_centre([one.place for one in found], cone)).tolist()
        marked = [one for one, arcsec in zip(found, away, strict=True) if arcsec <= one.place.radius_arcsec][::-1]
    return PlaceNotes(
        tuple(find_vettings_near(connection, near)),
        tuple(one for one in marked if one.place.purpose is PlacePurpose.MUTE),
        tuple(one for one in marked if one.place.purpose is PlacePurpose.WATCH),
    )


def _has_not_ended(now: datetime) -> ColumnElement[bool]:
    return or_(marked_places.c.ends.is_(None), marked_places.c.ends > now)


def _load(connection: Connection, *conditions: ColumnElement[bool]) -> list[StoredPlace]:
    query = (
        select(
            marked_places,
            place_removals.c.author.label("removed_by"),
            place_removals.c.comment.label("removal_comment"),
            place_removals.c.created.label("removed"),
        )
        .select_from(marked_places.outerjoin(place_removals, place_removals.c.place_id == marked_places.c.id))
        .where(*conditions)
        .order_by(marked_places.c.id)
    )
    return [_make_place(row) for row in connection.execute(query)]


def _make_place(row: Row[Any]) -> StoredPlace:
    place = MarkedPlace(**{name: getattr(row, name) for name in PLACE_COLUMNS})
    removal = None if row.removed is None else PlaceRemoval(row.removed_by, row.removed, row.removal_comment)
    return StoredPlace(row.id, place, row.created, removal)
