"""Mutes and entries of watch lists for reading: as JSON rows and as astropy tables, with the names of all results."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .schema import PLACE_FIELDS
from .tables import make_qtable

if TYPE_CHECKING:
    from astropy.table import QTable

    from xherald.catalog_store.ledger.place_records import StoredPlace

__all__ = ["to_json_row", "to_qtable"]


def to_json_row(stored: StoredPlace) -> dict[str, Any]:
    """A place in JSON's own types; None where unknown."""
    place, removal = stored.place, stored.removal
    values = {
        "place_id": stored.id,
        "list_name": place.list_name or None,
        "name": place.name or None,
        "ra_deg": place.ra_deg,
        "dec_deg": place.dec_deg,
        "radius_arcsec": place.radius_arcsec,
        "ends_utc": _iso(place.ends),
        "candidate_id": place.candidate_id,
        "author": place.author,
        "comment": place.comment,
        "created_utc": _iso(stored.created),
        "removed_utc": None if removal is None else _iso(removal.created),
        "removed_by": None if removal is None else removal.author,
        "removal_comment": None if removal is None else removal.comment,
    }
    return {one.name: values[one.name] for one in PLACE_FIELDS}


def to_qtable(places: Sequence[StoredPlace]) -> QTable:
    """Places as a `QTable` with quantities and times, in the given order."""
    rows = [to_json_row(one) for one in places]
    return make_qtable(PLACE_FIELDS, [[row[one.name] for row in rows] for one in PLACE_FIELDS])


def _iso(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
