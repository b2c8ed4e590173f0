"""Photons and background of each aperture of an exposure: `extract`, `extract_with_rows`.

Photons are sorted into cells once, and each aperture reads only the cells under it. Areas are counted on fine grids
clipped by each detector's footprint and by the other sources' regions, so that backgrounds are scaled correctly at
chip edges and in crowded fields. This is the last step of the pipeline that needs the observation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I32, I64, Mask

from .batch import EventBatch
from .detector_coverage import (
    DetectorCoverage,
    exposures_in_time,
    exposures_of_apertures,
    measure_coverage,
)
from .errors import FileError, PhotonError
from .events import Identity
from .field_background import (
    FieldCurves,
    find_unknown_backgrounds,
    measure_field_backgrounds,
    no_field_backgrounds,
)
from .gti import Exposure, gti_contains
from .observation import DetectorUnit, Observation
from .projection import separation_deg
from .regions import Aperture
from .wings import find_isolated, weigh_photons, wing_of

if TYPE_CHECKING:
    from .shape_table import ShapeTable

__all__ = ["ExtractionSettings", "extract", "extract_with_rows"]

NEARBY_GROWTH: Final = 4.0
"""Factor by which regions of sources without background are left out of the background of the whole field."""

FIELD_GROWTH: Final = 2.0
"""Factor by which source regions are left out of the light curve of the field: 2 % of a source's photons lie beyond."""

EventRows = tuple[I32, I64]
"""Rows of the event list for many sources, and the offsets at which each source's begin."""


