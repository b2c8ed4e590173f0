"""From an exposure and its apertures to photons source by source: `extract`, `extract_with_rows`.

The photons are sorted into cells once, and each aperture looks only at the cells under it. Areas are counted on fine
grids cut by each detector's footprint and by the other sources' regions, so that backgrounds are scaled right at chip
edges and in crowded fields. On the road this is the last step that knows of an exposure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64

from .apertures import off_axis_arcmin
from .batch import EventBatch
from .dither import SAMPLES, dither_path, edge_exposures
from .errors import FileError, PhotonError
from .events import Identity
from .footprint import Footprint, field_footprint
from .gti import Exposure, combine_exposures, gti_contains
from .observation import DetectorUnit, Observation
from .projection import separation_deg
from .regions import Aperture

if TYPE_CHECKING:
    from .shape_table import ShapeTable

__all__ = ["ExtractionSettings", "extract", "extract_with_rows"]

Chosen = tuple[NDArray[np.int32], I64]
"""Events of many sources, and where each source's begin."""


@dataclass(frozen=True, slots=True)
class ExtractionSettings:
    """How photons are taken out of apertures.

    Parameters
    ----------
    exclusion_growth : float
        Source regions are made larger by this factor where they are kept out of background regions.
    least_detector_fraction : float
        A detector that holds less than this part of an aperture is left out, with its photons.
    least_seen_fraction : float
        Below this part on any detector an aperture is flagged "aperture_partly_off_chip".
    least_background_area : float
        A background region with less than this many times the source's area is not used ("no_background").
    poor_background_area : float
        Below this many times the source's area a background region is flagged "background_poor".
    poor_background_error : float
        So it is where the background expected in the aperture is uncertain by more than this many counts and more than
        a tenth of the counts in the aperture.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    exclusion_growth: float = 1.15
    least_detector_fraction: float = 0.02
    least_seen_fraction: float = 0.95
    least_background_area: float = 1.0
    poor_background_area: float = 3.0
    poor_background_error: float = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class _Shares:
    """What each aperture (row) has of each detector (column).

    `kept` says which detectors it uses, `weights` how much of the aperture lies on each; `background_times` is the area
    (times good time) of the background region over the source's, `area_ratio` its inverse, 0 where it is not used.
    """

    detectors: tuple[DetectorUnit, ...]
    kept: NDArray[np.bool_]
    weights: F64
    area_ratio: F64
    background_times: F64
    seen: F64
    overlaps: NDArray[np.bool_]


def extract(
    observation: Observation, apertures: Sequence[Aperture], settings: ExtractionSettings | None = None
) -> EventBatch:
    """Photons of each aperture, one source an aperture in the same order, empty ones included.

    Photons in two overlapping apertures belong to both, and both are flagged "overlaps_neighbour". No background region
    takes photons from any source region.

    Parameters
    ----------
    observation : Observation
        With good times, and a sky projection or, where the instrument makes no image, a field of view.
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
        It has no sky projection, or its field of view is all there is and an aperture is another.
    PhotonError
        An aperture lies more than 90 deg from the field, where it has no place on the tangent plane.
    """
    return extract_with_rows(observation, apertures, settings)[0]


def extract_with_rows(
    observation: Observation, apertures: Sequence[Aperture], settings: ExtractionSettings | None = None
) -> tuple[EventBatch, I64]:
    """Photons of each aperture, and where each of them stands in ``observation.events``.

    Parameters
    ----------
    observation, apertures, settings
        See `extract`.

    Returns
    -------
    EventBatch
        n sources.
    ndarray, shape (photons,), int64
        The event that each photon of the batch is.

    Raises
    ------
    GtiError, FileError, PhotonError
        As `extract`.
    """
    settings = settings or ExtractionSettings()
    observation.require_good_times()
    if not apertures:
        return EventBatch.from_lists([]), np.zeros(0, dtype=np.int64)
    if observation.field_of_view is not None:
        return _whole_field(observation, apertures, settings)
    projection = observation.require_projection()

    from .shape_table import shape_table

    regions = [aperture.region for aperture in apertures]
    sources = shape_table(regions, projection)
    grown = shape_table(regions, projection, settings.exclusion_growth)
    backgrounds = shape_table([aperture.background for aperture in apertures], projection)
    _refuse_unplaced(apertures, sources, backgrounds)
    shares = _share(observation, sources, grown, backgrounds, settings)
    return _gather(observation, apertures, (sources, grown, backgrounds), shares, settings)


def _whole_field(
    observation: Observation, apertures: Sequence[Aperture], settings: ExtractionSettings
) -> tuple[EventBatch, I64]:
    """Take every photon of an instrument that makes no image; all its detectors look at the same."""
    n, events = len(apertures), len(observation.events)
    if any(one.region != observation.field_of_view for one in apertures):
        raise FileError(observation.path, "makes no image, so that its one source is the whole field; give no other")
    detectors = tuple(one for one in observation.detectors if len(one.gti))
    each = np.ones((n, len(detectors)))
    nothing = np.zeros(n)
    shares = _Shares(detectors, each > 0, each, nothing, nothing, np.ones(n), np.full(n, n > 1))
    photons = np.tile(np.arange(events, dtype=np.int32), n), np.arange(n + 1, dtype=np.int64) * events
    background = np.zeros(0, dtype=np.int32), np.zeros(n + 1, dtype=np.int64)
    return _batch(observation, apertures, shares, {}, photons, background, settings)


def _refuse_unplaced(apertures: Sequence[Aperture], *tables: ShapeTable) -> None:
    for table in tables:
        lost = np.flatnonzero(~np.isfinite(table.centre).all(axis=1))
        if lost.size:
            one = apertures[int(lost[0])]
            raise PhotonError(
                f"aperture {one.detection_id} at RA {one.ra}, Dec {one.dec} is not in this field; "
                "leave it out of the source list"
            )


def _share(
    observation: Observation,
    sources: ShapeTable,
    grown: ShapeTable,
    backgrounds: ShapeTable,
    settings: ExtractionSettings,
) -> _Shares:
    """Weigh the detectors under each aperture by area and good time."""
    from .extraction_kernels import areas

    detectors, footprint = _detectors_with_sky(observation)
    edges, begins = footprint.flat_edges() if footprint else (np.empty((0, 3)), np.zeros(len(detectors) + 1, np.int64))
    source_area, background_area, seen, overlaps = areas(sources, grown, backgrounds, edges, begins)
    fraction = source_area / sources.area[:, None]
    kept = fraction >= settings.least_detector_fraction
    bare = np.flatnonzero(~kept.any(axis=1))
    weights = np.where(kept, fraction, 0.0)
    if bare.size:
        # An aperture beside all detectors has no livetime of its own; the nearest detector's says when we looked.
        depth = footprint.depth(*sources.centre[bare].T) if footprint else np.zeros((len(detectors), len(bare)))
        nearest = np.argmax(depth, axis=0)
        kept[bare, nearest], weights[bare, nearest] = True, 1.0

    good_time = np.array([one.good_time for one in detectors])
    source = (source_area * kept) @ good_time
    around = (background_area * kept) @ good_time
    times = np.divide(around, source, out=np.zeros_like(source), where=source > 0)
    usable = (times >= settings.least_background_area) & (times > 0)
    ratio = np.divide(1.0, times, out=np.zeros_like(times), where=usable)
    return _Shares(detectors, kept, weights, ratio, times, seen, overlaps)


def _detectors_with_sky(observation: Observation) -> tuple[tuple[DetectorUnit, ...], Footprint | None]:
    """Detectors whose footprint is known; all with good times, and None, where too few photons tell any footprint."""
    footprint = field_footprint(observation)
    if footprint.numbers:
        return tuple(observation.detector(number) for number in footprint.numbers), footprint
    return tuple(one for one in observation.detectors if len(one.gti)), None


def _gather(
    observation: Observation,
    apertures: Sequence[Aperture],
    tables: tuple[ShapeTable, ShapeTable, ShapeTable],
    shares: _Shares,
    settings: ExtractionSettings,
) -> tuple[EventBatch, I64]:
    """Take the photons under each aperture and its background region."""
    from .extraction_kernels import events_inside, photons_in_shapes
    from .pixel_index import index_pixels

    sources, grown, backgrounds = tables
    events, n = observation.events, len(apertures)
    if len(events):
        index = index_pixels(events.x, events.y, max(float(np.median(sources.extent)), 0.5))
        column = _detector_columns(events.detector, shares.detectors)
        nobody = np.zeros(0, dtype=np.bool_)
        rows, offsets = photons_in_shapes(sources, index, events.x, events.y, column, shares.kept, nobody)
        barred = events_inside(grown, index, events.x, events.y)
        around = shares.kept & (shares.area_ratio > 0)[:, None]
        others, background_offsets = photons_in_shapes(backgrounds, index, events.x, events.y, column, around, barred)
    else:
        rows = others = np.zeros(0, dtype=np.int32)
        offsets = background_offsets = np.zeros(n + 1, dtype=np.int64)

    crossed = _cross_edges(observation, apertures, sources, shares)
    photons = _in_good_time(rows, offsets, events.time, crossed)
    background = _in_good_time(others, background_offsets, events.time, crossed)
    return _batch(observation, apertures, shares, crossed, photons, background, settings)


def _batch(
    observation: Observation,
    apertures: Sequence[Aperture],
    shares: _Shares,
    crossed: dict[int, Exposure],
    photons: Chosen,
    background: Chosen,
    settings: ExtractionSettings,
) -> tuple[EventBatch, I64]:
    """Put the chosen photons together with all that is known of their sources; with it the event that each one is."""
    events, n = observation.events, len(apertures)
    (rows, offsets), (others, background_offsets) = photons, background
    exposures, live = _exposures(shares)
    for i, exposure in crossed.items():
        exposures[i] = exposure
    batch = EventBatch(
        time=events.time[rows],
        energy=events.energy[rows],
        offsets=offsets,
        gti=np.concatenate([one.gti for one in exposures]),
        gti_fraction=np.concatenate([one.fraction for one in exposures]),
        gti_offsets=np.cumsum([0, *(len(one.gti) for one in exposures)]).astype(np.int64),
        background_time=events.time[others],
        background_energy=events.energy[others],
        background_offsets=background_offsets,
        area_ratio=shares.area_ratio,
        frame_time=np.full(n, observation.frame_time),
        live_fraction=live,
        good_times_known=np.ones(n, dtype=np.bool_),
        band=np.tile(np.array(observation.band, dtype=np.float64), (n, 1)),
        hardness_split=np.full(n, observation.hardness_split),
        selection_p=np.array([one.selection_p for one in apertures]),
        identities=_identities(
            observation, apertures, shares, crossed, (np.diff(offsets), np.diff(background_offsets)), settings
        ),
    )
    return batch, rows.astype(np.int64)


def _detector_columns(numbers: NDArray[np.int16], detectors: Sequence[DetectorUnit]) -> NDArray[np.int16]:
    """Index in `detectors` of each photon's detector; -1 for those that are not among them."""
    lookup = np.full(1 << 16, -1, dtype=np.int16)
    for i, one in enumerate(detectors):
        lookup[one.number] = i  # a negative number counts from the end, on both sides alike
    return lookup[numbers]


