"""What every embedder asks of a population before it maps it."""

from __future__ import annotations

import numpy as np

from xherald.photons.errors import ReferenceDataError
from xherald.plugins.contract import Features

__all__ = ["require_mappable"]


def require_mappable(features: Features, more_than: float, setting: str) -> None:
    """Refuse a population that no map can be made of.

    Parameters
    ----------
    features : ndarray, shape (n, d)
    more_than : float
        What the number of sources must exceed.
    setting : str
        The setting that this number comes from, for the message.

    Raises
    ------
    ReferenceDataError
        Too few sources, features that are no table of finite numbers, or the same features for every source.
    """
    if features.ndim != 2 or not features.shape[1]:
        raise ReferenceDataError(
            f"map: features are to be a table of sources and features, not of shape {features.shape}"
        )
    if len(features) <= more_than:
        raise ReferenceDataError(
            f"map: {len(features)} sources are too few for {setting}, which needs more than {more_than:g}; lower it"
        )
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise ReferenceDataError(
            f"map: features of {int((~finite).sum())} sources are not finite, the first in row {int(np.argmin(finite))}"
        )
    if (features == features[0]).all():
        raise ReferenceDataError(f"map: all {len(features)} sources have the same features, so there is nothing to map")
