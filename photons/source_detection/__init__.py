"""Blind source detection, on the image and, for short bursts, in time slices: `find_sources`.

Used for observations without a source list. Everything specific to an instrument (point spread, frame time, good times,
projection) comes with the `Observation`.
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

from .cut_lists import cut_out_aperture
from .settings import SourceDetectionSettings

if TYPE_CHECKING:
    from .field_model import Field

__all__ = ["DetectedSources", "SourceDetectionSettings", "cut_out_aperture", "detect_sources", "find_sources"]


_SEARCH_SHARE = 0.1
"""False alarms that bursts found in time slices may add to a field, in units of those of its other sources: their
probabilities are stated per source, as all are."""

_TRIALS_PER_PHOTON = 3.0
"""Trials of the search in time slices per photon of the field, for timing tests of what it finds. Measured on noise
slices of simulated empty fields."""

_MIN_CONCENTRATION_P = 1e-4
"""Sources whose photons are more concentrated than this probability under the point spread are flagged."""


@dataclass(frozen=True, slots=True, eq=False)
class _FittedSource:
    """A fitted source.

    Parameters
    ----------
    source : ndarray, shape (5,) — x, y, ln p, net counts, background per square pixel
    origin : str — how it was detected
    too_tight : bool — sign of a hot pixel
    selection_p, selection_trials : float — see `Aperture`; 0 and infinity for sources detected on the image
    """

    source: F64
    origin: str
    too_tight: bool
    selection_p: float = 0.0
    selection_trials: float = math.inf


@dataclass(frozen=True, slots=True)
class DetectedSources:
    """Sources of an exposure, and remarks on what was left out.

    Parameters
    ----------
    apertures : list of Aperture
    notes : tuple of str
    """

    apertures: list[Aperture]
    notes: tuple[str, ...] = ()


def find_sources(
    observation: Observation, settings: SourceDetectionSettings | None = None, apertures: ApertureSettings | None = None
) -> list[Aperture]:
    """Detect the sources of an exposure: `detect_sources` without its notes."""
    return detect_sources(observation, settings, apertures).apertures


def detect_sources(
    observation: Observation, settings: SourceDetectionSettings | None = None, apertures: ApertureSettings | None = None
) -> DetectedSources:
    """Detect the sources of an exposure, the most significant first.

    A list that was cut out around a source is that source (`cut_out_aperture`). Detections in the wings of brighter
    sources, on their read-out streaks, arms and dispersed spectra are left out, and counted in a note.

    The result is deterministic. Sources whose photons are more concentrated than the point spread (hot pixels,
    cosmic-ray afterglows) are flagged "narrower_than_psf".

    Parameters
    ----------
    observation : Observation
        With good times, a sky projection and a point-spread table.
    settings : SourceDetectionSettings, optional
    apertures : ApertureSettings, optional
        Settings of the apertures of detected sources; their energy also applies to the detection.

    Returns
    -------
    DetectedSources
        With ids "1", "2", …, positions, and 68 % error radii that include the astrometric error.

    Raises
    ------
    GtiError
        The observation has no good times.
    FileError
        It has no sky projection or no point-spread table.
    """
    settings, cut = settings or SourceDetectionSettings(), apertures or ApertureSettings()
    observation.require_good_times()
    observation.require_projection()
    if observation.point_spread is None:
        raise FileError(
            observation.path,
            "no point-spread table for this instrument, so sources cannot be detected; give a source list",
        )
    if (whole := cut_out_aperture(observation, cut)) is not None:
        return DetectedSources([whole])

    from .field_model import Field

    field = Field(observation, cut.energy_kev)
    if not field.footprint.hulls:
        return DetectedSources([])
    found, note = _detect(field, settings)
    return DetectedSources(_make_apertures(field, found, cut), (note,) if note else ())


def _detect(field: Field, settings: SourceDetectionSettings) -> tuple[list[_FittedSource], str]:
    """Sources detected on the image and in time slices, the most significant first, and a note on what was left out."""
    from .brighter_sources import centre_piled_up
    from .image_search import find_image_sources
    from .positions import fit_positions
    from .time_slices import find_bursts
    from .trails import renumber

    everything = slice(0, len(field.observation.events))
    image = find_image_sources(field, settings)
    fitted = centre_piled_up(fit_positions(field, image.found), field)
    steady, kept = _remove_duplicates(fitted, field, settings)
    bursts = find_bursts(field, settings, steady, renumber(image.trails, kept)) if settings.time_slices else []
    is_tight = [_is_too_concentrated(row, everything, field) for row in steady]
    # The search counts all places of the field as trials, and is one for all of its sources.
    sources = max(_SEARCH_SHARE * len(steady), 1.0)
    found = []
    for burst in bursts:
        too_tight = _is_too_concentrated(burst.source, burst.window, field)
        if burst.host >= 0:
            # An afterglow detected on the image has all its photons in one burst.
            is_tight[burst.host] |= too_tight
        else:
            origin = f"detected in {burst.width:.3g} s slices"
            trials = max(_TRIALS_PER_PHOTON * len(field.observation.events) / sources, 1.0)
            p = -math.expm1(-burst.expected / sources)
            found.append(_FittedSource(burst.source, origin, too_tight, p, trials))
    found.extend(_FittedSource(row, "detected on the image", one) for row, one in zip(steady, is_tight, strict=True))
    ordered = sorted(found, key=lambda one: (one.source[2], one.source[0], one.source[1]))
    return ordered, image.left_out.note(field.observation.grating)


def _remove_duplicates(found: F64, field: Field, settings: SourceDetectionSettings) -> tuple[F64, list[int]]:
    """Remove sources that the fit has left without photons or moved onto a more significant source.

    Returns what is kept and its rows in `found`.
    """
    from .positions import position_error

    kept: list[int] = []
    for index, row in enumerate(found):
        if row[3] < max(settings.min_counts - 1, 1):
            continue
        # Two sources within the 90 % radius would share one aperture.
        r90 = field.shape_at(float(row[0]), float(row[1])).r90
        apart = max(r90, position_error(row, field))
        if all((row[0] - found[one, 0]) ** 2 + (row[1] - found[one, 1]) ** 2 > apart**2 for one in kept):
            kept.append(index)
    return found[kept], kept


def _make_apertures(field: Field, found: list[_FittedSource], settings: ApertureSettings) -> list[Aperture]:
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
        flags = (*aperture.flags, *flags)
        apertures.append(
            replace(aperture, flags=flags, selection_p=one.selection_p, selection_trials=one.selection_trials)
        )
    return apertures


def _is_too_concentrated(row: F64, window: slice, field: Field) -> bool:
    """Whether the photons are more concentrated than those of a point source."""
    from .positions import concentration_probability

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
    # Photons are closer to their own median than to the source, and pixels hide offsets of half a pixel.
    return concentration_probability(radii * np.sqrt(n / (n - 1)), reach, shape, 0.5) < _MIN_CONCENTRATION_P
