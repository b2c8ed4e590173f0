"""The representations of the published method: energy against time, and against time and waiting time.

Dillmann et al. 2025, MNRAS 537, 931, section 3.1: the axes run from a source's first photon to its last, on the clock
on the wall. They are equal to `numpy.histogram2d` and `numpy.histogramdd` bin for bin wherever those are defined; what
comes of lists that they are not defined for is said in each class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xherald.photons import EventBatch
from xherald.photons.arrays import F32
from xherald.plugins.contract import Options, Representation

from .axes import Band, CubeBins, MapBins, energy_thresholds, unit_edges

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["EtMap", "EtMapOptions", "EtdtCube", "EtdtCubeOptions"]


class EtMapOptions(Options):
    """Options of `et_map`.

    Parameters
    ----------
    normalise : bool
        Whether each map is brought to [0, 1], the emptiest bin at 0 and the fullest at 1.
    bins : (int, int)
        Of time and energy.
    band_kev : (float, float)
        Energies that the energy axis covers, keV; photons outside take part in the time axis but fall into no bin.
    """

    normalise: bool = False
    bins: MapBins = (24, 16)
    band_kev: Band = (0.5, 7.0)


class EtdtCubeOptions(Options):
    """Options of `etdt_cube`.

    Parameters
    ----------
    normalise : bool
        Whether each cube is brought to [0, 1], the emptiest bin at 0 and the fullest at 1.
    bins : (int, int, int)
        Of time, energy and waiting time.
    band_kev : (float, float)
        Energies that the energy axis covers, keV; photons outside take part in the other axes but fall into no bin.
    """

    normalise: bool = False
    bins: CubeBins = (24, 16, 16)
    band_kev: Band = (0.5, 7.0)


class EtMap(Representation[EtMapOptions]):
    """Counts over time, first photon to last, and the logarithm of energy, as published.

    Where all photons are at one instant, a single one included, the time axis has no length and they are in its first
    bin. A source without a photon has an empty map. A map whose bins are all equal is all 0 when it is normalised.
    """

    name = "et_map"

    def shape(self, options: EtMapOptions) -> tuple[int, ...]:
        """Time, energy."""
        return options.bins

    def transform(self, batch: EventBatch, options: EtMapOptions) -> F32:
        """Maps of every source, shape (n, time, energy), float32."""
        from .published_kernels import maps

        return maps(
            batch, unit_edges(options.bins[0]), energy_thresholds(options.band_kev, options.bins[1]), options.normalise
        )


class EtdtCube(Representation[EtdtCubeOptions]):
    """Counts over time, the logarithm of energy, and the waiting time to the next photon, as published.

    The last photon waits for none and is left out: of a source with a single photon the cube is empty. The time axis
    runs over the photons that are left and the waiting time's axis from the shortest to the longest; where either has
    no length (two photons, photons at one instant, evenly spaced photons), all are in its first bin. A cube whose bins
    are all equal is all 0 when it is normalised.
    """

    name = "etdt_cube"

    def shape(self, options: EtdtCubeOptions) -> tuple[int, ...]:
        """Time, energy, waiting time."""
        return options.bins

    def transform(self, batch: EventBatch, options: EtdtCubeOptions) -> csr_array:
        """Cubes of every source as rows of a sparse array, shape (n, time × energy × waiting time), float32."""
        from .published_kernels import cubes

        time, energy, wait = options.bins
        return cubes(
            batch,
            unit_edges(time),
            energy_thresholds(options.band_kev, energy),
            unit_edges(wait),
            options.normalise,
        )
