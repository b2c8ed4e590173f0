"""The daemon: takes files from drop sources, processes them and sends alerts, until stopped or once: `Daemon`.

It uses three kinds of threads: the main loop, which alone commits results; the pollers of drop sources; and the outbox
worker. The pipeline runs in worker processes.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from xherald.catalog_store.ledger.drop_outcome import CommittedDrop
from xherald.catalog_store.ledger.records import Drop
from xherald.catalog_store.ledger.states import DropState
from xherald.catalog_store.ledger.store import Store
from xherald.daemon.alerts.dispatch import SHEET_CHECK_INTERVAL, Dispatcher
from xherald.daemon.alerts.outbox_worker import OutboxWorker, send_due_alerts
from xherald.daemon.intake.intake import Intake
from xherald.daemon.intake.notices import Notices, find_subscribers, validate_notice_settings
from xherald.daemon.intake.polling import Polling, poll_source
from xherald.daemon.intake.spool import DropFiles, find_spool_folder
from xherald.daemon.jobs.candidate_sheets import SheetFolder, open_sheet_folder
from xherald.daemon.jobs.job_runner import JobRunner
from xherald.daemon.jobs.processing import Fault, Job, JobResult
from xherald.daemon.jobs.worker_pool import WorkerPool, measure_resident_gib
from xherald.daemon.nightly.calibration_versions import with_usable_calibration
from xherald.daemon.nightly.nightly_scheduler import NightlyScheduler
from xherald.detector.configuration.configuration import Configuration
from xherald.photons.errors import PluginError, StoreUnavailableError, XheraldError
from xherald.plugins import DropSource, Options

from .configured_sources import open_sources
from .lock import acquire_lock
from .logs import Log, SilentLog
from .metrics import Metrics, MetricsServer
from .wake_up import WakeUp

__all__ = ["Daemon", "RunSummary"]

STEP_S: Final = 0.5
QUEUE_METRICS_INTERVAL_S: Final = 5.0
CLOCK_TOLERANCE_S: Final = 5.0
OUTBOX_STOP_TIMEOUT_S: Final = 60.0
COMMIT_TIMEOUT_S: Final = 30.0
REPOLL_DELAY_S: Final = 0.2
MAX_START_FAILURES: Final = 3
WORKERS_FAIL: Final = "worker processes end before they are ready"


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Summary of a run.

    Parameters
    ----------
    processed, quarantined : int — drops that reached these states
    was_stopped : bool — whether it was stopped before everything was done
    """

    processed: int = 0
    quarantined: int = 0
    was_stopped: bool = False


