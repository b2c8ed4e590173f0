"""What is known at the positions of candidates: `find_known_objects`.

All context providers are asked (`context_search`); one that fails, or a catalogue that cannot be read, is named in the
result instead of stopping anything.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from xherald.context.counterparts import Counterparts, find_counterparts, needed_radius_arcsec
from xherald.photons.arrays import F64

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.photons import EventBatch

__all__ = ["OFFLINE", "find_known_objects", "find_objects_at"]

MIN_ERROR_ARCSEC: Final = 0.1
"""Smallest error of a position: smaller ones are statistical only."""

OFFLINE: Final = ("known_sources", "catalogues")
"""Providers that answer from the disk, in milliseconds."""


def find_known_objects(
    batch: EventBatch, which: Sequence[int], configuration: Configuration
) -> dict[int, Counterparts]:
    """Find counterparts of some sources.

    Parameters
    ----------
    batch : EventBatch
    which : sequence of int
        Sources to look for; those without a position are left out.
    configuration : Configuration

    Returns
    -------
    dict of int to Counterparts
        By index in the batch.
    """
    rows = [
        (index, _julian_year(batch, index), one.ra, one.dec, one.pos_err_arcsec)
        for index in which
        for one in (batch.identities[index],)
        if one.ra is not None and one.dec is not None and one.pos_err_arcsec is not None
    ]
    if not rows:
        return {}
    index, epochs, ra, dec, error = (np.array(column) for column in zip(*rows, strict=True))
    found: dict[int, Counterparts] = {}
    # Sources of one observation share the epoch, to which proper motions are carried.
    for epoch in np.unique(epochs).tolist():
        some = np.flatnonzero((epochs == epoch) | (np.isnan(epochs) & np.isnan(epoch)))
        asked = _ask(ra[some], dec[some], error[some], epoch if np.isfinite(epoch) else None, configuration)
        found |= {int(index[i]): one for i, one in zip(some, asked, strict=True)}
    return found


def find_objects_at(
    ra_deg: float, dec_deg: float, pos_err_arcsec: float, epoch_yr: float | None, configuration: Configuration
) -> Counterparts:
    """Find counterparts of a source at a position, without asking anything but catalogues on the disk.

    Parameters
    ----------
    ra_deg, dec_deg : float
    pos_err_arcsec : float — 68 % radius
    epoch_yr : float or None — Julian year
    configuration : Configuration
    """
    ra, dec, error = (np.array([one]) for one in (ra_deg, dec_deg, pos_err_arcsec))
    (found,) = _ask(ra, dec, error, epoch_yr, configuration, OFFLINE)
    return found


def _ask(
    ra: F64,
    dec: F64,
    error: F64,
    epoch_yr: float | None,
    configuration: Configuration,
    providers: Collection[str] | None = None,
) -> list[Counterparts]:
    from xherald.detector.context_search import search_context

    ra, error = ra % 360.0, np.maximum(error, MIN_ERROR_ARCSEC)
    found = search_context(configuration, ra, dec, needed_radius_arcsec(error), epoch_yr, providers)
    counterparts = find_counterparts(ra, dec, error, found.matches, configuration.settings.context.completeness)
    return [replace(one, failures=found.failures) for one in counterparts]


def _julian_year(batch: EventBatch, index: int) -> float:
    """Epoch of the start of a source's observation; NaN where it has no date."""
    reference, first = batch.identities[index].time_reference, batch.gti_offsets[index]
    if reference is None or batch.gti_offsets[index + 1] == first:
        return float("nan")
    return float(reference.to_time(float(batch.gti[first, 0])).jyear)
