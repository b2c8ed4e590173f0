"""E–t maps and light curves of a population, as a reference keeps them: `make_members`."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons import EventBatch, EventList
from xherald.photons.arrays import F64
from xherald.plugins.reference_members import LIGHT_CURVE_BINS, MAP_SHAPE, ReferenceMembers

__all__ = ["make_members"]

BLOCK_SOURCES: Final = 10_000
"""Sources whose maps are made together: dense maps of many more would take gigabytes."""


def make_members(batch: EventBatch) -> ReferenceMembers:
    """E–t maps on the published axes, and light curves in bins of equal exposure, of every source.

    Parameters
    ----------
    batch : EventBatch
    """
    counts, edges, span = _light_curves(batch)
    steps = np.iinfo(np.uint16).max
    return ReferenceMembers(
        {
            **_sparse_maps(batch),
            "curve_counts": _compact(counts),
            "curve_edges": np.rint(edges / np.maximum(span, np.finfo(np.float64).tiny)[:, None] * steps).astype(
                np.uint16
            ),
            "span_s": span,
            "livetime_s": batch.livetime,
        }
    )


def _sparse_maps(batch: EventBatch) -> dict[str, NDArray[Any]]:
    from xherald.plugins.representations.published_maps import EtMap, EtMapOptions

    options = EtMapOptions(bins=MAP_SHAPE)
    lengths, bins, counts = [], [], []
    for first in range(0, len(batch), BLOCK_SOURCES):
        block = batch.select(np.arange(first, min(first + BLOCK_SOURCES, len(batch))))
        flat = EtMap().transform(block, options).reshape(len(block), -1)
        source, position = np.nonzero(flat)
        lengths.append(np.bincount(source, minlength=len(block)))
        bins.append(position.astype(np.uint16))
        counts.append(flat[source, position].astype(np.int64))
    return {
        "map_offsets": np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64),
        "map_bins": np.concatenate(bins),
        "map_counts": _compact(np.concatenate(counts)),
    }


def _light_curves(batch: EventBatch) -> tuple[NDArray[np.int64], F64, F64]:
    """Photons in each bin, edges of the bins in s since the start of the exposure, and length of the exposure in s."""
    counts = np.zeros((len(batch), LIGHT_CURVE_BINS), dtype=np.int64)
    edges = np.zeros((len(batch), LIGHT_CURVE_BINS + 1))
    span = np.zeros(len(batch))
    for row, source in enumerate(batch):
        counts[row], edges[row], span[row] = _light_curve(source)
    return counts, edges, span


def _light_curve(source: EventList) -> tuple[NDArray[np.int64], F64, float]:
    exposure = source.exposure
    start, stop = float(exposure.gti[0, 0]), float(exposure.gti[-1, 1])
    total = exposure.livetime
    elapsed = exposure.time_at(np.linspace(0.0, total, LIGHT_CURVE_BINS + 1)) - start
    elapsed[0], elapsed[-1] = 0.0, stop - start
    place = (exposure.livetime_at(source.time) * (LIGHT_CURVE_BINS / total)).astype(np.int64)
    return np.bincount(np.minimum(place, LIGHT_CURVE_BINS - 1), minlength=LIGHT_CURVE_BINS), elapsed, stop - start


def _compact(counts: NDArray[np.int64]) -> NDArray[Any]:
    """The counts in the smallest unsigned type that holds them, 16 bits at least."""
    most = int(counts.max(initial=0))
    return counts.astype(np.uint16 if most <= np.iinfo(np.uint16).max else np.uint32)
