"""The table that `xherald scan` prints: numbers with what limits them, as much as the terminal is wide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .rows import SourceRow, Value68, significance

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_table"]

PIPE_WIDTH = 190
"""Width where there is no terminal: wide enough for every column."""

STYLES = {"flare": "bold red", "dip": "bold blue", "steady": "dim"}


@dataclass(frozen=True, slots=True)
class _Shown:
    """A column: title, what a cell says, and the narrowest terminal that it is shown on."""

    title: str
    cell: Callable[[SourceRow], str]
    from_width: int = 0
    justify: Literal["left", "right"] = "left"


def print_table(rows: Sequence[SourceRow], limit: int | None) -> None:
    """Print sources, the significant ones on top.

    Parameters
    ----------
    rows : sequence of SourceRow
    limit : int or None
        Most rows shown; None shows all.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    ranked = sorted(rows, key=significance)
    shown = ranked[:limit]
    table = Table(box=None, pad_edge=False, header_style="bold", caption_justify="left")
    columns = [one for one in COLUMNS if console.width >= one.from_width]
    for one in columns:
        table.add_column(one.title, justify=one.justify, no_wrap=one.title != "flags", overflow="fold")
    for row in shown:
        table.add_row(*(Text(one.cell(row)) for one in columns), style=STYLES[row["kind"]])
    if shown:
        console.print(table)
    _print_summary(console, ranked, len(shown))


def _print_summary(console: Console, rows: Sequence[SourceRow], shown: int) -> None:
    kinds = [row["kind"] for row in rows]
    steady = kinds.count("steady")
    counted = f"{len(rows)} sources: {kinds.count('flare')} flares, {kinds.count('dip')} dips, {steady} steady"
    hidden = len(rows) - shown
    console.print(counted + (f" ({hidden} not shown; --all shows them)" if hidden else "") + ".")


def _name(row: SourceRow) -> str:
    return f"{row['obs_id'] or Path(row['file']).name}/{row['detection_id']}"


def _position(row: SourceRow) -> str:
    if row["ra"] is None or row["dec"] is None:
        return "–"
    error = row["pos_err_arcsec"]
    return f"{row['ra']:.5f} {row['dec']:+.5f}" + (f" ±{error:.1f}″" if error is not None else "")


def _counts(row: SourceRow) -> str:
    return f"{row['counts']}"


def _background(row: SourceRow) -> str:
    return f"{row['background_counts']:.1f}±{row['background_error']:.1f}" if row["background_error"] else "–"


def _p_value(row: SourceRow) -> str:
    p = row["p_value"]
    return "–" if p is None else f"{p:.1e}" if p < 0.01 else f"{p:.2f}"


def _start(row: SourceRow) -> str:
    interval = row["interval"]
    if interval is None or row["kind"] == "steady":
        return "–"
    start = interval["start_utc"]
    return f"{interval['start_s']:.1f} s" if start is None else start[:-5].replace("T", " ")


def _duration(row: SourceRow) -> str:
    interval = row["interval"]
    return "–" if interval is None or row["kind"] == "steady" else f"{interval['duration_s']:.4g} s"


def _seen_expected(row: SourceRow) -> str:
    interval = row["interval"]
    if interval is None or row["kind"] == "steady" or interval["counts"] is None or interval["expected"] is None:
        return "–"
    return f"{interval['counts']:.0f} / {interval['expected']:.1f}"


def _hardness(row: SourceRow) -> str:
    ratio: Value68 | None = row["hardness"].get("inside")
    if ratio is None or ratio["low"] is None or ratio["high"] is None:
        return "–"
    up, down = ratio["high"] - ratio["value"], ratio["value"] - ratio["low"]
    return f"{ratio['value']:+.2f} +{up:.2f}−{down:.2f}"


def _index(row: SourceRow) -> str:
    return "–" if row["variability_index"] is None else str(row["variability_index"])


COLUMNS = (
    _Shown("source", _name),
    _Shown("RA Dec (deg)", _position, 100),
    _Shown("counts", _counts, 0, "right"),
    _Shown("background", _background, 120, "right"),
    _Shown("livetime s", lambda row: f"{row['livetime_s']:.0f}", 140, "right"),
    _Shown("kind", lambda row: row["kind"]),
    _Shown("p", _p_value, 0, "right"),
    _Shown("from (UTC)", _start, 80),
    _Shown("for", _duration, 0, "right"),
    _Shown("seen / expected", _seen_expected, 90, "right"),
    _Shown("index", _index, 150, "right"),
    _Shown("hardness", _hardness, 160, "right"),
    _Shown("flags", lambda row: " ".join(row["flags"]), 170),
)
