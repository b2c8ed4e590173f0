"""Which known sources a source resembles: nearest bona-fide transients against nearest ordinary sources.

The published method takes those sources for candidates that lie nearest to a known transient (Dillmann et al. 2025,
MNRAS 537, 931). Where sources crowd, though, everything is near to everything; so the distance to transients is held
against that to ordinary sources, which in d dimensions is the d-th root of a ratio of densities (the nearest-neighbour
estimate of a density: Loftsgaarden & Quesenberry 1965, Ann. Math. Stat. 36, 1049).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..contract import F32, Options
from ..judging import Scorer, Subjects
from ..reference import Reference

if TYPE_CHECKING:
    from ..embedders.nearest import Tiles

__all__ = ["Known", "SimilarityOptions", "SimilarityScorer", "known_of", "nearest_known"]

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
    ranked : tuple of str
        Cases whose resemblance the combined score is made of: such as know nothing of the spectrum.
    """

    transients: int = Field(default=3, ge=1)
    ordinary: int = Field(default=10, ge=1)
    voters: int = Field(default=10, ge=1)
    ranked: tuple[str, ...] = ("variability",)


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of a reference's sources, n of them.

    Parameters
    ----------
    names, kinds : ndarray, shape (n,), str
        obsreg_id; class where it is known, else flare, dip, other or "".
    rows : mapping of str to ndarray
        Rows of the bona-fide "flare"s and "dip"s, of both together ("transient"), and of the "ordinary" sources.
        Transients that are listed as neither, such as XRT 200515, brightened: they count as flares.
    """

    names: NDArray[np.str_]
    kinds: NDArray[np.str_]
    rows: Mapping[str, I64]


@lru_cache(maxsize=16)
def known_of(reference: Reference) -> Known:
    """Read what is known of a reference; once, for a reference never changes."""
    names, classes, listed = (
        np.array(reference.sources.column(name).to_pylist()) for name in ("obsreg_id", "class", "bona_fide")
    )
    direction = np.select([listed == "dip", listed != ""], ["dip", "flare"], "ordinary")
    rows = {name: np.flatnonzero(direction == name) for name in ("flare", "dip", "ordinary")}
    rows["transient"] = np.concatenate([rows["flare"], rows["dip"]])
    return Known(names, np.where(classes == "", listed, classes), rows)


def nearest_known(reference: Reference, case: str, group: str, features: F32, k: int) -> tuple[I64, F64]:
    """The k nearest of a group of `Known.rows`, or all where there are fewer: rows of the reference and distances."""
    from ..embedders.nearest import nearest

    rows = known_of(reference).rows[group]
    found, distances = nearest(_tiles(reference, case, group), features, min(k, len(rows)), threads=0)
    return rows[found], np.maximum(distances, NEAREST)


@lru_cache(maxsize=128)
def _tiles(reference: Reference, case: str, group: str) -> Tiles:
    from ..embedders.nearest import tiles_of

    return tiles_of(reference.case(case).features[known_of(reference).rows[group]])


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
        columns: dict[str, F64] = {}
        for case, own in features.items():
            away = {
                group: nearest_known(reference, case, group, own, rank)[1][:, -1]
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

    def inputs(self, direction: str, options: Options) -> Mapping[str, int]:
        """Resemblance to transients of the direction, in the cases that are ranked."""
        assert isinstance(options, SimilarityOptions)
        return {f"similarity_{direction}_{case}": 1 for case in options.ranked}


def _votes(reference: Reference, features: Mapping[str, F32], voters: int) -> dict[str, F64]:
    """Shares of the classes among the nearest transients, each weighted with its inverse distance."""
    known = known_of(reference)
    classes = np.unique(known.kinds[known.rows["transient"]])
    shares = np.zeros((next(iter(features.values())).shape[0], len(classes)))
    for case, own in features.items():
        found, distances = nearest_known(reference, case, "transient", own, voters)
        weights = 1.0 / distances
        weights /= weights.sum(axis=1, keepdims=True)
        for number, name in enumerate(classes):
            shares[:, number] += np.where(known.kinds[found] == name, weights, 0.0).sum(axis=1)
    shares /= len(features)
    return {f"votes_{name}": shares[:, number] for number, name in enumerate(classes.tolist())}
