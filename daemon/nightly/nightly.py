"""The nightly job: drift watch, and where it is asked for the rebuild; once from the command line, or by the daemon.

`run_night` does it, whoever calls. Of all that share a store one does it at a time, and one a night: whose turn it is
stands in the stream's state. `Nights` is the daemon's part: it has the job done in a process of its own, at the lowest
priority, and goes on whatever becomes of that.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, Final

from xherald.catalog_store.ledger.records import Json
from xherald.daemon.jobs.worker_pool import FOR_THE_DAEMON
from xherald.photons.errors import ConfigError, StoreError, StoreUnavailableError, XheraldError

from .calibration_versions import configured, in_use, name_in_use
from .drift import DRIFT, Drift, check_drift

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.store import Store
    from xherald.daemon.logs import Log
    from xherald.daemon.metrics import Metrics
    from xherald.detector.configuration.configuration import Configuration, Settings
    from xherald.detector.progress import Stage

    from .reference_rebuild import Rebuilt

__all__ = ["NIGHTLY", "Night", "Nights", "run_night", "trigger_of_nights"]

NIGHTLY: Final = "nightly"
"""Name of the stream's state that says whose turn it is, and how the last one went."""

NICENESS: Final = 19

ASKED_EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Night:
    """What a nightly job came to.

    Parameters
    ----------
    drift : Drift
    rebuilt : Rebuilt or None — None where no rebuild was asked for
    seconds : float
    """

    drift: Drift
    rebuilt: Rebuilt | None
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """In JSON's own types."""
        rebuilt = None if self.rebuilt is None else self.rebuilt.as_dict()
        return {"drift": self.drift.as_dict(), "rebuilt": rebuilt, "seconds": self.seconds}


def run_night(
    store: Store,
    configuration: Configuration,
    *,
    due: datetime | None = None,
    rebuilding: bool | None = None,
    stage: Stage = lambda _: None,
) -> Night | None:
    """Do the nightly job, if nobody else does it.

    Parameters
    ----------
    store : Store
    configuration : Configuration
    due : datetime, optional
        The time of the schedule that it is done for, which is done for once; None does it in any case.
    rebuilding : bool, optional
        Whether the reference is rebuilt; as ``daemon.rebuild`` says if not given.
    stage : callable, optional
        Told what is being done.

    Returns
    -------
    Night or None
        None where somebody else does it, or did it for this time.

    Raises
    ------
    XheraldError
        Something went wrong, which is kept as a state of the stream, too.
    """
    from .reference_rebuild import rebuild

    begun = datetime.now(UTC)
    if not _take_turn(store, due, begun, configuration.settings.daemon.nightly_timeout_s):
        return None
    fault, came = "ended without a word", None
    try:
        stage("drift watch")
        used = in_use(configuration, store)
        drift = check_drift(store, used)
        wanted = configuration.settings.daemon.rebuild if rebuilding is None else rebuilding
        rebuilt = rebuild(store, used, configured(configuration), stage) if wanted else None
        came = None if rebuilt is None else {name: getattr(rebuilt, name) for name in ("name", "activated", "reason")}
        fault = ""
    except XheraldError as error:
        fault = str(error)
        raise
    finally:
        _end_turn(store, fault, came)
    return Night(drift, rebuilt, round((datetime.now(UTC) - begun).total_seconds(), 1))


def trigger_of_nights(cron: str) -> Any:
    """When the job is done, for APScheduler.

    Raises
    ------
    ConfigError
        It is no cron expression.
    """
    from apscheduler.triggers.cron import CronTrigger

    try:
        return CronTrigger.from_crontab(cron, timezone=UTC)
    except ValueError as fault:
        raise ConfigError(
            f"daemon.nightly_cron: {cron!r}: {fault}; give minute hour day month weekday, or null"
        ) from fault


