"""False-discovery control for a stream of sources: LORD++, with a state of plain numbers.

Sources arrive one by one, without end, and each is decided on when it arrives. The procedure spends a budget of false
discoveries: every test costs part of it, every discovery returns part of it, so that at any time the expected fraction
of false discoveries is at most `level`, if p-values are independent and those of steady sources are no smaller than
uniform ones.

LORD++: Ramdas, Yang, Wainwright & Jordan 2017, NIPS 30, 5650, eq. 7, on Javanmard & Montanari 2018, Ann. Stat. 46, 526.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64
from xherald.photons.errors import ArtefactError, ConfigError

__all__ = ["Control", "next_level", "run", "start", "step"]


LORD_NORM: Final = 0.0790819
"""C of γ_j = C log(max(j, 2)) / (j e^√(log j)), Javanmard & Montanari 2018, eq. 31; normalised numerically."""


@dataclass(frozen=True, slots=True)
class Control:
    """State of the control.

    Parameters
    ----------
    level : float — expected fraction of false discoveries allowed
    tested : int — p-values seen
    discoveries : tuple of int — value of `tested` right after each discovery, ascending
    """

    level: float
    tested: int = 0
    discoveries: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise ConfigError(f"false-discovery level is {self.level}; use a fraction above 0 and below 1")

    @property
    def first_wealth(self) -> float:
        """Budget before the first discovery: half of the level, as in the paper."""
        return 0.5 * self.level

    def as_dict(self) -> dict[str, Any]:
        """The state in JSON's own types."""
        return {"level": self.level, "tested": self.tested, "discoveries": list(self.discoveries)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Control:
        """Create a state from the result of `as_dict`.

        Raises
        ------
        ArtefactError
            The values are not such a state.
        """
        try:
            level, tested, discoveries = values["level"], values["tested"], values["discoveries"]
            if not all(type(number) is int for number in (tested, *discoveries)):
                raise ValueError("numbers of tests are not integers")
            if sorted(set(discoveries)) != list(discoveries) or not 0 <= max((0, *discoveries)) <= tested:
                raise ValueError("inconsistent discoveries")
            return cls(float(level), tested, tuple(discoveries))
        except (KeyError, TypeError, ValueError, ConfigError) as fault:
            raise ArtefactError(f"not a state of false-discovery control: {fault}") from fault


def start(level: float = 0.1) -> Control:
    """State before the first source.

    Parameters
    ----------
    level : float

    Raises
    ------
    ConfigError
    """
    return Control(level)


def next_level(state: Control) -> float:
    """Largest p-value at which the next source would be announced."""
    wealth, level = state.first_wealth, state.level
    since_start = _gamma(np.array([1 + state.tested]))[0]
    since = _gamma(1 + state.tested - np.array(state.discoveries, dtype=np.int64))
    granted = wealth * since_start + (level - wealth) * since[:1].sum() + level * since[1:].sum()
    return min(float(granted), 1.0)


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
    tested = state.tested + 1
    discoveries = (*state.discoveries, tested) if announced else state.discoveries
    return announced, replace(state, tested=tested, discoveries=discoveries)


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
    gamma = np.concatenate([[0.0], _gamma(np.arange(1, state.tested + len(p) + 2))])
    discoveries = np.zeros(len(state.discoveries) + len(p), dtype=np.int64)
    discoveries[: len(state.discoveries)] = state.discoveries
    announced, levels, number = decide_in_order(
        p, gamma, discoveries, len(state.discoveries), state.tested, state.first_wealth, state.level
    )
    found = tuple(discoveries[: int(number)].tolist())
    return announced, levels, replace(state, tested=state.tested + len(p), discoveries=found)


def _gamma(j: I64) -> F64:
    """Distribution of the budget over the following tests; sums to 1 over all j from 1."""
    number = j.astype(np.float64)
    log = np.log(np.maximum(number, 2.0))
    spread: F64 = LORD_NORM * log / (number * np.exp(np.sqrt(np.log(number))))
    return spread
