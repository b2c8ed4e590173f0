"""Kernel of `false_discovery.run`: many decisions in one call."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64

__all__ = ["decide_in_order"]


@njit(cache=True, nogil=True)
def decide_in_order(
    p: F64,
    gamma: F64,
    discoveries: I64,
    number: int,
    spent: int,
    candidate: float,
    budget: tuple[float, float, float, float],
) -> tuple[NDArray[np.bool_], F64, int, int]:
    """Decide on sources in their order.

    Parameters
    ----------
    p : ndarray, shape (n,)
    gamma : ndarray — distribution of the budget by j, as far as it can be needed
    discoveries : ndarray — earlier discoveries; new ones are written from `number` on
    number, spent : int — state before
    candidate : float — p-values up to this cost nothing; −1 if all cost
    budget : (first wealth, level, factor on the granted level, largest level)

    Returns
    -------
    announced : ndarray, shape (n,), bool
    levels : ndarray, shape (n,)
    spent, number : int — state after
    """
    announced = np.zeros(p.size, np.bool_)
    levels = np.zeros(p.size)
    wealth, level, factor, largest = budget
    for i in range(p.size):
        granted = wealth * gamma[1 + spent]
        if number > 0:
            granted += (level - wealth) * gamma[1 + spent - discoveries[0]]
        later = 0.0
        for d in range(1, number):
            later += gamma[1 + spent - discoveries[d]]
        levels[i] = min(largest, factor * (granted + level * later))
        if p[i] > candidate:
            spent += 1
        if p[i] <= levels[i]:
            announced[i] = True
            discoveries[number] = spent
            number += 1
    return announced, levels, spent, number
