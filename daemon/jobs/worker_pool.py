"""Worker processes that run jobs: `WorkerPool`.

Workers are spawned, not forked, so that they inherit no threads, locks or connections. A worker that has processed its
share of files or uses too much memory is replaced after its job; one that uses far too much memory, or takes too long,
is killed, and its job has failed. If it had several jobs, it is unknown which of them was the cause: each is repeated
alone, and no attempt is counted yet.
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

from .processing import Fault, Job, JobResult, PlotsDone

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration, Settings
    from xherald.detector.configuration.daemon_settings import DaemonSettings
    from xherald.detector.scan import Scan

__all__ = ["DAEMON_SIGNALS", "WorkerPool", "measure_resident_gib"]

PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
KILL_MEMORY_FACTOR: Final = 1.5
CHECK_INTERVAL_S: Final = 0.5
EXIT_TIMEOUT_S: Final = 5.0
READY: Final = "ready"
DAEMON_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that the daemon handles and its child processes ignore."""


@dataclass(slots=True, eq=False)
class _Worker:
    """A worker process, the connection to it, its jobs, and whether it has sent their results and only draws plots."""

    process: BaseProcess
    connection: Connection
    is_ready: bool = False
    jobs: tuple[Job, ...] = ()
    started: float = 0.0
    job_count: int = 0
    only_draws: bool = False


