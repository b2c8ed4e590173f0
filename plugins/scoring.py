"""What scorers and vetoes are told of detections, and what they answer: `DetectionBatch`, `Flags`, `Scorer`, `Veto`.

On the road both stand between features and calibration: a scorer adds numbers that the combined score is made of, a
veto says what else than the source could have made it look as it does.
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
    """Detections under judgement, n sources: of one file for vetoes, of any number of files for scorers.

    Parameters
    ----------
    batch : EventBatch
    timing : Timing
    direction : ndarray, shape (n,), int8
        FLARE or DIP (`photons.statistics`): which of the two a source would rather be; STEADY where it was not tested.
    intervals : Intervals
        What the best test of that direction points at; NaN where it points at nothing.
    reference : Reference or None
        What sources are held against; None where there is none of their instrument.
    features : mapping of str to ndarray, shape (n, d)
        Of each of the reference's cases, by name; empty without a reference.
    observation : Observation or None
        None where the photons came in a table, and for scorers, which see photons and nothing else of a file.
    apertures : tuple of Aperture
        One a source, in the batch's order; empty for a table.
    rows : ndarray, shape (photons,), or None
        Where each photon of the batch stands in ``observation.events``; None for a table.
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
    """A veto's answer on n sources.

    Parameters
    ----------
    raised : ndarray, shape (n,), bool
    numbers : mapping of str to ndarray, shape (n,), float64
        What it was decided on, names with units; finite where the flag is raised.
    """

    raised: NDArray[np.bool_]
    numbers: Mapping[str, F64]


class Scorer(Plugin[OptionsT]):
    """Numbers that tell a transient from a source that is none."""

    @abstractmethod
    def score(self, detection_batch: DetectionBatch, options: OptionsT) -> Mapping[str, F64]:
        """Columns of shape (n,) by name; NaN where a source cannot be scored.

        A source's score does not depend on what else is in the batch.
        """

    def inputs(self, direction: str, options: OptionsT) -> Mapping[str, int]:
        """Columns that the combined score of a direction ("flare", "dip") is made of; none unless it says so.

        Only such are fit whose distribution over sources that do not vary depends on their number of photons alone:
        a column that knows the spectrum makes stated false-alarm rates wrong for sources of another.

        Returns
        -------
        mapping of str to int
            1 where the score may only rise with the column, 0 where it is free.
        """
        return {}


class Veto(Plugin[OptionsT]):
    """Something else than the source that could have made it look as it does."""

    rejects: ClassVar[bool] = True
    """Whether a source with this flag is no candidate; a flag that does not reject is only told."""

    reason: ClassVar[str]
    """What a raised flag says, a `str.format` template over `Flags.numbers`."""

    @abstractmethod
    def flags(self, detection_batch: DetectionBatch, options: OptionsT) -> Flags:
        """Judge every source.

        Where what it needs is not known (no pixel columns, a table of photons) it raises nothing.
        """
