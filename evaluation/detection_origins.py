"""What a detection on a simulated field is: of an artefact, a cosmic ray, a transient or a clean constant source.

The simulation records the origin of each photon. The photons that make a detection significant decide its group: those
of an artefact, of the source at that position, or of a brighter source outside the aperture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64
from xherald.plugins.scoring import DetectionBatch

if TYPE_CHECKING:
    from xherald.photons import Observation
    from xherald.simulation.exposure import SimulatedExposure

__all__ = ["SIGNIFICANT_P", "TRANSIENTS", "classify_detection", "find_main_detections", "match_origins"]

SIGNIFICANT_P: Final = 1e-3
"""Timing p-value at which a detection would become a candidate without vetoes."""

TRANSIENTS: Final = ("fast_transient", "stellar_flare", "magnetar_burst", "xray_burst", "eclipse", "dip", "qpe")

MIN_FRACTION: Final = 0.5
"""Smallest fraction of a flare's excess, or of a dip's photons, that assigns a detection to an origin."""


def match_origins(exposure: SimulatedExposure, observation: Observation) -> I64:
    """Find the origin of each event that was read by its time and pixel; −1, background, where there is none.

    Parameters
    ----------
    exposure : SimulatedExposure
    observation : Observation
        The exposure as it was read from its file.

    Returns
    -------
    ndarray, shape (events,), int64
        Number of a source, of an artefact, or −1.
    """
    pixels = observation.event_pixels
    assert pixels is not None
    events = exposure.events

    def keys(time: F64, x: NDArray[np.integer], y: NDArray[np.integer]) -> I64:
        milliseconds = np.round((time - exposure.observing.start) * 1e3).astype(np.int64)
        return (milliseconds << 28) + ((x.astype(np.int64) + 1024) << 14) + y.astype(np.int64) + 1024

    best = np.full(len(pixels), -1, dtype=np.int64)
    most = -1
    for first in (0, 1):  # missions count pixels from 0 or from 1
        simulated = keys(events.time, events.chip_x - 1 + first, events.chip_y - 1 + first)
        order = np.argsort(simulated, kind="stable")
        read = keys(observation.events.time, pixels[:, 0], pixels[:, 1])
        index = np.clip(np.searchsorted(simulated[order], read), 0, len(simulated) - 1)
        same = simulated[order][index] == read
        if np.count_nonzero(same) > most:
            most = int(np.count_nonzero(same))
            best = np.where(same, events.origin[order][index], -1).astype(np.int64)
    return best


def find_main_detections(exposure: SimulatedExposure, detection_batch: DetectionBatch, origin: I64) -> dict[int, int]:
    """Find the detection that holds the most photons of each source."""
    source = np.repeat(np.arange(len(detection_batch)), detection_batch.batch.counts)
    main = {}
    for number in range(len(exposure.sources)):
        own = np.bincount(source[origin == number], minlength=len(detection_batch))
        if own.any():
            main[number] = int(np.argmax(own))
    return main


def classify_detection(
    exposure: SimulatedExposure, detection_batch: DetectionBatch, origin: I64, main: Mapping[int, int], index: int
) -> list[tuple[str, str]]:
    """Group and kind of a detection; empty if it belongs to no group."""
    from xherald.photons.statistics.result import FLARE

    artefacts = {_as_int(one["origin"]): str(one["kind"]) for one in exposure.artefacts if "source" not in one}
    composed = {str(one["source"]): str(one["kind"]) for one in exposure.artefacts if "source" in one}
    offsets, intervals = detection_batch.batch.offsets, detection_batch.intervals
    photons = slice(offsets[index], offsets[index + 1])
    own, time = origin[photons], detection_batch.batch.time[photons]
    here = [number for number, detection in main.items() if detection == index]
    found = []
    if not np.isin(own, list(artefacts)).any() and any(_is_clean(exposure, one, composed) for one in here):
        found.append(("clean", "constant"))
    if not detection_batch.timing.p_value[index] < SIGNIFICANT_P:
        return found
    if detection_batch.direction[index] == FLARE:
        significant = own[(time >= intervals.start[index]) & (time <= intervals.stop[index])]
        least = MIN_FRACTION * max(len(significant) - intervals.expected[index], 1.0)
    else:
        significant, least = own, MIN_FRACTION * len(own)
    numbers, counts = np.unique(
        significant[(significant >= 0) | np.isin(significant, list(artefacts))], return_counts=True
    )
    if not len(numbers) or counts.max() < least:
        return found
    top = int(numbers[np.argmax(counts)])
    if top in artefacts:
        kind = artefacts[top]
        found.append(("cosmic_ray" if kind == "wxt_cosmic_ray" else "artefact", kind))
    elif _is_outside_aperture(exposure, detection_batch, top, index):
        found.append(("artefact", "stray"))
    elif top in here:
        found += _classify_source(exposure, detection_batch, top, index, composed)
    return found


def _as_int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _is_clean(exposure: SimulatedExposure, number: int, composed: Mapping[str, str]) -> bool:
    source = exposure.sources[number]
    return source.model.kind == "constant" and source.name not in composed


def _is_outside_aperture(exposure: SimulatedExposure, detection_batch: DetectionBatch, number: int, index: int) -> bool:
    """Whether a source lies outside the aperture, by more than pointings differ from snapshot to snapshot."""
    from xherald.photons.projection import separation_deg

    source, aperture = exposure.sources[number], detection_batch.apertures[index]
    apart = float(separation_deg(aperture.ra, aperture.dec, source.ra, source.dec)) * 3600
    return apart > 1.5 * aperture.region.extent


def _classify_source(
    exposure: SimulatedExposure, detection_batch: DetectionBatch, number: int, index: int, composed: Mapping[str, str]
) -> list[tuple[str, str]]:
    """A transient whose event overlaps the interval, or an artefact that comes from a source's position."""
    source, intervals = exposure.sources[number], detection_batch.intervals
    kind = composed.get(source.name, source.model.kind)
    if kind == "edge_source":
        return [("artefact", kind)]
    event = source.model.interval
    if event is None or kind not in (*TRANSIENTS, "truncated_burst"):
        return []
    start, stop = (exposure.observing.start + edge for edge in event)
    meets = intervals.start[index] <= stop and intervals.stop[index] >= start
    # Eruptions and eclipses recur: the truth holds one of them.
    return [("transient", kind)] if meets or kind in ("qpe", "eclipse", "dip") else []
