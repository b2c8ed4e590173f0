"""Intake of files from a drop source: record them, wait until they are complete, fetch and hash them: `Intake`.

Each poll can be interrupted anywhere: what was done is in the store, and the next poll does the rest.
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
from .completeness import FileExamination, StabilityTracker, examine_file
from .spool import DropFiles

__all__ = ["Intake", "PollSummary"]

Location = tuple[str, str]
"""Folder and name of a file."""

MAX_SIGHTINGS_PER_STEP: Final = 1000
"""Sightings in one transaction, so that the first drops are processed while the others are examined."""

MAX_STABLE_PER_STEP: Final = 64
STABLE_INTERVAL_S: Final = 0.1
"""Complete files are marked as stable in one transaction: up to this number, or those of this time."""


@dataclass(slots=True)
class PollSummary:
    """Result of a poll.

    Parameters
    ----------
    seen, stable, duplicates, quarantined, skipped : int — drops that reached these states
    waiting : int — files to be decided on in a later poll
    """

    seen: int = 0
    stable: int = 0
    duplicates: int = 0
    quarantined: int = 0
    skipped: int = 0
    waiting: int = 0


@dataclass(slots=True)
class Intake:
    """Takes files from one drop source into the store.

    Parameters
    ----------
    name : str — of the source in the configuration
    source : DropSource
    options : Options — of the source
    store : Store
    files : DropFiles
    configuration : Configuration
    settings : DaemonSettings
    once : bool
        Whether there will be no later poll: incomplete files are quarantined at once.
    is_stopping : callable — whether the daemon is stopping, so that the poll should end early
    on_stable : callable — called when drops have become stable, so that they are processed before the poll ends
    """

    name: str
    source: DropSource
    options: Options
    store: Store
    files: DropFiles
    configuration: Configuration
    settings: DaemonSettings
    once: bool = False
    is_stopping: Callable[[], bool] = lambda: False
    on_stable: Callable[[], None] = lambda: None
    _stability: StabilityTracker = field(init=False)
    _finished: set[int] = field(default_factory=set, init=False)
    _examinations: dict[int, FileExamination] = field(default_factory=dict, init=False)
    _complete: list[tuple[Listing, Drop, str]] = field(default_factory=list, init=False)
    _last_step: float = field(default=0.0, init=False)
    _late_companions: set[int] = field(default_factory=set, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._stability = StabilityTracker(self.settings.stable_after_s)

    def poll(self, options: Options | None = None) -> PollSummary:
        """Poll the source and take complete files.

        Two polls may run at a time, such as one of a whole archive and one of a folder; they take files in turn.

        Parameters
        ----------
        options : Options, optional
            Options of the source for a part of it; its own by default.

        Raises
        ------
        DropError
            The source cannot be listed.
        StoreUnavailableError
        """
        with guarded(self.configuration.host, "drop_sources", self.source, f"polling {self.name}"):
            listed = list(self.source.poll(options or self.options))
        with self._lock:
            return self._take(listed)

    def _take(self, listed: Sequence[Listing]) -> PollSummary:
        """Take the complete files of a listing."""
        summary = PollSummary()
        self._complete.clear()  # files left by an interrupted poll are found again by this one
        by_location = {_location(one): one for one in listed}
        new = [one for one in listed if _key(one) not in self._finished]
        companions = self._find_companions(new, listed)
        if self._reopen_files(new, companions, listed):
            new = [one for one in listed if _key(one) not in self._finished]
            companions = self._find_companions(new, listed)
        are_companions = {location for locations in companions.values() for location in locations}
        for first in range(0, len(new), MAX_SIGHTINGS_PER_STEP):
            part = new[first : first + MAX_SIGHTINGS_PER_STEP]
            # While it was being copied, a companion was not recognized and may have been recorded as a drop.
            if found := [one for one in part if _location(one) in are_companions]:
                self.store.forget_sightings(self.name, {one.url for one in found})
            for one in found:
                self._finish(one)
            candidates: list[Listing] = []
            for one in part:
                if _location(one) in are_companions:
                    continue
                if self._may_be_companion(one):
                    summary.waiting += 1
                else:
                    candidates.append(one)
            sightings = [self._make_sighting(one, companions.get(_location(one), ())) for one in candidates]
            drops = self.store.record_sightings(sightings) if sightings else []
            for one, drop in zip(candidates, drops, strict=True):
                if self.is_stopping():
                    break
                self._decide(one, drop, companions.get(_location(one), ()), by_location, summary)
            self._mark_stable(summary)
            if self.is_stopping():
                break
        return summary

    def _decide(
        self,
        one: Listing,
        drop: Drop,
        companions: Iterable[Location],
        by_location: Mapping[Location, Listing],
        summary: PollSummary,
    ) -> None:
        """Take a complete file, or decide what becomes of it; others are left for later polls."""
        if drop.state is not DropState.SEEN:
            self._finish(one)
            return
        summary.seen += 1
        own_companions = set(companions)
        if not self._is_stable(one) or self._awaits_companions(one, own_companions):
            summary.waiting += 1
            return
        try:
            listings = [by_location[location] for location in own_companions if location in by_location]
            with guarded(self.configuration.host, "drop_sources", self.source, f"fetching {one.url}"):
                path = self.files.fetch(self.source, self.options, one, drop.id, listings)
            found = self._get_examination(one, path)
        except DropError as fault:
            if fault.is_transient:
                raise
            self._quarantine(one, drop, str(fault), summary)
            return
        reason = found.incomplete or found.not_events
        if reason is None:
            self._complete.append((one, drop, self._hash_content(one, path, own_companions)))
            is_due = time.monotonic() - self._last_step > STABLE_INTERVAL_S
            if is_due or len(self._complete) >= MAX_STABLE_PER_STEP:
                self._mark_stable(summary)
            return
        wait_s = self.settings.incomplete_wait_s if found.incomplete else self.settings.companions_wait_s
        if not self.once and self._stability.unchanged_s(one.url) < wait_s:
            summary.waiting += 1
        elif found.incomplete or found.is_event_list:
            self._quarantine(one, drop, reason, summary)
        else:
            self.store.skip(drop.id, reason)
            self.files.discard(drop)
            summary.skipped += 1
            self._finish(one)

    def _mark_stable(self, summary: PollSummary) -> None:
        """Mark the drops of complete files as stable, in one transaction."""
        complete, self._complete = self._complete, []
        self._last_step = time.monotonic()
        if not complete:
            return
        stored = self.store.mark_many_stable({drop.id: sha256 for _, drop, sha256 in complete})
        for (one, drop, _), after in zip(complete, stored, strict=True):
            summary.stable += after.state is DropState.STABLE
            if after.state is DropState.DUPLICATE:
                summary.duplicates += 1
                self.files.discard(drop)
            self._finish(one)
        self.on_stable()

    def _get_examination(self, one: Listing, path: Path) -> FileExamination:
        """Examination of a file, repeated only if the file changes."""
        if (key := _key(one)) not in self._examinations:
            self._examinations[key] = self._examine(path)
        return self._examinations[key]

    def _examine(self, path: Path) -> FileExamination:
        limits, host = self.configuration.settings.read, self.configuration.host
        found = examine_file(path, limits)
        if found.incomplete or found.not_events:
            return found
        header: Mapping[str, object] = {}
        try:
            header = read_header(path, limits)
            host.find_adapter(path, header)
        except UnclaimedFileError as fault:
            # Without a telescope it may be anything: a log, a picture, a list of files.
            return FileExamination(not_events=fault.reason, is_event_list=bool(header.get("TELESCOP")))
        except UnreadableFileError as fault:
            return FileExamination(fault.reason)
        except XheraldError:
            return found  # the pipeline reports this error better
        return found

    def _may_be_companion(self, one: Listing) -> bool:
        """Whether a local file without events may belong to an event file that has not arrived."""
        if self.once or not self._is_local or self._stability.unchanged_s(one.url) >= self.settings.companions_wait_s:
            return False
        self._stability.is_stable(one.url, _version(one))
        return self._get_examination(one, Path(one.url)).not_events is not None

    def _awaits_companions(self, one: Listing, companions: set[Location]) -> bool:
        if self.once or companions or self._stability.unchanged_s(one.url) >= self.settings.companions_wait_s:
            return False
        return expects_companions(one.file_name, self.configuration.host)

    def _is_stable(self, one: Listing) -> bool:
        return self._stability.is_stable(one.url, _version(one), one.mtime if self._is_local else 0.0)

    def _quarantine(self, one: Listing, drop: Drop, reason: str, summary: PollSummary) -> None:
        self.store.quarantine(drop.id, reason)
        self.files.discard(drop)
        summary.quarantined += 1
        self._finish(one)

    def _reopen_files(
        self, new: Iterable[Listing], companions: Mapping[Location, object], listed: Sequence[Listing]
    ) -> bool:
        """Reopen finished files whose companions have arrived since; returns whether there are any."""
        late = [one for one in new if _location(one) not in companions and _key(one) not in self._late_companions]
        if not self._finished or not (late := [one for one in late if self._can_be_companion(one)]):
            return False
        folders, locations = {one.folder for one in late}, {_location(one) for one in late}
        finished = [one for one in listed if one.folder in folders and _key(one) in self._finished]
        of_finished = self._find_companions(finished, listed)
        reopened = [one for one in finished if locations.intersection(of_finished.get(_location(one), ()))]
        self._finished.difference_update(map(_key, reopened))
        self._late_companions.update(map(_key, late))
        return bool(reopened)

    def _can_be_companion(self, one: Listing) -> bool:
        """Whether a file can be a companion: a local one if it is stable and has no events, a remote one always."""
        if not self._is_local:
            return True
        return self._is_stable(one) and self._get_examination(one, Path(one.url)).not_events is not None

    def _make_sighting(self, one: Listing, companions: Iterable[Location]) -> Sighting:
        """A sighting; a file with companions is another drop than the same file without."""
        return Sighting(self.name, one.url, one.size, one.mtime, one.etag + _companions_suffix(companions))

    def _hash_content(self, one: Listing, path: Path, companions: Collection[Location]) -> str:
        """SHA-256 of a file, and of its companions if the same file was processed without them before."""
        own = compute_sha256(path)
        beside = [path.with_name(name) for name in sorted(name for _, name in companions)]
        first = self.store.find_by_content(own) if beside else None
        if first is None or (first.source, first.url) != (self.name, one.url):
            return own
        if first.etag.endswith(_companions_suffix(companions)):
            return own  # only its time has changed
        return hashlib.sha256(" ".join([own, *map(compute_sha256, beside)]).encode()).hexdigest()

    def _find_companions(
        self, some: Iterable[Listing], listed: Iterable[Listing]
    ) -> dict[Location, tuple[Location, ...]]:
        """Locations of the companions of some files, by location."""
        remote = None if self._is_local else _names_by_folder(listed)
        found: dict[Location, tuple[Location, ...]] = {}
        for folder, names in _names_by_folder(some).items():
            siblings = FolderNames.in_folder(Path(folder)) if remote is None else FolderNames(remote[folder])
            for name, companions in find_companions(names, siblings, self.configuration.host).items():
                found[folder, name] = tuple((folder, other) for other in companions)
        return found

    @property
    def _is_local(self) -> bool:
        return self.source.watched_folder(self.options) is not None

    def _finish(self, one: Listing) -> None:
        self._finished.add(_key(one))
        self._examinations.pop(_key(one), None)
        self._stability.forget(one.url)


def _names_by_folder(listed: Iterable[Listing]) -> dict[str, list[str]]:
    folders: dict[str, list[str]] = {}
    for one in listed:
        folders.setdefault(one.folder, []).append(one.file_name)
    return folders


def _key(one: Listing) -> int:
    return hash((one.url, *_version(one)))


def _version(one: Listing) -> tuple[int, float, str]:
    return one.size, one.mtime, one.etag


def _companions_suffix(companions: Iterable[Location]) -> str:
    """Suffix of the etag of a file with companions; empty without."""
    names = sorted(name for _, name in companions)
    return f" with {hashlib.sha256(' '.join(names).encode()).hexdigest()[:12]}" if names else ""


def _location(one: Listing) -> Location:
    return one.folder, one.file_name
