"""Event grades: fractions of singles to quadruples as a function of energy: `draw_grades`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64

__all__ = ["BAD_GRADE", "draw_grades"]


BAD_GRADE: Final = 7
"""Code of events whose charge pattern is not that of a photon (as ASCA grade 7)."""


@dataclass(frozen=True, slots=True)
class _Shares:
    """Fractions of singles, doubles, triples, quadruples at a soft and a hard energy, keV; linear in log E between."""

    kev: tuple[float, float]
    soft: tuple[float, float, float, float]
    hard: tuple[float, float, float, float]


_CCD: Final = _Shares((0.5, 8.0), (0.80, 0.18, 0.01, 0.01), (0.60, 0.30, 0.05, 0.05))
"""Front-illuminated CCD: EPIC-MOS patterns 0, 1–4, 5–8 and 9–12 (Turner et al. 2001, A&A 365, L27); ACIS and XRT
are similar. Approximate."""

_PN: Final = _Shares((0.5, 8.0), (0.80, 0.20, 0.0, 0.0), (0.60, 0.40, 0.0, 0.0))
"""EPIC-pn: singles and doubles (Strüder et al. 2001, A&A 365, L18); the effective area is
that of patterns 0–4, so others are not drawn. Approximate."""

_SHARES: Final[Mapping[str, _Shares]] = {"xmm-pn": _PN}


def draw_grades(telescope: str, energy_kev: F64, rng: np.random.Generator) -> NDArray[np.int16]:
    """Grades of photons: 0 single, 1 double, 2 triple, 3 quadruple.

    Parameters
    ----------
    telescope : str — `Telescope.name`; pn has its own fractions
    energy_kev : ndarray, shape (n,)
    rng : numpy.random.Generator
    """
    shares = _SHARES.get(telescope, _CCD)
    # Charge clouds of harder photons drift through more depth and are split more often.
    hardness = np.interp(np.log(np.maximum(energy_kev, 1e-3)), np.log(shares.kev), [0.0, 1.0])
    soft, hard = np.cumsum(shares.soft)[:3], np.cumsum(shares.hard)[:3]
    reached = soft[None, :] + hardness[:, None] * (hard - soft)[None, :]
    grade: NDArray[np.int16] = (rng.random(len(energy_kev))[:, None] >= reached).sum(axis=1).astype(np.int16)
    return grade
