"""Energy–time maps and light curves of a reference's sources: `ReferenceMembers`.

They are small enough to keep beside features and embeddings, and show a person what a source is being compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64
from xherald.photons.errors import ReferenceDataError

__all__ = ["LIGHT_CURVE_BINS", "MAP_SHAPE", "MEMBER_ARRAYS", "MemberLightCurve", "ReferenceMembers"]

MAP_SHAPE: Final = (24, 16)
"""Bins of an E–t map: τ from the first photon to the last, log E from 0.5 to 7 keV, as published."""

LIGHT_CURVE_BINS: Final = 48
"""Bins of a light curve, of equal exposure."""

MEMBER_ARRAYS: Final = ("map_offsets", "map_bins", "map_counts", "curve_counts", "curve_edges", "span_s", "livetime_s")
"""Names of the arrays that members are kept as."""

Arrays: TypeAlias = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class MemberLightCurve:
    """Light curve of one source in bins of equal exposure.

    Parameters
    ----------
    edges_s : ndarray, shape (bins + 1,), float64
        Edges of the bins, s since the start of the exposure. Gaps in the good time are inside bins.
    exposure_s : ndarray, shape (bins,), float64
        Live time in each bin, s.
    counts : ndarray, shape (bins,), int64
    """

    edges_s: F64
    exposure_s: F64
    counts: I64

    @property
    def rate_ct_s(self) -> F64:
        """Count rate in each bin, ct/s."""
        return self.counts / self.exposure_s


class ReferenceMembers:
    """E–t maps and light curves of the sources of a reference, by row.

    Parameters
    ----------
    arrays : mapping of str to ndarray, or callable
        The arrays `MEMBER_ARRAYS` of n sources, or a function without arguments that reads them when they are first
        needed.

        map_offsets : shape (n + 1,), int64 — where each source's entries begin in the next two
        map_bins : uint16 — index into the flattened map
        map_counts : unsigned integer — photons in that bin
        curve_counts : shape (n, 48), unsigned integer — photons in each bin of the light curve
        curve_edges : shape (n, 49), uint16 — edges of these bins in units of span_s / 65535
        span_s : shape (n,), float64 — start to end of the exposure, gaps included
        livetime_s : shape (n,), float64
    """

    def __init__(self, arrays: Arrays | Callable[[], Arrays]) -> None:
        self._source = arrays
        self._arrays: Arrays | None = None

    @classmethod
    def without_photons(cls, n: int) -> ReferenceMembers:
        """Empty maps and light curves over one second, for references made by hand.

        Parameters
        ----------
        n : int
            Number of sources.
        """
        steps = np.iinfo(np.uint16).max
        edges = np.rint(np.linspace(0, steps, LIGHT_CURVE_BINS + 1)).astype(np.uint16)
        return cls(
            {
                "map_offsets": np.zeros(n + 1, dtype=np.int64),
                "map_bins": np.zeros(0, dtype=np.uint16),
                "map_counts": np.zeros(0, dtype=np.uint16),
                "curve_counts": np.zeros((n, LIGHT_CURVE_BINS), dtype=np.uint16),
                "curve_edges": np.tile(edges, (n, 1)),
                "span_s": np.ones(n),
                "livetime_s": np.ones(n),
            }
        )

    @property
    def arrays(self) -> Arrays:
        """The arrays, read now if they were not before."""
        if self._arrays is None:
            self._arrays = self._source() if callable(self._source) else self._source
        return self._arrays

    def __len__(self) -> int:
        return len(self.arrays["livetime_s"])

    def et_map(self, row: int) -> I64:
        """E–t map of a source: photons, shape `MAP_SHAPE` (time, energy).

        Raises
        ------
        ReferenceDataError
            There is no such row.
        """
        row, arrays = self._checked(row), self.arrays
        entries = slice(arrays["map_offsets"][row], arrays["map_offsets"][row + 1])
        counts = np.zeros(MAP_SHAPE[0] * MAP_SHAPE[1], dtype=np.int64)
        counts[arrays["map_bins"][entries]] = arrays["map_counts"][entries]
        return counts.reshape(MAP_SHAPE)

    def light_curve(self, row: int) -> MemberLightCurve:
        """Light curve of a source.

        Raises
        ------
        ReferenceDataError
            There is no such row.
        """
        row, arrays = self._checked(row), self.arrays
        steps = np.iinfo(np.uint16).max
        return MemberLightCurve(
            edges_s=arrays["curve_edges"][row] * (float(arrays["span_s"][row]) / steps),
            exposure_s=np.full(LIGHT_CURVE_BINS, float(arrays["livetime_s"][row]) / LIGHT_CURVE_BINS),
            counts=arrays["curve_counts"][row].astype(np.int64),
        )

    def _checked(self, row: int) -> int:
        if not 0 <= row < len(self):
            raise ReferenceDataError(f"no source in row {row}; the reference has {len(self)} sources")
        return int(row)

    def __repr__(self) -> str:
        return "<ReferenceMembers, not read yet>" if self._arrays is None else f"<ReferenceMembers: {len(self)}>"
