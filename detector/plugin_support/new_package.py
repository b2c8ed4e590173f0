"""New plugin packages: small, installable, and working before anything is edited; behind `xherald new`.

A kind's package is what all have in common and what is its own, templates of which ship beside this module. What
stands in them is in `string.Template`'s form, so that code in them is code.
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

# A name of packages (PEP 508), and of Python classes too.
NAME: Final = re.compile(r"[A-Za-z](?:[A-Za-z0-9._-]{0,38}[A-Za-z0-9])?")
PREFIX: Final = "xherald-"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of plugin that packages are written of.

    Parameters
    ----------
    registered : str — as in ``register_KIND``
    words : str — what one is called, with its article
    summary : str — what the one of the template does
    """

    registered: str
    words: str
    summary: str


KINDS: Final = {
    "adapter": Kind("adapters", "an adapter", "Reads the event lists of an instrument"),
    "representation": Kind("representations", "a representation", "Spectra of photon lists, of one shape"),
    "extractor": Kind("extractors", "a feature extractor", "Features of the energies of a source's photons"),
    "embedder": Kind("embedders", "an embedder", "A map along the two directions in which features vary most"),
    "scorer": Kind("scorers", "a scorer", "Tells how hard a source is"),
    "veto": Kind("vetoes", "a veto", "Refuses flares of very few photons"),
    "sink": Kind("alert_sinks", "an alert sink", "Writes each alert as a JSON file of its own"),
    "drop-source": Kind("drop_sources", "a drop source", "Takes the files that a text file lists"),
}
"""By the word of the command line."""


@dataclass(frozen=True, slots=True)
class NewPackage:
    """What was written.

    Parameters
    ----------
    kind : str — of `KINDS`
    name : str — the plugin's
    distribution : str — what it installs as
    module : str
    folder : Path
    files : tuple of Path — below the folder
    """

    kind: str
    name: str
    distribution: str
    module: str
    folder: Path
    files: tuple[Path, ...]


def write_package(kind: str, name: str, folder: Path | None, host: PluginHost) -> NewPackage:
    """Write a package of a kind.

    Parameters
    ----------
    kind : str
        Of `KINDS`.
    name : str
        Of the plugin; the package is called xherald-NAME.
    folder : Path or None
        Where to; must not exist, or be empty. None for the package's name, here.
    host : PluginHost
        The plugins that there are.

    Raises
    ------
    ConfigError
        The name is none, or another plugin's; the folder holds something.
    FileError
        The folder cannot be written.
    """
    plain = re.sub(r"[-_.]+", "-", name).lower().removeprefix(PREFIX)
    if NAME.fullmatch(name) is None or NAME.fullmatch(plain) is None:
        raise ConfigError(f"{name!r} names no package: letters, digits, '-', '_' and '.', a letter first, 40 at most")
    distribution, plugin = f"{PREFIX}{plain}", plain.replace("-", "_")
    _refuse_taken(kind, plugin, host)
    target = folder if folder is not None else Path(distribution)
    words = _words(kind, plugin, distribution)
    contents = dict(_files_of(kind, words))
    _refuse_occupied(target)
    try:
        for path, text in contents.items():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_text(text, encoding="utf-8")
    except OSError as fault:
        raise FileError(target, f"cannot be written: {fault.strerror or fault}") from fault
    return NewPackage(kind, plugin, distribution, words["module"], target, tuple(contents))


def _refuse_taken(kind: str, plugin: str, host: PluginHost) -> None:
    """Refuse a name that would clash with what is there as soon as the package is installed."""
    registered = KINDS[kind].registered
    for record in host.records:
        if plugin in record.registered.get(registered, ()) or plugin == record.name:
            raise ConfigError(f"{plugin!r} is the name of a plugin of {record.package} already; choose another")


def _refuse_occupied(target: Path) -> None:
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ConfigError(f"{target}: exists and is not an empty folder; name another with --out")
    except OSError as fault:
        raise FileError(target, f"cannot be looked into: {fault.strerror or fault}") from fault


def _words(kind: str, plugin: str, distribution: str) -> dict[str, str]:
    """What stands for the placeholders of the templates."""
    one = KINDS[kind]
    article, _, bare = one.words.partition(" ")
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
        "kind_in_words": bare,
    }


def _files_of(kind: str, words: dict[str, str]) -> Iterator[tuple[Path, str]]:
    """Paths and contents of a package's files."""
    templates = files("xherald.detector.plugin_support") / "templates"
    common, own = templates / "common", templates / kind
    words = {**words, "use": _filled(own / "use.md.template", words).rstrip()}
    source = Path("src") / words["module"]
    yield Path("pyproject.toml"), _filled(common / "pyproject.toml.template", words)
    yield Path("README.md"), _filled(common / "README.md.template", words)
    yield source / "__init__.py", _filled(own / "plugin.py.template", words)
    yield source / "py.typed", ""
    for template in sorted(own.iterdir(), key=lambda one: one.name):
        if template.name in ("conftest.py.template", "test_plugin.py.template"):
            yield Path("tests") / template.name.removesuffix(".template"), _filled(template, words)


def _filled(template: Traversable, words: dict[str, str]) -> str:
    return Template(template.read_text(encoding="utf-8")).substitute(words)
