"""Observing patterns: good times, dither, snapshots, scans and soft-proton flares, as `ObservingPlan`: `observe`.

Good times begin and end at frame boundaries, so that a frame is either good or bad: intervals are made in whole frames
since the start, and converted to mission seconds at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from xherald.photons.arrays import F64, I64
from xherald.photons.errors import ConfigError

from .exposure import Boresight, ObservingPlan
from .light_curve import LightCurve
from .telescope import Telescope

__all__ = ["PATTERNS", "observe"]


START_S: Final[Mapping[str, tuple[float, float]]] = {
    "chandra": (7.9e8, 8.3e8),
    "xmm": (7.9e8, 8.3e8),
    "swift": (6.6e8, 7.3e8),
    "erosita": (6.30e8, 6.43e8),
    "ep": (1.40e8, 1.70e8),
}
"""Range of mission seconds in which exposures begin: 2023–2024 for Chandra and XMM (reference 1998.0), 2021–2024 for
Swift (2001.0), the first all-sky survey of eROSITA, December 2019 to May 2020 (2000.0), Einstein Probe since 2024
(2020.0)."""

DITHER_ARCSEC: Final = 8.0
DITHER_PERIODS_S: Final = (1000.0, 707.1)
"""Half-width and periods (yaw, pitch) of the ACIS dither: Chandra Proposers' Observatory Guide, chapter on ACIS."""

ORBIT_S: Final = 5_760.0
"""A low orbit of 96 minutes (Swift; Einstein Probe at 592 km has 96.6)."""

SNAPSHOT_S: Final = 1_000.0
SNAPSHOT_OFFSET_ARCSEC: Final = 40.0
"""Usual length of a Swift snapshot, and the rms offset of its pointing in each axis: slews settle within 3′ (Burrows et
al. 2005, Space Sci. Rev. 120, 165)."""

STRETCH_S: Final = (1_000.0, 3_000.0)
"""Shortest and longest uninterrupted interval of EP-WXT between Earth occultations."""

SAA_S: Final = (100.0, 400.0)
SAA_CHANCE: Final = 0.3
"""Interruption of an interval by the South Atlantic Anomaly: its length and probability."""

SCAN_ARCSEC_S: Final = 90.0
SCAN_EVERY_S: Final = 14_400.0
SCAN_DRIFT_ARCSEC: Final = 600.0
SCAN_RADIUS_ARCSEC: Final = 0.52 * 3600
"""The eROSITA survey: one rotation in 4 h is 90″/s; the axis drifts 1° per day or 10′ per rotation at the ecliptic,
less towards the poles (Predehl et al. 2021, A&A 647, A1); the field of view is 1.03° across."""

FLARE_FACTOR: Final = (10.0, 100.0)
FLARE_S: Final = (200.0, 3_000.0)
FLARE_EVERY_S: Final = 8_000.0
"""Soft-proton flares: peak relative to the quiescent level, length, and mean interval. Flares take up to 40 % of
XMM's time (Fioretti et al. 2024, A&A 691, A229); these are short and strong, so that they look like transients, and
take about a tenth of it."""

DROPOUT_EVERY_S: Final = 20_000.0
DROPOUT_S: Final = (3.0, 15.0)
"""Frames that a single chip loses to telemetry or flagging, of the order of those in the good times of Chandra."""


@dataclass(frozen=True, slots=True)
class _Course:
    """Good frames common to all chips, shape (m, 2), first and last excluded, and the boresight."""

    frames: I64
    boresight: Boresight


def observe(
    telescope: Telescope,
    pattern: str | None = None,
    *,
    ra: float,
    dec: float,
    duration: float,
    rng: np.random.Generator,
    start: float | None = None,
    roll: float | None = None,
) -> ObservingPlan:
    """Make an observing plan.

    Parameters
    ----------
    telescope : Telescope
    pattern : str or None
        Of `PATTERNS`; default: that of the telescope.
    ra, dec : float
        ICRS deg.
    duration : float
        Good time, s, of all snapshots together; a survey makes complete passes until it has at least as much. Single
        chips may lose some more frames.
    rng : numpy.random.Generator
    start : float or None
        Mission second of the first frame; default: random within the years of the mission.
    roll : float or None
        deg; default: random.

    Raises
    ------
    ConfigError
        Unknown pattern, a duration of less than one frame, or no start for a mission without known years.
    """
    name = telescope.pattern if pattern is None else pattern
    if name not in PATTERNS:
        raise ConfigError(f"unknown observing pattern {name!r}; choose from {', '.join(PATTERNS)}")
    if not duration >= telescope.frame_time or not math.isfinite(duration):
        raise ConfigError(f"an exposure of {duration} s is shorter than a frame of {telescope.name}")
    began = _drawn_start(telescope, rng) if start is None else float(start)
    turn = float(rng.uniform(0.0, 360.0)) if roll is None else float(roll)
    course = _COURSES[name](telescope, duration, began, math.radians(turn), rng)
    length = float(course.frames[-1, 1]) * telescope.frame_time
    return ObservingPlan(
        pattern=name,
        start=began,
        duration=length,
        ra=ra % 360.0,
        dec=dec,
        roll=turn,
        gti={
            number: np.asarray(began + rows * telescope.frame_time, dtype=np.float64)
            for number, rows in _of_chips(telescope, course, rng).items()
        },
        boresight=course.boresight,
        protons=_flares(length, rng) if name == "proton_flares" else LightCurve.constant(0.0, length),
    )


