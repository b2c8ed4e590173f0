"""The known transients nearest to each source, and its position on the reference's map: `find_neighbours`."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from xherald.detector.plugin_support.plugin_guard import guarded
from xherald.detector.references.case_pipeline import make_case
from xherald.photons.arrays import F64
from xherald.photons.errors import PluginDefectError
from xherald.plugins import DetectionBatch, Embedder, PluginHost
from xherald.plugins.known_transients import find_nearest_members, get_member_kinds

from .detections import Neighbours
from .score_columns import DIRECTIONS

__all__ = ["find_neighbours"]


MAX_SIMILAR: Final = 5
"""Nearest known transients that are listed."""

MAP_NEIGHBOURS: Final = 10
"""Nearest sources of any kind, from whose map positions that of a source is interpolated."""


def find_neighbours(
    detection_batch: DetectionBatch, direction: NDArray[np.int8], host: PluginHost
) -> Neighbours | None:
    """Find the nearest known transients of each source in the reference's last case: dips for a dip, else flares."""
    reference, features = detection_batch.reference, detection_batch.features
    if reference is None or not features or not len(detection_batch):
        return None
    case = list(features)[-1]
    kept, own, members = reference.case(case), features[case], get_member_kinds(reference)
    n, k = len(own), min(MAX_SIMILAR, *(len(members.rows[group]) for group in ("flare", "dip", "ordinary")))
    found, distances = np.zeros((n, k), dtype=np.int64), np.zeros((n, k))
    dips = direction == DIRECTIONS["dip"]
    for group, chosen in (("flare", ~dips), ("dip", dips)):
        if chosen.any():
            found[chosen], distances[chosen] = find_nearest_members(reference, case, group, own[chosen], k)
    around, away = kept.index.query(own, min(MAP_NEIGHBOURS, len(reference)))
    return Neighbours(
        reference=f"{reference.name}@{reference.version}",
        case=case,
        names=members.names[found],
        kinds=members.kinds[found],
        distances=distances,
        typical=find_nearest_members(reference, case, "ordinary", own, k)[1][:, -1],
        places=_map_positions(make_case(case, kept.settings, host).embedder, away, kept.embedding[around], host),
    )


def _map_positions(embedder: Embedder, distances: F64, positions: F64, host: PluginHost) -> F64:
    """Map positions of new sources; if the embedder fails, they are interpolated and the host notes the failure."""
    from xherald.plugins.embedding import interpolate_positions

    try:
        with guarded(host, "embedders", embedder, "embedding sources"):
            return embedder.place(distances, positions)
    except PluginDefectError:
        return interpolate_positions(distances, positions)
