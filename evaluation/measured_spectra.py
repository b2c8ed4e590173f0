"""Measured spectra of steady sources, of harder and softer events, and of the background, by telescope."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from xherald.photons.arrays import F64

if TYPE_CHECKING:
    from xherald.simulation.model import SourceModel

__all__ = ["COMPONENTS", "Spectra", "absorbed_to", "spectra_of"]


COMPONENTS: Final = ("same", "harder", "softer")
"""Spectrum of an event compared with its source."""

KINDS: Final = 200
"""Number of different source spectra of a telescope, each at its own off-axis angle."""


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """Relative expected counts in each bin of `simulation.energies` within the band, as measured.

    Parameters
    ----------
    source : ndarray, shape (KINDS, 3, 400) — by `COMPONENTS`, the first that of the source itself
    background : ndarray, shape (KINDS, 400)
    """

    source: F64
    background: F64


@lru_cache(maxsize=16)
def spectra_of(telescope: str, seed: int) -> Spectra:
    """Draw a telescope's spectra.

    Half of the sources are power laws of index 1.2 to 2.4, half black bodies of 0.15 to 1 keV, behind 10²⁰ to 10²²
    cm⁻². Events are flatter or steeper by 0.7 to 1.2 in index, or hotter or colder by 1.6 to 2.5 times.
    """
    from xherald.photons import Exposure
    from xherald.simulation.population.curves import SourceExposures, curves_of
    from xherald.simulation.population.population_settings import OFF_AXIS_ARCMIN
    from xherald.simulation.random_streams import stream
    from xherald.simulation.telescopes import TELESCOPES

    one = TELESCOPES[telescope]
    rng = stream(seed, "evaluation", telescope, "spectra")
    angle = min(OFF_AXIS_ARCMIN, float(one.off_axis_arcmin[-1])) * np.sqrt(rng.random(KINDS))
    models = [_model(rng) for _ in range(KINDS)]
    seen = SourceExposures(
        start=np.zeros(KINDS),
        duration=np.ones(KINDS),
        good=[Exposure([[0.0, 1.0]])] * KINDS,
        gti=np.tile((0.0, 1.0), (KINDS, 1)),
        fraction=np.ones(KINDS),
        offsets=np.arange(KINDS + 1),
    )
    measured = curves_of(one, models, seen, angle).spectrum.reshape(KINDS, len(COMPONENTS) + 1, -1)
    return Spectra(measured[:, :-1], measured[:, -1])


def _model(rng: np.random.Generator) -> SourceModel:
    from xherald.simulation.light_curve import LightCurve
    from xherald.simulation.model import Component, SourceModel
    from xherald.simulation.spectra import absorbed_power_law, black_body

    column = 0.01 * 100.0 ** rng.random()
    if rng.random() < 0.5:
        index = rng.uniform(1.2, 2.4)
        drawn = [absorbed_power_law(index + by, column) for by in (0.0, -rng.uniform(0.7, 1.2), rng.uniform(0.7, 1.2))]
    else:
        kt = rng.uniform(0.15, 1.0)
        drawn = [black_body(kt * by, column) for by in (1.0, rng.uniform(1.6, 2.5), 1.0 / rng.uniform(1.6, 2.5))]
    constant = LightCurve.constant(0.0, 1.0)
    return SourceModel("steady", "", tuple(Component(constant, one) for one in drawn))


def absorbed_to(spectra: F64, passed: F64) -> F64:
    """Spectra absorbed by cold gas such that a given fraction of their counts remains.

    Parameters
    ----------
    spectra : ndarray, shape (n, 400)
    passed : ndarray, shape (n,) — fraction of the counts, 0 to 1

    Returns
    -------
    ndarray, shape (n, 400) — each with the largest bin scaled to 1, for nothing is left to count where nothing passes
    """
    from xherald.simulation.energies import MIDDLE_KEV
    from xherald.simulation.spectra import cross_section

    sigma = cross_section(MIDDLE_KEV)
    share = spectra / spectra.sum(axis=1, keepdims=True)
    low, high = np.full(len(spectra), 18.0), np.full(len(spectra), 26.0)
    for _ in range(40):
        column = 0.5 * (low + high)
        through = (share * np.exp(-(10.0 ** column[:, None]) * sigma)).sum(axis=1) > passed
        low, high = np.where(through, column, low), np.where(through, high, column)
    with np.errstate(divide="ignore"):
        log = np.log(share) - 10.0 ** low[:, None] * sigma
    left: F64 = np.exp(log - log.max(axis=1, keepdims=True))
    return left
