"""Facts of a telescope that decide when a source is seen: `DetectorLayout`, `Vignetting`, `Attitude`.

Adapters supply them as plain data; `pointing_path` and `source_exposure` turn them into exposures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xherald.photons.arrays import F64
from xherald.photons.errors import PhotonError

__all__ = ["Attitude", "DetectorLayout", "Vignetting"]


@dataclass(frozen=True, slots=True)
class Vignetting:
    """Effective area relative to that on axis.

    Parameters
    ----------
    off_axis_arcmin : tuple of float
        Grid of off-axis angles, ascending from 0.
    relative_area : tuple of float
        Effective area at each angle over that on axis, in (0, 1].
    energy_kev : float
        Energy of the values, keV; the dependence on energy is neglected.
    source : str
        Reference of the values.
    """

    off_axis_arcmin: tuple[float, ...]
    relative_area: tuple[float, ...]
    energy_kev: float
    source: str

    def __post_init__(self) -> None:
        angles, areas = np.array(self.off_axis_arcmin), np.array(self.relative_area)
        if angles.shape != areas.shape or angles.size < 2 or angles[0] != 0 or not np.all(np.diff(angles) > 0):
            raise PhotonError("vignetting: off-axis angles must ascend from 0, with one relative area each")
        if not np.all((areas > 0) & (areas <= 1)):
            raise PhotonError("vignetting: relative areas must be in (0, 1]")

    def at(self, off_axis_arcmin: F64) -> F64:
        """Relative area at off-axis angles, arcmin; beyond the table, that of its last angle."""
        return np.asarray(np.interp(off_axis_arcmin, self.off_axis_arcmin, self.relative_area), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class DetectorLayout:
    """Sensitive area of each detector unit, in the pixels of `PixelLayout.columns`.

    Parameters
    ----------
    first, last : (int, int)
        Lowest and highest pixel that can hold an event, along both columns. Where events show that a smaller window
        was read out, that window applies.
    field_radius : float or None
        Radius of the circular field about `axis`, pixels. Beyond it are particles, but no photons from the sky.
    axis : (float, float) or None
        Pixel of the optical axis; None for units of which only one has it, where the pointing of the header applies.
    dead_columns : tuple of (int, int)
        First and last of the columns that never hold events, in addition to the file's table of bad pixels.
    vignetting : Vignetting or None
        None where it does not change with time or is not known.
    source : str
        Reference of the values.
    """

    first: tuple[int, int]
    last: tuple[int, int]
    field_radius: float | None = None
    axis: tuple[float, float] | None = None
    dead_columns: tuple[tuple[int, int], ...] = ()
    vignetting: Vignetting | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if not all(low < high for low, high in zip(self.first, self.last, strict=True)):
            raise PhotonError(f"detector layout: last pixel {self.last} is not after the first, {self.first}")
        if self.field_radius is not None and self.axis is None:
            raise PhotonError("detector layout: a circular field needs the pixel of the optical axis")


@dataclass(frozen=True, slots=True, eq=False)
class Attitude:
    """Attitude table of a telescope or telescope module.

    Parameters
    ----------
    time : ndarray, shape (k,) — mission time, s, ascending
    ra, dec : ndarray, shape (k,) — ICRS deg, a fixed direction of the telescope, usually its optical axis
    roll : ndarray, shape (k,) — deg, angle about that direction against celestial north, of either sense
    """

    time: F64
    ra: F64
    dec: F64
    roll: F64

    def __post_init__(self) -> None:
        shapes = {np.shape(getattr(self, name)) for name in ("time", "ra", "dec", "roll")}
        if len(shapes) != 1 or len(self.time) < 2 or not np.all(np.diff(self.time) > 0):
            raise PhotonError("attitude: time must ascend, with one right ascension, declination and roll each")
