"""Answers of services, kept on disk for some days: `AnswerCache`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["AnswerCache"]

SECONDS_PER_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class AnswerCache:
    """A folder of answers.

    Parameters
    ----------
    folder : Path — created when something is kept
    keep_days : float — older answers are not used, and removed by `prune`
    """

    folder: Path
    keep_days: float

    def get(self, request: Any) -> list[dict[str, Any]] | None:
        """The answer to a request, a JSON value; None if it is not there, too old, or damaged."""
        path = self._path(request)
        try:
            if time.time() - path.stat().st_mtime > self.keep_days * SECONDS_PER_DAY:
                return None
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(content, dict) or content.get("request") != _plain(request):
            return None
        rows: list[dict[str, Any]] = content["rows"]
        return rows

    def put(self, request: Any, rows: list[dict[str, Any]]) -> None:
        """Keep an answer. A folder that cannot be written costs another request, nothing more."""
        path = self._path(request)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps({"request": _plain(request), "rows": rows}), encoding="utf-8")
            part.replace(path)

    def prune(self) -> None:
        """Remove answers that are too old."""
        limit = time.time() - self.keep_days * SECONDS_PER_DAY
        for path in self.folder.glob("*.json"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < limit:
                    path.unlink()

    def _path(self, request: Any) -> Path:
        digest = hashlib.sha256(json.dumps(_plain(request), sort_keys=True).encode()).hexdigest()
        return self.folder / f"{digest[:32]}.json"


def _plain(request: Any) -> Any:
    return json.loads(json.dumps(request, sort_keys=True))
