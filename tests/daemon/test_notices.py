"""Notices of new data against a real broker and a real archive: who is looked at, and where, once and not too late."""

from __future__ import annotations

import functools
import http.server
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fast_pipeline import drop_file, light
from hypothesis import given
from hypothesis import strategies as st

from xherald.catalog_store.ledger.states import DropState
from xherald.catalog_store.ledger.store import Store, open_store
from xherald.daemon.daemon import Daemon
from xherald.daemon.intake.notices import Notice, find_subscribers, validate_notice_settings
from xherald.detector.configuration.configuration import Configuration, load_configuration
from xherald.photons.errors import ConfigError
from xherald.plugins.drop_sources import BucketSource, FolderSource, WebSource
from xherald.plugins.drop_sources.download import folder_below

confluent_kafka = pytest.importorskip("confluent_kafka")


@pytest.fixture(scope="module")
def brokers() -> Iterator[str]:
    """Addresses of the cluster that librdkafka has built in for tests."""
    cluster = confluent_kafka.Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1, "log_level": 0})
    known = cluster.list_topics(timeout=10).brokers.values()
    yield ",".join(f"{one.host}:{one.port}" for one in known)
    cluster.flush(1)


class Archive(http.server.SimpleHTTPRequestHandler):
    """A folder as web pages; records the requested paths."""

    requested: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.requested.append(self.path)
        super().do_GET()

    def log_message(self, *_: Any) -> None: ...


