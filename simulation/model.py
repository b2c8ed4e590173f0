"""Models of simulated sources: spectra with light curves, and sky positions.

A spectrum that changes is a sum of fixed spectra with different light curves. Each is sampled exactly, and the sum of
Poisson processes is the Poisson process of the sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from xherald.photons.arrays import F64

from .energies import EDGES_KEV
from .light_curve import LightCurve

__all__ = ["Component", "Direction", "PlacedSource", "SourceModel"]

Direction = Literal["", "flare", "dip"]
"""Kind of a source in the truth: flare, dip, or "" for neither (steady, or variable without an event)."""


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """A fixed spectrum with its light curve.

    Parameters
    ----------
    light_curve : LightCurve
        Relative photon flux against s since the start of the exposure.
    spectrum : ndarray, shape (400,)
        Relative photons per bin of `energies.EDGES_KEV`, before the telescope; sums to 1.
    """

    light_curve: LightCurve
    spectrum: F64


@dataclass(frozen=True, slots=True, eq=False)
class SourceModel:
    """A source without position and absolute flux.

    Parameters
    ----------
    kind : str
        Name of its class.
    direction : {"flare", "dip", ""}
    components : tuple of Component
    interval : (float, float) or None
        Start and stop of the event, s since the start of the exposure (5 % to 95 % of
        the photons that it adds or removes; the strongest if there are several); None without an event.
    parameters : mapping of str to float
        Parameters that were drawn, with units in their names, for the truth.
    """

    kind: str
    direction: Direction
    components: tuple[Component, ...]
    interval: tuple[float, float] | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for component in self.components:
            assert component.spectrum.shape == (len(EDGES_KEV) - 1,), "spectra are on the grid of energies.EDGES_KEV"


@dataclass(frozen=True, slots=True, eq=False)
class PlacedSource:
    """A source on the sky with its flux.

    Parameters
    ----------
    name : str
    ra, dec : float — ICRS deg
    model : SourceModel
    flux : float
        Photons cm⁻² s⁻¹ in 0.1–15 keV for a relative flux of 1.
    """

    name: str
    ra: float
    dec: float
    model: SourceModel
    flux: float
