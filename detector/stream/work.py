"""One file down the road, in a worker: what comes of it, or why nothing does: `carry`, `Task`, `Answer`.

A fault of the file (`XheraldError`) is told apart from one that may pass (no memory, no space, a file that is gone for
now) and from a defect of ours or of a plugin's.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xherald.photons.errors import ArtefactError, ConfigError, PluginDefectError, PluginError, XheraldError

if TYPE_CHECKING:
    from xherald.detector.config import Configuration
    from xherald.detector.scan import Scan

    from .records import Result

__all__ = ["Answer", "Drawn", "Fault", "Task", "carry", "configured_for", "warm_up"]


class Fault(StrEnum):
    """Why nothing came of a file.

    ``file``: it cannot be used, and never will. ``passing``: something stood in the way that may go. ``defect``: an
    error that nobody foresaw; trying again is worth it, a few times.
    """

    FILE = "file"
    PASSING = "passing"
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
class Answer:
    """What came of a task.

    Parameters
    ----------
    drop_id : int
    result : Result or None
    fault : Fault or None
    reason : str — one line
    trace : str — of a defect
    resident_gib : float — memory of the worker afterwards
    draws : bool — whether its worker goes on, drawing plot sheets, and says `Drawn` when it takes another file
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
class Drawn:
    """The plot sheets of a file are drawn.

    Parameters
    ----------
    reasons : tuple of str — why some are not
    resident_gib : float — memory of the worker afterwards
    """

    reasons: tuple[str, ...] = ()
    resident_gib: float = 0.0


def carry(task: Task, configuration: Configuration, keep: Callable[[Scan], None] = lambda _: None) -> Answer:
    """Scan a file, whatever it holds; never raises what is the file's fault or a defect.

    Parameters
    ----------
    task : Task
    configuration : Configuration
    keep : callable — given the scan, if its sources are kept and some are candidates
    """
    before = Counter(configuration.host.broken)
    answer = _carried(task, configuration, keep)
    broken = configuration.host.broken - before
    return replace(answer, broken=tuple((kind, name, times) for (kind, name), times in broken.items()))


def _carried(task: Task, configuration: Configuration, keep: Callable[[Scan], None]) -> Answer:
    from xherald.detector.scan import scan_file

    from .records import result_of

    try:
        scan = scan_file(task.path, configuration)
        result = result_of(scan, configuration)
        if result.candidates:
            keep(scan)
        return Answer(task.drop_id, result)
    except (ArtefactError, ConfigError, PluginError) as fault:
        # Of the installation, not of the file: no file is set aside for a calibration that is not there.
        return Answer(task.drop_id, None, Fault.PASSING, str(fault))
    except PluginDefectError as fault:
        return Answer(task.drop_id, None, Fault.DEFECT, f"{task.path}: {fault}", traceback.format_exc())
    except XheraldError as fault:
        if not task.path.exists():
            return Answer(task.drop_id, None, Fault.PASSING, f"{task.path}: is gone, or its disk is")
        return Answer(task.drop_id, None, Fault.FILE, str(fault))
    except (MemoryError, OSError) as fault:
        return Answer(task.drop_id, None, Fault.PASSING, _one_line(task, fault))
    except Exception as fault:
        return Answer(task.drop_id, None, Fault.DEFECT, _one_line(task, fault), traceback.format_exc())


def configured_for(
    configuration: Configuration, adapters: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> dict[str, Configuration]:
    """Configurations by drop source, for those that have options of adapters of their own."""
    from xherald.detector.config import Configuration as Made

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

    from xherald.detector.detection.detect import calibration_of, judge
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
    judge(batch, assess(batch, configuration.settings.timing), configuration)


def _one_line(task: Task, fault: Exception) -> str:
    return " ".join(f"{task.path}: {type(fault).__name__}: {fault}".split())
