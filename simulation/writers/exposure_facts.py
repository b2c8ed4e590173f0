"""Header keywords common to all missions, and mission clocks: `ExposureHeader`, `Clock`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Final

import numpy as np

from xherald.photons.gti import Gti, gti_total, gti_union
from xherald.photons.times import TimeReference
from xherald.simulation.exposure import SimulatedExposure

__all__ = ["CREATOR", "Clock", "ExposureHeader"]

CREATOR: Final = "xherald simulate"
ORIGIN: Final = "xherald"
SURVEY: Final = "scans"
"""Observing pattern of a survey."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time zero of a mission (TT): MJDREF, or MJDREFI and MJDREFF if a fraction is given.

    Parameters
    ----------
    day : float — MJD
    fraction : float or None
    """

    day: float
    fraction: float | None = None

    @property
    def reference(self) -> TimeReference:
        """The time reference of readers."""
        return TimeReference(float(int(self.day)), self.day % 1.0 + (self.fraction or 0.0))

    @property
    def keywords(self) -> dict[str, object]:
        """MJDREF and related keywords."""
        zero: dict[str, object] = (
            {"MJDREF": (self.day, "[d] MJD zero point for times")}
            if self.fraction is None
            else {"MJDREFI": (int(self.day), "MJD reference day"), "MJDREFF": (self.fraction, "MJD reference fraction")}
        )
        return {**zero, "TIMESYS": ("TT", "Time system"), "TIMEUNIT": ("s", "Time unit")}

    def utc(self, seconds: float, precision: int = 3) -> str:
        """UTC date of a mission second, ISO 8601 with a trailing Z."""
        return _utc(self, seconds, precision)

    def date(self, seconds: float, precision: int = 0) -> str:
        """The same without Z, as in headers."""
        return _utc(self, seconds, precision).removesuffix("Z")

    def mjd(self, seconds: float) -> float:
        """UTC date of a mission second as a Modified Julian Date."""
        return _mjd(self, seconds)


# A simulated exposure may be later than the announced leap seconds, of which erfa warns; headers need the same few
# dates repeatedly.


@lru_cache(maxsize=64)
def _utc(clock: Clock, seconds: float, precision: int) -> str:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*dubious year")
        return clock.reference.utc(seconds, precision)


@lru_cache(maxsize=64)
def _mjd(clock: Clock, seconds: float) -> float:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*dubious year")
        return float(clock.reference.to_time(seconds).utc.mjd)


@dataclass(frozen=True, eq=False, kw_only=True)
class ExposureHeader:
    """Header values of an exposure.

    Parameters
    ----------
    obs_id : str
    object_name : str
    ra, dec : float — deg, optical axis
    roll : float — deg
    start, stop : float — mission seconds, TSTART and TSTOP
    gti : mapping of detector number to ndarray, shape (m, 2) — mission seconds
    live_fraction : float
    frame_time : float — s
    survey : bool — whether the telescope scanned
    seed : int or None
    """

    obs_id: str
    ra: float
    dec: float
    start: float
    stop: float
    gti: Mapping[int, Gti]
    live_fraction: float
    frame_time: float
    object_name: str = "simulated"
    roll: float = 0.0
    survey: bool = False
    seed: int | None = None
    history: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, exposure: SimulatedExposure) -> ExposureHeader:
        """Header values of a simulated exposure."""
        observing, telescope = exposure.observing, exposure.telescope
        rows = np.concatenate([np.asarray(gti).reshape(-1, 2) for gti in observing.gti.values()])
        return cls(
            obs_id=exposure.obs_id,
            ra=observing.ra,
            dec=observing.dec,
            roll=observing.roll,
            start=float(rows[:, 0].min()),
            stop=float(rows[:, 1].max()),
            gti=observing.gti,
            live_fraction=telescope.live_fraction,
            frame_time=telescope.frame_time,
            survey=observing.pattern == SURVEY,
            seed=exposure.seed,
            history=(
                "Simulated by xherald: no telescope took these events.",
                f"telescope {telescope.name}, pattern {observing.pattern}, seed {exposure.seed}",
            ),
        )

    @cached_property
    def ontime(self) -> dict[int, float]:
        """Good time of each detector, s."""
        return {number: gti_total(np.asarray(gti).reshape(-1, 2)) for number, gti in self.gti.items()}

    @cached_property
    def good(self) -> Gti:
        """Good times of any detector, s."""
        sets = [np.asarray(gti, dtype=np.float64).reshape(-1, 2) for gti in self.gti.values()]
        return sets[0] if len(sets) == 1 else gti_union(*sets)

    @property
    def longest(self) -> float:
        """Largest good time of a detector, s."""
        return max(self.ontime.values(), default=0.0)

    def times(self, clock: Clock, precision: int = 0) -> dict[str, object]:
        """Clock, span and dates."""
        return {
            **clock.keywords,
            "TIMEZERO": (0.0, "[s] Clock correction"),
            "CLOCKAPP": (True, "Clock correction applied"),
            "TIMEREF": ("LOCAL", "Time reference (barycenter/local)"),
            "TSTART": (self.start, "[s] Observation start time"),
            "TSTOP": (self.stop, "[s] Observation end time"),
            "MJD-OBS": (clock.mjd(self.start), "Modified Julian date of observation"),
            "DATE-OBS": (clock.date(self.start, precision), "Observation start date"),
            "DATE-END": (clock.date(self.stop, precision), "Observation end date"),
        }

    def made(self, clock: Clock) -> dict[str, object]:
        """Origin of the file. Its date is the end of the exposure, so that files are reproducible."""
        return {
            "ORIGIN": (ORIGIN, "Source of FITS file"),
            "CREATOR": (CREATOR, "simulated: no archive product"),
            "DATE": (clock.date(self.stop), "Date of the exposure's end"),
            "HISTORY": list(self.history),
        }
