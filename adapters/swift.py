"""Swift-XRT: photon-counting event lists; windowed timing and slews are read without sky positions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from xherald.adapters import (
    FitsAdapter,
    FitsFile,
    GtiLayout,
    Instrument,
    LinearEnergy,
    MissionTable,
    NoImage,
    Rule,
    get_text,
)
from xherald.photons import DetectorLayout, PixelLayout, PointSpread, Vignetting
from xherald.plugins import InstrumentAdapter, hookimpl

__all__ = ["SwiftAdapter", "register_adapters"]

POINT_SPREAD = PointSpread(
    source="King profile of core 5.8″ and slope 1.55 at 1.5 keV (Moretti et al. 2005, Proc. SPIE 5898, 360): r50 9.2″, "
    "r90 46.7″ on axis; growth off axis small and approximate; astrometry 3.5″ at 90 % confidence",
    off_axis_arcmin=(0.0, 6.0, 12.0),
    energy_kev=(1.5,),
    r50_arcsec=((9.2, 9.4, 10.0),),
    r90_arcsec=((46.7, 47.5, 50.0),),
    astrometry_arcsec=2.3,
)

VIGNETTING = Vignetting(
    off_axis_arcmin=(0.0, 4.0, 8.0, 12.0, 17.0),
    relative_area=(1.0, 0.95, 0.80, 0.65, 0.45),
    energy_kev=1.5,
    source="Tagliaferri et al. 2004, Proc. SPIE 5165, 241: a loss of about a quarter at 8′; approximate, to some per "
    "cent of the area on axis; not compared with the calibration file swxvign20010101v001.fits, 1 − C(E) θ²",
)

_PHOTON_COUNTING = Instrument(
    instrume=("XRT",),
    energies=(LinearEnergy("PI", 10e-3),),
    band=(0.3, 10.0),
    hardness_split=2.0,
    gti=(GtiLayout(r"GTI\d*"),),
    frame_default=2.5073,
    point_spread=POINT_SPREAD,
    rules=(
        Rule("GRADE", "grade not 0–12", lowest=0, highest=12),
        Rule("STATUS", "status bits set", clear_bits=-1),
    ),
    position_null=-1,
    mode_keywords=("DATAMODE", "OBS_MODE"),
    no_image=(
        NoImage("DATAMODE", "WINDOWED", "windowed timing: one coordinate is time, so events have no sky positions"),
        NoImage("OBS_MODE", "SLEW", "slew: events have no fixed sky positions"),
    ),
    detector_pixel_arcsec=2.357,
    pixels=PixelLayout(("RAWX", "RAWY"), source="no value for the frame-store CCD; out-of-time events are neglected"),
    layout=DetectorLayout(
        first=(2, 2),
        last=(597, 597),
        axis=(299.0, 299.0),
        vignetting=VIGNETTING,
        source="600 × 600 pixels counted from 0, of which event islands leave the outermost free (unfiltered archive "
        "lists): Burrows et al. 2005, Space Sci. Rev. 120, 165; optical axis near the middle, approximate",
    ),
)

_WINDOWED = replace(
    _PHOTON_COUNTING,
    frame_default=0.00178,
    rules=(
        Rule("GRADE", "grade not 0–2", lowest=0, highest=2),
        Rule("STATUS", "status bits set", clear_bits=-1),
    ),
)


class SwiftAdapter(FitsAdapter):
    """Swift-XRT event lists (0.3–10 keV, photon counting in frames of 2.5 s).

    Screened for grades 0–12 (windowed timing 0–2) and clean status. TIME is the start of a frame (TIMEPIXR 0) and is
    shifted to its middle. Reference: Burrows et al. 2005, Space Sci. Rev. 120, 165.
    """

    name = "swift"
    mission = MissionTable("SWIFT", (_PHOTON_COUNTING,), launch="2004-11-20")

    def instrument_for(self, file: FitsFile) -> Instrument:
        """Photon counting, or windowed timing with its grades."""
        is_windowed = get_text(file.events.header, "DATAMODE").upper().startswith("WINDOWED")
        return _WINDOWED if is_windowed else super().instrument_for(file)


@hookimpl
def register_adapters(register: Callable[[InstrumentAdapter], None]) -> None:
    """Register the Swift-XRT adapter."""
    register(SwiftAdapter())
