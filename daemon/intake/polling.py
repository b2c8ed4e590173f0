"""When drop sources are looked at: on their schedule, at once when the system tells of a change, and never twice over.

APScheduler keeps the schedule; its jobs are made anew from the settings at every start. It goes by the wall clock, so
when that is set, the daemon has all sources looked at and the schedule laid anew.
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

__all__ = ["Polling", "look_at", "trigger_of"]

LEAST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 60.0
QUIET_MS: Final = 50


def look_at(intake: Intake, metrics: Metrics, log: Log, options: Options | None = None) -> PollSummary | Fault:
    """One look at a source, or at a part of it that options name, whatever comes of it."""
    try:
        told = intake.look(options)
    except (DropError, StoreUnavailableError) as fault:
        metrics.error("source" if isinstance(fault, DropError) else "store")
        log.warning("source cannot be read", source=intake.name, reason=str(fault))
        return Fault.FILE if isinstance(fault, DropError) and not fault.is_transient else Fault.TRANSIENT
    except XheraldError as fault:
        metrics.error("source")
        log.error("source cannot be read", source=intake.name, reason=str(fault))
        return Fault.DEFECT
    except Exception as fault:  # a plugin's defect costs its source, not the daemon
        metrics.error("defect")
        log.error("source broke", source=intake.name, reason=f"{type(fault).__name__}: {fault}")
        return Fault.DEFECT
    metrics.looked(intake.name, told.seen, told.stable, told.quarantined)
    if told.stable or told.quarantined:
        log.info("looked", source=intake.name, stable=told.stable, set_aside=told.quarantined, waiting=told.waiting)
    return told


@dataclass(slots=True)
class _Place:
    """A source, its schedule, and whether it is to be looked at once more when the look that runs is over."""

    intake: Intake
    settings: SourceSettings
    lock: threading.Lock = field(default_factory=threading.Lock)
    again: bool = False


class Polling:
    """Looks at sources when it is time.

    Parameters
    ----------
    intakes : mapping of str to Intake
    settings : mapping of str to SourceSettings
    metrics : Metrics
    log : Log
    found : callable — called when something became stable

    Raises
    ------
    ConfigError
        A cron expression is none.
    """

    def __init__(
        self,
        intakes: Mapping[str, Intake],
        settings: Mapping[str, SourceSettings],
        metrics: Metrics,
        log: Log,
        found: Callable[[], None],
    ) -> None:
        from apscheduler.executors.pool import ThreadPoolExecutor
        from apscheduler.schedulers.background import BackgroundScheduler

        self._places = {name: _Place(intake, settings[name]) for name, intake in intakes.items()}
        self._metrics, self._log, self._found = metrics, log, found
        self._over = threading.Event()
        # That a look lasts longer than the time to the next is no news.
        quiet = logging.Logger("apscheduler.scheduler", logging.ERROR)
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            logger=quiet,
            executors={"default": ThreadPoolExecutor(max(len(intakes), 1))},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        for name in self._places:
            self._schedule(name)
        self._scheduler.start()
        self._watchers = [
            threading.Thread(target=self._watch, args=(name, folder), name=f"xherald-watch-{name}", daemon=True)
            for name, place in self._places.items()
            if (folder := _watched(place.intake, log)) is not None
        ]
        for one in self._watchers:
            one.start()

    def look_at_all(self) -> None:
        """Look at every source at once and lay the schedule anew from now, because the clock was set."""
        for name in self._places:
            self._schedule(name)

    def look_now(self, name: str, options: Options | None = None) -> PollSummary | Fault:
        """Look at a source beside its schedule, in the caller's thread.

        Parameters
        ----------
        name : str
        options : Options, optional
            The source's, narrowed to a part of it (`narrowed`). All of it is looked at when no other look at all of it
            is under way; a part at once.
        """
        place = self._places[name]
        with place.lock if options is None else nullcontext():
            told = look_at(place.intake, self._metrics, self._log, options)
        if isinstance(told, PollSummary):
            if told.stable:
                self._found()
            if options is None and (told.waiting or place.again) and not self._over.is_set():
                self._soon(name, _pause(place))
        return told

    def narrowed(self, name: str, page: str | None) -> Options | None:
        """Options with which a source looks at one folder only; None if it does not lie below its root."""
        intake = self._places[name].intake
        try:
            return None if page is None else intake.source.below(intake.options, page)
        except Exception as fault:  # a plugin's defect costs the short cut, not the look
            self._metrics.error("defect")
            self._log.error("source broke", source=name, reason=f"{type(fault).__name__}: {fault}")
            return None

    def end(self) -> None:
        """No more looks; those that run are waited for."""
        self._over.set()
        self._scheduler.shutdown(wait=True)
        for one in self._watchers:
            one.join()

    def _schedule(self, name: str) -> None:
        self._scheduler.add_job(
            self._look,
            trigger_of(name, self._places[name].settings),
            [name],
            id=name,
            replace_existing=True,
            next_run_time=datetime.now(UTC),
        )

    def _soon(self, name: str, seconds: float) -> None:
        """Look once more, beside the schedule."""
        with suppress(RuntimeError):  # the daemon is about to end
            self._scheduler.add_job(
                self._look,
                "date",
                [name],
                id=f"{name} again",
                replace_existing=True,
                run_date=datetime.now(UTC) + timedelta(seconds=seconds),
            )

    def _look(self, name: str) -> None:
        place = self._places[name]
        if not place.lock.acquire(blocking=False):
            place.again = True
            return
        waiting = 0
        try:
            place.again = True
            while place.again and not self._over.is_set():
                place.again = False
                told = look_at(place.intake, self._metrics, self._log)
                waiting = told.waiting if isinstance(told, PollSummary) else 0
                if isinstance(told, PollSummary) and told.stable:
                    self._found()
        finally:
            place.lock.release()
        if (waiting or place.again) and not self._over.is_set():
            self._soon(name, LEAST_PAUSE_S if place.again else _pause(place))

    def _watch(self, name: str, folder: Path) -> None:
        """Look at a source when the system tells of a change; without its word, the schedule does."""
        from watchfiles import watch

        try:
            for _ in watch(folder, stop_event=self._over, step=20, debounce=QUIET_MS, rust_timeout=500):
                self._look(name)
        except Exception as fault:  # not there yet, too many watches, no such service: the schedule is the truth
            self._log.warning("changes are not told", source=name, reason=f"{type(fault).__name__}: {fault}")


def _pause(place: _Place) -> float:
    """How long what waits is left alone, s."""
    return min(max(place.intake.settings.stable_after_s / 2, LEAST_PAUSE_S), LONGEST_PAUSE_S)


def _watched(intake: Intake, log: Log) -> Path | None:
    """The folder that a source says can be watched; None where it breaks, for the schedule is the truth."""
    try:
        with guarded(intake.configuration.host, "drop_sources", intake.source, f"asked what of {intake.name} to watch"):
            return intake.source.watched(intake.options)
    except PluginDefectError as fault:
        log.error("source broke", source=intake.name, reason=str(fault))
        return None


def trigger_of(name: str, settings: SourceSettings) -> Any:
    """When a source is looked at, for APScheduler.

    Raises
    ------
    ConfigError
        Its cron expression is none.
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
