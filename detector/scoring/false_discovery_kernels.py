"""Kernel of `false_discovery.run`: many decisions in one call."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64

__all__ = ["decide_in_order"]


@njit(cache=True, nogil=True)
def decide_in_order(
    p: F64, gamma: F64, discoveries: I64, number: int, tested: int, wealth: float, level: float
) -> tuple[NDArray[np.bool_], F64, int]:
    """Decide on sources in their order.

    Parameters
    ----------
    p : ndarray, shape (n,)
    gamma : ndarray — distribution of the budget by j, as far as it can be needed
    discoveries : ndarray — earlier discoveries; new ones are written from `number` on
    number, tested : int — discoveries and tests before
    wealth : float — budget before the first discovery
    level : float

    Returns
    -------
    announced : ndarray, shape (n,), bool
    levels : ndarray, shape (n,)
    number : int — discoveries after
    """
    announced = np.zeros(p.size, np.bool_)
    levels = np.zeros(p.size)
    for i in range(p.size):
        granted = wealth * gamma[1 + tested]
        if number > 0:
            granted += (level - wealth) * gamma[1 + tested - discoveries[0]]
        later = 0.0
        for d in range(1, number):
            later += gamma[1 + tested - discoveries[d]]
        levels[i] = min(granted + level * later, 1.0)
        tested += 1
        if p[i] <= levels[i]:
            announced[i] = True
            discoveries[number] = tested
            number += 1
    return announced, levels, number
