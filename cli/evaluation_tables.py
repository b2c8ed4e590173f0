"""Tables of an evaluation for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from xherald.evaluation.labels import SAMPLES, Table, efficiency_table

__all__ = ["print_report", "print_table"]

PIPE_WIDTH: Final = 200


def print_table(title: str, table: Table) -> None:
    """Print one table."""
    _console().print(_make_table(title, table))


def print_report(report: Mapping[str, Any]) -> None:
    """Print the efficiencies of all methods."""
    console = _console()
    for name, sample in report["samples"].items():
        for direction, plural in (("flare", "flares"), ("dip", "dips")):
            title = f"{SAMPLES.get(name, name)}: {plural} found at 1 % false positives, per cent, by counts"
            console.print(_make_table(title, efficiency_table(sample, direction, 0.01)))
    seconds = sum(report["seconds"].values())
    console.print(f"Seed {report['seed']}, {seconds:.0f} s.")


def _console() -> Any:
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPE_WIDTH)


def _make_table(title: str, table: Table) -> Any:
    from rich.table import Table as Rich
    from rich.text import Text

    heads, rows = table
    out = Rich(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="bold")
    for number, head in enumerate(heads):
        out.add_column(head, justify="left" if number == 0 else "right")
    for row in rows:
        out.add_row(*(Text(cell) for cell in row))
    return out