def _drawn_start(telescope: Telescope, rng: np.random.Generator) -> float:
    """A random whole second within the years of the mission."""
    if telescope.mission not in START_S:
        raise ConfigError(f"the years of mission {telescope.mission!r} are unknown; give the start in mission seconds")
    low, high = START_S[telescope.mission]
    return float(rng.integers(int(low), int(high)))


def _of_chips(telescope: Telescope, course: _Course, rng: np.random.Generator) -> dict[int, I64]:
    """Good frames of each chip: the first chip keeps all, the others lose some."""
    frame = telescope.frame_time
    good: dict[int, I64] = {}
    for place, chip in enumerate(telescope.chips):
        rows = course.frames
        if place:
            total = float(np.diff(rows, axis=1).sum()) * frame
            for _ in range(int(rng.poisson(total / DROPOUT_EVERY_S))):
                rows = _without(rows, round(float(rng.uniform(*DROPOUT_S)) / frame), rng)
            rows = _trimmed(rows, rng)
        good[chip.number] = rows
    return good


def _without(rows: I64, length: int, rng: np.random.Generator) -> I64:
    """The same frames with a gap in one of the intervals, if one is long enough."""
    room = np.diff(rows, axis=1).ravel() - 2 - max(length, 1)
    wide = np.flatnonzero(room > 0)
    if not len(wide):
        return rows
    row = int(rng.choice(wide))
    begin = int(rows[row, 0]) + 1 + int(rng.integers(room[row]))
    halves = np.array([[rows[row, 0], begin], [begin + max(length, 1), rows[row, 1]]])
    return np.vstack([rows[:row], halves, rows[row + 1 :]])


def _trimmed(rows: I64, rng: np.random.Generator) -> I64:
    """The same frames without up to two at the beginning and end, if others remain."""
    first, last = (int(number) for number in rng.integers(0, 3, 2))
    trimmed = rows.copy()
    if rows[0, 1] - rows[0, 0] > first + last and rows[-1, 1] - rows[-1, 0] > first + last:
        trimmed[0, 0] += first
        trimmed[-1, 1] -= last
    return trimmed


def _still(time: F64) -> tuple[F64, F64]:
    """A fixed boresight."""
    return np.zeros_like(time), np.zeros_like(time)


def _along(u: F64, v: F64, roll: float) -> tuple[F64, F64]:
    """West and north of an offset along the focal axes, arcsec; roll in radians."""
    return u * math.cos(roll) - v * math.sin(roll), u * math.sin(roll) + v * math.cos(roll)


def _whole(seconds: F64, frame: float) -> I64:
    """Convert intervals in seconds to the whole frames inside them; intervals without frames are dropped."""
    rows = np.column_stack([np.ceil(seconds[:, 0] / frame - 1e-9), np.floor(seconds[:, 1] / frame + 1e-9)])
    return rows[rows[:, 1] > rows[:, 0]].astype(np.int64)


def _continuous(telescope: Telescope, duration: float, start: float, roll: float, rng: np.random.Generator) -> _Course:
    """One uninterrupted interval."""
    return _Course(_whole(np.array([[0.0, duration]]), telescope.frame_time), _still)


def _dither(telescope: Telescope, duration: float, start: float, roll: float, rng: np.random.Generator) -> _Course:
    """One interval along a Lissajous figure parallel to the chips."""
    phases = rng.uniform(0.0, 2 * math.pi, 2)
    rates = 2 * math.pi / np.array(DITHER_PERIODS_S)

    def boresight(time: F64) -> tuple[F64, F64]:
        u, v = (DITHER_ARCSEC * np.sin(rates[k] * (np.asarray(time) - start) + phases[k]) for k in (0, 1))
        return _along(u, v, roll)

    return _Course(_continuous(telescope, duration, start, roll, rng).frames, boresight)


def _snapshots(telescope: Telescope, duration: float, start: float, roll: float, rng: np.random.Generator) -> _Course:
    """Intervals of about 1 ks in some of the orbits, with slightly different pointings."""
    n = max(1, round(duration / SNAPSHOT_S))
    length = rng.uniform(0.7, 1.3, n)
    length *= duration / length.sum()
    orbit = np.cumsum(np.concatenate([[0], rng.geometric(0.7, n - 1)]))
    begin = orbit * ORBIT_S + rng.uniform(0.0, 300.0, n)
    begin -= begin[0]
    frames = _whole(np.column_stack([begin, begin + length]), telescope.frame_time)
    offset = rng.normal(0.0, SNAPSHOT_OFFSET_ARCSEC, (n, 2))

    def boresight(time: F64) -> tuple[F64, F64]:
        row = np.clip(np.searchsorted(begin, np.asarray(time) - start + 1.0, side="right") - 1, 0, n - 1)
        return offset[row, 0], offset[row, 1]

    return _Course(frames, boresight)


