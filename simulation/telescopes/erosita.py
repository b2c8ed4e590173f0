"""eROSITA: seven telescope modules, each with its own camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xherald.adapters.erosita import POINTED_SPREAD, SURVEY_SPREAD
from xherald.photons import SkyProjection
from xherald.simulation.telescope import Chip, Telescope

from .tables import SKY_SOURCE, flat_background, log_table, proton_background, sky_background

__all__ = ["POINTED", "SURVEY"]

STEP = 1.3888889095849e-5
BAND = (0.2, 10.0)

SURVEY = Telescope(
    name="erosita",
    mission="erosita",
    band=BAND,
    area_cm2=log_table(
        [(0.15, 30), (0.2, 60), (0.3, 120), (0.5, 140), (0.8, 240), (1.0, 270), (1.5, 320), (1.8, 300), (2.1, 210),
         (2.3, 110), (3.0, 60), (4.0, 55), (5.0, 42), (6.0, 28), (7.0, 16), (8.0, 7), (10.0, 2)]
    ),
    off_axis_arcmin=np.array([0.0, 7.5, 15.0, 22.5, 30.0, 31.0]),
    vignetting=np.array([[1.0, 1.0], [0.87, 0.80], [0.69, 0.55], [0.54, 0.38], [0.41, 0.26], [0.40, 0.25]]),
    vignetting_kev=(1.5, 6.0),
    resolution_ev=(45.7, 2874.0),
    point_spread=SURVEY_SPREAD,
    arm_fraction=0.0,
    chips=tuple(Chip(number, 384, 384, (0.0, 0.0), 0.0, 9.6, module=number) for number in range(1, 8)),
    frame_time=0.0500584,
    stamp="middle",
    live_fraction=0.99,
    streaks=False,
    sky_background=sky_background(),
    particle_background=flat_background(2.5e-4, BAND, ((1.49, 0.03, 40.0), (6.4, 0.02, 65.0)), slope=0.3),
    proton_background=proton_background(1e-5, BAND),
    projection=SkyProjection("SIN", 0.0, 0.0, 0.0, 0.0, -STEP, STEP),
    pattern="scans",
    sources={
        "area_cm2": "a seventh of the on-axis area in Predehl et al. 2021, A&A 647, A1, fig. 10, approximate",
        "vignetting": "Predehl et al. 2021, §4.4, fig. 11, approximate; the field ends at 30.9′",
        "resolution_ev": "80 eV at 1.5 keV and 138 eV at 5.9 keV: Predehl et al. 2021, §5",
        "point_spread": SURVEY_SPREAD.source,
        "chips": "384 × 384 pixels of 9.6″: Predehl et al. 2021, §5",
        "frame_time": "FRAMETIM of the early data release",
        "live_fraction": "of the order of the survey's dead-time correction, approximate",
        "sky_background": SKY_SOURCE,
        "particle_background": "2.5e-4 counts s⁻¹ arcmin⁻² a module in 0.2–10 keV (Freyberg et al. 2020, "
        "Proc. SPIE 11444, 114441O), approximate",
        "proton_background": "very few flares at L2 in 2019 to 2022 (Freyberg et al. 2020), approximate",
    },
)  # fmt: skip

POINTED = replace(
    SURVEY,
    name="erosita-pointed",
    point_spread=POINTED_SPREAD,
    pattern="continuous",
    sources={**SURVEY.sources, "point_spread": POINTED_SPREAD.source},
)
