"""Photons, good times, sky geometry, source detection and statistics.

The lowest package: it imports numpy, scipy, numba and astropy, and no other package of xherald. Plugins import the
names listed here.
"""

from .apertures import aperture_at, centroid_error_arcsec
from .batch import EventBatch, unweighted
from .errors import XheraldError
from .events import Background, EventList, FieldBackground, Identity, Wings
from .exposure.detector_axes import measure_detector_axes
from .exposure.detector_layout import Attitude, DetectorLayout, Vignetting
from .gti import Exposure, clean_gti
from .observation import DetectorUnit, FieldEvents, Observation, PixelLayout, Screening
from .pointspread import PointSpread
from .projection import SkyProjection, separation_deg
from .regions import Annulus, Aperture, Ellipse, Polygon
from .threads import run_in_threads
from .times import TimeReference

__all__ = [
    "Annulus",
    "Aperture",
    "Attitude",
    "Background",
    "DetectorLayout",
    "DetectorUnit",
    "Ellipse",
    "EventBatch",
    "EventList",
    "Exposure",
    "FieldBackground",
    "FieldEvents",
    "Identity",
    "Observation",
    "PixelLayout",
    "PointSpread",
    "Polygon",
    "Screening",
    "SkyProjection",
    "TimeReference",
    "Vignetting",
    "Wings",
    "XheraldError",
    "aperture_at",
    "centroid_error_arcsec",
    "clean_gti",
    "measure_detector_axes",
    "run_in_threads",
    "separation_deg",
    "unweighted",
]
