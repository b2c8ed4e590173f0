"""Known transients of a reference, and the nearest of them, or of its ordinary sources, to new sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F32, F64, I64

from .reference import Reference

if TYPE_CHECKING:
    from xherald.plugins.embedders.exact_neighbours import Tiles

__all__ = ["MemberKinds", "find_nearest_members", "get_member_kinds"]


MIN_DISTANCE: Final = 1e-6
"""Smaller distances are set to this, so that ratios of distances are defined for a source that is its own neighbour."""


@dataclass(frozen=True, slots=True, eq=False)
class MemberKinds:
    """Kinds of a reference's n sources.

    Parameters
    ----------
    names, kinds : ndarray, shape (n,), str
        obsreg_id; class where it is known, else "flare", "dip", "other" or "".
    rows : mapping of str to ndarray
        Rows of the bona-fide transients that are "flare" or "dip", of both ("transient"), of those with a class
        ("classed"; all of them if none has one), and of the "ordinary" sources. Transients of kind "other", such as
        XRT 200515, are brightenings and count as flares.
    """

    names: NDArray[np.str_]
    kinds: NDArray[np.str_]
    rows: Mapping[str, I64]


@lru_cache(maxsize=16)
def get_member_kinds(reference: Reference) -> MemberKinds:
    """Kinds of a reference's sources; cached, since a reference is immutable."""
    names, classes, bona_fide = (
        np.array(reference.sources.column(name).to_pylist()) for name in ("obsreg_id", "class", "bona_fide")
    )
    direction = np.select([bona_fide == "dip", bona_fide != ""], ["dip", "flare"], "ordinary")
    rows = {name: np.flatnonzero(direction == name) for name in ("flare", "dip", "ordinary")}
    rows["transient"] = np.concatenate([rows["flare"], rows["dip"]])
    classed = rows["transient"][classes[rows["transient"]] != ""]
    rows["classed"] = classed if classed.size else rows["transient"]
    return MemberKinds(names, np.where(classes == "", bona_fide, classes), rows)


def find_nearest_members(reference: Reference, case: str, group: str, features: F32, k: int) -> tuple[I64, F64]:
    """Find the nearest members of a group in feature space.

    Parameters
    ----------
    reference : Reference
    case : str
    group : str
        Key of `MemberKinds.rows`.
    features : ndarray, shape (m, d), float32
    k : int
        The group's size if that is smaller.

    Returns
    -------
    rows : ndarray, shape (m, k), int64
        Rows of the reference, nearest first.
    distances : ndarray, shape (m, k), float64
        Euclidean, at least `MIN_DISTANCE`.
    """
    from xherald.plugins.embedders.exact_neighbours import find_nearest

    rows = get_member_kinds(reference).rows[group]
    found, distances = find_nearest(_group_tiles(reference, case, group), features, min(k, len(rows)), threads=0)
    return rows[found], np.maximum(distances, MIN_DISTANCE)


@lru_cache(maxsize=128)
def _group_tiles(reference: Reference, case: str, group: str) -> Tiles:
    from xherald.plugins.embedders.exact_neighbours import make_tiles

    return make_tiles(reference.case(case).features[get_member_kinds(reference).rows[group]])
