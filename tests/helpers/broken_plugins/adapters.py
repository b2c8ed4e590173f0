"""For each rule of instrument adapters, a variant of the Chandra adapter that breaks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from xherald.adapters.chandra import ChandraAdapter
from xherald.adapters.reading.fits_files import open_fits
from xherald.adapters.reading.headers import get_number
from xherald.photons import Observation, SkyProjection
from xherald.photons.errors import FileError, OversizeFileError, XheraldError
from xherald.plugins import InstrumentAdapter, Options, ReadLimits

from .variants import call_numbers, common_violations, variant


def change_observation(observation: Observation, **changes: Any) -> Observation:
    """The same observation with some attributes replaced; its events are still loaded on demand."""
    attributes = {one.name: getattr(observation, one.name) for one in fields(Observation)}
    return Observation(**(attributes | changes))


@dataclass
class ChangedEvents:
    """Loads events and changes them."""

    load: Callable[[], Any]
    change: Callable[[Any], Any]

    def __call__(self) -> Any:
        return self.change(self.load())


def with_events(change: Callable[[Any], Any], *, of: str = "") -> Any:
    """An adapter whose events are changed afterwards; with `of`, only those of copies in folders of that name."""

    def read(self: ChandraAdapter, path: Path, options: Options, limits: ReadLimits) -> Observation:
        one = ChandraAdapter.read(self, path, options, limits)
        wanted = not of or path.parent.name.endswith(f".{of}")
        return change_observation(one, load_events=ChangedEvents(one.load_events, change)) if wanted else one

    return variant(ChandraAdapter, read=read)


def with_facts(**changes: Callable[[Observation], Any]) -> Any:
    """An adapter whose observations have other attributes."""

    def read(self: ChandraAdapter, path: Path, options: Options, limits: ReadLimits) -> Observation:
        one = ChandraAdapter.read(self, path, options, limits)
        return change_observation(one, **{name: change(one) for name, change in changes.items()})

    return variant(ChandraAdapter, read=read)


def accepting_copies(copy: str, energy: Callable[[Any], Any] = lambda energy: energy) -> Any:
    """An adapter that returns the good file's events for copies in folders of that name."""

    def changed(events: Any) -> Any:
        return replace(events, energy=energy(events.energy))

    def read(self: ChandraAdapter, path: Path, options: Options, limits: ReadLimits) -> Observation:
        if not path.parent.name.endswith(f".{copy}"):
            return ChandraAdapter.read(self, path, options, limits)
        one = ChandraAdapter.read(self, GOOD_FILES[path.name], options, limits)
        return change_observation(one, load_events=ChangedEvents(one.load_events, changed))

    return variant(ChandraAdapter, read=read)


GOOD_FILES: dict[str, Path] = {}
"""Good files by name; tests add the files they check."""


def select(events: Any, chosen: Any) -> Any:
    parts = {name: getattr(events, name)[chosen] for name in ("time", "x", "y", "energy", "detector", "row")}
    n = len(parts["time"])
    return replace(events, **parts, screening=replace(events.screening, kept=n))


def claim_by_rows(self: ChandraAdapter, path: Path, header: Mapping[str, object]) -> bool:
    if not ChandraAdapter.claims(self, path, header):
        return False
    with open_fits(path, ReadLimits()) as file:
        return file.events.rows > 0


def read_eagerly(self: ChandraAdapter, path: Path, options: Options, limits: ReadLimits) -> Observation:
    one = ChandraAdapter.read(self, path, options, limits)
    try:
        events = one.load_events()
    except XheraldError:
        return one
    return change_observation(one, load_events=lambda: events)


def fail_to_read(self: ChandraAdapter, path: Path, options: Options, limits: ReadLimits) -> Observation:
    raise FileError(path, "cannot be read")


def in_file_order(events: Any) -> Any:
    return select(events, np.argsort(events.row, kind="stable"))


def with_lost_rows(events: Any) -> Any:
    """Replace row numbers of kept events by those of lost ones."""
    lost = np.setdiff1d(np.arange(events.screening.rows), events.row)[: len(events)]
    row = events.row.copy()
    row[: len(lost)] = lost
    return replace(events, row=row)


def without_timezero(self: ChandraAdapter, path: Path, options: Options, limits: ReadLimits) -> Observation:
    from xherald.adapters.reading.fits_files import read_header

    one = ChandraAdapter.read(self, path, options, limits)
    shift = get_number(read_header(path, limits), "TIMEZERO", path) or 0.0
    return change_observation(
        one, load_events=ChangedEvents(one.load_events, lambda events: replace(events, time=events.time - shift))
    )


def refuse_with_another_path(self: ChandraAdapter, path: Path, options: Options, limits: ReadLimits) -> Observation:
    try:
        return ChandraAdapter.read(self, path, options, limits)
    except OversizeFileError:
        raise
    except FileError:
        raise FileError("somewhere", "something is wrong") from None


def read_without_limits(self: ChandraAdapter, path: Path, options: Options, limits: ReadLimits) -> Observation:
    return ChandraAdapter.read(self, path, options, ReadLimits())


def mirrored(projection: SkyProjection | None) -> SkyProjection | None:
    return None if projection is None else replace(projection, x_step=-projection.x_step)


class RememberingPath(ChandraAdapter):
    """Stores the last path."""

    def read(self, path, options, limits):
        self.last = str(path)
        return super().read(path, options, limits)


ADAPTERS: dict[str, InstrumentAdapter] = {
    **common_violations(ChandraAdapter),
    "claims-own": variant(ChandraAdapter, claims=lambda self, path, header: False),
    "claims-no-other": variant(ChandraAdapter, claims=lambda self, path, header: True),
    "claims-by-header": variant(ChandraAdapter, claims=claim_by_rows),
    "reads": variant(ChandraAdapter, read=fail_to_read),
    "lazy": variant(ChandraAdapter, read=read_eagerly),
    "sorted": with_events(lambda events: select(events, slice(None, None, -1)), of=""),
    "screening": with_events(lambda events: replace(events, screening=replace(events.screening, losses={}))),
    "units": with_events(lambda events: replace(events, energy=events.energy * np.float32(1e3))),
    "good-times": with_facts(detectors=lambda one: tuple(replace(d, gti=d.gti[:1]) for d in one.detectors)),
    "identity": with_facts(mission=lambda one: ""),
    "sky": with_facts(projection=lambda one: mirrored(one.projection)),
    "columns": with_facts(load_columns=lambda one: lambda *names: tuple(c[::-1] for c in one.load_columns(*names))),
    "companions": variant(ChandraAdapter, companions=lambda self, name, siblings: [name]),
    "apertures": variant(ChandraAdapter, apertures=lambda self, observation: ()),
    "deterministic": with_events(
        lambda events: replace(events, x=events.x + np.float32(0.01) * (next(call_numbers) % 2))
    ),
    "unsorted": with_events(in_file_order, of="unsorted"),
    "timezero": variant(ChandraAdapter, read=without_timezero),
    "nulls": with_events(with_lost_rows, of="nulls"),
    "refuses-truncated": accepting_copies("cut"),
    "refuses-no-times": accepting_copies("no-times"),
    "refuses-nan-times": accepting_copies("nan"),
    "refuses-wrong-units": accepting_copies("units", energy=lambda energy: energy * np.float32(1000.0)),
    "refuses-no-good-times": accepting_copies("no-gti"),
    "refuses-nonsense-sky": accepting_copies("sky"),
    "refusals-say-where": variant(ChandraAdapter, read=refuse_with_another_path),
    "limits": variant(ChandraAdapter, read=read_without_limits),
    "stateless": RememberingPath(),
}
