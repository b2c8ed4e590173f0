"""Rules that every plugin keeps, whatever its kind, and helpers to compare and measure results."""

from __future__ import annotations

import re
import time
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Final, Protocol, TypeVar

import numpy as np
from pydantic import BaseModel

from xherald.plugins.contract import Options, Plugin
from xherald.plugins.plugin_help import describe_options, get_help

from .rules import Rules, Skipped, Violation, require

__all__ = [
    "ArraySnapshot",
    "RuleCase",
    "add_common_rules",
    "add_stateless_rule",
    "default_options",
    "describe_state",
    "is_identical",
    "measure_peak_bytes",
    "measure_seconds",
    "require_memory",
    "require_speed",
]

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
TIMING_REPEATS: Final = 3
MIB: Final = 2**20


class RuleCase(Protocol):
    """The plugin under test and its initial state."""

    @property
    def plugin(self) -> Plugin:
        """The plugin."""

    @property
    def initial_state(self) -> str:
        """Result of `describe_state` before the plugin was used."""


Case = TypeVar("Case", bound=RuleCase)


def add_common_rules(rules: Rules[Case]) -> None:
    """Add the rules of every plugin, before all others of the kind."""

    @rules.rule("named", "The name consists of letters, digits and _ . + -, and begins with a letter or digit.")
    def named(case: Case) -> None:
        name = getattr(case.plugin, "name", None)
        require(isinstance(name, str) and NAME.fullmatch(name), f"name is {name!r}; choose one such as my_mission")

    @rules.rule("documented", "The class has its own docstring, which is its help text.")
    def documented(case: Case) -> None:
        require(get_help(case.plugin), f"class {type(case.plugin).__name__} has no docstring; add one line")

    @rules.rule("options", "The options model derives from Options, is frozen and forbids unknown keys.")
    def options(case: Case) -> None:
        model = case.plugin.options_model
        require(
            isinstance(model, type) and issubclass(model, Options),
            f"options_model is {model!r}; derive it from Options",
        )
        config = model.model_config
        require(config.get("extra") == "forbid", f"{model.__name__} accepts unknown keys; keep extra='forbid'")
        require(config.get("frozen"), f"{model.__name__} is mutable; keep frozen=True")

    @rules.rule(
        "options-described", "Every option has a description, in Field(description=…) or in the docstring of the model."
    )
    def options_described(case: Case) -> None:
        undescribed = [one.name for one in describe_options(case.plugin.options_model) if not one.description]
        require(
            not undescribed,
            f"{case.plugin.options_model.__name__} has no description of {', '.join(undescribed)}",
        )


def add_stateless_rule(rules: Rules[Case]) -> None:
    """Add the rule that the state of the plugin has not changed; the last of each kind."""

    @rules.rule("stateless", "The plugin keeps no state between calls.")
    def stateless(case: Case) -> None:
        after = describe_state(case.plugin)
        require(
            after == case.initial_state,
            f"attributes changed from {case.initial_state[:200]} to {after[:200]} in use; pass state as arguments",
        )


def describe_state(plugin: Plugin) -> str:
    """Attributes of a plugin and its classes as text, which differs if any of them changes."""
    own = dict(getattr(plugin, "__dict__", {}))
    for base in type(plugin).__mro__:
        if issubclass(base, Plugin) and base is not Plugin:
            kept = {key: value for key, value in vars(base).items() if not key.startswith("__") and not callable(value)}
            own |= {f"{base.__name__}.{key}": value for key, value in kept.items() if key != "_abc_impl"}
    return repr({key: _plain(value) for key, value in sorted(own.items())})


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return (value.shape, str(value.dtype), value.tobytes())
    return value


def default_options(options: Options | Mapping[str, Any] | None, plugin: Plugin) -> Options:
    """The given options, or the defaults.

    Raises
    ------
    Skipped
        No options are given and some are required.
    """
    if isinstance(options, Options):
        return options
    needed = [one.name for one in describe_options(plugin.options_model) if one.required]
    if options is None and needed:
        raise Skipped(f"options {', '.join(needed)} are required; give them")
    return plugin.options_model.model_validate(dict(options or {}))


def is_identical(one: object, other: object) -> bool:
    """Whether two results are equal to the last bit; NaN equals NaN."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        kinds = one.dtype == other.dtype and one.shape == other.shape
        return kinds and bool(np.array_equal(one, other, equal_nan=one.dtype.kind in "fc"))
    if hasattr(one, "toarray") and hasattr(other, "toarray"):
        return is_identical(one.toarray(), other.toarray())
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return list(one) == list(other) and all(is_identical(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(is_identical(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, BaseModel):
        return bool(one == other)
    if is_dataclass(one) and type(one) is type(other):
        return all(is_identical(getattr(one, part.name), getattr(other, part.name)) for part in fields(one))
    return bool(one == other)


def measure_seconds(work: Callable[[], object]) -> float:
    """Run time of a call, s: the shortest of several, because the first may compile."""
    seconds = []
    for _ in range(TIMING_REPEATS):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def measure_peak_bytes(work: Callable[[], object]) -> int:
    """Peak memory that a call allocates, bytes."""
    tracemalloc.start()
    try:
        initial, _ = tracemalloc.get_traced_memory()
        work()
        return max(tracemalloc.get_traced_memory()[1] - initial, 0)
    finally:
        tracemalloc.stop()


def require_speed(seconds: float, amount: int, per_s: float, what: str) -> None:
    """Raise a `Violation` if fewer than `per_s` items were processed per second."""
    reached = amount / max(seconds, 1e-9)
    require(reached >= per_s, f"{reached:,.0f} {what} per second, required are {per_s:,.0f}")


def require_memory(peak_bytes: int, basis: int, times: float, what: str, spare: int = 64 * MIB) -> None:
    """Raise a `Violation` if a call allocated more than a multiple of a size, plus a constant."""
    allowed = times * basis + spare
    if peak_bytes > allowed:
        raise Violation(
            f"{peak_bytes / MIB:,.0f} MiB allocated for {basis / MIB:,.1f} MiB of {what}, allowed are "
            f"{allowed / MIB:,.0f} MiB"
        )


@dataclass(slots=True)
class ArraySnapshot:
    """Copies of arrays, to check whether a plugin modified them."""

    _arrays: list[tuple[str, np.ndarray[Any, Any], np.ndarray[Any, Any]]] = field(default_factory=list)

    @classmethod
    def take(cls, *holders: object) -> ArraySnapshot:
        """Copy arrays and the arrays in dataclasses."""
        snapshot = cls()
        for holder in holders:
            if isinstance(holder, np.ndarray):
                snapshot._arrays.append(("array", holder, holder.copy()))
                continue
            for part in fields(holder):  # type: ignore[arg-type]
                value = getattr(holder, part.name)
                if isinstance(value, np.ndarray):
                    snapshot._arrays.append((part.name, value, value.copy()))
        return snapshot

    def require_unchanged(self) -> None:
        """Raise a `Violation` if an array was modified."""
        for name, array, before in self._arrays:
            require(is_identical(array, before), f"array {name} of the input was modified; work on a copy")
