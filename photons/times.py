"""Conversion of mission time to dates: `TimeReference`."""

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

SCALES: Final = ("tt", "tdb", "tai", "utc", "ut1", "tcg", "tcb")


@dataclass(frozen=True, slots=True)
class TimeReference:
    """Zero point of mission time.

    Parameters
    ----------
    mjd_day, mjd_fraction : float
        Modified Julian date in two parts, to preserve microseconds (FITS MJDREFI, MJDREFF), with the correction of the
        spacecraft clock, if the file states one.
    scale : str
        Time scale of mission time: "tt", "tdb", "tai", "utc", "ut1", "tcg" or "tcb".
    """

    mjd_day: float
    mjd_fraction: float = 0.0
    scale: str = "tt"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.mjd_day) and np.isfinite(self.mjd_fraction)):
            raise PhotonError(f"invalid time reference: MJD {self.mjd_day} + {self.mjd_fraction}")
        if self.scale not in SCALES:
            allowed = ", ".join(SCALES).upper()
            raise PhotonError(f"time scale {self.scale!r} is not supported, only {allowed}")

    def mjd(self, seconds: float) -> float:
        """Modified Julian date of a mission time in s, in the mission's time scale, to about a microsecond."""
        return self.mjd_day + (self.mjd_fraction + seconds / SECONDS_A_DAY)

    def to_time(self, seconds: ArrayLike) -> Time:
        """Mission time in seconds as an astropy Time in the mission's time scale."""
        from astropy.time import Time, TimeDelta

        reference = Time(self.mjd_day, self.mjd_fraction, format="mjd", scale=self.scale)
        # Seconds of UTC and UT1 elapse as those of TAI.
        delta_scale = None if self.scale in ("utc", "ut1") else self.scale
        return reference + TimeDelta(np.asarray(seconds, dtype=np.float64), format="sec", scale=delta_scale)

    def utc(self, seconds: float, precision: int = 3) -> str:
        """ISO 8601 UTC date of a mission time in s, with `precision` decimals and a trailing Z."""
        time = self.to_time(float(seconds)).utc
        time.precision = precision
        return f"{time.isot}Z"
