"""Pages of the site that are made when it is built (hooks, settings, decisions, contributing), and links to them.

Documents link to each other as they lie in the repository, so that they can be read there. What lies outside docs/ has
a page of its own here, and links to it are turned to that page.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hook_reference import render

from xherald.plugins import PluginHost

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

__all__ = ["on_files", "on_page_markdown"]

ROOT: Final = Path(__file__).resolve().parents[2]

OUTSIDE: Final = {
    "../CONTRIBUTING.md": "contributing.md",
    "../CHANGELOG.md": "changelog.md",
    "../config.yaml": "settings.md",
}
"""Links out of docs/, and the page that stands for each."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is made of the code and of files outside docs/."""
    from mkdocs.structure.files import File

    made = {
        "hooks.md": render(PluginHost()),
        "decisions.md": _decisions(sorted((ROOT / "docs" / "decisions").glob("*.md"))),
        "settings.md": _settings((ROOT / "config.yaml").read_text(encoding="utf-8")),
        "contributing.md": _from_root((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")),
        "changelog.md": _from_root((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")),
    }
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links out of docs/ to the pages that stand for what they lead to."""
    up = "../" * page.file.src_uri.count("/")
    for outside, inside in OUTSIDE.items():
        markdown = re.sub(rf"\]\({re.escape(up + outside)}(#[^)]*)?\)", rf"]({up}{inside}\1)", markdown)
    return markdown


def _from_root(text: str) -> str:
    """A document of the root as if it lay in docs/."""
    return (
        text.replace("](docs/", "](")
        .replace("](config.yaml)", "](settings.md)")
        .replace("](CONTRIBUTING.md", "](contributing.md")
    )


def _settings(text: str) -> str:
    return (
        f"# Settings\n\n`config.yaml`, which holds every setting with its default:\n\n```yaml\n{text.rstrip()}\n```\n"
    )


def _decisions(records: list[Path]) -> str:
    """A list of the decision records, with what each answers."""
    rows = []
    for record in records:
        text = record.read_text(encoding="utf-8")
        title, question = (
            re.search(pattern, text, re.MULTILINE) for pattern in (r"^# (.*)$", r"^\*\*Question\*\*: (.*)$")
        )
        assert title is not None
        assert question is not None
        rows.append(f"| {record.stem[:4]} | [{title[1]}](decisions/{record.name}) | {question[1]} |")
    return "\n".join(["# Decisions\n", "| | decided | on |", "|---|---|---|", *rows, ""])
