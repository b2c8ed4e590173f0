"""Detections made by hand from real or simulated photons, to test evidence, sheets, rows and commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from small_reference import small_reference

from xherald.detector.extraction.extracted_sources import ExtractedSources
from xherald.detector.results.shared_fields import KINDS
from xherald.detector.scan import Scan
from xherald.detector.scoring.classify import SourceClasses
from xherald.detector.scoring.detections import Detections, Neighbours, VetoFlags
from xherald.photons import EventBatch
from xherald.photons.statistics import DIP, FLARE, MIN_PHOTONS, STEADY, Intervals, Timing, TimingSettings, assess
from xherald.plugins.scoring import DetectionBatch, Flags

CLASSES = ("stellar_flare", "fast_transient", "eclipse", "absorption_dip")
STREAM_HZ = 0.01
"""Rate of sources in the stream that false-alarm rates are stated for."""

FLOOR = 1e-5
"""Smallest probability that is stated."""


def flag(name: str, n: int, raised: list[int], *, rejects: bool = True) -> VetoFlags:
    """A veto that is raised for some sources."""
    mask = np.isin(np.arange(n), raised)
    numbers = {"share": np.where(mask, 0.62, np.nan), "pixels": np.where(mask, 1.0, np.nan)}
    return VetoFlags(
        name, rejects, "{share:.0%} of the photons fell on {pixels:.0f} pixel", Flags(raised=mask, numbers=numbers)
    )


def detections_of(
    photons: ExtractedSources,
    *,
    threshold: float = 1e-3,
    vetoes: tuple[VetoFlags, ...] = (),
    with_reference: bool = True,
    seed: int = 1,
) -> Detections:
    """Detections whose probabilities are p-values of the timing tests, with made-up classes and neighbours."""
    batch = photons.batch
    timing = assess(batch, TimingSettings(threads=1))
    direction, intervals = choose_direction(timing)
    direction = np.where(batch.counts >= MIN_PHOTONS, direction, STEADY).astype(np.int8)
    n, rng = len(batch), np.random.default_rng(seed)
    reference = small_reference() if with_reference else None
    chance = np.where(direction == STEADY, np.nan, np.maximum(timing.p_value, 1e-7))
    significant = np.nan_to_num(chance, nan=1.0) <= threshold
    rejected = np.zeros(n, dtype=bool)
    for one in vetoes:
        rejected |= one.flags.raised & one.rejects
    weights = rng.dirichlet(np.ones(len(CLASSES)), n)
    weights[~significant] = np.nan
    novelty = np.where(significant, rng.random(n), np.nan)
    return Detections(
        detection_batch=DetectionBatch(
            batch=batch,
            timing=timing,
            direction=direction,
            intervals=intervals,
            reference=reference,
            features={} if reference is None else {"2D-PCA": rng.normal(size=(n, 15)).astype(np.float32)},
            observation=photons.observation,
            apertures=photons.apertures,
            rows=photons.rows,
        ),
        columns={},
        score=-np.log10(chance),
        direction_probabilities={"flare": chance, "dip": chance},
        tail_probability=chance,
        probability_error=np.full(n, np.nan),
        is_own_null=np.zeros(n, np.bool_),
        probability_floor=FLOOR,
        far_hz=np.maximum(chance, FLOOR) * STREAM_HZ,
        p_astro=1.0 / (1.0 + 20.0 * chance),
        kind=np.array([KINDS[code] for code in direction.tolist()]),
        kind_probability=np.where(significant, 0.9, np.nan),
        p_red_noise=np.where(significant, 0.02, np.nan),
        p_red_noise_error=np.where(significant, 0.004, np.nan),
        classes=SourceClasses(CLASSES, weights, np.nan_to_num(weights) > 0.2, 0.9, novelty),
        neighbours=_neighbours(n, rng) if with_reference else None,
        vetoes=vetoes,
        significant=significant,
        candidate=significant & ~rejected,
        calibration="made@1 all",
    )


def choose_direction(timing: Timing) -> tuple[np.ndarray, Intervals]:
    """The direction of the most significant test of either, and the interval that it points at."""
    sharp = [test for test in timing.tests if test.target_kind != STEADY]
    chances = np.nan_to_num(np.array([test.p for test in sharp]), nan=2.0)
    best, every = np.argmin(chances, axis=0), np.arange(len(timing.p_value))
    direction = np.array([test.target_kind for test in sharp])[best]
    assert set(direction.tolist()) <= {FLARE, DIP}
    parts = {
        part: np.array([getattr(test.intervals, part) for test in sharp])[best, every]
        for part in ("start", "stop", "livetime", "counts", "expected")
    }
    return direction, Intervals(**parts)


def scan_of(photons: ExtractedSources, **options: object) -> Scan:
    """A scan that ends in detections."""
    detections = detections_of(photons, **options)  # type: ignore[arg-type]
    return Scan(photons, detections.detection_batch.timing, detections)


def table_of(batch: EventBatch, path: str = "drop/list.parquet") -> ExtractedSources:
    """Sources as read from a table of photons."""
    where = replace(batch, identities=tuple(replace(one, source_path=path) for one in batch.identities))
    return ExtractedSources(Path(path), None, (), where)


def _neighbours(n: int, rng: np.random.Generator) -> Neighbours:
    centre = small_reference().case("2D-PCA").embedding[rng.integers(0, 300, n)]
    names = np.array(["23022_122", "15214_23", "9517_7"])
    kinds = np.array(["flare", "flare", "dip"])
    order = np.argsort(rng.random((n, 3)), axis=1)
    return Neighbours(
        reference="toy@1.2.0",
        case="2D-PCA",
        names=names[order],
        kinds=kinds[order],
        distances=np.sort(rng.uniform(0.5, 4, (n, 3)), axis=1),
        typical=rng.uniform(1, 3, n),
        places=centre + rng.normal(0, 0.5, (n, 2)),
    )
