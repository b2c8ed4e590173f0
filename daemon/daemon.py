"""The daemon: polls, claims, works, keeps and announces, until it is told to end; or one pass over what is there.

`Daemon` puts together what the other modules do, in three kinds of threads: this loop, which alone writes what comes of
drops; the schedule's, which take files in; the sender's. The road itself runs in processes of the pool.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing import Pipe
from typing import Any, Final

from xherald.catalog_store.ledger.drop_outcome import CommittedDrop
from xherald.catalog_store.ledger.records import Drop
from xherald.catalog_store.ledger.states import DropState
from xherald.catalog_store.ledger.store import Store
from xherald.daemon.alerts.dispatch import SHEET_PAUSE, Dispatcher
from xherald.daemon.alerts.outbox_worker import OutboxWorker, send_pass
from xherald.daemon.intake.intake import Intake
from xherald.daemon.intake.notices import Notices, listeners_of, require_notices
from xherald.daemon.intake.polling import Polling, look_at, trigger_of
from xherald.daemon.intake.spool import Files, spool_of
from xherald.daemon.jobs.candidate_sheets import Sheets, sheets_of
from xherald.daemon.jobs.job_runner import JobRunner
from xherald.daemon.jobs.processing import Fault, JobResult, Task
from xherald.daemon.jobs.worker_pool import Pool, resident_gib
from xherald.daemon.nightly.calibration_versions import serving
from xherald.daemon.nightly.nightly import Nights, trigger_of_nights
from xherald.detector.configuration.configuration import Configuration
from xherald.photons.errors import ConfigError, PluginError, StoreUnavailableError, XheraldError
from xherald.plugins import DropSource, Options

from .lock import hold
from .logs import Log, SilentLog
from .metrics import Metrics, Served

__all__ = ["Daemon", "Summary", "opened_sources", "with_daemon_settings"]

BEAT_S: Final = 0.5
COUNTED_EVERY_S: Final = 5.0
CLOCK_STEP_S: Final = 5.0
SENDER_END_S: Final = 60.0
STORE_END_S: Final = 30.0
PASS_PAUSE_S: Final = 0.2
MOST_FAILURES: Final = 3
WORKERS_DIE: Final = "workers end before they are ready"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to.

    Parameters
    ----------
    processed, quarantined : int — drops that it ended
    ended : bool — whether it was told to end before everything was done
    """

    processed: int = 0
    quarantined: int = 0
    ended: bool = False


class _Wake:
    """A line that ends the loop's waiting."""

    def __init__(self) -> None:
        self.reader, self._writer = Pipe(duplex=False)
        self._lock = threading.Lock()

    def set(self) -> None:
        with self._lock:
            if not self.reader.poll():
                self._writer.send(None)

    def clear(self) -> None:
        with self._lock:
            while self.reader.poll():
                self.reader.recv()

    def close(self) -> None:
        self.reader.close()
        self._writer.close()


