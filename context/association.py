"""Probability that a catalogue row is the counterpart of an X-ray source, and that the source has none.

Each source has K rows near it. The hypotheses are that row i is its counterpart, or that none is, and that all other
rows are unrelated. With the fraction c of sources that have a counterpart in the catalogue (the completeness), the
density ρ of unrelated rows, the offset Δ and the sum Σ of both covariances of position (Budavári & Szalay 2008, ApJ
679, 301, eq. 16; Sutherland & Saunders 1992, MNRAS 259, 413, eq. 5)::

    L_i = N(Δ; Σ) / ρ × q(m) / n(m),    p_i = c L_i / (1 − c + c Σ L)

where q and n are the distributions of a magnitude (or flux, colour) of counterparts and of the field. NWAY (Salvato et
al. 2018, MNRAS 473, 4937, appendix B) has the weight 1 for no counterpart instead of 1 − c: its completeness C gives
the same probabilities as c = C / (1 + C) here. With 1 − c they are the fractions of sources that have a counterpart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from xherald.photons.arrays import F64, I64

__all__ = [
    "Associations",
    "CatalogueRows",
    "MagnitudePrior",
    "PositionErrors",
    "associate",
    "estimate_completeness",
    "search_radius_arcsec",
]


ARCSEC_PER_RAD: Final = 180.0 * 3600.0 / np.pi

ARCSEC2_PER_DEG2: Final = 3600.0**2

MAX_SIGMA: Final = 5.26
"""Radius of a two-dimensional normal distribution, in sigma of one axis, outside of which a fraction 1e-6 lies."""

BISECTIONS: Final = 50


@dataclass(frozen=True, slots=True, eq=False)
class PositionErrors:
    """Normal errors of positions, as ellipses; statistical and systematic errors added.

    Parameters
    ----------
    major_arcsec, minor_arcsec : ndarray, shape (n,)
        Standard deviations along both axes. Not negative.
    angle_deg : ndarray, shape (n,)
        Position angle of the major axis, from north through east.

    Raises
    ------
    ValueError
        An error is negative or not finite.
    """

    major_arcsec: F64
    minor_arcsec: F64
    angle_deg: F64

    def __post_init__(self) -> None:
        for name in ("major_arcsec", "minor_arcsec", "angle_deg"):
            values = getattr(self, name)
            is_bad = ~np.isfinite(values) | ((values < 0) & (name != "angle_deg"))
            if is_bad.any():
                row = int(np.flatnonzero(is_bad)[0])
                raise ValueError(f"{name} of position {row} is {values[row]}: must be finite, and errors not negative")

    @classmethod
    def circular(cls, sigma_arcsec: ArrayLike) -> PositionErrors:
        """Errors that are equal in all directions.

        Parameters
        ----------
        sigma_arcsec : array_like, shape (n,) — standard deviation in one coordinate
        """
        sigma = np.atleast_1d(np.asarray(sigma_arcsec, dtype=np.float64))
        return cls(sigma, sigma, np.zeros_like(sigma))

    @classmethod
    def from_radius(cls, radius_arcsec: ArrayLike, probability: float) -> PositionErrors:
        """Circular errors from the radius that contains a fraction of positions.

        Parameters
        ----------
        radius_arcsec : array_like, shape (n,)
        probability : float — in (0, 1), such as 0.68 for ``pos_err_arcsec`` of a detection
        """
        if not 0 < probability < 1:
            raise ValueError(f"probability within the error radius is {probability}: must be between 0 and 1")
        return cls.circular(np.asarray(radius_arcsec, dtype=np.float64) / np.sqrt(-2.0 * np.log1p(-probability)))

    def covariances(self) -> tuple[F64, F64, F64]:
        """Variance to the east, variance to the north and covariance, arcsec², shape (n,) each."""
        angle = np.radians(self.angle_deg)
        sine, cosine = np.sin(angle), np.cos(angle)
        major, minor = self.major_arcsec**2, self.minor_arcsec**2
        return (
            major * sine**2 + minor * cosine**2,
            major * cosine**2 + minor * sine**2,
            (major - minor) * sine * cosine,
        )


@dataclass(frozen=True, slots=True, eq=False)
class MagnitudePrior:
    """Distributions of a magnitude, or any other quantity, of counterparts and of the field.

    Parameters
    ----------
    edges : ndarray, shape (k + 1,) — ascending
    counterparts : ndarray, shape (k,) — number of counterparts in each bin, of another sample or a training field
    field : ndarray, shape (k,) — number of unrelated rows in each bin

    Raises
    ------
    ValueError
        Edges do not ascend, numbers are negative, or there is no row in the field.
    """

    edges: F64
    counterparts: F64
    field: F64

    def __post_init__(self) -> None:
        k = len(self.edges) - 1
        if k < 1 or not (np.diff(self.edges) > 0).all():
            raise ValueError("edges of the magnitudes must ascend")
        for name in ("counterparts", "field"):
            numbers = getattr(self, name)
            if numbers.shape != (k,) or not (np.isfinite(numbers).all() and (numbers >= 0).all()):
                raise ValueError(f"{name}: {k} numbers are needed, not negative")
        if not self.field.sum() > 0:
            raise ValueError("field: there is no row in any bin")

    def ratio(self, magnitude: ArrayLike) -> F64:
        """Ratio q(m) / n(m) of each row.

        One pseudo-row, equally likely in each bin, is added to the field, and one counterpart that is distributed as
        the field, so that no ratio is zero or infinite. Rows without magnitude have the ratio 1; beyond the edges it is
        that of the outermost bin.

        Parameters
        ----------
        magnitude : array_like, shape (m,) — NaN where unknown
        """
        values = np.asarray(magnitude, dtype=np.float64)
        field = (self.field + 1.0 / len(self.field)) / (self.field.sum() + 1.0)
        counterparts = (self.counterparts + field) / (self.counterparts.sum() + 1.0)
        index = np.clip(np.searchsorted(self.edges, values, side="right") - 1, 0, len(field) - 1)
        return np.where(np.isnan(values), 1.0, (counterparts / field)[index])


@dataclass(frozen=True, slots=True, eq=False)
class CatalogueRows:
    """Rows of a catalogue near n sources: source i has the rows ``offsets[i]:offsets[i + 1]``.

    Parameters
    ----------
    offsets : ndarray, shape (n + 1,)
    ra_deg, dec_deg : ndarray, shape (m,)
        ICRS, at the epoch of the X-ray observation: proper motion is for the caller to apply.
    errors : PositionErrors, of m rows
        Proper motion over the time since the catalogue's epoch included.
    density_deg2 : ndarray, shape (n,)
        Unrelated rows per square degree around each source.
    ratio : ndarray, shape (m,), optional
        Ratios q(m) / n(m), see `MagnitudePrior.ratio`; those of independent quantities multiplied.

    Raises
    ------
    ValueError
        Lengths do not agree, or a density is not positive.
    """

    offsets: I64
    ra_deg: F64
    dec_deg: F64
    errors: PositionErrors
    density_deg2: F64
    ratio: F64 | None = None

    def __post_init__(self) -> None:
        m = len(self.ra_deg)
        if self.offsets[0] != 0 or self.offsets[-1] != m or (np.diff(self.offsets) < 0).any():
            raise ValueError(f"offsets must ascend from 0 to the number of rows, {m}")
        lengths = [len(self.dec_deg), len(self.errors.major_arcsec), m if self.ratio is None else len(self.ratio)]
        if any(length != m for length in lengths):
            raise ValueError(f"{m} right ascensions, but {lengths} declinations, errors and ratios")
        if len(self.density_deg2) != len(self.offsets) - 1:
            raise ValueError(f"{len(self.offsets) - 1} sources, but {len(self.density_deg2)} densities")
        if not (np.isfinite(self.density_deg2) & (self.density_deg2 > 0)).all():
            raise ValueError("density of rows must be positive: where no row was counted, use (0 + 1) / area")

    @property
    def source(self) -> I64:
        """Index of the source of each row, shape (m,)."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