@dataclass(slots=True)
class Nights:
    """The daemon's nights: starts the job when it is time, and hears what became of it.

    Parameters
    ----------
    configuration : Configuration
    store : Store
    metrics : Metrics
    log : Log

    Raises
    ------
    ConfigError
        The schedule is none.
    """

    configuration: Configuration
    store: Store
    metrics: Metrics
    log: Log
    _next: datetime | None = field(default=None, init=False)
    _process: BaseProcess | None = field(default=None, init=False)
    _started: datetime = field(default=datetime.min, init=False)
    _calibration: str | None = field(default=None, init=False)
    _asked: float = field(default=0.0, init=False)
    _is_replaced: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.lay_anew()
        self._asked = time.monotonic()
        self._with_store(self._begin)

    @property
    def at_work(self) -> bool:
        """Whether the job is being done."""
        return self._process is not None

    def lay_anew(self) -> None:
        """Reckon the next time from now, at the start and when the clock was set."""
        cron = self.configuration.settings.daemon.nightly_cron
        now = datetime.now(UTC)
        self._next = None if cron is None else trigger_of_nights(cron).get_next_fire_time(None, now)

    def step(self) -> bool:
        """Start the job if it is time; hear of its end. Never raises what is the job's fault.

        Returns
        -------
        bool
            Whether another calibration came into use on the store, here or elsewhere.
        """
        self._step()
        if time.monotonic() - self._asked >= ASKED_EVERY_S and not self.at_work:
            self._asked = time.monotonic()
            self._with_store(self._ask)
        return self._is_replaced

    def _begin(self) -> None:
        self._calibration = name_in_use(self.store)
        self._tell_metrics()

    def _ask(self) -> None:
        if (name := name_in_use(self.store)) != self._calibration:
            self._is_replaced = True
            self.log.info("another calibration is in use", name=name or "as configured")

    def _step(self) -> None:
        if self._process is not None:
            self._look_after(self._process)
            return
        if self._next is None or datetime.now(UTC) < self._next:
            return
        due = self._next
        self.lay_anew()
        self._start(due)

    def end(self) -> None:
        """End the job, which is done again another night."""
        if self._process is not None:
            self._kill(self._process, "ended with the daemon")

    def _start(self, due: datetime) -> None:
        context = multiprocessing.get_context("spawn")
        process = context.Process(
            target=_night, args=(self.configuration.settings, self.store.url, due), name="xherald-nightly"
        )
        # As with workers: a signal to all of the daemon's group is the daemon's business.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, FOR_THE_DAEMON)
        try:
            process.start()
        except OSError as fault:  # no memory or no process to be had: another night
            self.metrics.error("nightly")
            self.log.error("nightly job failed", reason=f"its process cannot be started: {fault.strerror or fault}")
            return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._process, self._started = process, datetime.now(UTC)

    def _look_after(self, process: BaseProcess) -> None:
        longest = self.configuration.settings.daemon.nightly_timeout_s
        if process.is_alive():
            if (datetime.now(UTC) - self._started).total_seconds() > longest:
                self._kill(process, f"took longer than daemon.nightly_timeout_s = {longest:g}")
            return
        process.join()
        self._process = None
        if process.exitcode:
            self._failed(f"its process ended with {process.exitcode}")
        else:
            self._with_store(self._tell)

    def _kill(self, process: BaseProcess, why: str) -> None:
        process.kill()
        process.join()
        self._process = None
        self._failed(why)

    def _failed(self, why: str) -> None:
        """Log that the process did not end by itself, and give its turn back, if it had taken one."""

        def note() -> None:
            last = self.store.shared_state(NIGHTLY) or {}
            if last and not last.get("ended") and _is_over(last, datetime.now(UTC)):
                _end_turn(self.store, why)

        self.metrics.error("nightly")
        self.log.error("nightly job failed", reason=why)
        self._with_store(note)

    def _with_store(self, work: Callable[[], object]) -> None:
        try:
            work()
        except StoreError as fault:
            self.metrics.error("store" if isinstance(fault, StoreUnavailableError) else "nightly")
            self.log.warning("nightly job: the store did not answer", reason=str(fault))

    def _tell(self) -> None:
        """Log what the job came to."""
        last = self.store.shared_state(NIGHTLY) or {}
        if last.get("fault"):
            self.metrics.error("nightly")
            self.log.error("nightly job failed", reason=last["fault"])
        if last.get("rebuilt"):
            self.log.info("references rebuilt", **last["rebuilt"])
        drift = self._tell_metrics()
        if drift is None:
            return
        for one in drift.alarms:
            self.log.warning(
                "drift",
                group=one.group,
                p_value=one.p_value,
                effect=one.effect,
                effect_error=one.effect_error,
                threshold=one.threshold,
                sources=one.watched,
                reason=one.words,
            )
        self.log.info("nightly job done", groups=len(drift.groups), drift_alarms=len(drift.alarms))

    def _tell_metrics(self) -> Drift | None:
        """The last verdict, to the metrics too; None where there is none."""
        told = self.store.shared_state(DRIFT)
        if told is None:
            return None
        drift = Drift.from_dict(told)
        self.metrics.drift(
            {one.group: one.p_value for one in drift.groups if one.p_value is not None},
            [one.words for one in drift.alarms],
        )
        return drift


def _take_turn(store: Store, due: datetime | None, now: datetime, longest_s: float) -> bool:
    """Whether it is ours to do; one at a time, and one for each time of the schedule."""
    mine = {"host": socket.gethostname(), "process": os.getpid()}

    def change(state: Json | None) -> Json | None:
        last = state or {}
        is_under_way = bool(last) and last.get("ended") is None and not _is_over(last, now)
        is_done = due is not None and last.get("due") is not None and datetime.fromisoformat(last["due"]) >= due
        if is_under_way or (is_done and last.get("ended") is not None):
            return None
        return {
            "by": mine,
            "begun": now.isoformat(timespec="seconds"),
            "until": (now + timedelta(seconds=longest_s)).isoformat(timespec="seconds"),
            "due": last.get("due") if due is None else due.isoformat(),
            "ended": None,
            "fault": None,
            "rebuilt": None,
        }

    return store.update_shared_state(NIGHTLY, change) is not None


def _is_over(last: Json, now: datetime) -> bool:
    """Whether what never said that it ended cannot be at work any more."""
    if now >= datetime.fromisoformat(last["until"]):
        return True
    if last["by"]["host"] != socket.gethostname():
        return False
    try:
        os.kill(last["by"]["process"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _end_turn(store: Store, fault: str, rebuilt: Json | None = None) -> None:
    ended = datetime.now(UTC).isoformat(timespec="seconds")

    def change(state: Json | None) -> Json | None:
        return None if state is None else {**state, "ended": ended, "fault": fault or None, "rebuilt": rebuilt}

    store.update_shared_state(NIGHTLY, change)


def _night(settings: Settings, url: str, due: datetime) -> None:
    """The job in a process of its own: on one core, behind everybody, and not longer than the daemon lives."""
    os.nice(NICENESS)
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"  # read when the libraries are first imported, below
    threading.Thread(target=_not_outlive_the_daemon, daemon=True).start()
    from xherald.catalog_store.ledger.store import open_store
    from xherald.detector.configuration.configuration import Configuration

    alone = settings.model_copy(update={"timing": replace(settings.timing, threads=1)})
    with open_store(url, create=False) as store:
        try:
            run_night(store, Configuration(alone), due=due)
        except XheraldError:
            return  # kept in the stream's state, where the daemon finds it


def _not_outlive_the_daemon() -> None:
    """End with the daemon, in whatever way that ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
