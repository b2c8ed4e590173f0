"""From what a drop source lists to drops that are stable: seen, waited for, fetched, found whole, hashed: `Intake`.

One look after another does that, each of which can be cut off anywhere: what it did is in the store, and what it did
not is done by the next.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from xherald.adapters.reading.fits_files import read_header
from xherald.catalog_store.ledger.records import Drop, Sighting
from xherald.catalog_store.ledger.states import DropState
from xherald.catalog_store.ledger.store import Store
from xherald.detector.configuration.configuration import Configuration
from xherald.detector.configuration.daemon_settings import DaemonSettings
from xherald.detector.plugin_support.plugin_guard import guarded
from xherald.photons.artefact_folders import compute_sha256
from xherald.photons.errors import DropError, UnclaimedFileError, UnreadableFileError, XheraldError
from xherald.plugins import DropSource, FolderNames, Listing, Options

from .companions import expects_companions, find_companions
from .completeness import Examined, StabilityTracker, examine
from .spool import Files

__all__ = ["Intake", "PollSummary"]

SEEN_AT_ONCE: Final = 1000
"""Sightings in one step of the store, so that the first drops are worked on while the rest is looked at."""

SETTLED_AT_ONCE: Final = 64
SETTLED_EVERY_S: Final = 0.1
"""Whole files go to the store together: so many, or those of so long, s."""


@dataclass(slots=True)
class PollSummary:
    """What one look came to.

    Parameters
    ----------
    seen, stable, duplicates, quarantined : int — drops that became so
    waiting : int — files that a later look is to decide on
    """

    seen: int = 0
    stable: int = 0
    duplicates: int = 0
    quarantined: int = 0
    waiting: int = 0


@dataclass(slots=True)
class Intake:
    """One drop source's way into the store.

    Parameters
    ----------
    name : str — the source's, of the user's own
    source : DropSource
    options : Options — its own
    store : Store
    files : Files — where fetched files lie
    configuration : Configuration
    settings : DaemonSettings
    once : bool
        Whether there will be no later look to wait for: what is not whole is set aside at once.
    stopped : callable — whether the daemon is about to end, so that the look is cut short
    found : callable — called now and then while drops become stable, so that work on them begins before the look ends
    """

    name: str
    source: DropSource
    options: Options
    store: Store
    files: Files
    configuration: Configuration
    settings: DaemonSettings
    once: bool = False
    stopped: Callable[[], bool] = lambda: False
    found: Callable[[], None] = lambda: None
    _steadiness: StabilityTracker = field(init=False)
    _done: set[int] = field(default_factory=set, init=False)
    _examinations: dict[int, Examined] = field(default_factory=dict, init=False)
    _whole: list[tuple[Listing, Drop, str]] = field(default_factory=list, init=False)
    _settled: float = field(default=0.0, init=False)
    _late_companions: set[int] = field(default_factory=set, init=False)
    _taking: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._steadiness = StabilityTracker(self.settings.stable_after_s)

    def look(self, options: Options | None = None) -> PollSummary:
        """Look at everything that the source lists, and take what is whole.

        Two looks may be made at a time, such as at all of an archive and at one folder; they take turns in taking.

        Parameters
        ----------
        options : Options, optional
            The source's, narrowed to a part of it; its own if not given.

        Raises
        ------
        DropError
            The source cannot be looked into.
        StoreUnavailableError
        """
        with guarded(self.configuration.host, "drop_sources", self.source, f"looking at {self.name}"):
            listed = list(self.source.poll(options or self.options))
        with self._taking:
            return self._take(listed)

    def _take(self, listed: Sequence[Listing]) -> PollSummary:
        """Take what is whole of what is listed."""
        told = PollSummary()
        self._whole.clear()  # what a look that was broken off left is found again by this one
        beside = {_place(one): one for one in listed}
        fresh = [one for one in listed if _key(one) not in self._done]
        owners = self._owners(fresh, listed)
        if self._reopened(fresh, owners, listed):
            fresh = [one for one in listed if _key(one) not in self._done]
            owners = self._owners(fresh, listed)
        mine = {name for names in owners.values() for name in names}
        for first in range(0, len(fresh), SEEN_AT_ONCE):
            part = fresh[first : first + SEEN_AT_ONCE]
            # While it was copied, nobody could tell that it belongs to another, so it may have been seen as a drop.
            if theirs := [one for one in part if _place(one) in mine]:
                self.store.forget_sightings(self.name, {one.url for one in theirs})
            for one in theirs:
                self._forget(one)
            some: list[Listing] = []
            for one in part:
                if _place(one) in mine:
                    continue
                if self._held_back(one):
                    told.waiting += 1
                else:
                    some.append(one)
            sightings = [self._sighting(one, owners.get(_place(one), ())) for one in some]
            for one, drop in zip(some, self.store.record_sightings(sightings) if sightings else (), strict=True):
                if self.stopped():
                    break
                self._decide(one, drop, owners.get(_place(one), ()), beside, told)
            self._settle(told)
            if self.stopped():
                break
        return told

    def _decide(
        self,
        one: Listing,
        drop: Drop,
        companions: Iterable[tuple[str, str]],
        beside: Mapping[tuple[str, str], Listing],
        told: PollSummary,
    ) -> None:
        """Take a drop that is seen and whole, set aside one that will not be, and leave the others for later."""
        if drop.state is not DropState.SEEN:
            self._forget(one)
            return
        told.seen += 1
        with_it = set(companions)
        if not self._stands(one) or self._awaits_companions(one, with_it):
            told.waiting += 1
            return
        try:
            with_them = [beside[place] for place in with_it if place in beside]
            with guarded(self.configuration.host, "drop_sources", self.source, f"fetching {one.url}"):
                path = self.files.fetched(self.source, self.options, one, drop.id, with_them)
            found = self._examined(one, path)
        except DropError as fault:
            if fault.is_transient:
                raise
            self._quarantine(one, drop, str(fault), told)
            return
        reason = found.fault or found.other
        if reason is None:
            self._whole.append((one, drop, self._content(one, path, with_it)))
            if len(self._whole) >= SETTLED_AT_ONCE or time.monotonic() - self._settled > SETTLED_EVERY_S:
                self._settle(told)
            return
        patience = self.settings.incomplete_wait_s if found.fault else self.settings.companions_wait_s
        if self.once or self._steadiness.waited(one.url) >= patience:
            self._quarantine(one, drop, reason, told)
        else:
            told.waiting += 1

    def _settle(self, told: PollSummary) -> None:
        """Take what was found whole, in one step of the store."""
        some, self._whole = self._whole, []
        self._settled = time.monotonic()
        if not some:
            return
        for (one, drop, _), now in zip(
            some, self.store.mark_many_stable({drop.id: sha256 for _, drop, sha256 in some}), strict=True
        ):
            told.stable += now.state is DropState.STABLE
            if now.state is DropState.DUPLICATE:
                told.duplicates += 1
                self.files.discard(drop)
            self._forget(one)
        self.found()

    def _examined(self, one: Listing, path: Path) -> Examined:
        """What a look into the file says; one look is enough for as long as it does not change."""
        if (key := _key(one)) not in self._examinations:
            self._examinations[key] = self._examine(path)
        return self._examinations[key]

    def _examine(self, path: Path) -> Examined:
        limits, host = self.configuration.settings.read, self.configuration.host
        found = examine(path, limits)
        if found.fault or found.other:
            return found
        try:
            host.adapter_for(path, read_header(path, limits))
        except UnclaimedFileError as fault:
            return Examined(other=fault.reason)
        except UnreadableFileError as fault:
            return Examined(fault.reason)
        except XheraldError:
            return found  # a defect of the file that the road tells better
        return found

    def _held_back(self, one: Listing) -> bool:
        """Whether a local file that is no event list may yet turn out to belong to one; it is no drop meanwhile."""
        if self.once or not self._is_local or self._steadiness.waited(one.url) >= self.settings.companions_wait_s:
            return False
        self._steadiness.stands(one.url, _look(one))
        return self._examined(one, Path(one.url)).other is not None

    def _awaits_companions(self, one: Listing, companions: set[tuple[str, str]]) -> bool:
        if self.once or companions or self._steadiness.waited(one.url) >= self.settings.companions_wait_s:
            return False
        return expects_companions(one.file_name, self.configuration.host)

    def _stands(self, one: Listing) -> bool:
        return self._steadiness.stands(one.url, _look(one), one.mtime if self._is_local else 0.0)

    def _quarantine(self, one: Listing, drop: Drop, reason: str, told: PollSummary) -> None:
        self.store.quarantine(drop.id, reason)
        self.files.discard(drop)
        told.quarantined += 1
        self._forget(one)

    def _reopened(
        self, fresh: Iterable[Listing], owners: Mapping[tuple[str, str], object], listed: Sequence[Listing]
    ) -> bool:
        """Whether something came after the file that it belongs to was done with; that file is then looked at anew."""
        asked = [one for one in fresh if _place(one) not in owners and _key(one) not in self._late_companions]
        if not self._done or not (asked := [one for one in asked if self._may_belong(one)]):
            return False
        folders, wanted = {one.folder for one in asked}, {_place(one) for one in asked}
        done = [one for one in listed if one.folder in folders and _key(one) in self._done]
        owned = self._owners(done, listed)
        late = [one for one in done if wanted.intersection(owned.get(_place(one), ()))]
        self._done.difference_update(map(_key, late))
        self._late_companions.update(map(_key, asked))
        return bool(late)

    def _may_belong(self, one: Listing) -> bool:
        """Whether a file can be one that belongs to another: here it stands and holds no events, elsewhere any can."""
        return not self._is_local or (self._stands(one) and self._examined(one, Path(one.url)).other is not None)

    def _sighting(self, one: Listing, companions: Iterable[tuple[str, str]]) -> Sighting:
        """A file with what belongs to it is another drop than without, at the same place."""
        return Sighting(self.name, one.url, one.size, one.mtime, one.etag + _company(companions))

    def _content(self, one: Listing, path: Path, companions: Collection[tuple[str, str]]) -> str:
        """SHA-256 of a file; of what belongs to it, too, where this very file was taken without that before."""
        own = compute_sha256(path)
        beside = [path.with_name(name) for name in sorted(name for _, name in companions)]
        first = self.store.find_by_content(own) if beside else None
        if first is None or (first.source, first.url) != (self.name, one.url):
            return own
        if first.etag.endswith(_company(companions)):
            return own  # it was touched, no more
        return hashlib.sha256(" ".join([own, *map(compute_sha256, beside)]).encode()).hexdigest()

    def _owners(
        self, some: Iterable[Listing], listed: Iterable[Listing]
    ) -> dict[tuple[str, str], tuple[tuple[str, str], ...]]:
        """Companions of some files, both as folder and name."""
        remote = None if self._is_local else _names_by_folder(listed)
        owners: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
        for folder, names in _names_by_folder(some).items():
            siblings = FolderNames.in_folder(Path(folder)) if remote is None else FolderNames(remote[folder])
            for name, companions in find_companions(names, siblings, self.configuration.host).items():
                owners[folder, name] = tuple((folder, other) for other in companions)
        return owners

    @property
    def _is_local(self) -> bool:
        return self.source.watched(self.options) is not None

    def _forget(self, one: Listing) -> None:
        self._done.add(_key(one))
        self._examinations.pop(_key(one), None)
        self._steadiness.forget(one.url)


def _names_by_folder(listed: Iterable[Listing]) -> dict[str, list[str]]:
    folders: dict[str, list[str]] = {}
    for one in listed:
        folders.setdefault(one.folder, []).append(one.file_name)
    return folders


def _key(one: Listing) -> int:
    return hash((one.url, *_look(one)))


def _look(one: Listing) -> tuple[int, float, str]:
    return one.size, one.mtime, one.etag


def _company(companions: Iterable[tuple[str, str]]) -> str:
    """What the etag of a file ends in that has come with others; empty without."""
    names = sorted(name for _, name in companions)
    return f" with {hashlib.sha256(' '.join(names).encode()).hexdigest()[:12]}" if names else ""


def _place(one: Listing) -> tuple[str, str]:
    return one.folder, one.file_name
