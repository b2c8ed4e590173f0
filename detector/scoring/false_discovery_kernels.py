"""Many decisions of false-discovery control in one go: what `online.run` is made of."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64

__all__ = ["along"]


@njit(cache=True, nogil=True)
def along(
    p: F64,
    gamma: F64,
    discoveries: I64,
    number: int,
    spent: int,
    candidate: float,
    budget: tuple[float, float, float, float],
) -> tuple[NDArray[np.bool_], F64, int, int]:
    """Decide in order.

    Parameters
    ----------
    p : ndarray, shape (n,)
    gamma : ndarray — by j, as far as it can be asked for
    discoveries : ndarray — filled from `number` on
    number, spent : int — as the state says before
    candidate : float — p-values up to this cost nothing; −1 where all cost
    budget : (first wealth, level, factor on what is granted, largest level)

    Returns
    -------
    announced : ndarray, shape (n,), bool
    levels : ndarray, shape (n,)
    spent, number : int — after
    """
    announced = np.zeros(p.size, np.bool_)
    levels = np.zeros(p.size)
    wealth, level, factor, most = budget
    for i in range(p.size):
        granted = wealth * gamma[1 + spent]
        if number > 0:
            granted += (level - wealth) * gamma[1 + spent - discoveries[0]]
        later = 0.0
        for d in range(1, number):
            later += gamma[1 + spent - discoveries[d]]
        levels[i] = min(most, factor * (granted + level * later))
        if p[i] > candidate:
            spent += 1
        if p[i] <= levels[i]:
            announced[i] = True
            discoveries[number] = spent
            number += 1
    return announced, levels, spent, number