@dataclass(frozen=True, slots=True, eq=False)
class Associations:
    """Probabilities of counterparts: of n sources, and of m rows.

    Parameters
    ----------
    offsets : ndarray, shape (n + 1,) — rows of each source
    p_any : ndarray, shape (n,) — that any of the rows is the counterpart
    p_none : ndarray, shape (n,) — that the source has no counterpart in the catalogue, 1 − p_any without rounding
    p_match : ndarray, shape (m,) — that the row is the counterpart; their sum over a source is p_any
    separation_arcsec : ndarray, shape (m,)
    separation_sigma : ndarray, shape (m,) — Mahalanobis distance
    ln_bayes_factor : ndarray, shape (m,) — of the positions alone, against unrelated positions on the sky
    ln_evidence : ndarray, shape (n,) — logarithm of the sum of L over the rows; −inf without rows
    """

    offsets: I64
    p_any: F64
    p_none: F64
    p_match: F64
    separation_arcsec: F64
    separation_sigma: F64
    ln_bayes_factor: F64
    ln_evidence: F64

    @property
    def p_i(self) -> F64:
        """Probability of each row if the source has a counterpart (p_i of NWAY), shape (m,)."""
        repeated = np.repeat(self.p_any, np.diff(self.offsets))
        return np.divide(self.p_match, repeated, out=np.zeros_like(repeated), where=repeated > 0)

    def rows_of(self, source: int) -> I64:
        """Indices of the rows of a source, the most probable first."""
        first, last = self.offsets[source : source + 2]
        order: I64 = first + np.argsort(-self.p_match[first:last], kind="stable")
        return order


