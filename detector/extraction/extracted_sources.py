"""From an event file to the photons of each of its sources: `extract_sources`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xherald.detector.plugin_support.plugin_guard import guarded
from xherald.detector.progress import Stage, silent
from xherald.photons import Aperture, EventBatch, Observation
from xherald.photons.errors import UnreadableFileError
from xherald.plugins import InstrumentAdapter

from .given_sources import GivenSources

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xherald.detector.configuration.configuration import Configuration

__all__ = ["ExtractedSources", "extract_sources", "open_file"]


@dataclass(frozen=True, slots=True, eq=False)
class ExtractedSources:
    """The sources of one file, their photons taken out of it.

    Parameters
    ----------
    path : Path
    observation : Observation or None
        None where the file is a table of photons that are told apart by source already.
    apertures : tuple of Aperture
        One a source, in the order of `batch`; empty for a table.
    batch : EventBatch
    notes : tuple of str
        What the user should know about the file as a whole.
    rows : ndarray, shape (photons,), or None
        Where each photon of the batch stands in ``observation.events``; None for a table.
    """

    path: Path
    observation: Observation | None
    apertures: tuple[Aperture, ...]
    batch: EventBatch
    notes: tuple[str, ...] = ()
    rows: NDArray[np.int64] | None = None

    @property
    def batching_key(self) -> object:
        """Equal for files of one instrument and band, which can be judged together; None where a file has several."""
        instruments = {(one.mission, one.instrument) for one in self.batch.identities}
        bands = {tuple(band) for band in self.batch.band.tolist()}
        return (*instruments, *bands) if len(instruments) == len(bands) == 1 else None


def extract_sources(
    path: Path, configuration: Configuration, sources: Path | GivenSources | None = None, stage: Stage = silent
) -> ExtractedSources:
    """Take the photons of every source out of a file.

    Parameters
    ----------
    path, configuration, sources, stage
        See `scan_file`.

    Raises
    ------
    FileError, PhotonError
        With the reason why the file cannot be used.
    """
    from xherald.photons.extraction import extract_with_rows

    stage("reading")
    adapter, content = open_file(path, configuration)
    if isinstance(content, EventBatch):
        _refuse_untestable(path, content.time, float(content.frame_time.max(initial=0.0)))
        return ExtractedSources(path, None, (), content)
    content.require_good_times()
    with guarded(configuration.host, "adapters", adapter, f"reading the photons of {path}"):
        events = content.events
    _refuse_untestable(path, events.time, content.frame_time)
    stage("looking for sources")
    apertures, notes = _place_sources(content, adapter, configuration, sources)
    stage(f"extracting {len(apertures)} sources")
    batch, rows = extract_with_rows(content, apertures, configuration.settings.extraction)
    return ExtractedSources(path, content, tuple(apertures), batch, notes, rows)


def open_file(path: Path, configuration: Configuration) -> tuple[InstrumentAdapter, Observation | EventBatch]:
    """Let the one adapter that claims a file read it.

    Raises
    ------
    FileError, PhotonError
        With the reason why the file cannot be used.
    """
    from xherald.adapters.reading.fits_files import read_header

    settings, host = configuration.settings, configuration.host
    adapter = host.adapter_for(path, read_header(path, settings.read))
    options = host.options_for(adapter, settings.adapters.get(adapter.name, {}))
    with guarded(host, "adapters", adapter, f"reading {path}"):
        return adapter, adapter.read(path, options, settings.read)


def _place_sources(
    observation: Observation,
    adapter: InstrumentAdapter,
    configuration: Configuration,
    sources: Path | GivenSources | None,
) -> tuple[list[Aperture], tuple[str, ...]]:
    """Apertures from the user's list, else from what comes with the file, else from detection."""
    from xherald.photons.source_detection import find_sources

    given = sources if isinstance(sources, GivenSources) else GivenSources(sources)
    settings = configuration.settings
    listed = given.apertures(observation, settings.apertures)
    note = ""
    if listed is not None:
        apertures = list(listed.apertures)
        if listed.outside:
            note = f"{len(listed.outside)} sources of {given.label} lie outside the field"
    else:
        with guarded(configuration.host, "adapters", adapter, f"naming the sources of {observation.path}"):
            apertures = adapter.apertures(observation)
        if not apertures:
            apertures = find_sources(observation, settings.finding, settings.apertures)
    return given.with_background(apertures, observation), (note,) if note else ()


def _refuse_untestable(path: Path, time: NDArray[np.float64], frame_time: float) -> None:
    """Refuse photons that cannot tell a burst from a steady source, whatever they do."""
    if len(time) < 2:
        count = "no event" if not len(time) else "one event"
        raise UnreadableFileError(path, f"{count} left after screening; variability needs two (see `xherald inspect`)")
    spread = float(time.max() - time.min())
    if spread == 0 or spread < 0.5 * frame_time:
        raise UnreadableFileError(path, f"all {len(time)} events share one frame, so there is no time axis to test")
