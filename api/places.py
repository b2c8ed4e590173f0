"""Mutes and watch lists of the daemon's store: `PlacesView`, the part of `StoreView` for them, and `PlaceList`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from xherald.photons.errors import ConfigError

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.table import QTable, Table

    from xherald.catalog_store.ledger.place_records import StoredPlace
    from xherald.catalog_store.ledger.store import Store

__all__ = ["DEFAULT_RADIUS_ARCSEC", "PlaceList", "PlacesView"]

DEFAULT_RADIUS_ARCSEC: Final = 10.0
"""Of mutes and entries of watch lists: positions of off-axis sources are uncertain by several arcsec."""


@dataclass(frozen=True, eq=False, repr=False)
class PlaceList:
    """Mutes or entries of watch lists; a sequence of `StoredPlace`.

    Parameters
    ----------
    found : tuple of StoredPlace
    """

    found: tuple[StoredPlace, ...]

    @property
    def table(self) -> QTable:
        """A row for each place, with units, times, UCDs and descriptions."""
        from xherald.detector.results.place_table import to_qtable

        return to_qtable(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[StoredPlace]:
        return iter(self.found)

    def __getitem__(self, index: int) -> StoredPlace:
        return self.found[index]

    def __repr__(self) -> str:
        return f"<PlaceList: {len(self)} places>"


class PlacesView:
    """Methods on mutes and watch lists. Positions are those of `positions.to_position`.

    Parameters
    ----------
    store : xherald.catalog_store.ledger.store.Store
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def mute(
        self,
        position: str | SkyCoord | tuple[float, float],
        *,
        author: str,
        radius_arcsec: float = DEFAULT_RADIUS_ARCSEC,
        until: str | datetime | None = None,
        duration: str | timedelta | None = None,
        comment: str = "",
        candidate_id: str | None = None,
    ) -> StoredPlace:
        """Mute a place: candidates whose position lies in the circle are stored as ever, but sinks demote them.

        Parameters
        ----------
        position : str, SkyCoord or (float, float)
        author : str
        radius_arcsec : float
            At most 3600.
        until : str or datetime, optional
            When the mute ends, UTC if it has no zone; either this or `duration` must be given.
        duration : str or timedelta, optional
            How long the mute lasts: "1y", "30d", "36h".
        comment : str
        candidate_id : str, optional
            The candidate for which the place is muted.

        Raises
        ------
        ConfigError
            An argument cannot be used.
        StoreError
            The store has no such candidate.
        """
        from xherald.catalog_store.ledger.place_records import MarkedPlace
        from xherald.catalog_store.ledger.states import PlacePurpose
        from xherald.positions import to_position
        from xherald.time_texts import parse_end

        now = datetime.now(UTC)
        ends = parse_end(until, duration, now)
        place = MarkedPlace(
            PlacePurpose.MUTE, *to_position(position), radius_arcsec, author, comment, ends, candidate_id=candidate_id
        )
        return self.store.mark_places([place], now)[0]

    def mutes(self, *, include_ended: bool = False) -> PlaceList:
        """Mutes in the order in which they were added; on request also those that ended or were removed."""
        from xherald.catalog_store.ledger.states import PlacePurpose

        return PlaceList(tuple(self.store.marked_places(PlacePurpose.MUTE, include_ended=include_ended)))

    def unmute(self, mute_ids: Collection[int], *, author: str, comment: str = "") -> PlaceList:
        """Remove mutes by their ids; who removed them is kept.

        Raises
        ------
        StoreError
            A mute is unknown; none is removed.
        """
        from xherald.catalog_store.ledger.place_records import PlaceRemoval
        from xherald.catalog_store.ledger.states import PlacePurpose

        removal = PlaceRemoval(author, datetime.now(UTC), comment)
        return PlaceList(tuple(self.store.unmark_places(mute_ids, PlacePurpose.MUTE, removal)))

    def watch(
        self,
        list_name: str,
        positions: str | SkyCoord | tuple[float, float] | Table | Path,
        *,
        author: str,
        names: Sequence[str] = (),
        radius_arcsec: float = DEFAULT_RADIUS_ARCSEC,
        comment: str = "",
    ) -> PlaceList:
        """Add positions to a watch list, which exists while it has entries; existing entries are left unchanged.

        Parameters
        ----------
        list_name : str
            Letters, digits, dots, dashes and underscores.
        positions : str, SkyCoord, (float, float), Table or Path
            One position, a `SkyCoord` of several, or a table or its file, with columns ra and dec in deg and optionally
            name and radius_arcsec (FITS, VOTable, CSV, ECSV).
        author : str
        names : sequence of str, optional
            Of the positions; those of a table come from its column.
        radius_arcsec : float
            Of entries without a radius of their own.
        comment : str

        Raises
        ------
        ConfigError
            An argument cannot be used.
        FileError
            The file cannot be read, or a value in it not used.
        """
        from xherald.catalog_store.ledger.place_records import MarkedPlace
        from xherald.catalog_store.ledger.states import PlacePurpose

        places = [
            MarkedPlace(
                PlacePurpose.WATCH, ra, dec, radius or radius_arcsec, author, comment, list_name=list_name, name=name
            )
            for name, ra, dec, radius in _list_positions(positions, names)
        ]
        return PlaceList(tuple(self.store.mark_places(places)))

    def watch_lists(self) -> dict[str, int]:
        """Number of entries of each watch list, by name."""
        from xherald.catalog_store.ledger.states import PlacePurpose

        names = [one.place.list_name for one in self.store.marked_places(PlacePurpose.WATCH)]
        return {name: names.count(name) for name in sorted(set(names))}

    def watch_list(self, list_name: str, *, include_removed: bool = False) -> PlaceList:
        """Entries of a watch list in the order in which they were added; on request also those that were removed."""
        from xherald.catalog_store.ledger.states import PlacePurpose

        found = self.store.marked_places(PlacePurpose.WATCH, list_name=list_name, include_ended=include_removed)
        return PlaceList(tuple(found))

    def unwatch(
        self, list_name: str, entry_ids: Collection[int] | None = None, *, author: str, comment: str = ""
    ) -> PlaceList:
        """Remove entries of a watch list by their ids, or all of them; who removed them is kept.

        Raises
        ------
        ConfigError
            An entry is not on the list; none is removed.
        """
        from xherald.catalog_store.ledger.place_records import PlaceRemoval
        from xherald.catalog_store.ledger.states import PlacePurpose

        own = {one.id for one in self.watch_list(list_name)}
        chosen = own if entry_ids is None else set(entry_ids)
        if not own or (missing := sorted(chosen - own)):
            what = f"no entry {missing[0]}" if own else "no entries"
            raise ConfigError(f"watch list {list_name}: has {what}")
        removal = PlaceRemoval(author, datetime.now(UTC), comment)
        return PlaceList(tuple(self.store.unmark_places(chosen, PlacePurpose.WATCH, removal)))


