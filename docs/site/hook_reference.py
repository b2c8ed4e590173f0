"""Renders the hooks from their specifications: what each asks for, the classes behind it, options of what we bring.

`pages.py` puts it on the site as hooks.md. Nothing of it is kept in the repository, so it cannot be behind the code.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from pydantic_core import PydanticUndefined

from xherald import adapters, photons, plugins
from xherald.plugins import Options, Plugin, PluginHost, hookspecs
from xherald.plugins.host import KINDS

__all__ = ["base_of", "hook_names", "render"]

MISSION_TABLE: Final = (
    adapters.FitsAdapter,
    adapters.MissionTable,
    adapters.Instrument,
    adapters.FieldOfView,
    adapters.GtiLayout,
    adapters.LinearEnergy,
    adapters.ChannelEnergy,
    adapters.Rule,
    adapters.NoImage,
    photons.PointSpread,
    photons.PixelLayout,
    photons.DetectorLayout,
    photons.Vignetting,
)
"""What an adapter written as a table is made of (`adapters/reading/mission_table.py`)."""

OPENING: Final = """\
# Hooks

Written when this site was built, from `plugins/hookspecs.py` and the classes behind it. A plugin is a module in which a
function marked `@hookimpl` bears the name of a hook and calls `register` with each object that it brings. An installed
package names the module as an entry point of the group `xherald`; a local file is named under `plugins.files`. What is
marked *must* has to be written; what is marked *may* does what it says here unless it is written anew.

How an adapter comes to be, step by step: [Add an instrument](add-an-instrument.md).
"""


def hook_names() -> tuple[str, ...]:
    """Names of the hooks, in the order of their specifications."""
    return tuple(name for name in vars(hookspecs) if name.startswith("register_"))


def base_of(hook: str) -> type[Plugin]:
    """The class that whatever is registered under a hook derives from."""
    register = get_type_hints(getattr(hookspecs, hook))["register"]
    base: type[Plugin] = get_args(register)[0][0]
    return base


def render(host: PluginHost) -> str:
    """The page, as Markdown.

    Parameters
    ----------
    host : PluginHost
        Whose plugins' options are listed; only what comes with xherald should be in it.
    """
    handed: dict[str, type] = {}
    parts = [OPENING, "\n".join(_overview())]
    for hook in hook_names():
        parts.append("\n".join(_hook(hook, host)))
        handed |= {one.__name__: one for one in _handed(base_of(hook))}
    parts.append("## What is handed over {#what-is-handed-over}\n")
    parts += ["\n".join(_class(one, 3)) for one in handed.values()]
    parts.append("## A mission as a table {#a-mission-as-a-table}\n")
    parts += ["\n".join(_class(one, 3)) for one in MISSION_TABLE]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _overview() -> Iterator[str]:
    yield "| hook | class | what it is |"
    yield "|---|---|---|"
    for hook in hook_names():
        base = base_of(hook)
        yield f"| [`{hook}`](#{hook}) | `{base.__name__}` | {_first_line(base)} |"


def _hook(hook: str, host: PluginHost) -> Iterator[str]:
    spec, base = getattr(hookspecs, hook), base_of(hook)
    yield f"## `{hook}` {{#{hook}}}\n"
    yield inspect.cleandoc(spec.__doc__ or "") + "\n"
    yield f"```text\n{_signature(hook, spec)}\n```\n"
    yield f"`from {_public(base)} import {base.__name__}`\n"
    yield from _class(base, 3)
    kind = next(name for name, one in KINDS.items() if one is base)
    yield f"\n### Built-in {kind.replace('_', ' ')} {{#built-in-{kind}}}\n"
    for plugin in getattr(host, kind).values():
        yield from _built_in(plugin)


def _class(one: type, level: int) -> Iterator[str]:
    """A class: its text, what must be set and written, what may."""
    yield f"{'#' * level} `{one.__name__}` {{#{one.__name__.lower()}}}\n"
    yield _text(one) + "\n"
    for name, must in _attributes(one):
        yield f"- {'*must*' if must else '*may*'} `{name}`"
    yield ""
    for name, method in _methods(one):
        must = name in getattr(one, "__abstractmethods__", ())
        mark = "*must*" if must else "*may*" if issubclass(one, Plugin) else ""
        yield f"{'#' * (level + 1)} `{one.__name__}.{name}` {mark} {{#{one.__name__.lower()}-{name}}}\n"
        yield f"```text\n{_signature(name, method)}\n```\n"
        yield _markdown(method.__doc__ or "") + "\n"


def _methods(one: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Public methods that a class defines itself."""
    for name, value in vars(one).items():
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if not name.startswith("_") and inspect.isfunction(function):
            yield name, function


def _attributes(one: type) -> Iterator[tuple[str, bool]]:
    """Class variables of a plugin, as ``name: type``, and whether each must be set."""
    if not issubclass(one, Plugin):
        return
    for owner in reversed(one.__mro__):
        for name, annotation in vars(owner).get("__annotations__", {}).items():
            told = re.sub(r"^ClassVar\[(.*)\]$", r"\1", str(annotation))
            default = getattr(one, name, None)
            named = default.__name__ if isinstance(default, type) else repr(default)
            yield (f"{name}: {told}", True) if default is None else (f"{name}: {told} = {named}", False)


