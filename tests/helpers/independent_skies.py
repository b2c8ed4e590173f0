"""Event lists of moving telescopes from first principles, with numpy alone.

They share no code or table with `xherald.simulation` or `xherald.photons`: attitudes, vignetting, mounts, detector
edges and point spreads are written out here as formulas. Angles are arcsec in a tangent plane, along the axes of sky
pixels, times s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

__all__ = [
    "Course",
    "Mount",
    "Sky",
    "Telescope",
    "drifting",
    "erosita",
    "fixed",
    "observe_sky",
    "scattered",
    "snapshots",
    "survey",
    "swift",
    "xmm_like",
]

F = np.ndarray


@dataclass(frozen=True)
class Mount:
    """A detector unit: side in pixels, arcsec per pixel, rotation in deg, and the pixel of the optical axis."""

    number: int
    side: int
    scale: float
    turn: float
    axis: tuple[float, float]
    first: int
    mirrored: bool = False
    dead_columns: tuple[int, ...] = ()
    dead_rows: tuple[int, ...] = ()

    def pixel(self, u: F, v: F) -> tuple[F, F]:
        """Continuous pixel of a focal-plane position, arcsec from the axis."""
        c, s = np.cos(np.radians(self.turn)), np.sin(np.radians(self.turn))
        a, b = (u * c + v * s) / self.scale, (-u * s + v * c) / self.scale
        return self.axis[0] + (-a if self.mirrored else a), self.axis[1] + b

    def focal(self, px: F, py: F) -> tuple[F, F]:
        """Focal-plane position of a continuous pixel; the inverse of `pixel`."""
        c, s = np.cos(np.radians(self.turn)), np.sin(np.radians(self.turn))
        a, b = (px - self.axis[0]) * self.scale, (py - self.axis[1]) * self.scale
        a = -a if self.mirrored else a
        return a * c - b * s, a * s + b * c

    def is_live(self, px: F, py: F) -> F:
        """Whether a continuous pixel is sensitive."""
        i, j = np.floor(px + 0.5), np.floor(py + 0.5)
        inside = (i >= self.first) & (i < self.first + self.side) & (j >= self.first) & (j < self.first + self.side)
        return inside & ~np.isin(i, self.dead_columns) & ~np.isin(j, self.dead_rows)


@dataclass(frozen=True)
class Telescope:
    """Mounts, vignetting (a function of arcmin), field radius (arcsec) and King profile (core in arcsec, exponent)."""

    mounts: tuple[Mount, ...]
    vignetting: Callable[[F], F]
    field_radius: float
    core: float
    exponent: float
    particles: float
    """Background events per s and unit."""

    def spread(self, rng: np.random.Generator, n: int) -> tuple[F, F]:
        """Offsets of photons from their source."""
        r = self.core * np.sqrt((1 - rng.random(n)) ** (-1 / self.exponent) - 1)
        angle = rng.uniform(0, 2 * np.pi, n)
        return r * np.cos(angle), r * np.sin(angle)


@dataclass(frozen=True)
class Course:
    """Good times, and the pointing (x, y) and roll (rad) at any time; live fraction of a unit at a time."""

    gti: F
    aim: Callable[[F], tuple[F, F, F]]
    live: Callable[[F], F] = field(default=lambda t: np.ones_like(t))


@dataclass(frozen=True)
class Sky:
    """Events: time, sky x and y (arcsec), pixel, unit; sources at x, y."""

    time: F
    x: F
    y: F
    px: F
    py: F
    unit: F
    gti: F
    sources: F
    telescope: Telescope
    course: Course


def observe_sky(
    telescope: Telescope,
    course: Course,
    sources: F,
    rates: F,
    rng: np.random.Generator,
    shape: Callable[[int, F], F] | None = None,
) -> Sky:
    """Events of steady sources (x, y in arcsec; counts per s on axis and unit) and of particles.

    `shape` multiplies the rate of source k at times t by a factor of at most 1; to make a flare, raise its rate.
    """
    length = np.diff(course.gti, axis=1).ravel()
    ends = np.cumsum(length)

    def times(n: int) -> F:
        u = np.sort(rng.uniform(0, ends[-1], n))
        row = np.searchsorted(ends, u, side="right")
        return course.gti[row, 0] + u - (ends[row] - length[row])

    rows = []
    for mount in telescope.mounts:
        for k, ((sx, sy), rate) in enumerate(zip(sources, rates, strict=True)):
            t = times(rng.poisson(rate * ends[-1]))
            if shape is not None:
                t = t[rng.random(len(t)) < shape(k, t)]
            ax, ay, roll = course.aim(t)
            u, v = _unrotate(sx - ax, sy - ay, roll)
            angle = np.hypot(u, v)
            chance = telescope.vignetting(angle / 60) * (angle < telescope.field_radius) * course.live(t)
            keep = rng.random(len(t)) < chance
            t, u, v, ax, ay, roll = (a[keep] for a in (t, u, v, ax, ay, roll))
            dx, dy = telescope.spread(rng, len(t))
            rows.append(_recorded(mount, t, u + dx, v + dy, ax, ay, roll))
        t = times(rng.poisson(telescope.particles * ends[-1]))
        t = t[rng.random(len(t)) < course.live(t)]
        px, py = rng.uniform(mount.first - 0.5, mount.first + mount.side - 0.5, (2, len(t)))
        rows.append(_recorded(mount, t, *mount.focal(px, py), *course.aim(t)))
    columns = [np.concatenate(parts) for parts in zip(*rows, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return Sky(*(column[order] for column in columns), course.gti, sources, telescope, course)


def _unrotate(x: F, y: F, roll: F) -> tuple[F, F]:
    return x * np.cos(roll) + y * np.sin(roll), -x * np.sin(roll) + y * np.cos(roll)


def _recorded(mount: Mount, t: F, u: F, v: F, ax: F, ay: F, roll: F) -> tuple[F, ...]:
    px, py = mount.pixel(u, v)
    on = mount.is_live(px, py)
    t, u, v, ax, ay, roll, px, py = (a[on] for a in (t, u, v, ax, ay, roll, px, py))
    x, y = ax + u * np.cos(roll) - v * np.sin(roll), ay + u * np.sin(roll) + v * np.cos(roll)
    return t, x, y, np.floor(px + 0.5), np.floor(py + 0.5), np.full(len(t), mount.number)


def erosita(rng: np.random.Generator, particles: float = 0.25) -> Telescope:
    """Seven cameras of 384 pixels, each turned and mounted a little differently, half of them mirrored."""
    mounts = tuple(
        Mount(n, 384, 9.6, float(rng.uniform(0, 360)), tuple(rng.normal(192.5, 1.5, 2)), 1, mirrored=bool(n % 2))
        for n in range(1, 8)
    )
    return Telescope(mounts, lambda a: np.exp(-((a / 33.0) ** 1.3)), 30.9 * 60, 10.6, 0.63, particles)


def swift(rng: np.random.Generator, dead_columns: tuple[int, ...] = (), particles: float = 0.15) -> Telescope:
    """One CCD of 600 pixels."""
    mount = Mount(0, 596, 2.357, float(rng.uniform(0, 360)), (299.0, 299.0), 2, True, dead_columns)
    return Telescope((mount,), lambda a: 1 / (1 + (a / 15.5) ** 2), 1e9, 5.8, 0.55, particles)


def xmm_like(rng: np.random.Generator, dead_columns: tuple[int, ...] = (), particles: float = 0.3) -> Telescope:
    """One CCD of 600 pixels of 1.1″ under a wide point spread."""
    mount = Mount(1, 600, 1.1, float(rng.uniform(0, 360)), (300.0, 300.0), 1, False, dead_columns)
    return Telescope((mount,), lambda a: 1 / (1 + (a / 12.5) ** 2), 1e9, 5.5, 0.6, particles)


def survey(rng: np.random.Generator, passes: int = 12, roll_rate: float = 0.17, reach: float = 3600.0) -> Course:
    """Scans at 90″/s every 4 h that cover a square of ±`reach` arcsec, each beside the last and turned a little."""
    direction, speed, every = float(rng.uniform(0, 2 * np.pi)), 90.0, 14_400.0
    step = 2 * (reach + 1000.0) / passes
    beside = (np.arange(passes) - 0.5 * (passes - 1)) * step + rng.uniform(-60, 60, passes)
    turn = direction + np.radians(roll_rate) * (np.arange(passes) - 0.5 * passes)
    half = (reach + 1500.0) / speed
    middle = 5e8 + half + every * np.arange(passes)

    def aim(t: F) -> tuple[F, F, F]:
        k = np.clip(np.rint((t - middle[0]) / every).astype(int), 0, passes - 1)
        along = speed * (t - middle[k])
        x = along * np.cos(turn[k]) - beside[k] * np.sin(turn[k])
        y = along * np.sin(turn[k]) + beside[k] * np.cos(turn[k])
        return x, y, turn[k]

    return Course(np.column_stack([middle - half, middle + half]), aim)


def snapshots(
    rng: np.random.Generator, n: int = 5, offset: float = 190.0, turn_deg: float = 4.0, live: bool = False
) -> Course:
    """Snapshots in 96-minute orbits, each with its own pointing (up to `offset` arcsec in x and y) and roll.

    With `live`, each has a live fraction of 0.7 to 1 of its own.
    """
    start = 5e8 + 5760.0 * np.cumsum(rng.integers(1, 4, n))
    length = rng.uniform(450.0, 1500.0, n)
    shift = rng.uniform(-offset, offset, (n, 2))
    roll = float(rng.uniform(0, 2 * np.pi)) + np.radians(rng.normal(0, turn_deg, n))
    share = rng.uniform(0.6, 1.0, n) if live else np.ones(n)

    def row(t: F) -> F:
        return np.clip(np.searchsorted(start, t, side="right") - 1, 0, n - 1)

    def aim(t: F) -> tuple[F, F, F]:
        return shift[row(t), 0], shift[row(t), 1], roll[row(t)]

    return Course(np.column_stack([start, start + length]), aim, lambda t: share[row(t)])


def fixed(rng: np.random.Generator, length: float = 8_000.0) -> Course:
    """One pointing that does not move, with a gap."""
    roll, start = float(rng.uniform(0, 2 * np.pi)), 5e8
    gti = np.array([[start, start + 0.4 * length], [start + 0.5 * length, start + 1.1 * length]])
    return Course(gti, lambda t: (np.zeros_like(t), np.zeros_like(t), np.full_like(t, roll)))


def drifting(rng: np.random.Generator, length: float = 20_000.0, way: float = 240.0) -> Course:
    """One pointing that drifts by `way` arcsec."""
    course, angle = fixed(rng, length), float(rng.uniform(0, 2 * np.pi))
    start, stop = course.gti[0, 0], course.gti[-1, 1]

    def aim(t: F) -> tuple[F, F, F]:
        along = way * ((t - start) / (stop - start) - 0.5)
        return along * np.cos(angle), along * np.sin(angle), course.aim(t)[2]

    return Course(course.gti, aim)


def scattered(rng: np.random.Generator, n: int, reach: float, apart: float) -> F:
    """Up to `n` positions in a square of ±`reach` arcsec, at least `apart` from each other, shape (n, 2)."""
    found: list[F] = []
    for _ in range(30 * n):
        place = rng.uniform(-reach, reach, 2)
        if all(np.hypot(*(place - other)) >= apart for other in found):
            found.append(place)
        if len(found) == n:
            break
    return np.array(found)
