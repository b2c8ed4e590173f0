"""Files of the Chandra Source Catalog for one source: events (regevt3), and regions by band (reg3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits

from xherald.photons import SkyProjection
from xherald.photons.arrays import Mask
from xherald.photons.errors import ConfigError
from xherald.photons.projection import separation_deg
from xherald.simulation.exposure import SimulatedExposure
from xherald.simulation.model import PlacedSource
from xherald.simulation.random_streams import stream
from xherald.simulation.write_errors import file_errors

from .chandra import CLOCK, ChandraWriter, event_columns, events_table, focal_pixels, gti_tables, primary_header
from .exposure_facts import ExposureHeader
from .fits_blocks import Changes, Column, table, write_file
from .truth import truth_of, truth_path, write_truth
from .written_files import WrittenFiles

__all__ = ["write_catalogue_source"]


BANDS: Final[Mapping[str, float]] = {"B": 2.3, "U": 0.4, "S": 0.92, "M": 1.56, "H": 3.8}
"""Bands of the catalogue and the energies, keV, that stand for them: Evans et al. 2010, ApJS 189, 37, Table 4."""

ENCLOSED: Final = 0.9
"""Fraction of the photons of a source inside its region."""

REACH: Final = 7.0
LEAST_REACH_ARCSEC: Final = 40.0
"""A list is a square around its source: half side in broad-band regions, and its smallest value."""


def write_catalogue_source(exposure: SimulatedExposure, source_index: int, folder: Path) -> WrittenFiles:
    """Write the catalogue files of one source of a Chandra exposure.

    Parameters
    ----------
    exposure : SimulatedExposure
    source_index : int
        Index in `SimulatedExposure.sources`; the region number is one larger.
    folder : Path
        Created if it does not exist; existing files are replaced.

    Raises
    ------
    ConfigError
        The exposure is not of Chandra, has no such source, or its number does not have five digits.
    FileError
        The folder cannot be written to.
    """
    if exposure.telescope.mission != "chandra":
        raise ConfigError(f"per-source lists are available for Chandra only, not for {exposure.telescope.name}")
    if not 0 <= source_index < len(exposure.sources):
        raise ConfigError(f"no source {source_index}: the exposure has {len(exposure.sources)}, counted from 0")
    writer, source = ChandraWriter(), exposure.sources[source_index]
    writer.require_number(exposure)
    sky = exposure.telescope.projection_at(exposure.observing.ra, exposure.observing.dec)
    around, square = _cut(exposure, source, sky)
    facts, region = ExposureHeader.of(exposure), f"{source_index + 1:04d}"
    stem = f"acisf{exposure.obs_id}_000N001_r{region}"
    date, primary = CLOCK.date(facts.stop), primary_header(facts)
    units = [*_event_units(around, facts, sky, writer, region), _mask(square)]
    regions = [_region(exposure, source, sky, facts, band) for band in BANDS]
    with file_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        events = write_file(folder / f"{stem}_regevt3.fits.gz", units, primary, checksums=date)
        companion = write_file(folder / f"{stem}_reg3.fits.gz", regions, primary, checksums=date)
        truth = truth_of(around, CLOCK, writer.kept(around, around.events), events.name)
        truth_file = write_truth(truth_path(events), {**truth, "catalogue_source": source.name})
        return WrittenFiles(events, (companion,), truth_file)


def _radius_pixels(exposure: SimulatedExposure, source: PlacedSource, sky: SkyProjection, band: str) -> float:
    observing = exposure.observing
    off_axis = float(separation_deg(source.ra, source.dec, observing.ra, observing.dec)) * 60.0
    return exposure.telescope.point_spread.radius(ENCLOSED, off_axis, BANDS[band]) / sky.pixel_arcsec


def _cut(
    exposure: SimulatedExposure, source: PlacedSource, sky: SkyProjection
) -> tuple[SimulatedExposure, tuple[int, int, int]]:
    """Events in a square around a source, and the square: lowest x and y, side, in sky pixels."""
    reach = max(REACH * _radius_pixels(exposure, source, sky, "B"), LEAST_REACH_ARCSEC / sky.pixel_arcsec)
    centre = np.array([float(value) for value in sky.to_pixel(source.ra, source.dec)])
    low, side = np.floor(centre - reach).astype(int), 2 * int(np.ceil(reach))
    pixels = np.array(sky.to_pixel(exposure.events.ra, exposure.events.dec))
    within = (pixels >= low[:, None] - 0.5) & (pixels <= low[:, None] + side - 0.5)
    inside: Mask = within[0] & within[1]
    return replace(exposure, events=exposure.events.select(inside)), (int(low[0]), int(low[1]), side)


def _event_units(
    exposure: SimulatedExposure, facts: ExposureHeader, sky: SkyProjection, writer: ChandraWriter, region: str
) -> list[fits.BinTableHDU]:
    events = exposure.events.select(writer.in_file(exposure.events))
    columns = event_columns(
        events, sky, focal_pixels(events, sky, exposure.observing), stream(exposure.seed, "grade", region)
    )
    changes = Changes(header={"CONTENT": ("REGEVT3", "What data product"), "REGIONID": (region, "Region ID")})
    return [events_table(columns, facts, sky, changes), *gti_tables(facts.gti, facts)]


def _mask(square: tuple[int, int, int]) -> fits.ImageHDU:
    """Region of the list: its square."""
    x, y, side = square
    made = fits.ImageHDU(np.ones((side, side), dtype=np.uint8), name="MASK")
    for axis, low in (("1", x), ("2", y)):
        made.header[f"LTV{axis}"], made.header[f"LTM{axis}_{axis}"] = float(1 - low), 1.0
    return made


def _region(
    exposure: SimulatedExposure, source: PlacedSource, sky: SkyProjection, facts: ExposureHeader, band: str
) -> fits.BinTableHDU:
    """The ellipse of a band; always a circle here."""
    x, y = (float(value) for value in sky.to_pixel(source.ra, source.dec))
    radius = _radius_pixels(exposure, source, sky, band)
    columns = [
        Column("X", "1D", "pixel", [x]),
        Column("Y", "1D", "pixel", [y]),
        Column("SHAPE", "16A", "", ["Ellipse"]),
        Column("R", "2D", "pixel", [[radius, radius]]),
        Column("ROTANG", "2D", "deg", [[0.0, 0.0]]),
        Column("COMPONENT", "1I", "", [1]),
    ]
    header = {
        "HDUNAME": f"ECF90REG{band}", "HDUCLASS": "ASC", "HDUCLAS1": "REGION", "HDUCLAS2": "SRC", "HDUCLAS3": "ECF90",
        "CONTENT": "SRCREG", **primary_header(facts), "MTYPE1": "POS", "MFORM1": "X,Y",
    }  # fmt: skip
    return table(f"ECF90REG{band}", columns, header | {"HDUNAME": f"ECF90REG{band}"})
