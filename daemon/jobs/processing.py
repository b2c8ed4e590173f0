"""Files down the road, in a worker: what comes of each, or why nothing does: `process_file`, `process_batch`.

A small file costs many small steps, whatever it holds, so small ones of one instrument are judged together. None may
cost another anything: what goes wrong with several is done again with each alone.

A fault of the file (`XheraldError`) is told apart from one that may pass (no memory, no space, a file that is gone for
now) and from a defect of ours or of a plugin's.
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

from xherald.photons.errors import ArtefactError, ConfigError, PluginDefectError, PluginError, XheraldError

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.extraction.extracted_sources import ExtractedSources
    from xherald.detector.scan import Scan
    from xherald.plugins import PluginHost

    from .drop_results import Result

__all__ = ["Fault", "JobResult", "PlotsDone", "Task", "configured_for", "process_batch", "process_file", "warm_up"]

T = TypeVar("T")


class Fault(StrEnum):
    """Why nothing came of a file.

    ``file``: it cannot be used, and never will. ``passing``: something stood in the way that may go. ``defect``: an
    error that nobody foresaw; trying again is worth it, a few times.
    """

    FILE = "file"
    TRANSIENT = "passing"
    DEFECT = "defect"


@dataclass(frozen=True, slots=True)
class Task:
    """A file to be worked on.

    Parameters
    ----------
    drop_id : int
    path : Path
    source : str — name of the drop source, whose options of adapters count
    """

    drop_id: int
    path: Path
    source: str


@dataclass(frozen=True, slots=True)
class JobResult:
    """What came of a task.

    Parameters
    ----------
    drop_id : int
    result : Result or None
    fault : Fault or None
    reason : str — one line
    trace : str — of a defect
    resident_gib : float — memory of the worker afterwards
    draws : bool — whether its worker goes on, drawing plot sheets, and says `PlotsDone` when it takes another file
    broken : tuple of (str, str, int) — kind and name of each plugin that broke at it, and how often
    """

    drop_id: int
    result: Result | None = None
    fault: Fault | None = None
    reason: str = ""
    trace: str = ""
    resident_gib: float = 0.0
    draws: bool = False
    broken: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class PlotsDone:
    """The plot sheets of a file are drawn.

    Parameters
    ----------
    reasons : tuple of str — why some are not
    resident_gib : float — memory of the worker afterwards
    """

    reasons: tuple[str, ...] = ()
    resident_gib: float = 0.0


def process_file(task: Task, configuration: Configuration, keep: Callable[[Scan], None] = lambda _: None) -> JobResult:
    """Scan a file, whatever it holds; never raises what is the file's fault or a defect.

    Parameters
    ----------
    task : Task
    configuration : Configuration
    keep : callable — given the scan, if its sources are kept and some are candidates
    """
    (answer,) = process_batch([task], configuration, keep)
    return answer


def process_batch(
    tasks: Sequence[Task], configuration: Configuration, keep: Callable[[Scan], None] = lambda _: None
) -> list[JobResult]:
    """Scan files, those of one instrument together; what comes of each is what would come of it alone.

    Parameters
    ----------
    tasks : sequence of Task
    configuration : Configuration
    keep : callable — as for `process_file`

    Returns
    -------
    list of JobResult
        In the order of the tasks.
    """
    from xherald.detector.extraction.extracted_sources import extract_sources
    from xherald.detector.scan import score_files

    from .drop_results import result_of

    files = [_File(task, configuration.host) for task in tasks]
    alike: dict[object, list[tuple[_File, ExtractedSources]]] = {}
    for number, file in enumerate(files):
        photons = file.go(partial(extract_sources, file.task.path, configuration))
        if photons is not None:
            alike.setdefault(photons.batching_key or number, []).append((file, photons))
    for group in alike.values():
        together = _scanned_together([photons for _, photons in group], configuration)
        for place, (file, photons) in enumerate(group):
            own = together[place : place + 1] or file.go(partial(score_files, [photons], configuration)) or []
            for scan in own:  # one, unless the road ended
                result = file.go(partial(result_of, scan, configuration))
                if result is not None:
                    file.answer = JobResult(file.task.drop_id, result)
                    if result.candidates:
                        keep(scan)
    return [file.told() for file in files]


def _scanned_together(files: Sequence[ExtractedSources], configuration: Configuration) -> list[Scan]:
    """Scans of several files; none where anything went wrong, for then it is to cost the file that it is of alone."""
    from xherald.detector.scan import score_files

    if len(files) < 2:
        return []
    before = Counter(configuration.host.broken)
    try:
        scans = score_files(files, configuration)
    except Exception:  # whatever it is, it comes again where that file is scanned by itself, and is told there
        return []
    return scans if configuration.host.broken == before else []


@dataclass(slots=True)
class _File:
    """A file on the road, which plugins broke at it, and what came of it."""

    task: Task
    host: PluginHost
    broken: Counter[tuple[str, str]] = field(default_factory=Counter)
    answer: JobResult | None = None

    def go(self, stretch: Callable[[], T]) -> T | None:
        """Go a stretch of the road; None, and an answer, where the road ends there."""
        before = Counter(self.host.broken)
        try:
            return stretch()
        except (ArtefactError, ConfigError, PluginError) as fault:
            # Of the installation, not of the file: no file is set aside for a calibration that is not there.
            self._ends(Fault.TRANSIENT, str(fault))
        except PluginDefectError as fault:
            self._ends(Fault.DEFECT, f"{self.task.path}: {fault}", traceback.format_exc())
        except XheraldError as fault:
            if self.task.path.exists():
                self._ends(Fault.FILE, str(fault))
            else:
                self._ends(Fault.TRANSIENT, f"{self.task.path}: is gone, or its disk is")
        except (MemoryError, OSError) as fault:
            self._ends(Fault.TRANSIENT, _one_line(self.task, fault))
        except Exception as fault:
            self._ends(Fault.DEFECT, _one_line(self.task, fault), traceback.format_exc())
        finally:
            self.broken += self.host.broken - before
        return None

    def told(self) -> JobResult:
        """What came of it."""
        assert self.answer is not None
        return replace(self.answer, broken=tuple((kind, name, times) for (kind, name), times in self.broken.items()))

    def _ends(self, fault: Fault, reason: str, trace: str = "") -> None:
        self.answer = JobResult(self.task.drop_id, None, fault, reason, trace)


def configured_for(
    configuration: Configuration, adapters: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> dict[str, Configuration]:
    """Configurations by drop source, for those that have options of adapters of their own."""
    from xherald.detector.configuration.configuration import Configuration as Made

    settings = configuration.settings
    own: dict[str, Configuration] = {}
    for source, options in adapters.items():
        if options:
            merged = {name: dict(values) for name, values in settings.adapters.items()}
            for name, values in options.items():
                merged[name] = {**merged.get(name, {}), **values}
            own[source] = Made(settings.model_copy(update={"adapters": merged}), configuration.origins)
    return own


def warm_up(configuration: Configuration) -> None:
    """Load what every file needs, plugins and compiled kernels, before the first one comes."""
    import numpy as np

    from xherald.detector.scoring.detect import calibration_of, score_batch
    from xherald.photons import EventBatch, EventList, Exposure, Identity
    from xherald.photons.statistics import assess

    calibration_of(configuration)
    time = np.linspace(1.0, 999.0, 40)
    energy = np.linspace(0.6, 6.0, 40, dtype=np.float32)
    one = EventList(
        time=time,
        energy=energy,
        exposure=Exposure(np.array([[0.0, 1000.0]]), np.ones(1)),
        identity=Identity("", "", "", "warm-up"),
        frame_time=0.0,
        band=(0.5, 7.0),
        hardness_split=2.0,
    )
    batch = EventBatch.from_lists([one])
    score_batch(batch, assess(batch, configuration.settings.timing), configuration)


def _one_line(task: Task, fault: Exception) -> str:
    return " ".join(f"{task.path}: {type(fault).__name__}: {fault}".split())
