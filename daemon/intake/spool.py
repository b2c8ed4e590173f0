"""Where the files of drops lie: local ones where they are, fetched ones in the spool, until they are done with."""

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

__all__ = ["Files", "spool_of"]

LIVE = frozenset({DropState.SEEN, DropState.STABLE, DropState.CLAIMED})


def spool_of(folder: Path | None, store: Store) -> Path:
    """Folder of what is fetched for one store; numbers of drops are another store's own."""
    if folder is None:
        from platformdirs import user_cache_path

        folder = user_cache_path("xherald") / "spool"
    return folder / hashlib.sha256(store.name.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Files:
    """Files of drops.

    Parameters
    ----------
    spool : Path
    sources : mapping of str to (DropSource, Options) — by the names that drops know them by
    """

    spool: Path
    sources: Mapping[str, tuple[DropSource, Options]]

    def fetched(
        self, source: DropSource, options: Options, listing: Listing, drop_id: int, companions: Iterable[Listing]
    ) -> Path:
        """The file of a drop, here, and what belongs to it beside it.

        Raises
        ------
        DropError
        """
        into = self.spool / str(drop_id)
        if source.watched(options) is None:
            for one in companions:
                if not (into / one.file_name).is_file():
                    source.fetch(one, into, options)
            if (have := into / listing.file_name).is_file():
                return have
        return source.fetch(listing, into, options)

    def of(self, drop: Drop) -> Path:
        """The file of a drop that is to be worked on; fetched again if it is not here.

        Raises
        ------
        DropError
            It is gone, or the source is no longer known.
        """
        name = PurePosixPath(unquote(urlsplit(drop.url).path if "://" in drop.url else drop.url)).name
        if (have := self.spool / str(drop.id) / name).is_file():
            return have
        if "://" not in drop.url:
            return Path(drop.url)
        if drop.source not in self.sources:
            raise DropError(
                f"{drop.url}: its source {drop.source!r} is not in the configuration, so it cannot be fetched"
            )
        source, options = self.sources[drop.source]
        return source.fetch(
            Listing(drop.url, name, drop.size, drop.mtime, drop.etag), self.spool / str(drop.id), options
        )

    def discard(self, drop: Drop) -> None:
        """Let go of what was fetched for a drop."""
        shutil.rmtree(self.spool / str(drop.id), ignore_errors=True)

    def purge(self, store: Store) -> None:
        """Let go of what an earlier run left of drops that are done with."""
        for folder in self.spool.glob("*") if self.spool.is_dir() else ():
            try:
                live = folder.name.isdecimal() and store.drop(int(folder.name)).state in LIVE
            except StoreError:
                live = False
            if not live:
                shutil.rmtree(folder, ignore_errors=True)
