"""What the timing tests say of a source, as features: sources that vary alike lie together, however they are counted.

No representation is needed. Every number is of one source alone, calibrated by the tests' null distributions and so
comparable between sources of any brightness and livetime.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from pydantic import Field, field_validator

from xherald.photons.arrays import F32, F64
from xherald.photons.artefact_folders import load_arrays, save_arrays, save_json
from xherald.photons.errors import ArtefactError, ReferenceDataError
from xherald.plugins.contract import Advance, FeatureExtractor, FittedExtractor, Options, Sample

from .extractor_checks import load_facts, require_finite
from .timing_names import NAMES

__all__ = ["FittedTiming", "TimingExtractor", "TimingOptions"]


NAME: Final = "timing"
FACTS: Final = "timing.json"
ARRAYS: Final = "timing.npz"

FEWEST: Final = 20
"""Sources below which quartiles say nothing of a population."""

NORMAL_IQR: Final = 1.3489795003921634
"""Interquartile range of a normal distribution of unit variance, by which scales are made like standard deviations."""


class TimingOptions(Options):
    """Options of `timing`.

    Parameters
    ----------
    cap : float
        Largest −log10 of a test's p-value that is told apart: the surest sources do not become a scale of their own.
    leave_out : tuple of str
        Features that are not used. Without "hardness", "hardness_change" and "log10_livetime" nothing of the spectrum
        is left: sources that do not vary then lie where their number of photons puts them, whatever they are.
    """

    cap: float = Field(default=10.0, gt=0, le=300)
    leave_out: tuple[str, ...] = ()

    @field_validator("leave_out")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in names if name not in NAMES]:
            raise ValueError(f"{unknown[0]!r} is no timing feature; there are {', '.join(NAMES)}")
        if len(set(names)) == len(NAMES):
            raise ValueError("no feature is left")
        return names


class FittedTiming(FittedExtractor):
    """Timing features with the scales of a population.

    Parameters
    ----------
    names : tuple of str
        Of the features.
    centre, scale : ndarray, shape (d,)
        Medians and interquartile ranges in units of a normal distribution's.
    cap : float
    """

    def __init__(self, names: tuple[str, ...], centre: F64, scale: F64, cap: float) -> None:
        self.names = names
        self.centre = centre
        self.scale = scale
        self.cap = cap
        self.width = len(names)

    def transform(self, sample: Sample) -> F32:
        """Test each source and scale what comes of it, shape (n, width); see `FittedExtractor.transform`."""
        from .timing_features import timing_features

        return self.scaled(timing_features(sample.batch, self.cap, self.names, sample.timing), sample)

    def scaled(self, raw: F64, sample: Sample) -> F32:
        """Raw features in units of the population."""
        features: F32 = ((raw - self.centre) / self.scale).astype(np.float32)
        require_finite(features, sample.batch, NAME)
        return features

    def save(self, folder: Path) -> None:
        """See `FittedExtractor.save`."""
        save_json(folder / FACTS, {"extractor": NAME, "features": list(self.names), "cap": self.cap})
        save_arrays(folder / ARRAYS, centre=self.centre, scale=self.scale)


class TimingExtractor(FeatureExtractor[TimingOptions]):
    """Timing tests as features: how sure a flare or a dip is by each test, and how long, deep and hard it is."""

    name = NAME

    def fit(
        self, sample: Sample, options: TimingOptions, advance: Advance = lambda _: None
    ) -> tuple[FittedTiming, F32]:
        """Learn each feature's median and spread over a population.

        Features that are the same for at least half of a population have no quartiles to tell: these are divided by
        their standard deviation, or by 1 where they never change.

        Raises
        ------
        ReferenceDataError
            Too few sources.
        """
        from .timing_features import timing_features

        names = tuple(name for name in NAMES if name not in options.leave_out)
        if len(sample) < FEWEST:
            raise ReferenceDataError(f"extractor {NAME}: {len(sample)} sources have no scale; bring at least {FEWEST}")
        advance(f"timing tests of {len(sample):,} sources")
        raw = timing_features(sample.batch, options.cap, names, sample.timing)
        require_finite(raw, sample.batch, NAME)
        low, centre, high = np.quantile(raw, (0.25, 0.5, 0.75), axis=0)
        scale = (high - low) / NORMAL_IQR
        spread = raw.std(axis=0)
        scale = np.where(scale > 0, scale, np.where(spread > 0, spread, 1.0))
        fitted = FittedTiming(names, centre, scale, options.cap)
        return fitted, fitted.scaled(raw, sample)

    def load(self, folder: Path) -> FittedTiming:
        """See `FeatureExtractor.load`."""
        facts = load_facts(folder / FACTS, NAME)
        names = facts.get("features")
        if not isinstance(names, list) or not names or [name for name in NAMES if name in names] != names:
            raise ArtefactError(f"{folder / FACTS}: features are not those of this version; build the reference anew")
        cap = facts.get("cap")
        if isinstance(cap, bool) or not isinstance(cap, int | float) or not cap > 0:
            raise ArtefactError(f"{folder / FACTS}: cap is {cap!r}; build the reference anew")
        arrays = load_arrays(folder / ARRAYS, "centre", "scale")
        for name in ("centre", "scale"):
            array = arrays[name]
            if array.shape != (len(names),) or array.dtype != np.float64 or not np.isfinite(array).all():
                raise ArtefactError(f"{folder / ARRAYS}: {name} is not {len(names)} numbers; build the reference anew")
        if not (arrays["scale"] > 0).all():
            raise ArtefactError(f"{folder / ARRAYS}: a scale is not positive; build the reference anew")
        return FittedTiming(tuple(names), arrays["centre"], arrays["scale"], float(cap))