class RecordingLog:
    """A log that records events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **facts: Any) -> None:
        self.events.append((event, facts))

    warning = error = info

    def of(self, event: str) -> list[dict[str, Any]]:
        return [facts for name, facts in list(self.events) if name == event]


class Here:
    """An archive on a web server, a topic, a store, and daemons."""

    def __init__(self, tmp_path: Path, brokers: str, topic: str) -> None:
        self.brokers, self.topic, self.tmp_path = brokers, topic, tmp_path
        self.folder = tmp_path / "archive"
        for day in range(20):
            (self.folder / "obs" / f"{day:02}").mkdir(parents=True)
        Archive.requested = []
        handler = functools.partial(Archive, directory=str(self.folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.root = f"http://127.0.0.1:{self.server.server_address[1]}/obs/"
        self.store: Store = open_store(f"sqlite:///{tmp_path}/store.sqlite")
        self.producer = confluent_kafka.Producer({"bootstrap.servers": brokers, "log_level": 0})
        self.log = RecordingLog()
        self.running: list[tuple[Daemon, threading.Thread]] = []

    def configuration(self, *, brokers: str | None = None, **source: Any) -> Configuration:
        """Polls only the root page on schedule, and hardly ever."""
        web = {"kind": "http", "url": self.root, "interval_s": 1e6, "depth": 1, "first_wait_s": 0.0, "tries": 1}
        web |= {"notices": ["Swift", "Chandra"], **source}
        stream = {
            "sources": {"web": web},
            "notices": {
                "brokers": brokers or self.brokers, "topic": self.topic, "group": f"{self.topic}.group",
                # The test cluster keeps a member until its session expires.
                "settings": {"session.timeout.ms": 3500, "heartbeat.interval.ms": 300},
            },
            "stable_after_s": 0.1, "companions_wait_s": 0.3, "incomplete_wait_s": 0.3, "workers": 1,
            "retry_delay_s": 0.2, "max_attempts": 2, "metrics_port": 0, "spool_folder": str(self.tmp_path / "spool"),
        }  # fmt: skip
        return load_configuration(
            None, {f"XHERALD_DAEMON__{key.upper()}": json.dumps(value) for key, value in stream.items()}
        )

    def start(self, configuration: Configuration | None = None) -> Daemon:
        daemon = Daemon(configuration or self.configuration(), self.store, self.log, work=light)
        thread = threading.Thread(target=daemon.watch)
        self.running.append((daemon, thread))
        thread.start()
        return daemon

    def end(self) -> None:
        for daemon, thread in self.running:
            daemon.end()
            thread.join(60)
            assert not thread.is_alive()
        self.running.clear()

    def say(self, *values: Any) -> None:
        for value in values:
            self.producer.produce(self.topic, value if isinstance(value, bytes) else json.dumps(value).encode())
        assert self.producer.flush(20) == 0

    def notice(self, page: str, facility: str = "SWIFT", **facts: Any) -> dict[str, Any]:
        return {
            "mission": "HEASARC",
            "alert_datetime": "2026-03-01T00:00:00Z",
            "alert_tense": "archival",
            "alert_type": "initial",
            "data_archive_page": page,
            "obs_id": "00012345001",
            "facility_name": facility,
            **facts,
        }

    def drop(self, day: str, name: str) -> str:
        """A file of an observation, two folders below the day; returns the page of the observation."""
        folder = self.folder / "obs" / day / name / "event_cl"
        folder.mkdir(parents=True)
        drop_file(folder, name)
        return f"{self.root}{day}/{name}/"

    def done(self, *names: str) -> bool:
        states = {Path(one.url).stem: one.state for one in self.store.drops()}
        return all(states.get(name) in (DropState.PROCESSED, DropState.ALERTED) for name in names)

    def acknowledged(self) -> int:
        """Number of notices that the group has acknowledged."""
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": self.brokers, "group.id": f"{self.topic}.group", "log_level": 0}
        )
        partitions = consumer.list_topics(self.topic, timeout=10).topics[self.topic].partitions
        committed = consumer.committed(
            [confluent_kafka.TopicPartition(self.topic, one) for one in partitions], timeout=10
        )
        consumer.close()
        return sum(max(one.offset, 0) for one in committed)


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timeout"
        time.sleep(0.05)


def count_notices(daemon: Daemon, outcome: str) -> float:
    return daemon.metrics.registry.get_sample_value("xherald_notices_total", {"outcome": outcome}) or 0.0


def errors(daemon: Daemon) -> float:
    return daemon.metrics.registry.get_sample_value("xherald_errors_total", {"kind": "notices"}) or 0.0


@pytest.fixture
def here(tmp_path: Path, brokers: str, request: pytest.FixtureRequest) -> Iterator[Here]:
    made = Here(tmp_path, brokers, f"archive.{abs(hash(request.node.name))}")
    yield made
    made.end()
    made.server.shutdown()
    made.server.server_close()
    made.store.close()


# --- content of a notice ----------------------------------------------------------------------------------------------


def test_schema_example_is_parsed(data: Path) -> None:
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    notices = data / "gcn-schema" / "notices"
    resources = [json.loads(path.read_text()) for path in notices.rglob("*.schema.json")]
    registry: Any = Registry().with_resources([(one["$id"], Resource.from_contents(one)) for one in resources])
    schema = json.loads((notices / "heasarc" / "archive_alert.schema.json").read_text())
    validator = Draft202012Validator(schema, registry=registry)
    text = (notices / "heasarc" / "archive_alert.example.json").read_text()
    validator.validate(json.loads(text))
    notice = Notice.model_validate_json(text)
    assert (notice.facility_name, notice.obs_id) == ("IXPE", "01001099")
    assert notice.data_archive_page == "https://heasarc.gsfc.nasa.gov/FTP/ixpe/data/obs/01/01001099/"
    assert notice.announces_data
    # Notices of these tests follow the schema.
    validator.validate(Here.notice(None, "https://example.org/"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "announces"),
    [
        ({"alert_tense": "test"}, False),
        ({"alert_tense": "injection"}, False),
        ({"alert_tense": "planned"}, False),
        ({"alert_type": "retraction"}, False),
        ({"alert_tense": "current"}, True),
        ({}, True),
    ],
)
def test_tests_plans_and_retractions_announce_no_data(facts: dict[str, str], announces: bool) -> None:
    assert Notice.model_validate_json(json.dumps({"facility_name": "Swift", **facts})).announces_data is announces


# --- a part of a source ----------------------------------------------------------------------------------------------

ROOT = "https://archive.org/FTP/swift/obs"


@pytest.mark.parametrize(
    ("url", "start"),
    [
        (f"{ROOT}/2026_03/00012345001/", "2026_03/00012345001/"),
        (f"{ROOT}/2026_03", "2026_03/"),
        (f"{ROOT}/a%20b/", "a%20b/"),
        (ROOT, None),
        (f"{ROOT}/", None),
        (f"{ROOT}2/x/", None),
        ("https://archive.org/FTP/swift/", None),
        ("https://elsewhere.org/FTP/swift/obs/x/", None),
        (f"{ROOT}/../secret/", None),
        (f"{ROOT}/x/%2e%2e/%2e%2e/secret/", None),
        (f"{ROOT}//elsewhere.org/", None),
        (f"{ROOT}/x?y=/", None),
        (f"{ROOT}/x#y", None),
        (f"{ROOT}/x\r\nHost: elsewhere/", None),
        (f"{ROOT}/a b/", None),
        (f"{ROOT}/A:", None),
    ],
)
def test_pages_outside_the_root_are_not_polled(url: str, start: str | None) -> None:
    assert folder_below(ROOT, url) == folder_below(f"{ROOT}/", url) == start


@given(st.text(), st.booleans())
def test_urls_do_not_lead_out_of_the_root(text: str, below: bool) -> None:
    from urllib.parse import unquote, urljoin

    start = folder_below(ROOT, f"{ROOT}/{text}" if below else text)
    if start is not None:
        assert unquote(urljoin(f"{ROOT}/", start)).startswith(f"{ROOT}/")
        assert ".." not in unquote(start).split("/")


def test_listing_of_a_folder_equals_that_of_the_root(tmp_path: Path, here: Here) -> None:
    here.drop("07", "a")
    here.drop("08", "b")
    web = WebSource.options_model.model_validate({"url": here.root, "depth": 3, "include": ["0*/*.csv"]})
    narrow = WebSource().narrow_to_folder(web, f"{here.root}07/a")
    assert narrow is not None
    every = {one.name: one for one in WebSource().poll(web)}
    assert list(WebSource().poll(narrow)) == [every["07/a/event_cl/a.csv"]]
    assert set(every) == {"07/a/event_cl/a.csv", "08/b/event_cl/b.csv"}
    place = BucketSource.options_model.model_validate({"url": f"local://{here.folder}/obs"})
    part = BucketSource().narrow_to_folder(place, f"local://{here.folder}/obs/08/")
    assert part is not None
    files = {one.name: one for one in BucketSource().poll(place)}
    assert list(BucketSource().poll(part)) == [files["08/b/event_cl/b.csv"]]
    assert len(files) == 2
    folder = FolderSource.options_model.model_validate({"path": tmp_path})
    assert FolderSource().narrow_to_folder(folder, str(tmp_path / "obs")) is None


# --- the daemon ------------------------------------------------------------------------------------------------------


def test_notice_polls_its_page_only(here: Here) -> None:
    daemon = here.start()
    until(lambda: "/obs/19/" in Archive.requested)  # the first scheduled poll: root and days
    Archive.requested.clear()
    page = here.drop("07", "a")
    here.drop("08", "unannounced")
    here.say(here.notice(page))
    until(lambda: here.done("a"))
    until(lambda: here.acknowledged() == 1)
    assert {path for path in Archive.requested if path.endswith("/")} == {"/obs/07/a/", "/obs/07/a/event_cl/"}
    assert [Path(one.url).name for one in here.store.drops()] == ["a.csv"]
    assert count_notices(daemon, "accepted") == 1
    # A repeated notice is polled again without effect.
    here.say(here.notice(page))
    until(lambda: here.acknowledged() == 2)
    assert [one.state for one in here.store.drops()] == [DropState.PROCESSED]


def test_other_notices_are_counted_and_ignored(here: Here) -> None:
    page = here.drop("07", "a")
    elsewhere = here.notice("https://elsewhere.org/obs/", "NuSTAR")
    here.say(b"\xff no JSON", b"", b"[1]", {"facility_name": 5}, elsewhere, here.notice(page, alert_tense="test"))
    here.say(here.notice(page, "chandra"))
    daemon = here.start()
    until(lambda: here.done("a") and here.acknowledged() == 7)
    assert [count_notices(daemon, outcome) for outcome in ("malformed", "other facility", "no data", "accepted")] == [
        4,
        1,
        1,
        1,
    ]
    assert errors(daemon) == 0
    reasons = [one["reason"] for one in here.log.of("notice malformed")]
    assert len(reasons) == 4
    assert any(reason.startswith("facility_name: ") for reason in reasons)
    assert [one["facility"] for one in here.log.of("notice") if one["outcome"] == "other facility"] == ["NuSTAR"]


def test_second_notice_of_an_observation_is_processed(here: Here) -> None:
    here.start()
    page = here.drop("07", "a")
    here.say(here.notice(page))
    until(lambda: here.done("a"))
    (here.folder / "obs" / "07" / "a" / "event_cl" / "a_gti.csv").write_text("obsreg_id,start,stop\nplain,0,1e9\n")
    here.say(here.notice(page))
    until(lambda: len(here.store.drops()) == 2 and here.acknowledged() == 2)
    until(lambda: {one.state for one in here.store.drops()} == {DropState.PROCESSED, DropState.SUPERSEDED})
    assert {Path(one.url).name for one in here.store.drops()} == {"a.csv"}


def test_notice_of_a_page_elsewhere_polls_the_whole_source(here: Here) -> None:
    here.start()
    until(lambda: "/obs/19/" in Archive.requested)
    drop_file(here.folder / "obs" / "03", "plain")
    here.say(here.notice("https://mirror.example.org/obs/03/"))
    until(lambda: here.done("plain") and here.acknowledged() == 1)
    assert len(here.store.drops()) == 1


def test_notice_is_acknowledged_when_its_files_are_stored(here: Here) -> None:
    page = f"{here.root}07/late/"
    first = here.start(here.configuration(tries=1))
    here.say(here.notice(page))
    # The page is missing: it is retried, and another notice is handled meanwhile.
    until(lambda: any("/07/late/" in one["reason"] for one in here.log.of("poll failed")))
    other = here.drop("08", "b")
    here.say(here.notice(other))
    until(lambda: here.done("b"))
    until(lambda: len(here.log.of("notice abandoned")) == 1)
    assert errors(first) == 1
    until(lambda: here.acknowledged() == 2)
    here.end()
    # The archive is down: the notice is pending when the daemon is stopped, and the next daemon reads it again.
    address = here.server.server_address
    here.server.shutdown()
    here.server.server_close()
    here.log.events.clear()
    here.start()
    here.say(here.notice(here.drop("09", "c")))
    until(lambda: any("09/c/" in one["reason"] for one in here.log.of("poll failed")))
    here.end()
    assert here.acknowledged() == 2
    handler = functools.partial(Archive, directory=str(here.folder))
    here.server = http.server.ThreadingHTTPServer(address, handler)  # type: ignore[arg-type]
    threading.Thread(target=here.server.serve_forever, daemon=True).start()
    here.start()
    until(lambda: here.done("b", "c") and here.acknowledged() == 3)


def test_unavailable_brokers_are_reported(here: Here) -> None:
    daemon = here.start(here.configuration(brokers="127.0.0.1:1"))
    drop_file(here.folder / "obs" / "03", "plain")
    until(lambda: errors(daemon) >= 2 and bool(here.log.of("notices unavailable")))
    # The schedule continues; the error is logged once.
    until(lambda: here.done("plain"))
    assert "127.0.0.1:1" in str(here.log.of("notices unavailable")[0]["reason"])
    here.end()


# --- settings --------------------------------------------------------------------------------------------------------


def streamed(where: Any, **source: Any) -> Configuration:
    place = {"kind": "folder", "path": "/", **source}
    environment = {"XHERALD_DAEMON__SOURCES": json.dumps({"x": place, "y": {**place, "notices": ["SWIFT"]}})}
    return load_configuration(None, environment | {"XHERALD_DAEMON__NOTICES": json.dumps(where)})


def test_find_subscribers() -> None:
    stream = streamed({"brokers": "b:1", "topic": "t"}, notices=["Swift", "swift", "IXPE"]).settings.daemon
    assert find_subscribers(stream) == {"swift": ("x", "y"), "ixpe": ("x",)}


def test_invalid_notice_settings_are_rejected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sources\.y uses notices, but the section notices is missing"):
        streamed(None)
    with pytest.raises(ConfigError, match=r"daemon\.notices\.topic"):
        streamed({"brokers": "b:1"})
    with pytest.raises(ConfigError, match=r"settings contain the secret sasl\.password"):
        streamed({"brokers": "b:1", "topic": "t", "settings": {"sasl.password": "secret"}})
    with pytest.raises(ConfigError, match=r"daemon\.notices\.settings: No such configuration property: \"no\.such\""):
        validate_notice_settings(streamed({"brokers": "b:1", "topic": "t", "settings": {"no.such": 1}}).settings.daemon)
    with pytest.raises(ConfigError, match="NOT_THERE is not set"):
        validate_notice_settings(streamed({"brokers": "b:1", "topic": "t", "secret_env": "NOT_THERE"}).settings.daemon)
    good = streamed({"brokers": "b:1", "topic": "t"})
    validate_notice_settings(good.settings.daemon)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with open_store(f"sqlite:///{tmp_path}/s.sqlite") as store:
        daemon = Daemon(good, store)
        with pytest.raises(ConfigError, match=r"daemon\.notices: .*pip install 'xherald\[kafka\]'"):
            daemon.watch()
