"""Notices of new data in archives, read from a Kafka topic; sources that subscribe are polled at once: `Notices`.

The notices are NASA's ``gcn.notices.heasarc.archive_alert`` (gcn-schema 7.2.1): the facility, and the page with the
files. They supplement the schedule: a notice is a hint, the listing of the source is authoritative.

A notice is acknowledged when the poll has ended and its files are in the store; a daemon that is killed before reads it
again, which the store makes harmless.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xherald.daemon.jobs.processing import Fault
from xherald.photons.errors import ConfigError
from xherald.plugins import Options
from xherald.plugins.kafka_connection import import_confluent_kafka
from xherald.plugins.secrets import redact

from .intake import PollSummary

if TYPE_CHECKING:
    from xherald.daemon.logs import Log
    from xherald.daemon.metrics import Metrics
    from xherald.detector.configuration.daemon_settings import DaemonSettings, NoticeSettings

    from .polling import Polling

__all__ = ["Notice", "Notices", "find_subscribers", "validate_notice_settings"]

KAFKA_POLL_S: Final = 0.2
RESTART_DELAY_S: Final = 30.0
LOG_INTERVAL_S: Final = 300.0
"""The same error is logged at most this often."""

STOP_TIMEOUT_S: Final = 10.0
MIN_PAUSE_S: Final = 0.1
MAX_PAUSE_S: Final = 60.0
MAX_RETRY_DELAY_S: Final = 300.0
MAX_PENDING: Final = 1000
"""Unacknowledged notices above which no further ones are read."""

DATA_TENSES: Final = (None, "current", "archival")
"""Tenses of notices of data; tests, injections and plans have none."""


class Notice(BaseModel):
    """A notice of new data.

    Parameters
    ----------
    facility_name : str
    obs_id : str
    data_archive_page : str or None — URL of the folder with the files
    alert_tense, alert_type : str or None
    """

    model_config = ConfigDict(strict=True, frozen=True)

    facility_name: str = Field(min_length=1)
    obs_id: str = ""
    data_archive_page: str | None = None
    alert_tense: str | None = None
    alert_type: str | None = None

    @property
    def announces_data(self) -> bool:
        """Whether it announces data, rather than a test, a plan or a retraction."""
        return self.alert_tense in DATA_TENSES and self.alert_type != "retraction"


@dataclass(slots=True, eq=False)
class _RequestedPoll:
    """A poll requested by a notice, of a whole source (no options) or of one folder of it."""

    source: str
    options: Options | None
    is_running: bool = False
    is_done: bool = False
    polls: int = 0
    failures: int = 0
    ready_at: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _ReadMessage:
    """A message, and the polls that must be done before it is acknowledged."""

    offset: int
    polls: tuple[_RequestedPoll, ...] = ()


@dataclass(slots=True)
class Notices:
    """Reads notices in a thread and polls sources in others, until `end` is called.

    Parameters
    ----------
    settings : DaemonSettings
    polling : Polling
    metrics : Metrics
    log : Log
    is_stopping : callable — whether the daemon is stopping, so that polls may have ended early
    """

    settings: DaemonSettings
    polling: Polling
    metrics: Metrics
    log: Log
    is_stopping: Callable[[], bool]
    _connection: NoticeSettings = field(init=False)
    _subscribers: Mapping[str, tuple[str, ...]] = field(init=False)
    _pending: dict[tuple[str, int], deque[_ReadMessage]] = field(default_factory=dict, init=False)
    _polls: list[_RequestedPoll] = field(default_factory=list, init=False)
    _stop: threading.Event = field(default_factory=threading.Event, init=False)
    _last_logged: tuple[str, float] = field(default=("", float("-inf")), init=False)
    _executor: ThreadPoolExecutor = field(init=False)
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        assert self.settings.notices is not None
        self._connection = self.settings.notices
        self._subscribers = find_subscribers(self.settings)
        # One thread per source, so that a source that hangs does not delay the others.
        self._executor = ThreadPoolExecutor(len(self.settings.sources), "xherald-notice-poll")
        self._thread = threading.Thread(target=self._run, name="xherald-notices", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop reading and wait for running polls."""
        self._stop.set()
        self._thread.join(STOP_TIMEOUT_S)
        self._executor.shutdown(wait=True, cancel_futures=True)

    # Reading

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._read()
            except Exception as fault:  # the daemon continues on schedule
                self._report(f"{type(fault).__name__}: {fault}")
                self._stop.wait(RESTART_DELAY_S)

    def _read(self) -> None:
        consumer = _make_consumer(self._connection, lambda fault: self._report(f"{fault.name()}: {fault.str()}"))
        self._pending.clear()
        self._polls.clear()
        is_paused = False
        try:
            consumer.subscribe([self._connection.topic], on_revoke=lambda _, revoked: self._drop_partitions(revoked))
            while not self._stop.is_set():
                is_full = sum(map(len, self._pending.values())) >= MAX_PENDING
                if is_full or is_paused:
                    (consumer.pause if is_full else consumer.resume)(consumer.assignment())
                is_paused = is_full
                message = consumer.poll(KAFKA_POLL_S)
                if message is not None:
                    self._take(message)
                self._start_polls()
                self._acknowledge(consumer)
        finally:
            consumer.close()

    def _take(self, message: Any) -> None:
        if (fault := message.error()) is not None:
            self._report(f"{fault.name()}: {fault.str()}")
            return
        where = f"{message.topic()}[{message.partition()}]@{message.offset()}"
        try:
            notice = Notice.model_validate_json(message.value() or b"")
        except ValidationError as invalid:
            first = invalid.errors(include_url=False, include_input=False)[0]
            reason = f"{'.'.join(map(str, first['loc'])) or 'message'}: {first['msg']}"
            self.metrics.count_notice("malformed")
            self.log.warning("notice malformed", where=where, reason=reason)
            polls: tuple[_RequestedPoll, ...] = ()
        else:
            polls = tuple(self._request_polls(notice, where))
        partition = (message.topic(), message.partition())
        self._pending.setdefault(partition, deque()).append(_ReadMessage(message.offset(), polls))

    def _request_polls(self, notice: Notice, where: str) -> Iterator[_RequestedPoll]:
        """Log and count a notice, and request the polls that it asks for."""
        sources = self._subscribers.get(notice.facility_name.casefold(), ())
        outcome = "no data" if not notice.announces_data else "accepted" if sources else "other facility"
        properties = {
            "facility": notice.facility_name,
            "obs_id": notice.obs_id or None,
            "page": notice.data_archive_page,
            "tense": notice.alert_tense,
        }
        self.metrics.count_notice(outcome)
        self.log.info("notice", outcome=outcome, where=where, **properties)
        for name in sources if outcome == "accepted" else ():
            options = self.polling.narrow_options(name, notice.data_archive_page)
            same = (one for one in self._polls if (one.source, one.options) == (name, options) and not one.is_running)
            poll = next(same, None)
            if poll is None:
                poll = _RequestedPoll(name, options)
                self._polls.append(poll)
            yield poll

    def _drop_partitions(self, partitions: Any) -> None:
        """Forget the messages of partitions that were assigned to another consumer of the group."""
        for one in partitions:
            self._pending.pop((one.topic, one.partition), None)

    # Polling

    def _start_polls(self) -> None:
        """Start the polls that are due, one at a time for each source."""
        self._polls = [one for one in self._polls if not one.is_done]
        if self.is_stopping():
            return
        busy = {one.source for one in self._polls if one.is_running}
        now = time.monotonic()
        for one in self._polls:
            if one.source not in busy and one.ready_at <= now:
                busy.add(one.source)
                one.is_running = True
                self._executor.submit(self._poll, one)

    def _poll(self, poll: _RequestedPoll) -> None:
        try:
            summary = self.polling.poll_now(poll.source, poll.options)
            if not self.is_stopping():  # otherwise it may have ended early, and is repeated after the next start
                self._evaluate(poll, summary)
        finally:
            poll.is_running = False

    def _evaluate(self, poll: _RequestedPoll, summary: PollSummary | Fault) -> None:
        """Mark a poll as done, or schedule its repetition."""
        if isinstance(summary, PollSummary):
            poll.failures = 0
            poll.polls += 1
            # Files that wait in a folder are left to this poll; those of a whole source, to the schedule.
            poll.is_done = poll.options is None or not summary.waiting
            pause_s = max(self.settings.stable_after_s / 2, MIN_PAUSE_S) * 2 ** min(poll.polls - 1, 20)
            poll.ready_at = time.monotonic() + min(pause_s, MAX_PAUSE_S)
        else:
            self._retry(poll, summary)

    def _retry(self, poll: _RequestedPoll, fault: Fault) -> None:
        """Schedule a retry; errors that are not transient, such as a missing page, are retried a few times only."""
        poll.failures += 1
        delay_s = self.settings.retry_delay_s * 2 ** min(poll.failures - 1, 20)
        poll.ready_at = time.monotonic() + min(max(delay_s, MIN_PAUSE_S), MAX_RETRY_DELAY_S)
        if fault is not Fault.TRANSIENT and poll.failures >= self.settings.max_attempts:
            poll.is_done = True
            self.metrics.count_error("notices")
            self.log.error("notice abandoned", source=poll.source, reason=f"{poll.failures} polls failed, see above")

    def _acknowledge(self, consumer: Any) -> None:
        """Acknowledge, in each partition, the notices before the first that is not done."""
        client = import_confluent_kafka("daemon.notices")
        for (topic, partition), waiting in list(self._pending.items()):
            last: int | None = None
            while waiting and all(one.is_done for one in waiting[0].polls):
                last = waiting.popleft().offset
            if last is not None:
                try:
                    consumer.store_offsets(offsets=[client.TopicPartition(topic, partition, last + 1)])
                except client.KafkaException:
                    self._pending.pop((topic, partition), None)  # assigned to another consumer, which reads them again

    def _report(self, reason: str) -> None:
        """Count an error, and log it unless the same was logged a short time ago."""
        self.metrics.count_error("notices")
        before, when = self._last_logged
        now = time.monotonic()
        if reason != before or now - when >= LOG_INTERVAL_S:
            self._last_logged = (reason, now)
            self.log.warning("notices unavailable", reason=redact(reason, self._connection.secrets()))


