"""Counts of each source for a unit of flux: `FluxScale`, from its exposure, aperture, photons and place in the Galaxy.

It turns counts of the whole exposure, or of a part of it, into fluxes, and adds over cameras that are tested together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xherald.photons.arrays import F32, F64, I64
from xherald.photons.errors import ConfigError, UnreadableFileError

from .conversion import Factors, TelescopeFactors, load_conversion
from .galactic_column import GalacticColumns, galactic_columns
from .measure import Fluxes, measure_fluxes

if TYPE_CHECKING:
    from xherald.photons import Aperture, EventBatch, Observation

__all__ = ["FluxScale", "join_scales", "measure_flux_scale"]


@dataclass(frozen=True, slots=True, eq=False)
class FluxScale:
    """Scale of n sources in b bands.

    Parameters
    ----------
    counts_per_flux : ndarray, shape (n, b)
        Counts of the whole exposure in the aperture for 1 erg cm⁻² s⁻¹; NaN where unknown.
    exposure_s : ndarray, shape (n,) — of the first camera, on its axis with all of the point spread; NaN where unknown
    low, high : ndarray, shape (n, b) — 68 % limits of the flux over its median from the unknown spectrum
    calibration_error : ndarray, shape (n,) — relative error of the effective area
    nh_cm2 : ndarray, shape (n,) — Galactic column
    nh_source : str — what it is from
    spectrum : tuple of str, length n — the most probable one
    """

    counts_per_flux: F64
    exposure_s: F64
    low: F64
    high: F64
    calibration_error: F64
    nh_cm2: F64
    nh_source: str
    spectrum: tuple[str, ...]

    def select(self, index: I64) -> FluxScale:
        """Scale of some sources."""
        return FluxScale(
            self.counts_per_flux[index],
            self.exposure_s[index],
            self.low[index],
            self.high[index],
            self.calibration_error[index],
            self.nh_cm2[index],
            self.nh_source,
            tuple(self.spectrum[i] for i in index.tolist()),
        )

    def fluxes(self, counts: F64, background: F64, share: F64) -> Fluxes:
        """Fluxes of counts, see `measure_fluxes`.

        Parameters
        ----------
        counts, background : ndarray, shape (n,)
        share : ndarray, shape (n,) — part of the exposure in which they were counted; 1 for all
        """
        factor = 1.0 / self.counts_per_flux
        factors = Factors(factor, factor * self.low, factor * self.high, list(self.spectrum))
        return measure_fluxes(counts, background, share, factors, self.calibration_error[:, None])


def measure_flux_scale(
    observation: Observation | None,
    apertures: Sequence[Aperture],
    batch: EventBatch,
    energy_kev: float,
    map_path: Path | None = None,
) -> FluxScale | None:
    """Scale of the sources of a file; None where the telescope has no energy conversion factors.

    Parameters
    ----------
    observation : Observation or None — None for a table of photons, whose apertures are unknown
    apertures : sequence of Aperture
    batch : EventBatch
    energy_kev : float — energy at which the point spread is evaluated
    map_path : Path, optional — of Galactic columns
    """
    if observation is None or not len(batch):
        return None
    telescope = _telescope(observation)
    if telescope is None or not np.allclose(batch.band, telescope.band_kev, atol=0.01):
        return None
    from xherald.photons.source_detection.map_field import enclosed_fractions

    enclosed = enclosed_fractions(observation, apertures, energy_kev)
    if enclosed is None:
        return None
    place = np.array(
        [(np.nan, np.nan) if one.ra is None or one.dec is None else (one.ra, one.dec) for one in batch.identities]
    )
    ra, dec = np.nan_to_num(place.T)
    columns = _columns(ra, dec, map_path)
    (soft, hard), (background_soft, background_hard) = (part.T for part in _bands(batch, telescope.hardness_split_kev))
    log10_nh = np.log10(columns.nh_cm2)
    factors = telescope.of_photons(soft, hard, background_soft, background_hard, log10_nh, columns.error_dex)
    units = [one for one in observation.detectors if len(one.gti)]
    modules = min(len(units) / telescope.modules, 1.0) if telescope.modules > 1 else 1.0
    exposure = batch.livetime * enclosed * _vignetting(observation, batch) * modules
    exposure = np.where(np.isfinite(place).all(axis=1) & (exposure > 0), exposure, np.nan)
    return FluxScale(
        exposure[:, None] / factors.value,
        exposure,
        factors.low / factors.value,
        factors.high / factors.value,
        np.full(len(batch), telescope.calibration_error),
        np.where(np.isfinite(exposure), columns.nh_cm2, np.nan),
        columns.source,
        tuple(factors.spectrum),
    )


def join_scales(scales: Sequence[FluxScale | None], members: I64) -> FluxScale | None:
    """Scale of sources whose photons in several cameras are counted together.

    The counts for a unit of flux add; spectrum, column and the error of the area are those of the first camera.

    Parameters
    ----------
    scales : sequence of FluxScale or None — of the cameras, the one with most counts first
    members : ndarray, shape (n, cameras) — index of each source in each camera; negative where it is absent

    Returns
    -------
    FluxScale or None
        None if a camera that has one of the sources has no scale.
    """
    used = [(scale, own) for scale, own in zip(scales, members.T, strict=True) if (own >= 0).any()]
    first = used[0][0] if used else None
    if first is None or (members[:, 0] < 0).any():
        return None
    total = np.zeros((len(members), first.counts_per_flux.shape[1]))
    for scale, own in used:
        if scale is None:
            return None
        is_in = own >= 0
        total[is_in] += scale.counts_per_flux[own[is_in]]
    main = first.select(members[:, 0])
    return replace(main, counts_per_flux=total)


def _columns(ra: F64, dec: F64, map_path: Path | None) -> GalacticColumns:
    """Columns of the map; of the layer, which is then said, where the map cannot be read: no file is lost for it."""
    try:
        return galactic_columns(ra, dec, map_path)
    except UnreadableFileError as fault:
        return replace(galactic_columns(ra, dec), source=f"plane-parallel layer, since {fault}")


def _telescope(observation: Observation) -> TelescopeFactors | None:
    from xherald.simulation.telescopes import telescope_of

    try:
        return load_conversion().telescopes.get(telescope_of(observation).name)
    except ConfigError:
        return None


def _bands(batch: EventBatch, split_kev: float) -> tuple[F64, F64]:
    """Soft and hard counts in each aperture, and expected background, shape (n, 2); 0 where split elsewhere."""
    n = len(batch)
    is_usable = np.isclose(batch.hardness_split, split_kev)

    def count(energy: F32, offsets: I64) -> F64:
        source = np.repeat(np.arange(n), np.diff(offsets))
        cell = 2 * source + (energy >= split_kev)
        counted = np.bincount(cell, minlength=2 * n).reshape(n, 2)
        return np.where(is_usable[:, None], counted, 0).astype(np.float64)

    background = count(batch.background_energy, batch.background_offsets) * batch.area_ratio[:, None]
    return count(batch.energy, batch.offsets), background


def _vignetting(observation: Observation, batch: EventBatch) -> F64:
    """Relative area at each source; 1 in a scan, whose exposure refers to its best moment."""
    layout = observation.layout
    angles = np.array([np.nan if one.off_axis_arcmin is None else one.off_axis_arcmin for one in batch.identities])
    if layout is None or layout.vignetting is None or observation.pointing is None:
        return np.ones(len(batch))
    return np.where(np.isfinite(angles), layout.vignetting.at(np.nan_to_num(angles)), 1.0)
