"""Which known sources a source resembles: nearest bona-fide transients against nearest ordinary sources.

The published method takes those sources for candidates that lie nearest to a known transient (Dillmann et al. 2025,
MNRAS 537, 931). Where sources crowd, though, everything is near to everything; so the distance to transients is held
against that to ordinary sources, which in d dimensions is the d-th root of a ratio of densities (the nearest-neighbour
estimate of a density: Loftsgaarden & Quesenberry 1965, Ann. Math. Stat. 36, 1049).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import Field

from xherald.photons.arrays import F32, F64
from xherald.plugins.contract import Options
from xherald.plugins.known_transients import find_nearest_members, get_member_kinds
from xherald.plugins.reference import Reference
from xherald.plugins.scoring import DetectionBatch, Scorer

__all__ = ["SimilarityOptions", "SimilarityScorer"]


class SimilarityOptions(Options):
    """Options of `similarity`.

    Parameters
    ----------
    transients : int — the distance is that to the transient of this rank
    ordinary : int — and to the ordinary source of this rank
    voters : int — transients nearest to a source, whose classes are counted
    ranked : tuple of str
        Cases whose resemblance the combined score is made of: such as know nothing of the spectrum.
    """

    transients: int = Field(default=3, ge=1)
    ordinary: int = Field(default=10, ge=1)
    voters: int = Field(default=10, ge=1)
    ranked: tuple[str, ...] = ("variability",)


class SimilarityScorer(Scorer[SimilarityOptions]):
    """Resemblance to bona-fide transients: log-ratios of distances in each case's feature space, votes of classes."""

    name = "similarity"

    def score(self, detection_batch: DetectionBatch, options: SimilarityOptions) -> Mapping[str, F64]:
        """Columns, shape (n,); none without a reference.

        Returns
        -------
        mapping
            ``similarity_flare_CASE`` and ``similarity_dip_CASE``: ln of the distance to the nearest ordinary sources
            over that to the nearest bona-fide flares (dips); the higher, the more like one. ``votes_CLASS``: part of
            the nearest bona-fide transients that are of a class, nearer ones counting more, averaged over the cases.
        """
        reference, features = detection_batch.reference, detection_batch.features
        if reference is None or not features:
            return {}
        columns: dict[str, F64] = {}
        for case, own in features.items():
            away = {
                group: find_nearest_members(reference, case, group, own, rank)[1][:, -1]
                for group, rank in (
                    ("flare", options.transients),
                    ("dip", options.transients),
                    ("ordinary", options.ordinary),
                )
            }
            for group in ("flare", "dip"):
                columns[f"similarity_{group}_{case}"] = np.log(away["ordinary"] / away[group])
        columns.update(_votes(reference, features, options.voters))
        return columns

    def inputs(self, direction: str, options: SimilarityOptions) -> Mapping[str, int]:
        """Resemblance to transients of the direction, in the cases that are ranked."""
        return {f"similarity_{direction}_{case}": 1 for case in options.ranked}

    def input_cases(self, options: SimilarityOptions) -> tuple[str, ...]:
        """Those that are ranked."""
        return options.ranked


def _votes(reference: Reference, features: Mapping[str, F32], voters: int) -> dict[str, F64]:
    """Shares of the classes among the nearest transients of a known class, each weighted with its inverse distance."""
    known = get_member_kinds(reference)
    classes = np.unique(known.kinds[known.rows["classed"]])
    shares = np.zeros((next(iter(features.values())).shape[0], len(classes)))
    for case, own in features.items():
        found, distances = find_nearest_members(reference, case, "classed", own, voters)
        weights = 1.0 / distances
        weights /= weights.sum(axis=1, keepdims=True)
        for number, name in enumerate(classes):
            shares[:, number] += np.where(known.kinds[found] == name, weights, 0.0).sum(axis=1)
    shares /= len(features)
    return {f"votes_{name}": shares[:, number] for number, name in enumerate(classes.tolist())}
