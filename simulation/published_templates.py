"""Published transients, as simulated members of references: `TEMPLATES`.

Slopes and times are those of the papers. Values marked "read off" were estimated by eye from the published light curve;
shapes marked "approximate" have the published time scales only. A look-alike of that name is a simulated source after
the published one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from .light_curve import LightCurve
from .templates import Template, broken_decay, fast_rise_exponential_decay, flat_top, spike_and_tail

__all__ = ["TEMPLATES"]


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


TEMPLATES: Final[Mapping[str, Template]] = {
    template.name: template
    for template in (
        Template(
            "CDF-S XT1",
            "Bauer et al. 2017, MNRAS 467, 4841: rise of about 110 s, decay as t^-1.53, photon index 1.43",
            lambda: broken_decay(110.0, (-1.53,), (), 2.0e4),
            (1.43, 1.43),
            0.02,
        ),
        Template(
            "CDF-S XT2",
            "Xue et al. 2019, Nature 568, 198: rise below 45 s, t^-0.14 to 2.3 ks, then t^-2.16; softening",
            lambda: broken_decay(45.0, (-0.14, -2.16), (2_300.0,), 4.0e4),
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
            lambda: fast_rise_exponential_decay(63.0, 129.0),
            (2.1, 2.5),
            0.69,
        ),
        Template(
            "XRT 200515",
            "Dillmann et al. 2025, MNRAS 537, 931: hard spike below 10 s, softening tail of 800 s; ratio read off",
            lambda: spike_and_tail(8.0, 850.0, 0.035),
            (0.3, 1.5),
            0.3,
            "magnetar_burst",
        ),
        Template(
            "GRB 060218",
            "Campana et al. 2006, Nature 442, 1008 (SN 2006aj): peak at 985 s, slow decay (read off), softening",
            lambda: fast_rise_exponential_decay(985.0, 1_200.0),
            (1.4, 2.5),
            0.6,
        ),
        Template(
            "EP240414a",
            "Sun et al. 2024, arXiv:2410.02315: T90 of 155 s, photon index 3.1; shape approximate",
            lambda: fast_rise_exponential_decay(40.0, 60.0),
            (3.0, 3.2),
            0.03,
        ),
        Template(
            "EP240315a",
            "Liu et al. 2024, arXiv:2404.16425: T90 of about 1,000 s, photon index 1.4; shape approximate",
            lambda: fast_rise_exponential_decay(300.0, 400.0),
            (1.3, 1.6),
            0.05,
        ),
        Template(
            "SGR 1806-20",
            "Palmer et al. 2005, Nature 434, 1107: giant flare of 2004, tail of 380 s, period 7.56 s; ratio read off",
            lambda: spike_and_tail(1.0, 380.0, 0.05, period=7.56, swing=0.5),
            (10.0, 3.0),
            6.0,
            "magnetar_burst",
            "black_body",
            persistent=1e-4,
        ),
        Template(
            "SGR 1900+14",
            "Feroci et al. 2001, ApJ 549, 1021: giant flare of 1998, tail of 400 s, period 5.16 s; ratio read off",
            lambda: spike_and_tail(1.0, 400.0, 0.05, period=5.16, swing=0.5),
            (10.0, 3.0),
            2.0,
            "magnetar_burst",
            "black_body",
            persistent=1e-4,
        ),
        Template(
            "GS 1826-24",
            "Galloway et al. 2004, ApJ 601, 466: rise of about 5 s, decay of about 50 s, cooling from 2.1 keV",
            lambda: fast_rise_exponential_decay(5.0, 50.0),
            (2.1, 1.2),
            0.4,
            "xray_burst",
            "black_body",
            persistent=0.04,
        ),
        Template(
            "IGR J17544-2619",
            "in 't Zand 2005, A&A 441, L1: flare of about an hour, photon index 0.73, NH 1.4; shape approximate",
            lambda: fast_rise_exponential_decay(400.0, 1_500.0),
            (0.7, 1.2),
            1.4,
            "sfxt",
            persistent=1e-3,
        ),
        Template(
            "GSN 069",
            "Miniutti et al. 2019, Nature 573, 381: eruptions of about an hour; one of them, shape approximate",
            lambda: fast_rise_exponential_decay(1_200.0, 900.0),
            (0.12, 0.07),
            0.02,
            "qpe",
            "black_body",
            persistent=0.05,
        ),
        Template(
            "Proxima Centauri",
            "Güdel et al. 2004, A&A 416, 713: flare of 2001 August 12, decay within hours; shape approximate",
            lambda: fast_rise_exponential_decay(600.0, 3_000.0),
            (2.2, 0.8),
            0.001,
            "stellar_flare",
            "plasma",
            persistent=0.01,
        ),
        Template(
            "YZ Ret",
            "König et al. 2022, Nature 605, 248: black body of 28 eV for less than 8 h; shape approximate",
            lambda: flat_top(600.0, 14_000.0, 2_000.0),
            (0.028, 0.028),
            0.01,
            "nova",
            "black_body",
        ),
        Template(
            "M51-ULX-1b",
            "Di Stefano et al. 2021, Nature Astronomy 5, 1297: total dip of about 3 h with long ingress and egress",
            lambda: flat_top(2_500.0, 4_500.0, 2_500.0),
            (1.3, 1.3),
            0.05,
            "transit",
            direction="dip",
        ),
    )
}
"""Published transients by name."""
