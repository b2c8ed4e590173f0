"""Simulated observations without files: uniform background, point sources with King profiles, bursts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from xherald.photons import DetectorUnit, FieldEvents, Observation, PointSpread, Screening, SkyProjection, TimeReference
from xherald.photons.arrays import F64

__all__ = ["CHANDRA", "XMM", "Layout", "PointSource", "arcsec_from_middle", "simulated_field"]

RA, DEC, MIDDLE = 50.0, 20.0, 4096.5


@dataclass(frozen=True)
class Layout:
    """A square field around the optical axis, with one detector.

    Parameters
    ----------
    side : float — arcsec
    pixel : float — arcsec
    frame_time : float — s
    r50, r90 : tuple of float — arcsec, at 0, 5 and 10 arcmin
    whole_pixels : bool
        Whether positions are rounded to pixels.
    """

    side: float
    pixel: float
    frame_time: float
    r50: tuple[float, float, float]
    r90: tuple[float, float, float]
    whole_pixels: bool

    @property
    def point_spread(self) -> PointSpread:
        """Point spread of this instrument."""
        return PointSpread("simulated", (0.0, 5.0, 10.0), (1.5,), (self.r50,), (self.r90,), astrometry_arcsec=1e-3)


CHANDRA = Layout(500.0, 0.492, 3.14, (0.45, 1.6, 5.0), (1.0, 3.5, 11.0), whole_pixels=False)
XMM = Layout(1700.0, 0.05, 2.6, (7.5, 8.0, 9.0), (25.0, 27.0, 32.0), whole_pixels=True)


@dataclass(frozen=True)
class PointSource:
    """Photons of one source, at an offset along pixel x and y in arcsec, between two times."""

    x: float
    y: float
    counts: int
    start: float = 0.0
    stop: float | None = None
    spread: bool = True


@dataclass
class _Photons:
    x: list[F64] = field(default_factory=list)
    y: list[F64] = field(default_factory=list)
    time: list[F64] = field(default_factory=list)


def _king(rng: np.random.Generator, psf: PointSpread, off_axis_arcmin: float, n: int) -> tuple[F64, F64]:
    grid = np.linspace(0.0005, 0.9995, 400)
    table = [psf.radius(float(part), off_axis_arcmin) for part in grid]
    radius, turn = np.interp(rng.random(n), grid, table), rng.uniform(0, 2 * np.pi, n)
    return radius * np.cos(turn), radius * np.sin(turn)


def simulated_field(
    seed: int,
    background: float,
    sources: Sequence[PointSource] = (),
    *,
    layout: Layout = CHANDRA,
    gti: Sequence[tuple[float, float]] = ((0.0, 20_000.0),),
    profile: Sequence[tuple[float, float, float]] = (),
) -> Observation:
    """An observation with an expected number of background photons, uniform in good time.

    Parameters
    ----------
    profile : sequence of (start, stop, photons)
        Additional background in these intervals.
    """
    rng = np.random.default_rng(seed)
    intervals = np.array(gti)
    photons = _Photons()
    widths = np.diff(intervals, axis=1).ravel()
    for (start, stop), width in zip(intervals, widths, strict=True):
        _flat(rng, photons, rng.poisson(background * width / widths.sum()), start, stop, layout)
    for start, stop, more in profile:
        _flat(rng, photons, rng.poisson(more), start, stop, layout)
    for one in sources:
        dx, dy = _king(rng, layout.point_spread, np.hypot(one.x, one.y) / 60, one.counts)
        photons.x.append(one.x + dx * one.spread)
        photons.y.append(one.y + dy * one.spread)
        photons.time.append(rng.uniform(one.start, intervals[-1, 1] if one.stop is None else one.stop, one.counts))
    return _observation(photons, intervals, layout)


def _flat(rng: np.random.Generator, photons: _Photons, n: int, start: float, stop: float, layout: Layout) -> None:
    photons.x.append(rng.uniform(-layout.side / 2, layout.side / 2, n))
    photons.y.append(rng.uniform(-layout.side / 2, layout.side / 2, n))
    photons.time.append(rng.uniform(start, stop, n))


def _observation(photons: _Photons, gti: F64, layout: Layout) -> Observation:
    x, y, time = (np.concatenate(column) for column in (photons.x, photons.y, photons.time))
    time = (np.floor(time / layout.frame_time) + 0.5) * layout.frame_time
    good = (np.searchsorted(gti.ravel(), time) % 2 == 1) & (np.maximum(abs(x), abs(y)) < layout.side / 2)
    order = np.flatnonzero(good)[np.argsort(time[good], kind="stable")]
    px, py = MIDDLE + x[order] / layout.pixel, MIDDLE + y[order] / layout.pixel
    if layout.whole_pixels:
        px, py = np.round(px), np.round(py)
    n = len(order)
    events = FieldEvents(
        time=time[order],
        x=px.astype(np.float32),
        y=py.astype(np.float32),
        energy=np.full(n, 1.5, dtype=np.float32),
        detector=np.zeros(n, dtype=np.int16),
        row=np.arange(n, dtype=np.int32),
        screening=Screening(n, n, {}),
    )
    step = layout.pixel / 3600
    return Observation(
        path=Path("simulated"),
        mission="SIM",
        instrument="CCD",
        mode="",
        obs_id="1",
        object_name="",
        time_reference=TimeReference(50814.0),
        span=(float(gti[0, 0]), float(gti[-1, 1])),
        frame_time=layout.frame_time,
        band=(0.5, 7.0),
        hardness_split=2.0,
        detectors=(DetectorUnit(0, "CCD 0", gti),),
        exposure=None,
        pointing=(RA, DEC),
        projection=SkyProjection("TAN", RA, DEC, MIDDLE, MIDDLE, -step, step),
        point_spread=layout.point_spread,
        load_events=lambda: events,
    )


def arcsec_from_middle(observation: Observation, ra: Sequence[float], dec: Sequence[float]) -> tuple[F64, F64]:
    """Offsets of sky positions, as x and y of `PointSource`."""
    projection = observation.require_projection()
    x, y = projection.to_pixel(ra, dec)
    return (x - MIDDLE) * projection.pixel_arcsec, (y - MIDDLE) * projection.pixel_arcsec


def on_two_detectors(observation: Observation, second_gti: F64) -> Observation:
    """The same photons, with those of one half on a detector 1 with its own good times."""
    events = observation.events
    number = (events.x > MIDDLE).astype(np.int16)
    good = (number == 0) | (np.searchsorted(second_gti.ravel(), events.time) % 2 == 1)
    parts = {name: getattr(events, name)[good] for name in ("time", "x", "y", "energy", "row")}
    split = FieldEvents(**parts, detector=number[good], screening=events.screening)
    detectors = (observation.detectors[0], DetectorUnit(1, "CCD 1", second_gti, live_fraction=0.9))
    return replace(observation, detectors=detectors, load_events=lambda: split)
