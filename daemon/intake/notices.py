"""Notices that new data came into an archive, from a topic of Kafka: whoever listens is looked at at once: `Notices`.

They come as NASA's ``gcn.notices.heasarc.archive_alert`` (gcn-schema 7.2.1): who observed, and on which page the files
are. In the stream they stand beside the schedule: what they say is a hint, what the source lists is the truth.

A notice counts as read when the look is over and what it found is in the store; a daemon that is killed before reads it
again, and the store makes that once.
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

__all__ = ["Notice", "Notices", "listeners_of", "require_notices"]

ASKED_EVERY_S: Final = 0.2
STARTED_AGAIN_S: Final = 30.0
TOLD_EVERY_S: Final = 300.0
"""However often the same thing goes wrong, it is told so often."""

END_S: Final = 10.0
LEAST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 60.0
LONGEST_WAIT_S: Final = 300.0
MOST_HELD: Final = 1000
"""Notices that are read and not done with, before no more are taken."""

OF_THE_SKY: Final = (None, "current", "archival")
"""Tenses of notices that tell of data; those of tests, injections and plans have none to fetch."""


class Notice(BaseModel):
    """What a notice says.

    Parameters
    ----------
    facility_name : str — who observed
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
    def tells_of_data(self) -> bool:
        """Whether data came, as opposed to a test, a plan, or data that were taken back."""
        return self.alert_tense in OF_THE_SKY and self.alert_type != "retraction"


@dataclass(slots=True, eq=False)
class _Errand:
    """A look that a notice asks for: at all of a source (no options), or at one folder of it."""

    source: str
    options: Options | None
    under_way: bool = False
    done: bool = False
    looks: int = 0
    failures: int = 0
    ready_at: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """A message, and what has to be done before it counts as read."""

    offset: int
    errands: tuple[_Errand, ...] = ()


