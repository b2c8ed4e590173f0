"""The outbox's dispatcher: takes what is due, hands it to the sinks, and writes down what became of it.

A try that fails is repeated after a time that doubles, with jitter, up to a limit; the sink is left alone meanwhile.
Between sending and writing that down a crash may fall: then the alert is handed out again under its id.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from xherald.catalog_store.ledger.records import StoredAlert
from xherald.catalog_store.ledger.states import AlertState, AlertType
from xherald.photons.errors import AlertRefusedError, ConfigError, SinkUnavailableError
from xherald.plugins.alerts import Alert

from .budget import DAY, day_start, next_opening, open_budget
from .sinks import Sink, deliver, open_sinks

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.store import Store
    from xherald.detector.configuration.alert_settings import AlertSettings
    from xherald.plugins import PluginHost

__all__ = ["SHEET_PAUSE", "Dispatcher", "Outcome"]

BATCH: Final = 20
"""Alerts taken at a time, few enough to be sent within their lease."""

POOL: Final = 1000
"""Alerts that are ranked for a day's budget at a time."""

MINUTE: Final = timedelta(minutes=1)
LEASE: Final = timedelta(minutes=10)
POOL_LEASE: Final = timedelta(minutes=30)
HELD: Final = "held: "
"""What the note of an alert begins with that waits for its turn; it is no error."""

WITHHELD: Final = {"withheld": "retracted before its turn came"}
"""Receipt of what a sink never heard of, and need not."""

SHEET_WAIT: Final = timedelta(minutes=2)
SHEET_PAUSE: Final = timedelta(seconds=1)
DRAWING: Final = "its plot sheet is being drawn"
"""How long an alert waits for its plot sheet, how often it is looked for, and what is told of it meanwhile."""

LONGEST_WAIT: Final = timedelta(days=1)
"""However long a sink asks to be left alone."""