@dataclass(frozen=True, slots=True)
class ExtractionSettings:
    """Settings of the extraction.

    Parameters
    ----------
    exclusion_growth : float
        Factor by which source regions are enlarged where they are excluded from background regions.
    min_detector_fraction : float
        A detector with less than this fraction of an aperture is not used, nor are its photons.
    min_fraction_on_detectors : float
        With less than this fraction on any detector, an aperture is flagged "aperture_partly_off_chip".
    min_background_area : float
        A background region with less than this many times the source's area is not used ("no_background").
    poor_background_area : float
        A background region with less than this many times the source's area is flagged "background_poor".
    poor_background_error : float
        The same flag is set if the expected background is uncertain by more than this many counts and by more than a
        tenth of the counts in the aperture.
    max_lost_fraction : float
        With more than this fraction of its photons outside the times in which it was on the detectors, a source is
        flagged "photons_outside_good_times".
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    exclusion_growth: float = 1.15
    min_detector_fraction: float = 0.02
    min_fraction_on_detectors: float = 0.95
    min_background_area: float = 0.02
    poor_background_area: float = 3.0
    poor_background_error: float = 0.5
    max_lost_fraction: float = 0.05


def extract(
    observation: Observation, apertures: Sequence[Aperture], settings: ExtractionSettings | None = None
) -> EventBatch:
    """Extract one source per aperture, in the same order, empty ones included.

    Photons in two overlapping apertures belong to both, and both are flagged "overlaps_neighbour". Background regions
    exclude all source regions.

    Parameters
    ----------
    observation : Observation
        With good times, and a sky projection or, for an instrument without images, a field of view.
    apertures : sequence of Aperture, length n
    settings : ExtractionSettings, optional

    Returns
    -------
    EventBatch
        n sources.

    Raises
    ------
    GtiError
        The observation has no good times.
    FileError
        It has no sky projection, or it has only a field of view and an aperture differs from that.
    PhotonError
        An aperture lies outside the projection of the field.
    """
    return extract_with_rows(observation, apertures, settings)[0]


def extract_with_rows(
    observation: Observation, apertures: Sequence[Aperture], settings: ExtractionSettings | None = None
) -> tuple[EventBatch, I64]:
    """Extract as `extract`, and return the row in ``observation.events`` of every photon.

    Parameters
    ----------
    observation, apertures, settings
        See `extract`.

    Returns
    -------
    EventBatch
        n sources.
    ndarray, shape (photons,), int64
        Event of each photon of the batch.

    Raises
    ------
    GtiError, FileError, PhotonError
        See `extract`.
    """
    settings = settings or ExtractionSettings()
    observation.require_good_times()
    if not apertures:
        return EventBatch.from_lists([]), np.zeros(0, dtype=np.int64)
    if observation.field_of_view is not None:
        return _extract_whole_field(observation, apertures, settings)
    projection = observation.require_projection()

    from .shape_table import shape_table

    shapes = [aperture.region for aperture in apertures]
    sources = shape_table(shapes, projection)
    excluded = shape_table(shapes, projection, settings.exclusion_growth)
    backgrounds = shape_table([aperture.background for aperture in apertures], projection)
    _require_positions(apertures, sources, backgrounds)
    regions = sources, excluded, backgrounds
    coverage = measure_coverage(observation, regions, settings.min_detector_fraction, settings.min_background_area)
    return _extract_regions(observation, apertures, regions, coverage, settings)


def _extract_whole_field(
    observation: Observation, apertures: Sequence[Aperture], settings: ExtractionSettings
) -> tuple[EventBatch, I64]:
    """Extract every photon of an instrument without images, all of whose detectors see the same field."""
    n, events = len(apertures), len(observation.events)
    if any(one.region != observation.field_of_view for one in apertures):
        raise FileError(
            observation.path, "the instrument makes no images, its only source is the whole field; give no other region"
        )
    detectors = tuple(one for one in observation.detectors if len(one.gti))
    weights = np.ones((n, len(detectors)))
    nothing = np.zeros(n)
    coverage = DetectorCoverage(
        detectors,
        np.zeros(len(detectors)),
        None,
        weights > 0,
        weights,
        nothing,
        nothing,
        nothing,
        np.ones(n),
        np.full(n, n > 1),
    )
    photons = np.tile(np.arange(events, dtype=np.int32), n), np.arange(n + 1, dtype=np.int64) * events
    nobody = np.zeros(0, dtype=np.int32), np.zeros(n + 1, dtype=np.int64)
    exposures = exposures_of_apertures(coverage)
    field = no_field_backgrounds(n)
    return _make_batch(observation, apertures, coverage, exposures, (photons, nobody, nobody), field, {}, settings)


def _require_positions(apertures: Sequence[Aperture], *tables: ShapeTable) -> None:
    for table in tables:
        outside = np.flatnonzero(~np.isfinite(table.centre).all(axis=1))
        if outside.size:
            one = apertures[int(outside[0])]
            raise PhotonError(
                f"aperture {one.detection_id} at RA {one.ra}, Dec {one.dec} is not in this field; "
                "remove it from the source list"
            )


def _extract_regions(
    observation: Observation,
    apertures: Sequence[Aperture],
    regions: tuple[ShapeTable, ShapeTable, ShapeTable],
    coverage: DetectorCoverage,
    settings: ExtractionSettings,
) -> tuple[EventBatch, I64]:
    """Collect the photons of each aperture and of its background region."""
    from .extraction_kernels import events_inside, photons_in_shapes
    from .pixel_index import index_pixels
    from .shape_table import shape_table

    sources, excluded, backgrounds = regions
    events, n = observation.events, len(apertures)
    wing_rows, wing_offsets = np.zeros(0, dtype=np.int32), np.zeros(n + 1, dtype=np.int64)
    if len(events):
        index = index_pixels(events.x, events.y, max(float(np.median(sources.extent)), 0.5))
        column = _detector_columns(events.detector, coverage.detectors)
        none_excluded = np.zeros(0, dtype=np.bool_)
        rows, offsets = photons_in_shapes(sources, index, events.x, events.y, column, coverage.is_used, none_excluded)
        is_excluded = events_inside(excluded, index, events.x, events.y)
        allowed = coverage.is_used & (coverage.area_ratio > 0)[:, None]
        background_rows, background_offsets = photons_in_shapes(
            backgrounds, index, events.x, events.y, column, allowed, is_excluded
        )
        isolated = find_isolated(apertures, sources, coverage.footprint) & (coverage.area_ratio > 0)
        if isolated.any() and observation.point_spread is not None:
            rings = [wing_of(one) if is_alone else None for one, is_alone in zip(apertures, isolated, strict=True)]
            table = shape_table(rings, observation.require_projection())
            wing_rows, wing_offsets = photons_in_shapes(
                table, index, events.x, events.y, column, coverage.is_used, none_excluded
            )
    else:
        rows = background_rows = np.zeros(0, dtype=np.int32)
        offsets = background_offsets = np.zeros(n + 1, dtype=np.int64)

    varying = exposures_in_time(observation, apertures, sources, coverage)
    photons = _select_good_times(rows, offsets, events.time, varying.exposures)
    background = _select_good_times(background_rows, background_offsets, events.time, varying.exposures)
    wings = _select_good_times(wing_rows, wing_offsets, events.time, varying.exposures)
    lost = 1.0 - np.diff(photons[1]) / np.maximum(np.diff(offsets), 1)
    exposures, live_fractions = exposures_of_apertures(coverage)
    for i, exposure in varying.exposures.items():
        exposures[i] = exposure
    field = no_field_backgrounds(n)
    if len(events) and not observation.is_scan and (coverage.area_ratio > 0).any():
        around = shape_table([one.region for one in apertures], observation.require_projection(), FIELD_GROWTH)
        is_source = events_inside(around, index, events.x, events.y)
        field = measure_field_backgrounds(events, is_source, coverage, observation.frame_time)
    flags = {
        "crosses_chip_edge": varying.crosses_edge,
        "exposure_unknown": varying.is_unknown,
        "photons_outside_good_times": lost > settings.max_lost_fraction,
    }
    if len(events) and (coverage.area_ratio == 0).any():
        # The wings of a burst are not background: a tenth of its photons lie outside the aperture.
        own = [one.region for one, ratio in zip(apertures, coverage.area_ratio, strict=True) if ratio == 0]
        nearby = shape_table(own, observation.require_projection(), NEARBY_GROWTH)
        flags["background_unknown"] = find_unknown_backgrounds(
            events,
            is_excluded | events_inside(nearby, index, events.x, events.y),
            coverage,
            exposures,
            np.diff(photons[1]),
            sources.area,
            observation.frame_time,
        )
    return _make_batch(
        observation,
        apertures,
        coverage,
        (exposures, live_fractions),
        (photons, wings, background),
        field,
        flags,
        settings,
    )


def _make_batch(
    observation: Observation,
    apertures: Sequence[Aperture],
    coverage: DetectorCoverage,
    exposures_and_live_fractions: tuple[list[Exposure], F64],
    photons: tuple[EventRows, EventRows, EventRows],
    field: FieldCurves,
    flags: Mapping[str, Mask],
    settings: ExtractionSettings,
) -> tuple[EventBatch, I64]:
    """Batch of the selected photons of sources, wings and backgrounds, and the event row of each source photon."""
    events, n = observation.events, len(apertures)
    (rows, offsets), (wing_rows, wing_offsets), (background_rows, background_offsets) = photons
    exposures, live_fractions = exposures_and_live_fractions
    counts = np.diff(offsets), np.diff(background_offsets)
    weight, wing_weight = weigh_photons(observation, apertures, *photons, coverage.source_areas, coverage.area_ratio)
    batch = EventBatch(
        time=events.time[rows],
        energy=events.energy[rows],
        offsets=offsets,
        gti=np.concatenate([one.gti for one in exposures]),
        gti_fraction=np.concatenate([one.fraction for one in exposures]),
        gti_offsets=np.cumsum([0, *(len(one.gti) for one in exposures)]).astype(np.int64),
        background_time=events.time[background_rows],
        background_energy=events.energy[background_rows],
        background_offsets=background_offsets,
        area_ratio=coverage.area_ratio,
        frame_time=np.full(n, observation.frame_time),
        live_fraction=live_fractions,
        good_times_known=np.ones(n, dtype=np.bool_),
        band=np.tile(np.array(observation.band, dtype=np.float64), (n, 1)),
        hardness_split=np.full(n, observation.hardness_split),
        selection_p=np.array([one.selection_p for one in apertures]),
        selection_trials=np.array([one.selection_trials for one in apertures]),
        weight=weight,
        wing_time=events.time[wing_rows],
        wing_energy=events.energy[wing_rows],
        wing_weight=wing_weight,
        wing_offsets=wing_offsets,
        field_start=field[0],
        field_rate=field[1],
        field_offsets=field[2],
        identities=_make_identities(observation, apertures, coverage, counts, flags, settings),
    )
    return batch, rows.astype(np.int64)


def _detector_columns(numbers: NDArray[np.int16], detectors: Sequence[DetectorUnit]) -> NDArray[np.int16]:
    """Index in `detectors` of each photon's detector; -1 for a detector that is not among them."""
    lookup = np.full(1 << 16, -1, dtype=np.int16)
    for i, one in enumerate(detectors):
        lookup[one.number] = i  # a negative number counts from the end, here and below
    return lookup[numbers]


