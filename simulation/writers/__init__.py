"""Writers of native event files from simulated exposures, one module for each mission: `write_exposure`.

The files have the layout of the mission and are read by its adapter without special cases; headers state that they were
simulated. The same exposure gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from xherald.photons.errors import ConfigError
from xherald.simulation.exposure import SimulatedExposure
from xherald.simulation.telescope import Telescope
from xherald.simulation.write_errors import file_errors

from .chandra import ChandraWriter
from .chandra_catalogue import write_catalogue_source
from .einstein_probe import FxtWriter, WxtWriter
from .erosita import ErositaWriter
from .fits_blocks import write_file
from .mission_writer import MissionWriter
from .pipeline_sources import listed_sources
from .swift import SwiftWriter
from .truth import read_truth, truth_of, truth_path, write_truth
from .written_files import WrittenFiles
from .xmm import XmmWriter

__all__ = ["WRITERS", "WrittenFiles", "read_truth", "truth_path", "write_catalogue_source", "write_exposure"]

WRITERS: Final[Mapping[str, MissionWriter]] = {
    "chandra-acis-i": ChandraWriter(),
    "chandra-acis-s": ChandraWriter(),
    "xmm-mos1": XmmWriter("EMOS1"),
    "xmm-mos2": XmmWriter("EMOS2"),
    "xmm-pn": XmmWriter("EPN"),
    "swift-xrt": SwiftWriter(),
    "erosita": ErositaWriter(),
    "erosita-pointed": ErositaWriter(),
    "ep-wxt": WxtWriter(),
    "ep-fxt": FxtWriter(),
}
"""The writer of each telescope."""


def write_exposure(
    exposure: SimulatedExposure, folder: Path, *, compress: bool = True, source_list: bool = True
) -> WrittenFiles:
    """Write an exposure in the format of its mission, with a truth file.

    Parameters
    ----------
    exposure : SimulatedExposure
    folder : Path
        Created if it does not exist; existing files are replaced.
    compress : bool
        Whether to compress the event file, as in archives.
    source_list : bool
        Whether to write the source list, if the mission provides one.

    Raises
    ------
    ConfigError
        There is no writer for the telescope, or the observation number is invalid for its mission.
    FileError
        The folder cannot be written to.
    """
    writer, events = _writer_of(exposure.telescope), exposure.events
    writer.require_number(exposure)
    path = folder / writer.file_name(exposure, compress=compress)
    layout = writer.layout(exposure, events.select(writer.in_file(events)))
    kept = writer.kept(exposure, events)
    truth = truth_of(exposure, writer.clock, kept, path.name)
    with file_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_file(path, layout.units, layout.primary, checksums=writer.clock.date(writer.facts(exposure).stop))
        companions: tuple[Path, ...] = ()
        if source_list:
            companions = writer.companions(exposure, folder, listed_sources(exposure, kept), compress=compress)
        return WrittenFiles(path, companions, write_truth(truth_path(path), truth))


def _writer_of(telescope: Telescope) -> MissionWriter:
    if telescope.name not in WRITERS:
        raise ConfigError(f"no writer for telescope {telescope.name!r}; available: {', '.join(WRITERS)}")
    return WRITERS[telescope.name]