def _occulted(telescope: Telescope, duration: float, start: float, roll: float, rng: np.random.Generator) -> _Course:
    """Intervals of 1–3 ks, one per orbit, some interrupted by the South Atlantic Anomaly."""
    rows: list[tuple[float, float]] = []
    begin, missing = 0.0, duration
    while missing >= telescope.frame_time:
        length = min(float(rng.uniform(*STRETCH_S)), missing)
        if rng.random() < SAA_CHANCE and length > STRETCH_S[0]:
            cut, pause = float(rng.uniform(0.2, 0.8)) * length, float(rng.uniform(*SAA_S))
            rows += [(begin, begin + cut), (begin + cut + pause, begin + length + pause)]
        else:
            rows.append((begin, begin + length))
        begin, missing = begin + ORBIT_S, missing - length
    return _Course(_whole(np.array(rows), telescope.frame_time), _still)


def _scans(telescope: Telescope, duration: float, start: float, roll: float, rng: np.random.Generator) -> _Course:
    """Passes every 4 h while the optical axis is within 0.52° of the centre, each displaced from the last."""
    phase = float(rng.uniform(-0.25, 0.25))
    n = max(1, math.ceil(duration * SCAN_ARCSEC_S / (2 * SCAN_RADIUS_ARCSEC)))
    while (half := _half_chords(n, phase)).sum() * 2 < duration:
        n += 1
    middle = half[0] + SCAN_EVERY_S * np.arange(n)
    across = _across(n, phase)

    def boresight(time: F64) -> tuple[F64, F64]:
        since = np.asarray(time) - start - middle[0]
        row = np.clip(np.rint(since / SCAN_EVERY_S).astype(np.int64), 0, n - 1)
        return _along(across[row], SCAN_ARCSEC_S * (since - SCAN_EVERY_S * row), roll)

    return _Course(_whole(np.column_stack([middle - half, middle + half]), telescope.frame_time), boresight)


def _across(n: int, phase: float) -> F64:
    """Distance of each pass from the centre, arcsec: 10′ apart, or less if they do not fit into the field."""
    drift = min(SCAN_DRIFT_ARCSEC, 2 * SCAN_RADIUS_ARCSEC / n)
    return (np.arange(n, dtype=np.float64) - 0.5 * (n - 1) + phase) * drift


def _half_chords(n: int, phase: float) -> F64:
    """Half the time each pass takes through the field, s."""
    half: F64 = np.sqrt(SCAN_RADIUS_ARCSEC**2 - _across(n, phase) ** 2) / SCAN_ARCSEC_S
    return half


def _flares(duration: float, rng: np.random.Generator) -> LightCurve:
    """Factor on the quiescent soft-proton level: at least one irregular flare, with a fast rise and a slower fall."""
    time = np.linspace(0.0, duration, max(2, math.ceil(duration / 5.0) + 1))
    factor = np.ones_like(time)
    for _ in range(max(1, int(rng.poisson(duration / FLARE_EVERY_S)))):
        length = math.exp(rng.uniform(*np.log(FLARE_S)))
        peak = math.exp(rng.uniform(*np.log(FLARE_FACTOR)))
        begin = float(rng.uniform(-0.3 * length, duration - 0.3 * length))
        rise = float(rng.uniform(0.1, 0.4)) * length
        shape = np.interp(time, [begin, begin + rise, begin + length], [0.0, 1.0, 0.0])
        knots = np.linspace(begin, begin + length, 12)
        factor += (peak - 1.0) * shape**1.5 * np.interp(time, knots, rng.uniform(0.6, 1.0, 12))
    return LightCurve(time, factor)


_COURSES: Final[Mapping[str, Callable[[Telescope, float, float, float, np.random.Generator], _Course]]] = {
    "continuous": _continuous,
    "dither": _dither,
    "proton_flares": _continuous,
    "snapshots": _snapshots,
    "scans": _scans,
    "occulted": _occulted,
}

PATTERNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "continuous": "One uninterrupted fixed pointing (XMM-Newton, EP-FXT, pointed eROSITA)",
        "dither": "One pointing along Chandra's Lissajous figure, 16″ peak to peak, periods 1000.0 s and 707.1 s",
        "proton_flares": "One pointing with soft-proton flares by factors of 10–100; good times are not filtered",
        "snapshots": "Snapshots of about 1 ks in 96-minute orbits, with pointings some arcsec apart (Swift)",
        "scans": "Survey passes of about 40 s every 4 h, the axis moves at 90″/s (eROSITA)",
        "occulted": "Intervals of 1–3 ks between Earth occultations, some cut by the South Atlantic Anomaly (EP-WXT)",
    }
)
"""Descriptions of observing patterns by name."""
