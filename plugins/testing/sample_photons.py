"""Photons that plugins are tested with: seeded samples of sources, and a field with pixels.

They cover steady sources, gaps, simultaneous photons, backgrounds, and sources of few or no photons.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons import (
    Aperture,
    Background,
    DetectorUnit,
    EventBatch,
    EventList,
    Exposure,
    FieldEvents,
    Identity,
    Observation,
    PixelLayout,
    PointSpread,
    Screening,
    SkyProjection,
    TimeReference,
)
from xherald.photons.arrays import F64
from xherald.photons.errors import ReferenceDataError
from xherald.plugins.contract import Features, FittedExtractor, Sample
from xherald.plugins.scoring import DetectionBatch

if TYPE_CHECKING:
    from xherald.plugins.reference import Reference

__all__ = [
    "field_detections",
    "sample_batch",
    "sample_lists",
    "sample_population",
    "sample_reference",
    "table_detections",
]


BAND: Final = (0.5, 7.0)
FRAME_S: Final = 3.2
START_S: Final = 7.0e8
WITH_GAPS: Final = np.array([[0.0, 4_000.0], [6_000.0, 9_000.0], [9_500.0, 12_000.0]])
WITHOUT_GAPS: Final = np.array([[0.0, 10_000.0]])
CLOCK: Final = TimeReference(50814.0)
PIXEL_ARCSEC: Final = 0.5
MIDDLE: Final = 4096.5
CENTRE: Final = (150.0, 2.0)


def _photons(rng: np.random.Generator, exposure: Exposure, n: int, frame_s: float) -> F64:
    """Arrival times uniform in good time, at the centres of frames."""
    time = np.sort(exposure.time_at(rng.uniform(0.0, exposure.livetime, n)))
    if frame_s:
        row = np.searchsorted(exposure.gti[:, 0], time, side="right") - 1
        start, stop = exposure.gti[row].T
        time = np.sort(np.minimum(start + (np.floor((time - start) / frame_s) + 0.5) * frame_s, stop))
    return time


def _source(
    rng: np.random.Generator,
    name: str,
    n: int,
    gti: F64,
    *,
    fraction: F64 | None = None,
    frame_s: float = FRAME_S,
    burst: tuple[float, float, int] | None = None,
    background: int = 0,
) -> EventList:
    exposure = Exposure(gti + START_S, fraction)
    time = _photons(rng, exposure, n, frame_s)
    if burst is not None:
        start, stop, more = burst
        time = np.sort(np.concatenate([time, START_S + rng.uniform(start, stop, more)]))
    around = None
    if background:
        away = _photons(rng, exposure, background, frame_s)
        around = Background(away, rng.uniform(*BAND, background).astype(np.float32), 0.05)
    return EventList(
        time=time,
        energy=np.exp(rng.uniform(np.log(BAND[0] * 1.001), np.log(BAND[1] * 0.999), len(time))).astype(np.float32),
        exposure=exposure,
        identity=Identity("KIT", "CCD", "1", name, *CENTRE, 1.0, 2.0, CLOCK, "kit"),
        frame_time=frame_s,
        band=BAND,
        live_fraction=0.98,
        background=around,
    )


@lru_cache(maxsize=4)
def sample_lists(seed: int = 11) -> tuple[EventList, ...]:
    """Sources with none, one, two, few and many photons, gaps, simultaneous photons, a burst, backgrounds."""
    rng = np.random.default_rng(seed)
    part = np.array([1.0, 0.6, 1.0])
    return (
        _source(rng, "none", 0, WITHOUT_GAPS),
        _source(rng, "one", 1, WITHOUT_GAPS),
        _source(rng, "two", 2, WITH_GAPS),
        _source(rng, "one-instant", 3, WITHOUT_GAPS[:, :1] + [[0.0, FRAME_S]]),
        _source(rng, "few", 9, WITH_GAPS, background=40),
        _source(rng, "steady", 120, WITHOUT_GAPS),
        _source(rng, "gaps", 150, WITH_GAPS, background=200),
        _source(rng, "part", 90, WITH_GAPS, fraction=part),
        _source(rng, "burst", 60, WITH_GAPS, burst=(6_500.0, 6_700.0, 40), background=100),
        _source(rng, "continuous", 200, WITHOUT_GAPS, frame_s=0.0),
        _source(rng, "many", 4_000, WITH_GAPS),
    )


def sample_batch(seed: int = 11) -> EventBatch:
    """`sample_lists` as one batch."""
    return EventBatch.from_lists(sample_lists(seed))


@lru_cache(maxsize=4)
def sample_population(n: int = 150, seed: int = 5) -> EventBatch:
    """Steady and bursting sources of 5 to 500 photons, to fit extractors to."""
    rng = np.random.default_rng(seed)
    return EventBatch.from_lists(
        _source(
            rng,
            str(number),
            int(np.exp(rng.uniform(np.log(5), np.log(500)))),
            (WITH_GAPS, WITHOUT_GAPS)[number % 2],
            burst=(2_000.0, 2_000.0 + rng.uniform(50, 900), int(rng.integers(5, 60))) if number % 5 == 0 else None,
        )
        for number in range(n)
    )


def _assess_sources(
    batch: EventBatch, observation: Observation | None, apertures: tuple[Aperture, ...], rows: object
) -> DetectionBatch:
    """Apply the timing tests; the direction is that of the most significant test for flares or dips."""
    from xherald.photons.statistics import STEADY, Intervals, TimingSettings, assess

    timing = assess(batch, TimingSettings(threads=1))
    p = np.column_stack([np.where(np.isnan(test.p), 2.0, test.p) for test in timing.tests])
    looks = np.array([test.target_kind for test in timing.tests])
    p[:, looks == STEADY] = 3.0
    best = np.argmin(p, axis=1)
    each = np.arange(len(p))
    tested = p[each, best] <= 1.0

    def of_best(name: str) -> F64:
        values = np.column_stack([getattr(test.intervals, name) for test in timing.tests])
        return np.where(tested, values[each, best], np.nan)

    return DetectionBatch(
        batch=batch,
        timing=timing,
        direction=np.where(tested, looks[best], STEADY).astype(np.int8),
        intervals=Intervals(**{name: of_best(name) for name in Intervals.__slots__}),
        observation=observation,
        apertures=apertures,
        rows=rows,  # type: ignore[arg-type]
    )


def table_detections(batch: EventBatch) -> DetectionBatch:
    """Sources of a table of photons, without positions on the detector and without a reference."""
    return _assess_sources(batch, None, (), None)


@lru_cache(maxsize=1)
def field_observation(seed: int = 3) -> Observation:
    """A field with background and three sources, one with a burst, on two detectors with different good times."""
    rng = np.random.default_rng(seed)
    gti = (np.array([[0.0, 9_000.0], [9_500.0, 12_000.0]]) + START_S, np.array([[500.0, 12_000.0]]) + START_S)
    places = [(60.0, 40.0, 250, (0.0, 12_000.0)), (-70.0, 10.0, 80, (0.0, 12_000.0)), (-60.0, -80.0, 60, (4e3, 4.2e3))]
    x = [rng.uniform(-150, 150, 3_000), *(one[0] + rng.normal(0, 0.7, one[2]) for one in places)]
    y = [rng.uniform(-150, 150, 3_000), *(one[1] + rng.normal(0, 0.7, one[2]) for one in places)]
    when = [rng.uniform(0, 12_000, 3_000), *(rng.uniform(*one[3], one[2]) for one in places)]
    west, north, time = np.concatenate(x), np.concatenate(y), START_S + np.concatenate(when)
    time = START_S + (np.floor((time - START_S) / FRAME_S) + 0.5) * FRAME_S
    detector = (west > 0).astype(np.int16)
    good = np.zeros(len(time), dtype=np.bool_)
    for number, intervals in enumerate(gti):
        good |= (detector == number) & (np.searchsorted(intervals.ravel(), time) % 2 == 1)
    order = np.flatnonzero(good)[np.argsort(time[good], kind="stable")]
    n = len(order)
    pixels = np.column_stack([np.rint(west[order] / PIXEL_ARCSEC), np.rint(north[order] / PIXEL_ARCSEC)]).astype(
        np.int32
    )
    events = FieldEvents(
        time=time[order],
        x=(MIDDLE + west[order] / PIXEL_ARCSEC).astype(np.float32),
        y=(MIDDLE + north[order] / PIXEL_ARCSEC).astype(np.float32),
        energy=rng.uniform(*BAND, n).astype(np.float32),
        detector=detector[order],
        row=np.arange(n, dtype=np.int32),
        screening=Screening(n, n, {}),
    )
    step = PIXEL_ARCSEC / 3600.0
    return Observation(
        path=Path("kit"),
        mission="KIT",
        instrument="CCD",
        mode="",
        obs_id="1",
        object_name="",
        time_reference=CLOCK,
        span=(START_S, START_S + 12_000.0),
        frame_time=FRAME_S,
        band=BAND,
        hardness_split=2.0,
        detectors=(DetectorUnit(0, "CCD 0", gti[0]), DetectorUnit(1, "CCD 1", gti[1], 0.95)),
        exposure=None,
        pointing=CENTRE,
        projection=SkyProjection("TAN", *CENTRE, MIDDLE, MIDDLE, step, step),
        point_spread=PointSpread("kit", (0.0,), (1.5,), ((0.8,),), ((1.6,),), astrometry_arcsec=1.0),
        load_events=lambda: events,
        load_columns=lambda *names: tuple(pixels[:, ("px", "py").index(name)] for name in names),
        detector_pixel_arcsec=PIXEL_ARCSEC,
        pixels=PixelLayout(("px", "py"), out_of_time=0.01, arms=0.1),
    )


def field_detections() -> DetectionBatch:
    """Sources of `field_observation`, with apertures and rows."""
    from xherald.photons.apertures import aperture_at
    from xherald.photons.extraction import extract_with_rows

    observation = field_observation()
    projection = observation.require_projection()
    apertures = []
    for number, (west, north) in enumerate(((60.0, 40.0), (-70.0, 10.0), (-60.0, -80.0), (100.0, -100.0))):
        ra, dec = projection.to_sky(MIDDLE + west / PIXEL_ARCSEC, MIDDLE + north / PIXEL_ARCSEC)
        apertures.append(aperture_at(observation, float(ra), float(dec), str(number), "kit"))
    batch, rows = extract_with_rows(observation, apertures)
    return _assess_sources(batch, observation, tuple(apertures), rows)


def sample_reference(width: int = 4, case: str = "variability", n: int = 120) -> Reference:
    """A reference of random features with flares, dips and ordinary sources, with one case."""
    import pyarrow as pa

    from xherald.plugins.reference import Reference, ReferenceCase
    from xherald.plugins.reference_members import ReferenceMembers

    rng = np.random.default_rng(9)
    features = rng.normal(size=(n, width)).astype(np.float32)
    listed = np.where(np.arange(n) % 6 == 0, "flare", np.where(np.arange(n) % 6 == 1, "dip", ""))
    sources = pa.table(
        {
            "obsreg_id": [f"1_{row}" for row in range(n)],
            "mission": ["KIT"] * n,
            "instrument": ["CCD"] * n,
            "counts": rng.integers(5, 500, n),
            "livetime_s": rng.uniform(1e3, 1e5, n),
            "hardness": rng.uniform(-1, 1, n),
            "variability_index": rng.integers(0, 11, n),
            "bona_fide": listed.tolist(),
            "class": np.where(listed == "flare", "stellar_flare", np.where(listed == "dip", "eclipse", "")).tolist(),
        }
    )
    member_case = ReferenceCase(
        name=case,
        settings={},
        extractor=_NoExtractor(width),
        features=features,
        embedding=rng.normal(size=(n, 2)),
        cluster=np.ones(n, dtype=np.int64),
        clusters=pa.table({"cluster": [0, 1]}),
        candidates=pa.table({"obsreg_id": pa.array([], pa.string())}),
        index=_Index(features),
        measured={},
    )
    members = ReferenceMembers.without_photons(n)
    return Reference("kit", "1", {"band_kev": list(BAND)}, sources, {case: member_case}, members)


class _NoExtractor(FittedExtractor):
    """Placeholder of a fitted extractor; the features are given."""

    def __init__(self, width: int) -> None:
        self.width = width

    def transform(self, sample: Sample) -> Features:
        """Raise an error."""
        raise ReferenceDataError("the sample reference cannot transform new sources")

    def save(self, folder: Path) -> None:
        """Write nothing."""


class _Index:
    """Exhaustive search."""

    def __init__(self, features: NDArray[np.float32]) -> None:
        self._features = features

    def query(self, features: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], F64]:
        """See `NeighbourIndex.query`."""
        away = np.linalg.norm(features[:, None].astype(np.float64) - self._features[None], axis=2)
        rows = np.argsort(away, axis=1, kind="stable")[:, :k]
        return rows.astype(np.int64), np.take_along_axis(away, rows, axis=1)

    def save(self, folder: Path) -> None:
        """Write nothing."""
