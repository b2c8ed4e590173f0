"""How unlike all known classes an event is: `Novelty`.

Trees tell classes apart and know nothing of how far an event is from all of them: an event outside of what they were
trained with is as often given to one class as to none. Two measures are combined: what the trees say, and the density
of the event's columns in the classes that they name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F32, F64, I64
from xherald.photons.errors import ArtefactError

from .class_features import CLASS_COLUMNS

__all__ = ["OTHERS", "Densities", "Novelty", "combine_parts", "find_known", "fit_densities", "indecision"]

OTHERS: Final = ("other_flare", "other_dip")
"""Answers for events of no known class."""

CONDITIONS: Final = (
    "log10_counts", "background_share", "gap_fraction", "log10_livetime",
    "band_low_kev", "band_high_kev", "log10_frame_s", "energy_background",
)  # fmt: skip
"""Columns of the observation and not of the event: densities are conditional on them."""

ENERGIES: Final = (
    "energy_all", "energy_flare", "energy_spread", "energy_10", "energy_50", "energy_90",
    "energy_quiet", "energy_quiet_spread", "energy_flare_sigma", "energy_early_late", "energy_early_late_sigma",
    "energy_dip_sigma", "soft_share", "middle_share", "hard_share", "iron_l_share",
)  # fmt: skip

DENSITY_COLUMNS: Final = (
    *CONDITIONS,
    *ENERGIES,
    *(name for name in CLASS_COLUMNS if name not in CONDITIONS + ENERGIES),
)
"""Columns in the order in which each is conditional on those before it."""

PRIOR_EVENTS: Final = 30.0
"""Weight of the covariance of all classes in that of each, in events."""

RIDGE: Final = 0.02
"""Added to variances, in units of that of all classes: columns are no better known than this."""

PREFIX: Final = "novelty"


@dataclass(frozen=True, slots=True, eq=False)
class Densities:
    """Normal densities of the `DENSITY_COLUMNS`, c of them, in each of g known classes.

    Parameters
    ----------
    middle, scale : ndarray, shape (c,)
        Median of each column, and half of its central 68 %. Densities are those of arcsinh((x − middle) / scale), so
        that long tails count less; a column without a value counts as the median.
    means : ndarray, shape (g, c)
    factors : ndarray, shape (g, c, c), float32
        Inverse of the lower Cholesky factor of each covariance matrix: row i standardises column i, given those before.
    """

    middle: F64
    scale: F64
    means: F64
    factors: F32

    def standardise(self, columns: Mapping[str, F64]) -> F64:
        """Columns in the units of the densities, shape (n, c)."""
        table = np.column_stack([columns[name] for name in DENSITY_COLUMNS])
        values: F64 = np.nan_to_num(np.arcsinh((table - self.middle) / self.scale))
        return values

    def surprise(self, columns: Mapping[str, F64], weights: F64) -> F64:
        """How improbable columns are in the classes that are probable, shape (n,).

        Mean of −2 ln(density) for each column of the energies, plus the same for each column of any sort, given the
        `CONDITIONS` of the observation, averaged over classes.

        Parameters
        ----------
        columns : mapping of str to ndarray, shape (n,)
        weights : ndarray, shape (n, g) — of the classes; rows add to 1
        """
        table = self.standardise(columns)
        ln_det = -2.0 * np.log(np.diagonal(self.factors, axis1=1, axis2=2).astype(np.float64))
        result: F64 = _surprise(
            table, weights, self.means, self.factors, ln_det, len(CONDITIONS), len(CONDITIONS) + len(ENERGIES)
        )
        return result


@njit(cache=True, nogil=True)
def _surprise(table: F64, weights: F64, means: F64, factors: F32, ln_det: F64, first: int, stop_energies: int) -> F64:
    out = np.zeros(table.shape[0])
    columns = table.shape[1]
    for i in range(table.shape[0]):
        for g in range(means.shape[0]):
            energies, every = 0.0, 0.0
            for j in range(first, columns):
                value = 0.0
                for k in range(j + 1):
                    value += factors[g, j, k] * (table[i, k] - means[g, k])
                term = value * value + ln_det[g, j]
                every += term
                if j < stop_energies:
                    energies += term
            out[i] += weights[i, g] * (energies / (stop_energies - first) + every / (columns - first))
    return out


def fit_densities(columns: Mapping[str, F64], labels: I64, classes: int) -> Densities:
    """Fit densities to events of known classes.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (n,)
    labels : ndarray, shape (n,) — class of each event, from 0; each class has events
    classes : int
    """
    table = np.column_stack([columns[name] for name in DENSITY_COLUMNS])
    empty = np.isnan(table).all(axis=0)
    low, middle, high = np.nanquantile(np.where(empty, 0.0, table), (0.16, 0.5, 0.84), axis=0)
    scale = np.where(high > low, 0.5 * (high - low), 1.0)
    values = np.nan_to_num(np.arcsinh((table - middle) / scale))
    members = np.bincount(labels, minlength=classes)
    means = np.array([values[labels == one].mean(axis=0) for one in range(classes)])
    apart = values - means[labels]
    together = apart.T @ apart / len(apart)
    factors = []
    for one in range(classes):
        own = apart[labels == one]
        covariance = (own.T @ own + PRIOR_EVENTS * together) / (members[one] + PRIOR_EVENTS)
        root = np.linalg.cholesky(covariance + RIDGE * np.eye(len(middle)))
        factors.append(np.tril(np.linalg.inv(root)))
    return Densities(middle, scale, means, np.array(factors, dtype=np.float32))


def find_known(names: tuple[str, ...]) -> NDArray[np.bool_]:
    """Which of the classes are known ones, shape (k,)."""
    return np.array([name not in OTHERS for name in names])


def indecision(probabilities: F64, names: tuple[str, ...]) -> F64:
    """How little the known classes explain of each event, by the trees, shape (n,).

    Probability of being of no known class, and half of the entropy of all probabilities, of that of equal ones: an
    event that is unlike all that was trained is as often spread over several classes as it is called unknown.
    """
    other = probabilities[:, ~find_known(names)].sum(axis=1)
    entropy = -(probabilities * np.log(np.maximum(probabilities, 1e-300))).sum(axis=1) / np.log(len(names))
    value: F64 = other + 0.5 * entropy
    return value


def measure_parts(columns: Mapping[str, F64], probabilities: F64, names: tuple[str, ...], densities: Densities) -> F64:
    """`indecision` and `Densities.surprise` of each event, shape (n, 2)."""
    known = probabilities[:, find_known(names)]
    known = known / np.maximum(known.sum(axis=1, keepdims=True), 1e-300)
    return np.column_stack([indecision(probabilities, names), densities.surprise(columns, known)])


def combine_parts(parts: F64, quantiles: F64) -> F64:
    """Sum of −ln of the fraction of known events with a larger value of each part, shape (n,).

    Fisher's combination of p-values (Fisher 1925, Statistical Methods for Research Workers, sect. 21.1). The parts
    are not independent, so that the sum is ranked in turn.

    Parameters
    ----------
    parts : ndarray, shape (n, 2)
    quantiles : ndarray, shape (2, m) — of each part, of events of known classes, from 0 to 1
    """
    size = quantiles.shape[1] + 1
    ranks = [np.searchsorted(own, part, side="left") / size for own, part in zip(quantiles, parts.T, strict=True)]
    combined: F64 = -np.log1p(-np.array(ranks)).sum(axis=0)
    return combined


@dataclass(frozen=True, slots=True, eq=False)
class Novelty:
    """Ranks of novelty among events of known classes.

    Parameters
    ----------
    densities : Densities
    parts : ndarray, shape (2, m) — quantiles of `measure_parts` of held-out events of known classes, from 0 to 1
    combined : ndarray, shape (m,) — quantiles of `combine_parts` of the same events
    """

    densities: Densities
    parts: F64
    combined: F64

    def rank(self, columns: Mapping[str, F64], probabilities: F64, names: tuple[str, ...]) -> F64:
        """Fraction of events of known classes that are less novel, shape (n,): 0.9 for the most unusual tenth.

        Parameters
        ----------
        columns : mapping of str to ndarray, shape (n,)
        probabilities : ndarray, shape (n, k) — with equal priors
        names : tuple of str, length k
        """
        value = combine_parts(measure_parts(columns, probabilities, names, self.densities), self.parts)
        ranked: F64 = np.searchsorted(self.combined, value, side="left") / len(self.combined)
        return ranked

    def to_arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """All arrays, for `save_arrays`."""
        own = {f"{PREFIX}_{name}": getattr(self.densities, name) for name in DENSITY_ARRAYS}
        own |= {f"{PREFIX}_parts": self.parts, PREFIX: self.combined}
        return {f"{prefix}{name}": array for name, array in own.items()}

    @classmethod
    def from_arrays(cls, names: tuple[str, ...], arrays: Mapping[str, NDArray[Any]], prefix: str) -> Novelty:
        """Create from the result of `to_arrays`.

        Raises
        ------
        ArtefactError
            An array is missing, or does not fit the classes.
        """
        wanted = (*(f"{PREFIX}_{name}" for name in DENSITY_ARRAYS), f"{PREFIX}_parts", PREFIX)
        if missing := [name for name in wanted if f"{prefix}{name}" not in arrays]:
            raise ArtefactError(f"classes: array {prefix}{missing[0]} is missing; build the calibration again")
        *own, parts, combined = (arrays[f"{prefix}{name}"] for name in wanted)
        densities = Densities(*own)
        shape = (int(find_known(names).sum()), len(DENSITY_COLUMNS))
        fits = (
            densities.middle.shape == densities.scale.shape == shape[1:]
            and densities.means.shape == shape
            and densities.factors.shape == (*shape, shape[1])
            and parts.shape == (2, len(combined))
            and bool((np.diagonal(densities.factors, axis1=1, axis2=2) > 0).all())
        )
        if not fits:
            raise ArtefactError("classes: densities are not those of the classes; build the calibration again")
        return cls(densities, parts, combined)


DENSITY_ARRAYS: Final = tuple(one.name for one in fields(Densities))
