"""What writing an exposure leaves behind: `Written`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Written"]


@dataclass(frozen=True, slots=True)
class Written:
    """Files of one exposure.

    Parameters
    ----------
    events : Path — the event list
    companions : tuple of Path — what the mission delivers beside it
    truth : Path — what `truth.read_truth` reads
    """

    events: Path
    companions: tuple[Path, ...]
    truth: Path
