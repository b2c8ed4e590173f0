"""Scanning: from event files to sources with timing, scores and calibrated false-alarm probabilities: `scan_file`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from xherald.detector.extraction.extracted_sources import ExtractedSources, extract_sources
from xherald.detector.extraction.given_sources import GivenSources
from xherald.detector.progress import Stage, silent
from xherald.photons import EventBatch

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.scoring.detections import Detections
    from xherald.photons.statistics.result import Timing

__all__ = ["Scan", "scan_file", "score_files"]


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """Results of one file.

    Parameters
    ----------
    photons : ExtractedSources
    timing : Timing
        Results of the timing tests.
    detections : Detections
        Scores and calibrated probabilities.
    """

    photons: ExtractedSources
    timing: Timing
    detections: Detections


def scan_file(
    path: Path, configuration: Configuration, sources: Path | GivenSources | None = None, stage: Stage = silent
) -> Scan:
    """Test every source of a file for a flare or a dip.

    Parameters
    ----------
    path : Path
        Event file of a supported mission, or a table of photons.
    configuration : Configuration
    sources : Path or GivenSources, optional
        Source list, positions or regions to test, in place of the file's own list and of source detection.
    stage : callable, optional
        Called with a short text at every step, for a progress bar.

    Raises
    ------
    FileError, PhotonError
        With the reason why the file cannot be used.
    """
    (scan,) = score_files([extract_sources(path, configuration, sources, stage)], configuration, stage)
    return scan


def score_files(files: Sequence[ExtractedSources], configuration: Configuration, stage: Stage = silent) -> list[Scan]:
    """Test and score the sources of several files together: faster than one by one, with the same results.

    Parameters
    ----------
    files : sequence of ExtractedSources
        At least one; all of one instrument and band (`ExtractedSources.batching_key`).
    configuration, stage
        See `scan_file`.

    Returns
    -------
    list of Scan
        One for each file.
    """
    from xherald.context.fluxes.flux_scale import measure_flux_scale
    from xherald.detector.scoring.detect import detect
    from xherald.photons.statistics import assess

    batch = files[0].batch if len(files) == 1 else EventBatch.concatenate([one.batch for one in files])
    stage(f"testing {len(batch)} sources")
    timing = assess(batch, configuration.settings.timing)
    stage(f"scoring {len(batch)} sources")
    detections = detect(files, batch, timing, configuration)
    energy = configuration.settings.apertures.energy_kev
    columns = configuration.settings.context.galactic_columns
    scales = [measure_flux_scale(one.observation, one.apertures, one.batch, energy, columns) for one in files]
    return [
        Scan(photons, one.detection_batch.timing, replace(one, flux_scale=scale))
        for photons, one, scale in zip(files, detections, scales, strict=True)
    ]
