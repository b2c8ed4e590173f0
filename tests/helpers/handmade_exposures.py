"""Exposures of every telescope made by hand: events at random, of all kinds that a writer must tell apart."""

from __future__ import annotations

import numpy as np

from xherald.photons import SkyProjection
from xherald.photons.arrays import F64
from xherald.simulation.energies import EDGES_KEV
from xherald.simulation.exposure import ObservingPlan, RecordedEvents, SimulatedExposure
from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import Component, PlacedSource, SourceModel
from xherald.simulation.telescopes import TELESCOPES

NAMES = tuple(TELESCOPES)
OBS_IDS = {"chandra": "98765", "xmm": "0987654321", "swift": "00098765432", "erosita": "098765", "ep": "09876543210"}
STARTS = {"chandra": 8.1e8, "xmm": 8.1e8, "swift": 7.1e8, "erosita": 6.4e8, "ep": 1.5e8}
# Digits beyond what a header card holds.
AXIS = (211.30123456789012, -47.21234567890123)
# Half a channel, keV: 10 eV channels of Swift and Einstein Probe, 1 eV of XMM, 1/64 eV where numbers are floats.
HALF_CHANNEL = {"chandra": 0.5e-3 / 64, "xmm": 0.5e-3, "swift": 5e-3, "erosita": 0.5e-3 / 64, "ep": 5e-3}


def still(time: F64) -> tuple[F64, F64]:
    """An aim that does not move."""
    return np.zeros_like(time), np.zeros_like(time)


def dithering(time: F64) -> tuple[F64, F64]:
    """An aim that moves as Chandra's: 8″ to both sides."""
    return 8.0 * np.sin(2 * np.pi * time / 1000.0), 8.0 * np.sin(2 * np.pi * time / 707.0 + 0.4)


