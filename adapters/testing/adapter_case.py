"""What the rules of adapters are looked at with: an adapter, its author's good files, and wrong copies of these."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from xherald.adapters.reading.fits_files import Column, read_header
from xherald.photons import EventBatch, Observation
from xherald.photons.errors import FileError, PhotonError
from xherald.plugins.contract import InstrumentAdapter, Options, ReadLimits
from xherald.plugins.testing.rules import Skipped, Violation

from .fits_copies import FitsCopy, is_fits
from .table_copies import TableCopy, is_table

__all__ = ["AdapterCase", "GoodFile"]


@dataclass(frozen=True)
class GoodFile:
    """One of the author's files, what comes of it, and a folder for copies."""

    path: Path
    adapter: InstrumentAdapter
    options: Options
    scratch: Path

    @cached_property
    def header(self) -> Mapping[str, object]:
        """Its keywords, as the road tells an adapter of them."""
        return read_header(self.path, ReadLimits())

    def read(self, path: Path, limits: ReadLimits | None = None) -> Observation | EventBatch:
        """What the adapter makes of a file or of a copy."""
        return self.adapter.read(path, self.options, limits or ReadLimits())

    @cached_property
    def content(self) -> Observation | EventBatch:
        """What the adapter makes of it."""
        return self.read(self.path)

    @property
    def observation(self) -> Observation:
        """The exposure; a table of photons has none."""
        if isinstance(self.content, EventBatch):
            raise Skipped("a table of photons: its sources are told apart already")
        return self.content

    @cached_property
    def copy(self) -> FitsCopy:
        """Of a FITS file."""
        if not is_fits(self.path):
            raise Skipped(f"{self.path.name} is no FITS file")
        return FitsCopy(self.path, self.folder("plain"))

    @cached_property
    def table(self) -> TableCopy:
        """Of a CSV or Parquet table."""
        if not is_table(self.path):
            raise Skipped(
                f"{self.path.name} is neither FITS nor a CSV or Parquet table: make wrong copies of it yourself"
            )
        return TableCopy(self.path)

    @property
    def is_fits(self) -> bool:
        """Whether it is FITS."""
        return is_fits(self.path)

    def folder(self, name: str) -> Path:
        """A fresh folder with the file's companions in it."""
        made = self.scratch / f"{self.path.name}.{name}"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        for one in self.adapter.companions(self.path):
            shutil.copy(one, made / one.name)
        return made

    @cached_property
    def time_column(self) -> Column:
        """Of arrival times."""
        events = self.observation.events
        found = self.copy.column_like(events.time, events, scaled=False, prefer="TIME")
        if found is None:
            raise Skipped("no column of the file goes with the times, so none can be spoilt")
        return found

    @cached_property
    def energy_column(self) -> Column:
        """Of energies or channels."""
        events = self.observation.events
        found = self.copy.column_like(events.energy, events, scaled=True)
        if found is None:
            raise Skipped("no column of the file goes with the energies, so none can be spoilt")
        return found

    @cached_property
    def sky_columns(self) -> tuple[Column, Column]:
        """Of sky pixels."""
        if self.observation.projection is None:
            raise Skipped(f"no sky image: {self.observation.projection_fault}")
        found = self.copy.sky_columns()
        if found is None:
            raise Skipped("no pair of columns says that it is a plane of the sky (TCTYP)")
        return found

    def refused(self, path: Path, what: str) -> Observation | EventBatch | None:
        """None where a copy is refused as it should be; what was read of it otherwise.

        Raises
        ------
        Violation
            It was refused with an error that no user can make sense of.
        """
        try:
            content = self.read(path)
            if isinstance(content, Observation):
                _ = content.events
        except (FileError, PhotonError):
            return None
        except Exception as fault:
            raise Violation(
                f"{self.path.name} {what}: raised {type(fault).__name__}: {fault}; raise UnreadableFileError with what "
                "is wrong and what to do"
            ) from fault
        return content

    def must_refuse(self, path: Path, what: str) -> None:
        """Raise a `Violation` where a copy is read as if nothing were wrong."""
        if self.refused(path, what) is not None:
            raise Violation(f"{self.path.name} {what} was read as if nothing were wrong; raise UnreadableFileError")


@dataclass(frozen=True)
class AdapterCase:
    """An adapter and good files of its mission."""

    plugin: InstrumentAdapter
    files: tuple[GoodFile, ...]
    foreign: tuple[Path, ...]
    before: str
    scratch: Path = field(repr=False)

    def each(self, look: Callable[[GoodFile], None]) -> None:
        """Look at every file; skipped where none could be looked at."""
        reasons = []
        for one in self.files:
            try:
                look(one)
            except Skipped as fault:
                reasons.append(str(fault))
        if len(reasons) == len(self.files):
            raise Skipped("; ".join(dict.fromkeys(reasons)) or "no file was given")


@contextmanager
def case_of(
    plugin: InstrumentAdapter, files: tuple[Path, ...], options: Options, foreign: tuple[Path, ...], before: str
) -> Iterator[AdapterCase]:
    """A case with a scratch folder, for as long as it is looked at."""
    with TemporaryDirectory(prefix="xherald-kit-") as name:
        # Two files may bear one name, so each has a place of its own.
        good = tuple(GoodFile(path, plugin, options, Path(name, str(i))) for i, path in enumerate(files))
        yield AdapterCase(plugin, good, foreign, before, Path(name))
