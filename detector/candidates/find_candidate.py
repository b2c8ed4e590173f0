"""Look up a candidate by its id, in the store or in the JSON Lines of a scan: `find_candidate`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from xherald.detector.results.row_types import Evidence
from xherald.photons.errors import FileError, StoreError, UnreadableFileError

from .place_notes import make_no_place_fields

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.store import Store

__all__ = ["candidates_in", "find_candidate"]

HINT: Final = "give the .jsonl file that `xherald scan --out` wrote"

MAX_NAMED: Final = 5
"""Candidates that an error names."""


def find_candidate(candidate_id: str, source: Path | Store) -> Evidence:
    """Evidence of a candidate.

    Parameters
    ----------
    candidate_id : str
    source : Path or Store
        The store, or JSON Lines that `xherald scan --out` (or ``--json``) wrote. Where the candidate occurs more than
        once, the last line counts.

    Raises
    ------
    FileError
        The rows cannot be read, were not written by a scan, or lack the candidate.
    StoreError
        The store lacks the candidate or its evidence.
    """
    if not isinstance(source, Path):
        return _evidence_in(source, candidate_id)
    found: Evidence | None = None
    ids: list[str] = []
    for evidence in candidates_in(source):
        ids.append(evidence["candidate_id"])
        if ids[-1] == candidate_id:
            found = evidence
    if found is not None:
        return found
    if not ids:
        raise FileError(source, f"no candidate {candidate_id} in this file, nor any other")
    named = ", ".join(ids[:MAX_NAMED]) + (f" and {len(ids) - MAX_NAMED} more" if len(ids) > MAX_NAMED else "")
    raise FileError(source, f"no candidate {candidate_id} in this file; it has {named}")


def _evidence_in(store: Store, candidate_id: str) -> Evidence:
    # Evidence that was stored before there were verdicts by place has none.
    stored: Any = {**make_no_place_fields(), **store.candidate(candidate_id).candidate.evidence}
    if missing := sorted(Evidence.__required_keys__ - set(stored)):
        raise StoreError(
            f"candidate {candidate_id}: stored by another version, its evidence lacks {missing[0]}; scan its file again"
        )
    evidence: Evidence = stored
    return evidence


def candidates_in(source: Path) -> Iterator[Evidence]:
    """Evidence of every candidate in the JSON Lines of a scan, in their order.

    Raises
    ------
    UnreadableFileError
        The file cannot be read or was not written by a scan.
    """
    try:
        with source.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    evidence = _evidence_of(line, source, number)
                    if evidence is not None:
                        yield evidence
    except OSError as fault:
        raise UnreadableFileError(source, f"cannot be read: {fault.strerror or fault}") from fault
    except UnicodeDecodeError as fault:
        raise UnreadableFileError(source, f"not a text file; {HINT}") from fault


def _evidence_of(line: str, source: Path, number: int) -> Evidence | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as fault:
        raise UnreadableFileError(source, f"line {number} is not JSON; {HINT}") from fault
    if not isinstance(row, dict) or "evidence" not in row:
        raise UnreadableFileError(source, f"line {number} is not a row of a scan; {HINT}")
    evidence: Any = row["evidence"]
    if evidence is None:
        return None
    if not isinstance(evidence, dict):
        raise UnreadableFileError(source, f"line {number}: evidence is not an object; {HINT}")
    if missing := sorted(Evidence.__required_keys__ - set(evidence)):
        raise UnreadableFileError(
            source, f"line {number}: written by another version, evidence lacks {missing[0]}; scan the file again"
        )
    found: Evidence = evidence  # type: ignore[assignment]
    return found