def associate(
    ra_deg: ArrayLike,
    dec_deg: ArrayLike,
    errors: PositionErrors,
    rows: CatalogueRows,
    completeness: ArrayLike,
) -> Associations:
    """Compute the probability of each row to be the counterpart, and of none.

    The rows of a source must include all within `search_radius_arcsec`; rows beyond do not change the result.

    Parameters
    ----------
    ra_deg, dec_deg : array_like, shape (n,) — X-ray positions, ICRS
    errors : PositionErrors, of n positions
    rows : CatalogueRows
    completeness : array_like, scalar or shape (n,)
        Fraction of such X-ray sources that have a counterpart in the catalogue, in [0, 1); see `estimate_completeness`.

    Raises
    ------
    ValueError
        Lengths do not agree, a completeness is not in [0, 1), or both errors of a pair are zero.
    """
    ra, dec = (np.atleast_1d(np.asarray(part, dtype=np.float64)) for part in (ra_deg, dec_deg))
    n = len(rows.offsets) - 1
    if not len(ra) == len(dec) == len(errors.major_arcsec) == n:
        raise ValueError(f"rows of {n} sources, but {len(ra)} positions and {len(errors.major_arcsec)} errors")
    fraction = np.broadcast_to(np.asarray(completeness, dtype=np.float64), (n,))
    if not ((fraction >= 0) & (fraction < 1)).all():
        raise ValueError("completeness must be at least 0 and below 1")
    source = rows.source
    east, north = _offsets_arcsec(ra[source], dec[source], rows.ra_deg, rows.dec_deg)
    xx, yy, xy = (a[source] + b for a, b in zip(errors.covariances(), rows.errors.covariances(), strict=True))
    determinant = xx * yy - xy**2
    if not (determinant > 0).all():
        row = int(np.flatnonzero(~(determinant > 0))[0])
        raise ValueError(f"row {row} and its source {source[row]} have no error of position; state one")
    squared = (yy * east**2 - 2.0 * xy * east * north + xx * north**2) / determinant
    ln_density = -0.5 * squared - np.log(2.0 * np.pi) - 0.5 * np.log(determinant)
    ln_ratio = ln_density - np.log(rows.density_deg2 / ARCSEC2_PER_DEG2)[source]
    if rows.ratio is not None:
        with np.errstate(divide="ignore"):
            ln_ratio = ln_ratio + np.log(rows.ratio)
    with np.errstate(divide="ignore"):
        ln_none, ln_some = np.log1p(-fraction), np.log(fraction)
    weight = ln_ratio + ln_some[source]
    total = np.logaddexp(ln_none, _ln_sum(weight, source, n))
    p_none = np.exp(ln_none - total)
    return Associations(
        offsets=rows.offsets,
        p_any=-np.expm1(ln_none - total),
        p_none=p_none,
        p_match=np.exp(weight - total[source]),
        separation_arcsec=np.hypot(east, north),
        separation_sigma=np.sqrt(squared),
        # Unrelated positions are uniform over the sphere of 4π sr.
        ln_bayes_factor=ln_density + np.log(4.0 * np.pi * ARCSEC_PER_RAD**2),
        ln_evidence=_ln_sum(ln_ratio, source, n),
    )


