"""What every plugin owes, whatever its kind, and how answers are held against each other."""

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
from xherald.plugins.plugin_help import help_of, options_of

from .rules import Rules, Skipped, Violation, require

__all__ = [
    "Kept",
    "Tried",
    "add_common",
    "add_stateless",
    "default_options",
    "peak_of",
    "require_memory",
    "require_speed",
    "same",
    "seconds_of",
    "state_of",
]

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
TRIES: Final = 3
MIB: Final = 2**20


class Tried(Protocol):
    """What the rules of every kind are looked at with."""

    @property
    def plugin(self) -> Plugin:
        """Whom it is about."""

    @property
    def before(self) -> str:
        """What `state_of` said of it before anything was asked of it."""


Case = TypeVar("Case", bound=Tried)


def add_common(rules: Rules[Case]) -> None:
    """Enter the rules of every plugin, before all others of the kind."""

    @rules.rule("named", "A plugin's name is made of letters, digits and _ . + -, and begins with a letter or digit.")
    def named(case: Case) -> None:
        name = getattr(case.plugin, "name", None)
        require(isinstance(name, str) and NAME.fullmatch(name), f"its name is {name!r}; give it one like my_mission")

    @rules.rule("documented", "A plugin's class has a docstring of its own, which is its help text.")
    def documented(case: Case) -> None:
        require(
            help_of(case.plugin), f"class {type(case.plugin).__name__} has no docstring; say what it is in one line"
        )

    @rules.rule("options", "Options are a frozen model derived from Options that refuses keys that it does not know.")
    def options(case: Case) -> None:
        model = case.plugin.options_model
        require(isinstance(model, type) and issubclass(model, Options), f"options_model is {model!r}; derive Options")
        config = model.model_config
        require(config.get("extra") == "forbid", f"{model.__name__} takes unknown keys; leave extra='forbid' in place")
        require(config.get("frozen"), f"{model.__name__} can be changed after reading; leave frozen=True in place")

    @rules.rule(
        "options-described", "Every option says what it is, by Field(description=…) or in the model's docstring."
    )
    def options_described(case: Case) -> None:
        silent = [one.name for one in options_of(case.plugin.options_model) if not one.description]
        require(not silent, f"no description of {', '.join(silent)} of {case.plugin.options_model.__name__}; add one")


def add_stateless(rules: Rules[Case]) -> None:
    """Enter the rule that looks at what the others left behind; the last of the kind."""

    @rules.rule("stateless", "A plugin holds no state: what a call needs is in its arguments.")
    def stateless(case: Case) -> None:
        after = state_of(case.plugin)
        require(
            after == case.before, f"its attributes went from {case.before[:200]} to {after[:200]} while it was used"
        )


def state_of(plugin: Plugin) -> str:
    """What a plugin keeps, in its object and in its own classes, as text that differs where it changes."""
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
    """Options as they are given, or the defaults.

    Raises
    ------
    Skipped
        There are none and some are required.
    """
    if isinstance(options, Options):
        return options
    needed = [one.name for one in options_of(plugin.options_model) if one.required]
    if options is None and needed:
        raise Skipped(f"needs options {', '.join(needed)}; give them")
    return plugin.options_model.model_validate(dict(options or {}))


def same(one: object, other: object) -> bool:
    """Whether two answers are equal to the last bit, NaN being equal to NaN."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        kinds = one.dtype == other.dtype and one.shape == other.shape
        return kinds and bool(np.array_equal(one, other, equal_nan=one.dtype.kind in "fc"))
    if hasattr(one, "toarray") and hasattr(other, "toarray"):
        return same(one.toarray(), other.toarray())
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, BaseModel):
        return bool(one == other)
    if is_dataclass(one) and type(one) is type(other):
        return all(same(getattr(one, part.name), getattr(other, part.name)) for part in fields(one))
    return bool(one == other)


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds that a call takes: the best of some, the first of which may still compile and warm up."""
    seconds = []
    for _ in range(TRIES):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def peak_of(work: Callable[[], object]) -> int:
    """Bytes that a call holds at the most, beyond what was held before."""
    tracemalloc.start()
    try:
        held, _ = tracemalloc.get_traced_memory()
        work()
        return max(tracemalloc.get_traced_memory()[1] - held, 0)
    finally:
        tracemalloc.stop()


def require_speed(seconds: float, amount: int, per_s: float, what: str) -> None:
    """Raise a `Violation` where less than `per_s` of something was done a second."""
    reached = amount / max(seconds, 1e-9)
    require(reached >= per_s, f"{reached:,.0f} {what} a second at best; the floor is {per_s:,.0f}")


def require_memory(peak_bytes: int, basis: int, times: float, what: str, spare: int = 64 * MIB) -> None:
    """Raise a `Violation` where a call held more than so many times a basis, and a little beyond."""
    allowed = times * basis + spare
    if peak_bytes > allowed:
        raise Violation(
            f"{peak_bytes / MIB:,.0f} MiB at the most for {basis / MIB:,.1f} MiB of {what}; "
            f"the floor allows {allowed / MIB:,.0f}"
        )


@dataclass(slots=True)
class Kept:
    """Copies of arrays, to see whether somebody wrote into them."""

    _arrays: list[tuple[str, np.ndarray[Any, Any], np.ndarray[Any, Any]]] = field(default_factory=list)

    @classmethod
    def of(cls, *holders: object) -> Kept:
        """Arrays in dataclasses, and arrays themselves."""
        kept = cls()
        for holder in holders:
            if isinstance(holder, np.ndarray):
                kept._arrays.append(("array", holder, holder.copy()))
                continue
            for part in fields(holder):  # type: ignore[arg-type]
                value = getattr(holder, part.name)
                if isinstance(value, np.ndarray):
                    kept._arrays.append((part.name, value, value.copy()))
        return kept

    def require(self) -> None:
        """Raise a `Violation` where one is not what it was."""
        for name, array, before in self._arrays:
            require(same(array, before), f"it wrote into {name} of what it was given; work on a copy")