def observing_of(name: str) -> ObservingPlan:
    """Three good intervals of whole frames, the second of which every detector but the first loses in part."""
    telescope = TELESCOPES[name]
    frame, start = telescope.frame_time, STARTS[telescope.mission]
    length = max(1, int(1000.0 / frame))
    edges = np.array([[0, length], [2 * length, 3 * length], [4 * length, 5 * length]])
    gti = {
        chip.number: start + frame * (edges + np.array([[0, 0], [length // 4 * (k % 3), 0], [0, 0]]))
        for k, chip in enumerate(telescope.chips)
    }
    duration = float(edges[-1, 1]) * frame
    return ObservingPlan(
        pattern=telescope.pattern, start=start, duration=duration, ra=AXIS[0], dec=AXIS[1], roll=37.0, gti=gti,
        boresight=dithering if telescope.mission == "chandra" else still, protons=LightCurve.constant(0.0, duration),
    )  # fmt: skip


def recorded(name: str, observing: ObservingPlan, n: int, seed: int) -> RecordedEvents:
    """Events all over chips and good time, of all grades, some flagged, energies beyond both ends of the band."""
    telescope, rng = TELESCOPES[name], np.random.default_rng(seed)
    chip = rng.integers(0, len(telescope.chips), n)
    chip_x, chip_y, ra, dec, time = (np.empty(n) for _ in range(5))
    frame = np.empty(n, dtype=np.int64)
    sky = telescope.projection_at(observing.ra, observing.dec)
    cos, sin = np.cos(np.radians(observing.roll)), np.sin(np.radians(observing.roll))
    for k, one in enumerate(telescope.chips):
        own = np.flatnonzero(chip == k)
        inside = rng.uniform(0.5, [[one.width + 0.5], [one.height + 0.5]], (2, len(own)))
        chip_x[own], chip_y[own] = np.clip(np.rint(inside), 1, [[one.width], [one.height]])
        rows = np.rint((observing.gti[one.number] - observing.start) / telescope.frame_time).astype(np.int64)
        row = rng.integers(0, len(rows), len(own))
        frame[own] = rng.integers(rows[row, 0], rows[row, 1])
        where = 0.5 if telescope.stamp == "middle" else rng.uniform(0.01, 0.99, len(own))
        time[own] = observing.start + (frame[own] + where) * telescope.frame_time
        u, v = one.to_focal(*inside)
        west, north = observing.boresight(time[own])
        west, north = west + u * cos - v * sin, north + u * sin + v * cos
        x, y = sky.x_reference - west / 3600 / sky.x_step, sky.y_reference + north / 3600 / sky.y_step
        ra[own], dec[own] = sky.to_sky(x, y)
    numbers = np.array([one.number for one in telescope.chips], dtype=np.int16)
    events = RecordedEvents(
        time=time, frame=frame, ra=ra, dec=dec, energy=np.exp(rng.uniform(np.log(0.12), np.log(14.0), n)),
        detector=numbers[chip], chip_x=chip_x.astype(np.int16), chip_y=chip_y.astype(np.int16),
        grade=rng.choice(np.array([0, 1, 2, 3, 7], dtype=np.int16), n, p=[0.6, 0.2, 0.1, 0.05, 0.05]),
        fault=rng.choice(np.array([0, 1, 2], dtype=np.int16), n, p=[0.9, 0.05, 0.05]),
        origin=rng.integers(-3, 3, n).astype(np.int32),
    )  # fmt: skip
    return events.select(np.argsort(events.time, kind="stable"))


def sources_of(observing: ObservingPlan) -> tuple[PlacedSource, ...]:
    """Two steady sources and a flare."""
    spectrum = np.full(len(EDGES_KEV) - 1, 1.0 / (len(EDGES_KEV) - 1))
    steady = (Component(LightCurve.constant(0.0, observing.duration), spectrum),)
    flare = SourceModel("stellar_flare", "flare", steady, (200.0, 900.0), {"peak_over_quiescence": 7.5})
    models = [SourceModel("constant", "", steady), SourceModel("constant", "", steady), flare]
    return tuple(
        PlacedSource(f"S{k + 1}", observing.ra + 0.01 * k, observing.dec - 0.01 * k, model, 1e-5)
        for k, model in enumerate(models)
    )


def exposure_of(name: str, n: int = 2000, seed: int = 5) -> SimulatedExposure:
    """An exposure of a telescope, made by hand."""
    observing = observing_of(name)
    return SimulatedExposure(
        telescope=TELESCOPES[name], observing=observing, sources=sources_of(observing),
        events=recorded(name, observing, n, seed), obs_id=OBS_IDS[TELESCOPES[name].mission], seed=seed,
        artefacts=({"kind": "hot_pixel", "detector": 1, "events": 40},),
    )  # fmt: skip


def expected(exposure: SimulatedExposure) -> RecordedEvents:
    """Events that readers must find: good grades, no faults, inside the band once energies are in channels."""
    events, (low, high) = exposure.events, exposure.telescope.band
    highest = 1 if exposure.telescope.name == "xmm-pn" else 3
    width = 2 * HALF_CHANNEL[exposure.telescope.mission]
    if exposure.telescope.name == "ep-fxt":
        channel = (np.floor(events.energy / width) + 0.5) * width
    else:
        channel = np.rint(events.energy / width) * width
    if exposure.telescope.mission == "chandra":
        band = (channel > low) & (channel < high)
    else:
        band = (channel > low - 1e-6) & (channel < high + 1e-6)
    return events.select((events.grade <= highest) & (events.fault == 0) & band)


def single(time: float, energy: float) -> RecordedEvents:
    """One event on the axis."""
    one, zero = np.ones(1, dtype=np.int16), np.zeros(1, dtype=np.int16)
    return RecordedEvents(
        time=np.array([time]), frame=np.zeros(1, dtype=np.int64), ra=np.array([AXIS[0]]), dec=np.array([AXIS[1]]),
        energy=np.array([energy]), detector=zero, chip_x=one, chip_y=one, grade=zero, fault=zero,
        origin=zero.astype(np.int32),
    )  # fmt: skip


def swift_sky() -> SkyProjection:
    """The grid of an XRT image."""
    return TELESCOPES["swift-xrt"].projection_at(*AXIS)
