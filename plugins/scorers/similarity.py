"""Which known sources a source resembles: nearest bona-fide transients against nearest ordinary sources.

The published method takes those sources for candidates that lie nearest to a known transient (Dillmann et al. 2025,
MNRAS 537, 931). Where sources crowd, though, everything is near to everything; so the distance to transients is held
against that to ordinary sources, which in d dimensions is the d-th root of a ratio of densities (the nearest-neighbour
estimate of a density: Loftsgaarden & Quesenberry 1965, Ann. Math. Stat. 36, 1049).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..contract import F32, Options
from ..judging import Scorer, Subjects
from ..reference import Reference

__all__ = ["SimilarityOptions", "SimilarityScorer", "transient_rows"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

NEAREST: Final = 1e-6
"""Distances below this are held to be equal to it: a source is no nearer to another than to itself."""


class SimilarityOptions(Options):
    """Options of `similarity`.

    Parameters
    ----------
    transients : int — the distance is that to the transient of this rank
    ordinary : int — and to the ordinary source of this rank
    voters : int — transients nearest to a source, whose classes are counted
    """

    transients: int = Field(default=3, ge=1)
    ordinary: int = Field(default=10, ge=1)
    voters: int = Field(default=10, ge=1)


def transient_rows(reference: Reference) -> dict[str, I64]:
    """Rows of a reference's bona-fide flares, dips, and of its ordinary sources.

    Transients that are listed as neither, such as XRT 200515, brightened: they count as flares.
    """
    kinds = np.array(reference.sources.column("bona_fide").to_pylist())
    direction = np.select([kinds == "dip", kinds != ""], ["dip", "flare"], "ordinary")
    return {name: np.flatnonzero(direction == name) for name in ("flare", "dip", "ordinary")}


class SimilarityScorer(Scorer):
    """Resemblance to bona-fide transients: log-ratios of distances in each case's feature space, votes of classes."""

    name = "similarity"
    options_model = SimilarityOptions

    def score(self, subjects: Subjects, options: Options) -> Mapping[str, F64]:
        """Columns, shape (n,); none without a reference.

        Returns
        -------
        mapping
            ``similarity_flare_CASE`` and ``similarity_dip_CASE``: ln of the distance to the nearest ordinary sources
            over that to the nearest bona-fide flares (dips); the higher, the more like one. ``votes_CLASS``: part of
            the nearest bona-fide transients that are of a class, nearer ones counting more, averaged over the cases.
        """
        assert isinstance(options, SimilarityOptions)
        reference, features = subjects.reference, subjects.features
        if reference is None or not features:
            return {}
        rows = transient_rows(reference)
        columns: dict[str, F64] = {}
        for case, own in features.items():
            held = reference.case(case).features
            away = {
                name: _distance(held[rows[name]], own, options.ordinary if name == "ordinary" else options.transients)
                for name in rows
            }
            for name in ("flare", "dip"):
                columns[f"similarity_{name}_{case}"] = np.log(away["ordinary"] / away[name])
        columns.update(_votes(reference, features, np.concatenate([rows["flare"], rows["dip"]]), options.voters))
        return columns


def _distance(held: F32, own: F32, rank: int) -> F64:
    """Distance of each row to the neighbour of a rank, or to the last where there are fewer."""
    from ..embedders.nearest import nearest, tiles_of

    _, distances = nearest(tiles_of(held), own, min(rank, len(held)), threads=0)
    return np.maximum(distances[:, -1], NEAREST)


def _votes(reference: Reference, features: Mapping[str, F32], transients: I64, voters: int) -> dict[str, F64]:
    """Shares of the classes among the nearest transients, each weighted with its inverse distance."""
    from ..embedders.nearest import nearest, tiles_of

    names, kinds = (np.array(reference.sources.column(name).to_pylist())[transients] for name in ("class", "bona_fide"))
    classes, code = np.unique(np.where(names == "", kinds, names), return_inverse=True)
    shares = np.zeros((next(iter(features.values())).shape[0], len(classes)))
    for case, own in features.items():
        table = tiles_of(reference.case(case).features[transients])
        found, distances = nearest(table, own, min(voters, len(transients)), threads=0)
        weights = 1.0 / np.maximum(distances, NEAREST)
        weights /= weights.sum(axis=1, keepdims=True)
        for number in range(len(classes)):
            shares[:, number] += np.where(code[found] == number, weights, 0.0).sum(axis=1)
    shares /= len(features)
    return {f"votes_{name}": shares[:, number] for number, name in enumerate(classes.tolist())}
