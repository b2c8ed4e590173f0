"""Einstein Probe: one CMOS of the lobster-eye WXT, and one FXT telescope."""

from __future__ import annotations

import numpy as np

from xherald.adapters.einstein_probe import EinsteinProbeAdapter
from xherald.photons import SkyProjection
from xherald.simulation.telescope import Chip, Telescope

from .tables import SKY_SOURCE, flat_background, log_table, proton_background, sky_background

__all__ = ["FXT", "WXT"]

WXT_STEP, FXT_STEP = 0.002261458, 0.002685739662709
WXT_BAND, FXT_BAND = (0.5, 4.0), (0.3, 10.0)
_WXT_SPREAD, _FXT_SPREAD = (one.point_spread for one in EinsteinProbeAdapter.mission.instruments if one.point_spread)

WXT = Telescope(
    name="ep-wxt",
    mission="ep",
    band=WXT_BAND,
    area_cm2=log_table(
        [(0.3, 1.0), (0.5, 2.0), (0.8, 3.0), (1.0, 2.8), (1.5, 2.0), (2.0, 1.3), (3.0, 0.7), (4.0, 0.4), (5.0, 0.15)]
    ),
    off_axis_arcmin=np.array([0.0, 200.0, 300.0, 450.0]),
    vignetting=np.array([[1.0, 1.0], [0.98, 0.98], [0.95, 0.95], [0.9, 0.9]]),
    vignetting_kev=(1.0, 4.0),
    resolution_ev=(110.0, 4000.0),
    point_spread=_WXT_SPREAD,
    arm_fraction=0.45,
    chips=(Chip(12, 4096, 4096, (0.0, 0.0), 0.0, 8.1412),),
    frame_time=0.05,
    stamp="middle",
    live_fraction=1.0,
    streaks=False,
    sky_background=sky_background(),
    particle_background=flat_background(4e-6, WXT_BAND, slope=0.3),
    proton_background=proton_background(1e-6, WXT_BAND),
    projection=SkyProjection("TAN", 0.0, 0.0, 5000.5, 5000.5, -WXT_STEP, WXT_STEP),
    pattern="occulted",
    sources={
        "area_cm2": "about 3 cm² near 1 keV for the focal spot and its arms (Yuan et al. 2022, Handbook of X-ray and "
        "Gamma-ray Astrophysics; Cheng et al. 2024, Exp. Astron. 57, 10), approximate",
        "vignetting": "a lobster eye has next to none (Yuan et al. 2022); a few per cent taken towards the edges",
        "resolution_ev": "about 130 eV at 1.25 keV (Yuan et al. 2022), approximate",
        "point_spread": _WXT_SPREAD.source,
        "arm_fraction": "about half of the photons are reflected once, in one direction only "
        "(Angel 1979, ApJ 233, 364), approximate",
        "chips": "9.3° × 9.3° a CMOS of 4096 × 4096 pixels (Yuan et al. 2022)",
        "frame_time": "50 ms: Yuan et al. 2022",
        "live_fraction": "none lost: Yuan et al. 2022",
        "sky_background": SKY_SOURCE,
        "particle_background": "about one count a second and CMOS, approximate",
        "proton_background": "next to none in a low orbit",
    },
)  # fmt: skip

FXT = Telescope(
    name="ep-fxt",
    mission="ep",
    band=FXT_BAND,
    area_cm2=log_table(
        [(0.2, 40), (0.3, 120), (0.5, 190), (0.8, 280), (1.0, 310), (1.25, 320), (1.5, 310), (2.0, 230), (2.3, 120),
         (3.0, 110), (4.0, 95), (5.0, 85), (6.0, 65), (7.0, 45), (8.0, 25), (10.0, 8)]
    ),
    off_axis_arcmin=np.array([0.0, 10.0, 20.0, 30.0, 44.0]),
    vignetting=np.array([[1.0, 1.0], [0.83, 0.75], [0.62, 0.5], [0.42, 0.3], [0.2, 0.1]]),
    vignetting_kev=(1.5, 6.0),
    resolution_ev=(50.0, 2900.0),
    point_spread=_FXT_SPREAD,
    arm_fraction=0.0,
    chips=(Chip(0, 384, 384, (0.0, 0.0), 0.0, 9.66866),),
    frame_time=0.05,
    stamp="middle",
    live_fraction=1.0,
    streaks=False,
    sky_background=sky_background(),
    particle_background=flat_background(3e-4, FXT_BAND, slope=0.2),
    proton_background=proton_background(1e-5, FXT_BAND),
    projection=SkyProjection("TAN", 0.0, 0.0, 300.5, 300.5, -FXT_STEP, FXT_STEP),
    pattern="continuous",
    sources={
        "area_cm2": "above 300 cm² at 1.25 keV a telescope (Chen et al. 2020, Proc. SPIE 11444, 114445B), "
        "shape as eROSITA's mirrors, approximate",
        "vignetting": "Chen et al. 2020, approximate",
        "resolution_ev": "as eROSITA's cameras (Chen et al. 2020), approximate",
        "point_spread": _FXT_SPREAD.source,
        "chips": "384 × 384 pixels of 75 µm at 1.6 m: 9.67″ (Chen et al. 2020)",
        "frame_time": "full frame, 50 ms: Chen et al. 2020",
        "live_fraction": "none lost, approximate",
        "sky_background": SKY_SOURCE,
        "particle_background": "as eROSITA's per area (Zhang et al. 2022, Astropart. Phys. 137, 102668), approximate",
        "proton_background": "next to none in a low orbit",
    },
)  # fmt: skip
