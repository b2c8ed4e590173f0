"""Representations on live time, which gaps in the exposure do not affect.

The published axes run on elapsed time, so that every gap of an exposure looks like a dip. Here the time axis is good
time without the gaps, times the live fraction of the aperture, and the energy axis covers the band of the instrument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xherald.photons import EventBatch
from xherald.photons.arrays import F32, F64
from xherald.photons.errors import PhotonError
from xherald.plugins.contract import Representation

from .livetime_options import LivetimeCubeOptions, LivetimeMapOptions

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["LivetimeCube", "LivetimeMap"]


class LivetimeMap(Representation[LivetimeMapOptions]):
    """Square roots of counts over livetime, from the first good time to the last, and the logarithm of energy.

    A source without a photon has an empty map.
    """

    name = "livetime_map"

    def shape(self, options: LivetimeMapOptions) -> tuple[int, ...]:
        """Time, energy."""
        return options.bins

    def transform(self, batch: EventBatch, options: LivetimeMapOptions) -> F32:
        """Maps of every source, shape (n, time, energy), float32."""
        from .livetime_kernels import maps

        return maps(batch, _bands(batch, options.band_kev), options)


class LivetimeCube(Representation[LivetimeCubeOptions]):
    """Square roots of counts over livetime, the logarithm of energy, and the waiting time to the next photon.

    Waiting times are livetime too, as logarithms of their ratio to the mean one (all livetime over all photons), from
    a hundredth of it to ten times, what lies beyond in the first and last bins. Those below the frame time count as
    the frame time. The last photon waits for none and is left out: of a single photon the cube is empty.
    """

    name = "livetime_cube"

    def shape(self, options: LivetimeCubeOptions) -> tuple[int, ...]:
        """Time, energy, waiting time."""
        return options.bins

    def transform(self, batch: EventBatch, options: LivetimeCubeOptions) -> csr_array:
        """Cubes of every source as rows of a sparse array, shape (n, time × energy × waiting time), float32."""
        from .livetime_kernels import cubes

        return cubes(batch, _bands(batch, options.band_kev), options)


def _bands(batch: EventBatch, band_kev: tuple[float, float] | None) -> F64:
    """Energies from and to of each source's axis, keV, shape (n, 2)."""
    if band_kev is not None:
        return np.tile(np.array(band_kev), (len(batch), 1))
    open_ended = np.flatnonzero(batch.band[:, 0] <= 0)
    if len(open_ended):
        who = batch.identities[open_ended[0]]
        raise PhotonError(
            f"{who.obs_id}/{who.detection_id}: its band begins at 0 keV, which no logarithmic axis can show; "
            "set band_kev of the representation"
        )
    return batch.band
