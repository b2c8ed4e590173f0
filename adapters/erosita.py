"""eROSITA on SRG: survey and pointed event lists of one or several telescope modules.

Specific to this mission: good times (``GTIn``) and dead-time tables (``DEADCORn``) per telescope module; orthographic
sky projection; in the survey, sources move across the field of view, so that the survey-averaged point spread applies
instead of that of one off-axis angle.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xherald.adapters import (
    FitsAdapter,
    FitsFile,
    GtiLayout,
    Hdu,
    Instrument,
    LinearEnergy,
    MissionTable,
    Rule,
    get_text,
)
from xherald.photons import DetectorLayout, PixelLayout, PointSpread, Vignetting
from xherald.plugins import InstrumentAdapter, hookimpl

__all__ = ["ErositaAdapter", "register_adapters"]

# Flags rejected by evtool by default, as in FLAGSEL of archive files.
FLAG_SELECTION = 0xC000F000

POINTED_SPREAD = PointSpread(
    source="half-energy width 18″ on axis in pointed mode (Predehl et al. 2021, A&A 647, A1, §4.4); growth towards the "
    "survey average of 30″ and beyond, and r90, approximate",
    off_axis_arcmin=(0.0, 10.0, 20.0, 30.0),
    energy_kev=(1.5,),
    r50_arcsec=((9.0, 11.0, 16.0, 24.0),),
    r90_arcsec=((45.0, 52.0, 68.0, 90.0),),
    astrometry_arcsec=1.0,
)
SURVEY_SPREAD = PointSpread(
    source="half-energy width 30″ averaged over a survey scan (Predehl et al. 2021, A&A 647, A1); r90 approximate",
    off_axis_arcmin=(0.0,),
    energy_kev=(1.5,),
    r50_arcsec=((15.0,),),
    r90_arcsec=((65.0,),),
    astrometry_arcsec=1.0,
)

VIGNETTING = Vignetting(
    off_axis_arcmin=(0.0, 7.5, 15.0, 22.5, 30.0, 31.0),
    relative_area=(1.0, 0.87, 0.69, 0.54, 0.41, 0.40),
    energy_kev=1.5,
    source="Predehl et al. 2021, A&A 647, A1, §4.4 and fig. 11, read from the figure, approximate",
)

_MODULES = Instrument(
    instrume=("MERGED", *(f"TM{n}" for n in range(1, 8))),
    energies=(LinearEnergy("PI", 1e-3),),
    band=(0.2, 10.0),
    hardness_split=2.3,
    gti=(GtiLayout(r"GTI(\d)"), GtiLayout(r"(?:STD)?GTI")),
    frame_default=0.05,
    frame_keywords=(("FRAMETIM", 1e-3),),
    point_spread=POINTED_SPREAD,
    detector_column="TM_NR",
    detector_name="TM {n}",
    rules=(
        # Singles to quadruples, PAT_TYP 1 to 4, as selected by PAT_SEL = 15.
        Rule("PAT_TYP", "pattern not 1–4", lowest=1, highest=4),
        Rule("FLAG", "flagged", clear_bits=FLAG_SELECTION),
    ),
    mode_keywords=("OBS_MODE", "DATAMODE"),
    detector_pixel_arcsec=9.6,
    pixels=PixelLayout(
        ("RAWX", "RAWY"), out_of_time=0.002, source="0.115 ms of frame shift in 50 ms: Predehl et al. 2021, §4"
    ),
    layout=DetectorLayout(
        first=(1, 1),
        last=(384, 384),
        field_radius=193.0,
        axis=(192.5, 192.5),
        vignetting=VIGNETTING,
        source="384 × 384 pixels of 9.6″, field of 1.03° across: Predehl et al. 2021, §4.1 and §5; the optical axes "
        "lie within some pixels of the middle of the CCDs, taken as the middle",
    ),
)


class ErositaAdapter(FitsAdapter):
    """eROSITA event lists (0.2–10 keV, frames of 50 ms, seven telescope modules).

    Screened for patterns 1–4 and flags 0xC000F000. RA_OBJ, DEC_OBJ and TUNIT of these files are wrong and not used.
    References: Predehl et al. 2021, A&A 647, A1; Merloni et al. 2024, A&A 682, A34.
    """

    name = "erosita"
    mission = MissionTable("EROSITA", (_MODULES,), launch="2019-07-13")

    def live_fraction(self, file: FitsFile, instrument: Instrument, detector: int, tables: list[Hdu]) -> float:
        """Mean of the module's dead-time table, if any."""
        for hdu in file.hdus:
            if hdu.name == f"DEADCOR{detector}" and "DEADC" in hdu.columns and hdu.rows:
                values = file.column(hdu, "DEADC").astype(np.float64)
                mean = float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else 0.0
                if 0 < mean <= 1.001:
                    return min(mean, 1.0)
        return super().live_fraction(file, instrument, detector, tables)

    def point_spread_for(self, file: FitsFile, instrument: Instrument) -> PointSpread:
        """Survey average for scans, else the pointed one."""
        return SURVEY_SPREAD if _is_survey(file) else POINTED_SPREAD

    def pointing(self, file: FitsFile) -> tuple[float, float] | None:
        """Optical axis; None for a scan."""
        return None if _is_survey(file) else super().pointing(file)

    def is_scan(self, file: FitsFile) -> bool:
        """Survey tiles and field scans."""
        return _is_survey(file)


def _is_survey(file: FitsFile) -> bool:
    return get_text(file.events.header, "OBS_MODE").upper() in ("SURVEY", "SCAN")


@hookimpl
def register_adapters(register: Callable[[InstrumentAdapter], None]) -> None:
    """Register the eROSITA adapter."""
    register(ErositaAdapter())
