"""Checks of a population before it is embedded."""

from __future__ import annotations

import numpy as np

from xherald.photons.errors import ReferenceDataError
from xherald.plugins.contract import Features

__all__ = ["check_population"]


def check_population(features: Features, more_than: float, setting: str) -> None:
    """Refuse a population that cannot be embedded.

    Parameters
    ----------
    features : ndarray, shape (n, d)
    more_than : float
        Number that the number of sources must exceed.
    setting : str
        Option that sets this number, for the message.

    Raises
    ------
    ReferenceDataError
        Too few sources, features that are not a table of finite numbers, or equal features for all sources.
    """
    if features.ndim != 2 or not features.shape[1]:
        raise ReferenceDataError(f"embedding: features must have a row for each source, not the shape {features.shape}")
    if len(features) <= more_than:
        raise ReferenceDataError(
            f"embedding: {len(features)} sources are too few for {setting}, which needs more than {more_than:g}; "
            "lower it"
        )
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise ReferenceDataError(
            f"embedding: features of {int((~finite).sum())} sources are not finite, "
            f"the first in row {int(np.argmin(finite))}"
        )
    if (features == features[0]).all():
        raise ReferenceDataError(f"embedding: all {len(features)} sources have the same features")
