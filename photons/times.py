"""Mission time and UTC: where seconds since a mission's reference become a date a person can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike

from .errors import PhotonError

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = ["SECONDS_A_DAY", "TimeReference"]

SECONDS_A_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class TimeReference:
    """The instant from which a mission counts its seconds.

    Parameters
    ----------
    mjd_day, mjd_fraction : float
        Modified Julian date of the reference, in two parts so that no microsecond is lost (FITS MJDREFI, MJDREFF).
    scale : str
        Time scale of the reference and the seconds, "tt" for every mission here (FITS TIMESYS).
    """

    mjd_day: float
    mjd_fraction: float = 0.0
    scale: str = "tt"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.mjd_day) and np.isfinite(self.mjd_fraction)):
            raise PhotonError(f"time reference MJD {self.mjd_day} + {self.mjd_fraction} is not a date")
        if self.scale not in ("tt", "utc", "tdb", "tai"):
            raise PhotonError(f"time scale {self.scale!r} is not known; expected TT, TDB, TAI or UTC")

    def to_time(self, seconds: ArrayLike) -> Time:
        """Instants of the given mission seconds as an astropy Time in the mission's scale."""
        from astropy.time import Time, TimeDelta

        reference = Time(self.mjd_day, self.mjd_fraction, format="mjd", scale=self.scale)
        delta_scale = None if self.scale == "utc" else self.scale
        return reference + TimeDelta(np.asarray(seconds, dtype=np.float64), format="sec", scale=delta_scale)

    def utc(self, seconds: float, precision: int = 3) -> str:
        """ISO 8601 UTC date of one mission time, with `precision` decimals of a second and a trailing Z."""
        time = self.to_time(float(seconds)).utc
        time.precision = precision
        return f"{time.isot}Z"
