"""Shapes of published transients, and `Template`; the transients are in `published_templates`.

A template is a light curve with a peak near 1 as a function of s since the onset of the main event (precursors are
before 0), and two values of a spectral parameter between which its spectrum changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from .light_curve import LightCurve

__all__ = ["Template", "broken_decay", "fast_rise_exponential_decay", "flat_top", "spike_and_tail"]


OSCILLATION_KNOTS: Final = 10
"""Knots in a period: straight lines between them lose 3 % of a sine's amplitude."""


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A published transient.

    Parameters
    ----------
    name : str
    source : str — paper, and values taken from it
    shape : callable — returns the curve, zero at its first and last knot
    spectral_values : (float, float)
        At the onset and late: photon indices of a power law, or kT, keV, of a black body or plasma.
    nh_1e22 : float — column density, 10²² cm⁻²
    kind : str — class of `simulation.classes`
    spectrum : {"power_law", "black_body", "plasma"}
    direction : {"flare", "dip"} — whether the curve is what is added, or the fraction that is missing
    persistent : float — level of the persistent emission, of the peak of a flare
    """

    name: str
    source: str
    shape: Callable[[], LightCurve]
    spectral_values: tuple[float, float]
    nh_1e22: float
    kind: str = "fast_transient"
    spectrum: Literal["power_law", "black_body", "plasma"] = "power_law"
    direction: Literal["flare", "dip"] = "flare"
    persistent: float = 0.0

    @property
    def publication(self) -> str:
        """The paper: authors, year, journal."""
        return self.source.partition(": ")[0]

    def curve(self) -> LightCurve:
        """Relative rate against s since the onset of the main event."""
        return self.shape()


def broken_decay(rise: float, slopes: tuple[float, ...], breaks: tuple[float, ...], end: float) -> LightCurve:
    """A linear rise to 1, then power laws t^slope between breaks, truncated at the end.

    Parameters
    ----------
    rise : float — s, time of the peak
    slopes : tuple of float — one more than breaks
    breaks : tuple of float — s
    end : float — s
    """
    time = np.geomspace(rise, end, 200)
    corners = np.array([rise, *breaks, end])
    levels = np.concatenate([[0.0], np.cumsum(np.array(slopes) * np.diff(np.log(corners)))])
    rate = np.exp(np.interp(np.log(time), np.log(corners), levels))
    rate[-1] = 0.0
    return LightCurve(np.concatenate([[0.0], time]), np.concatenate([[0.0], rate]))


def fast_rise_exponential_decay(rise: float, decay: float) -> LightCurve:
    """A linear rise to 1, then an exponential decay.

    Parameters
    ----------
    rise, decay : float — s
    """
    time = rise + decay * np.linspace(0.0, 8.0, 120)
    rate = np.exp(-(time - rise) / decay)
    rate[-1] = 0.0
    return LightCurve(np.concatenate([[0.0], time]), np.concatenate([[0.0], rate]))


def flat_top(rise: float, top: float, fall: float) -> LightCurve:
    """A linear rise, a constant rate, and a linear fall.

    Parameters
    ----------
    rise, top, fall : float — s
    """
    return LightCurve(np.cumsum([0.0, rise, top, fall]), [0.0, 1.0, 1.0, 0.0])


def spike_and_tail(
    spike: float,
    tail: float,
    ratio: float,
    bend: float = 1.0,
    *,
    period: float = np.inf,
    swing: float = 0.0,
    phase: float = 0.0,
) -> LightCurve:
    """A short spike and the tail of a shrinking fireball, (1 − t/tail)^bend, modulated by the rotation.

    The tail's law is that of a trapped fireball (Thompson & Duncan 1995, MNRAS 275, 255), which the tails of magnetars'
    giant flares follow (Feroci et al. 2001, ApJ 549, 1021).

    Parameters
    ----------
    spike : float — s, contains nine tenths of the photons of the spike; a tenth of it is the rise
    tail : float — s, end of the tail
    ratio : float — initial rate of the tail over the peak of the spike
    bend : float — exponent
    period : float — s, of the oscillation; infinite for none
    swing : float — amplitude of the oscillation relative to the tail, in [0, 1]
    phase : float — rad
    """
    rise, decay = 0.1 * spike, 0.4 * spike
    knots = max(200, int(np.ceil(OSCILLATION_KNOTS * tail / period)))
    early = rise + decay * np.linspace(0.0, 6.0, 40)
    late = np.linspace(early[-1], tail, knots)[1:] if tail > early[-1] else np.array([])
    time = np.concatenate([[0.0], early, late])
    peak = np.where(time < rise, time / rise, np.exp(-np.maximum(time - rise, 0.0) / decay))
    fireball = np.minimum(time / spike, 1.0) * np.maximum(1.0 - time / tail, 0.0) ** bend
    rate = peak + ratio * fireball * (1.0 + swing * np.sin(2 * np.pi * time / period + phase))
    rate[-1] = 0.0
    return LightCurve(time, rate)
