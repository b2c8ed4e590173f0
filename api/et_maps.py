"""E–t maps of single sources: `et_map_of`, and the axes they are drawn over."""

from __future__ import annotations

from typing import Final

import numpy as np

from xherald.photons import EventBatch, EventList
from xherald.photons.arrays import F32, F64

__all__ = ["BAND_KEV", "BINS", "energy_edges_kev", "et_map_of"]

BINS: Final = (24, 16)
"""Bins of time and of log energy (Dillmann et al. 2025, MNRAS 537, 931, section 3.1)."""

BAND_KEV: Final = (0.5, 7.0)
"""Energies that the energy axis covers, keV (the same)."""


def et_map_of(source: EventList) -> F32:
    """E–t map of the published method.

    Parameters
    ----------
    source : EventList

    Returns
    -------
    ndarray, shape (24, 16), float32
        Counts; time from the first to the last photon by log energy over 0.5 to 7 keV.
    """
    from xherald.plugins.representations import EtMap
    from xherald.plugins.representations.published_maps import EtMapOptions

    options = EtMapOptions(normalise=False, bins=BINS, band_kev=BAND_KEV)
    maps = EtMap().transform(EventBatch.from_lists([source]), options)
    return np.asarray(maps[0], dtype=np.float32)


def energy_edges_kev() -> F64:
    """Edges of the energy axis, keV, shape (17,)."""
    return np.asarray(np.geomspace(*BAND_KEV, BINS[1] + 1), dtype=np.float64)
