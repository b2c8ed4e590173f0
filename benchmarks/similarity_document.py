"""Write the tables of `docs/similarity.md` from a report of `xherald evaluate --similarity`.

``python -m benchmarks.similarity_document evaluation/similarity.json docs/similarity.md``
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from xherald.evaluation.labels import Table
from xherald.evaluation.similarity_report import similarity_tables

__all__ = ["HEADING", "with_tables"]

HEADING: Final = "## Measured"
"""What follows this heading is replaced."""


def with_tables(text: str, report: Mapping[str, Any]) -> str:
    """The document with the tables of a report.

    Parameters
    ----------
    text : str — the document, with `HEADING`
    report : mapping — of `similarity_report.make_similarity_report`
    """
    preface, _, _ = text.partition(HEADING)
    sizes = ", ".join(f"{name} {number:,}" for name, number in report["sizes"].items())
    parts = [f"Seed {report['seed']}; sources of each telescope: {sizes}."]
    parts += [f"### {title}\n\n{_markdown(table)}" for title, table in similarity_tables(report)]
    return f"{preface}{HEADING}\n\n" + "\n\n".join(parts) + "\n"


def _markdown(table: Table) -> str:
    heads, rows = table
    return "\n".join("| " + " | ".join(line) + " |" for line in [heads, ["---"] * len(heads), *rows])


if __name__ == "__main__":
    path = Path(sys.argv[2])
    path.write_text(with_tables(path.read_text(), json.loads(Path(sys.argv[1]).read_text())))
