"""The table that `xherald scan` prints, with as many columns as the terminal is wide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from xherald.detector.candidates.formatting import MAX_NAMED_CLASSES
from xherald.detector.results.row_types import DetectionRow, Direction, Kind
from xherald.detector.results.rows import significance_key
from xherald.photons.probabilities import UNKNOWN, format_probability

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_table"]

PIPE_WIDTH = 360
"""Width where there is no terminal: wide enough for every column."""

STEADY_STYLE = "dim"
STYLES: dict[Direction | None, str] = {"brighter": "bold red", "fainter": "bold blue", None: STEADY_STYLE}
REJECTED_STYLE = "yellow"

EVENTS: tuple[Kind, ...] = ("flare", "dip", "onset", "decay")
"""Kinds that are nouns."""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column: title, text of a cell, and width of the narrowest terminal that shows it."""

    title: str
    cell: Callable[[DetectionRow], str]
    min_width: int = 0
    justify: Literal["left", "right"] = "left"


def print_table(rows: Sequence[DetectionRow], limit: int | None, false_alarms_per_1000: float | None = None) -> None:
    """Print sources, the most significant first, and a summary.

    Parameters
    ----------
    rows : sequence of DetectionRow
    limit : int or None
        Largest number of rows shown; None shows all.
    false_alarms_per_1000 : float, optional
        Expected false alarms per 1,000 sources at which candidates were selected.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    ranked = sorted(rows, key=significance_key)
    shown = ranked[:limit]
    table = Table(box=None, pad_edge=False, header_style="bold", caption_justify="left")
    columns = [one for one in COLUMNS if console.width >= one.min_width]
    for one in columns:
        table.add_column(one.title, justify=one.justify, no_wrap=one.title != "flags", overflow="fold")
    for row in shown:
        table.add_row(*(Text(one.cell(row)) for one in columns), style=_style(row))
    if shown:
        console.print(table)
    _print_summary(console, ranked, len(shown))
    if rows and false_alarms_per_1000 is not None:
        console.print(_summarise_candidates(rows, false_alarms_per_1000))


def _style(row: DetectionRow) -> str:
    if any(veto["rejects"] for veto in row["vetoes"]):
        return REJECTED_STYLE
    return STEADY_STYLE if row["kind"] == "steady" else STYLES[row["direction"]]


def _summarise_candidates(rows: Sequence[DetectionRow], per_1000: float) -> str:
    """Number of candidates, and of false alarms expected among them."""
    tested = sum(row["false_alarm_probability"] is not None for row in rows)
    candidates = sum(row["is_candidate"] for row in rows)
    rejected = sum(row["kind"] != "steady" and any(veto["rejects"] for veto in row["vetoes"]) for row in rows)
    further = sum(row["candidate_id"] is not None and not row["is_candidate"] for row in rows)
    expected = tested * per_1000 / 1e3
    return (
        f"{_number_of(candidates, 'candidate')} at {_number_of(per_1000, 'expected false alarm')} per 1,000 sources"
        + (f", with {_number_of(further, 'further detection')} of the same events" if further else "")
        + (f", {rejected} more rejected by a veto" if rejected else "")
        + f"; {expected:.2g} false alarms expected among {_number_of(tested, 'tested source')}."
    )


def _number_of(number: float, what: str) -> str:
    return f"{number:,g} {what}{'' if number == 1 else 's'}"


def _print_summary(console: Console, rows: Sequence[DetectionRow], shown: int) -> None:
    found = Counter(row["kind"] for row in rows)
    events = [_number_of(found[kind], kind) for kind in EVENTS if found[kind]]
    others = [f"{found[kind]:,} {kind}" for kind in get_args(Kind) if kind not in EVENTS and found[kind]]
    text = f"{_number_of(len(rows), 'source')}: {', '.join(events + others)}"
    hidden = len(rows) - shown
    console.print(text + (f" ({hidden} not shown; use --all)" if hidden else "") + ".")


def _name(row: DetectionRow) -> str:
    return f"{row['obs_id'] or Path(row['file']).name}/{row['detection_id']}"


def _position(row: DetectionRow) -> str:
    if row["ra_deg"] is None or row["dec_deg"] is None:
        return UNKNOWN
    error = row["pos_err_arcsec"]
    return f"{row['ra_deg']:.5f} {row['dec_deg']:+.5f}" + (f" ±{error:.1f}″" if error is not None else "")


def _rate(row: DetectionRow) -> str:
    """Net rate and, in brackets, that of the background."""
    net, background, livetime = row["net_rate_ct_s"], row["background_counts"], row["livetime_s"]
    if net is None or background is None:
        return UNKNOWN
    return f"{net:.2g} ({background / livetime:.1g})".replace("e-0", "e-")


def _class(row: DetectionRow) -> str:
    """The first two classes of the set and the number of others; how many if there are too many to inform."""
    names = row["class_set"]
    if len(names) > MAX_NAMED_CLASSES:
        return f"unclassified ({len(names)})"
    words = ", ".join(name.replace("_", " ") for name in names[:2])
    return f"{words} +{len(names) - 2}" if len(names) > 2 else words or UNKNOWN


def _similar(row: DetectionRow) -> str:
    if not row["similar_to"] or row["kind"] == "steady":
        return UNKNOWN
    nearest = row["similar_to"][0]
    return f"{nearest['name']} ({nearest['kind']}, {nearest['distance']:.2g})"


def _flags(row: DetectionRow) -> str:
    return " ".join([veto["veto"] for veto in row["vetoes"]] + row["flags"])


def _start(row: DetectionRow) -> str:
    start, start_utc = row["interval_start_s"], row["interval_start_utc"]
    if start is None or row["kind"] == "steady":
        return UNKNOWN
    return f"{start:.1f} s" if start_utc is None else start_utc[:-5].replace("T", " ")


def _duration(row: DetectionRow) -> str:
    duration = row["interval_duration_s"]
    return UNKNOWN if duration is None or row["kind"] == "steady" else f"{duration:.4g} s"


def _interval_counts(row: DetectionRow) -> str:
    counts, expected = row["interval_counts"], row["interval_expected_counts"]
    if counts is None or expected is None or row["kind"] == "steady":
        return UNKNOWN
    return f"{counts:.0f} ({expected:.1f})"


def _hardness(row: DetectionRow) -> str:
    value, low, high = row["hardness_inside"], row["hardness_inside_low"], row["hardness_inside_high"]
    if value is None or low is None or high is None:
        return UNKNOWN
    return f"{value:+.2f} +{high - value:.2f}−{value - low:.2f}"


def _variability_index(row: DetectionRow) -> str:
    return UNKNOWN if row["variability_index"] is None else str(row["variability_index"])


def _false_alarm_probability(row: DetectionRow) -> str:
    return format_probability(row["false_alarm_probability"], extrapolated=bool(row["extrapolated"]))


COLUMNS = (
    _Column("source", _name),
    _Column("RA Dec (deg)", _position, 212),
    _Column("counts", lambda row: f"{row['counts']}", 0, "right"),
    _Column("net rate (background) ct/s", _rate, 124, "right"),
    _Column("livetime (s)", lambda row: f"{row['livetime_s']:.0f}", 306, "right"),
    _Column("kind", lambda row: row["kind"]),
    _Column("FAP", _false_alarm_probability, 0, "right"),
    _Column("class", _class, 205),
    _Column("timing p-value", lambda row: format_probability(row["p_value"]), 340, "right"),
    _Column("start (UTC)", _start, 80),
    _Column("duration", _duration, 0, "right"),
    _Column("counts inside (expected)", _interval_counts, 238, "right"),
    _Column("candidate", lambda row: row["candidate_id"] or UNKNOWN, 165),
    _Column("similar to (kind, distance)", _similar, 272),
    _Column("var. index", _variability_index, 292, "right"),
    _Column("hardness", _hardness, 324, "right"),
    _Column("flags", _flags, 95),
)
"""Minimum widths are such that no column is cut, for ids of the usual length; flags wrap.

FAP is the false-alarm probability per source; rates are net of the background.
"""
