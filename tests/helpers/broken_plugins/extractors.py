"""A conforming feature extractor, and for each rule one that breaks it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from xherald.photons.artefact_folders import load_arrays, load_json, save_arrays, save_json
from xherald.photons.errors import ReferenceDataError
from xherald.plugins import FeatureExtractor, FittedExtractor, Options

from .variants import call_numbers, common_violations, variant, write_energies


class FittedMean(FittedExtractor):
    """Values minus their mean over a population."""

    width = 2

    def __init__(self, mean: np.ndarray) -> None:
        self.mean = mean

    def transform(self, sample):
        counts = sample.batch.counts.astype(np.float64)
        return np.column_stack([np.log1p(counts), np.sqrt(counts)]) - self.mean

    def save(self, folder: Path) -> None:
        save_json(folder / "mean.json", {"extractor": "mean"})
        save_arrays(folder / "mean.npz", mean=self.mean)


class Mean(FeatureExtractor):
    """The logarithm and the square root of the number of photons, minus their means."""

    name = "mean"
    fitted_type = FittedMean

    def fit(self, sample, options, advance=lambda _: None):
        if not len(sample):
            raise ReferenceDataError("no sources to compute a mean of")
        plain = type(self).fitted_type(np.zeros(2)).transform(sample)
        fitted = type(self).fitted_type(plain.mean(axis=0))
        return fitted, fitted.transform(sample)

    def load(self, folder: Path) -> FittedMean:
        from xherald.photons.errors import ArtefactError

        if load_json(folder / "mean.json").get("extractor") != "mean":
            raise ArtefactError(f"{folder}: was written by another extractor")
        mean = load_arrays(folder / "mean.npz", "mean")["mean"]
        if not np.isfinite(mean).all():
            raise ArtefactError(f"{folder}: mean is not finite")
        return type(self).fitted_type(mean)


def with_fitted(**changes: Any) -> Any:
    """An extractor whose fitted extractor has other attributes."""
    return variant(Mean, fitted_type=type("Changed", (FittedMean,), changes))


def save_with_pickle(self: FittedMean, folder: Path) -> None:
    FittedMean.save(self, folder)
    (folder / "all.pkl").write_bytes(pickle.dumps(self.mean))


class RememberingSize(Mean):
    """Stores the number of sources of the last call."""

    def fit(self, sample, options, advance=lambda _: None):
        fitted, features = super().fit(sample, options)
        self.last = len(sample)
        return fitted, features


def fit_without_sources(self: Mean, sample: Any, options: Options, advance: Any = None) -> Any:
    return (FittedMean(np.zeros(2)), np.zeros((0, 2))) if not len(sample) else Mean.fit(self, sample, options)


def transform_and_write(self: FittedMean, sample: Any) -> np.ndarray:
    write_energies(np.empty(0), sample.batch)
    return FittedMean.transform(self, sample)


EXTRACTORS = {
    **common_violations(Mean),
    "fits": variant(Mean, fit=lambda self, sample, options, advance=None: None),
    "features": with_fitted(transform=lambda self, sample: FittedMean.transform(self, sample).astype(np.float16)),
    "same-features": variant(
        Mean,
        fit=lambda self, sample, options, advance=None: (lambda pair: (pair[0], pair[1] + 1.0),)[0](
            Mean.fit(self, sample, options)
        ),
    ),
    "batch-single": with_fitted(transform=lambda self, sample: FittedMean.transform(self, sample) + 1e-9 * len(sample)),
    "few-photons": with_fitted(
        transform=lambda self, sample: (
            FittedMean.transform(self, sample) + np.where(sample.batch.counts == 0, np.nan, 0.0)[:, None]
        )
    ),
    "deterministic": with_fitted(
        transform=lambda self, sample: (
            FittedMean.transform(self, sample) + (len(sample) > 100) * 1e-12 * next(call_numbers)
        )
    ),
    "refuses-empty": variant(Mean, fit=fit_without_sources),
    "saves-plain": with_fitted(save=save_with_pickle),
    "save-load": variant(Mean, load=lambda self, folder: FittedMean(Mean.load(self, folder).mean + 1.0)),
    "load-refuses": variant(
        Mean, load=lambda self, folder: Mean.load(self, folder) if (folder / "mean.npz").exists() else FittedMean(0.0)
    ),
    "input-unchanged": with_fitted(transform=transform_and_write),
    "stateless": RememberingSize(),
}
