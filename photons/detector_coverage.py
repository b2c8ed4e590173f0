"""Detectors under each aperture: areas, weights, and exposures, constant or varying with time.

`extraction` measures the coverage of all apertures of an observation before it collects their photons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xherald.photons.arrays import F64, Mask

from .exposure.source_exposure import N_SAMPLES, measure_exposure_model
from .footprint import Footprint, field_footprint
from .gti import Exposure, combine_exposures
from .missing_columns import missing_columns
from .observation import DetectorUnit, Observation
from .projection import separation_deg
from .regions import Aperture

if TYPE_CHECKING:
    from .shape_table import ShapeTable

__all__ = [
    "DetectorCoverage",
    "VaryingExposures",
    "exposures_in_time",
    "exposures_of_apertures",
    "measure_coverage",
]


@dataclass(frozen=True, slots=True, eq=False)
class DetectorCoverage:
    """Coverage of n apertures (rows) by d detectors (columns).

    Parameters
    ----------
    detectors : tuple of DetectorUnit, length d
    detector_areas : ndarray, shape (d,)
        Area of each detector's footprint, square sky pixels; 0 if unknown.
    footprint : Footprint or None
        Of the detectors; None if unknown.
    is_used : ndarray, shape (n, d), bool
        Detectors whose photons an aperture takes.
    weights : ndarray, shape (n, d)
        Fraction of the source region on each detector in use.
    source_areas : ndarray, shape (n,)
        Area of each source region on the detectors in use, square sky pixels.
    area_ratio : ndarray, shape (n,)
        Source over background area, both times good time; 0 where no background region is used.
    background_areas : ndarray, shape (n,)
        Background over source area, both times good time.
    fraction_on_detectors : ndarray, shape (n,)
        Fraction of the source region that lies on any detector.
    overlaps : ndarray, shape (n,), bool
        Whether another source region overlaps this one.
    """

    detectors: tuple[DetectorUnit, ...]
    detector_areas: F64
    footprint: Footprint | None
    is_used: Mask
    weights: F64
    source_areas: F64
    area_ratio: F64
    background_areas: F64
    fraction_on_detectors: F64
    overlaps: Mask


def measure_coverage(
    observation: Observation,
    regions: tuple[ShapeTable, ShapeTable, ShapeTable],
    min_detector_fraction: float,
    min_background_area: float,
) -> DetectorCoverage:
    """Weigh the detectors under each aperture by area and good time.

    Parameters
    ----------
    observation : Observation
    regions : tuple of ShapeTable
        Source regions, the same enlarged for exclusion from backgrounds, background regions; n shapes each.
    min_detector_fraction : float
        A detector with less than this fraction of an aperture is not used.
    min_background_area : float
        A background region with less than this many times the source's area is not used.
    """
    from .extraction_kernels import areas

    sources, excluded, backgrounds = regions
    detectors, footprint = _detectors_with_footprint(observation)
    edges, begins = footprint.flat_edges() if footprint else (np.empty((0, 3)), np.zeros(len(detectors) + 1, np.int64))
    source_area, background_area, on_detectors, overlaps = areas(sources, excluded, backgrounds, edges, begins)
    fraction = source_area / sources.area[:, None]
    is_used = fraction >= min_detector_fraction
    uncovered = np.flatnonzero(~is_used.any(axis=1))
    weights = np.where(is_used, fraction, 0.0)
    if uncovered.size:
        # An aperture off all detectors has no exposure of its own; that of the nearest detector stands in for it.
        depth = (
            footprint.depth(*sources.centre[uncovered].T) if footprint else np.zeros((len(detectors), uncovered.size))
        )
        nearest = np.argmax(depth, axis=0)
        is_used[uncovered, nearest], weights[uncovered, nearest] = True, 1.0

    good_time = np.array([one.good_time for one in detectors])
    source = (source_area * is_used) @ good_time
    background = (background_area * is_used) @ good_time
    background_areas = np.divide(background, source, out=np.zeros_like(source), where=source > 0)
    is_usable = (background_areas >= min_background_area) & (background_areas > 0)
    ratio = np.divide(1.0, background_areas, out=np.zeros_like(source), where=is_usable)
    detector_areas = np.array([one.area for one in footprint.hulls]) if footprint else np.zeros(len(detectors))
    return DetectorCoverage(
        detectors,
        detector_areas,
        footprint,
        is_used,
        weights,
        (source_area * is_used).sum(axis=1),
        ratio,
        background_areas,
        on_detectors,
        overlaps,
    )


def exposures_of_apertures(coverage: DetectorCoverage) -> tuple[list[Exposure], F64]:
    """Exposure and live fraction of each aperture; apertures on the same detectors share one object."""
    combined: dict[bytes, tuple[Exposure, float]] = {}
    exposures: list[Exposure] = []
    live_fractions = np.ones(len(coverage.weights))
    # Weights in steps of 0.01, finer than the footprint is known, leave few distinct exposures to compute.
    rounded = np.maximum(np.round(coverage.weights, 2), np.where(coverage.is_used, 0.01, 0.0))
    for i, weights in enumerate(rounded):
        key = weights.tobytes()
        if key not in combined:
            exposure = combine_exposures([one.gti for one in coverage.detectors], list(weights))
            share = weights * np.array([one.good_time for one in coverage.detectors])
            live_fraction = np.average([one.live_fraction for one in coverage.detectors], weights=share)
            combined[key] = exposure, float(live_fraction)
        exposures.append(combined[key][0])
        live_fractions[i] = combined[key][1]
    return exposures, live_fractions


@dataclass(frozen=True, slots=True, eq=False)
class VaryingExposures:
    """Exposures that vary by more than the good times of the detectors.

    Parameters
    ----------
    exposures : dict of int to Exposure — by index of the aperture
    crosses_edge : ndarray, shape (n,), bool
        Whether a pointed telescope moves the aperture over a chip edge or insensitive pixels.
    is_unknown : ndarray, shape (n,), bool
        Whether the exposure cannot be known: a scan without attitude, or an aperture that is never on the detectors.
    """

    exposures: dict[int, Exposure]
    crosses_edge: Mask
    is_unknown: Mask


def exposures_in_time(
    observation: Observation, apertures: Sequence[Aperture], sources: ShapeTable, coverage: DetectorCoverage
) -> VaryingExposures:
    """Exposures of the apertures that move over the detectors; see `source_exposure`."""
    n = len(apertures)
    found = VaryingExposures({}, np.zeros(n, dtype=np.bool_), np.full(n, observation.is_scan))
    units = [one.number for one in coverage.detectors]
    used = [units[k] for k in np.flatnonzero(np.any(coverage.is_used, axis=0)).tolist()]
    model = measure_exposure_model(observation, used) if len(observation.events) else None
    if model is None or not model.areas:
        found.is_unknown[:] = observation.is_scan and model is None
        return found
    missing = missing_columns(observation, model.path, model.areas, sources.centre, sources.extent)
    for number, (columns, rows) in missing.items():
        if number in model.areas:
            model.areas[number] = model.areas[number].without(columns, rows)
    varying = np.flatnonzero(model.may_vary(sources.centre, sources.extent, coverage.is_used, units))
    radii = _sample_radii(observation, [apertures[i] for i in varying.tolist()], sources.extent[varying])
    results = model.exposures(sources.centre[varying], radii, coverage.is_used[varying], units)
    for k, result in results:
        i = int(varying[k])
        found.is_unknown[i] = result.exposure is None
        if result.exposure is not None:
            found.exposures[i] = result.exposure
            found.crosses_edge[i] = result.crosses_edge and not model.path.is_scan
    return found


def _sample_radii(observation: Observation, apertures: Sequence[Aperture], extents: F64) -> F64:
    """Radii within circles that follow the point spread, whose wings leave a chip first: sky pixels, (n, N_SAMPLES).

    `extents` are those of the apertures, sky pixels.
    """
    quantiles = (np.arange(N_SAMPLES) + 0.5) / N_SAMPLES
    if observation.point_spread is None or not apertures:
        return np.asarray(extents[:, None] * np.sqrt(quantiles), dtype=np.float64)
    ra, dec = np.array([(one.ra, one.dec) for one in apertures]).T
    angles = np.zeros(len(apertures))
    if observation.pointing is not None:
        angles = separation_deg(ra, dec, *observation.pointing) * 60.0
    core, slope = (one[:, None] for one in observation.point_spread.kings(angles))
    core = core / observation.require_projection().pixel_arcsec
    enclosed = 1.0 - (1.0 + (extents[:, None] / core) ** 2) ** -slope
    return np.asarray(core * np.sqrt((1.0 - enclosed * quantiles) ** (-1.0 / slope) - 1.0), dtype=np.float64)


def _detectors_with_footprint(observation: Observation) -> tuple[tuple[DetectorUnit, ...], Footprint | None]:
    """Detectors with a footprint; where there are too few photons for any, all detectors with good times and None."""
    footprint = field_footprint(observation)
    if footprint.numbers:
        return tuple(observation.detector(number) for number in footprint.numbers), footprint
    return tuple(one for one in observation.detectors if len(one.gti)), None
