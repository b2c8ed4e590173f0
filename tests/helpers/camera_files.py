"""One observation as three cameras of XMM write it: the same sources, a flare that each sees a part of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from xherald.simulation.exposure import SimulatedExposure
from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import Component, PlacedSource, SourceModel
from xherald.simulation.observing import observe
from xherald.simulation.random_streams import stream
from xherald.simulation.response import record
from xherald.simulation.spectra import absorbed_power_law
from xherald.simulation.telescopes import TELESCOPES
from xherald.simulation.writers import write_exposure

__all__ = ["flaring_position", "write_camera_files"]

SPECTRUM = absorbed_power_law(1.7, 0.1)
PARTS = {"xmm-mos1": 0.25, "xmm-mos2": 0.25, "xmm-pn": 0.5}
AIM, DURATION, FLARE = (150.1, 2.2), 15_000.0, (7_000.0, 7_700.0)
EAST, NORTH = 60.0, 30.0
"""Of the flaring source from the aim point, arcsec."""


def flaring_position() -> tuple[float, float]:
    """Right ascension and declination of the flaring source, deg."""
    return AIM[0] + EAST / 3600 / float(np.cos(np.radians(AIM[1]))), AIM[1] + NORTH / 3600


def write_camera_files(
    folder: Path, factor: float, seed: int = 5, obs_id: str = "0900000101", rate: float = 0.03
) -> list[Path]:
    """Write MOS1, MOS2 and pn; the first source flares by a factor, four others are steady.

    Parameters
    ----------
    folder : Path
    factor : float
        Count rate in the flare of 700 s, over that outside.
    seed : int
    obs_id : str
    rate : float
        Counts per second of the first source outside its flare, on axis, in all cameras together.
    """
    paths = []
    for name, part in PARTS.items():
        telescope = TELESCOPES[name]
        # The pointing and the roll angle are those of the observation, not of the camera.
        observing = observe(
            telescope, ra=AIM[0], dec=AIM[1], duration=DURATION, roll=180.0, rng=stream(seed, "camera"), start=7.0e8
        )
        area = float(SPECTRUM @ telescope.area_cm2)
        places = [(EAST, NORTH, rate), (-200.0, 150.0, 0.05), (240.0, -180.0, 0.04), (-120.0, -260.0, 0.06)]
        sources = []
        for number, (east, north, counted) in enumerate(places):
            start, stop = FLARE
            steps = ([0, start, start, stop, stop, DURATION], [1, 1, factor, factor, 1, 1])
            curve = LightCurve(*steps) if number == 0 else LightCurve.constant(0.0, DURATION)
            sources.append(
                PlacedSource(
                    f"S{number}",
                    AIM[0] + east / 3600 / np.cos(np.radians(AIM[1])),
                    AIM[1] + north / 3600,
                    SourceModel("constant", "", (Component(curve, SPECTRUM),)),
                    counted * part / area,
                )
            )
        own_seed = seed + 100 * len(paths)
        events = record(telescope, observing, tuple(sources), own_seed)
        exposure = SimulatedExposure(telescope, observing, tuple(sources), events, obs_id, own_seed)
        paths.append(write_exposure(exposure, folder, source_list=False).events)
    return paths
