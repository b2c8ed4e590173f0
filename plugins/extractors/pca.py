"""Principal components of representations: as the published method computes them, and without dense arrays.

The published solver hands scikit-learn the dense array, for results equal to the published method's; the sparse one
finds the same components from what is not 0, in the memory that takes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from pydantic import Field

from xherald.photons.arrays import F64
from xherald.photons.artefact_folders import load_arrays, save_arrays, save_json
from xherald.photons.errors import ArtefactError, ReferenceDataError
from xherald.plugins.contract import Advance, FeatureExtractor, Features, FittedExtractor, Options, Sample, Values

from .extractor_checks import load_facts, require_finite, values_of

if TYPE_CHECKING:
    from sklearn.decomposition import PCA

__all__ = ["FittedPca", "PcaExtractor", "PcaOptions"]


NAME: Final = "pca"
FACTS: Final = "pca.json"
ARRAYS: Final = "pca.npz"

LEAST_VARIANCE: Final = 1e-12
"""A component with a smaller part of all variance is rounding, and has no length to be brought to 1."""


class PcaOptions(Options):
    """Options of `pca`.

    Parameters
    ----------
    components : int
        Features a source; the published method takes 15 of maps and 22 of cubes.
    random_state : int
        Seed of the solver's first guess.
    solver : {"sparse", "published"}
        "published" calls scikit-learn as the published method does, on the dense array in double precision: for 95,473
        cubes that is 4.7 GB, and as much again to work with. "sparse" finds the components to rounding by Lanczos
        iterations on what is not 0.
    standardise : bool
        Whether each feature is divided by its standard deviation over the population.
    """

    components: int = Field(default=15, ge=1)
    random_state: int = Field(default=11, ge=0)
    solver: Literal["sparse", "published"] = "sparse"
    standardise: bool = False


class FittedPca(FittedExtractor):
    """Principal components as they were learned.

    Parameters
    ----------
    components : ndarray, shape (d, values)
    mean : ndarray, shape (values,)
    explained_variance : ndarray, shape (d,)
        Of the population along each component.
    explained_variance_ratio : ndarray, shape (d,)
        Parts of all its variance.
    scale : ndarray, shape (d,)
        What features are divided by.
    solver : {"sparse", "published"}
        Features of the published solver are in double precision, as scikit-learn's are; single otherwise.
    """

    def __init__(
        self,
        components: F64,
        mean: F64,
        explained_variance: F64,
        explained_variance_ratio: F64,
        scale: F64,
        solver: str,
    ) -> None:
        self.components = components
        self.mean = mean
        self.explained_variance = explained_variance
        self.explained_variance_ratio = explained_variance_ratio
        self.scale = scale
        self.solver = solver
        self.width = len(components)

    def transform(self, sample: Sample) -> Features:
        """Project each source on the components, shape (n, width); see `FittedExtractor.transform`.

        Raises
        ------
        ReferenceDataError
            The representation has another number of values than the one learned from, or a value that is not finite.
        """
        from .pca_kernels import projected

        values = values_of(sample, NAME)
        found = int(np.prod(values.shape[1:]))
        if found != len(self.mean):
            raise ReferenceDataError(
                f"extractor {NAME}: learned from {len(self.mean)} values a source and was given {found}; "
                "use the representation of the case it was learned for"
            )
        features = self.finished(projected(values, self.components) - projected(self.mean[None], self.components))
        require_finite(features, sample.batch, NAME)
        return features

    def finished(self, projections: F64) -> Features:
        """Scale projections and give them the precision of the features."""
        scaled = projections / self.scale
        return scaled if self.solver == "published" else scaled.astype(np.float32)

    def save(self, folder: Path) -> None:
        """See `FittedExtractor.save`."""
        save_json(folder / FACTS, {"extractor": NAME, "solver": self.solver})
        save_arrays(
            folder / ARRAYS,
            components=self.components,
            mean=self.mean,
            explained_variance=self.explained_variance,
            explained_variance_ratio=self.explained_variance_ratio,
            scale=self.scale,
        )


class PcaExtractor(FeatureExtractor[PcaOptions]):
    """Principal components of a representation."""

    name = NAME

    def fit(self, sample: Sample, options: PcaOptions, advance: Advance = lambda _: None) -> tuple[FittedPca, Features]:
        """Learn the components of a population; its features are those that scikit-learn's `fit_transform` gives.

        With the published solver these are not what `FittedPca.transform` makes of the same sources where scikit-learn
        chooses its randomised method (more than 1,000 values a source) and has more sources than values: there the
        components are approximate, and `fit_transform` is the other side of the approximation.

        Raises
        ------
        ReferenceDataError
            Too few sources or values for so many components, or sources that are all alike.
        """
        values = values_of(sample, NAME)
        _refuse_small(values, options)
        rows = values if values.ndim == 2 else values.reshape(values.shape[0], -1)
        require_finite(np.asarray(rows.sum(axis=1, dtype=np.float64)).reshape(-1, 1), sample.batch, NAME)
        advance(f"{options.components} principal components of {values.shape[0]:,} sources")
        if options.solver == "published":
            model, projections = _published(rows, options)
            fitted = _fitted(model, options)
            return fitted, fitted.finished(projections)
        fitted = _fitted(_sparse(rows, options), options)
        return fitted, fitted.transform(sample)

    def load(self, folder: Path) -> FittedPca:
        """See `FeatureExtractor.load`."""
        facts = load_facts(folder / FACTS, NAME)
        names = ("components", "mean", "explained_variance", "explained_variance_ratio", "scale")
        arrays = load_arrays(folder / ARRAYS, *names)
        width, values = arrays["components"].shape if arrays["components"].ndim == 2 else (0, 0)
        shapes = {"components": (width, values), "mean": (values,), **dict.fromkeys(names[2:], (width,))}
        for name in names:
            array = arrays[name]
            if array.shape != shapes[name] or array.dtype != np.float64 or not np.isfinite(array).all() or not width:
                raise ArtefactError(
                    f"{folder / ARRAYS}: {name} is {array.dtype} of shape {array.shape}, or not finite; build it anew"
                )
        if not (arrays["scale"] > 0).all():
            raise ArtefactError(f"{folder / ARRAYS}: a scale is not positive; build it anew")
        if facts.get("solver") not in ("sparse", "published"):
            raise ArtefactError(f"{folder / FACTS}: knows no solver {facts.get('solver')!r}; build it anew")
        return FittedPca(**{name: arrays[name] for name in names}, solver=facts["solver"])


def _refuse_small(values: Values, options: PcaOptions) -> None:
    sources, width = values.shape[0], int(np.prod(values.shape[1:]))
    if sources <= options.components:
        raise ReferenceDataError(
            f"extractor {NAME}: {sources} sources have no {options.components} principal components; "
            f"bring at least {options.components + 1}, or lower `components`"
        )
    if width <= options.components:
        raise ReferenceDataError(
            f"extractor {NAME}: {width} values a source have no {options.components} principal components; "
            "take more bins, or lower `components`"
        )


def _published(rows: Values, options: PcaOptions) -> tuple[PCA, F64]:
    """Components and features as the published method has them of scikit-learn."""
    from sklearn.decomposition import PCA

    wide = rows.astype(np.float64)
    model = PCA(n_components=options.components, random_state=options.random_state)
    with np.errstate(invalid="ignore", divide="ignore"):  # of sources all alike, which `_fitted` refuses
        return model, model.fit_transform(wide if isinstance(wide, np.ndarray) else wide.toarray())


def _sparse(rows: Values, options: PcaOptions) -> PCA:
    """Components by Lanczos iterations on what is not 0, the mean taken off implicitly (scikit-learn's "arpack")."""
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import ArpackError
    from sklearn.decomposition import PCA

    model = PCA(n_components=options.components, random_state=options.random_state, svd_solver="arpack")
    try:
        with np.errstate(invalid="ignore", divide="ignore"):
            return model.fit(csr_array(rows, dtype=np.float64))
    except ArpackError as fault:
        raise ReferenceDataError(
            f"extractor {NAME}: {rows.shape[0]} sources are too much alike for {options.components} principal "
            f"components ({fault}); lower `components`"
        ) from fault


def _fitted(model: PCA, options: PcaOptions) -> FittedPca:
    """What scikit-learn found, with the features' scale.

    Raises
    ------
    ReferenceDataError
        The population does not vary, or not along every component where each is to be divided by its spread.
    """
    parts = model.explained_variance_ratio_
    if not np.isfinite(parts).all():
        raise ReferenceDataError(
            f"extractor {NAME}: all sources are alike in the representation; nothing tells them apart"
        )
    scale = np.ones(len(parts))
    if options.standardise:
        flat = np.flatnonzero(parts < LEAST_VARIANCE)
        if len(flat):
            raise ReferenceDataError(
                f"extractor {NAME}: sources do not vary along component {flat[0] + 1} of {len(parts)}; "
                "lower `components`, or do not standardise"
            )
        scale = np.sqrt(model.explained_variance_)
    return FittedPca(model.components_, model.mean_, model.explained_variance_, parts, scale, options.solver)
