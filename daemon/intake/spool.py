"""Files of drops: local ones in place, fetched ones in a spool folder until they are processed."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from xherald.catalog_store.ledger.records import Drop
from xherald.catalog_store.ledger.states import DropState
from xherald.catalog_store.ledger.store import Store
from xherald.photons.errors import DropError, StoreError
from xherald.plugins import DropSource, Listing, Options

__all__ = ["DropFiles", "find_spool_folder"]

UNPROCESSED = frozenset({DropState.SEEN, DropState.STABLE, DropState.CLAIMED})


def find_spool_folder(folder: Path | None, store: Store) -> Path:
    """Spool folder of a store; each store has its own, as drop ids are unique only within a store."""
    if folder is None:
        from platformdirs import user_cache_path

        folder = user_cache_path("xherald") / "spool"
    return folder / hashlib.sha256(store.name.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class DropFiles:
    """Local files of drops.

    Parameters
    ----------
    spool : Path
    sources : mapping of str to (DropSource, Options) — by name
    """

    spool: Path
    sources: Mapping[str, tuple[DropSource, Options]]

    def fetch(
        self, source: DropSource, options: Options, listing: Listing, drop_id: int, companions: Iterable[Listing]
    ) -> Path:
        """Fetch the file of a drop and its companions; returns the local path.

        Raises
        ------
        DropError
        """
        folder = self.spool / str(drop_id)
        if source.watched_folder(options) is None:
            for one in companions:
                if not (folder / one.file_name).is_file():
                    source.fetch(one, folder, options)
            if (existing := folder / listing.file_name).is_file():
                return existing
        return source.fetch(listing, folder, options)

    def locate(self, drop: Drop) -> Path:
        """Local path of a drop's file, which is fetched again if it is missing.

        Raises
        ------
        DropError
            It cannot be fetched, or its source is no longer in the configuration.
        """
        name = PurePosixPath(unquote(urlsplit(drop.url).path if "://" in drop.url else drop.url)).name
        if (existing := self.spool / str(drop.id) / name).is_file():
            return existing
        if "://" not in drop.url:
            return Path(drop.url)
        if drop.source not in self.sources:
            raise DropError(f"{drop.url}: cannot be fetched, as its source {drop.source!r} is not in the configuration")
        source, options = self.sources[drop.source]
        listing = Listing(drop.url, name, drop.size, drop.mtime, drop.etag)
        return source.fetch(listing, self.spool / str(drop.id), options)

    def find_local(self, drop: Drop) -> Path | None:
        """Local path of a drop's file; None if it would have to be fetched, or is gone."""
        name = PurePosixPath(unquote(urlsplit(drop.url).path if "://" in drop.url else drop.url)).name
        places = [self.spool / str(drop.id) / name, *([] if "://" in drop.url else [Path(drop.url)])]
        return next((path for path in places if path.is_file()), None)

    def discard(self, drop: Drop) -> None:
        """Delete the fetched files of a drop."""
        shutil.rmtree(self.spool / str(drop.id), ignore_errors=True)

    def purge(self, store: Store) -> None:
        """Delete fetched files of processed drops that an earlier run left behind."""
        for folder in self.spool.glob("*") if self.spool.is_dir() else ():
            try:
                is_needed = folder.name.isdecimal() and store.drop(int(folder.name)).state in UNPROCESSED
            except StoreError:
                is_needed = False
            if not is_needed:
                shutil.rmtree(folder, ignore_errors=True)
