"""Claims drops, runs them as jobs in the worker pool, and commits their results to the store: `JobRunner`.

Only this class, in the daemon's process, writes results. Results that the store cannot take are kept and committed
later; jobs that failed for a transient reason are kept, with their claims, and retried.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from xherald.catalog_store.ledger.coverage import name_camera
from xherald.catalog_store.ledger.drop_outcome import CommittedDrop, DropResult
from xherald.catalog_store.ledger.records import Drop, ObservationRecord
from xherald.catalog_store.ledger.states import DropState
from xherald.catalog_store.ledger.store import Store
from xherald.daemon.alerts.alert_builder import make_alert_builder
from xherald.daemon.intake.spool import DropFiles
from xherald.daemon.logs import Log
from xherald.daemon.metrics import Metrics
from xherald.detector.configuration.configuration import Configuration
from xherald.photons.errors import DropError, StoreError, StoreUnavailableError

from .candidate_sheets import SheetFolder
from .decisions import build_no_alerts, make_decision
from .drop_results import FileResult
from .processing import Fault, Job, JobResult
from .worker_pool import WorkerPool

__all__ = ["JobRunner"]

LEASE: Final = timedelta(minutes=15)
CLAIM_INTERVAL_S: Final = 1.0
STORE_RETRY_S: Final = 1.0
MAX_RETRY_DELAY_S: Final = 300.0
MAX_RESULTS_PER_COMMIT: Final = 64
COMMIT_INTERVAL_S: Final = 0.05
"""Results are committed together: up to this number, or those of this time; at once if no other job is running."""

MAX_CLAIMED_AHEAD: Final = 16
FAST_S: Final = 0.5
"""Files claimed ahead for each worker at most, if the last claimed ones were processed in less than this time. At first
one file is claimed ahead: a claim counts as an attempt, and a daemon that is killed repeatedly should use up few."""

MAX_JOBS_PER_BATCH: Final = 16
MAX_BATCH_BYTES: Final = 2**20
"""Number and total size of files that are sent to a worker together; a larger file is sent alone."""

MAX_SIBLINGS: Final = 4
"""Files of other cameras that are tested together with a file."""

MAX_DELAYED_PER_WORKER: Final = 4
"""Files per worker that may be delayed for transient reasons before no further ones are claimed."""


@dataclass(slots=True)
class _ClaimedDrop:
    """A claimed drop, its number of transient failures, and the time of its next attempt (monotonic, s).

    `siblings` are the files of other cameras of its observation, known from the first result.
    """

    drop: Drop
    transient_failures: int = 0
    ready_at: float = 0.0
    siblings: tuple[Path, ...] = ()


@dataclass(slots=True)
class JobRunner:
    """Runs claimed drops as jobs and commits the results.

    Parameters
    ----------
    worker : str — name of the daemon in claims; unique among live daemons
    store : Store
    configuration : Configuration
    pool : WorkerPool
    files : DropFiles
    metrics : Metrics
    log : Log
    sends_alerts : bool
        Whether candidates are announced; otherwise they are only stored, without false-discovery control.
    sheets : SheetFolder or None — where plot sheets are drawn, if a sink attaches them
    on_done : callable — called with every drop that was processed or quarantined
    """

    worker: str
    store: Store
    configuration: Configuration
    pool: WorkerPool
    files: DropFiles
    metrics: Metrics
    log: Log
    sends_alerts: bool = True
    sheets: SheetFolder | None = None
    on_done: Callable[[CommittedDrop], None] = lambda _: None
    _claimed: dict[int, _ClaimedDrop] = field(default_factory=dict, init=False)
    _submitted: set[int] = field(default_factory=set, init=False)
    _results: list[JobResult] = field(default_factory=list, init=False)
    _last_empty_claim: float = field(default=float("-inf"), init=False)
    _last_renewal: float = field(default_factory=time.monotonic, init=False)
    _store_retry_at: float = field(default=0.0, init=False)
    _last_commit: float = field(default=0.0, init=False)
    _last_claim: float = field(default=float("-inf"), init=False)
    _claim_ahead: int = field(default=1, init=False)

    @property
    def is_busy(self) -> bool:
        """Whether any drop is claimed or any result is uncommitted."""
        return bool(self._claimed or self._results)

    @property
    def has_uncommitted(self) -> bool:
        """Whether any result is uncommitted."""
        return bool(self._results)

    def claim_soon(self) -> None:
        """Claim at the next step, as new drops may be stable."""
        self._last_empty_claim = float("-inf")

    def step(self, timeout_s: float, *, claiming: bool = True, also: Any = ()) -> int:
        """Claim drops for idle workers, wait for results and commit them; returns the number of drops done."""
        now = time.monotonic()
        if now >= self._store_retry_at:
            self._with_store(lambda: self._claim(now) if claiming else None)
            self._with_store(lambda: self._renew(now))
        self._submit(now)
        results = self.pool.collect_results(min(timeout_s, COMMIT_INTERVAL_S) if self._results else timeout_s, also)
        for kind, plugin, times in (failure for result in results for failure in result.plugin_failures):
            self.metrics.count_plugin_failure(kind, plugin, times)
        self._results += results
        self._submit(now)
        return self._commit_due()

    def release_claims(self) -> None:
        """Release claimed drops that were not submitted; wait for the submitted ones before."""
        for drop_id in [one for one in self._claimed if one not in self._submitted]:
            self.store.release(drop_id)
            del self._claimed[drop_id]

    # Claiming and submitting

    def _claim(self, now: float) -> None:
        waiting = [one for drop_id, one in self._claimed.items() if drop_id not in self._submitted]
        if not self.pool.idle or any(one.ready_at <= now for one in waiting):
            return
        delayed = sum(one.transient_failures > 0 for one in waiting)
        is_early = now < self._last_empty_claim + CLAIM_INTERVAL_S
        if is_early or delayed >= MAX_DELAYED_PER_WORKER * self.pool.size:
            return
        self._claim_ahead = min(2 * self._claim_ahead, MAX_CLAIMED_AHEAD) if now - self._last_claim < FAST_S else 1
        self._last_claim = now
        # Claim ahead, so that the next file is available when a worker is done.
        limit = self.pool.idle + self._claim_ahead * self.pool.size
        max_attempts = self.configuration.settings.daemon.max_attempts
        drops = self.store.claim(self.worker, limit, lease=LEASE, max_attempts=max_attempts)
        if len(drops) < limit:
            self._last_empty_claim = now
        for drop in drops:
            self._claimed[drop.id] = _ClaimedDrop(drop)

    def _submit(self, now: float) -> None:
        """Submit waiting drops to idle workers."""
        waiting = deque(
            one for drop_id, one in self._claimed.items() if drop_id not in self._submitted and one.ready_at <= now
        )
        while waiting and self.pool.idle > 0:
            if jobs := self._next_batch(waiting):
                self.pool.submit(*jobs)

    def _next_batch(self, waiting: deque[_ClaimedDrop]) -> list[Job]:
        """Jobs for one worker, removed from the queue: a large file, or several small ones."""
        limit = min(-(-len(waiting) // self.pool.size), MAX_JOBS_PER_BATCH)
        jobs: list[Job] = []
        size = 0
        while waiting and len(jobs) < limit:
            drop = waiting[0].drop
            siblings = waiting[0].siblings
            # A file that was attempted before is processed alone, and so is one with other cameras' files.
            is_alone = drop.attempts > 1 or bool(siblings)
            if jobs and (is_alone or size + drop.size > MAX_BATCH_BYTES):
                break
            waiting.popleft()
            self._submitted.add(drop.id)
            try:
                jobs.append(Job(drop.id, self.files.locate(drop), drop.source, siblings))
            except DropError as fault:
                kind = Fault.TRANSIENT if fault.is_transient else Fault.FILE
                self._results.append(JobResult(drop.id, None, kind, str(fault)))
                continue
            size += drop.size
            if is_alone:
                break
        return jobs

    def _renew(self, now: float) -> None:
        if self._claimed and now - self._last_renewal > LEASE.total_seconds() / 3:
            self._last_renewal = now
            self.store.renew_claims(self.worker, list(self._claimed), lease=LEASE)

    # Committing

    def _commit_due(self) -> int:
        """Commit results; those that the store cannot take are kept."""
        done, now = 0, time.monotonic()
        has_running = len(self._submitted) > len(self._results)
        if has_running and len(self._results) < MAX_RESULTS_PER_COMMIT and now < self._last_commit + COMMIT_INTERVAL_S:
            return 0
        self._last_commit = now
        while self._results and time.monotonic() >= self._store_retry_at:
            some = self._next_results()
            if not self._with_store(lambda some=some: self._handle(some)):  # type: ignore[misc]
                break
            del self._results[: len(some)]
            done += sum(one.drop_id not in self._claimed for one in some)
        return done

    def _next_results(self) -> list[JobResult]:
        """The next results to handle in one transaction: several successes, or one failure."""
        some: list[JobResult] = []
        for one in self._results[:MAX_RESULTS_PER_COMMIT]:
            if one.result is None:
                break
            some.append(one)
        return some or self._results[:1]

    def _with_store(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except StoreUnavailableError as fault:
            self.metrics.count_error("store")
            self.log.warning("store unavailable", reason=str(fault))
            self._store_retry_at = time.monotonic() + STORE_RETRY_S
            return False
        return True

    def _handle(self, results: Sequence[JobResult]) -> None:
        """Commit successes; retry or quarantine failures."""
        claimed = [(self._claimed[one.drop_id], one) for one in results if one.drop_id in self._claimed]
        claimed = self._repeat_with_siblings(claimed)
        successes = [(one.drop, result.result) for one, result in claimed if result.result is not None]
        if successes:
            self._commit_all(successes)
        for one, result in claimed:
            if result.fault is Fault.TRANSIENT:
                self._delay(one, result.reason)
                continue
            if result.fault is Fault.FILE:
                self._quarantine(one.drop, result.reason, "file")
            elif result.fault is Fault.DEFECT:
                self._retry(one.drop, result)
            self._forget(one.drop)

    def _repeat_with_siblings(
        self, claimed: Sequence[tuple[_ClaimedDrop, JobResult]]
    ) -> list[tuple[_ClaimedDrop, JobResult]]:
        """Submit files again, with those of other cameras of the observation; returns the results to handle now."""
        kept: list[tuple[_ClaimedDrop, JobResult]] = []
        for one, result in claimed:
            if result.result is not None and len(result.result.observations) == 1:
                (present,) = result.result.observations
                drops = [
                    *self.store.sibling_drops(present),
                    *(other.drop for other, its in kept if _is_sibling(its.result, present)),
                ]
                paths = [path for drop in drops if (path := self.files.find_local(drop)) is not None]
                siblings = tuple(dict.fromkeys(paths))[:MAX_SIBLINGS]
                if not set(siblings) <= set(one.siblings):
                    one.siblings = siblings
                    self._submitted.discard(one.drop.id)
                    continue
            kept.append((one, result))
        return kept

    def _commit_all(self, results: Sequence[tuple[Drop, FileResult]]) -> None:
        """Commit results in one transaction; if the store rejects one of them, each in its own."""
        try:
            self._commit(results)
        except StoreUnavailableError:
            raise
        except StoreError as fault:
            if len(results) == 1:
                self._quarantine(results[0][0], str(fault), "store")
                return
            for one in results:
                self._commit_all([one])

    def _commit(self, results: Sequence[tuple[Drop, FileResult]]) -> None:
        committed = self.store.commit_results([self._make_drop_result(drop, result) for drop, result in results])
        for (drop, result), one in zip(results, committed, strict=True):
            detections = sum(len(observation.detections) for observation in result.observations)
            latency_s = max((datetime.now(UTC) - drop.first_seen).total_seconds(), 0.0)
            if one.is_new:
                self.metrics.count_processed(detections, len(result.candidates), latency_s)
                self.log.info(
                    "processed",
                    drop=drop.id,
                    url=drop.url,
                    detections=detections,
                    candidates=len(result.candidates),
                    state=one.drop.state.value,
                    superseded=list(one.superseded),
                    latency_s=round(latency_s, 3),
                    notes=[note for record in result.observations for note in record.details.get("notes", ())],
                )
                for alert in one.withheld:
                    self.metrics.count_alert(alert.sink, "muted")
                    self.log.info("alert", result="muted", sink=alert.sink, alert=alert.id, reason=alert.withheld)
                self.on_done(one)
            self.files.discard(drop)

    def _make_drop_result(self, drop: Drop, result: FileResult) -> DropResult:
        settings = self.configuration.settings
        cause = drop.sha256 or str(drop.id)
        decide = make_decision(
            result,
            settings.daemon.false_discovery_level if self.sends_alerts else None,
            settings.detection.false_alarms_per_1000 / 1000.0,
            make_alert_builder(settings.alerts, cause, self.sheets) if self.sends_alerts else build_no_alerts,
            settings.detection.sources_per_day,
            self.configuration,
        )
        return DropResult(drop.id, result.run, result.observations, decide)

    def _quarantine(self, drop: Drop, reason: str, kind: str) -> None:
        if not self._holds_claim(drop):
            self.log.warning("claim lost", drop=drop.id, url=drop.url, reason=reason)
            return
        quarantined = self.store.quarantine(drop.id, reason)
        self.metrics.count_quarantined(kind)
        self.log.warning("quarantined", drop=drop.id, url=drop.url, reason=reason)
        self.files.discard(drop)
        self.on_done(CommittedDrop(True, quarantined))

    def _retry(self, drop: Drop, result: JobResult) -> None:
        """Postpone a drop after a defect, with a delay that doubles, until the attempts are used up."""
        settings = self.configuration.settings.daemon
        self.metrics.count_error("defect")
        self.log.error("attempt failed", drop=drop.id, url=drop.url, reason=result.reason, trace=result.trace or None)
        if drop.attempts >= settings.max_attempts:
            self._quarantine(drop, f"failed {drop.attempts} times: {result.reason}", "defect")
            return
        delay = timedelta(seconds=settings.retry_delay_s * 2 ** (drop.attempts - 1))
        self.store.postpone(drop.id, self.worker, result.reason, datetime.now(UTC) + delay)

    def _delay(self, one: _ClaimedDrop, reason: str) -> None:
        """Keep the claim of a drop after a transient failure, and retry later."""
        settings = self.configuration.settings.daemon
        delay_s = min(max(settings.retry_delay_s, 0.1) * 2**one.transient_failures, MAX_RETRY_DELAY_S)
        one.transient_failures += 1
        one.ready_at = time.monotonic() + delay_s
        self._submitted.discard(one.drop.id)
        self.metrics.count_error("transient")
        self.log.warning("delayed", drop=one.drop.id, url=one.drop.url, reason=reason, retry_in_s=round(delay_s, 1))

    def _forget(self, drop: Drop) -> None:
        self._claimed.pop(drop.id, None)
        self._submitted.discard(drop.id)

    def _holds_claim(self, drop: Drop) -> bool:
        stored = self.store.drop(drop.id)
        return stored.state is DropState.CLAIMED and stored.claimed_by == self.worker


def _is_sibling(result: FileResult | None, present: ObservationRecord) -> bool:
    """Whether a result is of another camera of the observation."""
    if result is None or not present.obs_id or present.start is None:
        return False
    return any(
        (one.mission, one.obs_id) == (present.mission, present.obs_id) and _camera(one) != _camera(present)
        for one in result.observations
    )


def _camera(one: ObservationRecord) -> str:
    return name_camera(one.instrument, one.coverage.get("good_times", ()))
