"""Plot sheets of the sources of a scanned file, one PNG for each (`candidates.sheet` draws them)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xherald.detector.results.rows import DetectionRow, significance_key
from xherald.photons.errors import FileError

if TYPE_CHECKING:
    from xherald.detector.results.row_types import Evidence
    from xherald.detector.scan import Scan
    from xherald.detector.scoring.detections import Detections

__all__ = ["draw_scan", "write_sheet", "write_sheet_again"]


def draw_scan(scan: Scan, rows: Sequence[DetectionRow], folder: Path, limit: int | None) -> int:
    """Draw the sources of a scanned file into a folder, each in a file named after its candidate id.

    Parameters
    ----------
    scan : Scan
    rows : sequence of DetectionRow
        In the order of the scan's batch.
    folder : Path
        Created if it does not exist.
    limit : int or None
        Draw at most this many candidates, the most significant; None draws every source.

    Returns
    -------
    int
        Number of files written.

    Raises
    ------
    FileError
        A picture cannot be written.
    """
    from .evidence import make_evidence

    detections = scan.detections
    chosen = sorted(range(len(rows)), key=lambda index: significance_key(rows[index]))
    if limit is not None:
        chosen = [index for index in chosen if rows[index]["is_candidate"]][:limit]
    folder.mkdir(parents=True, exist_ok=True)
    for index, evidence in zip(chosen, make_evidence(detections, chosen), strict=True):
        write_sheet(folder / f"{evidence['candidate_id']}.png", detections, index, evidence)
    return len(chosen)


def write_sheet(path: Path, detections: Detections, index: int, evidence: Evidence) -> None:
    """Draw the sheet of a source into a file.

    Parameters
    ----------
    path : Path
    detections : Detections
    index : int
        Index of the source.
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


def write_sheet_again(path: Path, scans: Sequence[Scan], evidence: Evidence) -> None:
    """Draw the sheet of a candidate that was found earlier, from new scans of its files.

    Numbers are those of the earlier evidence, photons those of the new scans.

    Parameters
    ----------
    path : Path
    scans : sequence of Scan
        Of the file of the candidate, or of all cameras and of these together.
    evidence : Evidence

    Raises
    ------
    FileError
        The scans lack the detection or have other photons in it, or the picture cannot be written.
    """
    wanted = tuple(evidence[name] for name in ("mission", "instrument", "obs_id", "detection_id"))
    found = [
        (scan, index)
        for scan in scans
        for index, one in enumerate(scan.photons.batch.identities)
        if (one.mission, one.instrument, one.obs_id, one.detection_id) == wanted
    ]
    file = Path(evidence["file"])
    if not found:
        raise FileError(
            file,
            f"detection {evidence['detection_id']} of candidate {evidence['candidate_id']} was not found again; "
            "use the same settings and --sources as the first scan",
        )
    scan, index = found[0]
    counts = int(scan.photons.batch.counts[index])
    if counts != evidence["counts"]:
        raise FileError(
            file,
            f"detection {evidence['detection_id']} has {counts} photons, candidate {evidence['candidate_id']} had "
            f"{evidence['counts']}: the file or the settings changed; scan the file again",
        )
    write_sheet(path, scan.detections, index, evidence)
