"""Fitting the novelty of events to those of known classes: `fit_novelty`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from xherald.detector.scoring.novelty import Novelty, combine_parts, find_known, fit_densities, measure_parts
from xherald.photons.arrays import F64, I64

__all__ = ["fit_novelty"]

KNOTS: Final = 1_001


def fit_novelty(
    columns: Mapping[str, F64], probabilities: F64, truth: I64, names: tuple[str, ...], folds: I64
) -> Novelty:
    """Densities of all known events, and ranks of events that neither trees nor densities had.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (n,)
    probabilities : ndarray, shape (n, k) — of trees that were trained without the fold of each event
    truth : ndarray, shape (n,) — index of the class of each event
    names : tuple of str, length k
    folds : ndarray, shape (n,)
    """
    is_known = find_known(names)[truth]
    rows = {name: values[is_known] for name, values in columns.items()}
    number = int(find_known(names).sum())
    labels = (np.cumsum(find_known(names)) - 1)[truth[is_known]]
    probabilities, folds = probabilities[is_known], folds[is_known]
    parts = np.zeros((len(labels), 2))
    for one in np.unique(folds).tolist():
        own = folds == one
        # A class of which all events are in this fold has its densities of them: too few events to matter.
        alone = ~np.isin(labels, labels[~own])
        used = ~own | alone
        densities = fit_densities({name: values[used] for name, values in rows.items()}, labels[used], number)
        inside = {name: values[own] for name, values in rows.items()}
        parts[own] = measure_parts(inside, probabilities[own], names, densities)
    at = np.linspace(0.0, 1.0, KNOTS)
    quantiles = np.quantile(parts, at, axis=0).T
    combined = np.quantile(combine_parts(parts, quantiles), at)
    return Novelty(fit_densities(rows, labels, number), quantiles, combined)
