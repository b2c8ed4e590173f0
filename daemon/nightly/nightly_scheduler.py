"""Runs the nightly job on schedule in a process of its own, at the lowest priority: `NightlyScheduler`."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, Final

from xherald.daemon.jobs.worker_pool import DAEMON_SIGNALS
from xherald.photons.errors import ConfigError, StoreError, StoreUnavailableError, XheraldError

from .calibration_versions import read_active_name
from .drift import DRIFT_STATE, DriftReport
from .nightly_job import NIGHTLY_STATE, has_ended, mark_ended, run_nightly_job

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.store import Store
    from xherald.daemon.logs import Log
    from xherald.daemon.metrics import Metrics
    from xherald.detector.configuration.configuration import Configuration, Settings

__all__ = ["NightlyScheduler", "make_nightly_trigger"]

NICENESS: Final = 19

CHECK_INTERVAL_S: Final = 5.0
"""Interval of checks for a change of the active calibration."""


def make_nightly_trigger(cron: str) -> Any:
    """Schedule of the nightly job, for APScheduler.

    Raises
    ------
    ConfigError
        It is not a cron expression.
    """
    from apscheduler.triggers.cron import CronTrigger

    try:
        return CronTrigger.from_crontab(cron, timezone=UTC)
    except ValueError as fault:
        raise ConfigError(
            f"daemon.nightly_cron: {cron!r}: {fault}; give minute hour day month weekday, or null"
        ) from fault


@dataclass(slots=True)
class NightlyScheduler:
    """Starts the nightly job when it is due, and reports its outcome.

    Parameters
    ----------
    configuration : Configuration
    store : Store
    metrics : Metrics
    log : Log

    Raises
    ------
    ConfigError
        The schedule is invalid.
    """

    configuration: Configuration
    store: Store
    metrics: Metrics
    log: Log
    _next: datetime | None = field(default=None, init=False)
    _process: BaseProcess | None = field(default=None, init=False)
    _started: datetime = field(default=datetime.min, init=False)
    _calibration: str | None = field(default=None, init=False)
    _last_check: float = field(default=0.0, init=False)
    _calibration_changed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.reschedule()
        self._last_check = time.monotonic()
        self._with_store(self._begin)

    @property
    def is_running(self) -> bool:
        """Whether the job is running."""
        return self._process is not None

    def reschedule(self) -> None:
        """Compute the next scheduled time, at the start and after a change of the system clock."""
        cron = self.configuration.settings.daemon.nightly_cron
        now = datetime.now(UTC)
        self._next = None if cron is None else make_nightly_trigger(cron).get_next_fire_time(None, now)

    def step(self) -> bool:
        """Start the job if it is due, and handle its end; errors of the job are logged, not raised.

        Returns
        -------
        bool
            Whether the active calibration of the store has changed.
        """
        self._step()
        if time.monotonic() - self._last_check >= CHECK_INTERVAL_S and not self.is_running:
            self._last_check = time.monotonic()
            self._with_store(self._check_calibration)
        return self._calibration_changed

    def end(self) -> None:
        """Kill a running job; it will run again the next night."""
        if self._process is not None:
            self._kill(self._process, "the daemon was stopped")

    def _begin(self) -> None:
        self._calibration = read_active_name(self.store)
        self._update_metrics()

    def _check_calibration(self) -> None:
        if (name := read_active_name(self.store)) != self._calibration:
            self._calibration_changed = True
            self.log.info("calibration changed", name=name or "as configured")

    def _step(self) -> None:
        if self._process is not None:
            self._check_process(self._process)
            return
        if self._next is None or datetime.now(UTC) < self._next:
            return
        due = self._next
        self.reschedule()
        self._start(due)

    def _start(self, due: datetime) -> None:
        context = multiprocessing.get_context("spawn")
        process = context.Process(
            target=_run_in_process, args=(self.configuration.settings, self.store.url, due), name="xherald-nightly"
        )
        # As for workers, signals to the process group are handled by the daemon.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, DAEMON_SIGNALS)
        try:
            process.start()
        except OSError as fault:  # out of memory or processes: try again the next night
            self.metrics.count_error("nightly")
            self.log.error("nightly job failed", reason=f"its process cannot be started: {fault.strerror or fault}")
            return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._process, self._started = process, datetime.now(UTC)

    def _check_process(self, process: BaseProcess) -> None:
        timeout_s = self.configuration.settings.daemon.nightly_timeout_s
        if process.is_alive():
            if (datetime.now(UTC) - self._started).total_seconds() > timeout_s:
                self._kill(process, f"took longer than daemon.nightly_timeout_s = {timeout_s:g}")
            return
        process.join()
        self._process = None
        if process.exitcode:
            self._fail(f"its process ended with exit code {process.exitcode}")
        else:
            self._with_store(self._report)

    def _kill(self, process: BaseProcess, reason: str) -> None:
        process.kill()
        process.join()
        self._process = None
        self._fail(reason)

    def _fail(self, reason: str) -> None:
        """Log that the process failed, and record its end if it could not do so itself."""

        def record() -> None:
            state = self.store.shared_state(NIGHTLY_STATE) or {}
            if state and not state.get("ended") and has_ended(state, datetime.now(UTC)):
                mark_ended(self.store, reason)

        self.metrics.count_error("nightly")
        self.log.error("nightly job failed", reason=reason)
        self._with_store(record)

    def _with_store(self, work: Callable[[], object]) -> None:
        try:
            work()
        except StoreError as fault:
            self.metrics.count_error("store" if isinstance(fault, StoreUnavailableError) else "nightly")
            self.log.warning("store unavailable", reason=str(fault))

    def _report(self) -> None:
        """Log the outcome of the job."""
        state = self.store.shared_state(NIGHTLY_STATE) or {}
        if state.get("error"):
            self.metrics.count_error("nightly")
            self.log.error("nightly job failed", reason=state["error"])
        if state.get("rebuilt"):
            self.log.info("references rebuilt", **state["rebuilt"])
        report = self._update_metrics()
        if report is None:
            return
        for one in report.alarms:
            self.log.warning(
                "drift",
                group=one.group,
                p_value=one.p_value,
                effect=one.effect,
                effect_error=one.effect_error,
                threshold=one.threshold,
                sources=one.compared,
                reason=one.description,
            )
        self.log.info("nightly job finished", groups=len(report.groups), drift_alarms=len(report.alarms))

    def _update_metrics(self) -> DriftReport | None:
        """Set the metrics of the last drift check; None if there is none."""
        state = self.store.shared_state(DRIFT_STATE)
        if state is None:
            return None
        report = DriftReport.from_dict(state)
        self.metrics.set_drift(
            {one.group: one.p_value for one in report.groups if one.p_value is not None},
            [one.description for one in report.alarms],
        )
        return report


def _run_in_process(settings: Settings, url: str, due: datetime) -> None:
    """Main function of the process: run the job on one core at low priority, and end with the daemon."""
    os.nice(NICENESS)
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"  # read when the libraries are first imported, below
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    from xherald.catalog_store.ledger.store import open_store
    from xherald.detector.configuration.configuration import Configuration

    single_threaded = settings.model_copy(update={"timing": replace(settings.timing, threads=1)})
    with open_store(url, create=False) as store:
        try:
            run_nightly_job(store, Configuration(single_threaded), due=due)
        except XheraldError:
            return  # stored in the shared state, where the daemon reads it


def _exit_with_parent() -> None:
    """Exit when the daemon ends, however it ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
