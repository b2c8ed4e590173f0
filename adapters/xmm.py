"""XMM-Newton EPIC: imaging event lists of MOS1, MOS2 and pn, from the pipeline or filtered by a user.

Specific to this mission: times are randomised within the frame; good times are in ``STDGTInn`` or, after filtering, in
``GTI00n06``, which take precedence; the CCD of a table follows from CCDID or the data-subspace keywords, not from its
name, whose digits shift if a CCD is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from xherald.adapters import (
    FitsAdapter,
    FitsFile,
    GtiLayout,
    Hdu,
    Instrument,
    LinearEnergy,
    MissionTable,
    NoImage,
    Rule,
    SourceListLayout,
    find_gti_tables,
    get_text,
    read_source_list,
)
from xherald.photons import Aperture, DetectorLayout, Observation, PixelLayout, PointSpread, Vignetting
from xherald.photons.errors import UnreadableFileError
from xherald.plugins import FolderNames, InstrumentAdapter, hookimpl

__all__ = ["XmmAdapter", "register_adapters"]

OBS_ID = re.compile(r"(?<!\d)\d{10}(?!\d)")
SOURCE_LIST = SourceListLayout(
    error=("RADEC_ERR",), identifier=("ML_ID_SRC", "SRC_NUM"), summary=("ID_INST", "ID_BAND")
)

_MOS_SPREAD = PointSpread(
    source="r50 and r90 on axis: XMM-Newton Users Handbook §3.2.1 (half-energy width 17″); growth off axis from its "
    "figure of W90 and Read et al. 2011, A&A 534, A34 (King core and slope), approximate",
    off_axis_arcmin=(0.0, 4.0, 8.0, 12.0, 16.0),
    energy_kev=(1.5,),
    r50_arcsec=((8.4, 8.8, 10.0, 12.0, 15.0),),
    r90_arcsec=((50.0, 52.0, 57.0, 66.0, 80.0),),
    astrometry_arcsec=1.2,
)

VIGNETTING = Vignetting(
    off_axis_arcmin=(0.0, 3.0, 6.0, 9.0, 12.0, 15.0),
    relative_area=(1.0, 0.95, 0.82, 0.67, 0.52, 0.38),
    energy_kev=1.5,
    source="XMM-Newton Users Handbook, §3.2.2.2, read from the figure, approximate",
)

_MOS = Instrument(
    instrume=("EMOS1", "EMOS2"),
    energies=(LinearEnergy("PI", 1e-3),),
    band=(0.2, 12.0),
    hardness_split=2.0,
    gti=(GtiLayout(r"GTI\d{5}", detector_keyword="CCDID"), GtiLayout(r"STDGTI\d+", detector_keyword="CCDID")),
    frame_default=2.6,
    frame_keywords=(("FRMTIME", 1e-3),),
    timed_by_frame=False,
    point_spread=_MOS_SPREAD,
    detector_column="CCDNR",
    detector_modulo=10,  # the tens are the readout node
    detector_name="CCD {n}",
    rules=(
        Rule("PATTERN", "pattern above 12", highest=12),
        Rule("FLAG", "flagged", allowed=(0,)),
    ),
    position_null=-99999999,
    live_keywords=(("LIVETI{n:02d}", "ONTIME{n:02d}"),),
    mode_keywords=("DATAMODE", "SUBMODE"),
    no_image=(NoImage("DATAMODE", "TIMING", "timing mode: one coordinate is time, so events have no sky positions"),),
    detector_pixel_arcsec=1.1,
    pixels=PixelLayout(
        ("RAWX", "RAWY"),
        out_of_time=0.0035,
        source="full frame: XMM-Newton Users Handbook, §3.3.10",
    ),
    layout=DetectorLayout(
        first=(1, 1),
        last=(600, 600),
        vignetting=VIGNETTING,
        source="600 × 600 pixels a CCD: XMM-Newton Users Handbook, §3.3.1; the optical axis is that of the header",
    ),
)

_PN = replace(
    _MOS,
    instrume=("EPN",),
    frame_default=0.0734,
    point_spread=replace(_MOS_SPREAD, r50_arcsec=((8.3, 8.7, 10.0, 12.0, 15.0),)),
    detector_modulo=None,
    rules=(
        Rule("PATTERN", "pattern above 4", highest=4),
        Rule("FLAG", "flagged", allowed=(0,)),
    ),
    no_image=(
        *_MOS.no_image,
        NoImage("DATAMODE", "BURST", "burst mode: one coordinate is time, so events have no sky positions"),
    ),
    detector_pixel_arcsec=4.1,
    pixels=PixelLayout(
        ("RAWX", "RAWY"),
        out_of_time=0.063,
        source="full frame: XMM-Newton Users Handbook, §3.3.10",
    ),
    layout=DetectorLayout(
        first=(1, 1),
        last=(64, 200),
        vignetting=VIGNETTING,
        source="64 × 200 pixels a CCD: XMM-Newton Users Handbook, §3.3.1; the optical axis is that of the header",
    ),
)


class XmmAdapter(FitsAdapter):
    """XMM-Newton EPIC MOS and pn event lists (0.2–12 keV, frames of 2.6 s and 73 ms).

    Screened for PATTERN ≤ 12 (pn ≤ 4) and FLAG = 0; apertures come from the pipeline's source list (OBSMLI), if any.
    References: XMM-Newton Users Handbook; Data Files Handbook.
    """

    name = "xmm"
    mission = MissionTable("XMM", (_MOS, _PN), launch="1999-12-10")

    def gti_tables(self, file: FitsFile, instrument: Instrument) -> dict[int | None, list[Hdu]]:
        """GTI tables by CCDID or data-subspace keywords; tables not referenced by the latter are not used."""
        layout, tables = find_gti_tables(file, instrument.gti)
        subspace = _subspace_tables(file.events.header)
        used = [table for table in tables if table.name in subspace] or tables
        owners: dict[int | None, list[Hdu]] = {}
        for table in used:
            number = layout.detector(table) if layout else None
            owner = subspace.get(table.name) if number is None else number
            if owner is None and layout not in instrument.gti:
                return {None: used}
            if owner is None:
                raise UnreadableFileError(
                    file.path, f"GTI table {table.name} has no CCDID and is in no data subspace, so its CCD is unknown"
                )
            owners.setdefault(owner, []).append(table)
        return owners

    def companions(self, name: str, siblings: FolderNames) -> list[str]:
        """The pipeline's source list of the observation."""
        match = OBS_ID.search(name)
        return siblings.matching(f"P{match[0]}*OBSMLI*") if match else []

    def expects_companions(self, name: str) -> bool:
        """The pipeline delivers a source list with every observation."""
        return name.startswith("P") and OBS_ID.search(name) is not None

    def apertures(self, observation: Observation) -> list[Aperture]:
        """Sources of the pipeline's source list."""
        if not observation.companions or observation.projection is None:
            return []
        return read_source_list(observation, observation.companions[0], SOURCE_LIST)


def _subspace_tables(header: Mapping[str, object]) -> dict[str, int]:
    """CCD of each GTI table, from the data-subspace keywords (DSTYPn, DSVALn, DSREFn; components prefixed 2, 3 …).

    Components omit what they have in common with the first.
    """
    kinds = {n: get_text(header, f"DSTYP{n}").upper() for n in range(1, 100) if f"DSTYP{n}" in header}
    ccd = next((n for n, kind in kinds.items() if kind == "CCDNR"), None)
    if ccd is None:
        return {}
    found: dict[str, int] = {}
    for component in range(1, 100):
        prefix = "" if component == 1 else str(component)
        value = get_text(header, f"{prefix}DSVAL{ccd}").partition(":")[0]
        if not value.isdigit():
            break
        for n, kind in kinds.items():
            table = get_text(header, f"{prefix}DSREF{n}", f"DSREF{n}").lstrip(":").upper()
            if kind == "TIME" and table:
                found.setdefault(table, int(value))
    return found


@hookimpl
def register_adapters(register: Callable[[InstrumentAdapter], None]) -> None:
    """Register the XMM-Newton adapter."""
    register(XmmAdapter())
