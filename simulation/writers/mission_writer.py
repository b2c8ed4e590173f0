"""What a mission's writer must know, and what all of them do alike: `MissionWriter`.

A mission is a class that says how its files are named, which events its pipeline leaves in them, how it stores energies
and positions, and of which tables a file is made. What readers keep of a file follows from the same statements, so that
the truth beside a file counts the photons that a reader will find.
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
"""Grades of `RecordedEvents` that every pipeline takes for X-rays."""

FINEST_EV = 64.0
"""Energies stored as 4-byte numbers of eV are multiples of 1/64 eV: far finer than any detector, and exact both in eV
and after reading in keV, so that writing what was read changes no bit."""


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
    ra, dec : float — deg, as a detection would measure them
    error_arcsec : float — 68 % radius, statistical
    counts : int
    """

    number: int
    ra: float
    dec: float
    error_arcsec: float
    counts: int


class MissionWriter(ABC):
    """Writes one instrument's files."""

    clock: ClassVar[Clock]
    digits: ClassVar[int]
    """How many digits an observation's number has."""
    band_open: ClassVar[bool] = False
    """Whether readers leave out the ends of the band."""
    grid: ClassVar[tuple[float, float] | None] = None
    """First and last sky pixel of the grid; events beyond have a null position. None: no bounds."""

    @abstractmethod
    def file_name(self, exposure: SimulatedExposure, *, compress: bool) -> str:
        """Name of the event file."""

    @abstractmethod
    def layout(self, exposure: SimulatedExposure, events: RecordedEvents) -> Layout:
        """The file of some events of an exposure."""

    @abstractmethod
    def energy_as_read(self, energy: F64) -> F64:
        """Energies, keV, after they were stored in the file's channels and read."""

    def in_file(self, events: RecordedEvents) -> Mask:
        """Which events the pipeline leaves in the list: as a rule those it takes for X-rays."""
        return self.screened(events)

    def screened(self, events: RecordedEvents) -> Mask:
        """Which events pass the mission's standard filter of grades and flags."""
        passes: Mask = (events.fault == Fault.NONE) & np.isin(events.grade, GOOD_GRADES)
        return passes

    def companions(
        self, exposure: SimulatedExposure, folder: Path, sources: Sequence[ListedSource], *, compress: bool
    ) -> tuple[Path, ...]:
        """Write what the mission delivers beside the event file; its source list where it has one."""
        return ()

    def kept(self, exposure: SimulatedExposure, events: RecordedEvents) -> Mask:
        """Which events a reader of the file keeps: filter, band, good times of the detector, position."""
        energy = self.energy_as_read(events.energy)
        low, high = exposure.telescope.band
        band = (energy > low) & (energy < high) if self.band_open else (energy >= low - 1e-9) & (energy <= high + 1e-9)
        sky = exposure.telescope.projection_at(exposure.observing.ra, exposure.observing.dec)
        placed = grid_positions(events, sky, self.grid)[2] if self.grid else np.ones(len(events), dtype=np.bool_)
        return self.in_file(events) & self.screened(events) & band & placed & _in_good_time(events, exposure)

    def facts(self, exposure: SimulatedExposure) -> ExposureHeader:
        """The exposure as headers describe it."""
        return ExposureHeader.of(exposure)

    def require_number(self, exposure: SimulatedExposure) -> None:
        """Refuse an observation number that the mission could not have given.

        Raises
        ------
        ConfigError
        """
        if not re.fullmatch(rf"[0-9]{{{self.digits}}}", exposure.obs_id):
            raise ConfigError(
                f"{exposure.obs_id!r} is no observation number of {exposure.telescope.name}: give {self.digits} digits"
            )


def grid_positions(
    events: RecordedEvents, sky: SkyProjection, grid: tuple[float, float] | None
) -> tuple[I64, I64, Mask]:
    """Sky pixels as whole numbers, and which lie on the grid."""
    x, y = (np.rint(pixels) for pixels in sky.to_pixel(events.ra, events.dec))
    low, high = grid or (-np.inf, np.inf)
    on: Mask = (x >= low) & (x <= high) & (y >= low) & (y <= high)
    return np.where(on, x, 0).astype(np.int64), np.where(on, y, 0).astype(np.int64), on


def ev_on_grid(energy: F64) -> F64:
    """Energies in eV, rounded to what 4-byte numbers hold exactly."""
    ev: F64 = np.rint(energy * 1e3 * FINEST_EV) / FINEST_EV
    return ev


def any_of(kinds: NDArray[np.int16], codes: Mapping[int, Sequence[int]], rng: np.random.Generator) -> I64:
    """For every event one of the mission's codes for its kind, all equally likely.

    Parameters
    ----------
    kinds : ndarray, shape (n,) — grades of `RecordedEvents`
    codes : mapping of grade to sequence of int
    rng : numpy.random.Generator
    """
    most = max(len(own) for own in codes.values())
    listed = np.array([np.resize(codes[kind], most) for kind in sorted(codes)])
    row = np.searchsorted(sorted(codes), kinds)
    # A number below `most` falls on each code equally often only where the number of codes divides it: draw a share.
    length = np.array([len(codes[kind]) for kind in sorted(codes)])[row]
    chosen: I64 = listed[row, np.floor(rng.random(len(kinds)) * length).astype(np.int64)]
    return chosen


def _in_good_time(events: RecordedEvents, exposure: SimulatedExposure) -> Mask:
    good = np.zeros(len(events), dtype=np.bool_)
    for number, gti in exposure.observing.gti.items():
        own = events.detector == number
        good[own] = gti_contains(np.asarray(gti), events.time[own])
    return good
