"""Detectors under evaluation: functions that return `DetectorResults` of a batch, such as the detector of xherald.

`averaged_detector` uses the averaged likelihood ratios only, without a trained score.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xherald.photons import EventBatch
from xherald.photons.arrays import F64

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.photons.statistics.result import TestColumns, Timing

__all__ = [
    "DetectorResults",
    "DetectorUnderTest",
    "averaged_detector",
    "calibrated_detector",
    "column_of",
    "log_inverse",
]


@dataclass(frozen=True, slots=True, eq=False)
class DetectorResults:
    """Results of a detector for n sources.

    Parameters
    ----------
    score_flare, score_dip : ndarray, shape (n,) — larger for transients; NaN where untested
    false_alarm_probability : ndarray, shape (n,) — of one source, in either direction; NaN where untested
    direction : ndarray, shape (n,), int8 — FLARE, DIP, or STEADY where untested
    classes : tuple of str, length c
    class_probabilities : ndarray, shape (n, c) — given that it varies; NaN where not significant
    """

    score_flare: F64
    score_dip: F64
    false_alarm_probability: F64
    direction: NDArray[np.int8]
    classes: tuple[str, ...]
    class_probabilities: F64


DetectorUnderTest: TypeAlias = "Callable[[EventBatch, Timing], DetectorResults]"
"""Scores a batch, given the results of the timing tests."""


def calibrated_detector(configuration: Configuration) -> DetectorUnderTest:
    """The detector as used in a scan; a score is −ln of the false-alarm probability in its direction."""
    from xherald.detector.scoring.detect import score_batch

    def answer(batch: EventBatch, timing: Timing) -> DetectorResults:
        detections = score_batch(batch, timing, configuration)
        return DetectorResults(
            score_flare=log_inverse(detections.direction_probabilities["flare"]),
            score_dip=log_inverse(detections.direction_probabilities["dip"]),
            false_alarm_probability=detections.tail_probability,
            direction=detections.detection_batch.direction,
            classes=detections.classes.names,
            class_probabilities=detections.classes.probabilities,
        )

    return answer


def averaged_detector(batch: EventBatch, timing: Timing) -> DetectorResults:
    """The averaged likelihood ratios only, without a trained score.

    The false-alarm probability is the smaller of the two directions' p, doubled; classes are "flare" and "dip".
    """
    from xherald.photons.statistics import DIP, FLARE, STEADY

    flare, dip = column_of(timing, "flare_averaged").p, column_of(timing, "dip_averaged").p
    tested = np.isfinite(flare) & np.isfinite(dip)
    rather = np.where(flare <= dip, FLARE, DIP)
    belief = np.column_stack([rather == FLARE, rather == DIP]).astype(np.float64)
    return DetectorResults(
        score_flare=log_inverse(flare),
        score_dip=log_inverse(dip),
        false_alarm_probability=np.minimum(2.0 * np.minimum(flare, dip), 1.0),
        direction=np.where(tested, rather, STEADY).astype(np.int8),
        classes=("flare", "dip"),
        class_probabilities=np.where(tested[:, None], belief, np.nan),
    )


def column_of(timing: Timing, name: str) -> TestColumns:
    """A timing test by its name."""
    return next(test for test in timing.tests if test.name == name)


def log_inverse(p: F64) -> F64:
    """−ln p, finite for p = 0; NaN remains NaN."""
    scored: F64 = -np.log(np.maximum(p, 1e-300))
    return scored
