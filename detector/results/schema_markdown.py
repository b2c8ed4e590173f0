"""Tables of the schema in the documentation: ``python -m xherald.detector.results.schema_markdown docs/*.md``.

A table stands between ``<!-- fields: NAME -->`` and ``<!-- end of fields -->``; `TABLES` has the names.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Final

from xherald.plugins.alerts import Facts

from .candidate_table import FIELDS
from .schema import EVIDENCE_FIELDS, PLACE_FIELDS, ROW_FIELDS, Field, get_field

__all__ = ["TABLES", "make_markdown_table", "update_document"]

TABLES: Final[dict[str, Sequence[Field]]] = {
    "rows": ROW_FIELDS,
    "evidence": EVIDENCE_FIELDS,
    "facts": tuple(get_field(one.name) for one in fields(Facts)),
    "stored candidates": FIELDS,
    "places": PLACE_FIELDS,
}

BLOCK: Final = re.compile(r"(<!-- fields: (?P<name>[\w ]+) -->\n).*?(<!-- end of fields -->)", re.DOTALL)

TYPE_NAMES: Final = {"utc": "date", "object": "object (JSON only)"}


def make_markdown_table(fields: Sequence[Field]) -> str:
    """Names, types, units, meanings and UCDs of some fields as a Markdown table."""
    lines = ["| name | type | unit | meaning | UCD |", "|---|---|---|---|---|"]
    lines += [
        f"| `{one.name}` | {TYPE_NAMES.get(one.dtype, one.dtype)} | {one.unit} | {one.description} | {one.ucd} |"
        for one in fields
    ]
    return "\n".join(lines) + "\n"


def update_document(text: str) -> str:
    """A document with its tables generated again."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{make_markdown_table(TABLES[found['name']])}\n{found[3]}", text)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        document = Path(name)
        document.write_text(update_document(document.read_text(encoding="utf-8")), encoding="utf-8")
