"""XMM-Newton EPIC: both MOS cameras and the pn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xherald.adapters.xmm import XmmAdapter
from xherald.photons import SkyProjection
from xherald.simulation.telescope import Chip, Telescope

from .tables import SKY_SOURCE, flat_background, log_table, proton_background, sky_background

__all__ = ["MOS1", "MOS2", "PN"]

STEP = 0.05 / 3600
BAND = (0.2, 12.0)
_MOS_SPREAD, _PN_SPREAD = (one.point_spread for one in XmmAdapter.mission.instruments if one.point_spread)
_MOS_SIDE, _MOS_PIXEL, _MOS_PITCH = 600, 1.1, 664.0
_PN_PIXEL, _PN_WIDTH, _PN_HEIGHT = 4.1, 64, 200

_MOS_PLACES = {
    1: (0.0, 0.0), 2: (1.0, -0.5), 3: (1.0, 0.5), 4: (0.0, 1.0), 5: (-1.0, 0.5), 6: (-1.0, -0.5), 7: (0.0, -1.0)
}  # fmt: skip
# Looking at the sky at roll 0: three CCDs a quadrant; the aim point lies on CCD 4 near the middle of the camera.
_PN_PLACES = {
    3: (-2.5, 0.5), 2: (-1.5, 0.5), 1: (-0.5, 0.5), 4: (0.5, 0.5), 5: (1.5, 0.5), 6: (2.5, 0.5),
    12: (-2.5, -0.5), 11: (-1.5, -0.5), 10: (-0.5, -0.5), 7: (0.5, -0.5), 8: (1.5, -0.5), 9: (2.5, -0.5),
}  # fmt: skip
_PN_AIM = (110.0, 60.0)


def _mos_chips(missing: tuple[int, ...] = ()) -> tuple[Chip, ...]:
    return tuple(
        Chip(number, _MOS_SIDE, _MOS_SIDE, (u * _MOS_PITCH, v * _MOS_PITCH), 0.0, _MOS_PIXEL)
        for number, (u, v) in _MOS_PLACES.items()
        if number not in missing
    )


def _pn_chips() -> tuple[Chip, ...]:
    across, along = _PN_WIDTH * _PN_PIXEL + 6.0, _PN_HEIGHT * _PN_PIXEL + 8.0
    return tuple(
        Chip(number, _PN_WIDTH, _PN_HEIGHT, (u * across - _PN_AIM[0], v * along - _PN_AIM[1]), 0.0, _PN_PIXEL)
        for number, (u, v) in sorted(_PN_PLACES.items())
    )


MOS2 = Telescope(
    name="xmm-mos2",
    mission="xmm",
    band=BAND,
    area_cm2=log_table(
        [(0.15, 20), (0.3, 90), (0.5, 180), (0.8, 350), (1.0, 420), (1.5, 520), (2.0, 400), (3.0, 330), (4.0, 330),
         (5.0, 310), (6.0, 250), (7.0, 180), (8.0, 110), (10.0, 30), (12.0, 5), (15.0, 1)]
    ),
    off_axis_arcmin=np.array([0.0, 3.0, 6.0, 9.0, 12.0, 15.0, 18.0]),
    vignetting=np.array([[1, 1], [0.95, 0.93], [0.82, 0.78], [0.67, 0.62], [0.52, 0.46], [0.38, 0.32], [0.0, 0.0]]),
    vignetting_kev=(1.5, 8.0),
    resolution_ev=(40.5, 3259.0),
    point_spread=_MOS_SPREAD,
    arm_fraction=0.0,
    chips=_mos_chips(),
    frame_time=2.6,
    stamp="random",
    live_fraction=0.985,
    streaks=False,
    sky_background=sky_background(),
    particle_background=flat_background(1.3e-3, BAND, ((1.49, 0.12, 40.0), (1.74, 0.08, 40.0)), slope=0.2),
    proton_background=proton_background(4e-4, BAND),
    projection=SkyProjection("TAN", 0.0, 0.0, 25921, 25921, -STEP, STEP),
    pattern="continuous",
    sources={
        "area_cm2": "XMM-Newton Users Handbook, §3.2.2, one MOS with the medium filter, approximate",
        "vignetting": "XMM-Newton Users Handbook, §3.2.2.2, approximate; the field ends at about 15′ to 16′",
        "resolution_ev": "70 eV at 1 keV and 150 eV at 6.4 keV: XMM-Newton Users Handbook, table 1",
        "point_spread": _MOS_SPREAD.source,
        "chips": "XMM-Newton Users Handbook, §3.3: seven CCDs of 600 × 600 pixels of 1.1″, arrangement approximate",
        "frame_time": "full window, 2.6 s: XMM-Newton Users Handbook, table 3",
        "live_fraction": "a little under one, from cosmic rays that cost pixels, approximate",
        "sky_background": SKY_SOURCE,
        "particle_background": "1.3e-3 counts s⁻¹ arcmin⁻² in 0.2–12 keV with Al and Si lines "
        "(Carter & Read 2007, A&A 464, 1155), approximate",
        "proton_background": "a third of the particles, quiet level (Carter & Read 2007), approximate",
    },
)  # fmt: skip

MOS1 = replace(
    MOS2,
    name="xmm-mos1",
    chips=_mos_chips(missing=(6,)),
    sources={**MOS2.sources, "chips": MOS2.sources["chips"] + "; CCD 6 was lost in 2005"},
)

PN = replace(
    MOS2,
    name="xmm-pn",
    area_cm2=log_table(
        [(0.15, 200), (0.2, 400), (0.3, 600), (0.5, 800), (0.8, 1080), (1.0, 1150), (1.5, 1250), (2.0, 900), (3.0, 790),
         (4.0, 850), (5.0, 900), (6.0, 880), (7.0, 800), (8.0, 600), (10.0, 250), (12.0, 100), (15.0, 20)]
    ),
    resolution_ev=(58.5, 2981.0),
    point_spread=_PN_SPREAD,
    chips=_pn_chips(),
    frame_time=0.0734,
    live_fraction=0.937,
    streaks=True,
    particle_background=flat_background(
        4e-3, BAND, ((1.49, 0.05, 45.0), (8.05, 0.08, 70.0), (8.63, 0.02, 70.0)), slope=0.3
    ),
    proton_background=proton_background(1e-3, BAND),
    sources={
        **MOS2.sources,
        "area_cm2": "XMM-Newton Users Handbook, §3.2.2, pn with the thin filter, approximate",
        "resolution_ev": "80 eV at 1 keV and 150 eV at 6.4 keV: XMM-Newton Users Handbook, table 1",
        "point_spread": _PN_SPREAD.source,
        "chips": "XMM-Newton Users Handbook, §3.3: twelve CCDs of 64 × 200 pixels of 4.1″ in two rows",
        "frame_time": "full frame, 73.4 ms: XMM-Newton Users Handbook, table 3",
        "live_fraction": "6.3 % of events arrive during read-out in full frame: XMM-Newton Users Handbook, §3.3.10",
        "particle_background": "4e-3 counts s⁻¹ arcmin⁻² in 0.2–12 keV with lines of Al and Cu, approximate",
    },
)  # fmt: skip
