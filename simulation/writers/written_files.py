"""What writing an exposure leaves behind: `WrittenFiles`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["WrittenFiles"]


@dataclass(frozen=True, slots=True)
class WrittenFiles:
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
