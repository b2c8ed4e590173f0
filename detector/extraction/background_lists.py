"""A background given as an event list of its own, for a list of one source: `attach_background_list`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from xherald.detector.plugin_support.plugin_guard import guarded
from xherald.photons import Aperture, EventBatch, Observation
from xherald.photons.arrays import F64
from xherald.photons.errors import ConfigError
from xherald.photons.gti import gti_contains, gti_intersection, gti_total, gti_union

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration

__all__ = ["attach_background_list", "is_event_list"]


FITS_START: Final = (b"SIMPLE  =", b"\x1f\x8b", b"BZh")
"""First bytes of a FITS file, plain or compressed; regions of DS9 are text."""

MIN_COVERED: Final = 0.99
"""Part of the good time of the source in which the background has to have been observed."""


def is_event_list(background: object) -> bool:
    """Whether a background is a file of events, not a region."""
    if not isinstance(background, str | Path) or not Path(background).is_file():
        return False
    with Path(background).open("rb") as file:
        return file.read(9).startswith(FITS_START)


def attach_background_list(
    batch: EventBatch, apertures: Sequence[Aperture], observation: Observation, path: Path, configuration: Configuration
) -> tuple[EventBatch, str]:
    """Replace the background of every source by the events of a list.

    The ratio of areas is that of the BACKSCAL keywords of both lists, or else of the regions that they were cut with,
    or of the areas that their events cover.

    Parameters
    ----------
    batch : EventBatch
    apertures : sequence of Aperture
        Of the sources of the batch.
    observation : Observation
        Of the batch.
    path : Path
        Event list of the background.
    configuration : Configuration

    Returns
    -------
    EventBatch
    str
        The origin of the ratio.

    Raises
    ------
    ConfigError
        The list is of another instrument, or was not observed at the same time.
    FileError, PhotonError
        It cannot be read.
    """
    from .extracted_sources import open_file

    adapter, around = open_file(path, configuration)
    if isinstance(around, EventBatch) or (around.mission, around.instrument) != (
        observation.mission, observation.instrument
    ):  # fmt: skip
        raise ConfigError(
            f"background {path}: expected an event list of {observation.mission} {observation.instrument}, the "
            "instrument of the source"
        )
    with guarded(configuration.host, "adapters", adapter, f"reading the photons of {path}"):
        events = around.events
    ratios, origin = _area_ratios(observation, apertures, around)
    times, energies, counts = [], [], []
    for i in range(len(batch)):
        gti = batch.gti[batch.gti_offsets[i] : batch.gti_offsets[i + 1]]
        _require_same_time(path, gti, around)
        # Background outside the exposure of the source says nothing about it.
        chosen = gti_contains(gti, events.time)
        times.append(events.time[chosen])
        energies.append(events.energy[chosen])
        counts.append(int(np.count_nonzero(chosen)))
    attached = replace(
        batch,
        background_time=np.concatenate([*times, np.empty(0)]),
        background_energy=np.concatenate([*energies, np.empty(0, dtype=np.float32)]),
        background_offsets=np.cumsum([0, *counts]).astype(np.int64),
        area_ratio=np.array(ratios, dtype=np.float64),
        identities=tuple(
            replace(one, flags=tuple(flag for flag in one.flags if flag not in ("no_background", "background_poor")))
            for one in batch.identities
        ),
    )
    return attached, origin


def _require_same_time(path: Path, gti: F64, around: Observation) -> None:
    sets = [one.gti for one in around.detectors if len(one.gti)]
    covered = gti_total(gti_intersection(gti, gti_union(*sets))) / gti_total(gti) if sets else 0.0
    if covered < MIN_COVERED:
        raise ConfigError(
            f"background {path}: observed during {covered:.0%} of the good time of the source; give a list of the same "
            "exposure"
        )


def _area_ratios(
    observation: Observation, apertures: Sequence[Aperture], around: Observation
) -> tuple[list[float], str]:
    """Area of each source over that of the background, and where the areas come from."""
    scales = _backscal(observation), _backscal(around)
    if scales[0] and scales[1] and len(apertures) == 1:
        return [scales[0] / scales[1]], "BACKSCAL"
    background, origin = _area(around)
    if len(apertures) == 1 and observation.cut_region is not None:
        return [observation.cut_region.area / background], origin
    return [one.region.area / background for one in apertures], origin


def _backscal(observation: Observation) -> float | None:
    """BACKSCAL of the events' header, proportional to the area of a selection; None if absent."""
    from xherald.adapters.reading.fits_files import read_header
    from xherald.adapters.reading.headers import get_number
    from xherald.plugins import ReadLimits

    value = get_number(read_header(observation.path, ReadLimits()), "BACKSCAL", observation.path)
    return value if value is not None and value > 0 else None


def _area(around: Observation) -> tuple[float, str]:
    """Area of a background list, square arcsec, and its origin."""
    if around.cut_region is not None:
        return around.cut_region.area, "the regions of both lists"
    from xherald.photons.footprint import field_footprint

    scale = around.require_projection().pixel_arcsec
    hulls = field_footprint(around).hulls
    if not hulls:
        raise ConfigError(f"background {around.path}: too few events to measure its area; give a region instead")
    area = math.fsum(hull.area for hull in hulls) * scale**2
    return area, "the area that the events of the background cover (the lists name no regions)"
