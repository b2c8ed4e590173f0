"""Chandra ACIS: the imaging array (CCDs 0–3) and the spectroscopic array about its aim point (CCDs 5–8)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xherald.adapters.chandra import POINT_SPREAD
from xherald.photons import SkyProjection
from xherald.simulation.telescope import Chip, Telescope

from .tables import SKY_SOURCE, flat_background, log_table, proton_background, sky_background

__all__ = ["ACIS_I", "ACIS_S"]

PIXEL = 0.492
STEP = PIXEL / 3600
SIDE = 1024
BAND = (0.5, 7.0)
PITCH = (SIDE + 30) * PIXEL
"""From chip to chip, arcsec: gaps of about 11″ to 22″ (Proposers' Observatory Guide, §6.1); their mean here."""

# The aim point lies on I3, a minute of arc from the middle of the array.
_AIM = (60.0, -60.0)
_ACIS_I_CHIPS = tuple(
    Chip(number, SIDE, SIDE, (u * 0.5 * PITCH - _AIM[0], v * 0.5 * PITCH - _AIM[1]), turn, PIXEL)
    for number, u, v, turn in ((0, -1, 1, 90.0), (1, 1, 1, 270.0), (2, -1, -1, 90.0), (3, 1, -1, 270.0))
)
# The aim point of the S array is at chip pixel (225, 505) of S3 (Guide, table 6.1).
_S3 = ((0.5 * (SIDE + 1) - 225) * PIXEL, (0.5 * (SIDE + 1) - 505) * PIXEL)
_ACIS_S_CHIPS = tuple(
    Chip(number, SIDE, SIDE, (_S3[0] + (number - 7) * PITCH, _S3[1]), 0.0, PIXEL) for number in (5, 6, 7, 8)
)

_LINES = ((1.49, 0.02, 60.0), (1.74, 0.03, 60.0), (2.15, 0.06, 60.0))
_VIGNETTING = np.array([[1, 1], [0.96, 0.95], [0.91, 0.87], [0.83, 0.72], [0.70, 0.52], [0.58, 0.38], [0.5, 0.3]])

ACIS_I = Telescope(
    name="chandra-acis-i",
    mission="chandra",
    band=BAND,
    area_cm2=log_table(
        [(0.3, 0.5), (0.5, 8), (0.7, 50), (1.0, 160), (1.3, 310), (1.5, 370), (1.9, 360), (2.1, 270), (3.0, 270),
         (4.0, 330), (5.0, 300), (6.0, 230), (7.0, 150), (8.0, 70), (9.0, 22), (10.0, 5)]
    ),
    off_axis_arcmin=np.array([0.0, 3.0, 6.0, 10.0, 15.0, 20.0, 25.0]),
    vignetting=_VIGNETTING,
    vignetting_kev=(1.5, 6.4),
    resolution_ev=(66.6, 3063.0),
    point_spread=POINT_SPREAD,
    arm_fraction=0.0,
    chips=_ACIS_I_CHIPS,
    frame_time=3.14104,
    stamp="middle",
    live_fraction=0.98693426381071,
    streaks=True,
    sky_background=sky_background(),
    particle_background=flat_background(0.3 / 70.5, BAND, _LINES),
    proton_background=proton_background(0.01 / 70.5, BAND),
    projection=SkyProjection("TAN", 0.0, 0.0, 4096.5, 4096.5, -STEP, STEP),
    pattern="dither",
    sources={
        "area_cm2": "Chandra Proposers' Observatory Guide, fig. 6.9 and contamination of the 2020s, approximate",
        "vignetting": "Chandra Proposers' Observatory Guide, fig. 4.5, approximate",
        "resolution_ev": "95 eV at 1.5 keV, 150 eV at 5.9 keV near the read-out of I3: Guide, fig. 6.8, approximate",
        "point_spread": POINT_SPREAD.source,
        "chips": "Guide, §6.1: 1024 pixels of 0.492″, gaps of 11–22″; aim point 1′ from the middle, approximate",
        "frame_time": "3.1 s of exposure and 0.04104 s of frame transfer: Guide, §6.11",
        "live_fraction": "3.1 s of every 3.14104 s: Guide, §6.11",
        "sky_background": SKY_SOURCE,
        "particle_background": "0.3 counts/s a CCD in 0.5–7 keV (Guide, table 6.10), lines of Al, Si, Au, approximate",
        "proton_background": "0.01 counts/s a CCD: a small rest after the high-energy cut, approximate",
    },
)  # fmt: skip

ACIS_S = replace(
    ACIS_I,
    name="chandra-acis-s",
    area_cm2=log_table(
        [(0.3, 3), (0.5, 18), (0.7, 80), (1.0, 250), (1.3, 430), (1.5, 480), (1.9, 460), (2.1, 350), (3.0, 310),
         (4.0, 340), (5.0, 290), (6.0, 200), (7.0, 125), (8.0, 60), (9.0, 18), (10.0, 4)]
    ),
    resolution_ev=(90.0, 2900.0),
    chips=_ACIS_S_CHIPS,
    particle_background=flat_background(0.6 / 70.5, BAND, _LINES),
    sources={
        **ACIS_I.sources,
        "resolution_ev": "112 eV at 1.5 keV and 160 eV at 5.9 keV for S3: Guide, fig. 6.8, approximate",
        "chips": "Guide, §6.1: a row of CCDs, aim point at pixel (225, 505) of S3",
        "particle_background": "0.6 counts/s a CCD in 0.5–7 keV, between those of front- and back-illuminated ones "
        "(Guide, table 6.10), approximate",
    },
)  # fmt: skip
