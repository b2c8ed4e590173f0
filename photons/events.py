"""Photons of one source with its exposure, background and identity: `EventList`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .errors import PhotonError
from .gti import Exposure, gti_contains
from .times import TimeReference

__all__ = ["NOT_TESTABLE", "Background", "EventList", "FieldBackground", "Identity", "Wings"]

NOT_TESTABLE: Final = frozenset({"exposure_unknown", "background_unknown"})
"""Flags of sources for which no null hypothesis is known, so that they get no probability."""


def _frozen(array: NDArray[np.generic] | object, dtype: type[np.generic]) -> NDArray[np.generic]:
    copy = np.array(array, dtype=dtype)
    copy.setflags(write=False)
    return copy


@dataclass(frozen=True, slots=True)
class Identity:
    """Names and position of a source, which appear in every result.

    Parameters
    ----------
    mission, instrument, obs_id, detection_id : str
        As written by the mission; `detection_id` is unique within the observation.
    ra, dec : float or None
        ICRS position, deg; None if the input has none (a table of photons).
    pos_err_arcsec : float or None
        68 % error radius of the position with the astrometric error, arcsec.
    off_axis_arcmin : float or None
        Angle from the optical axis, arcmin.
    time_reference : TimeReference or None
        Zero point of mission time; None if unknown, then results have no UTC.
    source_path : str
        File of the photons.
    flags : tuple of str
        Conditions that affect the result, such as "aperture_partly_off_chip".
    """

    mission: str
    instrument: str
    obs_id: str
    detection_id: str
    ra: float | None = None
    dec: float | None = None
    pos_err_arcsec: float | None = None
    off_axis_arcmin: float | None = None
    time_reference: TimeReference | None = None
    source_path: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """Photons of the background region.

    Parameters
    ----------
    time : ndarray, shape (b,), float64 — s, sorted
    energy : ndarray, shape (b,), float32 — keV
    area_ratio : float
        Area of the source aperture over that of the background region, without parts off the chips or in excluded
        apertures; `area_ratio * b` background counts are expected in the aperture.
    """

    time: NDArray[np.float64]
    energy: NDArray[np.float32]
    area_ratio: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", _frozen(self.time, np.float64))
        object.__setattr__(self, "energy", _frozen(self.energy, np.float32))
        if self.time.ndim != 1 or self.time.shape != self.energy.shape:
            raise PhotonError(f"background: {self.time.shape} times but {self.energy.shape} energies")
        if not (np.isfinite(self.time).all() and np.isfinite(self.energy).all()):
            raise PhotonError("background: a time or an energy is not finite")
        if (np.diff(self.time) < 0).any():
            raise PhotonError("background: times are not sorted")
        if not (self.area_ratio > 0 and math.isfinite(self.area_ratio)):
            raise PhotonError(f"background: area_ratio {self.area_ratio} is not a positive number")


@dataclass(frozen=True, slots=True, eq=False)
class FieldBackground:
    """Light curve of the background of the whole field, of which a source's background is a nearly constant fraction.

    Parameters
    ----------
    start : ndarray, shape (k,), float64 — mission time from which each rate holds, s, ascending
    rate : ndarray, shape (k,), float64 — relative to any constant; positive
    """

    start: NDArray[np.float64]
    rate: NDArray[np.float64]

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", _frozen(self.start, np.float64))
        object.__setattr__(self, "rate", _frozen(self.rate, np.float64))
        if self.start.ndim != 1 or self.start.shape != self.rate.shape:
            raise PhotonError(f"field background: {self.start.shape} starts but {self.rate.shape} rates")
        if (np.diff(self.start) <= 0).any() or not ((self.rate > 0) & np.isfinite(self.rate)).all():
            raise PhotonError("field background: starts must ascend and rates be positive")


@dataclass(frozen=True, slots=True, eq=False)
class Wings:
    """Photons beyond the edge of the aperture that may be the source's.

    Parameters
    ----------
    time : ndarray, shape (k,), float64 — s, sorted, within the good times of the aperture
    energy : ndarray, shape (k,), float32 — keV
    weight : ndarray, shape (k,), float32 — probability of each photon to be the source's, see `photon_weights`
    """

    time: NDArray[np.float64]
    energy: NDArray[np.float32]
    weight: NDArray[np.float32]

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", _frozen(self.time, np.float64))
        object.__setattr__(self, "energy", _frozen(self.energy, np.float32))
        object.__setattr__(self, "weight", _frozen(self.weight, np.float32))
        if self.time.ndim != 1 or not self.time.shape == self.energy.shape == self.weight.shape:
            raise PhotonError(
                f"wings: {self.time.shape} times, {self.energy.shape} energies and {self.weight.shape} weights"
            )
        if not (np.isfinite(self.time).all() and np.isfinite(self.energy).all()):
            raise PhotonError("wings: a time or an energy is not finite")
        if (np.diff(self.time) < 0).any():
            raise PhotonError("wings: times are not sorted")
        _require_weights("wings", self.weight)


def _require_weights(name: str, weight: NDArray[np.float32]) -> None:
    if not ((weight > 0) & (weight <= 1)).all():
        raise PhotonError(f"{name}: a weight is not in (0, 1]")


@dataclass(frozen=True, slots=True, eq=False)
class EventList:
    """Photons of one source. Arrays are read-only; invalid values are refused.

    Parameters
    ----------
    time : ndarray, shape (n,), float64 — mission time, s, sorted, ties allowed
    energy : ndarray, shape (n,), float32 — keV
    exposure : Exposure
        Good times of the aperture, on the axis of `time`.
    identity : Identity
    frame_time : float
        Time resolution, s; 0 if arrival times are continuous.
    band : (float, float)
        Energy range, keV.
    live_fraction : float
        Livetime over good time (FITS DTCOR, DEADC), in (0, 1].
    hardness_split : float
        Boundary of soft and hard band, keV.
    background : Background or None
    good_times_known : bool
        False if the input has no good times and the first and last photon define them; tests then exclude these two
        photons, which lie on the edges by construction.
    selection_p, selection_trials : float
        See `Aperture`; 0 and infinity for most.
    weight : ndarray, shape (n,), float32, or None
        Probability of each photon to be the source's rather than the background's (`photon_weights`); None if the
        places of the photons are unknown, then all count the same.
    wings : Wings or None
    field_background : FieldBackground or None
        None if it is constant or unknown.

    Raises
    ------
    PhotonError
        Times are unsorted or not finite, energies not finite, outside the band or in eV, photons outside the good
        times, or array sizes differ.
    """

    time: NDArray[np.float64]
    energy: NDArray[np.float32]
    exposure: Exposure
    identity: Identity
    frame_time: float
    band: tuple[float, float]
    live_fraction: float = 1.0
    hardness_split: float = 2.0
    background: Background | None = field(default=None)
    good_times_known: bool = True
    selection_p: float = 0.0
    selection_trials: float = math.inf
    weight: NDArray[np.float32] | None = None
    wings: Wings | None = None
    field_background: FieldBackground | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", _frozen(self.time, np.float64))
        object.__setattr__(self, "energy", _frozen(self.energy, np.float32))
        if self.weight is not None:
            object.__setattr__(self, "weight", _frozen(self.weight, np.float32))
        self._validate()

    def _validate(self) -> None:
        name = f"{self.identity.obs_id}/{self.identity.detection_id}"
        if self.time.ndim != 1 or self.time.shape != self.energy.shape:
            raise PhotonError(f"{name}: {self.time.shape} times but {self.energy.shape} energies")
        if self.weight is not None:
            if self.weight.shape != self.time.shape:
                raise PhotonError(f"{name}: {self.time.shape} times but {self.weight.shape} weights")
            _require_weights(name, self.weight)
        if not np.isfinite(self.time).all():
            raise PhotonError(f"{name}: {np.count_nonzero(~np.isfinite(self.time))} times are not finite")
        if not np.isfinite(self.energy).all():
            raise PhotonError(f"{name}: {np.count_nonzero(~np.isfinite(self.energy))} energies are not finite")
        if (np.diff(self.time) < 0).any():
            raise PhotonError(f"{name}: times are not sorted")
        low, high = self.band
        if not 0 <= low < high:
            raise PhotonError(f"{name}: invalid band {low}–{high} keV")
        if self.energy.size:
            if float(np.median(self.energy)) > 100.0:
                raise PhotonError(
                    f"{name}: median energy {float(np.median(self.energy)):g} keV looks like eV; energies are in keV"
                )
            outside_band = np.count_nonzero((self.energy < low - 1e-4) | (self.energy > high + 1e-4))
            if outside_band:
                raise PhotonError(f"{name}: {outside_band} photons lie outside the band {low}–{high} keV")
        outside = np.count_nonzero(~gti_contains(self.exposure.gti, self.time))
        if self.wings is not None:
            outside += np.count_nonzero(~gti_contains(self.exposure.gti, self.wings.time))
        if outside:
            raise PhotonError(f"{name}: {outside} photons lie outside the good-time intervals")
        if not (self.frame_time >= 0 and math.isfinite(self.frame_time)):
            raise PhotonError(f"{name}: invalid frame time {self.frame_time} s")
        if not low < self.hardness_split < high:
            raise PhotonError(
                f"{name}: hardness split {self.hardness_split} keV lies outside the band {low}–{high} keV"
            )
        if not 0 < self.live_fraction <= 1:
            raise PhotonError(f"{name}: live fraction {self.live_fraction} is not in (0, 1]")

    def __len__(self) -> int:
        return len(self.time)

    @property
    def known_weight(self) -> NDArray[np.float32]:
        """`weight`, or 1 for all photons if it is None."""
        return np.ones(len(self), dtype=np.float32) if self.weight is None else self.weight

    @property
    def livetime(self) -> float:
        """Livetime of the aperture, dead time excluded, s."""
        return self.exposure.livetime * self.live_fraction
