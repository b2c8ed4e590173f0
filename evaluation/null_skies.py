"""Steady sources under stress: the sky and the instrument vary, the sources do not.

Each `Sky` draws photons of steady sources from rates that are written here and shares neither code nor tables with
`simulation`: a fault that simulator and detector have in common would not show otherwise. A detector that states its
false-alarm probabilities correctly finds a fraction p of these sources at a p-value below p.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator

from xherald.photons import EventBatch, EventList, Exposure, FieldBackground, Identity
from xherald.photons.arrays import F64
from xherald.photons.events import Background

__all__ = ["SKIES", "UNKNOWN_INSTRUMENT", "Instrument", "Sky", "draw_sky", "source_flare"]

EXPOSURE_S: Final = 30_000.0
STEPS: Final = 6_000
"""Steps of a rate over the exposure."""

FIELD_BIN: Final = 50
"""Photons in a bin of the light curve of the field."""

MIN_FRACTION: Final = 0.05
"""Smaller fractions of the effective area are no exposure."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """What the detector is told of the instrument: its mission, its name and the energy band, keV."""

    mission: str
    name: str
    band: tuple[float, float]

    def __str__(self) -> str:
        return f"{self.mission}/{self.name}"


UNKNOWN_INSTRUMENT: Final = Instrument("NULL", "SKY", (0.5, 7.0))
"""An instrument without a calibration of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """A kind of steady sources.

    Parameters
    ----------
    counts : (float, float)
        Expected counts of source and background, log-uniform.
    background : (float, float)
        Share of the background in the counts, uniform.
    region : float
        Area of the background region over that of the aperture; 0 for none.
    profile : callable or None
        From a generator to the background's rate in `STEPS` steps, in any unit; None if it is constant.
    field : int
        Photons of the background in the rest of the field, in which flares are 0.6 to 1.6 times as strong, relative to
        the quiet rate, as at the source; 0 if nothing is known of it.
    is_hard : bool
        Whether the background has a flat spectrum and the source a soft one; else both are soft.
    source : callable or None
        From a generator to the rate of the source in `STEPS` steps, in any unit; None if it is steady.
    exposure : callable or None
        From a generator to the fraction of the full effective area in `STEPS` steps; None if it is 1.
    frame_s : float
    declares_frame : bool
        Whether the file gives the frame time.
    knows_good_times : bool
        Whether the file has good times; else they extend from the first photon to the last.
    """

    counts: tuple[float, float] = (10.0, 300.0)
    background: tuple[float, float] = (0.02, 0.2)
    region: float = 12.0
    profile: Callable[[Generator], F64] | None = None
    field: int = 0
    is_hard: bool = True
    source: Callable[[Generator], F64] | None = None
    exposure: Callable[[Generator], F64] | None = None
    frame_s: float = 0.05
    declares_frame: bool = True
    knows_good_times: bool = True


def proton_flares(rng: Generator) -> F64:
    """Soft-proton flares: a few, of 1 to 20 times the quiet rate, that rise fast and decay slowly."""
    phase = _phase()
    rate = np.full(STEPS, 0.3)
    for _ in range(1 + rng.poisson(2)):
        start, rise, decay = rng.uniform(), rng.uniform(0.002, 0.02), rng.uniform(0.01, 0.15)
        after = phase - start
        rate += np.exp(rng.uniform(0.0, 3.0)) * np.exp(np.where(after < 0, after / rise, -after / decay))
    return rate


def slow_background(rng: Generator) -> F64:
    """Background that drifts by up to 50 to 98 % over the exposure."""
    period, depth = rng.uniform(0.6, 2.5), rng.uniform(0.5, 0.98)
    rate: F64 = 1.0 + depth * np.sin(2.0 * np.pi * (_phase() / period + rng.uniform()))
    return rate


def spiky_background(rng: Generator) -> F64:
    """Many short flares of the background, of 0.3 to 2 % of the exposure."""
    phase = _phase()
    rate = np.full(STEPS, 0.2)
    for _ in range(3 + rng.poisson(6)):
        rate += np.exp(rng.uniform(1.0, 3.0)) * np.exp(-0.5 * ((phase - rng.uniform()) / rng.uniform(0.003, 0.02)) ** 2)
    return rate