@dataclass(slots=True)
class Notices:
    """Reads notices in a thread, and has sources looked at in others, until `end`.

    Parameters
    ----------
    settings : DaemonSettings
    polling : Polling
    metrics : Metrics
    log : Log
    stopped : callable — whether the daemon is about to end, so that looks were cut short
    """

    settings: DaemonSettings
    polling: Polling
    metrics: Metrics
    log: Log
    stopped: Callable[[], bool]
    _connection: NoticeSettings = field(init=False)
    _listeners: Mapping[str, tuple[str, ...]] = field(init=False)
    _held: dict[tuple[str, int], deque[_Read]] = field(default_factory=dict, init=False)
    _errands: list[_Errand] = field(default_factory=list, init=False)
    _over: threading.Event = field(default_factory=threading.Event, init=False)
    _told: tuple[str, float] = field(default=("", float("-inf")), init=False)
    _hands: ThreadPoolExecutor = field(init=False)
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        assert self.settings.notices is not None
        self._connection = self.settings.notices
        self._listeners = listeners_of(self.settings)
        # A source that hangs keeps no other waiting.
        self._hands = ThreadPoolExecutor(len(self.settings.sources), "xherald-noticed")
        self._thread = threading.Thread(target=self._run, name="xherald-notices", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Read no more; looks that are under way are waited for."""
        self._over.set()
        self._thread.join(END_S)
        self._hands.shutdown(wait=True, cancel_futures=True)

    # Reading

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._read_on()
            except Exception as fault:  # the daemon goes on by its schedule rather than end
                self._trouble(f"{type(fault).__name__}: {fault}")
                self._over.wait(STARTED_AGAIN_S)

    def _read_on(self) -> None:
        consumer = _consumer(self._connection, lambda fault: self._trouble(f"{fault.name()}: {fault.str()}"))
        self._held.clear()
        self._errands.clear()
        paused = False
        try:
            consumer.subscribe([self._connection.topic], on_revoke=lambda _, lost: self._let_go(lost))
            while not self._over.is_set():
                full = sum(map(len, self._held.values())) >= MOST_HELD
                if full or paused:
                    (consumer.pause if full else consumer.resume)(consumer.assignment())
                paused = full
                message = consumer.poll(ASKED_EVERY_S)
                if message is not None:
                    self._take(message)
                self._send_out()
                self._acknowledge(consumer)
        finally:
            consumer.close()

    def _take(self, message: Any) -> None:
        if (fault := message.error()) is not None:
            self._trouble(f"{fault.name()}: {fault.str()}")
            return
        where = f"{message.topic()}[{message.partition()}]@{message.offset()}"
        try:
            notice = Notice.model_validate_json(message.value() or b"")
        except ValidationError as wrong:
            first = wrong.errors(include_url=False, include_input=False)[0]
            reason = f"{'.'.join(map(str, first['loc'])) or 'message'}: {first['msg']}"
            self.metrics.notice("malformed")
            self.log.warning("notice not understood", where=where, reason=reason)
            errands: tuple[_Errand, ...] = ()
        else:
            errands = tuple(self._errands_of(notice, where))
        self._held.setdefault((message.topic(), message.partition()), deque()).append(_Read(message.offset(), errands))

    def _errands_of(self, notice: Notice, where: str) -> Iterator[_Errand]:
        """What a notice has to be done; it is counted and told."""
        sources = self._listeners.get(notice.facility_name.casefold(), ())
        what = "taken" if sources else "of others"
        what = what if notice.tells_of_data else "not of data"
        facts = {"facility": notice.facility_name, "obs_id": notice.obs_id or None, "page": notice.data_archive_page}
        self.metrics.notice(what)
        self.log.info(f"notice {what}", where=where, tense=notice.alert_tense, **facts)
        for name in sources if what == "taken" else ():
            options = self.polling.narrowed(name, notice.data_archive_page)
            same = (one for one in self._errands if (one.source, one.options) == (name, options) and not one.under_way)
            errand = next(same, None)
            if errand is None:
                errand = _Errand(name, options)
                self._errands.append(errand)
            yield errand

    def _let_go(self, partitions: Any) -> None:
        """Partitions that another of the group reads from now on, and their notices with them."""
        for one in partitions:
            self._held.pop((one.topic, one.partition), None)

    # Looking

    def _send_out(self) -> None:
        """Begin the looks that it is time for, one a source."""
        self._errands = [one for one in self._errands if not one.done]
        if self.stopped():
            return
        busy = {one.source for one in self._errands if one.under_way}
        moment = time.monotonic()
        for one in self._errands:
            if one.source not in busy and one.ready_at <= moment:
                busy.add(one.source)
                one.under_way = True
                self._hands.submit(self._look, one)

    def _look(self, errand: _Errand) -> None:
        try:
            told = self.polling.look_now(errand.source, errand.options)
            if not self.stopped():  # else it may have been cut short, and is made again after the next start
                self._looked(errand, told)
        finally:
            errand.under_way = False

    def _looked(self, errand: _Errand, told: PollSummary | Fault) -> None:
        """Whether an errand is done, or when it is to be gone on again."""
        if isinstance(told, PollSummary):
            errand.failures = 0
            errand.looks += 1
            # What waits in a folder is for this errand alone to take; in a source as a whole the schedule does.
            errand.done = errand.options is None or not told.waiting
            pause = max(self.settings.stable_after_s / 2, LEAST_PAUSE_S) * 2 ** min(errand.looks - 1, 20)
            errand.ready_at = time.monotonic() + min(pause, LONGEST_PAUSE_S)
        else:
            self._missed(errand, told)

    def _missed(self, errand: _Errand, why: Fault) -> None:
        """Try again later; what is not passing, such as a page that is not there, a few times only."""
        errand.failures += 1
        wait = self.settings.retry_delay_s * 2 ** min(errand.failures - 1, 20)
        errand.ready_at = time.monotonic() + min(max(wait, LEAST_PAUSE_S), LONGEST_WAIT_S)
        if why is not Fault.TRANSIENT and errand.failures >= self.settings.max_attempts:
            errand.done = True
            self.metrics.error("notices")
            self.log.error("notice given up", source=errand.source, reason=f"{errand.failures} looks failed, see above")

    def _acknowledge(self, consumer: Any) -> None:
        """Say which notices count as read: in each partition all up to the first that is not done."""
        client = import_confluent_kafka("daemon.notices")
        for (topic, partition), waiting in list(self._held.items()):
            last: int | None = None
            while waiting and all(one.done for one in waiting[0].errands):
                last = waiting.popleft().offset
            if last is not None:
                try:
                    consumer.store_offsets(offsets=[client.TopicPartition(topic, partition, last + 1)])
                except client.KafkaException:
                    self._held.pop((topic, partition), None)  # it is another's by now, who reads them again

    def _trouble(self, reason: str) -> None:
        """Count what went wrong, and tell of it once in a while."""
        self.metrics.error("notices")
        before, when = self._told
        moment = time.monotonic()
        if reason != before or moment - when >= TOLD_EVERY_S:
            self._told = (reason, moment)
            self.log.warning("notices cannot be read", reason=redact(reason, self._connection.secrets()))


def listeners_of(settings: DaemonSettings) -> dict[str, tuple[str, ...]]:
    """Sources that listen for notices of each facility, whose name is case-folded."""
    found: dict[str, tuple[str, ...]] = {}
    for name, source in settings.sources.items():
        for facility in dict.fromkeys(one.casefold() for one in source.notices):
            found[facility] = (*found.get(facility, ()), name)
    return found


def require_notices(settings: DaemonSettings) -> None:
    """Refuse settings with which no notice could be read.

    Raises
    ------
    ConfigError
        confluent-kafka is not installed, a setting of librdkafka is unknown or wrong, or the secret cannot be read.
    """
    if settings.notices is not None and listeners_of(settings):
        _consumer(settings.notices, lambda _: None).close()


def _consumer(settings: NoticeSettings, on_error: Callable[[Any], None]) -> Any:
    client = import_confluent_kafka("daemon.notices")
    given = settings.for_client(
        {
            # A group that is new begins with what the topic still holds, lest a first notice be lost in a crash.
            "auto.offset.reset": settings.settings.get("auto.offset.reset", "earliest"),
            "group.id": settings.group,
            "enable.auto.commit": True,
            "auto.commit.interval.ms": 1000,
            "enable.auto.offset.store": False,
            "error_cb": on_error,
        }
    )
    try:
        return client.Consumer(given)
    except client.KafkaException as fault:
        reason = redact(str(fault.args[0].str()), settings.secrets())
        raise ConfigError(f"daemon.notices.settings: {reason}; see librdkafka's CONFIGURATION.md") from None
