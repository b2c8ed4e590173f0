"""Parametric light curves of published fast X-ray transients: `TEMPLATES`.

A template is a light curve with a peak near 1 as a function of s since the onset of the main event (precursors are
before 0), and two photon indices between which its spectrum changes. Slopes and times are those of the papers; values
marked "read off" were estimated by eye from the published light curve.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from .light_curve import LightCurve

__all__ = ["TEMPLATES", "Template", "spike_and_tail"]


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
    photon_index : (float, float) — of a power law, at the onset and late
    nh_1e22 : float — column density, 10²² cm⁻²
    """

    name: str
    source: str
    shape: Callable[[], LightCurve]
    photon_index: tuple[float, float]
    nh_1e22: float

    def curve(self) -> LightCurve:
        """Relative rate against s since the onset of the main event."""
        return self.shape()


def _broken_decay(rise: float, slopes: tuple[float, ...], breaks: tuple[float, ...], end: float) -> LightCurve:
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


def _fast_rise_exponential_decay(rise: float, decay: float) -> LightCurve:
    time = rise + decay * np.linspace(0.0, 8.0, 120)
    rate = np.exp(-(time - rise) / decay)
    rate[-1] = 0.0
    return LightCurve(np.concatenate([[0.0], time]), np.concatenate([[0.0], rate]))


def _two_pulses_and_tail() -> LightCurve:
    """XRT 000519: knots in s and fractions of the peak, by eye; the tail falls as t^−0.3 after 3 ks."""
    corners = (
        (-8_000, 0), (-7_800, 2e-4), (-5_000, 2e-4), (-4_500, 5e-4), (-3_300, 8e-4), (-3_000, 1e-4), (0, 0),
        (6.5, 0.9), (19.5, 0.4), (29, 0.07), (45, 0.12), (62, 1.0), (81, 1.0), (97, 0.47), (110, 0.42), (122, 0.11),
        (160, 0.10), (200, 0.03), (300, 0.005), (500, 0.003), (1_000, 0.0019), (2_000, 0.0021),
    )  # fmt: skip
    tail = np.geomspace(3_000, 24_000, 40)
    time = np.concatenate([[knot[0] for knot in corners], tail])
    rate = np.concatenate([[knot[1] for knot in corners], 0.0025 * (tail / 3_000) ** -0.3])
    rate[-1] = 0.0
    return LightCurve(time, rate)


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


TEMPLATES: Final[Mapping[str, Template]] = {
    template.name: template
    for template in (
        Template(
            "CDF-S XT1",
            "Bauer et al. 2017, MNRAS 467, 4841: rise of about 110 s, decay as t^-1.53, photon index 1.43",
            lambda: _broken_decay(110.0, (-1.53,), (), 2.0e4),
            (1.43, 1.43),
            0.02,
        ),
        Template(
            "CDF-S XT2",
            "Xue et al. 2019, Nature 568, 198: rise below 45 s, t^-0.14 to 2.3 ks, then t^-2.16; softening",
            lambda: _broken_decay(45.0, (-0.14, -2.16), (2_300.0,), 4.0e4),
            (1.45, 2.5),
            0.02,
        ),
        Template(
            "XRT 000519",
            "Jonker et al. 2013, ApJ 779, 14: precursors 4 and 8 ks before, two peaks (read off), tail as t^-0.3",
            _two_pulses_and_tail,
            (1.6, 1.95),
            0.03,
        ),
        Template(
            "XRT 080109",
            "Soderberg et al. 2008, Nature 453, 469 (SN 2008D): rise of 63 s, decay of 129 s, index 2.3, NH 0.69",
            lambda: _fast_rise_exponential_decay(63.0, 129.0),
            (2.1, 2.5),
            0.69,
        ),
        Template(
            "XRT 200515",
            "Dillmann et al. 2025, MNRAS 537, 931: hard spike below 10 s, softening tail of 800 s; ratio read off",
            lambda: spike_and_tail(8.0, 850.0, 0.035),
            (0.3, 1.5),
            0.3,
        ),
    )
}
"""Published transients by name."""