def find_subscribers(settings: DaemonSettings) -> dict[str, tuple[str, ...]]:
    """Sources that subscribe to notices of each facility, by its case-folded name."""
    found: dict[str, tuple[str, ...]] = {}
    for name, source in settings.sources.items():
        for facility in dict.fromkeys(one.casefold() for one in source.notices):
            found[facility] = (*found.get(facility, ()), name)
    return found


def validate_notice_settings(settings: DaemonSettings) -> None:
    """Check that notices can be read, if any source subscribes to them.

    Raises
    ------
    ConfigError
        confluent-kafka is not installed, a setting of librdkafka is unknown or invalid, or the secret cannot be read.
    """
    if settings.notices is not None and find_subscribers(settings):
        _make_consumer(settings.notices, lambda _: None).close()


def _make_consumer(settings: NoticeSettings, on_error: Callable[[Any], None]) -> Any:
    client = import_confluent_kafka("daemon.notices")
    options = settings.for_client(
        {
            # A new group begins with the oldest message in the topic, so that no notice is lost in a crash.
            "auto.offset.reset": settings.settings.get("auto.offset.reset", "earliest"),
            "group.id": settings.group,
            "enable.auto.commit": True,
            "auto.commit.interval.ms": 1000,
            "enable.auto.offset.store": False,
            "error_cb": on_error,
        }
    )
    try:
        return client.Consumer(options)
    except client.KafkaException as fault:
        reason = redact(str(fault.args[0].str()), settings.secrets())
        raise ConfigError(f"daemon.notices.settings: {reason}; see librdkafka's CONFIGURATION.md") from None