@dataclass(slots=True)
class WorkerPool:
    """A pool of worker processes.

    Parameters
    ----------
    configuration : Configuration
    settings : DaemonSettings
    work : callable, optional
        Function of a module that processes a job instead of the pipeline, given the job and the configuration.
    sheets : Path, optional
        Folder for plot sheets of candidates; none are drawn without it.
    """

    configuration: Configuration
    settings: DaemonSettings
    work: Callable[[Job, Any], JobResult] | None = None
    sheets: Path | None = None
    _workers: list[_Worker] = field(default_factory=list, init=False)
    _last_check: float = field(default=0.0, init=False)
    _start_failures: int = field(default=0, init=False)
    _plot_errors: list[str] = field(default_factory=list, init=False)
    _repeat_alone: deque[Job] = field(default_factory=deque, init=False)

    def start(self) -> None:
        """Start the workers."""
        while len(self._workers) < self.size:
            self._workers.append(self._start_worker())

    @property
    def size(self) -> int:
        """Number of workers."""
        return self.settings.workers or os.cpu_count() or 1

    @property
    def idle(self) -> int:
        """Number of workers that are free for new jobs."""
        return max(len(self._find_free()) - len(self._repeat_alone), 0)

    @property
    def start_failures(self) -> int:
        """Number of workers in a row that ended before they were ready."""
        return self._start_failures

    @property
    def running_jobs(self) -> tuple[Job, ...]:
        """Jobs that are running or about to be repeated."""
        return (*(job for one in self._workers for job in one.jobs), *self._repeat_alone)

    @property
    def process_ids(self) -> tuple[int, ...]:
        """Process ids of the workers."""
        return tuple(one.process.pid for one in self._workers if one.process.pid is not None)

    def submit(self, *jobs: Job) -> None:
        """Send jobs to an idle worker."""
        worker = self._find_free()[0]
        worker.jobs, worker.started = jobs, time.monotonic()
        worker.job_count += len(jobs)
        try:
            worker.connection.send(jobs)
        except OSError:
            return  # the worker has just died; `collect_results` handles it

    def collect_results(self, timeout_s: float, also: Iterable[Connection] = ()) -> list[JobResult]:
        """Results that have arrived, after waiting for an event for at most `timeout_s`.

        Parameters
        ----------
        timeout_s : float
        also : iterable of Connection — further connections that end the waiting
        """
        while self._repeat_alone and self._find_free():
            self.submit(self._repeat_alone.popleft())
        connections: list[Any] = [one.connection for one in self._workers]
        readable = set(wait([*connections, *also], timeout_s))
        found: list[JobResult] = []
        for worker in list(self._workers):
            if worker.connection in readable:
                found += self._receive(worker)
        found += self._check_limits()
        return found

    def take_plot_errors(self) -> list[str]:
        """Errors of plot sheets since the last call."""
        errors, self._plot_errors = self._plot_errors, []
        return errors

    def end(self) -> None:
        """Stop all workers; the results of running jobs are lost."""
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            worker.process.join(0.0 if worker.jobs else EXIT_TIMEOUT_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()

    def _find_free(self) -> list[_Worker]:
        return [one for one in self._workers if one.is_ready and not one.jobs]

    def _start_worker(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        adapters = {name: one.adapters for name, one in self.settings.sources.items()}
        process = context.Process(
            target=_run_worker,
            args=(theirs, _share_threads(self.configuration.settings, self.size), adapters, self.work, self.sheets),
            name="xherald-worker",
        )
        # Workers ignore signals to the process group, also while they start: the daemon stops them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, DAEMON_SIGNALS)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        return _Worker(process, ours)

    def _receive(self, worker: _Worker) -> list[JobResult]:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            return self._replace_lost(worker, "its worker died (killed, or out of memory)")
        if message == READY:
            worker.is_ready, self._start_failures = True, 0
            return []
        found: list[JobResult] = []
        if isinstance(message, PlotsDone):
            self._plot_errors += message.errors
            worker.jobs, memory_gib = (), message.resident_gib
        else:
            found, memory_gib = message, message[-1].resident_gib
            drawing = {one.drop_id for one in found if one.draws_plots}
            worker.jobs = tuple(one for one in worker.jobs if one.drop_id in drawing)
        worker.only_draws = bool(worker.jobs)
        is_spent = worker.job_count >= self.settings.files_per_worker or memory_gib > self.settings.worker_memory_gib
        if is_spent and not worker.jobs:
            self._replace_spent(worker)
        return found

    def _check_limits(self) -> list[JobResult]:
        """Kill workers that exceed the limits of memory or time."""
        now = time.monotonic()
        if now - self._last_check < CHECK_INTERVAL_S:
            return []
        self._last_check = now
        found: list[JobResult] = []
        for worker in list(self._workers):
            if not worker.jobs or worker.process.pid is None:
                continue
            memory_gib = measure_resident_gib(worker.process.pid)
            if memory_gib > KILL_MEMORY_FACTOR * self.settings.worker_memory_gib:
                reason = f"its worker used {memory_gib:.1f} GiB, 1.5 times daemon.worker_memory_gib, and was killed"
                found += self._replace_lost(worker, reason)
            elif now - worker.started > self.settings.file_timeout_s:
                reason = "took longer than daemon.file_timeout_s; its worker was killed"
                found += self._replace_lost(worker, reason)
        return found

    def _replace_lost(self, worker: _Worker, reason: str) -> list[JobResult]:
        """Replace a dead worker, or kill one; a single job has failed, several are repeated alone."""
        jobs = worker.jobs
        if not worker.is_ready:
            self._start_failures += 1
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.kill()
        worker.process.join()
        if self._start_failures:
            time.sleep(min(0.1 * 2**self._start_failures, 10.0))  # do not restart in a tight loop
        self._workers.append(self._start_worker())
        if worker.only_draws:
            self._plot_errors += [f"{job.path}: {reason}" for job in jobs]
            return []
        if len(jobs) > 1:
            self._repeat_alone += jobs
            return []
        return [JobResult(job.drop_id, None, Fault.DEFECT, f"{job.path}: {reason}") for job in jobs]

    def _replace_spent(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join(EXIT_TIMEOUT_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        self._workers.append(self._start_worker())


def measure_resident_gib(pid: int) -> float:
    """Resident memory of a process, GiB; 0 if it has ended or the system does not report it."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / 2**30
    except (OSError, ValueError, IndexError):
        return 0.0


def _share_threads(settings: Settings, workers: int) -> Settings:
    """Settings with a worker's share of the cores, unless a number of threads is set."""
    if settings.timing.threads:
        return settings
    threads = max((os.cpu_count() or 1) // workers, 1)
    return settings.model_copy(update={"timing": replace(settings.timing, threads=threads)})


def _run_worker(
    connection: Connection,
    settings: Settings,
    adapters: Any,
    work: Callable[[Job, Any], JobResult] | None,
    sheets: Path | None,
) -> None:
    """Main function of a worker: warm up, then process jobs until the connection is closed."""
    from xherald.detector.configuration.configuration import Configuration

    from .candidate_sheets import draw_sheets
    from .processing import make_source_configurations, warm_up

    configuration = Configuration(settings)
    of_source = make_source_configurations(configuration, adapters)
    if work is None:
        warm_up(configuration)
    try:
        connection.send(READY)
        while True:
            scans: list[Scan] = []
            jobs: tuple[Job, ...] = connection.recv()
            results = _process(jobs, of_source, configuration, work, scans.append)
            drawn = {scan.photons.path for scan in scans} if sheets is not None else set()
            memory_gib = measure_resident_gib(os.getpid())
            paths = {job.drop_id: job.path for job in jobs}
            connection.send(
                [replace(one, draws_plots=paths[one.drop_id] in drawn, resident_gib=memory_gib) for one in results]
            )
            if sheets is not None and scans:
                errors = [error for scan in scans for error in draw_sheets(scan, sheets)]
                connection.send(PlotsDone(tuple(errors), measure_resident_gib(os.getpid())))
    except (EOFError, OSError):
        return


def _process(
    jobs: Sequence[Job],
    of_source: Mapping[str, Configuration],
    configuration: Configuration,
    work: Callable[[Job, Any], JobResult] | None,
    on_candidates: Callable[[Scan], None],
) -> list[JobResult]:
    """Process jobs, those of one source together, as they have the same configuration."""
    from .processing import process_batch

    if work is not None:
        return [work(job, of_source.get(job.source, configuration)) for job in jobs]
    results: list[JobResult] = []
    for source in dict.fromkeys(job.source for job in jobs):
        theirs = [job for job in jobs if job.source == source]
        results += process_batch(theirs, of_source.get(source, configuration), on_candidates)
    return results
