"""The part of the store that holds what people decided about places: `PlaceStore`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from . import place_queries
from .healpix_cones import Cone
from .place_records import MarkedPlace, PlaceNotes, PlaceRemoval, StoredPlace
from .states import PlacePurpose
from .store_base import StoreBase, resolve_time

__all__ = ["PlaceStore"]


class PlaceStore(StoreBase):
    """Methods on mutes, watch lists, and verdicts near a position."""

    def mark_places(self, places: Sequence[MarkedPlace], now: datetime | None = None) -> list[StoredPlace]:
        """Mute places, or add them to watch lists; those that are marked in the same way already are left unchanged."""
        when = resolve_time(now)
        return self._database.write(lambda connection: place_queries.add_places(connection, places, when))

    def unmark_places(self, ids: Collection[int], purpose: PlacePurpose, removal: PlaceRemoval) -> list[StoredPlace]:
        """Remove mutes, or entries of watch lists, by id; their rows are kept with who removed them.

        Raises
        ------
        StoreError
            No place of this purpose has the id.
        """
        return self._database.write(lambda connection: place_queries.remove_places(connection, ids, purpose, removal))

    def marked_places(
        self,
        purpose: PlacePurpose,
        *,
        list_name: str | None = None,
        include_ended: bool = False,
        now: datetime | None = None,
    ) -> list[StoredPlace]:
        """Mutes or entries of watch lists, in the order in which they were added.

        Parameters
        ----------
        purpose : PlacePurpose
        list_name : str, optional — one watch list only
        include_ended : bool — those that were removed or have ended, too
        now : datetime, optional
        """
        when = resolve_time(now)
        with self._database.read() as connection:
            return place_queries.list_places(
                connection, purpose, when, list_name=list_name, include_ended=include_ended
            )

    def place_notes(self, near: Cone, now: datetime | None = None) -> PlaceNotes:
        """What people decided about a position: verdicts within the cone, and marked places that contain its centre."""
        when = resolve_time(now)
        with self._database.read() as connection:
            return place_queries.query_place_notes(connection, near, when)
