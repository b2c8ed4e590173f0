"""YAML for configuration files: the safe loader's values, the line of every key, and none of YAML 1.1's traps.

YAML 1.1 reads ``12:30:45`` as a number in base 60, ``no`` as False, ``0012`` in base 8 and ``1e-3`` as a string, and
lets a key that is written twice win silently. Here the first three are refused wherever they stand unquoted, ``1e-3``
is the number it looks like, and a key written twice is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

__all__ = ["MarkedYamlError", "Path", "parse"]

Path = tuple[str, ...]
"""Keys from the root down to a value."""

BOOLEANS = {"true", "false"}


class MarkedYamlError(ValueError):
    """Text that is not YAML, or that YAML 1.1 would misread; knows its line (from 1)."""

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(f"line {line}: {reason}")


class _Loader(yaml.SafeLoader):
    """The safe loader with a resolver of its own for numbers such as 1e-3."""


PLAIN_EXPONENT = re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", PLAIN_EXPONENT, list("-+0123456789"))


def parse(text: str) -> tuple[Any, dict[Path, int]]:
    """Value of a YAML document and the line of every key in its mappings.

    Returns
    -------
    value : object
        As `yaml.safe_load` gives it; None for an empty document.
    lines : dict
        Line (from 1) of each key by its path.

    Raises
    ------
    MarkedYamlError
        Not YAML, or a scalar or key that YAML 1.1 would misread.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        lines = dict(_key_lines(node, ())) if node is not None else {}
        value = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        raise MarkedYamlError(mark.line + 1 if mark else 1, fault.problem or "is not YAML") from fault
    except yaml.YAMLError as fault:
        raise MarkedYamlError(1, " ".join(str(fault).split())) from fault
    finally:
        loader.dispose()
    return value, lines


def _key_lines(node: yaml.Node, path: Path) -> Iterator[tuple[Path, int]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                raise MarkedYamlError(line, f"{key.value!r} is given twice")
            seen.add(key.value)
            yield (*path, key.value), line
            yield from _key_lines(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _key_lines(item, path)
    elif isinstance(node, yaml.ScalarNode):
        _refuse_trap(node)


def _refuse_trap(node: yaml.ScalarNode) -> None:
    kind = node.tag.rpartition(":")[2]
    written = node.value
    if node.style is not None:  # quoted, so a string
        return
    if kind in ("int", "float") and ":" in written:
        reason = f"YAML reads {written} as a number in base 60"
    elif kind == "int" and re.match(r"^[-+]?0[0-9_]", written):
        reason = f"YAML reads {written} as a number in base 8"
    elif kind == "bool" and written.lower() not in BOOLEANS:
        reason = f"YAML reads {written} as {written.lower() in ('yes', 'on')}"
    elif kind == "timestamp":
        reason = f"YAML reads {written} as a date"
    else:
        return
    raise MarkedYamlError(node.start_mark.line + 1, f"{reason}: put it in quotes, or write it another way")
