"""Write packages with a new plugin from templates: `write_package`, for `xherald new`.

A package has the common files and those of its kind. Templates use the syntax of `string.Template`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final

from xherald.photons.errors import ConfigError, FileError
from xherald.plugins.contract_version import CONTRACT_VERSION

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from xherald.plugins import PluginHost

__all__ = ["KINDS", "Kind", "NewPackage", "write_package"]

# Valid as package name (PEP 508) and, with underscores, in Python.
NAME: Final = re.compile(r"[A-Za-z](?:[A-Za-z0-9._-]{0,38}[A-Za-z0-9])?")
PREFIX: Final = "xherald-"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of plugin that has a template.

    Parameters
    ----------
    registered : str — as in ``register_KIND``
    noun : str — name of the kind, with article
    summary : str — what the plugin of the template does
    """

    registered: str
    noun: str
    summary: str


KINDS: Final = {
    "adapter": Kind("adapters", "an adapter", "Reads the event lists of an instrument"),
    "representation": Kind("representations", "a representation", "Represents photon lists as spectra"),
    "extractor": Kind("extractors", "a feature extractor", "Computes features of the photon energies"),
    "embedder": Kind("embedders", "an embedder", "Projects features on their principal components"),
    "scorer": Kind("scorers", "a scorer", "Measures how hard a source is"),
    "veto": Kind("vetoes", "a veto", "Flags flares of very few photons"),
    "sink": Kind("alert_sinks", "an alert sink", "Writes each alert as a JSON file"),
    "drop-source": Kind("drop_sources", "a drop source", "Takes the files that a text file lists"),
    "context": Kind("context", "a context provider", "Knows two pulsars"),
}
"""By name on the command line."""


@dataclass(frozen=True, slots=True)
class NewPackage:
    """A new package.

    Parameters
    ----------
    kind : str — of `KINDS`
    name : str — name of the plugin
    distribution : str — name of the distribution
    module : str
    folder : Path
    files : tuple of Path — relative to the folder
    """

    kind: str
    name: str
    distribution: str
    module: str
    folder: Path
    files: tuple[Path, ...]


def write_package(kind: str, name: str, folder: Path | None, host: PluginHost) -> NewPackage:
    """Write a package with a plugin of a kind.

    Parameters
    ----------
    kind : str
        Of `KINDS`.
    name : str
        Name of the plugin; the distribution is named xherald-NAME.
    folder : Path or None
        Must not exist or be empty; None for a folder with the name of the distribution in the working directory.
    host : PluginHost
        Installed plugins, whose names are taken.

    Raises
    ------
    ConfigError
        The name is invalid or taken, or the folder is not empty.
    FileError
        The folder cannot be written.
    """
    plain = re.sub(r"[-_.]+", "-", name).lower().removeprefix(PREFIX)
    if NAME.fullmatch(name) is None or NAME.fullmatch(plain) is None:
        raise ConfigError(
            f"{name!r} is not a valid name; use up to 40 letters, digits, '-', '_' and '.', beginning with a letter"
        )
    distribution, plugin = f"{PREFIX}{plain}", plain.replace("-", "_")
    _refuse_taken(kind, plugin, host)
    target = folder if folder is not None else Path(distribution)
    values = _make_placeholders(kind, plugin, distribution)
    contents = dict(_fill_templates(kind, values))
    _refuse_occupied(target)
    try:
        for path, text in contents.items():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_text(text, encoding="utf-8")
    except OSError as fault:
        raise FileError(target, f"cannot be written: {fault.strerror or fault}") from fault
    return NewPackage(kind, plugin, distribution, values["module"], target, tuple(contents))


def _refuse_taken(kind: str, plugin: str, host: PluginHost) -> None:
    """Refuse a name that another plugin or entry point has."""
    registered = KINDS[kind].registered
    for record in host.records:
        if plugin in record.registered.get(registered, ()) or plugin == record.name:
            raise ConfigError(f"{plugin!r} is already the name of a plugin of {record.package}; choose another")


def _refuse_occupied(target: Path) -> None:
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ConfigError(f"{target}: exists and is not an empty folder; choose another with --out")
    except OSError as fault:
        raise FileError(target, f"cannot be listed: {fault.strerror or fault}") from fault


def _make_placeholders(kind: str, plugin: str, distribution: str) -> dict[str, str]:
    """Values of the placeholders in the templates."""
    one = KINDS[kind]
    article, _, noun = one.noun.partition(" ")
    return {
        "name": plugin,
        "NAME": plugin.upper(),
        "Class": "".join(part[:1].upper() + part[1:] for part in plugin.split("_")),
        "distribution": distribution,
        "module": distribution.replace("-", "_"),
        "contract": CONTRACT_VERSION,
        "summary": one.summary,
        "summary_lower": one.summary[0].lower() + one.summary[1:] + ".",
        "Article": article.capitalize(),
        "kind_noun": noun,
    }


def _fill_templates(kind: str, values: dict[str, str]) -> Iterator[tuple[Path, str]]:
    """Paths and contents of the files of a package."""
    templates = files("xherald.detector.plugin_support") / "templates"
    common, own = templates / "common", templates / kind
    values = {**values, "use": _fill(own / "use.md.template", values).rstrip()}
    source = Path("src") / values["module"]
    yield Path("pyproject.toml"), _fill(common / "pyproject.toml.template", values)
    yield Path("README.md"), _fill(common / "README.md.template", values)
    yield source / "__init__.py", _fill(own / "plugin.py.template", values)
    yield source / "py.typed", ""
    for template in sorted(own.iterdir(), key=lambda one: one.name):
        if template.name in ("conftest.py.template", "test_plugin.py.template"):
            yield Path("tests") / template.name.removesuffix(".template"), _fill(template, values)


def _fill(template: Traversable, values: dict[str, str]) -> str:
    return Template(template.read_text(encoding="utf-8")).substitute(values)
