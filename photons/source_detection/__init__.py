"""Finding sources blind, by rules that know no mission: on the whole image and, for short bursts, in time slices.

On the road this stands in for a source list. Everything it needs of an instrument (point spread, frame time, good
times, projection) comes with the `Observation`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xherald.photons.apertures import ApertureSettings, aperture_at
from xherald.photons.arrays import F64
from xherald.photons.errors import FileError
from xherald.photons.observation import Observation
from xherald.photons.regions import Aperture

from .settings import FindingSettings

if TYPE_CHECKING:
    from .field_model import Field

__all__ = ["FindingSettings", "find_sources"]


_TOO_TIGHT = 1e-4
"""Chance below which a source's photons lie closer together than the point spread allows."""


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """A source as it was fitted.

    Parameters
    ----------
    source : ndarray, shape (5,) — x, y, ln p, net counts, background a square pixel
    origin : str — how it was found
    too_tight : bool — a hot pixel's mark
    selection_p : float — chance that a steady field shows such a burst anywhere; 0 for what the whole image shows
    """

    source: F64
    origin: str
    too_tight: bool
    selection_p: float = 0.0


def find_sources(
    observation: Observation, settings: FindingSettings | None = None, apertures: ApertureSettings | None = None
) -> list[Aperture]:
    """Find the sources of an exposure, the most significant first.

    The result depends on nothing but the photons and the settings. Sources whose photons lie closer together than the
    point spread allows (hot pixels, cosmic-ray afterglows) are flagged "narrower_than_psf".

    Parameters
    ----------
    observation : Observation
        With good times, a sky projection and a point-spread table.
    settings : FindingSettings, optional
    apertures : ApertureSettings, optional
        How apertures are cut around what was found; their energy is used for the search as well.

    Returns
    -------
    list of Aperture
        With ids "1", "2", …, positions, and 68 % error radii that include the instrument's astrometry.

    Raises
    ------
    GtiError
        The observation has no good times.
    FileError
        It has no sky projection or no point-spread table.
    """
    settings, cut = settings or FindingSettings(), apertures or ApertureSettings()
    observation.require_good_times()
    observation.require_projection()
    if observation.point_spread is None:
        raise FileError(
            observation.path,
            "no point-spread table for this instrument, so sources cannot be found; give a source list",
        )

    from .field_model import Field

    field = Field(observation, cut.energy_kev)
    if not field.footprint.hulls:
        return []
    return _apertures(field, _search(field, settings), cut)


def _search(field: Field, settings: FindingSettings) -> list[_Found]:
    """Both channels, the most significant source first."""
    from .image_search import image_sources
    from .positions import fit_positions
    from .time_slices import burst_sources

    everything = slice(0, len(field.observation.events))
    steady = _without_doubles(fit_positions(field, image_sources(field, settings)), field, settings)
    bursts = burst_sources(field, settings, steady) if settings.time_slices else []
    tight = [_too_tight(row, everything, field) for row in steady]
    found = []
    for burst in bursts:
        too_tight = _too_tight(burst.source, burst.window, field)
        if burst.host >= 0:
            # An afterglow that is bright enough to show on the image has its photons in one burst all the same.
            tight[burst.host] |= too_tight
        else:
            origin = f"detected in {burst.width:.3g} s slices"
            found.append(_Found(burst.source, origin, too_tight, -math.expm1(-burst.expected)))
    found.extend(_Found(row, "detected on the image", one) for row, one in zip(steady, tight, strict=True))
    return sorted(found, key=lambda one: (one.source[2], one.source[0], one.source[1]))


def _without_doubles(found: F64, field: Field, settings: FindingSettings) -> F64:
    """Drop what the fit has emptied, or moved onto a more significant source."""
    from .positions import position_error

    kept: list[F64] = []
    for row in found:
        if row[3] < max(settings.min_counts - 1, 1):
            continue
        # Closer than the 90 % radius two sources share one aperture: its photons are the brighter one's.
        r90 = field.shape_at(float(row[0]), float(row[1])).r90
        apart = max(r90, position_error(row, field))
        if all((row[0] - one[0]) ** 2 + (row[1] - one[1]) ** 2 > apart**2 for one in kept):
            kept.append(row)
    return np.array(kept) if kept else np.empty((0, 5))


def _apertures(field: Field, found: list[_Found], settings: ApertureSettings) -> list[Aperture]:
    from .positions import position_error

    observation = field.observation
    places = np.array([one.source[:2] for one in found]).reshape(len(found), 2)
    ra, dec = observation.require_projection().to_sky(places[:, 0], places[:, 1])
    astrometry = observation.point_spread.astrometry_arcsec if observation.point_spread else 0.0
    apertures = []
    for i, one in enumerate(found):
        error = float(np.hypot(position_error(one.source, field) * field.pixel, astrometry))
        aperture = aperture_at(observation, float(ra[i]), float(dec[i]), str(i + 1), one.origin, error, settings)
        flags = ("narrower_than_psf",) if one.too_tight else ()
        apertures.append(replace(aperture, flags=(*aperture.flags, *flags), selection_p=one.selection_p))
    return apertures


def _too_tight(row: F64, window: slice, field: Field) -> bool:
    """Whether the photons lie closer together than a point source's can."""
    from .positions import tightness

    events = field.observation.events
    shape = field.shape_at(float(row[0]), float(row[1]))
    reach = max(shape.r90, 1.5)
    if window.stop - window.start == len(events):
        x, y = field.near(float(row[0]), float(row[1]), reach)
    else:
        x, y = events.x[window].astype(np.float64), events.y[window].astype(np.float64)
    away = np.hypot(x - row[0], y - row[1])
    inside = away <= reach
    n = int(np.count_nonzero(inside))
    if n < 4:
        return False
    radii = np.hypot(x[inside] - np.median(x[inside]), y[inside] - np.median(y[inside]))
    # Photons lie closer to their own middle than to the source, and rounding to pixels hides half a pixel.
    return tightness(radii * np.sqrt(n / (n - 1)), reach, shape, 0.5) < _TOO_TIGHT
