"""Scores and calibrated probabilities of every source of a file: `Detections`, flat arrays in the batch's order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from xherald.context.counterparts import Counterparts
from xherald.context.fluxes.flux_scale import FluxScale
from xherald.photons.arrays import F64
from xherald.plugins.scoring import DetectionBatch, Flags

from .classify import SourceClasses

__all__ = ["Detections", "Neighbours", "VetoFlags"]


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The nearest known transients of each source, in the case of the reference that separates them best.

    Parameters
    ----------
    reference : str — name and version, as ``name@version``
    case : str
    names : ndarray, shape (n, k), str — nearest first
    kinds : ndarray, shape (n, k), str — class of the transient where it is known, else flare, dip or other
    distances : ndarray, shape (n, k), float64 — in feature space
    typical : ndarray, shape (n,), float64 — distance to the k-th nearest ordinary source, for comparison
    places : ndarray, shape (n, 2), float64 — position on the reference's map
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
    """The result of one veto for every source.

    Parameters
    ----------
    name : str — of the veto
    rejects : bool — whether a flagged source is rejected as a candidate
    reason : str — template, filled with the numbers of `flags`
    flags : Flags
    of_observation : bool — whether the reason concerns the observation as a whole
    """

    name: str
    rejects: bool
    reason: str
    flags: Flags
    of_observation: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Results of n sources.

    Parameters
    ----------
    detection_batch : DetectionBatch
        The sources, with the direction and interval in which each is most significant.
    columns : mapping of str to ndarray, shape (n,)
        Columns of the scorers, by name.
    score : ndarray, shape (n,) — combined score in the source's direction; NaN where it was not tested
    direction_probabilities : mapping of str to ndarray, shape (n,)
        By direction, the probability that a matched null source scores as high in that direction; NaN where untested.
    tail_probability : ndarray, shape (n,)
        Probability that a comparable steady source (photons, live time, gaps, background, instrument) scores as high,
        in either direction; NaN where untested. Beyond the null sources it follows an exponential tail: it serves
        decisions and ordering, `false_alarm_probability` is what is stated.
    probability_error : ndarray, shape (n,) — standard error of `tail_probability`; NaN where the pooled null holds
    is_own_null : ndarray, shape (n,), bool
        Whether `tail_probability` is that of a null hypothesis of the source's own, else of the pooled null sources.
    probability_floor : float
        Smallest probability that the calibration measured for this instrument.
    far_hz : ndarray, shape (n,)
        Rate of false alarms at `false_alarm_probability` in the stream of files, Hz; NaN where unknown.
    p_astro : ndarray, shape (n,) — probability that the source varies, prior odds included
    kind : ndarray, shape (n,), str — of the variability: see `variability_kinds`
    kind_probability : ndarray, shape (n,) — posterior probability of that kind; NaN where it was not judged
    p_red_noise, p_red_noise_error : ndarray, shape (n,)
        Probability that red noise would look as much like an event, and its standard error; NaN where not judged.
    classes : SourceClasses — of the significant sources
    neighbours : Neighbours or None — None without a reference of the instrument
    vetoes : tuple of VetoFlags
    significant : ndarray, shape (n,), bool — tail probability at or below the threshold
    candidate : ndarray, shape (n,), bool — significant, and rejected by no veto
    calibration : str — name, version and group of the calibration, as ``name@version group``
    flux_scale : FluxScale or None — counts for a unit of flux; None where the telescope has no conversion factors
    threshold : float — largest tail probability of a significant source
    known_objects : mapping of int to Counterparts — what is catalogued at the positions of candidates, by index
    """

    detection_batch: DetectionBatch
    columns: Mapping[str, F64]
    score: F64
    direction_probabilities: Mapping[str, F64]
    tail_probability: F64
    probability_error: F64
    is_own_null: NDArray[np.bool_]
    probability_floor: float
    far_hz: F64
    p_astro: F64
    kind: NDArray[np.str_]
    kind_probability: F64
    p_red_noise: F64
    p_red_noise_error: F64
    classes: SourceClasses
    neighbours: Neighbours | None
    vetoes: tuple[VetoFlags, ...]
    significant: NDArray[np.bool_]
    candidate: NDArray[np.bool_]
    calibration: str
    flux_scale: FluxScale | None = None
    threshold: float = 1e-3
    known_objects: Mapping[int, Counterparts] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.detection_batch)

    @property
    def false_alarm_probability(self) -> F64:
        """Probability that a comparable steady source scores as high, at least `probability_floor`, shape (n,)."""
        return np.maximum(self.tail_probability, self.probability_floor)

    @property
    def extrapolated(self) -> NDArray[np.bool_]:
        """Whether `false_alarm_probability` is only an upper limit, since nothing smaller was measured, shape (n,)."""
        return np.nan_to_num(self.tail_probability, nan=1.0) < self.probability_floor

    @property
    def ranking_statistic(self) -> F64:
        """−log10 of `tail_probability`, which orders sources beyond the floor, shape (n,)."""
        ranking: F64 = -np.log10(np.maximum(self.tail_probability, np.finfo(np.float64).tiny))
        return ranking
