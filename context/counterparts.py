"""Which catalogued object an X-ray source may be, with probabilities: `find_counterparts`.

Every catalogue is asked by itself (`association.associate`). One object is often in several of them, so that what they
say is not multiplied: the catalogue that is surest of a counterpart, or of a category of counterpart, counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike

from xherald.photons.arrays import F64

from .association import Associations, CatalogueRows, PositionErrors, associate, search_radius_arcsec
from .object_types import Category, as_category, categorise

if TYPE_CHECKING:
    from xherald.plugins.context import ContextMatches

__all__ = ["Counterpart", "Counterparts", "find_counterparts", "needed_radius_arcsec"]

COMPLETENESS: Final = 0.5
"""Fraction of X-ray sources with a counterpart in a catalogue, where the settings do not state it."""

MIN_PROBABILITY: Final = 0.01
"""Counterparts below this are left out of lists; they count in all probabilities."""

MAX_LISTED: Final = 10

MAX_LETTERS: Final = 100

LARGEST_ERROR_ARCSEC: Final = 3.0
"""Standard deviation per axis of catalogue positions; of rows with larger errors, far ones are missed."""

LARGEST_AREA_DEG2: Final = 22.3
"""Area in which `measure_density` counts rows at most."""

UNMEASURED_PER_DEG2: Final = 1_000.0
"""Density of a catalogue that states none: that of stars of 16 mag at middle Galactic latitudes."""

POSITION_LEVEL: Final = 0.68
"""Probability within the error radius of a detection."""


@dataclass(frozen=True, slots=True)
class Counterpart:
    """A catalogue row that may be the X-ray source; what the catalogue does not have is None.

    Parameters
    ----------
    catalogue, name : str
    category : str — `object_types.CATEGORIES`
    type : str — as the catalogue writes it
    probability : float — that the row is the source
    ra_deg, dec_deg : float — at the epoch of the observation
    separation_arcsec, separation_sigma : float
    magnitude, distance_pc, redshift, flux_erg_cm2_s : float or None
    """

    catalogue: str
    name: str
    category: Category
    type: str
    probability: float
    ra_deg: float
    dec_deg: float
    separation_arcsec: float
    separation_sigma: float
    magnitude: float | None
    distance_pc: float | None
    redshift: float | None
    flux_erg_cm2_s: float | None


@dataclass(frozen=True, slots=True)
class Counterparts:
    """What is known at the position of one X-ray source.

    Parameters
    ----------
    found : tuple of Counterpart — the most probable first
    searched : tuple of str — catalogues that were asked
    p_none : float or None — probability that it has no counterpart in any of them; None if none was asked
    evidence : mapping of str to float
        For each category the ratio of the probability of the positions if the source is one of the rows of this
        category to that if it has no counterpart.
    failures : tuple of str — catalogues that could not be asked, and why
    completeness : float — fraction of X-ray sources that have a counterpart in at least one of the catalogues
    """

    found: tuple[Counterpart, ...] = ()
    searched: tuple[str, ...] = ()
    p_none: float | None = None
    evidence: Mapping[Category, float] | None = None
    failures: tuple[str, ...] = ()
    completeness: float = 0.0


def find_counterparts(
    ra_deg: ArrayLike,
    dec_deg: ArrayLike,
    pos_err_arcsec: ArrayLike,
    catalogues: Sequence[ContextMatches],
    completeness: Mapping[str, float] | None = None,
) -> list[Counterparts]:
    """Find counterparts of X-ray sources among the rows of catalogues near them.

    Parameters
    ----------
    ra_deg, dec_deg : array_like, shape (n,) — ICRS
    pos_err_arcsec : array_like, shape (n,) — radius that holds 68 %, astrometric error included
    catalogues : sequence of ContextMatches
        Rows within `needed_radius_arcsec` of each source, at the epoch of the observation.
    completeness : mapping of str to float, optional
        By catalogue, the fraction of sources that have a counterpart in it; 0.5 for others.

    Returns
    -------
    list of Counterparts
        One for each source.
    """
    ra, dec = (np.atleast_1d(np.asarray(one, dtype=np.float64)) for one in (ra_deg, dec_deg))
    errors = PositionErrors.from_radius(np.atleast_1d(np.asarray(pos_err_arcsec, dtype=np.float64)), POSITION_LEVEL)
    found: list[list[Counterpart]] = [[] for _ in ra]
    p_none = np.ones(len(ra))
    evidence: list[dict[Category, float]] = [{} for _ in ra]
    without = 1.0
    searched = tuple(one.catalogue for one in catalogues if not one.failure)
    for matches in catalogues:
        if matches.failure:
            continue
        share = (completeness or {}).get(matches.catalogue, COMPLETENESS)
        probable = _associate(ra, dec, errors, matches, share)
        odds = probable.p_match / np.repeat(np.maximum(probable.p_none, 1e-300), np.diff(matches.offsets))
        factors, rows = odds * (1.0 - share) / share, _describe(matches, probable)
        without *= 1.0 - share
        p_none = np.minimum(p_none, probable.p_none)
        for source, own in enumerate(evidence):
            here = slice(matches.offsets[source], matches.offsets[source + 1])
            found[source].extend(row for row in rows[here] if row.probability >= MIN_PROBABILITY)
            categories = [row.category for row in rows[here]]
            for category in set(categories):
                is_of_category = np.array([category == each for each in categories])
                own[category] = max(own.get(category, 0.0), float(factors[here][is_of_category].sum()))
    return [
        Counterparts(
            tuple(sorted(own, key=lambda row: -row.probability)[:MAX_LISTED]),
            searched,
            float(none) if searched else None,
            by_category,
            completeness=1.0 - without,
        )
        for own, none, by_category in zip(found, p_none, evidence, strict=True)
    ]


def needed_radius_arcsec(pos_err_arcsec: ArrayLike) -> F64:
    """Radius around each source within which rows are needed, for catalogues with errors up to 3 arcsec.

    Parameters
    ----------
    pos_err_arcsec : array_like, shape (n,) — radius that holds 68 %
    """
    errors = PositionErrors.from_radius(np.atleast_1d(np.asarray(pos_err_arcsec, dtype=np.float64)), POSITION_LEVEL)
    return search_radius_arcsec(errors, LARGEST_ERROR_ARCSEC)


def _associate(ra: F64, dec: F64, errors: PositionErrors, matches: ContextMatches, completeness: float) -> Associations:
    density = matches.density_per_deg2
    # Where no row is near, as many as would be seen in half of such places of the largest area.
    least = np.log(2.0) / LARGEST_AREA_DEG2
    rows = CatalogueRows(
        matches.offsets,
        matches.ra_deg,
        matches.dec_deg,
        PositionErrors.circular(matches.pos_err_arcsec),
        np.full(len(ra), UNMEASURED_PER_DEG2) if density is None else np.maximum(np.nan_to_num(density), least),
    )
    return associate(ra, dec, errors, rows, completeness)


def _describe(matches: ContextMatches, probable: Associations) -> list[Counterpart]:
    numbers = [_or_none(_column(matches, one)) for one in ("magnitude", "redshift", "flux_erg_cm2_s")]
    magnitude, redshift, flux = numbers
    distance = _or_none(_distances(matches))
    return [
        Counterpart(
            catalogue=matches.catalogue,
            name=_one_line(matches.names[row]),
            category=as_category(matches.categories[row]) if matches.categories else categorise(matches.types[row]),
            type=_one_line(matches.types[row]),
            probability=float(probable.p_match[row]),
            ra_deg=float(matches.ra_deg[row]),
            dec_deg=float(matches.dec_deg[row]),
            separation_arcsec=float(probable.separation_arcsec[row]),
            separation_sigma=float(probable.separation_sigma[row]),
            magnitude=magnitude[row],
            distance_pc=distance[row],
            redshift=redshift[row],
            flux_erg_cm2_s=flux[row],
        )
        for row in range(len(matches))
    ]


def _column(matches: ContextMatches, name: str) -> F64:
    return matches.numbers.get(name, np.full(len(matches), np.nan))


def _one_line(text: str) -> str:
    """A text of a catalogue as printable characters on one line: it is shown in terminals, mails and pages."""
    return " ".join("".join(one for one in word if one.isprintable()) for word in text.split())[:MAX_LETTERS]


def _distances(matches: ContextMatches) -> F64:
    """Distances, pc: as given, else from parallaxes of at least five standard errors."""
    given, parallax, error = (_column(matches, one) for one in ("distance_pc", "parallax_mas", "parallax_err_mas"))
    with np.errstate(divide="ignore", invalid="ignore"):
        is_measured = parallax >= 5.0 * error
        return np.where(np.isfinite(given), given, np.where(is_measured, 1000.0 / parallax, np.nan))


def _or_none(values: F64) -> list[float | None]:
    return [None if np.isnan(one) else one for one in values.tolist()]
