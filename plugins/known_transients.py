"""The known transients of a reference, and which of them, or of its ordinary sources, lie nearest to new sources."""

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

__all__ = ["Known", "known_of", "nearest_known"]


NEAREST: Final = 1e-6
"""Distances below this are held to be equal to it: a source is no nearer to another than to itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of a reference's sources, n of them.

    Parameters
    ----------
    names, kinds : ndarray, shape (n,), str
        obsreg_id; class where it is known, else flare, dip, other or "".
    rows : mapping of str to ndarray
        Rows of the bona-fide "flare"s and "dip"s, of both together ("transient"), of those whose class is known
        ("classed"; all of them where none is), and of the "ordinary" sources. Transients that are listed as neither,
        such as XRT 200515, brightened: they count as flares.
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
    classed = rows["transient"][classes[rows["transient"]] != ""]
    rows["classed"] = classed if classed.size else rows["transient"]
    return Known(names, np.where(classes == "", listed, classes), rows)


def nearest_known(reference: Reference, case: str, group: str, features: F32, k: int) -> tuple[I64, F64]:
    """The k nearest of a group of `Known.rows`, or all where there are fewer: rows of the reference and distances."""
    from xherald.plugins.embedders.exact_neighbours import nearest

    rows = known_of(reference).rows[group]
    found, distances = nearest(_tiles(reference, case, group), features, min(k, len(rows)), threads=0)
    return rows[found], np.maximum(distances, NEAREST)


@lru_cache(maxsize=128)
def _tiles(reference: Reference, case: str, group: str) -> Tiles:
    from xherald.plugins.embedders.exact_neighbours import tiles_of

    return tiles_of(reference.case(case).features[known_of(reference).rows[group]])
