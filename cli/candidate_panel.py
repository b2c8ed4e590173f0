"""A candidate in the terminal: headline, significance, flags, and all measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xherald.detector.candidates.evidence_lines import format_evidence
from xherald.detector.candidates.formatting import (
    format_headline,
    format_position,
    format_significance,
    format_source_name,
    format_warnings,
)
from xherald.detector.candidates.history_rendering import format_history
from xherald.photons.probabilities import format_percent
from xherald.photons.sky_links import describe_position, make_sky_links, make_vet_command

if TYPE_CHECKING:
    from xherald.detector.results.row_types import Evidence

__all__ = ["print_candidate"]

STYLES: Final = {"brighter": "bold red", "fainter": "bold blue", None: "bold"}
"""By direction."""
WIDTH: Final = 72
"""Characters of a line with label and value."""


def print_candidate(evidence: Evidence) -> None:
    """Print a candidate: in a frame on a terminal, as plain lines elsewhere."""
    from rich.console import Console, Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    position, p_astro = format_position(evidence["ra_deg"], evidence["dec_deg"]), evidence["p_astro"]
    variability = "" if p_astro is None else f"; probability of variability {format_percent(p_astro)}"
    notations = describe_position(evidence["ra_deg"], evidence["dec_deg"])
    history = format_history(evidence["history"])
    # Text, not markup: names come from files.
    parts: list[Text | Table] = [
        Text(format_headline(evidence), style=STYLES[evidence["direction"]]),
        Text(format_significance(evidence) + variability, style="bold"),
        Text(", ".join(part for part in (format_source_name(evidence), position) if part)),
        *([Text(", ".join(f"{name} {value}" for name, value in notations))] if notations else []),
        *([Text(evidence["long_term_reason"])] if evidence["long_term_reason"] else []),
        *([Text(history)] if history else []),
        *(Text(f"flag: {one}", style="red") for one in format_warnings(evidence)),
    ]
    for line in format_evidence(evidence):
        if not line.value:
            parts += [Text(), Text(line.label, style="bold")]
            table = Table.grid(padding=(0, 2))
            table.add_column(width=26)
            table.add_column()
            parts.append(table)
        else:
            table.add_row(Text(line.label), Text(line.value))
    parts += [Text(), Text(f"file {evidence['file']}")]
    links = make_sky_links(evidence["ra_deg"], evidence["dec_deg"], evidence["pos_err_arcsec"])
    vet = Text(f"to vet: {make_vet_command(evidence['candidate_id'])}")
    if console.is_terminal:
        words = [Text(name, style=f"underline link {url}") for name, url in links]
        parts += [*([Text("  ").join(words)] if words else []), vet]
        title = Text(evidence["candidate_id"], style="bold")
        console.print(Panel(Group(*parts), title=title, title_align="left", width=min(console.width, WIDTH + 8)))
        return
    parts += [*(Text(f"{name}: {url}") for name, url in links), vet]
    plain = Console(highlight=False, width=200)
    plain.print(Text(evidence["candidate_id"]))
    for part in parts:
        plain.print(part)
