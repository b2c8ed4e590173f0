"""Dispatcher of the outbox: takes the alerts that are due, delivers them to the sinks and records the outcomes.

After a failed delivery the sink is paused, for a time that doubles with each failure up to a limit, with jitter. If the
process crashes between delivery and recording it, the alert is delivered again with the same id.
"""

from __future__ import annotations

import hashlib
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

from .budget import DAY, available_budget, day_start, next_available
from .sinks import Sink, deliver, open_sinks

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.store import Store
    from xherald.detector.configuration.alert_settings import AlertSettings
    from xherald.plugins import PluginHost

__all__ = ["SHEET_CHECK_INTERVAL", "DeliveryResult", "Dispatcher", "Outcome"]

BATCH_SIZE: Final = 20
"""Alerts taken at a time, few enough to be sent within their lease."""

MAX_RANKED: Final = 1000
"""Alerts that are ranked for a daily budget at a time."""

MINUTE: Final = timedelta(minutes=1)
LEASE: Final = timedelta(minutes=10)
RANKING_LEASE: Final = timedelta(minutes=30)
HELD_PREFIX: Final = "held: "
"""Prefix of the stored reason of a held alert, which is not an error."""

WITHHELD_RECEIPT: Final = {"withheld": "retracted before it was sent"}
"""Receipt of an alert that was retracted before it was sent, and of its retraction."""

MAX_SHEET_WAIT: Final = timedelta(minutes=2)
SHEET_CHECK_INTERVAL: Final = timedelta(seconds=1)
SHEET_PENDING: Final = "its plot sheet is being drawn"
"""How long an alert waits for its plot sheet, how often this is checked, and the reason that is stored meanwhile."""

MAX_PAUSE: Final = timedelta(days=1)
"""Longest pause of a sink, even if it asks for a longer one."""