class Daemon:
    """Processes files from drop sources and sends alerts, on one store.

    Parameters
    ----------
    configuration : Configuration
    store : Store
    log : Log, optional
    sends_alerts : bool
        Whether candidates are announced; otherwise they are only stored.
    reload : callable, optional
        Loads the configuration again after `reload` was called.
    on_done : callable, optional
        Called with every drop that was processed or quarantined.
    work : callable, optional
        Function of a module that processes a job in the workers instead of the pipeline.

    Raises
    ------
    ConfigError
        The kind of a source or sink is unknown, or an option invalid.
    StoreError
        Another daemon uses a store on SQLite.
    """

    def __init__(
        self,
        configuration: Configuration,
        store: Store,
        log: Log | None = None,
        *,
        sends_alerts: bool = True,
        reload: Callable[[], Configuration] | None = None,
        on_done: Callable[[Drop], None] = lambda _: None,
        work: Callable[[Job, Any], JobResult] | None = None,
    ) -> None:
        self.metrics = Metrics()
        self._configuration, self._store = configuration, store
        self._log: Log = log or SilentLog()
        self._sends_alerts, self._load_configuration, self._on_done = sends_alerts, reload, on_done
        self._work = work
        self._sheets: SheetFolder | None = None
        self._stop = threading.Event()
        self._reload = threading.Event()
        self._wake_up = WakeUp()
        self._processed = self._quarantined = 0
        self._last_queue_metrics = float("-inf")
        self._problem: str | None = None
        self.port: int | None = None
        open_sources(configuration)
        self._make_dispatcher("validation")

    def end(self) -> None:
        """Finish running jobs and stop; may be called from a signal handler."""
        self._stop.set()

    def reload(self) -> None:
        """Load the configuration again after running jobs; may be called from a signal handler."""
        self._reload.set()

    def watch(self) -> RunSummary:
        """Run until `end` is called.

        Raises
        ------
        ConfigError
            A source subscribes to notices, which cannot be read.
        """
        validate_notice_settings(self._configuration.settings.daemon)
        return self._run(once=False)

    def once(self) -> RunSummary:
        """Poll every source until all files are processed, send the alerts that are due, and stop."""
        return self._run(once=True)

    def _run(self, *, once: bool) -> RunSummary:
        with ExitStack() as stack:
            lock = acquire_lock(self._store)
            stack.callback(lock.release)
            self._store.release_worker(lock.name)
            settings = self._configuration.settings.daemon
            if settings.metrics_port and not once:
                server = MetricsServer(self.metrics, settings.metrics_port)
                stack.callback(server.close)
                self.port = server.port
            self._log.info("started", store=self._store.name, worker=lock.name, process=os.getpid())
            while True:
                (self._process_once if once else self._process_until_reload)(lock.name)
                if self._stop.is_set() or not self._reload.is_set():
                    break
                self._reload_configuration()
            self._log.info("stopped", processed=self._processed, quarantined=self._quarantined)
        return RunSummary(self._processed, self._quarantined, self._stop.is_set())

    # One configuration

    def _process_until_reload(self, worker: str) -> None:
        """Process files until the daemon is stopped or the configuration is to be loaded again."""
        pool, files, sources = self._prepare()
        outbox_worker = self._start_outbox_worker(worker)
        nightly = NightlyScheduler(self._configuration, self._store, self.metrics, self._log)
        runner = self._make_job_runner(worker, pool, files, outbox_worker)
        polling: Polling | None = None
        notices: Notices | None = None
        try:
            pool.start()
            intakes = self._make_intakes(sources, files, runner, once=False)
            settings = self._configuration.settings.daemon
            polling = Polling(intakes, settings.sources, self.metrics, self._log, lambda: self._on_stable(runner))
            if find_subscribers(settings):
                notices = Notices(settings, polling, self.metrics, self._log, self._is_stopping)
            clock_offset = time.time() - time.monotonic()
            while not self._is_stopping():
                runner.step(STEP_S, also=[self._wake_up.reader])
                self._wake_up.clear()
                self._heartbeat(runner)
                if nightly.step():
                    self._reload.set()
                if abs(change := time.time() - time.monotonic() - clock_offset) > CLOCK_TOLERANCE_S:
                    clock_offset += change
                    self._log.warning("system clock changed", seconds=round(change, 1))
                    polling.poll_all()
                    nightly.reschedule()
        finally:
            nightly.end()
            if notices is not None:
                notices.end()
            if polling is not None:
                polling.end()
            self._shutdown(runner, pool)
            outbox_worker.end(OUTBOX_STOP_TIMEOUT_S)

    def _process_once(self, worker: str) -> None:
        """Poll every source until no file is waiting, and process until no drop is left."""
        pool, files, sources = self._prepare()
        outbox_worker = self._start_outbox_worker(worker) if self._sends_alerts else None
        runner = self._make_job_runner(worker, pool, files, outbox_worker)
        intakes = self._make_intakes(sources, files, runner, once=True)
        polled = threading.Event()

        def poll_all() -> None:
            try:
                for intake in intakes.values():
                    self._poll_until_complete(intake)
            finally:
                polled.set()

        thread = threading.Thread(target=poll_all, name="xherald-intake", daemon=True)
        try:
            pool.start()
            thread.start()
            while not self._stop.is_set():
                if pool.start_failures >= MAX_START_FAILURES:
                    raise PluginError(f"{WORKERS_FAIL}; see their tracebacks above")
                was_polled = polled.is_set()
                runner.step(0.1, also=[self._wake_up.reader])
                self._wake_up.clear()
                self._heartbeat(runner)
                if was_polled and not runner.is_busy and not self._count_stable():
                    break
        finally:
            if pool.start_failures >= MAX_START_FAILURES:
                self._stop.set()  # so that polling ends, too
            thread.join()
            self._shutdown(runner, pool)
            if outbox_worker is not None:
                outbox_worker.end(OUTBOX_STOP_TIMEOUT_S)
        if self._sends_alerts:
            # Plot sheets that are missing now will not be drawn any more.
            dispatcher = replace(self._make_dispatcher(worker), sheet_wait=timedelta(0))
            while send_due_alerts(dispatcher, self.metrics, self._log) or self._wait_for_sheets():
                continue

    def _poll_until_complete(self, intake: Intake) -> None:
        """Poll a source until no file is waiting."""
        while not self._stop.is_set():
            summary = poll_source(intake, self.metrics, self._log)
            if isinstance(summary, Fault):
                break
            self._quarantined += summary.quarantined
            if not summary.waiting:
                break
            self._stop.wait(REPOLL_DELAY_S)

    def _prepare(self) -> tuple[WorkerPool, DropFiles, Mapping[str, tuple[DropSource, Options]]]:
        self._configuration.host.on_failure(self.metrics.count_plugin_failure)
        sources = open_sources(self._configuration)
        settings = self._configuration.settings.daemon
        files = DropFiles(find_spool_folder(settings.spool_folder, self._store), sources)
        files.purge(self._store)
        configuration = with_usable_calibration(self._configuration, self._store, self._log)
        self._sheets = open_sheet_folder(self._configuration) if self._sends_alerts else None
        folder = None if self._sheets is None else self._sheets.folder
        return WorkerPool(configuration, settings, self._work, folder), files, sources

    def _make_job_runner(
        self, worker: str, pool: WorkerPool, files: DropFiles, outbox_worker: OutboxWorker | None
    ) -> JobRunner:
        def on_done(committed: CommittedDrop) -> None:
            if committed.drop.state is DropState.QUARANTINED:
                self._quarantined += 1
            else:
                self._processed += 1
            self._on_done(committed.drop)
            if outbox_worker is not None and committed.alerts:
                outbox_worker.wake()

        return JobRunner(
            worker,
            self._store,
            self._configuration,
            pool,
            files,
            self.metrics,
            self._log,
            sends_alerts=self._sends_alerts,
            sheets=self._sheets,
            on_done=on_done,
        )

    def _make_intakes(
        self, sources: Mapping[str, tuple[DropSource, Options]], files: DropFiles, runner: JobRunner, *, once: bool
    ) -> dict[str, Intake]:
        settings = self._configuration.settings.daemon
        return {
            name: Intake(
                name,
                source,
                options,
                self._store,
                files,
                self._configuration,
                settings,
                once,
                self._is_stopping,
                lambda: self._on_stable(runner),
            )
            for name, (source, options) in sources.items()
        }

    def _make_dispatcher(self, worker: str) -> Dispatcher:
        return Dispatcher(self._store, self._configuration.settings.alerts, self._configuration.host, worker)

    def _start_outbox_worker(self, worker: str) -> OutboxWorker:
        return OutboxWorker(self._make_dispatcher(worker), self._store, self.metrics, self._log)

    def _is_stopping(self) -> bool:
        return self._stop.is_set() or self._reload.is_set()

    def _on_stable(self, runner: JobRunner) -> None:
        runner.claim_soon()
        self._wake_up.set()

    def _wait_for_sheets(self) -> bool:
        """Wait for alerts held for plot sheets; returns whether there are any."""
        due = self._store.next_alert_due() if self._sheets is not None else None
        wait = None if due is None else due - datetime.now(UTC)
        if wait is None or wait > SHEET_CHECK_INTERVAL or self._stop.is_set():
            return False
        time.sleep(max(wait.total_seconds(), 0.0))
        return True

    def _handle_sheets(self, pool: WorkerPool) -> None:
        """Log errors of plot sheets, and delete old ones."""
        for error in pool.take_plot_errors():
            self.metrics.count_error("sheet")
            self._log.warning("plot sheet failed", reason=error)
        if self._sheets is not None:
            self._sheets.purge()

    def _count_stable(self) -> int:
        """Number of drops that are to be processed."""
        try:
            counts = self._store.drop_counts()
        except StoreUnavailableError:
            return 1
        return counts[DropState.STABLE]

    def _shutdown(self, runner: JobRunner, pool: WorkerPool) -> None:
        """Finish running jobs, release the other claims, and stop the workers."""
        deadline = time.monotonic() + COMMIT_TIMEOUT_S
        while pool.running_jobs or (runner.has_uncommitted and time.monotonic() < deadline):
            if pool.running_jobs:
                deadline = time.monotonic() + COMMIT_TIMEOUT_S
            runner.step(0.1, claiming=False)
        self._handle_sheets(pool)
        try:
            runner.release_claims()
        except StoreUnavailableError as fault:
            self._log.warning("claims not released", reason=str(fault))
        pool.end()

    def _heartbeat(self, runner: JobRunner) -> None:
        """Report that the main loop runs, and from time to time the length of the queue and the memory."""
        self._handle_sheets(runner.pool)
        now = time.monotonic()
        if now - self._last_queue_metrics < QUEUE_METRICS_INTERVAL_S:
            self.metrics.set_heartbeat(self._problem)
            return
        self._last_queue_metrics = now
        try:
            counts = {state.value: number for state, number in self._store.drop_counts().items()}
            oldest = self._store.oldest_waiting()
        except StoreUnavailableError as fault:
            self._problem = str(fault)
        else:
            self._problem = WORKERS_FAIL if runner.pool.start_failures >= MAX_START_FAILURES else None
            age_s = 0.0 if oldest is None else max((datetime.now(UTC) - oldest).total_seconds(), 0.0)
            memory_gib = sum(measure_resident_gib(pid) for pid in (os.getpid(), *runner.pool.process_ids))
            self.metrics.set_queue(counts, age_s, memory_gib * 2**30)
        self.metrics.set_heartbeat(self._problem)

    def _reload_configuration(self) -> None:
        """Load the configuration again; an invalid one changes nothing."""
        self._reload.clear()
        if self._load_configuration is None:
            return
        before = self._configuration
        try:
            self._configuration = self._load_configuration()
            open_sources(self._configuration)
            validate_notice_settings(self._configuration.settings.daemon)
            self._make_dispatcher("validation")
        except XheraldError as fault:
            self._configuration = before
            self._log.error("configuration rejected", reason=str(fault))
            return
        self._log.info("configuration reloaded")
