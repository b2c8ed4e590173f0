"""Declarative description of a mission's event lists: `MissionTable` and `Instrument`.

Most adapters consist of a `MissionTable`; see `FitsAdapter`.
"""

from __future__ import annotations

from dataclasses import dataclass

from xherald.photons import DetectorLayout, PixelLayout, PointSpread

from .energies import Energy
from .field_of_view import FieldOfView
from .gti_tables import GtiLayout
from .selection_rules import Rule

__all__ = ["Instrument", "MissionTable", "NoImage"]


@dataclass(frozen=True, slots=True)
class NoImage:
    """A mode without sky positions.

    Parameters
    ----------
    keyword : str
    value : str
        Beginning of the keyword's value in this mode, upper case.
    reason : str
        Explanation for the user.
    """

    keyword: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """Properties of an instrument and of its event lists.

    Parameters
    ----------
    instrume : tuple of str
        Values of INSTRUME.
    energies : tuple of Energy
        In order of preference; the first whose column exists is used.
    band : (float, float) — keV, energy range of photons
    band_open : bool — whether the limits of the band are excluded
    hardness_split : float — keV, boundary of soft and hard band
    gti : tuple of GtiLayout — in order of preference
    frame_default : float — s, frame time or time resolution without a keyword
    frame_keywords : tuple of (str, float) — keyword of the frame time and its unit in s
    timed_by_frame : bool
        Whether TIME is the same for all photons of a frame, at the position TIMEPIXR; False if times are randomised.
    detector_column : str or None
        Column of the detector; None for a single detector, and for detectors that share good times and livetime.
        Background is taken only from the detectors under the aperture.
    detector_modulo : int or None
        The detector's number is the column's value modulo this.
    detector_name : str — name of a detector, with "{n}" for its number
    rules : tuple of Rule — standard screening, in order
    time, x, y : str — columns
    position_null : float or None — value of X or Y without a position, in addition to TNULL
    live_keywords : tuple of (str, str)
        Keywords of livetime and good time by detector, with "{n}" for its number; read before DTCOR, DEADC and
        LIVETIME over ONTIME.
    mode_keywords : tuple of str
    no_image : tuple of NoImage
    point_spread : PointSpread or None — None for an instrument without images
    field_of_view : FieldOfView or None — for an instrument without images, whose only source is the whole field
    detector_pixel_arcsec : float or None
    pixels : PixelLayout or None — columns of detector pixels
    layout : DetectorLayout or None — sensitive area of the detectors, in those pixels
    """

    instrume: tuple[str, ...]
    energies: tuple[Energy, ...]
    band: tuple[float, float]
    hardness_split: float
    gti: tuple[GtiLayout, ...]
    frame_default: float
    point_spread: PointSpread | None = None
    field_of_view: FieldOfView | None = None
    frame_keywords: tuple[tuple[str, float], ...] = (("TIMEDEL", 1.0),)
    timed_by_frame: bool = True
    band_open: bool = False
    detector_column: str | None = None
    detector_modulo: int | None = None
    detector_name: str = "{n}"
    rules: tuple[Rule, ...] = ()
    time: str = "TIME"
    x: str = "X"
    y: str = "Y"
    position_null: float | None = None
    live_keywords: tuple[tuple[str, str], ...] = ()
    mode_keywords: tuple[str, ...] = ("DATAMODE",)
    no_image: tuple[NoImage, ...] = ()
    detector_pixel_arcsec: float | None = None
    pixels: PixelLayout | None = None
    layout: DetectorLayout | None = None


@dataclass(frozen=True, slots=True)
class MissionTable:
    """A mission and its instruments.

    Parameters
    ----------
    telescop : str — value of TELESCOP, in any case
    instruments : tuple of Instrument
    launch : str
        ISO date of the launch, before which no event can have been recorded; "" if unknown.
    """

    telescop: str
    instruments: tuple[Instrument, ...]
    launch: str = ""
