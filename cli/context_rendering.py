"""Catalogues and presets as tables in the terminal, or in JSON types."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from xherald.context.catalogues.catalogue import Catalogue
    from xherald.context.catalogues.presets import Preset
    from xherald.plugins import ContextMatches

__all__ = [
    "catalogue_to_json",
    "matches_to_json",
    "print_catalogue",
    "print_catalogues",
    "print_matches",
    "print_presets",
]

PIPED_WIDTH = 200
"""Characters in a line where the output is not a terminal, so that no cell is folded."""


def catalogue_to_json(catalogue: Catalogue) -> dict[str, Any]:
    """The manifest of a catalogue, with its folder and the units of its columns."""
    return {
        **catalogue.about,
        "folder": str(catalogue.folder),
        "stored_columns": [{"name": name, "unit": unit} for name, unit in catalogue.columns.items()],
    }


def print_catalogues(catalogues: Sequence[Catalogue]) -> None:
    """One line for each catalogue."""
    table = _table("catalogue", "rows", "left out", "epoch", "largest error (″)", "imported (UTC)", "from")
    for one in catalogues:
        about = one.about
        table.add_row(
            one.name,
            f"{len(one):,}",
            f"{sum(about['skipped'].values()):,}" if about["skipped"] else "–",
            _epoch(about["epoch_yr"]),
            f"{about['max_pos_err_arcsec']:.3g}",
            about["created"].replace("T", " ").removesuffix("Z"),
            about["origin"],
        )
    _console().print(table)


def print_catalogue(catalogue: Catalogue) -> None:
    """A catalogue, and one line for each of its columns."""
    from xherald.context.catalogues.columns import ROLES

    print_catalogues([catalogue])
    about = catalogue.about
    came = {
        ROLES[role].column: source["column"] or f"{source['constant']:g}"
        for role, source in about["columns_used"]["roles"].items()
    }
    table = _table("column", "unit", "of the file")
    for name, unit in catalogue.columns.items():
        table.add_row(name, unit or "–", came.get(name, name if name in about["columns_used"]["keep"] else "computed"))
    _console().print(table)
    _console().print(f"in {catalogue.folder}", soft_wrap=True)


def matches_to_json(found: Sequence[ContextMatches]) -> list[dict[str, Any]]:
    """Matches of one position, nearest first; what is unknown is null."""
    rows = [
        {
            "catalogue": one.catalogue,
            "name": one.names[i],
            "type": one.types[i],
            "separation_arcsec": float(one.separation_arcsec[i]),
            "ra_deg": float(one.ra_deg[i]),
            "dec_deg": float(one.dec_deg[i]),
            "pos_err_arcsec": float(one.pos_err_arcsec[i]),
            **{name: float(values[i]) if math.isfinite(values[i]) else None for name, values in one.numbers.items()},
        }
        for one in found
        for i in range(len(one))
    ]
    return sorted(rows, key=lambda row: row["separation_arcsec"])


def print_matches(rows: Sequence[Mapping[str, Any]], searched: Sequence[str], radius_arcsec: float) -> None:
    """One line for each source."""
    if not rows:
        _console().print(f"Nothing within {radius_arcsec:g}″ in {', '.join(searched)}.")
        return
    table = _table("catalogue", "name", "type", "separation (″)", "error (″)", "magnitude", "other")
    for row in rows:
        other = ("distance_pc", "redshift", "flux_erg_cm2_s")
        table.add_row(
            row["catalogue"],
            row["name"],
            row["type"] or "–",
            f"{row['separation_arcsec']:.2f}",
            f"{row['pos_err_arcsec']:.2g}",
            "–" if row.get("magnitude") is None else f"{row['magnitude']:.2f}",
            ", ".join(f"{one} {row[one]:.4g}" for one in other if row.get(one) is not None) or "–",
        )
    _console().print(table)
    _console().print(f"{len(rows)} within {radius_arcsec:g}″ in {', '.join(searched)}.")


def print_presets(presets: Mapping[str, Preset]) -> None:
    """One line for each preset."""
    table = _table("preset", "catalogue", "positional error", "reference")
    for name, one in presets.items():
        table.add_row(name, one.title, _error(one), one.reference)
    _console().print(table)


def _error(preset: Preset) -> str:
    has_column = any(role.startswith("pos_err") for role in preset.columns.roles)
    default = preset.columns.default_pos_err_arcsec
    if default is None:
        return "of each row" if has_column else "state --default-error"
    return f"of each row, else {default:g}″" if has_column else f"{default:g}″ for all"


def _epoch(years: Sequence[float] | None) -> str:
    if years is None:
        return "–"
    first, last = years
    return f"{first:.1f}" if last - first < 0.05 else f"{first:.1f} to {last:.1f}"


def _console() -> Console:
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        right = heading in ("rows", "left out", "largest error (″)", "separation (″)", "error (″)", "magnitude")
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    return table