def _handed(base: type[Plugin]) -> Iterator[type]:
    """Classes of the contract that the methods of a plugin name, and those that these name in turn."""
    waiting, seen = [base], set()
    while waiting:
        one = waiting.pop(0)
        named = " ".join(str(note) for _, method in _methods(one) for note in method.__annotations__.values())
        for name in re.findall(r"[A-Z]\w+", named):
            found = getattr(plugins, name, None) or getattr(photons, name, None)
            if name in seen or not inspect.isclass(found) or issubclass(found, Plugin):
                continue
            seen.add(name)
            waiting.append(found)
            yield found


def _built_in(plugin: Plugin) -> Iterator[str]:
    yield f"**`{plugin.name}`** — {_first_line(type(plugin))}\n"
    rows = list(_options(plugin.options_model))
    if rows:
        yield "| option | type | default | meaning |"
        yield "|---|---|---|---|"
        yield from rows
        yield ""


def _options(model: type[Options]) -> Iterator[str]:
    """Rows of a model's options; what fields do not say of themselves, the model's text does."""
    written = dict(_parameters(model))
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = "*must be given*" if default is PydanticUndefined else f"`{default!r}`"
        kind, meaning = written.get(name, ("", ""))
        meaning = field.description or meaning
        typed = kind or f"`{_option_type(field.annotation)}`"
        yield f"| `{name}` | {_cell(typed)} | {_cell(shown)} | {_cell(meaning)} |"


def _parameters(one: type) -> Iterator[tuple[str, tuple[str, str]]]:
    """Names, types and meanings in the section of parameters of a class's text."""
    sections = SECTION.split(inspect.cleandoc(one.__doc__ or "").replace("``", "`"))
    if "Parameters" not in sections:
        return
    for names, kind, text in _entries(sections[sections.index("Parameters") + 1].strip("\n")):
        kind, _, beside = kind.partition(" — ")
        for name in names.split(", "):
            yield name, (_plain(kind), _plain(" ".join([beside, *text.split()]).strip()))


def _option_type(annotation: Any) -> str:
    """A type in short, constraints left out."""
    if get_origin(annotation) is Annotated:
        return _option_type(get_args(annotation)[0])
    arguments = get_args(annotation)
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join(_option_type(one) for one in arguments)
    if get_origin(annotation) is Literal:
        return " | ".join(repr(one) for one in arguments)
    name = getattr(annotation, "__name__", str(annotation))
    if annotation is NoneType or annotation is Ellipsis:
        return "None" if annotation is NoneType else "..."
    return f"{name}[{', '.join(_option_type(one) for one in arguments)}]" if arguments else name


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _public(one: type) -> str:
    return "xherald.plugins" if hasattr(plugins, one.__name__) else one.__module__


def _signature(name: str, method: Callable[..., Any]) -> str:
    """As it stands in the source: annotations are kept as text there."""
    signature = re.sub(r"<function [^ ]+ at 0x[0-9a-f]+>", "...", str(inspect.signature(method)).replace("'", ""))
    line = f"{name}{signature}"
    return line if len(line) <= 110 else "\n".join(_broken(line))


def _broken(line: str) -> Iterable[str]:
    """A signature, an argument a line."""
    head, rest = line.split("(", 1)
    arguments, _, answer = rest.rpartition(")")
    depth, part, parts = 0, "", []
    for sign in arguments:
        depth += (sign in "([") - (sign in ")]")
        if sign == "," and not depth:
            parts.append(part.strip())
            part = ""
        else:
            part += sign
    return [f"{head}(", *(f"    {one}," for one in (*parts, part.strip())), f"){answer}"]


def _first_line(one: type) -> str:
    return inspect.cleandoc(one.__doc__ or "").split("\n\n")[0].replace("\n", " ")


def _text(one: type) -> str:
    """A class's own text; dataclasses and pydantic models without one have none worth showing."""
    told = one.__dict__.get("__doc__") or ""
    return "" if dataclasses.is_dataclass(one) and told.startswith(f"{one.__name__}(") else _markdown(told)


SECTION: Final = re.compile(r"^(Parameters|Returns|Raises|Yields|Notes|Examples)\n-+$", re.MULTILINE)


def _markdown(docstring: str) -> str:
    """A numpydoc text as Markdown: sections become bold words and lists, double backticks single ones."""
    plain = inspect.cleandoc(docstring).replace("``", "`")
    opening, *sections = SECTION.split(plain)
    parts = [opening.strip()]
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        parts += [f"**{title}**", "\n".join(_listed(body.strip("\n")))]
    return "\n\n".join(part for part in parts if part)


def _entries(body: str) -> Iterator[tuple[str, str, str]]:
    """Entries of a section: what stands before a colon, what after it, and what is indented below."""
    for entry in re.split(r"\n(?=\S)", body):
        head, _, below = entry.partition("\n")
        name, _, kind = head.partition(" : ")
        yield name.strip(), kind.strip(), textwrap.dedent(below).strip()


def _listed(body: str) -> Iterator[str]:
    """Entries of a section as a list."""
    for name, kind, text in _entries(body):
        named = f"`{name}`" if kind or re.fullmatch(r"[\w, ]+", name) else _plain(name)
        yield f"- {named} : {_plain(kind)}" if kind else f"- {named}"
        if text:
            yield f"\n{textwrap.indent(_plain(text), '    ')}\n"


def _plain(text: str) -> str:
    """Text whose asterisks, as in ``(n, *shape)``, mean themselves."""
    return re.sub(r"(?<![*`])\*(?=\w)", r"\\*", text)
