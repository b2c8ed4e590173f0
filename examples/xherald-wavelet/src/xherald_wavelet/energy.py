"""The extractor: how much of a light curve's variation each time scale holds, in units of a population's own spread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xherald.photons.artefact_folders import load_arrays, load_json, save_arrays, save_json
from xherald.photons.errors import ArtefactError, ReferenceDataError
from xherald.plugins import Advance, FeatureExtractor, FittedExtractor, Options, Sample

__all__ = ["FittedWaveletEnergy", "WaveletEnergyExtractor", "WaveletEnergyOptions"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

NAME = "wavelet_energy"
FACTS, ARRAYS = f"{NAME}.json", f"{NAME}.npz"

NOISE = 0.25
"""Variance of the square root of a Poisson number (Anscombe 1948); a bin's, before it is taken apart."""


class WaveletEnergyOptions(Options):
    """Options of the extractor."""

    fewest: int = Field(default=20, ge=2, description="sources of which something can be learned")


class FittedWaveletEnergy(FittedExtractor):
    """Energies a scale with the population's means and spreads.

    Parameters
    ----------
    shape : (int, int)
        Scales and bins of the representation learned from.
    centre, scale : ndarray, shape (width,)
    """

    def __init__(self, shape: tuple[int, int], centre: F64, scale: F64) -> None:
        self.shape = shape
        self.centre = centre
        self.scale = scale
        self.width = len(centre)

    def transform(self, sample: Sample) -> F32:
        """Features of every source, shape (n, width)."""
        if tuple(sample.shape) != self.shape:
            raise ReferenceDataError(
                f"extractor {NAME}: learned from arrays of shape {self.shape} and was given {tuple(sample.shape)}; "
                "use the representation of the case it was learned for"
            )
        features: F32 = ((energies(sample) - self.centre) / self.scale).astype(np.float32)
        return features

    def save(self, folder: Path) -> None:
        """Write what was learned."""
        save_json(folder / FACTS, {"extractor": NAME, "shape": list(self.shape)})
        save_arrays(folder / ARRAYS, centre=self.centre, scale=self.scale)


class WaveletEnergyExtractor(FeatureExtractor[WaveletEnergyOptions]):
    """Of each scale the mean square of its details over the noise, and the largest; then the mean brightness."""

    name = NAME

    def fit(
        self, sample: Sample, options: WaveletEnergyOptions, advance: Advance = lambda _: None
    ) -> tuple[FittedWaveletEnergy, F32]:
        """Learn means and spreads of a population."""
        if len(sample) < options.fewest:
            raise ReferenceDataError(f"extractor {NAME}: {len(sample)} sources, bring at least {options.fewest}")
        advance(f"wavelet energies of {len(sample):,} sources")
        raw = energies(sample)
        spread = raw.std(axis=0)
        scales, bins = sample.shape
        fitted = FittedWaveletEnergy((scales, bins), raw.mean(axis=0), np.where(spread > 0, spread, 1.0))
        return fitted, fitted.transform(sample)

    def load(self, folder: Path) -> FittedWaveletEnergy:
        """Read what was learned, and refuse what is not that."""
        facts = load_json(folder / FACTS)
        if (found := facts.get("extractor")) != NAME:
            raise ArtefactError(f"{folder / FACTS}: was written by extractor {found!r}, not {NAME!r}")
        shape = facts.get("shape")
        if not (isinstance(shape, list) and len(shape) == 2 and all(type(one) is int and one > 1 for one in shape)):
            raise ArtefactError(f"{folder / FACTS}: shape {shape!r} is none; build the reference anew")
        arrays, width = load_arrays(folder / ARRAYS, "centre", "scale"), 2 * (shape[0] - 1) + 1
        for name in ("centre", "scale"):
            array = arrays[name]
            if array.shape != (width,) or array.dtype != np.float64 or not np.isfinite(array).all():
                raise ArtefactError(f"{folder / ARRAYS}: {name} is not {width} numbers; build the reference anew")
        if not (arrays["scale"] > 0).all():
            raise ArtefactError(f"{folder / ARRAYS}: a scale is not positive; build the reference anew")
        return FittedWaveletEnergy((shape[0], shape[1]), arrays["centre"], arrays["scale"])


def energies(sample: Sample) -> F64:
    """log10 of 1 + the mean, and the largest, square over the noise of each scale, and mean brightness; (n, 2 L + 1).

    Raises
    ------
    ReferenceDataError
        The sample is in no representation of scales and bins.
    """
    values = sample.values
    if values is None or len(sample.shape) != 2 or sample.shape[0] < 2:
        raise ReferenceDataError(f"extractor {NAME} works on scales and bins: name representation wavelet in the case")
    dense = values if isinstance(values, np.ndarray) else values.toarray()
    coefficients = np.ascontiguousarray(dense.reshape(len(sample), *sample.shape), dtype=np.float64)
    details = coefficients[:, 1:] ** 2
    # From the coarsest to the finest: each step up halves the noise that a coefficient holds.
    levels = np.arange(details.shape[1], 0, -1)
    over_noise = details / (NOISE / 2.0**levels)[:, None]
    if not np.isfinite(over_noise).all():
        raise ReferenceDataError(f"extractor {NAME}: coefficients of a source are not finite; leave it out")
    mean, largest = over_noise.mean(axis=2), over_noise.max(axis=2)
    return np.column_stack([np.log10(1.0 + mean), np.log10(1.0 + largest), coefficients[:, 0].mean(axis=1)])
