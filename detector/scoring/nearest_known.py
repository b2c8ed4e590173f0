"""Which bona-fide transients a source lies nearest to, and where on the reference's map it belongs."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from xherald.detector.plugin_support.plugin_guard import guarded
from xherald.detector.references.case_pipeline import case_of
from xherald.photons.arrays import F64
from xherald.photons.errors import PluginDefectError
from xherald.plugins import DetectionBatch, Embedder, PluginHost
from xherald.plugins.known_transients import known_of, nearest_known

from .detections import Neighbours
from .score_columns import DIRECTIONS

__all__ = ["neighbours_of"]


NAMED: Final = 5
"""Nearest bona-fide transients that are named."""

AROUND: Final = 10
"""Nearest sources of any kind, among which a source is placed on the map."""


def neighbours_of(detection_batch: DetectionBatch, direction: NDArray[np.int8], host: PluginHost) -> Neighbours | None:
    """The nearest bona-fide transients of each source, of its own direction where it has one."""
    reference, features = detection_batch.reference, detection_batch.features
    if reference is None or not features or not len(detection_batch):
        return None
    case = list(features)[-1]
    kept, own, known = reference.case(case), features[case], known_of(reference)
    n, k = len(own), min(NAMED, *(len(known.rows[group]) for group in ("flare", "dip", "ordinary")))
    found, distances = np.zeros((n, k), dtype=np.int64), np.zeros((n, k))
    dips = direction == DIRECTIONS["dip"]
    for group, chosen in (("flare", ~dips), ("dip", dips)):
        if chosen.any():
            found[chosen], distances[chosen] = nearest_known(reference, case, group, own[chosen], k)
    around, away = kept.index.query(own, min(AROUND, len(reference)))
    return Neighbours(
        reference=f"{reference.name}@{reference.version}",
        case=case,
        names=known.names[found],
        kinds=known.kinds[found],
        distances=distances,
        typical=nearest_known(reference, case, "ordinary", own, k)[1][:, -1],
        places=_places(case_of(case, kept.settings, host).embedder, away, kept.embedding[around], host),
    )


def _places(embedder: Embedder, distances: F64, positions: F64, host: PluginHost) -> F64:
    """Where new sources belong; as every embedder does it where this one breaks, which the host is told of."""
    from xherald.plugins.embedding import place_among

    try:
        with guarded(host, "embedders", embedder, "placing sources on the map"):
            return embedder.place(distances, positions)
    except PluginDefectError:
        return place_among(distances, positions)
