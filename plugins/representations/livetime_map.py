"""Representations on livetime: what a source did while it was looked at, whatever the gaps in between.

The published axes run on the clock on the wall, so that every gap of an exposure is a dip; here the time axis is good
time, gaps closed and the live fraction of the aperture applied, and energies are those of the instrument's own band.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from xherald.photons import EventBatch
from xherald.photons.arrays import F32, F64
from xherald.photons.errors import PhotonError
from xherald.plugins.contract import Options, Representation

from .axes import Band, CubeBins, MapBins

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["LivetimeCube", "LivetimeCubeOptions", "LivetimeMap", "LivetimeMapOptions", "LivetimeOptions"]


class LivetimeOptions(Options):
    """Options that both representations on livetime have.

    Parameters
    ----------
    band_kev : (float, float) or None
        Energies that the energy axis covers, keV; photons outside take part in the other axes but fall into no bin.
        None takes the band of each source's instrument, which holds all of its photons.
    scale : {"sqrt", "counts"}
        Values of bins: square roots of counts, whose Poisson noise is 1/2 however many there are, or counts.
    normalise : {"none", "minmax", "unit"}
        Whether each array is brought to [0, 1], or to unit length.
    align : bool
        Whether the brightest stretch is put in the middle of the time axis, what is pushed over an end coming in at
        the other. The stretch is where the light curve of the array's own time bins, smoothed by a triangle with a
        full width at half maximum of a quarter of the axis, is highest; the first where there are several.
    """

    band_kev: Band | None = None
    scale: Literal["sqrt", "counts"] = "sqrt"
    normalise: Literal["none", "minmax", "unit"] = "none"
    align: bool = False


class LivetimeMapOptions(LivetimeOptions):
    """Options of `livetime_map`.

    Parameters
    ----------
    bins : (int, int)
        Of time and energy.
    """

    bins: MapBins = (24, 16)


class LivetimeCubeOptions(LivetimeOptions):
    """Options of `livetime_cube`.

    Parameters
    ----------
    bins : (int, int, int)
        Of time, energy and waiting time.
    """

    bins: CubeBins = (24, 16, 16)


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
