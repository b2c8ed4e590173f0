"""Worker processes on the road: each has one file or some small ones in hand, none takes the daemon with it.

Workers are started anew (not forked), so that they hold none of the daemon's threads, locks and connections. One that
has done its share or grown too large is replaced when its file is done; one that grows far too large, or takes far too
long, is ended at once, and so is what it had in hand: an attempt is lost, not the file. Where it had several, nobody
knows which of them it was, so each goes to a worker again, alone, and no attempt is lost yet.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .processing import Fault, JobResult, PlotsDone, Task

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration, Settings
    from xherald.detector.configuration.daemon_settings import DaemonSettings
    from xherald.detector.scan import Scan

__all__ = ["Pool", "resident_gib"]

PAGE: Final = os.sysconf("SC_PAGE_SIZE")
FAR_TOO_LARGE: Final = 1.5
LOOKED_EVERY_S: Final = 0.5
END_S: Final = 5.0
READY: Final = "ready"
FOR_THE_DAEMON: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True, eq=False)
class _Worker:
    """A process, the line to it, what it has in hand, and whether it has told what came of it and only draws."""

    process: BaseProcess
    line: Connection
    ready: bool = False
    tasks: tuple[Task, ...] = ()
    since: float = 0.0
    done: int = 0
    answered: bool = False


@dataclass(slots=True)
class Pool:
    """Processes that carry files down the road.

    Parameters
    ----------
    configuration : Configuration
    settings : DaemonSettings
    work : callable, optional
        What is done with a task in place of the road, given the configuration too; a function of a module, for it is
        named to the worker.
    sheets : Path, optional
        Folder for plot sheets of candidates, which are drawn if it is given.
    """

    configuration: Configuration
    settings: DaemonSettings
    work: Callable[[Task, Any], JobResult] | None = None
    sheets: Path | None = None
    _workers: list[_Worker] = field(default_factory=list, init=False)
    _looked: float = field(default=0.0, init=False)
    _failures: int = field(default=0, init=False)
    _undrawn: list[str] = field(default_factory=list, init=False)
    _alone: deque[Task] = field(default_factory=deque, init=False)

    def start(self) -> None:
        """Start as many workers as are wanted."""
        while len(self._workers) < self.size:
            self._workers.append(self._hired())

    @property
    def size(self) -> int:
        """Workers that are wanted."""
        return self.settings.workers or os.cpu_count() or 1

    @property
    def idle(self) -> int:
        """Workers that are ready for a file, and that none waits for."""
        return max(len(self._free()) - len(self._alone), 0)

    @property
    def failures(self) -> int:
        """Workers in a row that ended before they were ready."""
        return self._failures

    @property
    def in_hand(self) -> tuple[Task, ...]:
        """Files that are being worked on."""
        return (*(task for one in self._workers for task in one.tasks), *self._alone)

    @property
    def processes(self) -> tuple[int, ...]:
        """Process ids of the workers."""
        return tuple(one.process.pid for one in self._workers if one.process.pid is not None)

    def give(self, *tasks: Task) -> None:
        """Hand a file, or some small ones, to an idle worker."""
        worker = self._free()[0]
        worker.tasks, worker.since = tasks, time.monotonic()
        worker.done += len(tasks)
        try:
            worker.line.send(tasks)
        except OSError:
            return  # it just died; its end is noticed where answers are

    def answers(self, timeout: float, also: Iterable[Connection] = ()) -> list[JobResult]:
        """What came of files meanwhile, waiting for something to happen, at most `timeout` s.

        Parameters
        ----------
        timeout : float
        also : iterable of Connection — what else ends the waiting
        """
        while self._alone and self._free():
            self.give(self._alone.popleft())
        lines: list[Any] = [one.line for one in self._workers]
        ready = set(wait([*lines, *also], timeout))
        found: list[JobResult] = []
        for worker in list(self._workers):
            if worker.line in ready:
                found += self._heard(worker)
        found += self._watched()
        return found

    def undrawn(self) -> list[str]:
        """Why plot sheets could not be drawn, since this was last asked."""
        told, self._undrawn = self._undrawn, []
        return told

    def end(self) -> None:
        """Send all workers home; what they have in hand is lost, so wait for it before."""
        for worker in self._workers:
            worker.line.close()
        for worker in self._workers:
            worker.process.join(0.0 if worker.tasks else END_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()

    def _free(self) -> list[_Worker]:
        return [one for one in self._workers if one.ready and not one.tasks]

    def _hired(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        sources = {name: one.adapters for name, one in self.settings.sources.items()}
        process = context.Process(
            target=_serve,
            args=(theirs, _sharing(self.configuration.settings, self.size), sources, self.work, self.sheets),
            name="xherald-worker",
        )
        # The daemon says when it is over: a signal to all of its group is not for workers, not even while they start.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, FOR_THE_DAEMON)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        return _Worker(process, ours)

    def _heard(self, worker: _Worker) -> list[JobResult]:
        try:
            said = worker.line.recv()
        except (EOFError, OSError):
            return self._lost(worker, "its worker ended without a word (killed, or out of memory)")
        if said == READY:
            worker.ready, self._failures = True, 0
            return []
        found: list[JobResult] = []
        if isinstance(said, PlotsDone):
            self._undrawn += said.reasons
            worker.tasks, held = (), said.resident_gib
        else:
            found, held = said, said[-1].resident_gib
            drawn = {one.drop_id for one in found if one.draws}
            worker.tasks = tuple(one for one in worker.tasks if one.drop_id in drawn)
        worker.answered = bool(worker.tasks)
        if not worker.tasks and (
            worker.done >= self.settings.files_per_worker or held > self.settings.worker_memory_gib
        ):
            self._dismiss(worker)
        return found

    def _watched(self) -> list[JobResult]:
        """End workers that grow or last beyond all bounds."""
        moment = time.monotonic()
        if moment - self._looked < LOOKED_EVERY_S:
            return []
        self._looked = moment
        found: list[JobResult] = []
        for worker in list(self._workers):
            if not worker.tasks or worker.process.pid is None:
                continue
            held = resident_gib(worker.process.pid)
            if held > FAR_TOO_LARGE * self.settings.worker_memory_gib:
                found += self._lost(
                    worker, f"its worker held {held:.1f} GiB, over daemon.worker_memory_gib, and was ended"
                )
            elif moment - worker.since > self.settings.file_timeout_s:
                found += self._lost(worker, "took longer than daemon.file_timeout_s; its worker was killed")
        return found

    def _lost(self, worker: _Worker, why: str) -> list[JobResult]:
        """Replace a worker that is gone or has to go; its file's attempt is lost, of several none's."""
        tasks = worker.tasks
        if not worker.ready:
            self._failures += 1
        self._workers.remove(worker)
        worker.line.close()
        worker.process.kill()
        worker.process.join()
        if self._failures:
            time.sleep(min(0.1 * 2**self._failures, 10.0))  # it dies at its start: not in circles at full speed
        self._workers.append(self._hired())
        if worker.answered:
            self._undrawn += [f"{task.path}: {why}" for task in tasks]
            return []
        if len(tasks) > 1:
            self._alone += tasks
            return []
        return [JobResult(task.drop_id, None, Fault.DEFECT, f"{task.path}: {why}") for task in tasks]

    def _dismiss(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.line.close()
        worker.process.join(END_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        self._workers.append(self._hired())


def resident_gib(pid: int) -> float:
    """Resident memory of a process, GiB; 0 where it is gone, or the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 2**30
    except (OSError, ValueError, IndexError):
        return 0.0


