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
from xherald.photons.errors import ArtefactError

from .association import Associations, CatalogueRows, PositionErrors, associate, search_radius_arcsec
from .catalogues.local_density import measure_density
from .object_types import Category, categorise

if TYPE_CHECKING:
    from .catalogues.catalogue import Catalogue, ConeMatches

__all__ = ["Counterpart", "Counterparts", "find_counterparts"]

COMPLETENESS: Final = 0.5
"""Fraction of X-ray sources with a counterpart in a catalogue, where the settings do not state it."""

MIN_PROBABILITY: Final = 0.01
"""Counterparts below this are left out of lists; they count in all probabilities."""

MAX_LISTED: Final = 10

MEDIAN_OF_NONE: Final = 0.377
"""Median of the Poisson mean where nothing was seen, ln 2, over its upper limit of 68 %, 1.84."""

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
    catalogues: Sequence[Catalogue],
    *,
    epoch_yr: float | None = None,
    completeness: Mapping[str, float] | None = None,
) -> list[Counterparts]:
    """Find counterparts of X-ray sources.

    Parameters
    ----------
    ra_deg, dec_deg : array_like, shape (n,) — ICRS
    pos_err_arcsec : array_like, shape (n,) — radius that holds 68 %, astrometric error included
    catalogues : sequence of Catalogue
    epoch_yr : float, optional
        Julian year of the observation, to which proper motions are carried.
    completeness : mapping of str to float, optional
        By catalogue, the fraction of sources that have a counterpart in it; 0.5 for others.

    Returns
    -------
    list of Counterparts
        One for each source. A catalogue that cannot be read is named in `failures`, and the others are asked.
    """
    ra, dec = (np.atleast_1d(np.asarray(one, dtype=np.float64)) for one in (ra_deg, dec_deg))
    errors = PositionErrors.from_radius(np.atleast_1d(np.asarray(pos_err_arcsec, dtype=np.float64)), POSITION_LEVEL)
    found: list[list[Counterpart]] = [[] for _ in ra]
    p_none = np.ones(len(ra))
    evidence: list[dict[Category, float]] = [{} for _ in ra]
    without = 1.0
    searched: list[str] = []
    failures: list[str] = []
    for catalogue in catalogues:
        share = (completeness or {}).get(catalogue.name, COMPLETENESS)
        try:
            one = _ask(catalogue, ra, dec, errors, epoch_yr, share)
        except ArtefactError as fault:
            failures.append(f"{catalogue.name}: {fault}")
            continue
        searched.append(catalogue.name)
        without *= 1.0 - share
        p_none = np.minimum(p_none, one.probable.p_none)
        for source, own in enumerate(evidence):
            here = slice(one.probable.offsets[source], one.probable.offsets[source + 1])
            found[source].extend(row for row in one.rows[here] if row.probability >= MIN_PROBABILITY)
            categories = [row.category for row in one.rows[here]]
            for category in set(categories):
                is_of_category = np.array([category == each for each in categories])
                own[category] = max(own.get(category, 0.0), float(one.factors[here][is_of_category].sum()))
    return [
        Counterparts(
            tuple(sorted(own, key=lambda row: -row.probability)[:MAX_LISTED]),
            tuple(searched),
            float(none) if searched else None,
            by_category,
            tuple(failures),
            1.0 - without,
        )
        for own, none, by_category in zip(found, p_none, evidence, strict=True)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """Rows of a catalogue near the sources, and the ratio of each to no counterpart."""

    probable: Associations
    rows: list[Counterpart]
    factors: F64


def _ask(
    catalogue: Catalogue, ra: F64, dec: F64, errors: PositionErrors, epoch_yr: float | None, completeness: float
) -> _Answer:
    radius = search_radius_arcsec(errors, float(catalogue.about["max_pos_err_arcsec"]))
    matches = catalogue.search(ra, dec, radius, epoch_yr=epoch_yr)
    density = measure_density(catalogue, ra, dec, radius)
    rows = CatalogueRows(
        matches.offsets,
        matches.ra_deg,
        matches.dec_deg,
        PositionErrors.circular(matches.numbers("pos_err_arcsec")),
        # Where no row is near, as many as would be seen in half of such places.
        np.where(density.count > 0, density.per_deg2, MEDIAN_OF_NONE * density.high_per_deg2),
    )
    probable = associate(ra, dec, errors, rows, completeness)
    odds = probable.p_match / np.repeat(np.maximum(probable.p_none, 1e-300), np.diff(matches.offsets))
    described = _describe(catalogue.name, matches, _categories(catalogue, matches), probable)
    return _Answer(probable, described, odds * (1.0 - completeness) / completeness)


def _categories(catalogue: Catalogue, matches: ConeMatches) -> list[Category]:
    """Category of each row: by its type, else that of all objects of the catalogue."""
    columns = catalogue.about["columns"]
    scheme, of_all = columns["types"], columns["category"]
    by_type = [categorise(one, scheme) for one in matches.text("type")]
    return [of_all if one == "other" and of_all else one for one in by_type]


def _describe(
    name: str, matches: ConeMatches, categories: Sequence[Category], probable: Associations
) -> list[Counterpart]:
    columns = [matches.numbers(one) for one in ("magnitude", "redshift", "flux_erg_cm2_s")]
    magnitude, redshift, flux = (_or_none(one) for one in columns)
    distance = _or_none(_distances(matches))
    return [
        Counterpart(
            catalogue=name,
            name=row_name,
            category=categories[row],
            type=row_type,
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
        for row, (row_name, row_type) in enumerate(zip(matches.text("name"), matches.text("type"), strict=True))
    ]


def _distances(matches: ConeMatches) -> F64:
    """Distances, pc: as given, else from parallaxes of at least five standard errors."""
    given, parallax, error = (matches.numbers(one) for one in ("distance_pc", "parallax_mas", "parallax_err_mas"))
    with np.errstate(divide="ignore", invalid="ignore"):
        is_measured = parallax >= 5.0 * error
        return np.where(np.isfinite(given), given, np.where(is_measured, 1000.0 / parallax, np.nan))


def _or_none(values: F64) -> list[float | None]:
    return [None if np.isnan(one) else one for one in values.tolist()]
