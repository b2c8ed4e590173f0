"""Objects as one line and as HTML tables in notebooks. Every text is escaped: names come from files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xherald.sources import Source

__all__ = ["candidate_rows", "evidence_rows", "html_table", "one_line"]


def html_table(title: str, rows: Iterable[Sequence[str]], *, heading: bool = True, note: str = "") -> str:
    """A titled table; the first row is the heading, or no row is.

    Parameters
    ----------
    title : str
    rows : iterable of sequences of str
    heading : bool
    note : str
        Line below the table.
    """
    parts = [f"<div><b>{escape(title)}</b><table>"]
    for number, row in enumerate(rows):
        tag = "th" if heading and number == 0 else "td"
        parts.append("<tr>" + "".join(f"<{tag} style='text-align:left'>{escape(cell)}</{tag}>" for cell in row))
    parts.append(f"</table>{escape(note)}</div>")
    return "".join(parts)


def one_line(source: Source) -> str:
    """Name, kind, counts and false-alarm probability of a source."""
    from xherald.photons.probabilities import format_probability

    row = source.row
    position = ""
    where = source.position
    if where is not None:
        position = f" at {where.ra.deg:.5f} {where.dec.deg:+.5f}"
    label = f"{source.kind}{' candidate' if source.is_candidate else ''}"
    chance = format_probability(row["false_alarm_probability"], extrapolated=row["extrapolated"])
    return f"{source.name}{position}: {label}, {row['counts']} counts, false-alarm probability {chance}"


def candidate_rows(sources: Sequence[Source]) -> list[tuple[str, ...]]:
    """Heading and one row for each source."""
    from xherald.detector.candidates.formatting import format_classes
    from xherald.photons.probabilities import format_probability

    rows: list[tuple[str, ...]] = [("source", "kind", "counts", "false-alarm probability", "class", "from (UTC)")]
    for source in sources:
        row = source.row
        rows.append(
            (
                source.name,
                f"{source.kind}{' (candidate)' if source.is_candidate else ''}",
                str(row["counts"]),
                format_probability(row["false_alarm_probability"], extrapolated=row["extrapolated"]),
                format_classes(row["class_set"]),
                (row["interval_start_utc"] or "")[:19],
            )
        )
    return rows


def evidence_rows(source: Source) -> list[tuple[str, str]]:
    """Label and value of everything that the plot sheet says in numbers."""
    from xherald.detector.candidates.evidence_lines import format_evidence

    return [(line.label, line.value) for line in format_evidence(source.evidence)]
