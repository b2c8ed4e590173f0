"""Results of a file whose sources were tested together with other cameras of the observation: `scan_with_siblings`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.joint_scan import JointScan
    from xherald.detector.results.row_types import DetectionRow
    from xherald.detector.scan import Scan

__all__ = ["JointResults", "scan_with_siblings"]


@dataclass(frozen=True, slots=True)
class JointResults:
    """Joint results of the sources of a file.

    Parameters
    ----------
    scan : Scan
        Of the file, with sources at positions where other cameras detected them.
    results : mapping of int to (DetectionRow, float)
        By the index of the source in the file, the joint row and tail probability.
    joint : sequence of JointScan
    note : str — why the cameras were not tested together, if they should have been
    """

    scan: Scan
    results: dict[int, tuple[DetectionRow, float]] = field(default_factory=dict)
    joint: Sequence[JointScan] = ()
    note: str = ""

    def joint_scans(self) -> list[Scan]:
        """The joint scans as scans of the file, for the plot sheets of their candidates."""
        path = self.scan.photons.path
        return [replace(one.scan, photons=replace(one.scan.photons, path=path)) for one in self.joint]


def scan_with_siblings(scan: Scan, siblings: Sequence[Path], configuration: Configuration) -> JointResults:
    """Test the sources of a file together with the files of other cameras of the observation.

    Parameters
    ----------
    scan : Scan
        Of the file.
    siblings : sequence of Path
    configuration : Configuration
    """
    if not siblings:
        return JointResults(scan)
    try:
        return _scan_together(scan, siblings, configuration)
    except Exception as fault:  # whatever it is, the file itself has been tested
        names = ", ".join(path.name for path in siblings)
        return JointResults(scan, note=f"not tested together with {names}: {type(fault).__name__}: {fault}")


def _scan_together(scan: Scan, siblings: Sequence[Path], configuration: Configuration) -> JointResults:
    from xherald.detector.joint_scan import make_joint_rows, scan_together
    from xherald.detector.scan import scan_file

    scans = [scan, *(scan_file(path, configuration) for path in siblings)]
    scans, joint = scan_together(scans, configuration)
    _, joint_rows = make_joint_rows(scans, joint)
    results: dict[int, tuple[DetectionRow, float]] = {}
    for one, rows in zip(joint, joint_rows, strict=True):
        probabilities = one.scan.detections.tail_probability.tolist()
        for members, row, p, is_alone in zip(one.members, rows, probabilities, one.is_decided_alone, strict=True):
            for camera, index in members:
                if camera == 0 and np.isfinite(p) and not is_alone:
                    results[index] = row, p
    return JointResults(scans[0], results, joint)
