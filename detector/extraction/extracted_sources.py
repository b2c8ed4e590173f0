"""From an event file to the photons of each of its sources: `extract_sources`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xherald.detector.plugin_support.plugin_guard import guarded
from xherald.detector.progress import Stage, silent
from xherald.photons import Aperture, EventBatch, Observation
from xherald.photons.errors import EmptyObservationError, UnreadableFileError
from xherald.plugins import InstrumentAdapter

from .background_lists import attach_background_list, is_event_list
from .given_sources import GivenSources

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xherald.detector.configuration.configuration import Configuration

__all__ = ["ExtractedSources", "extract_sources", "open_file"]


@dataclass(frozen=True, slots=True, eq=False)
class ExtractedSources:
    """The sources of one file with their photons.

    Parameters
    ----------
    path : Path
    observation : Observation or None
        None for a table of photons, which are assigned to sources already.
    apertures : tuple of Aperture
        One for each source, in the order of `batch`; empty for a table.
    batch : EventBatch
    notes : tuple of str
        Remarks on the file as a whole.
    rows : ndarray, shape (photons,), or None
        Index of each photon of the batch in ``observation.events``; None for a table.
    left_out : tuple of str
        Remarks on detections that are no sources of their own.
    """

    path: Path
    observation: Observation | None
    apertures: tuple[Aperture, ...]
    batch: EventBatch
    notes: tuple[str, ...] = ()
    rows: NDArray[np.int64] | None = None
    left_out: tuple[str, ...] = ()

    @property
    def batching_key(self) -> object:
        """Equal for files of one instrument and band, which can be scored together; None where a file has several."""
        instruments = {(one.mission, one.instrument) for one in self.batch.identities}
        bands = {tuple(band) for band in self.batch.band.tolist()}
        return (*instruments, *bands) if len(instruments) == len(bands) == 1 else None


def extract_sources(
    path: Path, configuration: Configuration, sources: Path | GivenSources | None = None, stage: Stage = silent
) -> ExtractedSources:
    """Find the sources of a file and extract their photons.

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
    from xherald.photons.source_detection.stray_photons import add_strays, avoid_stray_photons

    stage("reading")
    adapter, content = open_file(path, configuration)
    if isinstance(content, EventBatch):
        _check_testable(path, content.time, float(content.frame_time.max(initial=0.0)))
        return ExtractedSources(path, None, (), content)
    with guarded(configuration.host, "adapters", adapter, f"reading the photons of {path}"):
        events = content.events
    if len(events) < 2:
        note = f"no sources: {len(events)} events left after screening, variability needs two"
        return ExtractedSources(path, content, (), EventBatch.from_lists([]), (*content.remarks, note))
    content.require_good_times()
    _check_testable(path, events.time, content.frame_time)
    stage("searching for sources")
    given = sources if isinstance(sources, GivenSources) else GivenSources(sources)
    apertures, notes, left_out = _find_apertures(content, adapter, configuration, given)
    stage(f"extracting {len(apertures)} sources")
    strays = None
    if given.background is None:
        apertures, strays = avoid_stray_photons(content, apertures, configuration.settings.apertures)
    batch, rows = extract_with_rows(content, apertures, configuration.settings.extraction)
    if strays is not None:
        batch = add_strays(batch, strays)
    if apertures and is_event_list(given.background):
        batch, origin = attach_background_list(batch, apertures, content, Path(given.background), configuration)
        notes = (*notes, f"background of {given.background}: {batch.area_ratio[0]:.3g} of its area, by {origin}")
    return ExtractedSources(path, content, tuple(apertures), batch, (*content.remarks, *notes), rows, left_out)


def open_file(path: Path, configuration: Configuration) -> tuple[InstrumentAdapter, Observation | EventBatch]:
    """Read a file with the adapter that claims it.

    Raises
    ------
    FileError, PhotonError
        With the reason why the file cannot be used.
    """
    from xherald.adapters.reading.fits_files import read_header

    settings, host = configuration.settings, configuration.host
    adapter = host.find_adapter(path, read_header(path, settings.read))
    options = host.validate_options(adapter, settings.adapters.get(adapter.name, {}))
    with guarded(host, "adapters", adapter, f"reading {path}"):
        return adapter, adapter.read(path, options, settings.read)


def _find_apertures(
    observation: Observation, adapter: InstrumentAdapter, configuration: Configuration, given: GivenSources
) -> tuple[list[Aperture], tuple[str, ...], tuple[str, ...]]:
    """Apertures from the user's list, else from the file or its companions, else from source detection.

    With remarks on the list and on detections that were left out.
    """
    from xherald.photons.source_detection import cut_out_aperture, detect_sources

    settings = configuration.settings
    listed = given.apertures(observation, settings.apertures)
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    if listed is not None:
        apertures = list(listed.apertures)
        notes = tuple(f"{given.label}: {note}" for note in listed.notes)
        if listed.outside:
            notes = (*notes, f"{len(listed.outside)} sources of {given.label} lie outside the field")
    else:
        named = not given.as_source
        # The companions of a list that was cut out around a source describe the field that it was cut from.
        is_catalogued = bool(observation.per_source_id) and not given.as_source
        whole = (
            None
            if is_catalogued
            else cut_out_aperture(observation, settings.apertures, force=given.as_source, named=named)
        )
        apertures = [] if whole is None else [whole]
        if not apertures:
            with guarded(configuration.host, "adapters", adapter, f"naming the sources of {observation.path}"):
                apertures = adapter.apertures(observation)
        if not apertures:
            detected = detect_sources(observation, settings.source_detection, settings.apertures)
            apertures, left_out = detected.apertures, detected.notes
    return given.with_background(apertures, observation), notes, left_out


def _check_testable(path: Path, time: NDArray[np.float64], frame_time: float) -> None:
    """Check that there are enough photons, at different times, for a test of variability."""
    if len(time) < 2:
        count = "no event" if not len(time) else "one event"
        raise EmptyObservationError(
            path, f"{count} left after screening; variability needs two (see `xherald inspect`)"
        )
    spread = float(time.max() - time.min())
    if spread == 0 or spread < 0.5 * frame_time:
        raise UnreadableFileError(path, f"all {len(time)} events share one frame, so there is no time axis to test")
