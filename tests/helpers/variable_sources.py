"""Simulated variable sources, for tests of output and plots."""

from __future__ import annotations

import numpy as np

from xherald.photons import Background, EventList, Exposure, Identity, TimeReference

__all__ = ["simulated_source"]


def simulated_source(
    name: str, seed: int, rate: float, burst: tuple[float, float, float] | None = None, *, dated: bool = True
) -> EventList:
    """A source over 10 ks with a gap of 2 ks and background photons.

    Parameters
    ----------
    name : str
    seed : int
    rate : float — ct/s
    burst : (float, float, float), optional
        Start and stop, s, and additional count rate, ct/s.
    dated : bool
        Whether it has a time reference.
    """
    rng = np.random.default_rng(seed)
    gti = np.array([[0.0, 4_000.0], [6_000.0, 12_000.0]])
    time = rng.uniform(0, 12_000, rng.poisson(rate * 12_000))
    if burst:
        start, stop, extra = burst
        time = np.concatenate([time, rng.uniform(start, stop, rng.poisson(extra * (stop - start)))])
    around = rng.uniform(0, 12_000, 60)
    time, around = (np.sort(t[(t <= 4_000) | (t >= 6_000)]) for t in (time, around))
    return EventList(
        time=time,
        energy=rng.uniform(0.5, 7, len(time)).astype(np.float32),
        exposure=Exposure(gti),
        identity=Identity(
            mission="CHANDRA",
            instrument="ACIS",
            obs_id="90001",
            detection_id=name,
            ra=150.0,
            dec=2.0,
            pos_err_arcsec=0.8,
            off_axis_arcmin=1.5,
            time_reference=TimeReference(50814.0) if dated else None,
            flags=("simulated", "for_tests"),
        ),
        frame_time=0.0,
        band=(0.5, 7.0),
        background=Background(around, rng.uniform(0.5, 7, len(around)).astype(np.float32), 0.05),
    )
