"""The daemon's hands: claims drops, gives them to workers, and keeps in the store what comes of each: `JobRunner`.

All that is written is written here, in one process. What the store cannot take for now is held and tried again; what
stands in a file's way and may pass is held too, with its claim.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from xherald.catalog_store.ledger.drop_outcome import CommittedDrop, DropResult
from xherald.catalog_store.ledger.records import Drop
from xherald.catalog_store.ledger.states import DropState
from xherald.catalog_store.ledger.store import Store
from xherald.daemon.alerts.alert_builder import announcer
from xherald.daemon.intake.spool import Files
from xherald.daemon.logs import Log
from xherald.daemon.metrics import Metrics
from xherald.detector.configuration.configuration import Configuration
from xherald.photons.errors import DropError, StoreError, StoreUnavailableError

from .candidate_sheets import Sheets
from .decisions import announce_nothing, decide
from .drop_results import Result
from .processing import Fault, JobResult, Task
from .worker_pool import Pool

__all__ = ["JobRunner"]

LEASE: Final = timedelta(minutes=15)
ASKED_EVERY_S: Final = 1.0
STORE_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 300.0
KEPT_AT_ONCE: Final = 64
KEPT_EVERY_S: Final = 0.05
"""Results go to the store together: so many, or those of so long, s; at once where no other is under way."""

MOST_AHEAD: Final = 16
QUICK_S: Final = 0.5
"""Files a worker claimed ahead at most, where those claimed before were gone in less than this, s. At first there is
one: a claim is an attempt, and a daemon that is killed again and again is to cost few files one."""

MOST_TOGETHER: Final = 16
SMALL_BYTES: Final = 2**20
"""Files that a worker is given together at most, and bytes in all; a larger file goes alone."""

HELD_A_WORKER: Final = 4
"""Files a worker that may be held back by something passing, before no more are claimed."""


@dataclass(slots=True)
class _InHand:
    """A claimed drop, how often something passing stood in its way, and from when on to try again, monotonic s."""

    drop: Drop
    hindered: int = 0
    ready_at: float = 0.0


@dataclass(slots=True)
class JobRunner:
    """Carries claimed drops to their end.

    Parameters
    ----------
    worker : str — name that claims bear; nobody else alive has it
    store : Store
    configuration : Configuration
    pool : Pool
    files : Files
    metrics : Metrics
    log : Log
    announcing : bool
        Whether candidates are announced; a back-fill only keeps them, and leaves false-discovery control alone.
    sheets : Sheets or None — where plot sheets are drawn, if some sink wants them
    finished : callable — told of every drop that was finished or set aside, and of the alerts that it gave
    """

    worker: str
    store: Store
    configuration: Configuration
    pool: Pool
    files: Files
    metrics: Metrics
    log: Log
    announcing: bool = True
    sheets: Sheets | None = None
    finished: Callable[[CommittedDrop], None] = lambda _: None
    _hand: dict[int, _InHand] = field(default_factory=dict, init=False)
    _given: set[int] = field(default_factory=set, init=False)
    _answers: list[JobResult] = field(default_factory=list, init=False)
    _asked: float = field(default=float("-inf"), init=False)
    _renewed: float = field(default_factory=time.monotonic, init=False)
    _store_back: float = field(default=0.0, init=False)
    _kept: float = field(default=0.0, init=False)
    _claimed: float = field(default=float("-inf"), init=False)
    _ahead: int = field(default=1, init=False)

    @property
    def busy(self) -> bool:
        """Whether something is in hand."""
        return bool(self._hand or self._answers)

    @property
    def has_answers(self) -> bool:
        """Whether something came of files that the store has not taken yet."""
        return bool(self._answers)

    def ask_at_once(self) -> None:
        """There may be something to claim."""
        self._asked = float("-inf")

    def step(self, timeout: float, *, claiming: bool = True, also: Any = ()) -> int:
        """Claim what workers are free for, wait for what they say, and keep it; answers how many drops were ended."""
        moment = time.monotonic()
        if moment >= self._store_back:
            self._with_store(lambda: self._claim(moment) if claiming else None)
            self._with_store(lambda: self._renew(moment))
        self._give(moment)
        answers = self.pool.answers(min(timeout, KEPT_EVERY_S) if self._answers else timeout, also)
        for kind, plugin, times in (broken for answer in answers for broken in answer.broken):
            self.metrics.broke(kind, plugin, times)
        self._answers += answers
        self._give(moment)
        return self._keep()

    def give_back(self) -> None:
        """Give back what nobody works on; what workers have in hand is to be waited for before."""
        for drop_id in [one for one in self._hand if one not in self._given]:
            self.store.release(drop_id)
            del self._hand[drop_id]

    # Claiming and giving

    def _claim(self, moment: float) -> None:
        ungiven = [one for drop_id, one in self._hand.items() if drop_id not in self._given]
        if not self.pool.idle or any(one.ready_at <= moment for one in ungiven):
            return
        held = sum(one.hindered > 0 for one in ungiven)
        if held >= HELD_A_WORKER * self.pool.size or moment < self._asked + ASKED_EVERY_S:
            return
        self._ahead = min(2 * self._ahead, MOST_AHEAD) if moment - self._claimed < QUICK_S else 1
        self._claimed = moment
        # The next file is at hand when one is done.
        wanted = self.pool.idle + self._ahead * self.pool.size
        attempts = self.configuration.settings.daemon.max_attempts
        drops = self.store.claim(self.worker, wanted, lease=LEASE, max_attempts=attempts)
        if len(drops) < wanted:
            self._asked = moment
        for drop in drops:
            self._hand[drop.id] = _InHand(drop)

    def _give(self, moment: float) -> None:
        """Hand out what waits to the workers that are free."""
        waiting = deque(one for key, one in self._hand.items() if key not in self._given and one.ready_at <= moment)
        while waiting and self.pool.idle > 0:
            if tasks := self._next_batch(waiting):
                self.pool.give(*tasks)

    def _next_batch(self, waiting: deque[_InHand]) -> list[Task]:
        """A worker's share of what waits, taken off it: a large file, or some small ones, which go quicker together."""
        share = min(-(-len(waiting) // self.pool.size), MOST_TOGETHER)
        tasks: list[Task] = []
        size = 0
        while waiting and len(tasks) < share:
            drop = waiting[0].drop
            # What took a worker with it before is not put together with others.
            if tasks and (drop.attempts > 1 or size + drop.size > SMALL_BYTES):
                break
            waiting.popleft()
            self._given.add(drop.id)
            try:
                tasks.append(Task(drop.id, self.files.of(drop), drop.source))
            except DropError as fault:
                kind = Fault.TRANSIENT if fault.is_transient else Fault.FILE
                self._answers.append(JobResult(drop.id, None, kind, str(fault)))
                continue
            size += drop.size
            if drop.attempts > 1:
                break
        return tasks

    def _renew(self, moment: float) -> None:
        if self._hand and moment - self._renewed > LEASE.total_seconds() / 3:
            self._renewed = moment
            self.store.renew_claims(self.worker, list(self._hand), lease=LEASE)

    # Keeping

    def _keep(self) -> int:
        """Write down what is known; what the store cannot take for now stays."""
        ended, moment = 0, time.monotonic()
        under_way = len(self._given) > len(self._answers)
        if under_way and len(self._answers) < KEPT_AT_ONCE and moment < self._kept + KEPT_EVERY_S:
            return 0
        self._kept = moment
        while self._answers and time.monotonic() >= self._store_back:
            some = self._of_one_kind()
            if not self._with_store(lambda some=some: self._settle(some)):  # type: ignore[misc]
                break
            del self._answers[: len(some)]
            ended += sum(one.drop_id not in self._hand for one in some)
        return ended

    def _of_one_kind(self) -> list[JobResult]:
        """The next answers that can be kept in one step: results, or one that is none."""
        some: list[JobResult] = []
        for one in self._answers[:KEPT_AT_ONCE]:
            if one.result is None:
                break
            some.append(one)
        return some or self._answers[:1]

    def _with_store(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except StoreUnavailableError as fault:
            self.metrics.error("store")
            self.log.warning("store unavailable", reason=str(fault))
            self._store_back = time.monotonic() + STORE_WAIT_S
            return False
        return True

    def _settle(self, answers: Sequence[JobResult]) -> None:
        """Carry some answers to their end, as `_of_one_kind` gives them."""
        mine = [(self._hand[one.drop_id], one) for one in answers if one.drop_id in self._hand]
        results = [(one.drop, answer) for one, answer in mine if answer.result is not None]
        if results:
            self._finish_all(results)
        for one, answer in mine:
            if answer.fault is Fault.TRANSIENT:
                self._hold(one, answer.reason)
                continue
            if answer.fault is Fault.FILE:
                self._set_aside(one.drop, answer.reason, "file")
            elif answer.fault is Fault.DEFECT:
                self._try_again(one.drop, answer)
            self._forget(one.drop)

    def _finish_all(self, results: Sequence[tuple[Drop, JobResult]]) -> None:
        """Keep results in one step; where the store refuses one of them, each in its own."""
        try:
            self._finish(results)
        except StoreUnavailableError:
            raise
        except StoreError as fault:
            if len(results) == 1:
                self._set_aside(results[0][0], str(fault), "store")
                return
            for one in results:
                self._finish_all([one])

    def _finish(self, results: Sequence[tuple[Drop, JobResult]]) -> None:
        done = self.store.commit_results(
            [self._ending(drop, answer.result) for drop, answer in results if answer.result]
        )
        for (drop, answer), one in zip(results, done, strict=True):
            result = answer.result
            assert result is not None
            sources = sum(len(observation.detections) for observation in result.observations)
            waited = max((datetime.now(UTC) - drop.first_seen).total_seconds(), 0.0)
            if one.is_new:
                self.metrics.processed(sources, len(result.candidates), waited)
                self.log.info(
                    "processed",
                    drop=drop.id,
                    url=drop.url,
                    sources=sources,
                    candidates=len(result.candidates),
                    state=one.drop.state.value,
                    superseded=list(one.superseded),
                    seconds=round(waited, 3),
                )
                self.finished(one)
            self.files.discard(drop)

    def _ending(self, drop: Drop, result: Result) -> DropResult:
        settings = self.configuration.settings
        mark = drop.sha256 or str(drop.id)
        announce = announcer(settings.alerts, mark, self.sheets) if self.announcing else announce_nothing
        deciding = decide(
            result,
            settings.daemon.false_discovery_method if self.announcing else None,
            settings.daemon.false_discovery_level,
            settings.detection.false_alarms_per_1000 / 1000.0,
            announce,
        )
        return DropResult(drop.id, result.run, result.observations, deciding)

    def _set_aside(self, drop: Drop, reason: str, kind: str) -> None:
        if not self._is_mine(drop):
            self.log.warning("claim lost", drop=drop.id, url=drop.url, reason=reason)
            return
        done = self.store.quarantine(drop.id, reason)
        self.metrics.quarantined(kind)
        self.log.warning("quarantined", drop=drop.id, url=drop.url, reason=reason)
        self.files.discard(drop)
        self.finished(CommittedDrop(True, done))

    def _try_again(self, drop: Drop, answer: JobResult) -> None:
        """Another attempt later, after a time that doubles; the store counts them."""
        stream = self.configuration.settings.daemon
        self.metrics.error("defect")
        self.log.error("attempt lost", drop=drop.id, url=drop.url, reason=answer.reason, trace=answer.trace or None)
        if drop.attempts >= stream.max_attempts:
            self._set_aside(drop, f"given up after {drop.attempts} attempts: {answer.reason}", "defect")
            return
        later = timedelta(seconds=stream.retry_delay_s * 2 ** (drop.attempts - 1))
        self.store.postpone(drop.id, self.worker, answer.reason, datetime.now(UTC) + later)

    def _hold(self, one: _InHand, reason: str) -> None:
        """Keep the claim, and try again when what is in the way may have passed."""
        stream = self.configuration.settings.daemon
        wait = min(max(stream.retry_delay_s, 0.1) * 2**one.hindered, LONGEST_WAIT_S)
        one.hindered += 1
        one.ready_at = time.monotonic() + wait
        self._given.discard(one.drop.id)
        self.metrics.error("passing")
        self.log.warning("held back", drop=one.drop.id, url=one.drop.url, reason=reason, seconds=round(wait, 1))

    def _forget(self, drop: Drop) -> None:
        self._hand.pop(drop.id, None)
        self._given.discard(drop.id)

    def _is_mine(self, drop: Drop) -> bool:
        now = self.store.drop(drop.id)
        return now.state is DropState.CLAIMED and now.claimed_by == self.worker
