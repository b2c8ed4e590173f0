"""A candidate on the terminal: headline, what speaks against it, and all evidence in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xherald.detector.candidates.evidence_lines import lines_of
from xherald.detector.candidates.formatting import format_false_alarms, format_name, headline, percent, warnings
from xherald.detector.candidates.history_rendering import format_history

if TYPE_CHECKING:
    from xherald.detector.candidates.evidence import Evidence

__all__ = ["print_candidate"]

STYLES: Final = {"flare": "bold red", "dip": "bold blue", "steady": "bold"}
WIDTH: Final = 72
"""Characters of a line: label left, value right."""


def print_candidate(evidence: Evidence) -> None:
    """Print a candidate: framed on a terminal, plain lines elsewhere."""
    from rich.console import Console, Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    where = evidence["position"]
    position = "" if where["ra"] is None or where["dec"] is None else f", RA {where['ra']:.5f} Dec {where['dec']:+.5f}"
    sure = "" if evidence["p_astro"] is None else f"; probability that it is real {percent(evidence['p_astro'])}"
    # Text, never markup: names come out of files.
    parts: list[Text | Table] = [
        Text(headline(evidence), style=STYLES[evidence["kind"]]),
        Text(format_false_alarms(evidence) + sure, style="bold"),
        Text(format_name(evidence) + position),
        *([Text(format_history(evidence["history"]))] if format_history(evidence["history"]) else []),
        *(Text(f"flag: {one}", style="red") for one in warnings(evidence)),
    ]
    for line in lines_of(evidence):
        if not line.value:
            parts += [Text(), Text(line.label, style="bold")]
            table = Table.grid(padding=(0, 2))
            table.add_column(width=26)
            table.add_column()
            parts.append(table)
        else:
            table.add_row(Text(line.label), Text(line.value))
    parts += [Text(), Text(f"in {evidence['file']}")]
    if console.is_terminal:
        title = Text(evidence["candidate_id"], style="bold")
        console.print(Panel(Group(*parts), title=title, title_align="left", width=min(console.width, WIDTH + 8)))
        return
    plain = Console(highlight=False, width=200)
    plain.print(Text(evidence["candidate_id"]))
    for part in parts:
        plain.print(part)
