"""Plot sheets of candidates for sinks that attach them: where they are kept, drawing, deletion.

A worker draws them after it has sent the results of a file, so that results and other sinks do not wait for plots. An
alert with a plot sheet waits for it in the outbox for a limited time (`daemon.alerts.dispatch`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xherald.daemon.alerts.sinks import open_sinks
from xherald.photons.times import SECONDS_A_DAY

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.scan import Scan

__all__ = ["SheetFolder", "draw_sheets", "open_sheet_folder"]

NAME_PREFIX: Final = "XH-"
"""Prefix of candidate ids, by which plot sheets are recognized in the folder."""


@dataclass(slots=True)
class SheetFolder:
    """The folder of plot sheets.

    Parameters
    ----------
    folder : Path
    sinks : frozenset of str — names of the sinks that attach them
    keep_days : float — how long they are kept
    """

    folder: Path
    sinks: frozenset[str]
    keep_days: float
    _last_purge: float = field(default=float("-inf"), init=False)

    def paths_by_sink(self, candidate_id: str) -> dict[str, str]:
        """Path of a candidate's plot sheet, by name of the sink that attaches it."""
        return dict.fromkeys(self.sinks, str(_sheet_path(self.folder, candidate_id)))

    def purge(self) -> None:
        """Delete old plot sheets, at most once a day."""
        if time.monotonic() - self._last_purge < SECONDS_A_DAY:
            return
        self._last_purge = time.monotonic()
        for path in [*self.folder.glob(f"{NAME_PREFIX}*.png"), *self.folder.glob(f".{NAME_PREFIX}*.png")]:
            try:
                if time.time() - path.stat().st_mtime > self.keep_days * SECONDS_A_DAY:
                    path.unlink()
            except OSError:
                continue  # deleted by another daemon, or not permitted: try again tomorrow


def open_sheet_folder(configuration: Configuration) -> SheetFolder | None:
    """The folder of plot sheets; None if no sink attaches them."""
    settings, host = configuration.settings, configuration.host
    names = set()
    for name, sink in open_sinks(settings.alerts, host).items():
        try:
            if sink.plugin.wants_sheet(sink.options):
                names.add(name)
        except Exception as fault:  # a defect of a plugin, whose alerts are sent without plot sheets
            host.record_failure("alert_sinks", sink.plugin, f"asking whether {name} attaches plot sheets", fault)
    if not names:
        return None
    folder = settings.daemon.sheets_folder
    if folder is None:
        from platformdirs import user_data_path

        folder = user_data_path("xherald") / "sheets"
    return SheetFolder(folder.absolute(), frozenset(names), settings.daemon.sheets_keep_days)


def draw_sheets(scan: Scan, folder: Path) -> list[str]:
    """Draw a plot sheet of each candidate of a scan; returns the errors, one line each."""
    from xherald.detector.candidates.evidence import make_evidence
    from xherald.detector.candidates.scan_plots import write_sheet

    errors: list[str] = []
    detections = scan.detections
    chosen = detections.candidate.nonzero()[0].tolist()
    for index, evidence in zip(chosen, make_evidence(detections, chosen), strict=True):
        path = _sheet_path(folder, evidence["candidate_id"])
        part = path.with_name(f".{path.stem}.part.png")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_sheet(part, detections, index, evidence)
            part.replace(path)
        except Exception as fault:  # whatever it is, the alert is sent without a plot sheet
            errors.append(f"{evidence['candidate_id']}: {type(fault).__name__}: {fault}")
    return errors


def _sheet_path(folder: Path, candidate_id: str) -> Path:
    return folder / f"{candidate_id}.png"
