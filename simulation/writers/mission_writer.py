"""Base class of writers: `MissionWriter`.

The class of a mission defines file names, which events are in a file, how energies and positions are stored, and the
tables. Which events a reader keeps follows from the same definitions, so that the truth file counts the photons that a
reader finds.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from xherald.photons import SkyProjection
from xherald.photons.arrays import F64, I64, Mask
from xherald.photons.errors import ConfigError
from xherald.photons.gti import gti_contains
from xherald.simulation.exposure import Fault, RecordedEvents, SimulatedExposure

from .exposure_facts import Clock, ExposureHeader
from .fits_blocks import Header

__all__ = ["GOOD_GRADES", "Layout", "ListedSource", "MissionWriter", "any_of", "ev_on_grid", "grid_positions"]


GOOD_GRADES = (0, 1, 2, 3)
"""Grades of `RecordedEvents` that every pipeline accepts as X-rays."""

FINEST_EV = 64.0
"""Energies stored as 4-byte numbers in eV are multiples of 1/64 eV, which are exact in eV and in keV after reading, so
that writing what was read changes no bit."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Tables and primary header of a file."""

    units: list[fits.BinTableHDU | fits.ImageHDU]
    primary: Header


@dataclass(frozen=True, slots=True)
class ListedSource:
    """A row of a source list.

    Parameters
    ----------
    number : int — from 1
    ra, dec : float — deg, as measured by a detection
    error_arcsec : float — 68 % radius, statistical
    counts : int
    """

    number: int
    ra: float
    dec: float
    error_arcsec: float
    counts: int


class MissionWriter(ABC):
    """Writes files of an instrument."""

    clock: ClassVar[Clock]
    digits: ClassVar[int]
    """Number of digits of an observation number."""
    band_open: ClassVar[bool] = False
    """Whether readers exclude the ends of the band."""
    grid: ClassVar[tuple[float, float] | None] = None
    """First and last sky pixel of the grid; events beyond have a null position. None: no bounds."""

    @abstractmethod
    def file_name(self, exposure: SimulatedExposure, *, compress: bool) -> str:
        """Name of the event file."""

    @abstractmethod
    def layout(self, exposure: SimulatedExposure, events: RecordedEvents) -> Layout:
        """Tables and header of a file with events of an exposure."""

    @abstractmethod
    def energy_as_read(self, energy: F64) -> F64:
        """Energies, keV, after storage in channels of the file and reading."""

    def in_file(self, events: RecordedEvents) -> Mask:
        """Events that the pipeline keeps in the list, by default those accepted as X-rays."""
        return self.screened(events)

    def screened(self, events: RecordedEvents) -> Mask:
        """Events that pass the standard filter of grades and flags."""
        passes: Mask = (events.fault == Fault.NONE) & np.isin(events.grade, GOOD_GRADES)
        return passes

    def companions(
        self, exposure: SimulatedExposure, folder: Path, sources: Sequence[ListedSource], *, compress: bool
    ) -> tuple[Path, ...]:
        """Write companions of the event file, such as a source list."""
        return ()

    def kept(self, exposure: SimulatedExposure, events: RecordedEvents) -> Mask:
        """Events that a reader of the file keeps: filter, band, good times of the detector, position."""
        energy = self.energy_as_read(events.energy)
        low, high = exposure.telescope.band
        band = (energy > low) & (energy < high) if self.band_open else (energy >= low - 1e-9) & (energy <= high + 1e-9)
        sky = exposure.telescope.projection_at(exposure.observing.ra, exposure.observing.dec)
        placed = grid_positions(events, sky, self.grid)[2] if self.grid else np.ones(len(events), dtype=np.bool_)
        return self.in_file(events) & self.screened(events) & band & placed & _in_good_time(events, exposure)

    def facts(self, exposure: SimulatedExposure) -> ExposureHeader:
        """Header values of the exposure."""
        return ExposureHeader.of(exposure)

    def require_number(self, exposure: SimulatedExposure) -> None:
        """Check that the observation number is valid for the mission.

        Raises
        ------
        ConfigError
        """
        if not re.fullmatch(rf"[0-9]{{{self.digits}}}", exposure.obs_id):
            raise ConfigError(
                f"{exposure.obs_id!r} is not an observation number of {exposure.telescope.name}; "
                f"use {self.digits} digits"
            )


def grid_positions(
    events: RecordedEvents, sky: SkyProjection, grid: tuple[float, float] | None
) -> tuple[I64, I64, Mask]:
    """Sky pixels as integers, and which are on the grid."""
    x, y = (np.rint(pixels) for pixels in sky.to_pixel(events.ra, events.dec))
    low, high = grid or (-np.inf, np.inf)
    on: Mask = (x >= low) & (x <= high) & (y >= low) & (y <= high)
    return np.where(on, x, 0).astype(np.int64), np.where(on, y, 0).astype(np.int64), on


def ev_on_grid(energy: F64) -> F64:
    """Energies in eV, rounded to values that 4-byte numbers represent exactly."""
    ev: F64 = np.rint(energy * 1e3 * FINEST_EV) / FINEST_EV
    return ev


def any_of(kinds: NDArray[np.int16], codes: Mapping[int, Sequence[int]], rng: np.random.Generator) -> I64:
    """A random code of the mission for the kind of each event.

    Parameters
    ----------
    kinds : ndarray, shape (n,) — grades of `RecordedEvents`
    codes : mapping of grade to sequence of int
    rng : numpy.random.Generator
    """
    most = max(len(own) for own in codes.values())
    listed = np.array([np.resize(codes[kind], most) for kind in sorted(codes)])
    row = np.searchsorted(sorted(codes), kinds)
    # Draw a fraction, since the number of codes differs between kinds.
    length = np.array([len(codes[kind]) for kind in sorted(codes)])[row]
    chosen: I64 = listed[row, np.floor(rng.random(len(kinds)) * length).astype(np.int64)]
    return chosen


def _in_good_time(events: RecordedEvents, exposure: SimulatedExposure) -> Mask:
    good = np.zeros(len(events), dtype=np.bool_)
    for number, gti in exposure.observing.gti.items():
        own = events.detector == number
        good[own] = gti_contains(np.asarray(gti), events.time[own])
    return good