class Daemon:
    """A stream from drop sources to alert sinks over one store.

    Parameters
    ----------
    configuration : Configuration
    store : Store
    log : Log, optional
    announcing : bool
        Whether candidates are announced; a back-fill keeps them only.
    reload : callable, optional
        Reads the configuration anew when `reload` is asked for.
    finished : callable, optional
        Told of every drop that is finished or set aside.
    work : callable, optional
        What workers do with a file in place of the road; a function of a module.

    Raises
    ------
    ConfigError
        A source's or sink's kind is unknown, or an option wrong.
    StoreError
        Another daemon works on a store on SQLite.
    """

    def __init__(
        self,
        configuration: Configuration,
        store: Store,
        log: Log | None = None,
        *,
        announcing: bool = True,
        reload: Callable[[], Configuration] | None = None,
        finished: Callable[[Drop], None] = lambda _: None,
        work: Callable[[Task, Any], JobResult] | None = None,
    ) -> None:
        self.metrics = Metrics()
        self._configuration, self._store = configuration, store
        self._log: Log = log or SilentLog()
        self._announcing, self._read_anew, self._finished = announcing, reload, finished
        self._work = work
        self._sheets: Sheets | None = None
        self._over = threading.Event()
        self._reloading = threading.Event()
        self._wake = _Wake()
        self._processed = self._quarantined = 0
        self._counted = float("-inf")
        self._trouble: str | None = None
        self.port: int | None = None
        opened_sources(configuration)
        Dispatcher(store, configuration.settings.alerts, configuration.host, "check")

    def end(self) -> None:
        """Finish what is in hand and end; can be called from a signal handler."""
        self._over.set()

    def reload(self) -> None:
        """Read the configuration anew when what is in hand is finished; can be called from a signal handler."""
        self._reloading.set()

    def watch(self) -> Summary:
        """Run until `end`.

        Raises
        ------
        ConfigError
            Notices are to be read, and cannot be.
        """
        require_notices(self._configuration.settings.daemon)
        return self._run(once=False)

    def once(self) -> Summary:
        """Look at every source until all that is there is done, send what is due, and end."""
        return self._run(once=True)

    def _run(self, *, once: bool) -> Summary:
        with ExitStack() as stack:
            taken = hold(self._store)
            stack.callback(taken.release)
            self._store.release_worker(taken.name)
            settings = self._configuration.settings.daemon
            if settings.metrics_port and not once:
                served = Served(self.metrics, settings.metrics_port)
                stack.callback(served.close)
                self.port = served.port
            self._log.info("started", store=self._store.name, worker=taken.name, process=os.getpid())
            while True:
                (self._one_pass if once else self._one_life)(taken.name)
                if self._over.is_set() or not self._reloading.is_set():
                    break
                self._take_new_settings()
            self._log.info("ended", processed=self._processed, quarantined=self._quarantined)
        return Summary(self._processed, self._quarantined, self._over.is_set())

    # A life with one configuration

    def _one_life(self, worker: str) -> None:
        """Watch until told to end or to read the configuration anew."""
        pool, files, sources = self._begin()
        sender = self._sender(worker)
        nights = Nights(self._configuration, self._store, self.metrics, self._log)
        job_runner = self._crew(worker, pool, files, sender)
        polling: Polling | None = None
        notices: Notices | None = None
        try:
            pool.start()
            intakes = self._intakes(sources, files, job_runner, once=False)
            settings = self._configuration.settings.daemon
            polling = Polling(intakes, settings.sources, self.metrics, self._log, lambda: self._found(job_runner))
            if listeners_of(settings):
                notices = Notices(settings, polling, self.metrics, self._log, self._stopping)
            clock = time.time() - time.monotonic()
            while not (self._over.is_set() or self._reloading.is_set()):
                job_runner.step(BEAT_S, also=[self._wake.reader])
                self._wake.clear()
                self._heartbeat(job_runner)
                if nights.step():
                    self._reloading.set()
                if abs(step := time.time() - time.monotonic() - clock) > CLOCK_STEP_S:
                    clock += step
                    self._log.warning("the clock was set", seconds=round(step, 1))
                    polling.look_at_all()
                    nights.lay_anew()
        finally:
            nights.end()
            if notices is not None:
                notices.end()
            if polling is not None:
                polling.end()
            self._shutdown(job_runner, pool)
            sender.end(SENDER_END_S)

    def _one_pass(self, worker: str) -> None:
        """Look at every source till nothing waits, and work till nothing is left."""
        pool, files, sources = self._begin()
        sender = self._sender(worker) if self._announcing else None
        job_runner = self._crew(worker, pool, files, sender)
        looking = threading.Event()

        def look() -> None:
            try:
                for intake in intakes.values():
                    while not self._over.is_set():
                        told = look_at(intake, self.metrics, self._log)
                        if isinstance(told, Fault):
                            break
                        self._quarantined += told.quarantined
                        if not told.waiting:
                            break
                        self._over.wait(PASS_PAUSE_S)
            finally:
                looking.set()

        intakes = self._intakes(sources, files, job_runner, once=True)
        thread = threading.Thread(target=look, name="xherald-intake", daemon=True)
        try:
            pool.start()
            thread.start()
            while not self._over.is_set():
                if pool.failures >= MOST_FAILURES:
                    raise PluginError(f"{WORKERS_DIE}; see their traces above")
                seen_all = looking.is_set()
                job_runner.step(0.1, also=[self._wake.reader])
                self._wake.clear()
                self._heartbeat(job_runner)
                if seen_all and not job_runner.busy and not self._left():
                    break
        finally:
            if pool.failures >= MOST_FAILURES:
                self._over.set()  # so that the look ends too
            thread.join()
            self._shutdown(job_runner, pool)
            if sender is not None:
                sender.end(SENDER_END_S)
        if self._announcing:
            # What is not drawn by now never will be.
            dispatcher = replace(self._dispatcher(worker), sheet_wait=timedelta(0))
            while send_pass(dispatcher, self.metrics, self._log) or self._held_for_sheets():
                continue

    def _begin(self) -> tuple[Pool, Files, Mapping[str, tuple[DropSource, Options]]]:
        self._configuration.host.listen(self.metrics.broke)
        sources = opened_sources(self._configuration)
        files = Files(spool_of(self._configuration.settings.daemon.spool_folder, self._store), sources)
        files.purge(self._store)
        used = serving(self._configuration, self._store, self._log)
        self._sheets = sheets_of(self._configuration) if self._announcing else None
        drawing = None if self._sheets is None else self._sheets.folder
        return Pool(used, self._configuration.settings.daemon, self._work, drawing), files, sources

    def _crew(self, worker: str, pool: Pool, files: Files, sender: OutboxWorker | None) -> JobRunner:
        def finished(done: CommittedDrop) -> None:
            if done.drop.state is DropState.QUARANTINED:
                self._quarantined += 1
            else:
                self._processed += 1
            self._finished(done.drop)
            if sender is not None and done.alerts:
                sender.wake()

        return JobRunner(
            worker,
            self._store,
            self._configuration,
            pool,
            files,
            self.metrics,
            self._log,
            announcing=self._announcing,
            sheets=self._sheets,
            finished=finished,
        )

    def _intakes(
        self, sources: Mapping[str, tuple[DropSource, Options]], files: Files, job_runner: JobRunner, *, once: bool
    ) -> dict[str, Intake]:
        stream = self._configuration.settings.daemon
        return {
            name: Intake(
                name,
                source,
                options,
                self._store,
                files,
                self._configuration,
                stream,
                once,
                self._stopping,
                lambda: self._found(job_runner),
            )
            for name, (source, options) in sources.items()
        }

    def _dispatcher(self, worker: str) -> Dispatcher:
        return Dispatcher(self._store, self._configuration.settings.alerts, self._configuration.host, worker)

    def _sender(self, worker: str) -> OutboxWorker:
        return OutboxWorker(self._dispatcher(worker), self._store, self.metrics, self._log)

    def _stopping(self) -> bool:
        return self._over.is_set() or self._reloading.is_set()

    def _found(self, job_runner: JobRunner) -> None:
        job_runner.ask_at_once()
        self._wake.set()

    def _held_for_sheets(self) -> bool:
        """Whether alerts that waited for their plot sheets are about to be due; then till they are."""
        due = self._store.next_alert_due() if self._sheets is not None else None
        wait = None if due is None else due - datetime.now(UTC)
        if wait is None or wait > SHEET_PAUSE or self._over.is_set():
            return False
        time.sleep(max(wait.total_seconds(), 0.0))
        return True

    def _tell_of_sheets(self, pool: Pool) -> None:
        for reason in pool.undrawn():
            self.metrics.error("sheet")
            self._log.warning("sheet not drawn", reason=reason)
        if self._sheets is not None:
            self._sheets.purge()

    def _left(self) -> int:
        """Drops that somebody is still to work on."""
        try:
            counts = self._store.drop_counts()
        except StoreUnavailableError:
            return 1
        return counts[DropState.STABLE]

    def _shutdown(self, job_runner: JobRunner, pool: Pool) -> None:
        """Finish the files in hand, give back the others, and send the workers home."""
        until = time.monotonic() + STORE_END_S
        while pool.in_hand or (job_runner.has_answers and time.monotonic() < until):
            if pool.in_hand:
                until = time.monotonic() + STORE_END_S
            job_runner.step(0.1, claiming=False)
        self._tell_of_sheets(pool)
        try:
            job_runner.give_back()
        except StoreUnavailableError as fault:
            self._log.warning("claims are left to run out", reason=str(fault))
        pool.end()

    def _heartbeat(self, job_runner: JobRunner) -> None:
        """Say that the loop comes round, and now and then how things stand."""
        self._tell_of_sheets(job_runner.pool)
        moment = time.monotonic()
        if moment - self._counted < COUNTED_EVERY_S:
            self.metrics.beat(self._trouble)
            return
        self._counted = moment
        try:
            states = {state.value: number for state, number in self._store.drop_counts().items()}
            oldest = self._store.oldest_waiting()
        except StoreUnavailableError as fault:
            self._trouble = str(fault)
        else:
            self._trouble = WORKERS_DIE if job_runner.pool.failures >= MOST_FAILURES else None
            age = 0.0 if oldest is None else max((datetime.now(UTC) - oldest).total_seconds(), 0.0)
            held = sum(resident_gib(one) for one in (os.getpid(), *job_runner.pool.processes))
            self.metrics.queue(states, age, held * 2**30)
        self.metrics.beat(self._trouble)

    def _take_new_settings(self) -> None:
        """Read the configuration anew; one that is wrong changes nothing."""
        self._reloading.clear()
        if self._read_anew is None:
            return
        before = self._configuration
        try:
            self._configuration = self._read_anew()
            opened_sources(self._configuration)
            require_notices(self._configuration.settings.daemon)
            self._dispatcher("check")
        except XheraldError as fault:
            self._configuration = before
            self._log.error("configuration not taken", reason=str(fault))
            return
        self._log.info("configuration taken")


def opened_sources(configuration: Configuration) -> dict[str, tuple[DropSource, Options]]:
    """Drop sources that the settings name, their options checked.

    Raises
    ------
    ConfigError
        A kind is unknown, or an option or a schedule wrong.
    """
    host, opened = configuration.host, {}
    if (nightly := configuration.settings.daemon.nightly_cron) is not None:
        trigger_of_nights(nightly)
    for name, settings in configuration.settings.daemon.sources.items():
        trigger_of(name, settings)
        source = host.drop_sources.get(settings.kind)
        if source is None:
            known = ", ".join(sorted(host.drop_sources))
            raise ConfigError(
                f"daemon.sources.{name}.kind: no drop source is named {settings.kind!r}; there are {known}"
            )
        opened[name] = (source, host.options_for(source, settings.options, f"daemon.sources.{name}"))
    return opened


def with_daemon_settings(configuration: Configuration, **changes: Any) -> Configuration:
    """The configuration with some settings of the stream replaced."""
    settings = configuration.settings
    stream = settings.daemon.model_copy(update=changes)
    return replace(configuration, settings=settings.model_copy(update={"daemon": stream}))
