"""Help text of a plugin, and its options with defaults and descriptions: `get_help`, `describe_options`.

For `xherald plugins NAME` and the documentation. Options are described in ``Field(description=…)`` or in the numpydoc
section "Parameters" of the model.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticUndefined

if TYPE_CHECKING:
    from .contract import Options, Plugin

__all__ = ["OptionFacts", "describe_options", "get_help"]

ENTRY = re.compile(r"^(?P<names>[a-z_][\w, ]*?)(?: : (?P<rest>.*))?$")


@dataclass(frozen=True, slots=True)
class OptionFacts:
    """One option of a plugin.

    Parameters
    ----------
    name : str
    kind : str — type as written in code
    required : bool
    default : object — in JSON types; None if required
    description : str — one line; empty if missing
    """

    name: str
    kind: str
    required: bool
    default: Any
    description: str


def get_help(plugin: Plugin) -> str:
    """Docstring of the class of a plugin; empty if it has none."""
    return inspect.cleandoc(type(plugin).__dict__.get("__doc__") or "")


def describe_options(model: type[Options]) -> tuple[OptionFacts, ...]:
    """Describe the options of a model, inherited ones first."""
    documented = _read_descriptions(model)
    defaults: dict[str, Any] = {}
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    if len(required) < len(model.model_fields):
        plain = {
            name: field.get_default(call_default_factory=True, validated_data={})
            for name, field in model.model_fields.items()
            if name not in required
        }
        # Without validation, because required options have no value.
        defaults = model.model_construct(**plain).model_dump(mode="json", include=set(plain), warnings=False)
    return tuple(
        OptionFacts(
            name=name,
            kind=_kind(field.annotation),
            required=name in required,
            default=None if field.default is PydanticUndefined and name in required else defaults.get(name),
            description=" ".join((field.description or documented.get(name, "")).split()),
        )
        for name, field in model.model_fields.items()
    )


def _kind(annotation: Any) -> str:
    is_plain = isinstance(annotation, type) and not hasattr(annotation, "__args__")
    text = annotation.__name__ if is_plain else str(annotation)
    return re.sub(r"\b(?:typing|pathlib|collections\.abc)\.(?:_local\.)?", "", text).replace("NoneType", "None")


def _read_descriptions(model: type[Options]) -> dict[str, str]:
    """Descriptions in the docstrings of a model and its base classes."""
    descriptions: dict[str, str] = {}
    for base in reversed(model.__mro__):
        own = _parameters(inspect.cleandoc(base.__dict__.get("__doc__") or ""))
        descriptions |= {name: words for name, words in own.items() if words}
    return descriptions


def _parameters(text: str) -> dict[str, str]:
    """Names and descriptions in a numpydoc section, also in the form "name : type — description"."""
    _, found, section = text.partition("Parameters\n----------\n")
    if not found:
        return {}
    descriptions: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if line and not line[0].isspace():
            match = ENTRY.match(line)
            if match is None:
                break
            _, _, words = (match["rest"] or "").partition(" — ")
            names = [name.strip() for name in match["names"].split(",")]
            descriptions |= dict.fromkeys(names, words)
        elif line.strip():
            # References to other docstrings are not descriptions.
            if not line.strip().startswith("See `"):
                descriptions |= {name: f"{descriptions[name]} {line.strip()}".strip() for name in names}
        else:
            break
    return descriptions
