"""Polling of drop sources: on schedule, at once when the system reports a change, never twice at a time: `Polling`.

APScheduler keeps the schedule; its jobs are created from the settings at every start. It uses the system clock, so when
that is changed, the daemon polls all sources and restarts the schedule.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from xherald.daemon.jobs.processing import Fault
from xherald.detector.plugin_support.plugin_guard import guarded
from xherald.photons.errors import ConfigError, DropError, PluginDefectError, StoreUnavailableError, XheraldError

from .intake import Intake, PollSummary

if TYPE_CHECKING:
    from xherald.daemon.logs import Log
    from xherald.daemon.metrics import Metrics
    from xherald.detector.configuration.daemon_settings import SourceSettings
    from xherald.plugins import Options

__all__ = ["Polling", "make_source_trigger", "poll_source"]

MIN_PAUSE_S: Final = 0.1
MAX_PAUSE_S: Final = 60.0
DEBOUNCE_MS: Final = 50


def poll_source(intake: Intake, metrics: Metrics, log: Log, options: Options | None = None) -> PollSummary | Fault:
    """Poll a source, or the part of it that options select; errors are logged and returned as a `Fault`."""
    try:
        summary = intake.poll(options)
    except (DropError, StoreUnavailableError) as fault:
        metrics.count_error("source" if isinstance(fault, DropError) else "store")
        log.warning("poll failed", source=intake.name, reason=str(fault))
        return Fault.FILE if isinstance(fault, DropError) and not fault.is_transient else Fault.TRANSIENT
    except XheraldError as fault:
        metrics.count_error("source")
        log.error("poll failed", source=intake.name, reason=str(fault))
        return Fault.DEFECT
    except Exception as fault:  # a defect of a plugin must not stop the daemon
        metrics.count_error("defect")
        log.error("poll failed", source=intake.name, reason=f"{type(fault).__name__}: {fault}")
        return Fault.DEFECT
    metrics.count_poll(intake.name, summary.seen, summary.stable, summary.quarantined)
    if summary.stable or summary.quarantined or summary.skipped:
        log.info(
            "polled",
            source=intake.name,
            stable=summary.stable,
            quarantined=summary.quarantined,
            skipped=summary.skipped,
            waiting=summary.waiting,
        )
    return summary


@dataclass(slots=True)
class _ScheduledSource:
    """A source, its schedule, and whether it is to be polled once more after the running poll."""

    intake: Intake
    settings: SourceSettings
    lock: threading.Lock = field(default_factory=threading.Lock)
    poll_again: bool = False


class Polling:
    """Polls sources on their schedules.

    Parameters
    ----------
    intakes : mapping of str to Intake
    settings : mapping of str to SourceSettings
    metrics : Metrics
    log : Log
    on_stable : callable — called when drops have become stable

    Raises
    ------
    ConfigError
        A cron expression is invalid.
    """

    def __init__(
        self,
        intakes: Mapping[str, Intake],
        settings: Mapping[str, SourceSettings],
        metrics: Metrics,
        log: Log,
        on_stable: Callable[[], None],
    ) -> None:
        from apscheduler.executors.pool import ThreadPoolExecutor
        from apscheduler.schedulers.background import BackgroundScheduler

        self._sources = {name: _ScheduledSource(intake, settings[name]) for name, intake in intakes.items()}
        self._metrics, self._log, self._on_stable = metrics, log, on_stable
        self._stop = threading.Event()
        # Do not warn when a poll takes longer than the interval.
        quiet = logging.Logger("apscheduler.scheduler", logging.ERROR)
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            logger=quiet,
            executors={"default": ThreadPoolExecutor(max(len(intakes), 1))},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        for name in self._sources:
            self._schedule(name)
        self._scheduler.start()
        self._watchers = [
            threading.Thread(target=self._watch, args=(name, folder), name=f"xherald-watch-{name}", daemon=True)
            for name, source in self._sources.items()
            if (folder := _find_watched_folder(source.intake, log)) is not None
        ]
        for one in self._watchers:
            one.start()

    def poll_all(self) -> None:
        """Poll every source at once and restart the schedules, after a change of the system clock."""
        for name in self._sources:
            self._schedule(name)

    def poll_now(self, name: str, options: Options | None = None) -> PollSummary | Fault:
        """Poll a source outside its schedule, in the calling thread.

        Parameters
        ----------
        name : str
        options : Options, optional
            Options of the source for a part of it (`narrow_options`). A part is polled at once, the whole source after
            a running poll of it.
        """
        source = self._sources[name]
        with source.lock if options is None else nullcontext():
            summary = poll_source(source.intake, self._metrics, self._log, options)
        if isinstance(summary, PollSummary):
            if summary.stable:
                self._on_stable()
            if options is None and (summary.waiting or source.poll_again) and not self._stop.is_set():
                self._schedule_extra(name, _pause_s(source))
        return summary

    def narrow_options(self, name: str, page: str | None) -> Options | None:
        """Options with which a source polls one folder only; None if the folder is not below its root."""
        intake = self._sources[name].intake
        try:
            return None if page is None else intake.source.narrow_to_folder(intake.options, page)
        except Exception as fault:  # a defect of a plugin: poll the whole source instead
            self._metrics.count_error("defect")
            self._log.error("drop source failed", source=name, reason=f"{type(fault).__name__}: {fault}")
            return None

    def end(self) -> None:
        """Stop polling and wait for running polls."""
        self._stop.set()
        self._scheduler.shutdown(wait=True)
        for one in self._watchers:
            one.join()

    def _schedule(self, name: str) -> None:
        self._scheduler.add_job(
            self._poll,
            make_source_trigger(name, self._sources[name].settings),
            [name],
            id=name,
            replace_existing=True,
            next_run_time=datetime.now(UTC),
        )

    def _schedule_extra(self, name: str, delay_s: float) -> None:
        """Schedule one further poll."""
        with suppress(RuntimeError):  # the scheduler was shut down
            self._scheduler.add_job(
                self._poll,
                "date",
                [name],
                id=f"{name} again",
                replace_existing=True,
                run_date=datetime.now(UTC) + timedelta(seconds=delay_s),
            )

    def _poll(self, name: str) -> None:
        source = self._sources[name]
        if not source.lock.acquire(blocking=False):
            source.poll_again = True
            return
        waiting = 0
        try:
            source.poll_again = True
            while source.poll_again and not self._stop.is_set():
                source.poll_again = False
                summary = poll_source(source.intake, self._metrics, self._log)
                waiting = summary.waiting if isinstance(summary, PollSummary) else 0
                if isinstance(summary, PollSummary) and summary.stable:
                    self._on_stable()
        finally:
            source.lock.release()
        if (waiting or source.poll_again) and not self._stop.is_set():
            self._schedule_extra(name, MIN_PAUSE_S if source.poll_again else _pause_s(source))

    def _watch(self, name: str, folder: Path) -> None:
        """Poll a source when the system reports a change; if it cannot, the schedule suffices."""
        from watchfiles import watch

        try:
            for _ in watch(folder, stop_event=self._stop, step=20, debounce=DEBOUNCE_MS, rust_timeout=500):
                self._poll(name)
        except Exception as fault:  # folder missing, too many watches, not supported: the schedule remains
            self._log.warning("file watching unavailable", source=name, reason=f"{type(fault).__name__}: {fault}")


def _pause_s(source: _ScheduledSource) -> float:
    """Time until files that were not stable are polled again, s."""
    return min(max(source.intake.settings.stable_after_s / 2, MIN_PAUSE_S), MAX_PAUSE_S)


def _find_watched_folder(intake: Intake, log: Log) -> Path | None:
    """Folder of a source that can be watched; None if there is none or the plugin fails."""
    try:
        with guarded(intake.configuration.host, "drop_sources", intake.source, f"asking {intake.name} for its folder"):
            return intake.source.watched_folder(intake.options)
    except PluginDefectError as fault:
        log.error("drop source failed", source=intake.name, reason=str(fault))
        return None


def make_source_trigger(name: str, settings: SourceSettings) -> Any:
    """Schedule of a source, for APScheduler.

    Raises
    ------
    ConfigError
        Its cron expression is invalid.
    """
    from apscheduler.triggers.cron import CronTrigger
    from apscheduler.triggers.interval import IntervalTrigger

    jitter = settings.jitter_s or None
    if settings.cron is None:
        return IntervalTrigger(seconds=settings.interval_s, jitter=jitter, timezone=UTC)
    try:
        trigger = CronTrigger.from_crontab(settings.cron, timezone=UTC)
    except ValueError as fault:
        raise ConfigError(f"daemon.sources.{name}.cron: {settings.cron!r}: {fault}") from fault
    trigger.jitter = jitter
    return trigger