def _select_good_times(rows: I32, offsets: I64, time: F64, exposures: dict[int, Exposure]) -> EventRows:
    """Photons of the given sources without those that arrived while the aperture was off the detectors."""
    keep = np.ones(len(rows), dtype=np.bool_)
    for i, exposure in exposures.items():
        own = slice(offsets[i], offsets[i + 1])
        keep[own] = gti_contains(exposure.gti, time[rows[own]])
    new_offsets = np.concatenate([[0], np.cumsum(keep)])[offsets]
    return rows[keep], new_offsets.astype(np.int64)


def _make_identities(
    observation: Observation,
    apertures: Sequence[Aperture],
    coverage: DetectorCoverage,
    counts: tuple[I64, I64],
    flags: Mapping[str, Mask],
    settings: ExtractionSettings,
) -> tuple[Identity, ...]:
    """Name, position and flags of each source, given the counts of aperture and background region."""
    source_counts, background_counts = counts
    ra = np.array([one.ra for one in apertures])
    dec = np.array([one.dec for one in apertures])
    angle = None if observation.pointing is None else separation_deg(ra, dec, *observation.pointing) * 60.0
    has_no_background = coverage.area_ratio == 0
    error = coverage.area_ratio * np.sqrt(background_counts + 1.0)
    is_poor = (coverage.background_areas < settings.poor_background_area) | (
        (error > settings.poor_background_error) & (error > 0.1 * source_counts)
    )
    flags = {
        **flags,
        "aperture_partly_off_chip": coverage.fraction_on_detectors < settings.min_fraction_on_detectors,
        "overlaps_neighbour": coverage.overlaps,
        "no_background": has_no_background,
        "background_poor": is_poor & ~has_no_background,
    }
    return tuple(
        Identity(
            mission=observation.mission,
            instrument=observation.instrument,
            obs_id=observation.obs_id,
            detection_id=one.detection_id,
            ra=one.ra,
            dec=one.dec,
            pos_err_arcsec=one.pos_err_arcsec,
            off_axis_arcmin=None if angle is None else float(angle[i]),
            time_reference=observation.time_reference,
            source_path=str(observation.path),
            flags=(*observation.flags, *one.flags, *(name for name, is_set in flags.items() if is_set[i])),
        )
        for i, one in enumerate(apertures)
    )
