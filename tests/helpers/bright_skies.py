"""Fields with bright stars, drawn with numpy alone: streaks, wings, pile-up, arms, dispersed spectra, bursts.

They share no code and no table with the simulator: profiles are written out here, and instruments are caricatures.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from xherald.photons import DetectorUnit, FieldEvents, Observation, PixelLayout, PointSpread, Screening, SkyProjection
from xherald.photons.times import TimeReference

__all__ = ["LOBSTER", "MIRROR", "NARROW", "BrightSky", "Telescope"]

MIDDLE, RA, DEC = 2000.5, 210.0, -35.0


@dataclass(frozen=True)
class Telescope:
    """A square field, arcsec, with the same point spread everywhere: a King profile of core radius and slope."""

    side: float
    pixel: float
    core: float
    slope: float
    frame: float
    exposure: float = 20_000.0

    def enclosing(self, part: float) -> float:
        """Radius that encloses a part of the photons."""
        return self.core * float(np.sqrt((1 - part) ** (-1 / self.slope) - 1))

    @property
    def point_spread(self) -> PointSpread:
        """Table of this profile."""
        r50, r90 = ((self.enclosing(part),) for part in (0.5, 0.9))
        return PointSpread("drawn", (0.0,), (1.5,), (r50,), (r90,), astrometry_arcsec=1e-3)


NARROW = Telescope(side=480.0, pixel=0.5, core=0.9, slope=1.6, frame=3.2)
MIRROR = Telescope(side=1500.0, pixel=4.0, core=9.0, slope=0.9, frame=0.05)
LOBSTER = Telescope(side=16_000.0, pixel=8.0, core=200.0, slope=0.9, frame=0.05, exposure=3_000.0)


@dataclass
class BrightSky:
    """Photons of a field, in arcsec from its middle; the detector is turned by `roll`, deg."""

    telescope: Telescope
    seed: int
    roll: float = 0.0
    place: list[np.ndarray] = field(default_factory=list)
    time: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    def when(self, n: int, span: tuple[float, float] | None = None) -> np.ndarray:
        return self.random.uniform(*(span or (0.0, self.telescope.exposure)), n)

    def put(self, x: np.ndarray, y: np.ndarray, time: np.ndarray) -> None:
        self.place.append(np.column_stack([x, y]))
        self.time.append(time)

    def flat(self, n: int, span: tuple[float, float] | None = None) -> BrightSky:
        """Background, n photons expected."""
        n, half = self.random.poisson(n), self.telescope.side / 2
        self.put(*self.random.uniform(-half, half, (2, n)), self.when(n, span))
        return self

    def star(
        self,
        x: float,
        y: float,
        n: int,
        span: tuple[float, float] | None = None,
        *,
        hole: float = 0.0,
        lopsided: float = 0,
    ) -> BrightSky:
        """A star of n photons; without those within a radius (pile-up), or with wings that differ with direction."""
        one = self.telescope
        radius = one.core * np.sqrt((1 - self.random.random(n)) ** (-1 / one.slope) - 1)
        turn = self.random.uniform(0, 2 * np.pi, n)
        radius *= np.where(radius > one.core, 1 + lopsided * np.cos(2 * turn), 1.0)
        keep = radius >= hole
        dx, dy, time = radius * np.cos(turn), radius * np.sin(turn), self.when(n, span)
        self.put(x + dx[keep], y + dy[keep], time[keep])
        return self

    def along(self, angle: float) -> np.ndarray:
        turn = np.radians(angle + self.roll)
        return np.array([np.cos(turn), np.sin(turn)])

    def line(
        self, x: float, y: float, angle: float, far: np.ndarray, width: float, span: tuple[float, float] | None = None
    ) -> BrightSky:
        """Photons at distances along a direction, scattered across it."""
        u = self.along(angle)
        across = self.random.normal(0, width, len(far))
        place = np.array([x, y]) + far[:, None] * u + across[:, None] * np.array([-u[1], u[0]])
        self.put(*place.T, self.when(len(far), span))
        return self

    def streak(self, x: float, y: float, n: int, span: tuple[float, float] | None = None) -> BrightSky:
        """Out-of-time photons along the whole column."""
        return self.line(x, y, 90.0, self.random.uniform(-1, 1, n) * self.telescope.side, self.telescope.core, span)

    def cross(self, x: float, y: float, n: int, reach: float, span: tuple[float, float] | None = None) -> BrightSky:
        """Arms of a lobster eye, n photons in all."""
        for angle in (0.0, 90.0, 180.0, 270.0):
            self.line(x, y, angle, self.random.exponential(reach, n // 4), 0.6 * self.telescope.core, span)
        return self

    def spectra(self, x: float, y: float, n: int, span: tuple[float, float] | None = None) -> BrightSky:
        """Two gratings, dispersed both ways, with lines in them."""
        for angle in (-5.0, 5.0):
            for way in (0.0, 180.0):
                far = self.random.uniform(40.0, 220.0, n // 4)
                lines = self.random.choice([71.0, 103.0, 156.0], n // 4) + self.random.normal(0, 0.5, n // 4)
                self.line(x, y, angle + way, np.where(self.random.random(n // 4) < 0.3, lines, far), 0.6, span)
        return self

    def observation(self, pixels: PixelLayout | None = None, grating: str = "") -> Observation:
        """All photons within the field."""
        one = self.telescope
        place, time = np.concatenate(self.place), np.concatenate(self.time)
        time = (np.floor(time / one.frame) + 0.5) * one.frame
        inside = (np.abs(place) <= one.side / 2).all(axis=1) & (time > 0) & (time < one.exposure)
        order = np.flatnonzero(inside)[np.argsort(time[inside], kind="stable")]
        place, time, n = place[order], time[order], len(order)
        # Random places within a pixel hide the pixels, as in event files of most missions.
        detector = (
            np.floor(place @ np.column_stack([self.along(0.0), self.along(90.0)]) / one.pixel).astype(np.int32) + 4000
        )
        events = FieldEvents(
            time=time,
            x=(MIDDLE + place[:, 0] / one.pixel).astype(np.float32),
            y=(MIDDLE + place[:, 1] / one.pixel).astype(np.float32),
            energy=np.full(n, 1.5, dtype=np.float32),
            detector=np.zeros(n, dtype=np.int16),
            row=np.arange(n, dtype=np.int32),
            screening=Screening(n, n, {}),
        )
        step = one.pixel / 3600
        return Observation(
            path=Path("drawn"), mission="DRAWN", instrument="CCD", mode="", obs_id="1", object_name="",
            time_reference=TimeReference(50814.0, 0.0, "tt"), span=(0.0, one.exposure), frame_time=one.frame,
            band=(0.5, 7.0), hardness_split=2.0,
            detectors=(DetectorUnit(0, "CCD 0", np.array([[0.0, one.exposure]])),),
            exposure=None, pointing=(RA, DEC),
            projection=SkyProjection("TAN", RA, DEC, MIDDLE, MIDDLE, -step, step),
            point_spread=one.point_spread,
            load_events=lambda: events,
            load_columns=lambda *names: tuple(detector[:, ("px", "py").index(name)] for name in names),
            pixels=replace(pixels, columns=("px", "py")) if pixels else None,
            detector_pixel_arcsec=one.pixel,
            grating=grating,
        )  # fmt: skip

    def away(self, ra: float, dec: float, x: float, y: float) -> float:
        """Arcsec between a position and a place in the field."""
        at = self.observation().require_projection().to_pixel(ra, dec)
        return float(np.hypot((at[0] - MIDDLE) * self.telescope.pixel - x, (at[1] - MIDDLE) * self.telescope.pixel - y))
