"""Plot sheets of candidates for the sinks that want them: where they lie, who draws them, how long they are kept.

A worker draws them when it has told what came of a file, so that no result and no other sink waits for a picture; an
alert that is to bring one waits for it in the outbox (`detector.alerts.dispatch`), for a while.
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

__all__ = ["Sheets", "draw_sheets", "sheets_of"]

NAMED: Final = "XH-"
"""What names of candidates, and of nothing else in the folder, begin with."""


@dataclass(slots=True)
class Sheets:
    """A folder of plot sheets.

    Parameters
    ----------
    folder : Path
    sinks : frozenset of str — names of those that want them
    days : float — how long they are kept
    """

    folder: Path
    sinks: frozenset[str]
    days: float
    _tidied: float = field(default=float("-inf"), init=False)

    def by_sink(self, candidate_id: str) -> dict[str, str]:
        """Path of a candidate's sheet, for each sink that wants it."""
        return dict.fromkeys(self.sinks, str(_place(self.folder, candidate_id)))

    def purge(self) -> None:
        """Remove what is older than it is to be kept; once a day at most, however often it is asked."""
        if time.monotonic() - self._tidied < SECONDS_A_DAY:
            return
        self._tidied = time.monotonic()
        for one in [*self.folder.glob(f"{NAMED}*.png"), *self.folder.glob(f".{NAMED}*.png")]:
            try:
                if time.time() - one.stat().st_mtime > self.days * SECONDS_A_DAY:
                    one.unlink()
            except OSError:
                continue  # somebody else's turn, or not ours to remove: tomorrow again


def sheets_of(configuration: Configuration) -> Sheets | None:
    """Where sheets are kept; None if no sink wants any."""
    settings, host = configuration.settings, configuration.host
    wanting = set()
    for name, sink in open_sinks(settings.alerts, host).items():
        try:
            if sink.plugin.wants_sheet(sink.options):
                wanting.add(name)
        except Exception as fault:  # foreign code, whose alerts go out without
            host.note_failure("alert_sinks", sink.plugin, f"asked whether {name} wants sheets", fault)
    if not wanting:
        return None
    folder = settings.daemon.sheets_folder
    if folder is None:
        from platformdirs import user_data_path

        folder = user_data_path("xherald") / "sheets"
    return Sheets(folder.absolute(), frozenset(wanting), settings.daemon.sheets_keep_days)


def draw_sheets(scan: Scan, folder: Path) -> list[str]:
    """Draw the candidates of a scan, each into a file that is there whole or not at all; answers what went wrong."""
    from xherald.detector.candidates.evidence import make_evidence
    from xherald.detector.candidates.scan_plots import write_sheet

    reasons: list[str] = []
    detections = scan.detections
    chosen = detections.candidate.nonzero()[0].tolist()
    for index, evidence in zip(chosen, make_evidence(detections, chosen), strict=True):
        path = _place(folder, evidence["candidate_id"])
        part = path.with_name(f".{path.stem}.part.png")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_sheet(part, detections, index, evidence)
            part.replace(path)
        except Exception as fault:  # a picture is never worth a worker: whatever it is, the alert goes out without
            reasons.append(f"{evidence['candidate_id']}: {type(fault).__name__}: {fault}")
    return reasons


def _place(folder: Path, candidate_id: str) -> Path:
    return folder / f"{candidate_id}.png"