def _exposures(shares: _Shares) -> tuple[list[Exposure], F64]:
    """Exposure and live fraction of each aperture; apertures on the same detectors share one object."""
    made: dict[bytes, tuple[Exposure, float]] = {}
    exposures: list[Exposure] = []
    live = np.ones(len(shares.weights))
    # Steps of a hundredth: finer than the footprint is known, and few distinct exposures have to be made.
    rounded = np.maximum(np.round(shares.weights, 2), np.where(shares.kept, 0.01, 0.0))
    for i, weights in enumerate(rounded):
        key = weights.tobytes()
        if key not in made:
            exposure = combine_exposures([one.gti for one in shares.detectors], list(weights))
            share = weights * np.array([one.good_time for one in shares.detectors])
            made[key] = exposure, float(np.average([one.live_fraction for one in shares.detectors], weights=share))
        exposures.append(made[key][0])
        live[i] = made[key][1]
    return exposures, live


def _cross_edges(
    observation: Observation, apertures: Sequence[Aperture], sources: ShapeTable, shares: _Shares
) -> dict[int, Exposure]:
    """Exposures of the apertures that the telescope's dither moves over chip edges."""
    path = dither_path(observation)
    if path is None:
        return {}
    even = (np.arange(SAMPLES) + 0.5) / SAMPLES
    pixel = observation.require_projection().pixel_arcsec

    def radii(i: int) -> F64:
        extent = float(sources.extent[i])
        if observation.point_spread is None:
            return extent * np.sqrt(even)
        # A point source's photons crowd in the middle: what leaves the chip first is the wings.
        core, slope = observation.point_spread.king(
            off_axis_arcmin(observation, apertures[i].ra, apertures[i].dec) or 0.0
        )
        held = 1.0 - (1.0 + (extent * pixel / core) ** 2) ** -slope
        crowded: F64 = core / pixel * np.sqrt((1.0 - held * even) ** (-1.0 / slope) - 1.0)
        return crowded

    good_times = [
        {one.number: one.gti for one, kept in zip(shares.detectors, row, strict=True) if kept} for row in shares.kept
    ]
    return edge_exposures(path, good_times, sources.centre, sources.extent, radii)