DeliveryResult = Literal["sent", "digested", "held", "deferred", "failed", "withheld"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of an alert in a pass.

    Parameters
    ----------
    sink, alert_id, candidate_id : str
    result : str
        ``sent``; ``digested``; ``held`` for a limit of rate or budget; ``deferred`` to a retry; ``failed``, given up;
        ``withheld``, as it was retracted before it was sent, and so was the retraction.
    reason : str — why it was not sent, or where it was delivered
    """

    sink: str
    alert_id: str
    candidate_id: str
    result: DeliveryResult
    reason: str = ""


@dataclass(slots=True)
class _Pause:
    """Pause of a sink that failed, and its number of failures in a row."""

    failures: int = 0
    until: datetime | None = None


@dataclass(slots=True)
class Dispatcher:
    """Sends alerts that are due.

    One dispatcher serves one process as long as that runs, as it remembers which sinks are paused. Several processes
    may share a store; limits of rates and budgets are counted in the store, so they hold for all together, except for
    alerts being sent at the same moment.

    Parameters
    ----------
    store : Store
    settings : AlertSettings
    host : PluginHost
    name : str
        Of this dispatcher; that of a dead one may be used again.
    sheet_wait : timedelta
        How long after its creation an alert waits for its plot sheet.

    Raises
    ------
    ConfigError
        The kind of a sink is unknown, or an option invalid.
    """

    store: Store
    settings: AlertSettings
    host: PluginHost
    name: str
    sheet_wait: timedelta = MAX_SHEET_WAIT
    sinks: Mapping[str, Sink] = field(init=False)
    _pauses: dict[str, _Pause] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.sinks = open_sinks(self.settings, self.host)

    def send_due(self, sinks: Collection[str] | None = None, now: datetime | None = None) -> list[Outcome]:
        """Send the alerts that are due to all sinks, or some of them, once.

        A sink that fails is paused; the others are served.

        Parameters
        ----------
        sinks : collection of str, optional
        now : datetime, optional
            The present by default.

        Raises
        ------
        StoreUnavailableError
            The store is unavailable. Alerts that were delivered but not recorded are sent again later with their ids.
        ConfigError
            There is no sink of such a name.
        """
        if unknown := sorted(set(sinks or ()) - set(self.sinks)):
            raise ConfigError(f"no sink is named {unknown[0]!r}; available: {', '.join(sorted(self.sinks)) or 'none'}")
        outcomes: list[Outcome] = []
        for name, sink in self.sinks.items():
            if sinks is None or name in sinks:
                self._serve(sink, datetime.now(UTC) if now is None else now, outcomes)
        return outcomes

    def paused_sinks(self, now: datetime | None = None) -> dict[str, datetime]:
        """Sinks that are paused after a failure, and until when."""
        when = datetime.now(UTC) if now is None else now
        return {name: one.until for name, one in self._pauses.items() if one.until is not None and one.until > when}

    def next_due(self) -> datetime | None:
        """When the next alert is due; None if the outbox is empty."""
        return self.store.next_alert_due()

    def count_unknown_sinks(self) -> dict[str, int]:
        """Number of pending alerts for sinks that are not in the settings, by sink."""
        waiting = [one.sink for one in self.store.alerts(state=AlertState.PENDING) if one.sink not in self.sinks]
        return {name: waiting.count(name) for name in sorted(set(waiting))}

    # One sink

    def _serve(self, sink: Sink, now: datetime, outcomes: list[Outcome]) -> None:
        while not self.paused_sinks(now).get(sink.name):
            allowed = self._count_allowed(sink, now)
            has_budget = sink.settings.per_day is not None
            taken = self._take(sink, MAX_RANKED if has_budget else min(BATCH_SIZE, allowed), now) if allowed > 0 else []
            if not taken:
                return
            taken = self._demote_muted(sink, taken, now, outcomes)
            chosen = self._apply_budget(sink, taken, now, outcomes) if has_budget else taken
            reason = f"limit of {sink.settings.rate_per_minute} per minute"
            self._hold(sink, chosen[allowed:], now + MINUTE, reason, now, outcomes)
            self._send_all(sink, self._hold_for_sheets(sink, chosen[:allowed], now, outcomes), now, outcomes)

    def _take(self, sink: Sink, limit: int, now: datetime) -> list[StoredAlert]:
        lease = LEASE if limit <= BATCH_SIZE else RANKING_LEASE
        return self.store.take_due_alerts(self.name, limit, sinks=[sink.name], lease=lease, now=now)

    def _count_allowed(self, sink: Sink, now: datetime) -> int:
        limit = sink.settings.rate_per_minute
        return MAX_RANKED if limit is None else max(limit - self.store.count_sent(now - MINUTE, sink.name), 0)

    def _hold_for_sheets(
        self, sink: Sink, stored: Sequence[StoredAlert], now: datetime, outcomes: list[Outcome]
    ) -> list[StoredAlert]:
        """Alerts whose plot sheets are ready or overdue; the others are held for a moment, reported once."""
        ready: list[StoredAlert] = []
        for one in stored:
            sheet = one.payload.get("sheet")
            if sheet is None or now - one.created >= self.sheet_wait or Path(sheet).exists():
                ready.append(one)
            else:
                was_reported = one.error == HELD_PREFIX + SHEET_PENDING
                until = now + SHEET_CHECK_INTERVAL
                self._hold(sink, [one], until, SHEET_PENDING, now, [] if was_reported else outcomes)
        return ready

    def _send_all(self, sink: Sink, stored: Sequence[StoredAlert], now: datetime, outcomes: list[Outcome]) -> None:
        for index, one in enumerate(stored):
            if not self._send(sink, one, now, outcomes):
                until = self._pauses[sink.name].until or now
                self._hold(sink, stored[index + 1 :], until, "the sink is unavailable", now, outcomes)
                return

    def _send(self, sink: Sink, stored: StoredAlert, now: datetime, outcomes: list[Outcome]) -> bool:
        """Send one alert; returns whether the sink is available for more."""
        earlier = self._load_earlier(stored)
        was_withheld = bool(earlier) and all(one.receipt == WITHHELD_RECEIPT for one in earlier)
        if stored.alert_type is AlertType.RETRACTION and was_withheld:
            self._withhold(sink, [stored], now, outcomes)
            return True
        try:
            alert = replace(Alert.from_json(stored.payload), previous=_delivered_ids(earlier))
            receipt = deliver(sink, alert, self.host)
        except AlertRefusedError as fault:
            self.store.mark_failed(stored.id, sink.name, str(fault), None, now)
            outcomes.append(_make_outcome(stored, "failed", str(fault)))
            return True
        except SinkUnavailableError as fault:
            self._defer(sink, [stored], fault, now, outcomes)
            return False
        self._pauses.pop(sink.name, None)
        self.store.mark_sent(stored.id, sink.name, receipt.as_json(), now)
        outcomes.append(_make_outcome(stored, "sent", receipt.where))
        return True

    def _load_earlier(self, stored: StoredAlert) -> list[StoredAlert]:
        """Earlier alerts of the candidate to the same sink."""
        if stored.alert_type is AlertType.INITIAL:
            return []
        all_alerts = [one for one in self.store.alerts(candidate_id=stored.candidate_id) if one.sink == stored.sink]
        index = next((index for index, one in enumerate(all_alerts) if one.id == stored.id), len(all_alerts))
        return all_alerts[:index]

    # Alerts that were not sent

    def _defer(
        self,
        sink: Sink,
        stored: Iterable[StoredAlert],
        fault: SinkUnavailableError,
        now: datetime,
        outcomes: list[Outcome],
    ) -> None:
        """Pause the sink and retry alerts later; those that are too old have failed."""
        pause = self._pauses.setdefault(sink.name, _Pause())
        pause.failures += 1
        duration = max(self._retry_delay(pause.failures), timedelta(seconds=fault.retry_after or 0.0))
        pause.until = now + min(duration, MAX_PAUSE)
        for one in stored:
            is_given_up = now - one.created > timedelta(days=self.settings.give_up_after_days)
            # An alert that fails repeatedly while others are sent is retried less and less often, too.
            until = max(pause.until, now + self._retry_delay(one.attempts))
            self.store.mark_failed(one.id, sink.name, str(fault), None if is_given_up else until, now)
            outcomes.append(_make_outcome(one, "failed" if is_given_up else "deferred", str(fault)))

    def _retry_delay(self, failures: int) -> timedelta:
        """Delay after a number of failures in a row: doubling up to a limit, plus up to half of it at random."""
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
        reason: str,
        now: datetime,
        outcomes: list[Outcome],
    ) -> None:
        for one in stored:
            # Keep the error of an earlier failure, which is more informative.
            is_failure = one.error and not one.error.startswith(HELD_PREFIX)
            error = one.error if one.error and is_failure else HELD_PREFIX + reason
            self.store.mark_failed(one.id, sink.name, error, until, now)
            outcomes.append(_make_outcome(one, "held", reason))

    # Muted places

    def _demote_muted(
        self, sink: Sink, taken: Sequence[StoredAlert], now: datetime, outcomes: list[Outcome]
    ) -> list[StoredAlert]:
        """The alerts that are not demoted; those of muted places are held, and digested at the end of the day."""
        muted = [one for one in taken if sink.settings.muted == "digest" and _is_muted(one)]
        others = [one for one in taken if one not in muted]
        retracted = self._find_retracted(sink, muted) if muted else []
        self._withhold(sink, retracted, now, outcomes)
        start = day_start(now, self.settings.digest_hour_utc)
        waiting = [one for one in muted if one not in retracted]
        late = [one for one in waiting if one.created < start]
        early = [one for one in waiting if one.created >= start]
        self._hold(sink, early, start + DAY, "muted, sent with the digest of the day", now, outcomes)
        day = f"{start - DAY:%Y-%m-%d}"
        if late and not self._send_digest(
            sink, late, f"{_count_candidates(late)} of muted places on {day}", now, outcomes
        ):
            self._hold(sink, others, now + MINUTE, "the sink is unavailable", now, outcomes)
            return []
        return others

    # Budgets

    def _apply_budget(
        self, sink: Sink, taken: Sequence[StoredAlert], now: datetime, outcomes: list[Outcome]
    ) -> list[StoredAlert]:
        """Alerts that the daily budget allows now, in order; the others are held, or digested at the end of the day."""
        assert sink.settings.per_day is not None
        start, per_day = day_start(now, self.settings.digest_hour_utc), sink.settings.per_day
        exempt = [one for one in taken if _is_exempt(one)]
        ranked = sorted((one for one in taken if not _is_exempt(one)), key=_rank)
        retracted = self._find_retracted(sink, ranked)
        self._withhold(sink, retracted, now, outcomes)
        ranked = [one for one in ranked if one not in retracted]
        sent_yesterday = self._count_announced(sink, start - DAY) - self._count_announced(sink, start)
        late = [one for one in ranked if one.created < start and _is_untried(one)] if sent_yesterday >= per_day else []
        summary = (
            f"{_count_candidates(late, 'more ')} on {start - DAY:%Y-%m-%d}, beyond the budget of {per_day} per day"
        )
        if late and not self._send_digest(sink, late, summary, now, outcomes):
            others = [*exempt, *(one for one in ranked if one not in late)]
            self._hold(sink, others, now + MINUTE, "the sink is unavailable", now, outcomes)
            return []
        remaining = [one for one in ranked if one not in late]
        room = max(available_budget(per_day, now, start) - self._count_announced(sink, start), 0)
        until = next_available(per_day, now, start)
        self._hold(sink, remaining[room:], until, f"budget of {per_day} per day", now, outcomes)
        return exempt + remaining[:room]

    def _find_retracted(self, sink: Sink, waiting: Sequence[StoredAlert]) -> list[StoredAlert]:
        """Held alerts whose retraction is waiting, too."""
        if not any((one.error or "").startswith(HELD_PREFIX) for one in waiting):
            return []
        retracted_ids = {
            one.candidate_id
            for one in self.store.alerts(state=AlertState.PENDING)
            if one.sink == sink.name and one.alert_type is AlertType.RETRACTION
        }
        return [one for one in waiting if one.candidate_id in retracted_ids and _is_untried(one)]

    def _withhold(self, sink: Sink, stored: Sequence[StoredAlert], now: datetime, outcomes: list[Outcome]) -> None:
        if stored:
            self.store.mark_digested([(one.id, sink.name) for one in stored], WITHHELD_RECEIPT, now)
            outcomes += [_make_outcome(one, "withheld", WITHHELD_RECEIPT["withheld"]) for one in stored]

    def _count_announced(self, sink: Sink, since: datetime) -> int:
        return sum(self.store.count_sent(since, sink.name, kind) for kind in (AlertType.INITIAL, AlertType.UPDATE))

    def _send_digest(
        self, sink: Sink, late: Sequence[StoredAlert], summary: str, now: datetime, outcomes: list[Outcome]
    ) -> bool:
        """Send alerts of the day before as one message; returns whether the sink is available."""
        end = day_start(now, self.settings.digest_hour_utc)
        try:
            digest = _make_digest(sink, [Alert.from_json(one.payload) for one in late], end, summary)
            receipt = deliver(sink, digest, self.host)
        except AlertRefusedError as fault:
            for one in late:
                self.store.mark_failed(one.id, sink.name, str(fault), None, now)
                outcomes.append(_make_outcome(one, "failed", str(fault)))
            return True
        except SinkUnavailableError as fault:
            self._defer(sink, late, fault, now, outcomes)
            return False
        keys = [(one.id, sink.name) for one in late]
        self.store.mark_digested(keys, {**receipt.as_json(), "digest": digest.id}, now)
        outcomes += [_make_outcome(one, "digested", digest.id) for one in late]
        return True


def _make_digest(sink: Sink, members: Sequence[Alert], end: datetime, summary: str) -> Alert:
    """Digest of the day that ended; the same members give the same id."""
    day = f"{end - DAY:%Y-%m-%d}"
    digest = hashlib.sha256("\n".join(sorted(one.id for one in members)).encode()).hexdigest()[:8]
    tenses = {one.alert_tense for one in members}
    return Alert(
        id=f"XH-DIGEST-{sink.name}-{day}-{digest}",
        candidate_id="",
        alert_type="digest",
        alert_tense=tenses.pop() if len(tenses) == 1 else "current",
        created=end.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        headline=summary,
        members=tuple(members),
    )


def _delivered_ids(earlier: Iterable[StoredAlert]) -> tuple[str, ...]:
    """Ids under which the sink received these alerts: their own, or those of digests."""
    delivered = (AlertState.SENT, AlertState.DIGESTED)
    received = [one for one in earlier if one.state in delivered and one.receipt != WITHHELD_RECEIPT]
    return tuple(dict.fromkeys(str((one.receipt or {}).get("digest", one.id)) for one in received))


def _count_candidates(members: Sequence[StoredAlert], word: str = "") -> str:
    return f"{len(members)} {word}candidate{'' if len(members) == 1 else 's'}"


def _is_muted(one: StoredAlert) -> bool:
    """Whether it is the first alert of a candidate at a muted place, and not replayed."""
    facts = one.payload.get("facts") or {}
    return one.alert_type is AlertType.INITIAL and bool(facts.get("mute_summary")) and not _is_exempt(one)


def _is_exempt(one: StoredAlert) -> bool:
    """Whether it is exempt from budgets: retractions, and alerts that were replayed."""
    return one.alert_type is AlertType.RETRACTION or (one.attempts > 1 and one.error is None)


def _is_untried(one: StoredAlert) -> bool:
    """Whether delivery was never tried."""
    return one.attempts <= 1 or (one.error or "").startswith(HELD_PREFIX)


def _rank(one: StoredAlert) -> tuple[float, float, float]:
    """Sort key, the most interesting first, then the most significant.

    The ranking statistic orders rates that are upper limits.
    """
    facts = one.payload.get("facts") or {}
    rates = [facts.get(name) for name in ("far_hz", "long_term_far_hz")]
    far_hz = min((float(one) for one in rates if one is not None), default=math.inf)
    return -float(facts.get("interest") or 0.0), far_hz, -float(facts.get("ranking_statistic") or 0.0)


def _make_outcome(stored: StoredAlert, result: DeliveryResult, reason: str) -> Outcome:
    return Outcome(stored.sink, stored.id, stored.candidate_id, result, reason)
