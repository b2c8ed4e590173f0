"""Photons of a camera at positions where other cameras of the observation found sources: `add_forced_sources`.

A source near the threshold is found in one camera and not in the next, although its photons are in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from xherald.photons import Aperture, EventBatch, Observation
from xherald.photons.apertures import aperture_at
from xherald.photons.footprint import field_footprint
from xherald.photons.projection import separation_deg

from .extracted_sources import ExtractedSources

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Settings
    from xherald.photons.arrays import F64, Mask

__all__ = ["FORCED_FLAG", "add_forced_sources"]

FORCED_FLAG: Final = "position_of_other_camera"


def add_forced_sources(
    photons: ExtractedSources, wanted: EventBatch, settings: Settings
) -> tuple[ExtractedSources, Mask]:
    """Extract the sources of other cameras from a camera that did not detect them.

    A camera sees a source if the position lies on one of its detectors and in the aperture of none of its own sources,
    and if the source can be tested there and has a background region.

    Parameters
    ----------
    photons : ExtractedSources
        Of a camera; its sources stay as they are.
    wanted : EventBatch
        Sources of other cameras, with positions. The forced ones have the same probability of selection, and are named
        after the other camera.
    settings : Settings

    Returns
    -------
    ExtractedSources
        With the sources that the camera sees after its own, in the order of `wanted`.
    ndarray, shape (len(wanted),), bool
        Whether the camera sees each.
    """
    from xherald.photons.extraction import extract_with_rows
    from xherald.photons.source_detection.stray_photons import add_strays, avoid_stray_photons

    seen = np.zeros(len(wanted), dtype=np.bool_)
    observation, own = photons.observation, len(photons.batch)
    if observation is None or photons.rows is None or not _has_full_image(observation):
        return photons, seen
    seen = _on_detectors(observation, wanted) & ~_in_apertures(photons.apertures, wanted)
    forced = [_make_aperture(observation, wanted, i, settings) for i in np.flatnonzero(seen).tolist()]
    if not forced:
        return photons, seen
    # Together with the camera's own sources, whose photons are no background.
    together, strays = avoid_stray_photons(observation, [*photons.apertures, *forced], settings.apertures)
    batch, rows = extract_with_rows(observation, together, settings.extraction)
    batch = add_strays(batch, strays)
    is_usable = batch.is_testable & (batch.area_ratio > 0) & (batch.livetime > 0)
    chosen = own + np.flatnonzero(is_usable[own:])
    seen[seen] = is_usable[own:]
    added = [rows[batch.offsets[i] : batch.offsets[i + 1]] for i in chosen.tolist()]
    extended = replace(
        photons,
        apertures=(*photons.apertures, *(together[i] for i in chosen.tolist())),
        batch=EventBatch.concatenate([photons.batch, batch.select(chosen)]),
        rows=np.concatenate([photons.rows, *added]),
    )
    return extended, seen


def _has_full_image(observation: Observation) -> bool:
    """Whether apertures can be placed anywhere in the field."""
    has_image = observation.projection is not None and observation.point_spread is not None
    return has_image and not observation.per_source_id and observation.field_of_view is None


def _on_detectors(observation: Observation, wanted: EventBatch) -> Mask:
    footprint = field_footprint(observation)
    ra, dec = _positions(wanted)
    x, y = observation.require_projection().to_pixel(ra, dec)
    depth = footprint.depth(np.nan_to_num(x, nan=np.inf), np.nan_to_num(y, nan=np.inf))
    return np.asarray((depth >= 0).any(axis=0) & np.isfinite(x) & np.isfinite(y))


def _in_apertures(apertures: Sequence[Aperture], wanted: EventBatch) -> Mask:
    """Whether each position is within the aperture of a source, whose photons would be taken for the other's."""
    inside = np.zeros(len(wanted), dtype=np.bool_)
    ra, dec = _positions(wanted)
    for one in apertures:
        inside |= separation_deg(ra, dec, one.ra, one.dec) * 3600.0 < one.region.extent
    return inside


def _positions(wanted: EventBatch) -> tuple[F64, F64]:
    places = np.array([(one.ra, one.dec) for one in wanted.identities], dtype=np.float64).reshape(-1, 2)
    return places[:, 0], places[:, 1]


def _make_aperture(observation: Observation, wanted: EventBatch, i: int, settings: Settings) -> Aperture:
    other = wanted.identities[i]
    assert other.ra is not None
    assert other.dec is not None
    aperture = aperture_at(
        observation,
        other.ra,
        other.dec,
        f"{other.instrument}-{other.detection_id}",
        f"position in {other.instrument}",
        other.pos_err_arcsec,
        settings.apertures,
    )
    return replace(
        aperture,
        flags=(*aperture.flags, FORCED_FLAG),
        selection_p=float(wanted.selection_p[i]),
        selection_trials=float(wanted.selection_trials[i]),
    )
