"""NICER: photon lists of the X-ray Timing Instrument on the International Space Station.

56 concentrators (52 of them working), each with a silicon drift detector behind it, look at one target together: there
is no image, and the one source of a file is all that the field of view holds. What is odd besides: TIMEZERO of −1 s
belongs to events and good times alike, and dead time is told photon by photon, for each of seven read-out units.
README.md says where each number comes from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from xherald.adapters import FieldOfView, FitsAdapter, FitsFile, GtiLayout, Instrument, LinearEnergy, MissionTable, Rule
from xherald.photons import DetectorUnit
from xherald.photons.errors import UnreadableFileError
from xherald.plugins import InstrumentAdapter, hookimpl

__all__ = [
    "XHERALD_CONTRACT",
    "NicerAdapter",
    "register_adapters",
]

XHERALD_CONTRACT = "2.0"

# Of EVENT_FLAGS, from its last bit: undershoot, overshoot, forced trigger, fast channel, slow channel.
RESETS_AND_NOISE = 0b000111
SLOW_CHANNEL = 0b010000

FPMS_PER_MPU = 10
"""Detectors are numbered 10 × read-out unit (MPU) + module of it (FPM)."""

XTI = Instrument(
    instrume=("XTI",),
    # −32768 is the null; 10 eV a channel.
    energies=(LinearEnergy("PI", 10e-3),),
    band=(0.3, 12.0),
    hardness_split=2.0,
    gti=(GtiLayout(r"(?:STD)?GTI"),),
    frame_default=40e-9,
    detector_column="DET_ID",
    detector_name="FPM {n:02d}",
    rules=(Rule("EVENT_FLAGS", "not a clean X-ray event", clear_bits=RESETS_AND_NOISE, set_bits=SLOW_CHANNEL),),
    # 30 square arcmin.
    field_of_view=FieldOfView(radius_arcmin=3.09),
)


class NicerAdapter(FitsAdapter):
    """NICER XTI event lists (0.3–12 keV, photons timed to 100 ns, no image).

    Events with the slow channel triggered and no overshoot, undershoot or forced trigger; livetime from the dead time
    of each read-out unit. Gendreau et al. 2016, Proc. SPIE 9905, 99051H; the NICER Mission Guide.
    """

    name = "nicer"
    mission = MissionTable("NICER", (XTI,))

    def detectors(self, file: FitsFile, instrument: Instrument, timezero: float) -> tuple[DetectorUnit, ...]:
        """Detectors, the dead time of each one's read-out unit taken off its livetime."""
        found = super().detectors(file, instrument, timezero)
        if "DEADTIME" not in file.events.columns:
            return found
        dead = np.zeros(256)
        for rows in file.blocks(file.events):
            dead += np.bincount(rows.column("DET_ID").astype(np.int64), rows.column("DEADTIME").astype(np.float64), 256)
        unit = np.add.reduceat(dead, np.arange(0, len(dead), FPMS_PER_MPU))
        return tuple(_less_dead_time(file, one, float(unit[one.number // FPMS_PER_MPU])) for one in found)


def _less_dead_time(file: FitsFile, detector: DetectorUnit, dead_s: float) -> DetectorUnit:
    """A detector whose read-out unit was busy for some seconds of the good time."""
    good_s = detector.good_time
    if good_s == 0:
        return detector
    if not 0 <= dead_s < good_s:
        said = f"{detector.name} was dead for {dead_s:.6g} s of {good_s:.6g} s of good time; fix column DEADTIME"
        raise UnreadableFileError(file.path, said)
    return replace(detector, live_fraction=1.0 - dead_s / good_s)


@hookimpl
def register_adapters(register: Callable[[InstrumentAdapter], None]) -> None:
    """Register the adapter."""
    register(NicerAdapter())