def estimate_completeness(associations: Sequence[Associations]) -> tuple[float, float]:
    """Fraction of sources with a counterpart, of largest likelihood, and its standard error.

    The likelihood of source i is 1 − c + c S, where S is the sum of L over its rows. The error is that of the curvature
    of the likelihood; it is large for few sources or where the catalogue is crowded. Estimate it from all sources of a
    telescope in a catalogue, not from the one in question.

    Parameters
    ----------
    associations : sequence of Associations
        With any completeness: it does not enter.

    Raises
    ------
    ValueError
        There is no source.
    """
    evidence = np.concatenate([one.ln_evidence for one in associations]) if associations else np.empty(0)
    if not len(evidence):
        raise ValueError("completeness cannot be estimated without sources")

    def slopes(c: float) -> F64:
        """Derivative of each logarithm of the likelihood, (S − 1) / (1 − c + c S)."""
        large = np.maximum(evidence, 0.0)
        scaled, one = np.exp(evidence - large), np.exp(-large)
        slope: F64 = (scaled - one) / ((1.0 - c) * one + c * scaled)
        return slope

    # The logarithm of the likelihood is concave.
    low, high = 1e-6, 1.0 - 1e-6
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if slopes(middle).sum() > 0 else (low, middle)
    best = 0.5 * (low + high)
    return best, float(1.0 / np.sqrt((slopes(best) ** 2).sum()))


def search_radius_arcsec(errors: PositionErrors, largest_catalogue_error_arcsec: float) -> F64:
    """Radius around each source within which its rows are needed: all but 1e-6 of counterparts are nearer.

    Parameters
    ----------
    errors : PositionErrors
    largest_catalogue_error_arcsec : float — largest standard deviation in one coordinate of the catalogue
    """
    radius: F64 = MAX_SIGMA * np.hypot(errors.major_arcsec, largest_catalogue_error_arcsec)
    return radius


def _offsets_arcsec(ra: F64, dec: F64, other_ra: F64, other_dec: F64) -> tuple[F64, F64]:
    """Offsets to the east and north of other positions, in the tangent plane; also near poles and RA 0."""
    difference, dec, other = np.radians(other_ra - ra), np.radians(dec), np.radians(other_dec)
    half = np.sin(0.5 * difference) ** 2
    east = np.cos(other) * np.sin(difference)
    # sin δ₂ cos δ₁ − cos δ₂ sin δ₁ cos Δα, without the loss of digits in the difference of nearly equal terms.
    north = np.sin(other - dec) + 2.0 * np.cos(other) * np.sin(dec) * half
    return east * ARCSEC_PER_RAD, north * ARCSEC_PER_RAD


def _ln_sum(values: F64, source: I64, n: int) -> F64:
    """Logarithm of the sum of exp(values) of each source; −inf where there is none."""
    largest = np.full(n, -np.inf)
    np.maximum.at(largest, source, values)
    finite = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(divide="ignore"):
        total: F64 = finite + np.log(np.bincount(source, np.exp(values - finite[source]), minlength=n))
    return total
