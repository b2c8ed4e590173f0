"""Swift-XRT in photon-counting mode."""

from __future__ import annotations

import numpy as np

from xherald.adapters.swift import POINT_SPREAD
from xherald.photons import SkyProjection
from xherald.simulation.telescope import Chip, Telescope

from .tables import SKY_SOURCE, flat_background, log_table, proton_background, sky_background

__all__ = ["XRT"]

STEP = 6.548089e-4
BAND = (0.3, 10.0)

XRT = Telescope(
    name="swift-xrt",
    mission="swift",
    band=BAND,
    area_cm2=log_table(
        [(0.2, 10), (0.3, 30), (0.5, 55), (0.8, 90), (1.0, 108), (1.5, 125), (2.0, 95), (3.0, 65), (4.0, 65), (5.0, 62),
         (6.0, 50), (7.0, 33), (8.0, 20), (10.0, 7), (12.0, 1.5)]
    ),
    off_axis_arcmin=np.array([0.0, 4.0, 8.0, 12.0, 17.0]),
    vignetting=np.array([[1.0, 1.0], [0.97, 0.95], [0.88, 0.83], [0.75, 0.68], [0.55, 0.45]]),
    vignetting_kev=(1.5, 6.4),
    resolution_ev=(60.0, 2700.0),
    point_spread=POINT_SPREAD,
    arm_fraction=0.0,
    chips=(Chip(0, 600, 600, (0.0, 0.0), 0.0, 2.357, dead_columns=(*range(291, 296), *range(320, 323))),),
    frame_time=2.5073,
    stamp="middle",
    live_fraction=0.996018291,
    streaks=False,
    sky_background=sky_background(),
    particle_background=flat_background(1.5e-4, BAND, ((7.47, 0.06, 70.0), (2.15, 0.03, 60.0)), slope=0.1),
    proton_background=proton_background(1e-5, BAND),
    projection=SkyProjection("TAN", 0.0, 0.0, 500.5, 500.5, -STEP, STEP),
    pattern="snapshots",
    sources={
        "area_cm2": "Burrows et al. 2005, Space Sci. Rev. 120, 165, fig. 11 (about 125 cm² at 1.5 keV), approximate",
        "vignetting": "Tagliaferri et al. 2004, Proc. SPIE 5165, 241, approximate",
        "resolution_ev": "about 140 eV at 5.9 keV at launch: Burrows et al. 2005; the rest approximate",
        "point_spread": POINT_SPREAD.source,
        "chips": "600 × 600 pixels of 2.36″: Burrows et al. 2005; columns dead since a micrometeoroid hit in 2005, "
        "RAWX 290–294 and 319–321: Abbey et al. 2006, ESA SP-604, 943",
        "frame_time": "photon counting, 2.5073 s: Burrows et al. 2005",
        "live_fraction": "DEADC of the archive's lists",
        "sky_background": SKY_SOURCE,
        "particle_background": "of the order of 0.1 counts/s over the detector "
        "(Moretti et al. 2009, A&A 493, 501), approximate",
        "proton_background": "next to none in a low orbit",
    },
)  # fmt: skip
