"""Sources given in Python: positions, tables or regions, and a background region: `GivenSources`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xherald.photons.apertures import ApertureSettings
from xherald.photons.errors import ConfigError
from xherald.photons.observation import Observation
from xherald.photons.regions import Annulus, Aperture, Ellipse, Polygon

from .background_lists import is_event_list
from .sky_regions import parse_regions, place_regions
from .source_lists import SourceList, apertures_from_regions, apertures_from_table, listed_in_field, read_source_list

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.table import Table

__all__ = ["GivenSources"]

GIVEN = Path("sources")
"""In error messages, in place of a file name."""


@dataclass(frozen=True, slots=True, eq=False)
class GivenSources:
    """Sources to test, in place of the file's own list and of source detection.

    Parameters
    ----------
    sources : Path, str, SkyCoord, Table or None
        File of a source list (`read_source_list`), positions, or a table with columns ra and dec in deg.
    region : str, Path, regions.Region, sequence of regions.Region or None
        Source regions: a DS9 file, DS9 text, or regions of the `regions` package. Not together with `sources`.
    background : as `region`, or None
        One background region for every source, or the path of an event list of the background; None takes an annulus
        around each.
    as_source : bool
        Take every list as one source, all its photons included. Not together with `sources` or `region`.
    """

    sources: Path | str | SkyCoord | Table | None = None
    region: Any = None
    background: Any = None
    as_source: bool = False

    def __post_init__(self) -> None:
        if self.as_source and (self.sources is not None or self.region is not None):
            raise ConfigError("as_source takes the whole list as one source; give no sources or region with it")
        if self.sources is not None and self.region is not None:
            raise ConfigError("give either sources or region, not both")

    @property
    def label(self) -> str:
        """File that the sources come from, or the name of the argument."""
        if self.region is not None:
            return "region"
        return str(self.sources) if isinstance(self.sources, str | Path) else "sources"

    def apertures(self, observation: Observation, settings: ApertureSettings) -> SourceList | None:
        """Apertures in an observation; None where neither sources nor regions were given.

        Raises
        ------
        ConfigError
            An argument has an unsupported type.
        UnreadableFileError
            A file cannot be read, or a value in it cannot be used.
        FileError
            The observation has no sky coordinates, or lacks a point-spread table that is needed.
        """
        if self.region is not None:
            listed = apertures_from_regions(parse_regions(self.region, "region"), observation, settings)
            return listed_in_field(listed, observation)
        if self.sources is None:
            return None
        if isinstance(self.sources, str | Path):
            return read_source_list(Path(self.sources), observation, settings)
        listed, notes = apertures_from_table(_make_table(self.sources), GIVEN, observation, settings)
        return listed_in_field(listed, observation, notes)

    def with_background(self, apertures: list[Aperture], observation: Observation) -> list[Aperture]:
        """The apertures with the given background region, where there is one.

        Raises
        ------
        ConfigError
            The background is not one circle, ellipse, annulus, box or polygon.
        """
        if self.background is None or is_event_list(self.background):
            return apertures
        given = parse_regions(self.background, "background")
        regions = place_regions(given, observation.require_projection(), are_backgrounds=True)
        if len(regions) != 1:
            raise ConfigError(f"background: expected one region, got {len(regions)}")
        shape = regions[0].shape
        if not isinstance(shape, Ellipse | Annulus | Polygon):
            raise ConfigError("background: expected a circle, ellipse, annulus, box or polygon")
        return [replace(one, background=shape) for one in apertures]


def _make_table(sources: object) -> Table:
    from astropy.coordinates import SkyCoord
    from astropy.table import Table

    if isinstance(sources, Table):
        return sources
    if isinstance(sources, SkyCoord):
        sky = sources.icrs.reshape(-1) if sources.shape else sources.icrs.reshape(1)
        return Table({"ra_deg": sky.ra.deg, "dec_deg": sky.dec.deg})
    raise ConfigError(f"sources: expected a path, a SkyCoord or a Table, got {type(sources).__name__}")