def _sharing(settings: Settings, workers: int) -> Settings:
    """The settings of one of several workers: where each would take every core, it takes its share."""
    if settings.timing.threads:
        return settings
    threads = max((os.cpu_count() or 1) // workers, 1)
    return settings.model_copy(update={"timing": replace(settings.timing, threads=threads)})


def _serve(
    line: Connection,
    settings: Settings,
    sources: Any,
    work: Callable[[Task, Any], JobResult] | None,
    sheets: Path | None,
) -> None:
    """A worker's life: warm up, then one file after another, until the line is closed."""
    from xherald.detector.configuration.configuration import Configuration

    from .candidate_sheets import draw_sheets
    from .processing import configured_for, warm_up

    configuration = Configuration(settings)
    own = configured_for(configuration, sources)
    if work is None:
        warm_up(configuration)
    try:
        line.send(READY)
        while True:
            scans: list[Scan] = []
            tasks: tuple[Task, ...] = line.recv()
            answers = _worked(tasks, own, configuration, work, scans.append)
            drawn = {scan.photons.path for scan in scans} if sheets is not None else set()
            held = resident_gib(os.getpid())
            paths = {task.drop_id: task.path for task in tasks}
            line.send([replace(one, draws=paths[one.drop_id] in drawn, resident_gib=held) for one in answers])
            if sheets is not None and scans:
                # Nobody waits for it: what came of the files is told.
                reasons = [reason for scan in scans for reason in draw_sheets(scan, sheets)]
                line.send(PlotsDone(tuple(reasons), resident_gib(os.getpid())))
    except (EOFError, OSError):
        return


def _worked(
    tasks: Sequence[Task],
    own: Mapping[str, Configuration],
    configuration: Configuration,
    work: Callable[[Task, Any], JobResult] | None,
    keep: Callable[[Scan], None],
) -> list[JobResult]:
    """What comes of some files, those of one source together, for they are of one configuration."""
    from .processing import process_batch

    if work is not None:
        return [work(task, own.get(task.source, configuration)) for task in tasks]
    answers: list[JobResult] = []
    for source in dict.fromkeys(task.source for task in tasks):
        theirs = [task for task in tasks if task.source == source]
        answers += process_batch(theirs, own.get(source, configuration), keep)
    return answers
