"""Observations and apertures from `independent_skies`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from independent_skies import Sky

from xherald.photons import (
    Aperture,
    DetectorLayout,
    DetectorUnit,
    FieldEvents,
    Observation,
    PixelLayout,
    PointSpread,
    Screening,
    SkyProjection,
    TimeReference,
    Vignetting,
    aperture_at,
)

__all__ = ["apertures_of", "observation_of"]

PIXEL = 0.5
"""Side of a sky pixel, arcsec."""


def observation_of(
    sky: Sky, point_spread: PointSpread, layout: DetectorLayout | None, *, is_scan: bool = False, with_bad: bool = True
) -> Observation:
    """Observation of the events; the layout is the adapter's, dead columns come as a table of bad pixels."""
    n = len(sky.time)
    projection = SkyProjection("TAN", 150.0, 2.0, 0.5, 0.5, -PIXEL / 3600, PIXEL / 3600)
    events = FieldEvents(
        time=sky.time,
        x=sky.x / PIXEL,
        y=sky.y / PIXEL,
        energy=np.full(n, 1.5, np.float32),
        detector=sky.unit.astype(np.int16),
        row=np.arange(n, dtype=np.int32),
        screening=Screening(n, n, {}),
    )
    columns = {"RAWX": sky.px.astype(np.int32), "RAWY": sky.py.astype(np.int32)}
    gti = np.array(sky.gti)
    start = gti[:, 0]
    live = sky.course.live(start + 1.0)
    curve = np.column_stack([start, live]) if np.ptp(live) > 0 else None
    return Observation(
        path=Path("independent"),
        mission="SIM",
        instrument="CCD",
        mode="",
        obs_id="1",
        object_name="",
        time_reference=TimeReference(51544.0, 0.0, "tt"),
        span=(float(gti[0, 0]), float(gti[-1, 1])),
        frame_time=0.0,
        band=(0.2, 10.0),
        hardness_split=2.0,
        detectors=tuple(DetectorUnit(m.number, f"U{m.number}", gti, 1.0, curve) for m in sky.telescope.mounts),
        exposure=None,
        pointing=None if is_scan else (150.0, 2.0),
        projection=projection,
        point_spread=point_spread,
        load_events=lambda: events,
        load_columns=lambda *names: tuple(columns[name] for name in names),
        detector_pixel_arcsec=sky.telescope.mounts[0].scale,
        pixels=PixelLayout(("RAWX", "RAWY")),
        layout=layout,
        bad_pixels={
            m.number: np.array([[c, c, m.first, m.first + m.side - 1] for c in m.dead_columns])
            for m in sky.telescope.mounts
            if m.dead_columns and with_bad
        },
        is_scan=is_scan,
    )


def apertures_of(sky: Sky, observation: Observation) -> list[Aperture]:
    """Apertures at the true positions."""
    projection = observation.require_projection()
    out = []
    for k, (x, y) in enumerate(sky.sources):
        ra, dec = projection.to_sky(x / PIXEL, y / PIXEL)
        out.append(aperture_at(observation, float(ra), float(dec), str(k), "test"))
    return out


def vignetting(angles: tuple[float, ...], areas: tuple[float, ...]) -> Vignetting:
    """A table of one energy."""
    return Vignetting(angles, areas, 1.5, "test")
