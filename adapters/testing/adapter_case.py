"""Test case of the adapter rules: an adapter, valid files of its author, and invalid copies of these."""

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
    """A valid file of the author, its content, and a folder for copies."""

    path: Path
    adapter: InstrumentAdapter
    options: Options
    scratch: Path

    @cached_property
    def header(self) -> Mapping[str, object]:
        """Keywords as passed to `claims`."""
        return read_header(self.path, ReadLimits())

    def read(self, path: Path, limits: ReadLimits | None = None) -> Observation | EventBatch:
        """Read a file or a copy with the adapter."""
        return self.adapter.read(path, self.options, limits or ReadLimits())

    @cached_property
    def content(self) -> Observation | EventBatch:
        """Result of reading the file."""
        return self.read(self.path)

    @property
    def observation(self) -> Observation:
        """The observation; skips the rule for a table of photons."""
        if isinstance(self.content, EventBatch):
            raise Skipped("a table of photons, not an observation")
        return self.content

    @cached_property
    def copy(self) -> FitsCopy:
        """Copies of a FITS file."""
        if not is_fits(self.path):
            raise Skipped(f"{self.path.name} is not a FITS file")
        return FitsCopy(self.path, self.folder("plain"))

    @cached_property
    def table(self) -> TableCopy:
        """Copies of a CSV or Parquet table."""
        if not is_table(self.path):
            raise Skipped(
                f"{self.path.name} is neither FITS nor a CSV or Parquet table, so no invalid copies can be made"
            )
        return TableCopy(self.path)

    @property
    def is_fits(self) -> bool:
        """Whether it is a FITS file."""
        return is_fits(self.path)

    def folder(self, name: str) -> Path:
        """A new folder with copies of the file's companions."""
        made = self.scratch / f"{self.path.name}.{name}"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        for one in self.adapter.companion_paths(self.path):
            shutil.copy(one, made / one.name)
        return made

    @cached_property
    def time_column(self) -> Column:
        """Column of arrival times."""
        events = self.observation.events
        found = self.copy.column_like(events.time, events, scaled=False, prefer="TIME")
        if found is None:
            raise Skipped("no column of the file corresponds to the times")
        return found

    @cached_property
    def energy_column(self) -> Column:
        """Column of energies or channels."""
        events = self.observation.events
        found = self.copy.column_like(events.energy, events, scaled=True)
        if found is None:
            raise Skipped("no column of the file corresponds to the energies")
        return found

    @cached_property
    def sky_columns(self) -> tuple[Column, Column]:
        """Columns of sky pixels."""
        if self.observation.projection is None:
            raise Skipped(f"no sky positions: {self.observation.projection_fault}")
        found = self.copy.sky_columns()
        if found is None:
            raise Skipped("no pair of columns has a sky projection (TCTYP)")
        return found

    def read_or_refuse(self, path: Path, what: str) -> Observation | EventBatch | None:
        """Read an invalid copy; None if it is refused, as it should be.

        Raises
        ------
        Violation
            It was refused with an unexpected error.
        """
        try:
            content = self.read(path)
            if isinstance(content, Observation):
                _ = content.events
        except (FileError, PhotonError):
            return None
        except Exception as error:
            raise Violation(
                f"{self.path.name} {what}: raised {type(error).__name__}: {error}; raise UnreadableFileError with what "
                "is wrong and what to do"
            ) from error
        return content

    def must_refuse(self, path: Path, what: str) -> None:
        """Raise a `Violation` if an invalid copy is read without an error."""
        if self.read_or_refuse(path, what) is not None:
            raise Violation(f"{self.path.name} {what} was read without an error; raise UnreadableFileError")


@dataclass(frozen=True)
class AdapterCase:
    """An adapter and valid files of its mission."""

    plugin: InstrumentAdapter
    files: tuple[GoodFile, ...]
    foreign: tuple[Path, ...]
    initial_state: str
    scratch: Path = field(repr=False)

    def for_each_file(self, check: Callable[[GoodFile], None]) -> None:
        """Check every file; the rule is skipped if it is skipped for all."""
        reasons = []
        for one in self.files:
            try:
                check(one)
            except Skipped as reason:
                reasons.append(str(reason))
        if len(reasons) == len(self.files):
            raise Skipped("; ".join(dict.fromkeys(reasons)) or "no file was given")


@contextmanager
def open_case(
    plugin: InstrumentAdapter, files: tuple[Path, ...], options: Options, foreign: tuple[Path, ...], initial_state: str
) -> Iterator[AdapterCase]:
    """A case with a temporary folder."""
    with TemporaryDirectory(prefix="xherald-kit-") as name:
        # Files may have equal names, so each has a folder of its own.
        good = tuple(GoodFile(path, plugin, options, Path(name, str(i))) for i, path in enumerate(files))
        yield AdapterCase(plugin, good, foreign, initial_state, Path(name))