def _list_positions(positions: Any, names: Sequence[str]) -> list[tuple[str, float, float, float | None]]:
    """Name, right ascension and declination (deg) and radius (arcsec, None if not given) of each position."""
    from astropy.coordinates import SkyCoord
    from astropy.table import Table

    if isinstance(positions, Path | Table):
        if names:
            raise ConfigError("names: those of a table are in its column name")
        return _list_rows(positions)
    if isinstance(positions, SkyCoord) and positions.shape:
        sky = positions.icrs.ravel()
        pairs = list(zip(sky.ra.deg.tolist(), sky.dec.deg.tolist(), strict=True))
    else:
        from xherald.positions import to_position

        pairs = [to_position(positions)]
    if names and len(names) != len(pairs):
        raise ConfigError(f"names: expected {len(pairs)}, got {len(names)}")
    return [(name, ra, dec, None) for name, (ra, dec) in zip(names or [""] * len(pairs), pairs, strict=True)]


def _list_rows(table: Path | Table) -> list[tuple[str, float, float, float | None]]:
    from xherald.detector.extraction.list_tables import TABLE_FORMATS, read_positions, read_table
    from xherald.photons.errors import UnreadableFileError

    where = Path("positions")
    if isinstance(table, Path):
        where = table
        suffix = Path(where.stem).suffix.lower() if where.suffix.lower() == ".gz" else where.suffix.lower()
        if suffix not in TABLE_FORMATS:
            raise ConfigError(f"{where}: not a table; known suffixes: {', '.join(TABLE_FORMATS)}")
        if not where.is_file():
            raise UnreadableFileError(where, "not found" if not where.exists() else "not a file but a directory")
        table = read_table(where, TABLE_FORMATS[suffix])
    found = read_positions(table, where)
    radii = [radius if radius > 0 else None for radius in found.radius.tolist()]
    return list(zip(found.names, found.ra.tolist(), found.dec.tolist(), radii, strict=True))
