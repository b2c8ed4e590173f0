"""Energy conversion factors: erg cm⁻² for each count, by spectrum and absorbing column. `load_conversion`.

Which spectrum a source has is not known. Its factor is the median over the spectra of the table and over columns from
the Galactic one upwards, each weighted with the likelihood of the source's hardness; the 16 % and 84 % quantiles are
the error. With few photons it is that of all spectra, with many that of the ones that agree with the photons.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from xherald.photons.arrays import F64
from xherald.photons.errors import ArtefactError

__all__ = ["TABLE_PATH", "ConversionTable", "Factors", "TelescopeFactors", "load_conversion", "table_hash"]


TABLE_PATH: Final = Path(__file__).with_name("energy_conversion.json")

FINE_LOG10_NH: Final = np.round(np.arange(19.5, 23.01, 0.1), 2)
"""Columns over which the factor is averaged, log10 cm⁻²."""

INTRINSIC_WEIGHT: Final = 0.5
"""Prior probability that a source has absorption of its own, with a column of any order of magnitude."""

MIN_NH_DEX: Final = 0.05
"""Smallest standard deviation of the Galactic column: half a step of `FINE_LOG10_NH`."""

QUANTILES: Final = (0.1587, 0.5, 0.8413)


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """Energy conversion factors of n sources in b bands.

    Parameters
    ----------
    value, low, high : ndarray, shape (n, b)
        erg cm⁻² for each count: median, 16 % and 84 % quantiles over spectra; the error of the effective area is not
        included.
    spectrum : list of str, length n
        The most probable spectrum of each.
    """

    value: F64
    low: F64
    high: F64
    spectrum: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class TelescopeFactors:
    """Factors of a telescope on its axis, all modules together.

    Parameters
    ----------
    name : str
    band_kev : (float, float) — of the counts
    hardness_split_kev : float — boundary of soft and hard counts
    modules : int
    calibration_error : float — relative error of the effective area
    flux_bands_kev : tuple of (float, float) — b bands
    log10_nh : ndarray, shape (k,) — cm⁻²
    spectra : tuple of str — s spectra
    factors : ndarray, shape (s, k, b) — erg cm⁻² for each count, flux as observed, absorbed
    unabsorbed : ndarray, shape (s, k, b) — the same for the flux before absorption
    soft_fraction : ndarray, shape (s, k) — of the counts
    """

    name: str
    band_kev: tuple[float, float]
    hardness_split_kev: float
    modules: int
    calibration_error: float
    flux_bands_kev: tuple[tuple[float, float], ...]
    log10_nh: F64
    spectra: tuple[str, ...]
    factors: F64
    unabsorbed: F64
    soft_fraction: F64

    def of_spectrum(self, spectrum: str, nh_cm2: ArrayLike, *, unabsorbed: bool = False) -> F64:
        """Factors of one spectrum, erg cm⁻² for each count, shape (..., b); linear in logarithms.

        Parameters
        ----------
        spectrum : str — one of `spectra`
        nh_cm2 : array_like — clipped to the columns of the table
        unabsorbed : bool — for the flux before absorption

        Raises
        ------
        ValueError
            The table does not have the spectrum.
        """
        if spectrum not in self.spectra:
            raise ValueError(f"no spectrum {spectrum!r} in the table; available: {', '.join(self.spectra)}")
        table = np.log((self.unabsorbed if unabsorbed else self.factors)[self.spectra.index(spectrum)])
        where = np.log10(np.maximum(np.asarray(nh_cm2, dtype=np.float64), 1e10))
        factors: F64 = np.exp(np.stack([np.interp(where, self.log10_nh, column) for column in table.T], axis=-1))
        return factors

    def of_photons(
        self,
        soft: ArrayLike,
        hard: ArrayLike,
        background_soft: ArrayLike,
        background_hard: ArrayLike,
        log10_nh: ArrayLike,
        nh_error_dex: ArrayLike,
    ) -> Factors:
        """Factors of sources with given counts in the soft and hard band.

        The prior of spectra is uniform; that of the column is half the Galactic one with its error, half uniform in
        log N_H from there up to 1e23 cm⁻².

        Parameters
        ----------
        soft, hard : array_like, shape (n,) — counts in the aperture, 0 where the hardness is not to be used
        background_soft, background_hard : array_like, shape (n,) — expected background among them
        log10_nh, nh_error_dex : array_like, shape (n,) — Galactic column, cm⁻², and its standard deviation
        """
        s, h, bs, bh, nh, error = np.broadcast_arrays(
            *(np.atleast_1d(np.asarray(one, dtype=np.float64)) for one in
              (soft, hard, background_soft, background_hard, log10_nh, nh_error_dex))
        )  # fmt: skip
        b = len(self.flux_bands_kev)
        factors = self._fine(np.log(self.factors)).reshape(-1, b)
        fraction = self._fine(self.soft_fraction[..., None]).reshape(-1)
        # Shape (n, columns), then the same for each spectrum.
        weight = np.log(_column_prior(nh[:, None], error[:, None]))
        weight = np.broadcast_to(weight[:, None], (len(s), len(self.spectra), len(FINE_LOG10_NH))).reshape(len(s), -1)
        net = np.maximum(s + h - bs - bh, 1.0)[:, None]
        soft_mean = net * fraction + bs[:, None]
        share = np.clip(soft_mean / (net + (bs + bh)[:, None]), 1e-9, 1.0 - 1e-9)
        weight = weight + s[:, None] * np.log(share) + h[:, None] * np.log1p(-share)
        weight = np.exp(weight - weight.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        best = weight.reshape(len(s), len(self.spectra), -1).sum(axis=2).argmax(axis=1)
        quantiles = np.stack([_weighted_quantiles(factors[:, band], weight) for band in range(b)], axis=-1)
        low, value, high = np.exp(quantiles)
        return Factors(value, low, high, [self.spectra[k] for k in best.tolist()])

    def _fine(self, table: F64) -> F64:
        """A table (s, k, b) interpolated to the fine columns."""
        return np.stack(
            [np.stack([np.interp(FINE_LOG10_NH, self.log10_nh, column) for column in one.T], axis=-1) for one in table]
        )


@dataclass(frozen=True, slots=True, eq=False)
class ConversionTable:
    """The shipped table.

    Parameters
    ----------
    telescopes : mapping of str to TelescopeFactors — by the simulator's names
    sha256 : str — of its content
    """

    telescopes: Mapping[str, TelescopeFactors]
    sha256: str


def table_hash(content: Mapping[str, Any]) -> str:
    """SHA-256 of the content of a table, without its hash."""
    text = json.dumps({key: value for key, value in content.items() if key != "sha256"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def load_conversion(path: Path = TABLE_PATH) -> ConversionTable:
    """Load a table of energy conversion factors.

    Raises
    ------
    ArtefactError
        Its content has another hash than it states.
    """
    content = json.loads(path.read_text())
    if table_hash(content) != content["sha256"]:
        raise ArtefactError(f"{path}: modified: its SHA-256 is not the one stated; rebuild or reinstall it")
    bands = tuple((float(low), float(high)) for low, high in content["flux_bands_kev"])
    return ConversionTable(
        {
            name: TelescopeFactors(
                name=name,
                band_kev=(one["band_kev"][0], one["band_kev"][1]),
                hardness_split_kev=one["hardness_split_kev"],
                modules=one["modules"],
                calibration_error=one["calibration_error"],
                flux_bands_kev=bands,
                log10_nh=np.array(content["log10_nh_cm2"]),
                spectra=tuple(content["spectra"]),
                factors=np.array(one["erg_cm2_per_count"]),
                unabsorbed=np.array(one["unabsorbed_erg_cm2_per_count"]),
                soft_fraction=np.array(one["soft_fraction"]),
            )
            for name, one in content["telescopes"].items()
        },
        content["sha256"],
    )


def _column_prior(log10_nh: F64, error_dex: F64) -> F64:
    """Probability of each of the fine columns, shape (n, columns)."""
    sigma = np.maximum(error_dex, MIN_NH_DEX)
    centre = np.clip(log10_nh, FINE_LOG10_NH[0], FINE_LOG10_NH[-1])
    galactic = np.exp(-0.5 * ((FINE_LOG10_NH - centre) / sigma) ** 2)
    # Beyond the Galactic column, with its error: no more than a step at the last column of the table.
    intrinsic = 1.0 / (1.0 + np.exp(-np.clip((FINE_LOG10_NH - centre) / sigma, -50.0, 50.0)))
    galactic /= galactic.sum(axis=1, keepdims=True)
    intrinsic /= intrinsic.sum(axis=1, keepdims=True)
    prior: F64 = (1.0 - INTRINSIC_WEIGHT) * galactic + INTRINSIC_WEIGHT * intrinsic
    return prior + 1e-300


def _weighted_quantiles(values: F64, weight: F64) -> F64:
    """Quantiles of values, shape (m,), with weights (n, m), each of which counts half to either side; shape (3, n)."""
    order = np.argsort(values)
    ordered, sorted_weight = values[order], weight[:, order]
    reached = np.cumsum(sorted_weight, axis=1) - 0.5 * sorted_weight
    rows = np.arange(len(weight))
    out = np.empty((len(QUANTILES), len(weight)))
    for k, quantile in enumerate(QUANTILES):
        above = np.clip((reached < quantile).sum(axis=1), 1, len(values) - 1)
        left, right = reached[rows, above - 1], reached[rows, above]
        step = np.maximum(right - left, 1e-300)
        share = np.clip((quantile - left) / step, 0.0, 1.0)
        out[k] = ordered[above - 1] * (1.0 - share) + ordered[above] * share
    return out
