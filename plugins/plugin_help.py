"""What can be told of a plugin without running it: its help text, and its options with defaults and descriptions.

For `xherald plugins NAME` and for documents. An option is described where it is declared (``Field(description=…)``) or
in the section "Parameters" of its model's docstring, as numpydoc writes it.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticUndefined

if TYPE_CHECKING:
    from .contract import Options, Plugin

__all__ = ["OptionFacts", "help_of", "options_of"]

ENTRY = re.compile(r"^(?P<names>[a-z_][\w, ]*?)(?: : (?P<rest>.*))?$")


@dataclass(frozen=True, slots=True)
class OptionFacts:
    """One option of a plugin.

    Parameters
    ----------
    name : str
    kind : str — its type, as the code writes it
    required : bool
    default : object — in JSON's own types; None where it is required
    description : str — one line; empty where nobody says
    """

    name: str
    kind: str
    required: bool
    default: Any
    description: str


def help_of(plugin: Plugin) -> str:
    """What a plugin says of itself: the docstring of its own class; empty where it has none."""
    return inspect.cleandoc(type(plugin).__dict__.get("__doc__") or "")


def options_of(model: type[Options]) -> tuple[OptionFacts, ...]:
    """Options of a model, those it inherits first."""
    said = _documented(model)
    shown: dict[str, Any] = {}
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    if len(required) < len(model.model_fields):
        plain = {
            name: field.get_default(call_default_factory=True, validated_data={})
            for name, field in model.model_fields.items()
            if name not in required
        }
        # Not validated: defaults are shown as they are declared, and what is required has none.
        shown = model.model_construct(**plain).model_dump(mode="json", include=set(plain), warnings=False)
    return tuple(
        OptionFacts(
            name=name,
            kind=_kind(field.annotation),
            required=name in required,
            default=None if field.default is PydanticUndefined and name in required else shown.get(name),
            description=" ".join((field.description or said.get(name, "")).split()),
        )
        for name, field in model.model_fields.items()
    )


def _kind(annotation: Any) -> str:
    is_plain = isinstance(annotation, type) and not hasattr(annotation, "__args__")
    told = annotation.__name__ if is_plain else str(annotation)
    return re.sub(r"\b(?:typing|pathlib|collections\.abc)\.(?:_local\.)?", "", told).replace("NoneType", "None")


def _documented(model: type[Options]) -> dict[str, str]:
    """Descriptions in the docstrings of a model and of what it derives from, the nearest one's."""
    told: dict[str, str] = {}
    for base in reversed(model.__mro__):
        own = _parameters(inspect.cleandoc(base.__dict__.get("__doc__") or ""))
        told |= {name: words for name, words in own.items() if words}
    return told


def _parameters(text: str) -> dict[str, str]:
    """Names and descriptions of a numpydoc section; "name : type — words" in one line counts too."""
    _, found, section = text.partition("Parameters\n----------\n")
    if not found:
        return {}
    told: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if line and not line[0].isspace():
            match = ENTRY.match(line)
            if match is None:
                break
            _, _, words = (match["rest"] or "").partition(" — ")
            names = [name.strip() for name in match["names"].split(",")]
            told |= dict.fromkeys(names, words)
        elif line.strip():
            # What refers to another docstring says nothing that the other does not.
            if not line.strip().startswith("See `"):
                told |= {name: f"{told[name]} {line.strip()}".strip() for name in names}
        else:
            break
    return told
