"""Einstein Probe: the wide-field lobster-eye telescope WXT and the follow-up telescope FXT.

Specific to this mission: a WXT file belongs to one CMOS detector, named by DETNAM; the energies of FXT channels are not
documented and are read from EBOUNDS in the file or in a response beside it, or from the settings.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from pydantic import Field

from xherald.adapters import (
    ChannelEnergy,
    Energy,
    FitsAdapter,
    FitsFile,
    GtiLayout,
    Instrument,
    LinearEnergy,
    MissionTable,
    NoImage,
    Rule,
    SourceListLayout,
    get_text,
    open_fits,
    read_source_list,
)
from xherald.photons import Aperture, DetectorLayout, Observation, PixelLayout, PointSpread, Vignetting
from xherald.photons.errors import UnreadableFileError
from xherald.plugins import FolderNames, InstrumentAdapter, Options, ReadLimits, hookimpl

__all__ = ["EinsteinProbeAdapter", "EinsteinProbeOptions", "register_adapters"]

WXT_NAME = re.compile(r"ep(\d+)wxt(\w+?)(po|sl)?_(cl|uf)", re.IGNORECASE)
FXT_NAME = re.compile(r"fxt_([ab])_(\d+)_", re.IGNORECASE)
SOURCE_LIST = SourceListLayout(error=("POS_ERR", "RADEC_ERR"), identifier=("ID", "SRC_ID", "NUMBER"))

_WXT = Instrument(
    instrume=("WXT",),
    energies=(LinearEnergy("PI", 10e-3),),
    band=(0.5, 4.0),
    hardness_split=1.5,
    gti=(GtiLayout(r"(?:STD)?GTI"),),
    frame_default=0.05,
    point_spread=PointSpread(
        source="focal spot 4–5′ wide at half maximum (Cheng et al. 2024, Exp. Astron. 57, 10); r50 3′ is approximate, "
        "r90 more so, since the cross-shaped arms extend beyond a degree; astrometry of the order of 1′",
        off_axis_arcmin=(0.0,),
        energy_kev=(1.0,),
        r50_arcsec=((180.0,),),
        r90_arcsec=((540.0,),),
        astrometry_arcsec=60.0,
    ),
    position_null=-1,
    detector_pixel_arcsec=8.14,
    pixels=PixelLayout(
        ("RAWX", "RAWY"),
        arms=0.5,
        source="about half of the photons are reflected once, in one direction only (Angel 1979, ApJ 233, 364), "
        "approximate; CMOS sensors transfer no charge",
    ),
    layout=DetectorLayout(
        first=(1, 1),
        last=(4096, 4096),
        source="4096 × 4096 pixels; the area of a lobster eye hardly depends on the off-axis angle: Yuan et al. 2022",
    ),
)

_FXT = Instrument(
    instrume=("FXT",),
    energies=(),
    band=(0.3, 10.0),
    hardness_split=2.0,
    gti=(GtiLayout(r"(?:STD)?GTI"),),
    frame_default=0.05,
    point_spread=PointSpread(
        source="half-power diameter 22″ at 1.25 keV on axis (Chen et al. 2020, Proc. SPIE 11444, 114445B); r90, growth "
        "off axis and astrometry approximate",
        off_axis_arcmin=(0.0, 10.0, 20.0, 30.0),
        energy_kev=(1.25,),
        r50_arcsec=((11.0, 13.0, 18.0, 26.0),),
        r90_arcsec=((60.0, 65.0, 78.0, 95.0),),
        astrometry_arcsec=6.0,
    ),
    rules=(Rule("GRADE", "grade not 0–12", lowest=0, highest=12),),
    position_null=-1,
    no_image=(NoImage("DATAMODE", "TM", "timing mode: one coordinate is time, so events have no sky positions"),),
    detector_pixel_arcsec=9.67,
    pixels=PixelLayout(
        ("RAWX", "RAWY"),
        out_of_time=0.002,
        source="CCD of the eROSITA type (Chen et al. 2020); value of eROSITA, approximate",
    ),
    layout=DetectorLayout(
        first=(1, 1),
        last=(384, 384),
        axis=(192.5, 192.5),
        vignetting=Vignetting(
            off_axis_arcmin=(0.0, 7.5, 15.0, 22.5, 30.0, 43.0),
            relative_area=(1.0, 0.87, 0.70, 0.55, 0.41, 0.25),
            energy_kev=1.5,
            source="mirrors of the eROSITA type (Chen et al. 2020): values of eROSITA, extrapolated; approximate",
        ),
        source="384 × 384 pixels of 75 µm: Chen et al. 2020, Proc. SPIE 11444, 114445B; axis taken as the middle",
    ),
)


class EinsteinProbeOptions(Options):
    """Settings of the Einstein Probe adapter."""

    pi_kev_per_channel: float | None = Field(
        default=None, gt=0, lt=1, description="energy of an FXT channel, keV, for files without EBOUNDS or response"
    )


class EinsteinProbeAdapter(FitsAdapter[EinsteinProbeOptions]):
    """Einstein Probe WXT (0.5–4 keV, one CMOS per file) and FXT (0.3–10 keV, modules A and B), frames of 50 ms.

    FXT needs the energies of its channels: an EBOUNDS table in the file, a response (``fxt_a_<obsid>_*.rmf``) beside
    it, or the option ``pi_kev_per_channel``. The arms of the WXT point spread extend into any annulus around a bright
    source. Reference: Yuan et al. 2022, Handbook of X-ray and Gamma-ray Astrophysics.
    """

    name = "einstein_probe"
    mission = MissionTable("EP", (_WXT, _FXT), launch="2024-01-09")

    def energy_for(self, file: FitsFile, instrument: Instrument, options: EinsteinProbeOptions) -> Energy:
        """WXT: 10 eV per channel; FXT: from the settings, EBOUNDS or a response."""
        if instrument.energies:
            return super().energy_for(file, instrument, options)
        if options.pi_kev_per_channel is not None:
            return LinearEnergy("PI", options.pi_kev_per_channel)
        if (energy := _channel_energies(file)) is not None:
            return energy
        for path in self.companion_paths(file.path):
            if ".rmf" not in path.name.lower():
                continue
            with open_fits(path, ReadLimits()) as response:
                if (energy := _channel_energies(response)) is not None:
                    return energy
        raise UnreadableFileError(
            file.path,
            "no EBOUNDS in the file and no response (fxt_*.rmf) beside it, so channel energies are unknown; "
            "add the response or set adapters.einstein_probe.pi_kev_per_channel",
        )

    def single_detector(self, file: FitsFile, instrument: Instrument) -> tuple[int, str]:
        """Detector 12 for CMOS12, 0 for FXTA and FXTB."""
        name = get_text(file.events.header.over(file.primary.header), "DETNAM", "INSTRUME")
        match = re.fullmatch(r"CMOS\s*(\d+)", name, re.IGNORECASE)
        return (int(match[1]), f"CMOS {int(match[1])}") if match else (0, name)

    def companions(self, name: str, siblings: FolderNames) -> list[str]:
        """Source list (``.cat``) of a WXT file, response of an FXT file."""
        if match := WXT_NAME.match(name):
            return [other for other in siblings.matching(f"ep{match[1]}wxt{match[2]}*.cat*") if other != name]
        if match := FXT_NAME.match(name):
            return siblings.matching(f"fxt_{match[1]}_{match[2]}_*.rmf*")
        return []

    def expects_companions(self, name: str) -> bool:
        """WXT files come with a source list; FXT files can be read without companions."""
        return WXT_NAME.match(name) is not None

    def apertures(self, observation: Observation) -> list[Aperture]:
        """Sources of the pipeline's source list."""
        lists = [path for path in observation.companions if ".cat" in path.name.lower()]
        if not lists or observation.projection is None:
            return []
        return read_source_list(observation, lists[0], SOURCE_LIST)


def _channel_energies(file: FitsFile) -> ChannelEnergy | None:
    """Energies of channels from EBOUNDS (OGIP memo CAL/GEN/92-002: CHANNEL, E_MIN, E_MAX in keV)."""
    table = next((hdu for hdu in file.hdus if hdu.name == "EBOUNDS"), None)
    if table is None:
        return None
    channel = file.column(table, "CHANNEL").astype(np.int64)
    low, high = (file.column(table, name).astype(np.float64) for name in ("E_MIN", "E_MAX"))
    if not len(channel) or (np.diff(channel) != 1).any() or not np.all((low < high) & np.isfinite(low + high)):
        raise UnreadableFileError(file.path, "EBOUNDS does not have consecutive channels with energy ranges")
    return ChannelEnergy("PI", int(channel[0]), (low + high) / 2)


@hookimpl
def register_adapters(register: Callable[[InstrumentAdapter], None]) -> None:
    """Register the Einstein Probe adapter."""
    register(EinsteinProbeAdapter())
