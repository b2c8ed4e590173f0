"""Options of the representations on live time."""

from __future__ import annotations

from typing import Literal

from xherald.plugins.contract import Options

from .axes import Band, CubeBins, MapBins

__all__ = ["LivetimeCubeOptions", "LivetimeMapOptions", "LivetimeOptions"]


class LivetimeOptions(Options):
    """Options that both representations on live time share.

    Parameters
    ----------
    band_kev : (float, float) or None
        Energy range of the energy axis, keV; photons outside it count for the other axes but are in no bin. None
        takes the band of each source's instrument, which contains all of its photons.
    scale : {"sqrt", "counts"}
        Values of bins: counts, or their square roots, whose Poisson noise is 1/2 whatever the counts.
    normalise : {"none", "minmax", "unit"}
        Scale each array to [0, 1], or to unit length.
    align : bool
        Rotate the time axis so that the brightest interval is in the middle. That is the maximum of the light curve in
        the array's own time bins, smoothed by a triangle whose full width at half maximum is a quarter of the axis;
        the first of several equal maxima.
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