def _in_good_time(
    rows: NDArray[np.int32], offsets: NDArray[np.int64], time: F64, crossed: dict[int, Exposure]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Photons of the given sources without those that came while a chip edge covered the aperture."""
    kept = np.ones(len(rows), dtype=np.bool_)
    for i, exposure in crossed.items():
        mine = slice(offsets[i], offsets[i + 1])
        kept[mine] = gti_contains(exposure.gti, time[rows[mine]])
    left = np.concatenate([[0], np.cumsum(kept)])[offsets]
    return rows[kept], left.astype(np.int64)


def _identities(
    observation: Observation,
    apertures: Sequence[Aperture],
    shares: _Shares,
    crossed: dict[int, Exposure],
    photons: tuple[NDArray[np.int64], NDArray[np.int64]],
    settings: ExtractionSettings,
) -> tuple[Identity, ...]:
    """Say what each source is called, where it lies, and what a reader must know of its extraction."""
    counts, background_counts = photons
    ra = np.array([one.ra for one in apertures])
    dec = np.array([one.dec for one in apertures])
    angle = None if observation.pointing is None else separation_deg(ra, dec, *observation.pointing) * 60.0
    missing = shares.area_ratio == 0
    uncertain = shares.area_ratio * np.sqrt(background_counts + 1.0)
    poor = (shares.background_times < settings.poor_background_area) | (
        (uncertain > settings.poor_background_error) & (uncertain > 0.1 * counts)
    )
    raised = {
        "crosses_chip_edge": np.isin(np.arange(len(apertures)), list(crossed)),
        "aperture_partly_off_chip": shares.seen < settings.least_seen_fraction,
        "overlaps_neighbour": shares.overlaps,
        "no_background": missing,
        "background_poor": poor & ~missing,
    }
    common = Identity(
        mission=observation.mission,
        instrument=observation.instrument,
        obs_id=observation.obs_id,
        detection_id="",
        time_reference=observation.time_reference,
        source_path=str(observation.path),
    )
    return tuple(
        replace(
            common,
            detection_id=one.detection_id,
            ra=one.ra,
            dec=one.dec,
            pos_err_arcsec=one.pos_err_arcsec,
            off_axis_arcmin=None if angle is None else float(angle[i]),
            flags=(*one.flags, *(name for name, column in raised.items() if column[i])),
        )
        for i, one in enumerate(apertures)
    )
