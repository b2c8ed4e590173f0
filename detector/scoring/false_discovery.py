"""False-discovery control for a stream of sources: LORD++ and SAFFRON, with a state of plain numbers.

Sources arrive one by one, without end, and each is decided on when it arrives. Both procedures spend a budget of false
discoveries: every test costs part of it, every discovery returns part of it, so that at any time the expected fraction
of false discoveries is at most `level`, if p-values are independent and those of steady sources are no smaller than
uniform ones.

LORD++: Ramdas, Yang, Wainwright & Jordan 2017, NIPS 30, 5650, eq. 7, on Javanmard & Montanari 2018, Ann. Stat. 46, 526.
SAFFRON: Ramdas, Zrnic, Wainwright & Jordan 2018, ICML (PMLR 80, 4286), algorithm 1: only tests with p above `CANDIDATE`
cost something, which is better where many sources vary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64
from xherald.photons.errors import ArtefactError, ConfigError

__all__ = ["CANDIDATE", "METHODS", "Control", "next_level", "run", "start", "step"]


METHODS: Final = ("lord", "saffron")

CANDIDATE: Final = 0.5
"""SAFFRON's λ: p-values up to this are candidates (the paper's choice)."""

SAFFRON_EXPONENT: Final = 1.6
"""γ_j ∝ j^−1.6, section 4 of the paper."""

SAFFRON_NORM: Final = 0.4374901657
"""1 / ζ(1.6), so that γ sums to 1."""

LORD_NORM: Final = 0.0790819
"""C of γ_j = C log(max(j, 2)) / (j e^√(log j)), Javanmard & Montanari 2018, eq. 31; normalised numerically."""


@dataclass(frozen=True, slots=True)
class Control:
    """State of the control.

    Parameters
    ----------
    method : {"lord", "saffron"}
    level : float — expected fraction of false discoveries allowed
    tested : int — p-values seen
    spent : int — tests that counted against the budget: all (LORD++), or those above `CANDIDATE` (SAFFRON)
    discoveries : tuple of int — value of `spent` right after each discovery, ascending
    """

    method: str
    level: float
    tested: int = 0
    spent: int = 0
    discoveries: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(
                f"unknown method of false-discovery control {self.method!r}; use one of {', '.join(METHODS)}"
            )
        if not 0 < self.level < 1:
            raise ConfigError(f"false-discovery level is {self.level}; use a fraction above 0 and below 1")

    @property
    def first_wealth(self) -> float:
        """Budget before the first discovery: half of the level, as in both papers."""
        return 0.5 * self.level

    def as_dict(self) -> dict[str, Any]:
        """The state in JSON's own types."""
        return {
            "method": self.method,
            "level": self.level,
            "tested": self.tested,
            "spent": self.spent,
            "discoveries": list(self.discoveries),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Control:
        """Create a state from the result of `as_dict`.

        Raises
        ------
        ArtefactError
            The values are not such a state.
        """
        try:
            tested, spent, discoveries = values["tested"], values["spent"], values["discoveries"]
            level, method = values["level"], values["method"]
            integers = all(type(number) is int for number in (tested, spent, *discoveries))
            ordered = list(discoveries) == sorted(discoveries)
            if not (integers and ordered and 0 <= spent <= tested and len(discoveries) <= tested):
                raise ValueError("inconsistent numbers of tests")
            if discoveries and not 0 <= discoveries[0] <= discoveries[-1] <= spent:
                raise ValueError("inconsistent discoveries")
            return cls(str(method), float(level), tested, spent, tuple(discoveries))
        except (KeyError, TypeError, ValueError, ConfigError) as fault:
            raise ArtefactError(f"not a state of false-discovery control: {fault}") from fault


def start(method: str = "lord", level: float = 0.1) -> Control:
    """State before the first source.

    Parameters
    ----------
    method : {"lord", "saffron"}
    level : float

    Raises
    ------
    ConfigError
    """
    return Control(method, level)


def next_level(state: Control) -> float:
    """Largest p-value at which the next source would be announced."""
    since_start = _gamma(state.method, np.array([1 + state.spent]))[0]
    since = _gamma(state.method, 1 + state.spent - np.array(state.discoveries, dtype=np.int64))
    return _level(state, float(since_start), float(since[:1].sum()), float(since[1:].sum()))


def step(p: float, state: Control) -> tuple[bool, Control]:
    """Decide on one source.

    Parameters
    ----------
    p : float — its false-alarm probability
    state : Control

    Returns
    -------
    (bool, Control)
        Whether the source is announced, and the new state.

    Raises
    ------
    ConfigError
        p is not a probability.
    """
    if not 0 <= p <= 1:
        raise ConfigError(f"false-discovery control: p = {p} is not a probability; leave untested sources out")
    announced = p <= next_level(state)
    spent = state.spent + (1 if state.method == "lord" or p > CANDIDATE else 0)
    discoveries = (*state.discoveries, spent) if announced else state.discoveries
    return announced, replace(state, tested=state.tested + 1, spent=spent, discoveries=discoveries)


def run(p: F64, state: Control) -> tuple[NDArray[np.bool_], F64, Control]:
    """Decide on many sources in their order, with the same results as `step` one by one.

    Parameters
    ----------
    p : ndarray, shape (n,)
    state : Control

    Returns
    -------
    announced : ndarray, shape (n,), bool
    levels : ndarray, shape (n,) — level at which each was tested
    state : Control

    Raises
    ------
    ConfigError
        A p is not a probability.
    """
    from .false_discovery_kernels import decide_in_order

    p = np.ascontiguousarray(p, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ConfigError("false-discovery control: a p is not a probability; leave untested sources out")
    gamma = np.concatenate([[0.0], _gamma(state.method, np.arange(1, state.spent + len(p) + 2))])
    discoveries = np.zeros(len(state.discoveries) + len(p), dtype=np.int64)
    discoveries[: len(state.discoveries)] = state.discoveries
    every = state.method == "lord"
    scale, largest = (1.0, 1.0) if every else (1.0 - CANDIDATE, CANDIDATE)
    announced, levels, spent, number = decide_in_order(
        p,
        gamma,
        discoveries,
        len(state.discoveries),
        state.spent,
        CANDIDATE if not every else -1.0,
        (state.first_wealth, state.level, scale, largest),
    )
    after = replace(
        state, tested=state.tested + len(p), spent=int(spent), discoveries=tuple(discoveries[: int(number)].tolist())
    )
    return announced, levels, after


def _level(state: Control, since_start: float, since_first: float, since_others: float) -> float:
    wealth, level = state.first_wealth, state.level
    granted = wealth * since_start + (level - wealth) * since_first + level * since_others
    return granted if state.method == "lord" else min(CANDIDATE, (1.0 - CANDIDATE) * granted)


def _gamma(method: str, j: I64) -> F64:
    """Distribution of the budget over the following tests; sums to 1 over all j from 1."""
    number = j.astype(np.float64)
    if method == "saffron":
        return SAFFRON_NORM * number**-SAFFRON_EXPONENT
    log = np.log(np.maximum(number, 2.0))
    spread: F64 = LORD_NORM * log / (number * np.exp(np.sqrt(np.log(number))))
    return spread
