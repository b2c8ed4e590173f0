"""The road: header, adapter, photons, sources, extraction (`photons_of`), then timing and verdict (`scans_of`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xherald.photons import Aperture, EventBatch, Observation
from xherald.photons.errors import UnreadableFileError
from xherald.plugins import InstrumentAdapter

from .guarding import guarded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xherald.detector.config import Configuration
    from xherald.detector.detection.result import Detections
    from xherald.photons.statistics.result import Timing

__all__ = ["Photons", "Scan", "open_file", "photons_of", "scan_file", "scans_of"]

Stage = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Photons:
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
    def likeness(self) -> object:
        """Equal for files of one instrument and band, which can be judged together; None where a file has several."""
        instruments = {(one.mission, one.instrument) for one in self.batch.identities}
        bands = {tuple(band) for band in self.batch.band.tolist()}
        return (*instruments, *bands) if len(instruments) == len(bands) == 1 else None


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """What the road makes of one file: its sources' photons, what the timing tests say of each, and the verdict."""

    photons: Photons
    timing: Timing
    detections: Detections


def scan_file(
    path: Path, configuration: Configuration, sources: Path | None = None, stage: Stage = lambda _: None
) -> Scan:
    """Test every source of a file for a flare or a dip.

    Parameters
    ----------
    path : Path
        Event file of any mission that an adapter knows, or a table of photons.
    configuration : Configuration
    sources : Path, optional
        Source list to take apertures from, in place of the file's own and of detection.
    stage : callable, optional
        Told what is being done, for a progress bar.

    Raises
    ------
    FileError, PhotonError
        With the reason why the file cannot be used.
    """
    (scan,) = scans_of([photons_of(path, configuration, sources, stage)], configuration, stage)
    return scan


def scans_of(files: Sequence[Photons], configuration: Configuration, stage: Stage = lambda _: None) -> list[Scan]:
    """Test and judge the sources of some files together, which is quicker, and comes to the same as each alone.

    Parameters
    ----------
    files : sequence of Photons
        At least one; all of one instrument and band (`Photons.likeness`).
    configuration, stage
        See `scan_file`.

    Returns
    -------
    list of Scan
        One a file.
    """
    from xherald.detector.detection.detect import detect
    from xherald.photons.statistics import assess

    batch = files[0].batch if len(files) == 1 else EventBatch.concatenate([one.batch for one in files])
    stage(f"testing {len(batch)} sources")
    timing = assess(batch, configuration.settings.timing)
    stage(f"judging {len(batch)} sources")
    told = detect(files, batch, timing, configuration)
    return [Scan(photons, one.subjects.timing, one) for photons, one in zip(files, told, strict=True)]


def photons_of(
    path: Path, configuration: Configuration, sources: Path | None = None, stage: Stage = lambda _: None
) -> Photons:
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
        return Photons(path, None, (), content)
    content.require_good_times()
    with guarded(configuration.host, "adapters", adapter, f"reading the photons of {path}"):
        events = content.events
    _refuse_untestable(path, events.time, content.frame_time)
    stage("looking for sources")
    apertures, notes = _place_sources(content, adapter, configuration, sources)
    stage(f"extracting {len(apertures)} sources")
    batch, rows = extract_with_rows(content, apertures, configuration.settings.extraction)
    return Photons(path, content, tuple(apertures), batch, notes, rows)


def open_file(path: Path, configuration: Configuration) -> tuple[InstrumentAdapter, Observation | EventBatch]:
    """Let the one adapter that claims a file read it.

    Raises
    ------
    FileError, PhotonError
        With the reason why the file cannot be used.
    """
    from xherald.plugins.files import read_header

    settings, host = configuration.settings, configuration.host
    adapter = host.adapter_for(path, read_header(path, settings.read))
    options = host.options_for(adapter, settings.adapters.get(adapter.name, {}))
    with guarded(host, "adapters", adapter, f"reading {path}"):
        return adapter, adapter.read(path, options, settings.read)


def _place_sources(
    observation: Observation, adapter: InstrumentAdapter, configuration: Configuration, sources: Path | None
) -> tuple[list[Aperture], tuple[str, ...]]:
    """Apertures from the user's list, else from what comes with the file, else from detection."""
    from xherald.photons.finding import find_sources

    if sources is not None:
        from xherald.detector.source_lists import read_source_list

        listed = read_source_list(sources, observation, configuration.settings.apertures)
        note = f"{len(listed.outside)} sources of {sources} lie outside the field" if listed.outside else ""
        return list(listed.apertures), (note,) if note else ()
    with guarded(configuration.host, "adapters", adapter, f"naming the sources of {observation.path}"):
        own = adapter.apertures(observation)
    if own:
        return own, ()
    return find_sources(observation, configuration.settings.finding, configuration.settings.apertures), ()


def _refuse_untestable(path: Path, time: NDArray[np.float64], frame_time: float) -> None:
    """Refuse photons that cannot tell a burst from a steady source, whatever they do."""
    if len(time) < 2:
        count = "no event" if not len(time) else "one event"
        raise UnreadableFileError(path, f"{count} left after screening; variability needs two (see `xherald inspect`)")
    spread = float(time.max() - time.min())
    if spread == 0 or spread < 0.5 * frame_time:
        raise UnreadableFileError(path, f"all {len(time)} events share one frame, so there is no time axis to test")
