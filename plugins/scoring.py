"""Base classes of scorers and vetoes, their input and result: `Scorer`, `Veto`, `DetectionBatch`, `Flags`.

A scorer computes columns for the combined score; a veto flags variability that is not astrophysical.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from xherald.photons import Aperture, EventBatch, Observation
from xherald.photons.arrays import F32, F64, I64

from .contract import OptionsT, Plugin

if TYPE_CHECKING:
    from xherald.photons.statistics.result import Intervals, Timing

    from .reference import Reference

__all__ = ["DetectionBatch", "Flags", "Scorer", "Veto"]


@dataclass(frozen=True, slots=True, eq=False)
class DetectionBatch:
    """Detections of n sources: of one file for vetoes, of any number of files for scorers.

    Parameters
    ----------
    batch : EventBatch
    timing : Timing
    direction : ndarray, shape (n,), int8
        FLARE or DIP (`photons.statistics`), whichever is more significant; STEADY if the source was not tested.
    intervals : Intervals
        Interval of the most significant test in that direction; NaN if it has none.
    reference : Reference or None
        Reference to compare with; None if there is none for the instrument.
    features : mapping of str to ndarray, shape (n, d)
        Features for each case of the reference, by name; empty without a reference.
    observation : Observation or None
        None for a table of photons, and for scorers, which use only photons.
    apertures : tuple of Aperture
        One per source, in the order of the batch; empty for a table.
    rows : ndarray, shape (photons,), or None
        Index of each photon of the batch in ``observation.events``; None for a table.
    """

    batch: EventBatch
    timing: Timing
    direction: NDArray[np.int8]
    intervals: Intervals
    reference: Reference | None = None
    features: Mapping[str, F32] | None = None
    observation: Observation | None = None
    apertures: tuple[Aperture, ...] = ()
    rows: I64 | None = None

    def __len__(self) -> int:
        return len(self.batch)


@dataclass(frozen=True, slots=True, eq=False)
class Flags:
    """Result of a veto for n sources.

    Parameters
    ----------
    raised : ndarray, shape (n,), bool
    numbers : mapping of str to ndarray, shape (n,), float64
        Quantities behind the decision, names with unit suffixes; finite where the flag is raised.
    """

    raised: NDArray[np.bool_]
    numbers: Mapping[str, F64]


class Scorer(Plugin[OptionsT]):
    """Computes columns by which transients differ from other sources."""

    @abstractmethod
    def score(self, detection_batch: DetectionBatch, options: OptionsT) -> Mapping[str, F64]:
        """Compute columns of shape (n,) by name; NaN for a source that cannot be scored.

        Values of a source do not depend on other sources in the batch.
        """

    def inputs(self, direction: str, options: OptionsT) -> Mapping[str, int]:
        """Columns that enter the combined score of a direction ("flare", "dip"); by default none.

        Use only columns whose distribution for constant sources depends on the number of photons alone. If it also
        depends on the spectrum, false-alarm rates are wrong for sources of other spectra.

        Returns
        -------
        mapping of str to int
            1 if the combined score may only increase with the column, else 0.
        """
        return {}

    def input_cases(self, options: OptionsT) -> tuple[str, ...] | None:
        """Cases whose features the columns of `inputs` are computed from; None, by default, for all of the reference.

        Draws of a source under its null hypothesis have the features of these cases only.
        """
        return None


class Veto(Plugin[OptionsT]):
    """Flags variability that is not astrophysical, such as instrumental or background effects."""

    rejects: ClassVar[bool] = True
    """Whether flagged sources are not candidates; if False, the flag is only reported."""

    of_observation: ClassVar[bool] = False
    """Whether the reason concerns an observation as a whole; it is then stated once for all of its sources."""

    reason: ClassVar[str]
    """Explanation of a raised flag, a `str.format` template with the names of `Flags.numbers`."""

    @abstractmethod
    def flags(self, detection_batch: DetectionBatch, options: OptionsT) -> Flags:
        """Flag the sources; none if required information is missing, such as pixel columns."""
