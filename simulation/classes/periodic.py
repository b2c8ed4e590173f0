"""Sources that repeat: pulsars, intermediate polars and quasi-periodic eruptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from xherald.photons.arrays import F64
from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import Component, SourceModel
from xherald.simulation.spectra import absorbed_power_law, black_body, disk_black_body, thermal_plasma

from .base import ModelRequest, SourceClass
from .columns import draw_column
from .events import evolving, place

__all__ = ["INTERMEDIATE_POLAR", "PULSATOR", "QPE", "ULX_PULSAR"]


CYCLE_KNOTS: Final = 16
MAX_CYCLES: Final = 240
"""Largest number of cycles in an exposure, so that there are fewer than four thousand knots."""

MAX_ERUPTIONS: Final = 12

PEAK: Final = 3.0
"""Time of the peak of an eruption, in widths of its rise."""


def _pulsator(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """A rotating magnetised neutron star, with a hard power law (Bildsten et al. 1997, ApJS 113, 367)."""
    drawn = {"photon_index": rng.normal(1.1, 0.3), "nh_1e22": draw_column(rng)}
    return _rotating("pulsator", rng, request, (10.0, 2_000.0), absorbed_power_law(*drawn.values()), drawn)


def _intermediate_polar(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """A magnetic white dwarf that accretes from a disc: shocked plasma of 5 to 50 keV, spins of 100 s to 2 h.

    Mukai 2017, PASP 129, 062001; temperatures: Suleimanov et al. 2019, MNRAS 482, 3622.
    """
    drawn = {"kt_kev": 5.0 * 10.0 ** rng.random(), "nh_1e22": draw_column(rng)}
    return _rotating("intermediate_polar", rng, request, (100.0, 7_000.0), thermal_plasma(*drawn.values()), drawn)


def _ulx_pulsar(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """A pulsar above the Eddington limit: a hot disc, and pulses of ten seconds and more.

    Spins are 0.4 to 400 s (Bachetti et al. 2014, Nature 514, 202; Carpano et al. 2018, MNRAS 476, L45); those below
    10 s are not resolved here. Temperatures: Walton et al. 2018, ApJ 856, 128.
    """
    drawn = {"disk_kt_kev": 1.5 * 3.0 ** rng.random(), "nh_1e22": draw_column(rng)}
    return _rotating("ulx_pulsar", rng, request, (10.0, 400.0), disk_black_body(*drawn.values()), drawn)


def _rotating(
    kind: str,
    rng: np.random.Generator,
    request: ModelRequest,
    periods: tuple[float, float],
    spectrum: F64,
    emission: Mapping[str, float],
) -> SourceModel:
    """Two harmonics, 20 to 90 % of the photons pulsed; periods are not below 1/240 of the exposure."""
    shortest = max(periods[0], request.duration / MAX_CYCLES)
    longest = max(periods[1], shortest)
    drawn: Mapping[str, float] = {
        "period_s": shortest * (longest / shortest) ** rng.random(),
        "pulsed_fraction": rng.uniform(0.2, 0.9),
        "second_harmonic": rng.uniform(0.0, 0.5),
        **emission,
    }
    turns = request.duration / drawn["period_s"]
    time = np.linspace(0.0, request.duration, int(np.ceil(CYCLE_KNOTS * turns)) + 2)
    angle = 2 * np.pi * (time / drawn["period_s"] + rng.random())
    wave = np.sin(angle) + drawn["second_harmonic"] * np.sin(2 * angle + rng.uniform(0, 2 * np.pi))
    rate = request.persistent * (1.0 + drawn["pulsed_fraction"] * wave / (1.0 + drawn["second_harmonic"]))
    return SourceModel(kind, "", (Component(LightCurve(time, rate), spectrum),), None, drawn)


def _qpe(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """Quasi-periodic eruptions of a galactic nucleus, hottest near the peak and hotter in the rise than the decay.

    The quiescent disc has 40 to 80 eV, eruptions reach 100 to 250 eV and 5 to 60 times its level; they recur after 3
    to 8 times their length, irregular by a tenth in time and by up to 40 % in strength (Miniutti et al. 2019, Nature
    573, 381; Arcodia et al. 2021, Nature 592, 704; 2022, A&A 662, A49). The requested eruption is the strongest.
    """
    drawn: Mapping[str, float] = {
        "quiet_kt_kev": rng.uniform(0.04, 0.08),
        "peak_kt_kev": rng.uniform(0.1, 0.25),
        "nh_1e22": draw_column(rng, soft=True),
        "peak_ratio": 5.0 * 12.0 ** rng.random(),
        "recurrence_s": max(request.length * rng.uniform(3.0, 8.0), request.duration / MAX_ERUPTIONS),
        "skew": rng.uniform(1.2, 2.5),
    }
    starts, strengths, asked = _eruptions(rng, request, drawn["recurrence_s"])
    placed = place(_eruption(drawn["skew"]), starts, request.length, request.duration, "qpe", strengths, asked)
    # The temperature peaks half a rise before the rate (Arcodia et al. 2022).
    phase = placed.shape_time - (PEAK - 0.5)
    warmth = np.exp(-np.abs(phase) / np.where(phase < 0, 2.0, 1.5 * drawn["skew"]))
    kt = drawn["quiet_kt_kev"] + (drawn["peak_kt_kev"] - drawn["quiet_kt_kev"]) * warmth
    extra = placed.curve.scaled(drawn["peak_ratio"])
    components = evolving(extra, kt, lambda value: black_body(value, drawn["nh_1e22"]))
    if request.persistent:
        quiet = LightCurve.constant(0.0, request.duration, request.persistent)
        components.append(Component(quiet, black_body(drawn["quiet_kt_kev"], drawn["nh_1e22"])))
    parameters = {**drawn, "eruptions": float(len(starts)), "start_s": request.start, "length_s": request.length}
    return SourceModel("qpe", "flare", tuple(components), placed.interval, parameters)


def _eruption(skew: float) -> LightCurve:
    """A Gaussian rise of width 1 and a decay wider by the skew."""
    time = np.concatenate([np.linspace(0.0, PEAK, 30), PEAK + skew * np.linspace(0.0, 3.5, 45)[1:]])
    rate = np.exp(-0.5 * ((time - PEAK) / np.where(time < PEAK, 1.0, skew)) ** 2)
    rate[[0, -1]] = 0.0
    return LightCurve(time, rate)


def _eruptions(rng: np.random.Generator, request: ModelRequest, recurrence: float) -> tuple[F64, F64, int]:
    """Starts, s, and strengths of the requested eruption and the others in the exposure; index of the requested one."""
    before = np.ceil((request.start + request.length) / recurrence)
    after = np.ceil((request.duration - request.start) / recurrence)
    number = np.arange(-max(before, 0.0), after + 1)
    uneven = np.where(number == 0, 0.0, rng.uniform(-0.1, 0.1, len(number)))
    strengths = np.where(number == 0, 1.0, rng.uniform(0.6, 0.95, len(number)))
    starts = request.start + recurrence * (number + uneven)
    seen = (number == 0) | (starts > -request.length) & (starts < request.duration)
    return starts[seen], strengths[seen], int(np.flatnonzero(number[seen] == 0)[0])


PULSATOR: Final = SourceClass("pulsator", "Rotating magnetised neutron star: periodic pulses", "", _pulsator)
INTERMEDIATE_POLAR: Final = SourceClass(
    "intermediate_polar",
    "Intermediate polar: hot plasma, pulses with the spin of a white dwarf",
    "",
    _intermediate_polar,
    group="cataclysmic_variable",
)
ULX_PULSAR: Final = SourceClass(
    "ulx_pulsar", "Ultraluminous pulsar: a hot disc with pulses", "", _ulx_pulsar, group="pulsator"
)
QPE: Final = SourceClass(
    "qpe", "Quasi-periodic eruptions of a galactic nucleus, harder at the peak", "flare", _qpe, (500.0, 10_000.0)
)
