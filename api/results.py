"""What a scan gives: `ScanResult`, its sources as objects and as one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from xherald.sources import Source

if TYPE_CHECKING:
    from astropy.table import QTable
    from matplotlib.figure import Figure

    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.joint_scan import JointScan
    from xherald.detector.results.rows import DetectionRow
    from xherald.detector.scan import Scan
    from xherald.photons.errors import XheraldError

__all__ = ["ScanResult"]


@dataclass(frozen=True, eq=False, repr=False)
class ScanResult:
    """The sources of scanned files, most significant first.

    It is a sequence of `Source`: ``scan[0]`` is the most significant, ``scan["29128/25"]`` the one of that name.

    Parameters
    ----------
    scans : tuple of xherald.detector.scan.Scan
        One for each file.
    configuration : Configuration
    failures : mapping of Path to XheraldError
        Files that could not be used, with the reason, where the scan was asked to go on.
    joint : tuple of xherald.detector.joint_scan.JointScan
        Tests of the sources that several cameras of an observation detected, in all their photons.
    """

    scans: tuple[Scan, ...]
    configuration: Configuration
    failures: Mapping[Path, XheraldError] = field(default_factory=dict)
    joint: tuple[JointScan, ...] = ()

    @cached_property
    def _rows_by_scan(self) -> list[tuple[Scan, list[DetectionRow]]]:
        """Rows of each file, and of the joint tests of its cameras."""
        from xherald.detector.joint_scan import make_event_rows

        rows, joint_rows = make_event_rows(self.scans, self.joint)
        joint_scans = [one.scan for one in self.joint]
        return list(zip((*self.scans, *joint_scans), (*rows, *joint_rows), strict=True))

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """Every source that was tested, most significant first.

        A source that varies in several cameras together is listed beside its detections in each.
        """
        from xherald.detector.results.rows import significance_key

        joint_scans = {id(one.scan) for one in self.joint}
        found = [
            Source(scan, index, row, self.configuration)
            for scan, rows in self._rows_by_scan
            for index, row in enumerate(rows)
            if id(scan) not in joint_scans or row["kind"] != "steady"
        ]
        return tuple(sorted(found, key=lambda source: significance_key(source.row)))

    @property
    def candidates(self) -> tuple[Source, ...]:
        """Sources that varied significantly and that no veto rejects, one for each event, most significant first."""
        return tuple(source for source in self.sources if source.is_candidate)

    @property
    def rows(self) -> list[DetectionRow]:
        """Every source as a row in JSON's own types, most significant first."""
        return [source.row for source in self.sources]

    @cached_property
    def table(self) -> QTable:
        """Every source as a row, most significant first, with units, times, UCDs and descriptions."""
        from xherald.detector.results.tables import to_qtable

        return to_qtable(self.rows)

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of the files as a whole, such as listed sources that lie outside the field."""
        from xherald.detector.scoring.veto_flags import observation_notes

        return tuple(
            f"{scan.photons.path}: {note}"
            for scan in self.scans
            for note in (*scan.photons.notes, *observation_notes(scan.detections.vetoes))
        )

    @property
    def left_out(self) -> tuple[str, ...]:
        """What source detection left out of each file, such as detections on the read-out streak of a bright source."""
        return tuple(f"{scan.photons.path}: {note}" for scan in self.scans for note in scan.photons.left_out)

    def write(self, path: str | Path) -> None:
        """Write every source to a file whose suffix names the format, such as .ecsv, .fits, .vot, .parquet or .jsonl.

        Raises
        ------
        ConfigError
            The suffix names no format that is written, or the folder cannot be written to.
        FileError
            The file cannot be written.
        """
        from xherald.detector.results.writers import require_writable, write

        target = Path(path)
        require_writable([target])
        write(self.rows, target)

    def save_plots(self, folder: str | Path, *, every_source: bool = False) -> int:
        """Draw the sheet of each candidate of each file, as many as ``output.plots`` of the settings allows, as PNG.

        Parameters
        ----------
        folder : str or Path
            Made if it does not exist; files are named after the candidate's id.
        every_source : bool
            Draw every source, steady ones too.

        Returns
        -------
        int
            Sheets drawn.

        Raises
        ------
        FileError
            A picture cannot be written.
        """
        from xherald.detector.candidates.scan_plots import draw_scan

        most = None if every_source else self.configuration.settings.output.plots
        return sum(draw_scan(scan, rows, Path(folder), most) for scan, rows in self._rows_by_scan)

    def plot_map(self) -> Figure:
        """The reference's embedding with the scanned sources on it, candidates named.

        Raises
        ------
        ReferenceDataError
            No file has a reference of its instrument and band.
        """
        from xherald.figures import plot_embedding_of

        return plot_embedding_of(self)

    def __len__(self) -> int:
        return len(self.sources)

    def __iter__(self) -> Iterator[Source]:
        return iter(self.sources)

    def __getitem__(self, key: int | str) -> Source:
        """A source by its place in order of significance, its name "obs_id/detection_id", or its candidate id.

        Raises
        ------
        KeyError
            No source has that name.
        IndexError
            There are fewer sources.
        """
        if isinstance(key, int):
            return self.sources[key]
        for source in self.sources:
            if key in (source.name, source.candidate_id):
                return source
        raise KeyError(f"no source is named {key!r}; names are such as {self.sources[0].name!r}" if len(self) else key)

    def _summary(self) -> str:
        files = f"{len(self.scans)} file{'s' * (len(self.scans) != 1)}"
        failed = f", {len(self.failures)} not usable" if self.failures else ""
        count = len(self.candidates)
        return f"{len(self)} sources of {files}{failed}, {count} candidate{'s' * (count != 1)}"

    def __repr__(self) -> str:
        return f"<ScanResult: {self._summary()}>"

    def _repr_html_(self) -> str:
        from xherald.html import candidate_rows, html_table

        title = f"ScanResult: {self._summary()}"
        return html_table(title, candidate_rows(self.sources[: max(len(self.candidates), 5)]))
