"""Flux fields of rows and evidence, from counts and the scale of each source: `make_flux_fields`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xherald.context.fluxes.flux_scale import FluxScale
from xherald.context.fluxes.measure import Fluxes
from xherald.photons.arrays import I64

from .json_columns import nan_to_none
from .row_types import FluxFields, PeakFluxFields, PeakRateFields

if TYPE_CHECKING:
    from xherald.photons import EventBatch

__all__ = ["NO_FLUX", "NO_PEAK_FLUX", "make_flux_fields", "make_peak_flux_fields", "select_scale"]

NO_FLUX: FluxFields = {
    "flux_soft_erg_cm2_s": None,
    "flux_soft_low_erg_cm2_s": None,
    "flux_soft_high_erg_cm2_s": None,
    "flux_hard_erg_cm2_s": None,
    "flux_hard_low_erg_cm2_s": None,
    "flux_hard_high_erg_cm2_s": None,
    "flux_broad_erg_cm2_s": None,
    "flux_broad_low_erg_cm2_s": None,
    "flux_broad_high_erg_cm2_s": None,
    "flux_model": None,
    "nh_cm2": None,
    "nh_source": None,
}

NO_PEAK_FLUX: PeakFluxFields = {
    "peak_flux_soft_erg_cm2_s": None,
    "peak_flux_soft_low_erg_cm2_s": None,
    "peak_flux_soft_high_erg_cm2_s": None,
    "peak_flux_hard_erg_cm2_s": None,
    "peak_flux_hard_low_erg_cm2_s": None,
    "peak_flux_hard_high_erg_cm2_s": None,
    "peak_flux_broad_erg_cm2_s": None,
    "peak_flux_broad_low_erg_cm2_s": None,
    "peak_flux_broad_high_erg_cm2_s": None,
}


def select_scale(scale: FluxScale | None, index: I64) -> FluxScale | None:
    """Scale of some sources; None where there is none."""
    return None if scale is None else scale.select(index)


def make_flux_fields(batch: EventBatch, scale: FluxScale | None) -> list[FluxFields]:
    """Mean fluxes of the exposure.

    Parameters
    ----------
    batch : EventBatch
    scale : FluxScale or None — of the same sources
    """
    if scale is None:
        return [NO_FLUX] * len(batch)
    background = np.where(batch.area_ratio > 0, batch.background_counts, 0.0)
    counts = batch.counts.astype(np.float64)
    soft, hard, broad = _columns(scale.fluxes(counts, background, np.ones(len(batch))))
    nh = nan_to_none(scale.nh_cm2)
    return [
        {
            "flux_soft_erg_cm2_s": soft[0][i],
            "flux_soft_low_erg_cm2_s": soft[1][i],
            "flux_soft_high_erg_cm2_s": soft[2][i],
            "flux_hard_erg_cm2_s": hard[0][i],
            "flux_hard_low_erg_cm2_s": hard[1][i],
            "flux_hard_high_erg_cm2_s": hard[2][i],
            "flux_broad_erg_cm2_s": broad[0][i],
            "flux_broad_low_erg_cm2_s": broad[1][i],
            "flux_broad_high_erg_cm2_s": broad[2][i],
            "flux_model": None if nh[i] is None else scale.spectrum[i],
            "nh_cm2": nh[i],
            "nh_source": None if nh[i] is None else scale.nh_source,
        }
        for i in range(len(batch))
    ]


def make_peak_flux_fields(
    batch: EventBatch, scale: FluxScale | None, peaks: Sequence[PeakRateFields]
) -> list[PeakFluxFields]:
    """Fluxes at the peaks of flares: of all counts there less the mean background, the steady source included.

    Parameters
    ----------
    batch : EventBatch
    scale : FluxScale or None — of the same sources
    peaks : sequence of PeakRateFields — of the same sources
    """
    if scale is None:
        return [NO_PEAK_FLUX] * len(batch)
    rate, livetime = (
        np.array([np.nan if one[name] is None else one[name] for one in peaks], dtype=np.float64)
        for name in ("peak_rate_ct_s", "peak_rate_livetime_s")
    )
    is_known = np.isfinite(rate) & (livetime > 0)
    share = np.where(is_known, livetime, np.nan) / batch.livetime
    counts = np.where(is_known, np.round(rate * livetime), 0.0)
    background = np.where(batch.area_ratio > 0, batch.background_counts, 0.0) * np.where(is_known, share, 0.0)
    soft, hard, broad = _columns(scale.fluxes(counts, background, share))
    return [
        {
            "peak_flux_soft_erg_cm2_s": soft[0][i],
            "peak_flux_soft_low_erg_cm2_s": soft[1][i],
            "peak_flux_soft_high_erg_cm2_s": soft[2][i],
            "peak_flux_hard_erg_cm2_s": hard[0][i],
            "peak_flux_hard_low_erg_cm2_s": hard[1][i],
            "peak_flux_hard_high_erg_cm2_s": hard[2][i],
            "peak_flux_broad_erg_cm2_s": broad[0][i],
            "peak_flux_broad_low_erg_cm2_s": broad[1][i],
            "peak_flux_broad_high_erg_cm2_s": broad[2][i],
        }
        for i in range(len(batch))
    ]


def _columns(fluxes: Fluxes) -> list[tuple[list[float | None], ...]]:
    """Value, lower and upper limits of each band as lists."""
    return [
        tuple(nan_to_none(part[:, band]) for part in (fluxes.value, fluxes.low, fluxes.high))
        for band in range(fluxes.value.shape[1])
    ]
