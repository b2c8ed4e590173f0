"""Files of an evaluation report, JSON and plots: `write_report`, `read_report`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from xherald.photons.artefact_folders import load_json
from xherald.photons.errors import ArtefactError, FileError

from .run import SCHEMA

__all__ = ["REPORT", "read_report", "write_report"]

REPORT: Final = "evaluation.json"


def write_report(report: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write a report.

    Parameters
    ----------
    report : mapping
        From `run.evaluate`.
    folder : Path
        Created if it does not exist; existing files are replaced.

    Returns
    -------
    list of Path
        `REPORT` and the pages.

    Raises
    ------
    FileError
        A file cannot be written.
    """
    from .report_plots import draw_report

    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / REPORT).write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        pages = draw_report(report, folder)
    except OSError as fault:
        raise FileError(folder, f"the report cannot be written: {fault.strerror or fault}") from fault
    return [folder / REPORT, *pages]


def read_report(path: Path) -> dict[str, Any]:
    """Read a report of `write_report`.

    Raises
    ------
    ArtefactError
        It cannot be read, or is of another version.
    """
    report = load_json(path)
    if report.get("schema_version") != SCHEMA:
        raise ArtefactError(
            f"{path}: is a report of version {report.get('schema_version')!r}, not {SCHEMA}; run `xherald evaluate`"
        )
    return report
