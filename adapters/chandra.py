"""Chandra ACIS: event lists of a whole field, and the per-source lists of the Chandra Source Catalog.

Specific to this mission: good times per CCD, named by CCD_ID; catalogue lists (``regevt3``) have the photons of a
single source, named by the file, and their region in a companion (``reg3``) of any version.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from pydantic import Field

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
    open_fits,
)
from xherald.photons import (
    Annulus,
    Aperture,
    DetectorLayout,
    Ellipse,
    Observation,
    PixelLayout,
    PointSpread,
    Polygon,
    Vignetting,
)
from xherald.photons.apertures import centroid_error_arcsec
from xherald.photons.errors import UnreadableFileError
from xherald.plugins import FolderNames, InstrumentAdapter, Options, ReadLimits, hookimpl

__all__ = ["ChandraAdapter", "ChandraOptions", "register_adapters"]

CATALOGUE_LIST = re.compile(r"acisf(\d{5})_\d{3}N\d{3}_r(\d{4})_regevt3\.fits(\.gz)?", re.IGNORECASE)
FIELD_LIST = re.compile(r"acisf(\d{5})_?(?:\d{3})?(?:N\d{3}|repro)_evt2\.fits(\.gz)?", re.IGNORECASE)
ASPECT_OR_BAD_PIXELS = re.compile(r".*_(?:asol|bpix)1\.fits(\.gz)?", re.IGNORECASE)
# The background annulus begins where one or two per cent of the counts are outside the catalogue's 90 % ellipse.
BACKGROUND_INNER = 1.5
BACKGROUND_MIN_AREA = 3.0

_OFF_AXIS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0, 18.0, 22.0)

POINT_SPREAD = PointSpread(
    source="r90 at 1.5 keV: 1″ + 10″ (θ/10′)² (Hickox & Markevitch 2006, ApJ 645, 95, §3); on-axis r50 and the wider "
    "core at 6.4 keV: Chandra Proposers' Observatory Guide, ch. 4, read from the figure; r50 off axis assumed 0.45 r90",
    off_axis_arcmin=_OFF_AXIS,
    energy_kev=(1.5, 6.4),
    r50_arcsec=(
        tuple(0.45 + 4.5 * (a / 10) ** 2 for a in _OFF_AXIS),
        tuple(0.6 + 4.5 * (a / 10) ** 2 for a in _OFF_AXIS),
    ),
    r90_arcsec=(
        tuple(1.0 + 10.0 * (a / 10) ** 2 for a in _OFF_AXIS),
        tuple(2.0 + 10.0 * (a / 10) ** 2 for a in _OFF_AXIS),
    ),
    astrometry_arcsec=0.5,
)

_FIELD = Instrument(
    instrume=("ACIS",),
    # Without `energy`, the centre of the channel: pi = floor(energy / 14.6 eV) + 1; pi = 0 is null.
    energies=(LinearEnergy("energy", 1e-3), LinearEnergy("pi", 14.6e-3, offset=-0.5, lowest=1.0)),
    band=(0.5, 7.0),
    band_open=True,
    hardness_split=2.0,
    # CIAO calls the good times of further observations in a merged list GTI3_CPT, for CCD 3.
    gti=(GtiLayout(r"GTI(\d*)(?:_?CPT\d*)?", detector_keyword="CCD_ID"),),
    frame_default=3.24104,
    point_spread=POINT_SPREAD,
    detector_column="ccd_id",
    detector_name="CCD {n}",
    rules=(
        Rule("grade", "grade not 0, 2, 3, 4, 6", allowed=(0, 2, 3, 4, 6)),
        Rule("status", "status bits set", clear_bits=-1),
    ),
    live_keywords=(("LIVTIME{n}", "ONTIME{n}"),),
    mode_keywords=("READMODE", "DATAMODE"),
    no_image=(
        NoImage(
            "READMODE", "CONTINUOUS", "continuous clocking: one coordinate is time, so events have no sky positions"
        ),
    ),
    detector_pixel_arcsec=0.492,
    layout=DetectorLayout(
        first=(2, 2),
        last=(1023, 1023),
        source="1024 × 1024 pixels, of which the outermost hold no event islands: Chandra Proposers' Observatory "
        "Guide, §6.1; the axis is that of the header",
        vignetting=Vignetting(
            off_axis_arcmin=(0.0, 3.0, 6.0, 10.0, 15.0, 20.0, 25.0),
            relative_area=(1.0, 0.97, 0.92, 0.83, 0.71, 0.60, 0.50),
            energy_kev=1.5,
            source="Chandra Proposers' Observatory Guide, §4.2.2, read from the figure, approximate",
        ),
    ),
    pixels=PixelLayout(
        ("chipx", "chipy"),
        out_of_time=0.013,
        source="frame transfer of 41 ms after 3.1 s of exposure: Chandra Proposers' Observatory Guide, §6.11",
    ),
)

# Published selection for per-source lists (Dillmann et al. 2025, §2): pha > 40, grade ≥ 0, 500 < energy < 7000 eV.
_SOURCE = replace(
    _FIELD,
    rules=(Rule("pha", "pha not above 40", lowest=41), Rule("grade", "grade below 0", lowest=0)),
)


class ChandraOptions(Options):
    """Settings of the Chandra adapter."""

    region_band: str = Field(
        default="B", pattern="^[BUSMHW]$", description="catalogue band whose region is the aperture"
    )


@dataclass(frozen=True, eq=False)
class CatalogueSource(Observation):
    """A catalogue list, with the band whose region is its aperture."""

    region_band: str = "B"


class ChandraAdapter(FitsAdapter[ChandraOptions]):
    """Chandra ACIS event lists (0.5–7 keV, frames of 3.1–3.2 s, subarrays down to 0.4 s).

    Full-field lists are screened for grades 0, 2, 3, 4, 6 and clean status, catalogue lists (regevt3) by the published
    selection, with the ellipse of their companion as aperture. References: Chandra Proposers' Observatory Guide;
    Evans et al. 2024, ApJS 274, 22 (catalogue).
    """

    name = "chandra"
    mission = MissionTable("CHANDRA", (_FIELD,), launch="1999-07-23")

    def instrument_for(self, file: FitsFile) -> Instrument:
        """Published selection for catalogue lists, standard screening for whole fields."""
        return _SOURCE if CATALOGUE_LIST.fullmatch(file.path.name) else super().instrument_for(file)

    def read(self, path: Path, options: ChandraOptions, limits: ReadLimits) -> Observation:
        """Read as other missions; a catalogue list keeps the band of its region."""
        observation = super().read(path, options, limits)
        if not observation.per_source_id:
            return observation
        facts = {one.name: getattr(observation, one.name) for one in fields(observation)}
        return CatalogueSource(**facts, region_band=options.region_band)

    def per_source_id(self, path: Path) -> str:
        """Published obsreg_id: 23022_122 for "acisf23022_000N027_r0122_regevt3"."""
        match = CATALOGUE_LIST.fullmatch(path.name)
        return f"{int(match[1])}_{int(match[2])}" if match else ""

    def companions(self, name: str, siblings: FolderNames) -> list[str]:
        """Region files of the same observation and region, newest version first; aspect and bad pixels of a field."""
        if match := CATALOGUE_LIST.fullmatch(name):
            return siblings.matching(f"acisf{match[1]}_???N???_r{match[2]}_reg3.fits*")[::-1]
        if match := FIELD_LIST.fullmatch(name):
            # One version of the bad pixels, CIAO's own (repro) first; the aspect may come in several parts.
            bad_pixels = siblings.matching(f"acisf{match[1]}_*_bpix1.fits*")[::-1]
            return siblings.matching(f"pcadf{match[1]}_*_asol1.fits*") + bad_pixels[:1]
        return []

    def exposure_files(self, path: Path) -> list[Path]:
        """Aspect solution and bad pixels of the archive."""
        return [one for one in self.companion_paths(path) if ASPECT_OR_BAD_PIXELS.fullmatch(one.name)]

    def expects_companions(self, name: str) -> bool:
        """A catalogue list comes with its region."""
        return CATALOGUE_LIST.fullmatch(name) is not None

    def apertures(self, observation: Observation) -> list[Aperture]:
        """Region of the catalogue, with an annulus around it as large as the list allows."""
        if not observation.companions or not observation.per_source_id:
            return []
        band = observation.region_band if isinstance(observation, CatalogueSource) else "B"
        region = _region(observation, observation.companions[0], f"ECF90REG{band}")
        events = observation.events
        counts = int(np.count_nonzero(region.contains(observation.require_projection(), events.x, events.y)))
        return [
            Aperture(
                detection_id=observation.per_source_id,
                ra=region.ra,
                dec=region.dec,
                region=region,
                pos_err_arcsec=centroid_error_arcsec(observation, region.ra, region.dec, counts),
                background=_background_annulus(observation, region),
                origin="companion region",
            )
        ]


def _region(observation: Observation, path: Path, table_name: str) -> Ellipse | Polygon:
    """The only shape of a catalogue region table."""
    with open_fits(path, ReadLimits()) as file:
        table = next((hdu for hdu in file.hdus if hdu.name == table_name), None)
        if table is None:
            available = ", ".join(hdu.name for hdu in file.hdus if hdu.is_table)
            raise UnreadableFileError(
                path, f"no region table {table_name}, only {available}; set region_band accordingly"
            )
        if table.rows != 1:
            raise UnreadableFileError(
                path, f"{table_name} has {table.rows} shapes, expected one; give a region with --sources instead"
            )
        return _shape(observation, file, table)


def _shape(observation: Observation, file: FitsFile, table: Hdu) -> Ellipse | Polygon:
    """Ellipse, circle, box or polygon; X, Y and R in sky pixels of the event list, ROTANG in deg."""
    projection = observation.require_projection()
    kind = bytes(file.column(table, "SHAPE")[0]).decode("ascii", "replace").strip().lower()
    x, y = (np.atleast_1d(file.column(table, name)[0]).astype(np.float64) for name in ("X", "Y"))
    if kind == "polygon":
        ra, dec = projection.to_sky(x, y)
        return Polygon(tuple(zip(ra.tolist(), dec.tolist(), strict=True)))
    size = np.atleast_1d(file.column(table, "R")[0]).astype(np.float64)
    angle = float(np.atleast_1d(file.column(table, "ROTANG")[0])[0])
    if kind in ("ellipse", "circle"):
        ra, dec = projection.to_sky(x[0], y[0])
        axes = size * projection.pixel_arcsec
        second = axes[0] if kind == "circle" else axes[1]
        return Ellipse(float(ra), float(dec), float(axes[0]), float(second), angle)
    if kind in ("box", "rotbox"):
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        u, v = np.array([-1, 1, 1, -1]) * size[0] / 2, np.array([-1, -1, 1, 1]) * size[1] / 2
        ra, dec = projection.to_sky(x[0] + u * cos - v * sin, y[0] + u * sin + v * cos)
        return Polygon(tuple(zip(ra.tolist(), dec.tolist(), strict=True)))
    raise UnreadableFileError(
        file.path, f"region shape {kind!r} of {table.name} is not supported; give it with --sources"
    )


def _background_annulus(observation: Observation, region: Ellipse | Polygon) -> Annulus | None:
    """Annulus from 1.5 times the region to the nearest edge of the list; None if smaller than three region areas.

    A catalogue list covers a rectangle around its source, so that circles in the rectangle of its events are fully
    observed except for chip edges, which extraction accounts for.
    """
    projection, events = observation.require_projection(), observation.events
    x, y = (float(v) for v in projection.to_pixel(region.ra, region.dec))
    reach = min(x - events.x.min(), events.x.max() - x, y - events.y.min(), events.y.max() - y)
    inner, outer = BACKGROUND_INNER * region.extent, float(reach) * projection.pixel_arcsec
    if outer <= inner or math.pi * (outer**2 - inner**2) < BACKGROUND_MIN_AREA * region.area:
        return None
    return Annulus(region.ra, region.dec, inner, outer)


@hookimpl
def register_adapters(register: Callable[[InstrumentAdapter], None]) -> None:
    """Register the Chandra adapter."""
    register(ChandraAdapter())
