"""Plot sheets of a scanned file's sources, a PNG each (`candidates.sheet` draws them)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xherald.detector.results.rows import SourceRow, significance
from xherald.photons.errors import FileError

if TYPE_CHECKING:
    from xherald.detector.scan import Scan
    from xherald.detector.scoring.detections import Detections

    from .evidence import Evidence

__all__ = ["draw_scan", "write_sheet", "write_sheet_again"]


def draw_scan(scan: Scan, rows: Sequence[SourceRow], folder: Path, most: int | None) -> int:
    """Draw the sources of a scanned file into a folder and answer how many.

    Parameters
    ----------
    scan : Scan
    rows : sequence of SourceRow
        In the order of the scan's batch.
    folder : Path
        Made if it is not there.
    most : int or None
        Draw at most so many candidates, the most significant; None draws every source.

    Raises
    ------
    FileError
        A picture cannot be written.
    """
    from .evidence import evidence_of

    detections = scan.detections
    chosen = sorted(range(len(rows)), key=lambda index: significance(rows[index]))
    if most is not None:
        wanted = detections.candidate.tolist()
        chosen = [index for index in chosen if wanted[index]][:most]
    folder.mkdir(parents=True, exist_ok=True)
    for index, evidence in zip(chosen, evidence_of(detections, chosen), strict=True):
        write_sheet(folder / _file_name(scan.photons.path, rows[index]), detections, index, evidence)
    return len(chosen)


def write_sheet(path: Path, detections: Detections, index: int, evidence: Evidence) -> None:
    """Draw a source's sheet into a file.

    Parameters
    ----------
    path : Path
    detections : Detections
    index : int
        The source's place among them.
    evidence : Evidence
        Of that source.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    from .sheet import DPI, draw_sheet

    figure = draw_sheet(detections, index, evidence)
    try:
        figure.savefig(path, dpi=DPI)
    except OSError as fault:
        raise FileError(path, f"cannot be written: {fault.strerror or fault}") from fault


def write_sheet_again(path: Path, scan: Scan, evidence: Evidence) -> None:
    """Draw the sheet that evidence written earlier is of, from a new scan of its file.

    What is written on it is the earlier evidence; what is drawn are the photons of now.

    Parameters
    ----------
    path : Path
    scan : Scan
    evidence : Evidence

    Raises
    ------
    FileError
        The scan has no such detection, or other photons in it; the picture cannot be written.
    """
    detections = scan.detections
    wanted = tuple(evidence[name] for name in ("mission", "instrument", "obs_id", "detection_id"))
    identities = scan.photons.batch.identities
    found = [
        i for i, one in enumerate(identities) if (one.mission, one.instrument, one.obs_id, one.detection_id) == wanted
    ]
    if not found:
        raise FileError(
            scan.photons.path,
            f"has no detection {evidence['detection_id']} any more, so {evidence['candidate_id']} cannot be drawn; "
            "give the same settings and --sources as its scan had",
        )
    counts = int(scan.photons.batch.counts[found[0]])
    if counts != evidence["counts"]:
        raise FileError(
            scan.photons.path,
            f"has {counts} photons in {evidence['detection_id']} where {evidence['candidate_id']} had "
            f"{evidence['counts']}: it, or the settings, changed since; scan it again",
        )
    write_sheet(path, detections, found[0], evidence)


def _file_name(path: Path, row: SourceRow) -> str:
    return re.sub(r"[^\w.+-]+", "_", f"{path.name.split('.')[0]}_{row['detection_id']}") + ".png"
