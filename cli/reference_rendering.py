"""References, comparisons and analogues as tables in the terminal, or in JSON types."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from xherald.catalog_store.references.reference_store import ReferenceEntry
    from xherald.detector.references.compare_sources import ComparedSource
    from xherald.detector.references.reproduce import Comparison

__all__ = [
    "entry_to_json",
    "print_analogues",
    "print_compared",
    "print_comparisons",
    "print_entries",
    "print_entry",
]

PIPED_WIDTH = 200
"""Characters in a line where the output is not a terminal, so that no cell is folded."""


def entry_to_json(entry: ReferenceEntry) -> dict[str, Any]:
    """The manifest of a version without the hashes of its files."""
    return {
        **entry.about,
        "name": entry.name,
        "version": entry.version,
        "folder": str(entry.folder),
        "active": entry.active,
    }


def print_entries(entries: Sequence[ReferenceEntry]) -> None:
    """One line for each version."""
    table = _table("reference", "serves", "sources", "flares", "dips", "others", "cases", "created (UTC)", "")
    for one in entries:
        transients = one.about["bona_fide"]
        table.add_row(
            f"{one.name}@{one.version}",
            one.serves,
            f"{one.about['sources']:,}",
            *(f"{transients[kind]:,}" for kind in ("flare", "dip", "other")),
            ", ".join(one.about["cases"]),
            one.about["created_utc"].removesuffix("+00:00"),
            "active" if one.active else "",
        )
    _console().print(table)


def print_entry(entry: ReferenceEntry) -> None:
    """One version, and one line for each of its cases."""
    print_entries([entry])
    table = _table("case", "clusters", "outliers", "candidates", "index", "recall@10", "seconds")
    for name, case in entry.about["cases"].items():
        measured = case["measured"]
        table.add_row(
            name,
            f"{measured['clusters']:,}",
            f"{measured['outliers']:,}",
            f"{measured['candidates']:,}",
            str(measured["index"]),
            f"{measured['recall_at_10']:.4f}",
            f"{sum(measured['seconds'].values()):.1f}",
        )
    _console().print(table)
    _console().print(f"in {entry.folder}", soft_wrap=True)


def print_comparisons(rows: Sequence[Comparison]) -> None:
    """Agreement of rebuilt cases with the published ones."""
    table = _table("case", "sources", "1 − disparity", "neighbours kept", "adjusted Rand index", "clusters", "seconds")
    for row in rows:
        table.add_row(
            row.case,
            f"{row.sources:,}",
            *(
                "–" if value is None else f"{value:.4f}"
                for value in (row.agreement, row.neighbours_kept, row.rand_index)
            ),
            f"{row.clusters:,}",
            f"{sum(row.seconds.values()):.1f}",
        )
    _console().print(table)


def print_compared(rows: Sequence[ComparedSource], limit: int) -> None:
    """One line for each source, those most similar to a bona-fide transient first."""
    table = _table("source", "counts", "case", "position", "cluster", "similar transients (distance)")
    ordered = sorted(rows, key=lambda row: row["similar_to"][0]["distance"])
    for row in ordered[:limit]:
        near = ", ".join(f"{one['name']} {one['kind']} ({one['distance']:.3g})" for one in row["similar_to"])
        dominant = f" {row['cluster_dominant']}" if row["cluster_dominant"] else ""
        table.add_row(
            f"{row['obs_id']}/{row['detection_id']}",
            f"{row['counts']:,}",
            row["case"],
            f"{row['tsne1']:+.1f} {row['tsne2']:+.1f}",
            f"{row['cluster']}{dominant}",
            near,
        )
    _console().print(table)
    hidden = len(rows) - min(limit, len(rows))
    _console().print(
        f"{len(rows):,} sources" + (f" ({hidden:,} not shown; use --json for all)" if hidden else "") + "."
    )


def print_analogues(rows: Sequence[Mapping[str, Any]]) -> None:
    """One line for each analogue, by transient and rank."""
    table = _table("transient", "kind", "rank", "analogue", "its kind", "distance")
    for row in rows:
        kinds = (row["transient_kind"], row["kind"])
        table.add_row(
            row["transient"], kinds[0] or "–", str(row["rank"]), row["obsreg_id"], kinds[1], f"{row['distance']:.4g}"
        )
    _console().print(table)


def _console() -> Console:
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        right = heading in ("sources", "flares", "dips", "others", "clusters", "outliers", "candidates", "counts")
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    return table
