"""What the detector says of every source of a file: `Detections`, flat arrays in the order of the batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64
from xherald.plugins.scoring import DetectionBatch, Flags

__all__ = ["Detections", "Neighbours", "VetoFlags"]


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The nearest bona-fide transients of each source, in the case that tells them best.

    Parameters
    ----------
    reference : str — name and version, as ``name@version``
    case : str
    names : ndarray, shape (n, k), str — nearest first
    kinds : ndarray, shape (n, k), str — class of the transient where it is known, else flare, dip or other
    distances : ndarray, shape (n, k), float64 — in feature space
    typical : ndarray, shape (n,), float64 — distance to the k-th nearest ordinary source, to hold them against
    places : ndarray, shape (n, 2), float64 — on the reference's map
    """

    reference: str
    case: str
    names: NDArray[np.str_]
    kinds: NDArray[np.str_]
    distances: F64
    typical: F64
    places: F64

    def part(self, first: int, stop: int) -> Neighbours:
        """Those of the sources from `first` to before `stop`."""
        arrays = ("names", "kinds", "distances", "typical", "places")
        return replace(self, **{name: getattr(self, name)[first:stop] for name in arrays})


@dataclass(frozen=True, slots=True, eq=False)
class VetoFlags:
    """One veto's answer, and what it means.

    Parameters
    ----------
    name : str — of the veto
    rejects : bool — whether a source so flagged is no candidate
    reason : str — template over the numbers
    flags : Flags
    """

    name: str
    rejects: bool
    reason: str
    flags: Flags


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The verdict on n sources.

    Parameters
    ----------
    subjects : DetectionBatch
        What was judged; its `direction` and `intervals` are those of the verdict.
    columns : mapping of str to ndarray, shape (n,)
        What the scorers said, by name.
    score : ndarray, shape (n,) — combined score in the source's direction; NaN where it was not tested
    chances : mapping of str to ndarray, shape (n,)
        By direction, the chance that a null source like it comes out so high in that direction; NaN where untested.
    false_alarm_probability : ndarray, shape (n,)
        Chance that a source like it (photons, livetime, gaps, background, instrument) that does not vary comes out so
        high, in either direction; NaN where it was not tested.
    far_hz : ndarray, shape (n,) — rate of such false alarms in the stream that the file is of; NaN where unknown
    p_astro : ndarray, shape (n,) — chance that it varies, given how often sources do
    classes : tuple of str, length c
    class_probabilities : ndarray, shape (n, c) — of each class, given that it varies; rows add to 1, NaN if untested
    neighbours : Neighbours or None — None without a reference of the instrument
    vetoes : tuple of VetoFlags
    significant : ndarray, shape (n,), bool — false-alarm probability at or below the threshold
    candidate : ndarray, shape (n,), bool — significant, and no flag that rejects
    calibration : str — which calibration it was, as ``name@version group``
    """

    detection_batch: DetectionBatch
    columns: Mapping[str, F64]
    score: F64
    chances: Mapping[str, F64]
    false_alarm_probability: F64
    far_hz: F64
    p_astro: F64
    classes: tuple[str, ...]
    class_probabilities: F64
    neighbours: Neighbours | None
    vetoes: tuple[VetoFlags, ...]
    significant: NDArray[np.bool_]
    candidate: NDArray[np.bool_]
    calibration: str

    def __len__(self) -> int:
        return len(self.detection_batch)
