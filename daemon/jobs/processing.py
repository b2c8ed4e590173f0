"""Processing of files by the pipeline in a worker process: `process_file`, `process_batch`.

Small files have a large constant cost, so those of one instrument are scored together. If that fails, each is processed
again alone, so that no file suffers from another one's error.

Errors are classified by `Fault`: of the file (`XheraldError`), transient (no memory or disk space, a file that is
missing for now), or a defect of xherald or a plugin.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from xherald.photons.errors import (
    ArtefactError,
    ConfigError,
    EmptyObservationError,
    PluginDefectError,
    PluginError,
    XheraldError,
)

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.extraction.extracted_sources import ExtractedSources
    from xherald.detector.scan import Scan
    from xherald.plugins import PluginHost

    from .drop_results import FileResult

__all__ = [
    "Fault",
    "Job",
    "JobResult",
    "PlotsDone",
    "make_source_configurations",
    "process_batch",
    "process_file",
    "warm_up",
]

T = TypeVar("T")


class Fault(StrEnum):
    """Why a job failed.

    ``file``: the file cannot be used; a retry is useless. ``transient``: a condition that may pass. ``defect``: an
    unexpected error; a few retries are worthwhile.
    """

    FILE = "file"
    TRANSIENT = "transient"
    DEFECT = "defect"


@dataclass(frozen=True, slots=True)
class Job:
    """A file to be processed.

    Parameters
    ----------
    drop_id : int
    path : Path
    source : str — name of the drop source, whose adapter options apply
    siblings : tuple of Path — files of other cameras of the observation, which are tested together with this one
    """

    drop_id: int
    path: Path
    source: str
    siblings: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class JobResult:
    """Result of a job.

    Parameters
    ----------
    drop_id : int
    result : FileResult or None — None if the job failed
    fault : Fault or None
    reason : str — the error, on one line
    trace : str — traceback of a defect
    resident_gib : float — memory of the worker after the job
    draws_plots : bool — whether the worker continues with plot sheets, and sends `PlotsDone` before it is free
    plugin_failures : tuple of (str, str, int) — kind and name of each plugin that failed, and how often
    """

    drop_id: int
    result: FileResult | None = None
    fault: Fault | None = None
    reason: str = ""
    trace: str = ""
    resident_gib: float = 0.0
    draws_plots: bool = False
    plugin_failures: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class PlotsDone:
    """Message that the plot sheets of a job are done.

    Parameters
    ----------
    errors : tuple of str — why some could not be drawn
    resident_gib : float — memory of the worker
    """

    errors: tuple[str, ...] = ()
    resident_gib: float = 0.0


def process_file(
    job: Job, configuration: Configuration, on_candidates: Callable[[Scan], None] = lambda _: None
) -> JobResult:
    """Scan a file; errors are returned, not raised.

    Parameters
    ----------
    job : Job
    configuration : Configuration
    on_candidates : callable — called with the scan if it has candidates
    """
    (result,) = process_batch([job], configuration, on_candidates)
    return result


def process_batch(
    jobs: Sequence[Job], configuration: Configuration, on_candidates: Callable[[Scan], None] = lambda _: None
) -> list[JobResult]:
    """Scan files, those of one instrument together, with the same results as one by one.

    Parameters
    ----------
    jobs : sequence of Job
    configuration : Configuration
    on_candidates : callable — see `process_file`

    Returns
    -------
    list of JobResult
        In the order of the jobs.
    """
    from xherald.detector.scan import score_files

    from .drop_results import make_file_result
    from .joint_results import scan_with_siblings

    runs = [_JobRun(job, configuration.host) for job in jobs]
    batches: dict[object, list[tuple[_JobRun, ExtractedSources]]] = {}
    for number, run in enumerate(runs):
        sources = run.run_stage(partial(_extract, run.job.path, configuration))
        if sources is not None:
            batches.setdefault(sources.batching_key or number, []).append((run, sources))
    for batch in batches.values():
        together = _score_together([sources for _, sources in batch], configuration)
        for index, (run, sources) in enumerate(batch):
            own = together[index : index + 1] or run.run_stage(partial(score_files, [sources], configuration)) or []
            for scored in own:  # one, or none if scoring failed
                joint = scan_with_siblings(scored, run.job.siblings, configuration)
                scan = _add_note(joint.scan, joint.note)
                result = run.run_stage(partial(make_file_result, scan, configuration, joint))
                if result is not None:
                    run.result = JobResult(run.job.drop_id, result)
                    if result.candidates:
                        on_candidates(scan)
                        for one in joint.joint_scans():
                            on_candidates(one)
    return [run.finish() for run in runs]


def _extract(path: Path, configuration: Configuration) -> ExtractedSources:
    """Sources of a file; none, with a note, if screening leaves no events of its exposure."""
    from xherald.detector.extraction.extracted_sources import ExtractedSources, extract_sources, open_file
    from xherald.photons import EventBatch, Observation

    try:
        return extract_sources(path, configuration)
    except EmptyObservationError as fault:
        _, content = open_file(path, configuration)
        if not isinstance(content, Observation):
            raise
        return ExtractedSources(path, content, (), EventBatch.from_lists([]), (f"no sources: {fault.reason}",))


def _add_note(scan: Scan, note: str) -> Scan:
    return replace(scan, photons=replace(scan.photons, notes=(*scan.photons.notes, note))) if note else scan


def _score_together(files: Sequence[ExtractedSources], configuration: Configuration) -> list[Scan]:
    """Score several files together; an empty list if anything fails, so that each is scored alone."""
    from xherald.detector.scan import score_files

    if len(files) < 2:
        return []
    before = Counter(configuration.host.failure_counts)
    try:
        scans = score_files(files, configuration)
    except Exception:  # it is raised again, and reported, when the file is scored alone
        return []
    return scans if configuration.host.failure_counts == before else []


@dataclass(slots=True)
class _JobRun:
    """A job in progress, the plugins that failed in it, and its result."""

    job: Job
    host: PluginHost
    plugin_failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    result: JobResult | None = None

    def run_stage(self, stage: Callable[[], T]) -> T | None:
        """Run a stage of the pipeline; returns None and sets the result if it fails."""
        before = Counter(self.host.failure_counts)
        try:
            return stage()
        except (ArtefactError, ConfigError, PluginError) as fault:
            # An error of the installation: do not quarantine a file because a calibration is missing.
            self._fail(Fault.TRANSIENT, str(fault))
        except PluginDefectError as fault:
            self._fail(Fault.DEFECT, f"{self.job.path}: {fault}", traceback.format_exc())
        except XheraldError as fault:
            if self.job.path.exists():
                self._fail(Fault.FILE, str(fault))
            else:
                self._fail(Fault.TRANSIENT, f"{self.job.path}: the file or its disk is missing")
        except (MemoryError, OSError) as fault:
            self._fail(Fault.TRANSIENT, self._describe(fault))
        except Exception as fault:
            self._fail(Fault.DEFECT, self._describe(fault), traceback.format_exc())
        finally:
            self.plugin_failures += self.host.failure_counts - before
        return None

    def finish(self) -> JobResult:
        """The result, with the failures of plugins."""
        assert self.result is not None
        failures = tuple((kind, name, times) for (kind, name), times in self.plugin_failures.items())
        return replace(self.result, plugin_failures=failures)

    def _fail(self, fault: Fault, reason: str, trace: str = "") -> None:
        self.result = JobResult(self.job.drop_id, None, fault, reason, trace)

    def _describe(self, fault: Exception) -> str:
        return " ".join(f"{self.job.path}: {type(fault).__name__}: {fault}".split())


def make_source_configurations(
    configuration: Configuration, adapters: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> dict[str, Configuration]:
    """Configurations of the drop sources that have adapter options of their own, by name of the source."""
    from xherald.detector.configuration.configuration import Configuration as ConfigurationClass

    settings = configuration.settings
    found: dict[str, Configuration] = {}
    for source, options in adapters.items():
        if options:
            merged = {name: dict(values) for name, values in settings.adapters.items()}
            for name, values in options.items():
                merged[name] = {**merged.get(name, {}), **values}
            found[source] = ConfigurationClass(settings.model_copy(update={"adapters": merged}), configuration.origins)
    return found


def warm_up(configuration: Configuration) -> None:
    """Load plugins, the calibration and compiled kernels before the first job."""
    import numpy as np

    from xherald.detector.scoring.detect import calibration_of, score_batch
    from xherald.photons import EventBatch, EventList, Exposure, Identity
    from xherald.photons.statistics import assess

    calibration_of(configuration)
    time = np.linspace(1.0, 999.0, 40)
    energy = np.linspace(0.6, 6.0, 40, dtype=np.float32)
    events = EventList(
        time=time,
        energy=energy,
        exposure=Exposure(np.array([[0.0, 1000.0]]), np.ones(1)),
        identity=Identity("", "", "", "warm-up"),
        frame_time=0.0,
        band=(0.5, 7.0),
        hardness_split=2.0,
    )
    batch = EventBatch.from_lists([events])
    score_batch(batch, assess(batch, configuration.settings.timing), configuration)