def source_flare(rng: Generator) -> F64:
    """A flare of the source: 5 to 50 times its quiet rate, that decays within 1 to 5 % of the exposure."""
    phase = _phase()
    after, decay = phase - rng.uniform(0.05, 0.9), rng.uniform(0.01, 0.05)
    rate: F64 = 1.0 + rng.uniform(5.0, 50.0) * np.exp(np.where(after < 0, 10.0 * after / decay, -after / decay))
    return rate


def many_intervals(rng: Generator) -> F64:
    """From 100 to 300 good-time intervals."""
    edges = np.sort(rng.uniform(0.0, 1.0, 2 * int(rng.integers(100, 301))))
    return np.asarray(np.searchsorted(edges, _phase()) % 2 == 1, dtype=np.float64)


def survey_passes(rng: Generator) -> F64:
    """Passes of a scan: 6 to 20, of 0.2 % of the time each, with vignetting of up to 70 % towards their ends."""
    phase = _phase()
    number = int(rng.integers(6, 21))
    fraction = np.zeros(STEPS)
    for one in range(number):
        middle = (one + rng.uniform(0.3, 0.7)) / number
        half, offset = 0.001 * rng.uniform(0.5, 1.0), rng.uniform(0.0, 0.5)
        away = (phase - middle) / half
        fraction += np.where(np.abs(away) < 1, (1.0 - offset) * (1.0 - 0.7 * away**2), 0.0)
    return np.clip(fraction, 0.0, 1.0)


def moving_snapshots(rng: Generator) -> F64:
    """From 3 to 12 snapshots in an orbit of 96 minutes, of other efficiency each, some without the source."""
    phase = _phase()
    number = int(rng.integers(3, 13))
    efficiency = rng.uniform(0.3, 1.0, number) * (rng.random(number) > 0.2)
    efficiency[0] = 1.0
    orbit = np.minimum((phase * number).astype(np.int64), number - 1)
    return np.where(phase * number - orbit < rng.uniform(0.15, 0.4), efficiency[orbit], 0.0)


def dithered_edge(rng: Generator) -> F64:
    """A chip edge that the source crosses with two periods."""
    phase = _phase()
    first, second = rng.uniform(20, 60, 2)
    shift = np.sin(2 * np.pi * first * phase) + np.sin(2 * np.pi * second * phase + rng.uniform(0, 6.0))
    return np.asarray(np.clip(0.5 + 0.5 * shift + rng.uniform(-0.3, 0.8), 0.0, 1.0))


def _phase() -> F64:
    phase: F64 = (np.arange(STEPS) + 0.5) / STEPS
    return phase


SKIES: Final[dict[str, Sky]] = {
    "quiet": Sky(),
    "5 to 10 photons": Sky(counts=(5.0, 10.0)),
    "1,000 to 20,000 photons": Sky(counts=(1_000.0, 20_000.0)),
    "background 50 to 90 %": Sky(background=(0.5, 0.9)),
    "frames of 3.2 s": Sky(frame_s=3.2),
    "frames of 3.2 s, undeclared": Sky(frame_s=3.2, declares_frame=False),
    "bins of 100 s, undeclared": Sky(frame_s=100.0, declares_frame=False),
    "without good times, with gaps": Sky(exposure=moving_snapshots, knows_good_times=False),
    "100 to 300 good-time intervals": Sky(exposure=many_intervals),
    "survey passes": Sky(exposure=survey_passes),
    "moving snapshots": Sky(exposure=moving_snapshots),
    "dithered chip edge": Sky(exposure=dithered_edge),
    "survey passes, background 50 %": Sky(exposure=survey_passes, background=(0.4, 0.6)),
    **{
        f"{name}, region {region:g} ×": Sky(background=(0.2, 0.9), region=region, profile=profile)
        for name, profile in (
            ("proton flares", proton_flares),
            ("slow background", slow_background),
            ("spiky background", spiky_background),
        )
        for region in (0.02, 0.25, 1.0, 12.0)
    },
    **{
        f"{name}, region {region:g} ×, with a field": Sky(
            background=(0.2, 0.9), region=region, profile=profile, field=5_000
        )
        for name, profile in (("proton flares", proton_flares), ("spiky background", spiky_background))
        for region in (0.02, 0.25, 1.0, 12.0)
    },
    "proton flares of the source's spectrum, region 1 ×": Sky(
        background=(0.2, 0.9), region=1.0, profile=proton_flares, is_hard=False
    ),
    "proton flares, background 5 %": Sky(background=(0.02, 0.08), profile=proton_flares),
}
"""Kinds of steady sources by name; regions in units of the aperture's area."""