What = Literal["sent", "digested", "held", "deferred", "failed", "withheld"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an alert in a pass.

    Parameters
    ----------
    sink, alert_id, candidate_id : str
    what : str
        ``sent``; ``digested``; ``held`` until its turn comes; ``deferred``, to be tried again; ``failed``, given up;
        ``withheld``, because it was retracted before its turn came, and so was the retraction.
    reason : str — why it was not sent, or what its receipt says
    """

    sink: str
    alert_id: str
    candidate_id: str
    what: What
    reason: str = ""


@dataclass(slots=True)
class _Rest:
    """How long a sink that failed is left alone, and how often it failed in a row."""

    failures: int = 0
    until: datetime | None = None


@dataclass(slots=True)
class Dispatcher:
    """Sends what is due.

    One object serves one process for as long as it runs: it remembers which sinks are down. Several processes may
    share a store; the limits of rates and budgets are counted in the store, so that they hold for all together, to
    within what is in their hands at one moment.

    Parameters
    ----------
    store : Store
    settings : AlertSettings
    host : PluginHost
    name : str
        Of this dispatcher; that of a dead one may be used again.
    sheet_wait : timedelta
        How long after it was put into the outbox an alert waits for its plot sheet, for a sink that wants it.

    Raises
    ------
    ConfigError
        A sink is of an unknown kind, or an option wrong.
    """

    store: Store
    settings: AlertSettings
    host: PluginHost
    name: str
    sheet_wait: timedelta = SHEET_WAIT
    sinks: Mapping[str, Sink] = field(init=False)
    _rests: dict[str, _Rest] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.sinks = open_sinks(self.settings, self.host)

    def send_due(self, sinks: Collection[str] | None = None, now: datetime | None = None) -> list[Outcome]:
        """One pass over all sinks, or some of them: send what is due and may be sent.

        A sink that fails is left alone, and the others are served.

        Parameters
        ----------
        sinks : collection of str, optional
        now : datetime, optional
            The clock's if not given.

        Raises
        ------
        StoreUnavailableError
            The store is gone for now. What was sent and not written down is sent again later, under its id.
        ConfigError
            No sink bears such a name.
        """
        if unknown := sorted(set(sinks or ()) - set(self.sinks)):
            raise ConfigError(f"no sink is named {unknown[0]!r}; allowed: {', '.join(sorted(self.sinks)) or 'nothing'}")
        outcomes: list[Outcome] = []
        for name, sink in self.sinks.items():
            if sinks is None or name in sinks:
                self._serve(sink, datetime.now(UTC) if now is None else now, outcomes)
        return outcomes

    def resting(self, now: datetime | None = None) -> dict[str, datetime]:
        """Sinks that failed last time, and until when they are left alone."""
        when = datetime.now(UTC) if now is None else now
        return {name: one.until for name, one in self._rests.items() if one.until is not None and one.until > when}

    def next_pass(self) -> datetime | None:
        """When there will be something to send, at the latest; None if the outbox is empty."""
        return self.store.next_alert_due()

    def unserved(self) -> dict[str, int]:
        """How many alerts wait for sinks that the settings do not name, by sink."""
        waiting = [one.sink for one in self.store.alerts(state=AlertState.PENDING) if one.sink not in self.sinks]
        return {name: waiting.count(name) for name in sorted(set(waiting))}

    # One sink

    def _serve(self, sink: Sink, now: datetime, outcomes: list[Outcome]) -> None:
        while not self.resting(now).get(sink.name):
            allowed = self._allowed_now(sink, now)
            budgeted = sink.settings.per_day is not None
            taken = self._take(sink, POOL if budgeted else min(BATCH, allowed), now) if allowed > 0 else []
            if not taken:
                return
            chosen = self._within_budget(sink, taken, now, outcomes) if budgeted else taken
            self._hold(sink, chosen[allowed:], now + MINUTE, f"{sink.settings.rate_per_minute} a minute", now, outcomes)
            self._send_all(sink, self._drawn(sink, chosen[:allowed], now, outcomes), now, outcomes)

    def _take(self, sink: Sink, limit: int, now: datetime) -> list[StoredAlert]:
        lease = LEASE if limit <= BATCH else POOL_LEASE
        return self.store.take_due_alerts(self.name, limit, sinks=[sink.name], lease=lease, now=now)

    def _allowed_now(self, sink: Sink, now: datetime) -> int:
        limit = sink.settings.rate_per_minute
        return POOL if limit is None else max(limit - self.store.count_sent(now - MINUTE, sink.name), 0)

    def _drawn(
        self, sink: Sink, stored: Sequence[StoredAlert], now: datetime, outcomes: list[Outcome]
    ) -> list[StoredAlert]:
        """What need not wait for its plot sheet; the rest is held for a moment, and told of once."""
        ready: list[StoredAlert] = []
        for one in stored:
            sheet = one.payload.get("sheet")
            if sheet is None or now - one.created >= self.sheet_wait or Path(sheet).exists():
                ready.append(one)
            else:
                is_known = one.error == HELD + DRAWING
                self._hold(sink, [one], now + SHEET_PAUSE, DRAWING, now, [] if is_known else outcomes)
        return ready

    def _send_all(self, sink: Sink, stored: Sequence[StoredAlert], now: datetime, outcomes: list[Outcome]) -> None:
        for index, one in enumerate(stored):
            if not self._send(sink, one, now, outcomes):
                until = self._rests[sink.name].until or now
                self._hold(sink, stored[index + 1 :], until, "the sink is down", now, outcomes)
                return

    def _send(self, sink: Sink, stored: StoredAlert, now: datetime, outcomes: list[Outcome]) -> bool:
        """Send one alert; answers whether the sink can be asked for more."""
        before = self._before(stored)
        if stored.alert_type is AlertType.RETRACTION and before and all(one.receipt == WITHHELD for one in before):
            self._withhold(sink, [stored], now, outcomes)
            return True
        try:
            alert = replace(Alert.from_json(stored.payload), previous=_heard(before))
            receipt = deliver(sink, alert, self.host)
        except AlertRefusedError as fault:
            self.store.mark_failed(stored.id, sink.name, str(fault), None, now)
            outcomes.append(_outcome(stored, "failed", str(fault)))
            return True
        except SinkUnavailableError as fault:
            self._defer(sink, [stored], fault, now, outcomes)
            return False
        self._rests.pop(sink.name, None)
        self.store.mark_sent(stored.id, sink.name, receipt.as_json(), now)
        outcomes.append(_outcome(stored, "sent", receipt.where))
        return True

    def _before(self, stored: StoredAlert) -> list[StoredAlert]:
        """Alerts of the candidate to the same sink that came before."""
        if stored.alert_type is AlertType.INITIAL:
            return []
        every = [one for one in self.store.alerts(candidate_id=stored.candidate_id) if one.sink == stored.sink]
        return every[: next((at for at, one in enumerate(every) if one.id == stored.id), len(every))]

    # What did not go out

    def _defer(
        self,
        sink: Sink,
        stored: Iterable[StoredAlert],
        fault: SinkUnavailableError,
        now: datetime,
        outcomes: list[Outcome],
    ) -> None:
        """Put alerts back after a failure, the sink to rest; those that are too old have failed."""
        rest = self._rests.setdefault(sink.name, _Rest())
        rest.failures += 1
        wait = max(self._back_off(rest.failures), timedelta(seconds=fault.retry_after or 0.0))
        rest.until = now + min(wait, LONGEST_WAIT)
        for one in stored:
            over = now - one.created > timedelta(days=self.settings.give_up_after_days)
            # One that fails where others pass is tried less and less often, too.
            until = max(rest.until, now + self._back_off(one.attempts))
            self.store.mark_failed(one.id, sink.name, str(fault), None if over else until, now)
            outcomes.append(_outcome(one, "failed" if over else "deferred", str(fault)))

    def _back_off(self, failures: int) -> timedelta:
        """How long to wait after so many failures in a row: doubling, up to a limit, and up to half as much again."""
        from tenacity import RetryCallState, Retrying, wait_exponential, wait_random

        state = RetryCallState(Retrying(), None, (), {})
        state.attempt_number = failures
        settings = self.settings
        longest = max(settings.retry_delay_s, settings.retry_max_delay_s)
        seconds = wait_exponential(multiplier=settings.retry_delay_s, max=longest)(state)
        return timedelta(seconds=seconds + wait_random(0, seconds / 2)(state))

    def _hold(
        self,
        sink: Sink,
        stored: Sequence[StoredAlert],
        until: datetime,
        why: str,
        now: datetime,
        outcomes: list[Outcome],
    ) -> None:
        for one in stored:
            # An earlier failure says more than that it waits again.
            note = one.error if one.error and not one.error.startswith(HELD) else HELD + why
            self.store.mark_failed(one.id, sink.name, note, until, now)
            outcomes.append(_outcome(one, "held", why))

    # Budgets

    def _within_budget(
        self, sink: Sink, taken: Sequence[StoredAlert], now: datetime, outcomes: list[Outcome]
    ) -> list[StoredAlert]:
        """What may be sent now, in its order; the rest is held, or digested at the day's end."""
        assert sink.settings.per_day is not None
        start, per_day = day_start(now, self.settings.digest_hour_utc), sink.settings.per_day
        free = [one for one in taken if _is_exempt(one)]
        ranked = sorted((one for one in taken if not _is_exempt(one)), key=_rank)
        gone = self._retracted_unheard(sink, ranked)
        self._withhold(sink, gone, now, outcomes)
        ranked = [one for one in ranked if one not in gone]
        spent_before = self._announced_since(sink, start - DAY) - self._announced_since(sink, start)
        late = [one for one in ranked if one.created < start and _waited(one)] if spent_before >= per_day else []
        if late and not self._digest(sink, late, start, now, outcomes):
            self._hold(sink, [*free, *(one for one in ranked if one not in late)], now + MINUTE, "down", now, outcomes)
            return []
        left = [one for one in ranked if one not in late]
        room = max(open_budget(per_day, now, start) - self._announced_since(sink, start), 0)
        self._hold(sink, left[room:], next_opening(per_day, now, start), f"{per_day} a day", now, outcomes)
        return free + left[:room]

    def _retracted_unheard(self, sink: Sink, waiting: Sequence[StoredAlert]) -> list[StoredAlert]:
        """What waits for its turn while its retraction waits behind it."""
        if not any((one.error or "").startswith(HELD) for one in waiting):
            return []
        taken_back = {
            one.candidate_id
            for one in self.store.alerts(state=AlertState.PENDING)
            if one.sink == sink.name and one.alert_type is AlertType.RETRACTION
        }
        return [one for one in waiting if one.candidate_id in taken_back and _waited(one)]

    def _withhold(self, sink: Sink, stored: Sequence[StoredAlert], now: datetime, outcomes: list[Outcome]) -> None:
        if stored:
            self.store.mark_digested([(one.id, sink.name) for one in stored], WITHHELD, now)
            outcomes += [_outcome(one, "withheld", WITHHELD["withheld"]) for one in stored]

    def _announced_since(self, sink: Sink, since: datetime) -> int:
        return sum(self.store.count_sent(since, sink.name, kind) for kind in (AlertType.INITIAL, AlertType.UPDATE))

    def _digest(
        self, sink: Sink, late: Sequence[StoredAlert], end: datetime, now: datetime, outcomes: list[Outcome]
    ) -> bool:
        """Send what was too much for a day as one message; answers whether the sink took it."""
        try:
            digest = _digest_of(sink, [Alert.from_json(one.payload) for one in late], end)
            receipt = deliver(sink, digest, self.host)
        except AlertRefusedError as fault:
            for one in late:
                self.store.mark_failed(one.id, sink.name, str(fault), None, now)
                outcomes.append(_outcome(one, "failed", str(fault)))
            return True
        except SinkUnavailableError as fault:
            self._defer(sink, late, fault, now, outcomes)
            return False
        keys = [(one.id, sink.name) for one in late]
        self.store.mark_digested(keys, {**receipt.as_json(), "digest": digest.id}, now)
        outcomes += [_outcome(one, "digested", digest.id) for one in late]
        return True


def _digest_of(sink: Sink, members: Sequence[Alert], end: datetime) -> Alert:
    """The digest of a day; the same members give the same id."""
    import hashlib

    day = f"{end - DAY:%Y-%m-%d}"
    mark = hashlib.sha256("\n".join(sorted(one.id for one in members)).encode()).hexdigest()[:8]
    tenses = {one.alert_tense for one in members}
    count = f"{len(members)} more candidate{'' if len(members) == 1 else 's'}"
    return Alert(
        id=f"XH-DIGEST-{sink.name}-{day}-{mark}",
        candidate_id="",
        alert_type="digest",
        alert_tense=tenses.pop() if len(tenses) == 1 else "current",
        created=end.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        headline=f"{count} of {day}, beyond {sink.settings.per_day} announced",
        members=tuple(members),
    )


def _heard(before: Iterable[StoredAlert]) -> tuple[str, ...]:
    """Ids under which the sink has these alerts: their own, or those of the digests that they were part of."""
    told = (AlertState.SENT, AlertState.DIGESTED)
    known = [one for one in before if one.state in told and one.receipt != WITHHELD]
    return tuple(dict.fromkeys(str((one.receipt or {}).get("digest", one.id)) for one in known))


def _is_exempt(one: StoredAlert) -> bool:
    """What no budget holds back: retractions, and what had its turn before or is sent again because a person asks."""
    return one.alert_type is AlertType.RETRACTION or (one.attempts > 1 and one.error is None)


def _waited(one: StoredAlert) -> bool:
    """Whether it was never tried, as opposed to tried in vain."""
    return one.attempts <= 1 or (one.error or "").startswith(HELD)


def _rank(one: StoredAlert) -> tuple[float, float]:
    """Sorting key, the most significant first; the ranking statistic orders rates that are upper limits."""
    facts = one.payload.get("facts") or {}
    rate, ranking = facts.get("far_hz"), facts.get("ranking_statistic")
    return math.inf if rate is None else float(rate), -float(ranking or 0.0)


def _outcome(stored: StoredAlert, what: What, reason: str) -> Outcome:
    return Outcome(stored.sink, stored.id, stored.candidate_id, what, reason)
