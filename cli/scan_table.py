"""The table that `xherald scan` prints: numbers with what limits them, as much as the terminal is wide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from xherald.detector.candidates.formatting import UNKNOWN, one_in
from xherald.detector.results.json_columns import Value68
from xherald.detector.results.rows import SourceRow, significance

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_table"]

PIPE_WIDTH = 320
"""Width where there is no terminal: wide enough for every column."""

STYLES = {"flare": "bold red", "dip": "bold blue", "steady": "dim"}
FLAGGED = "yellow"
"""Style of what would be a candidate, were it not for a flag."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A column: title, what a cell says, and the narrowest terminal that it is shown on."""

    title: str
    cell: Callable[[SourceRow], str]
    from_width: int = 0
    justify: Literal["left", "right"] = "left"


def print_table(rows: Sequence[SourceRow], limit: int | None, false_alarms_per_1000: float | None = None) -> None:
    """Print sources, the candidates on top, and close with what they are worth.

    Parameters
    ----------
    rows : sequence of SourceRow
    limit : int or None
        Most rows shown; None shows all.
    false_alarms_per_1000 : float, optional
        Expected false alarms among 1,000 sources at which candidates were taken.
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
        table.add_row(*(Text(one.cell(row)) for one in columns), style=_style(row))
    if shown:
        console.print(table)
    _print_summary(console, ranked, len(shown))
    if rows and false_alarms_per_1000 is not None:
        console.print(_worth(rows, false_alarms_per_1000))


def _style(row: SourceRow) -> str:
    return FLAGGED if any(veto["rejects"] for veto in row["vetoes"]) else STYLES[row["kind"]]


def _worth(rows: Sequence[SourceRow], per_1000: float) -> str:
    """How many candidates there are, and how many false ones are to be expected among so many sources."""
    tested = sum(row["false_alarm_probability"] is not None for row in rows)
    candidates = sum(row["candidate"] for row in rows)
    flagged = sum(row["kind"] != "steady" and not row["candidate"] for row in rows)
    expected = tested * per_1000 / 1e3
    return (
        f"{_many(candidates, 'candidate')} at {_many(per_1000, 'expected false alarm')} per 1,000 sources"
        + (f", {flagged} more with a flag that rejects" if flagged else "")
        + f"; {_many(tested, 'source')} tested: {expected:.2g} false alarms expected."
    )


def _many(number: float, what: str) -> str:
    return f"{number:,g} {what}{'' if number == 1 else 's'}"


def _print_summary(console: Console, rows: Sequence[SourceRow], shown: int) -> None:
    kinds = [row["kind"] for row in rows]
    steady = kinds.count("steady")
    flares, dips = (_many(kinds.count(kind), kind) for kind in ("flare", "dip"))
    counted = f"{_many(len(rows), 'source')}: {flares}, {dips}, {steady} steady"
    hidden = len(rows) - shown
    console.print(counted + (f" ({hidden} not shown; --all shows them)" if hidden else "") + ".")


def _name(row: SourceRow) -> str:
    return f"{row['obs_id'] or Path(row['file']).name}/{row['detection_id']}"


def _position(row: SourceRow) -> str:
    if row["ra"] is None or row["dec"] is None:
        return UNKNOWN
    error = row["pos_err_arcsec"]
    return f"{row['ra']:.5f} {row['dec']:+.5f}" + (f" ±{error:.1f}″" if error is not None else "")


def _counts(row: SourceRow) -> str:
    return f"{row['counts']}"


def _background(row: SourceRow) -> str:
    counts, error = row["background_counts"], row["background_error"]
    return UNKNOWN if counts is None or error is None else f"{counts:.1f}±{error:.1f}"


def _p_value(row: SourceRow) -> str:
    p = row["p_value"]
    return UNKNOWN if p is None else f"{p:.1e}" if p < 0.01 else f"{p:.2f}"


def _false_alarm(row: SourceRow) -> str:
    return one_in(row["false_alarm_probability"])


def _class(row: SourceRow) -> str:
    name = row["likely_class"]
    if name is None or row["kind"] == "steady":
        return UNKNOWN
    return f"{name.replace('_', ' ')} {row['class_probabilities'][name]:.0%}"


def _similar(row: SourceRow) -> str:
    if not row["similar_to"] or row["kind"] == "steady":
        return UNKNOWN
    nearest = row["similar_to"][0]
    return f"{nearest['name']} ({nearest['kind']}, {nearest['distance']:.2g})"


def _flags(row: SourceRow) -> str:
    return " ".join([veto["veto"] for veto in row["vetoes"]] + row["flags"])


def _start(row: SourceRow) -> str:
    interval = row["interval"]
    if interval is None or row["kind"] == "steady":
        return UNKNOWN
    start = interval["start_utc"]
    return f"{interval['start_s']:.1f} s" if start is None else start[:-5].replace("T", " ")


def _duration(row: SourceRow) -> str:
    interval = row["interval"]
    return UNKNOWN if interval is None or row["kind"] == "steady" else f"{interval['duration_s']:.4g} s"


def _seen_expected(row: SourceRow) -> str:
    interval = row["interval"]
    if interval is None or row["kind"] == "steady" or interval["counts"] is None or interval["expected"] is None:
        return UNKNOWN
    return f"{interval['counts']:.0f} / {interval['expected']:.1f}"


def _hardness(row: SourceRow) -> str:
    ratio: Value68 | None = row["hardness"].get("inside")
    if ratio is None or ratio["low"] is None or ratio["high"] is None:
        return UNKNOWN
    up, down = ratio["high"] - ratio["value"], ratio["value"] - ratio["low"]
    return f"{ratio['value']:+.2f} +{up:.2f}−{down:.2f}"


def _index(row: SourceRow) -> str:
    return UNKNOWN if row["variability_index"] is None else str(row["variability_index"])


COLUMNS = (
    _Shown("source", _name),
    _Shown("RA Dec (deg)", _position, 180),
    _Shown("counts", _counts, 0, "right"),
    _Shown("background", _background, 215, "right"),
    _Shown("livetime s", lambda row: f"{row['livetime_s']:.0f}", 260, "right"),
    _Shown("kind", lambda row: row["kind"]),
    _Shown("false alarm", _false_alarm, 0, "right"),
    _Shown("class", _class, 155),
    _Shown("p (timing)", _p_value, 295, "right"),
    _Shown("from (UTC)", _start, 80),
    _Shown("for", _duration, 0, "right"),
    _Shown("seen / expected", _seen_expected, 200, "right"),
    _Shown("candidate", lambda row: row["candidate_id"] or UNKNOWN, 130),
    _Shown("similar to (kind, distance)", _similar, 250),
    _Shown("index", _index, 270, "right"),
    _Shown("hardness", _hardness, 285, "right"),
    _Shown("flags", _flags, 95),
)
"""Least widths are such that no column is cut where it is shown, with an id of the usual length; flags fold."""