def draw_sky(sky: Sky, sources: int, rng: Generator, instrument: Instrument = UNKNOWN_INSTRUMENT) -> EventBatch:
    """Draw steady sources.

    Parameters
    ----------
    sky : Sky
    sources : int
    rng : Generator
    instrument : Instrument
    """
    return EventBatch.from_lists(_draw_source(sky, str(number), instrument, rng) for number in range(sources))


def _draw_source(sky: Sky, name: str, instrument: Instrument, rng: Generator) -> EventList:
    low, high = sky.counts
    counts, share = low * (high / low) ** rng.random(), rng.uniform(*sky.background)
    fraction = np.ones(STEPS) if sky.exposure is None else sky.exposure(rng)
    fraction = np.where(fraction > MIN_FRACTION, fraction, 0.0)
    profile = np.ones(STEPS) if sky.profile is None else sky.profile(rng)
    background = fraction * profile
    own = fraction if sky.source is None else fraction * sky.source(rng)
    parts = [
        _draw_photons(own, counts * (1.0 - share), False, sky.frame_s, instrument.band, rng),
        _draw_photons(background, counts * share, sky.is_hard, sky.frame_s, instrument.band, rng),
    ]
    time, energy = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    order = np.argsort(time, kind="stable")
    region = None
    if sky.region > 0:
        region_time, region_energy = _draw_photons(
            background, counts * share * sky.region, sky.is_hard, sky.frame_s, instrument.band, rng
        )
        later = np.argsort(region_time, kind="stable")
        region = Background(region_time[later], region_energy[later].astype(np.float32), 1.0 / sky.region)
    return EventList(
        time=time[order],
        energy=energy[order].astype(np.float32),
        exposure=_exposure(fraction) if sky.knows_good_times else Exposure([[time.min(), time.max()]]),
        identity=Identity(instrument.mission, instrument.name, "1", name),
        frame_time=sky.frame_s if sky.declares_frame else 0.0,
        good_times_known=sky.knows_good_times,
        band=instrument.band,
        background=region,
        field_background=_draw_field(profile, sky.field, rng) if sky.field else None,
    )


def _draw_field(profile: F64, photons: int, rng: Generator) -> FieldBackground:
    """Light curve of the field, in bins with equal numbers of its photons."""
    quiet = profile.min()
    rate = quiet + rng.uniform(0.6, 1.6) * (profile - quiet)
    time = np.sort((rng.choice(STEPS, photons, p=rate / rate.sum()) + rng.random(photons)) * (EXPOSURE_S / STEPS))
    edges = np.concatenate([[0.0], time[FIELD_BIN - 1 :: FIELD_BIN][:-1], [EXPOSURE_S]])
    return FieldBackground(edges[:-1], FIELD_BIN / np.diff(edges))


def _draw_photons(
    rate: F64, expected: float, is_hard: bool, frame_s: float, band: tuple[float, float], rng: Generator
) -> tuple[F64, F64]:
    """Times, s, and energies, keV, of a Poisson number of photons."""
    number = rng.poisson(expected)
    step = rng.choice(STEPS, number, p=rate / rate.sum())
    time = (step + rng.random(number)) * (EXPOSURE_S / STEPS)
    if frame_s > 1.0:
        time = (np.floor(time / frame_s) + 0.5) * frame_s
    if is_hard:
        return time, rng.uniform(*band, number)
    return time, np.clip(rng.lognormal(np.log(1.2), 0.5, number), *band)


def _exposure(fraction: F64) -> Exposure:
    """Exposure of a fraction in steps; equal steps are one interval."""
    begins = np.concatenate([[0], np.flatnonzero(np.diff(fraction)) + 1])
    ends = np.append(begins[1:], STEPS)
    kept = fraction[begins] > 0
    width = EXPOSURE_S / STEPS
    return Exposure(np.column_stack([begins, ends])[kept] * width, fraction[begins][kept])
