"""What a call of the command line gave."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

__all__ = ["CliResult"]


@dataclass(frozen=True)
class CliResult:
    """What a call of the command line gave."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Standard output read as JSON Lines."""
        return [json.loads(line) for line in self.stdout.splitlines()]
