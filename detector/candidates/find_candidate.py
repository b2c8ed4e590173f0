"""Candidates found again by their id, in the store or in what a scan wrote: `find_candidate`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from xherald.photons.errors import FileError, StoreError, UnreadableFileError

from .evidence import Evidence

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.store import Store

__all__ = ["candidates_in", "find_candidate"]

NAMED: Final = 5
"""Candidates that an error names."""


def find_candidate(candidate_id: str, source: Path | Store) -> Evidence:
    """Evidence of a candidate.

    Parameters
    ----------
    candidate_id : str
    source : Path or Store
        The store; or JSON Lines that `xherald scan --out` (or ``--json``) wrote. Where a file was scanned more than
        once into these, the last line counts.

    Raises
    ------
    FileError
        The rows cannot be read, are not what a scan wrote, or hold no such candidate.
    StoreError
        The store holds no such candidate, or not its evidence.
    """
    if not isinstance(source, Path):
        return _evidence_in(source, candidate_id)
    found: Evidence | None = None
    held: list[str] = []
    for evidence in candidates_in(source):
        held.append(evidence["candidate_id"])
        if held[-1] == candidate_id:
            found = evidence
    if found is not None:
        return found
    if not held:
        raise FileError(source, f"holds no candidate {candidate_id}, nor any other")
    named = ", ".join(held[:NAMED]) + (f" and {len(held) - NAMED} more" if len(held) > NAMED else "")
    raise FileError(source, f"holds no candidate {candidate_id}; it holds {named}")


def _evidence_in(store: Store, candidate_id: str) -> Evidence:
    held: Any = store.candidate(candidate_id).candidate.evidence
    if lacking := sorted(Evidence.__required_keys__ - set(held)):
        raise StoreError(
            f"candidate {candidate_id}: the store holds evidence of another version: it lacks {lacking[0]}; "
            "scan its file again"
        )
    evidence: Evidence = held
    return evidence


def candidates_in(source: Path) -> Iterator[Evidence]:
    """Evidence of every candidate of a scan's JSON Lines, in their order.

    Raises
    ------
    UnreadableFileError
        The file cannot be read, or is not what a scan wrote.
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
        raise UnreadableFileError(source, "is no text; give the .jsonl that `xherald scan --out` wrote") from fault


def _evidence_of(line: str, source: Path, number: int) -> Evidence | None:
    what = "give the .jsonl that `xherald scan --out` wrote"
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as fault:
        raise UnreadableFileError(source, f"line {number} is no JSON; {what}") from fault
    if not isinstance(row, dict) or "evidence" not in row:
        raise UnreadableFileError(source, f"line {number} is no row of a scan with its evidence; {what}")
    evidence: Any = row["evidence"]
    if evidence is None:
        return None
    if not isinstance(evidence, dict) or (lacking := sorted(Evidence.__required_keys__ - set(evidence))):
        lack = f": it lacks {lacking[0]}" if isinstance(evidence, dict) else ""
        raise UnreadableFileError(source, f"line {number} holds evidence of another version{lack}; scan the file again")
    told: Evidence = evidence  # type: ignore[assignment]
    return told
