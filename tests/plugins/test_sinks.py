"""Alert sinks against real files, sockets, brokers and schemas: what they send, what they take once, what they hide."""

from __future__ import annotations

import hashlib
import hmac
import json
import multiprocessing
import os
import re
import string
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from alert_servers import SECRET, certificate_in, evidence_of_a_flare, ids_in, mail_server, web_server
from handmade_detections import detections_of, table_of
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import ROOT
from variable_sources import simulated_source

from xherald.daemon.alerts.payload import alert_of, trial_alert
from xherald.daemon.alerts.sinks import Sink, deliver, open_sinks
from xherald.detector.candidates.evidence import make_evidence
from xherald.detector.configuration import marked_yaml
from xherald.detector.configuration.alert_settings import AlertSettings, SinkSettings
from xherald.photons import EventBatch
from xherald.photons.errors import AlertError, AlertRefusedError, ConfigError, SinkUnavailableError
from xherald.plugins import Options, PluginHost
from xherald.plugins.alerts import Alert, Facts, Receipt
from xherald.plugins.secrets import read_secret, redact
from xherald.plugins.sinks.gcn_notice import gcn_notice
from xherald.plugins.sinks.voevent_packet import voevent

HOST = PluginHost()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STREAM = "ivo://org.example/xherald"


def flare(name: str = "XH-CHANDRA-ACIS-29128-110-7446eb-F", kind: Any = "initial", **changes: Any) -> Alert:
    return alert_of(evidence_of_a_flare(name, **changes), kind, "current", "drop", NOW)


def digest() -> Alert:
    members = (flare("a"), flare("b"))
    return Alert("XH-DIGEST-1", "", "digest", "current", "2026-03-01T00:00:00.000Z", "2 more", members=members)


def bare() -> Alert:
    """An alert of a source of which hardly anything is known."""
    return Alert("x-initial", "x", "initial", "archival", "2026-03-01T00:00:00.000Z", "Dip", Facts(kind="dip"))


EVERY_KIND = [flare(), flare(kind="update"), flare(kind="retraction"), trial_alert(NOW), digest(), bare()]


def send(kind: str, alert: Alert, **options: Any) -> Receipt:
    sink = HOST.alert_sinks[kind]
    return sink.send(alert, HOST.validate_options(sink, options))


def describe_options(kind: str, **options: Any) -> Options:
    return HOST.validate_options(HOST.alert_sinks[kind], options)


def private(path: Path, text: str = SECRET, mode: int = 0o600) -> Path:
    path.write_text(text + "\n")
    path.chmod(mode)
    return path


# --- what an alert is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alert", EVERY_KIND, ids=lambda one: one.id)
def test_an_alert_comes_back_from_json_as_it_was(alert: Alert) -> None:
    told = json.loads(json.dumps(alert.as_json(), allow_nan=False))
    assert next(iter(told)) == "id"
    assert Alert.from_json(told) == alert
    assert Alert.from_json({**told, "of_a_later_version": 1}) == alert


def test_a_pruned_payload_is_refused() -> None:
    with pytest.raises(AlertRefusedError, match="alert x: payload lacks alert_tense, alert_type, candidate_id"):
        Alert.from_json({"id": "x"})


# --- JSON Lines ------------------------------------------------------------------------------------------------------


def test_an_id_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    assert not send("jsonl", flare("a"), path=path).repeated
    assert not send("jsonl", flare("b"), path=path).repeated
    assert send("jsonl", flare("a"), path=path).repeated
    assert send("jsonl", flare("b"), path=path).repeated
    assert not send("jsonl", flare("a", "update"), path=path).repeated
    assert ids_in(path) == [flare("a").id, flare("b").id, flare("a", "update").id]


@settings(max_examples=20)  # each writes to the disk, and waits for it
@given(kept=st.integers(min_value=0, max_value=3), part=st.floats(min_value=0, max_value=1))
def test_a_line_that_a_crash_cut_is_written_anew_and_whole_ones_stand(
    tmp_path_factory: pytest.TempPathFactory, kept: int, part: float
) -> None:
    path = tmp_path_factory.mktemp("cut") / "alerts.jsonl"
    alerts = [flare(name) for name in "abcd"]
    for alert in alerts:
        send("jsonl", alert, path=path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:kept]) + lines[kept][: int(part * len(lines[kept]))])
    for alert in alerts:
        send("jsonl", alert, path=path)
    assert path.read_bytes() == b"".join(lines)


def test_what_is_not_ours_in_the_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    path.write_text("a note without an end")
    send("jsonl", flare("a"), path=path)
    first, second = path.read_text().splitlines()
    assert first == "a note without an end"
    assert json.loads(second)["id"] == flare("a").id
    # An id inside another line's text is no alert of that id.
    path.write_text(json.dumps({"note": f'"id":"{flare("b").id}",'}) + "\n")
    assert not send("jsonl", flare("b"), path=path).repeated


def _write_all(path: Path, names: list[str]) -> None:
    for name in names:
        send("jsonl", flare(name), path=path)


def test_writers_at_once_write_every_id_once(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    names = [f"c{number}" for number in range(40)]
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=_write_all, args=(path, names[shift:] + names[:shift])) for shift in (0, 13, 26)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert [one.exitcode for one in workers] == [0, 0, 0]
    assert sorted(ids_in(path)) == sorted(flare(name).id for name in names)


@pytest.mark.parametrize("where", ["missing/alerts.jsonl", "."])
def test_a_file_that_cannot_be_written_may_be_one_day(tmp_path: Path, where: str) -> None:
    with pytest.raises(SinkUnavailableError, match=re.escape(str(tmp_path))):
        send("jsonl", flare(), path=tmp_path / where)


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "alerts.jsonl"
    send("jsonl", flare("a"), path=path)
    before, write = path.read_bytes(), os.write

    def full(file: int, content: Any) -> int:
        if len(content) <= 100:
            raise OSError(28, "No space left on device")
        return write(file, bytes(content[:100]))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(SinkUnavailableError, match="No space left on device"):
        send("jsonl", flare("b"), path=path)
    assert path.read_bytes() == before
    monkeypatch.undo()
    send("jsonl", flare("b"), path=path)
    assert ids_in(path) == [flare("a").id, flare("b").id]


# --- standard output -------------------------------------------------------------------------------------------------


def test_standard_output_for_people_and_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    send("stdout", replace(flare(kind="retraction"), reason="a hot pixel"))
    text = capsys.readouterr().out
    assert text.startswith("[RETRACTED] Flare at 83.8333 -5.4206 in CHANDRA ACIS-I 29128")
    for part in (
        "a hot pixel",
        "1e-5 per source",
        "1e-7 Hz (1 per 120 days)",
        "error 0.9 arcsec",
        "0.03 ct/s net (background 0.004 ct/s), 0.5 to 7 keV",
        "XRT 000519",
    ):
        assert part in text
    send("stdout", flare(), form="json")
    assert Alert.from_json(json.loads(capsys.readouterr().out)) == flare()
    for alert in EVERY_KIND:
        send("stdout", alert)


# --- webhook ---------------------------------------------------------------------------------------------------------


def test_a_webhook_gets_the_whole_alert_and_its_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_KEY", SECRET)
    with web_server() as hook:
        receipt = send("webhook", flare(), url=hook.url, secret_env="HOOK_KEY")
        assert (receipt.where, receipt.repeated) == (hook.url, False)
        hook.answers.append((409, {}, b"have it"))
        assert send("webhook", flare(), url=hook.url, secret_env="HOOK_KEY").repeated
    (headers, body), _ = hook.requests
    assert Alert.from_json(json.loads(body)) == flare()
    assert headers["Idempotency-Key"] == flare().id
    moment, digest = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["X-Xherald-Signature"]).groups()  # type: ignore[union-attr]
    assert hmac.new(SECRET.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest() == digest


def test_the_documented_receiver_knows_true_from_false(monkeypatch: pytest.MonkeyPatch) -> None:
    document = (ROOT / "docs" / "alerts.md").read_text()
    code = next(one for one in re.findall(r"```python\n(.*?)```", document, re.DOTALL) if "def is_genuine" in one)
    names: dict[str, Any] = {}
    exec(code, names)  # our own document
    monkeypatch.setenv("HOOK_KEY", SECRET)
    with web_server() as hook:
        send("webhook", flare(), url=hook.url, secret_env="HOOK_KEY")
    ((headers, body),) = hook.requests
    header = headers["X-Xherald-Signature"]
    assert names["is_genuine"](body, header, SECRET)
    assert not names["is_genuine"](body + b" ", header, SECRET)
    assert not names["is_genuine"](body, header, "another key")
    late = re.sub(r"t=(\d+)", lambda found: f"t={int(found[1]) - 3600}", header)
    assert not names["is_genuine"](body, late, SECRET)
    assert not names["is_genuine"](body, "", SECRET)


def test_slack_gets_its_form_with_its_signs_escaped() -> None:
    alert = replace(flare(), headline="<!channel> a & b")
    with web_server() as hook:
        for one in (alert, *EVERY_KIND):
            send("webhook", one, url=hook.url, form="slack")
    told = json.loads(hook.requests[0][1])
    assert set(told) == {"text", "blocks"}
    assert told["text"] == "&lt;!channel&gt; a &amp; b"
    assert all(len(block["text"]["text"]) < 3000 for block in told["blocks"])


@pytest.mark.parametrize("status", [400, 410, 413, 415, 422])
def test_an_answer_that_will_not_change_is_for_good(status: int) -> None:
    with web_server() as hook:
        hook.answers.append((status, {}, b"no such form"))
        with pytest.raises(AlertRefusedError, match=f"HTTP {status}.*no such form"):
            send("webhook", flare(), url=hook.url)


@pytest.mark.parametrize("status", [302, 401, 403, 404, 429, 500, 503])
def test_an_answer_that_may_change_is_tried_again(status: int) -> None:
    with web_server() as hook:
        hook.answers.append((status, {"Retry-After": "120", "Location": hook.url}, b""))
        with pytest.raises(SinkUnavailableError, match=f"HTTP {status}") as caught:
            send("webhook", flare(), url=hook.url)
        assert caught.value.retry_after == 120.0
        assert len(hook.requests) == 1


def test_a_server_that_is_not_there_or_does_not_answer_is_tried_again() -> None:
    with web_server() as hook:
        url = hook.url
    with pytest.raises(SinkUnavailableError, match=r"127\.0\.0\.1.*ConnectError"):
        send("webhook", flare(), url=url)


def test_only_a_server_with_a_known_certificate_is_posted_to(tmp_path: Path) -> None:
    certificate = certificate_in(tmp_path)
    with web_server(certificate=certificate) as hook:
        with pytest.raises(SinkUnavailableError, match="certificate"):
            send("webhook", flare(), url=hook.url)
        assert hook.requests == []
        send("webhook", flare(), url=hook.url, ca_file=certificate[0])
        assert len(hook.requests) == 1
    with pytest.raises(ConfigError, match=r"ca_file: .* cannot be used"):
        send("webhook", flare(), url=hook.url, ca_file=tmp_path / "absent")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "name an address"),
        ({"url": "ftp://x"}, "must be an http"),
        ({"url": "https://me:word@x/y"}, "holds a password"),
        ({"url": "https://x", "url_env": "Y"}, "name one of url"),
        ({"url": "https://x", "secret": "in the clear"}, "Extra inputs are not permitted"),
    ],
)
def test_wrong_webhooks_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        describe_options("webhook", **options)


# --- mail ------------------------------------------------------------------------------------------------------------

ADDRESSES = {"sender": "xherald@example.org", "recipients": ("duty@example.org", "pi@example.org")}


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return certificate_in(tmp_path)


def test_mail_goes_out_encrypted_logged_in_and_with_its_sheet(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    sheet.write_bytes(b"\x89PNG\r\n\x1a\n picture")
    alert = replace(flare(kind="update"), sheet=str(sheet), previous=("first", "second"))
    with mail_server(certificate) as box:
        secured = {"username": "me", "secret_file": private(tmp_path / "password"), "ca_file": certificate[0]}
        receipt = send("mail", alert, host="127.0.0.1", port=box.port, **ADDRESSES, **secured)
    assert receipt.note == ""
    assert (box.encrypted, box.logins) == ([True], [f"\0me\0{SECRET}"])
    (mail,) = box.mails
    assert mail["Subject"].startswith("[UPDATE] Flare at 83.8333")
    assert (mail["To"], mail["Message-ID"]) == ("duty@example.org, pi@example.org", f"<{alert.id}@example.org>")
    assert mail["References"].split() == ["<first@example.org>", "<second@example.org>"]
    assert mail["In-Reply-To"] == "<second@example.org>"
    (picture,) = mail.iter_attachments()
    assert (picture.get_content_type(), picture.get_content()) == ("image/png", sheet.read_bytes())
    body = mail.get_body()
    assert body is not None
    assert "false-alarm rate" in body.get_content()


def test_a_server_without_encryption_gets_no_password(tmp_path: Path) -> None:
    secured = {"username": "me", "secret_file": private(tmp_path / "password")}
    with mail_server() as box:
        with pytest.raises(SinkUnavailableError, match="STARTTLS"):
            send("mail", flare(), host="127.0.0.1", port=box.port, **ADDRESSES, **secured)
        assert box.mails == box.logins == []
    with pytest.raises(ConfigError, match="not sent in the clear"):
        describe_options("mail", host="x", security="none", **ADDRESSES, **secured)


def test_a_certificate_that_nobody_knows_is_not_trusted(certificate: tuple[Path, Path]) -> None:
    with mail_server(certificate) as box, pytest.raises(SinkUnavailableError, match="certificate"):
        send("mail", flare(), host="127.0.0.1", port=box.port, **ADDRESSES)
    assert box.mails == []


def test_every_kind_of_alert_is_a_mail_and_a_lost_sheet_stops_none() -> None:
    with mail_server() as box:
        plain = {"host": "127.0.0.1", "port": box.port, "security": "none", **ADDRESSES}
        for alert in EVERY_KIND:
            send("mail", alert, **plain)
        receipt = send("mail", replace(flare(), sheet="/nowhere/sheet.png", headline="two\nlines: \u2603"), **plain)
    assert receipt.note == "without its sheet: /nowhere/sheet.png: No such file or directory"
    assert box.mails[-1]["Subject"] == "two lines: \u2603"
    assert len(box.mails) == len(EVERY_KIND) + 1


@pytest.mark.parametrize(
    ("word", "reply", "error"),
    [
        ("MAIL TEXT", "554 looks like spam", AlertRefusedError),
        ("MAIL TEXT", "451 greylisted", SinkUnavailableError),
        ("MAIL", "530 log in first", SinkUnavailableError),
        ("RCPT", "550 no such user", SinkUnavailableError),
        ("EHLO", "421 too many", SinkUnavailableError),
    ],
)
def test_what_a_mail_server_says_is_told(word: str, reply: str, error: type[AlertError]) -> None:
    with mail_server() as box:
        box.replies |= {word: reply} if word != "EHLO" else {word: reply, "HELO": reply}
        with pytest.raises(error, match=reply[:3]):
            send("mail", flare(), host="127.0.0.1", port=box.port, security="none", **ADDRESSES)


# --- VOEvent ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def voevent_schema(data: Path) -> Any:
    from lxml import etree

    return etree.XMLSchema(etree.parse(data / "voevent" / "VOEvent-v2.0.xsd"))


@pytest.mark.parametrize("alert", EVERY_KIND, ids=lambda one: one.id)
def test_packets_are_voevents(alert: Alert, voevent_schema: Any) -> None:
    from lxml import etree

    known = replace(alert, previous=("earlier",), headline=alert.headline + " <&> \x00\u2603")
    author = {"title": "A", "shortName": "B", "contactName": "C", "contactEmail": "d@example.org"}
    root = etree.fromstring(voevent(known, STREAM, author))
    voevent_schema.assertValid(root)
    assert root.get("role") == (
        "utility" if alert.members else "test" if alert.alert_tense == "test" else "observation"
    )
    cited = {one.get("cite"): one.text for one in root.iter("EventIVORN")}
    expected = {"update": "supersedes", "retraction": "retraction"}.get(alert.alert_type)
    assert cited == ({expected: f"{STREAM}#earlier"} if expected else {})


def test_a_packet_says_when_where_and_how_sure(voevent_schema: Any) -> None:
    from lxml import etree

    root = etree.fromstring(voevent(flare(), STREAM, {}))
    assert root.get("ivorn") == f"{STREAM}#{flare().id}"
    assert root.findtext(".//ISOTime") == "2026-02-27T12:00:00.000"
    assert [float(root.findtext(f".//{tag}")) for tag in ("C1", "C2")] == [83.8333, -5.42058]
    assert float(root.findtext(".//Error2Radius")) == pytest.approx(0.9 / 3600)
    values = {one.get("name"): one.get("value") for one in root.iter("Param")}
    assert (float(values["far_hz"]), float(values["p_astro"])) == (1e-7, 0.98)
    assert [one.get("probability") for one in root.iter("Inference")] == ["0.98", "0.75", "0.25"]
    # Without an error there is no circle; the position is in the description.
    unsure = etree.fromstring(voevent(flare(ra_deg=1.0, dec_deg=2.0, pos_err_arcsec=None), STREAM, {}))
    voevent_schema.assertValid(unsure)
    assert unsure.find(".//Position2D") is None
    assert "RA 1.000000" in unsure.findtext("WhereWhen/Description")


def test_packets_go_into_a_folder_once_and_to_a_broker(tmp_path: Path) -> None:
    with web_server() as hook:
        both = {"folder": tmp_path, "url": hook.url, "stream": STREAM}
        assert not send("voevent", flare(), **both).repeated
        hook.answers.append((409, {}, b""))
        assert send("voevent", flare(), **both).repeated
    assert [one.name for one in tmp_path.iterdir()] == [f"{flare().id}.xml"]
    headers, body = hook.requests[0]
    assert headers["Content-Type"] == "application/xml"
    assert (tmp_path / f"{flare().id}.xml").read_bytes() == body
    with pytest.raises(SinkUnavailableError, match="No such file"):
        send("voevent", flare(), folder=tmp_path / "missing", stream=STREAM)
    with pytest.raises(ConfigError, match="name a folder"):
        describe_options("voevent", stream=STREAM)
    with pytest.raises(ConfigError, match="stream"):
        describe_options("voevent", folder=tmp_path, stream="https://example.org/x")


# --- GCN -------------------------------------------------------------------------------------------------------------

CORE = ("Alert", "Event", "Reporter", "Localization", "Statistics", "DateTime", "Duration", "AdditionalInfo")


@pytest.fixture(scope="session")
def gcn_validator(data: Path) -> Any:
    from jsonschema import Draft202012Validator

    schemas = [json.loads((data / "gcn-schema/notices/core" / f"{name}.schema.json").read_text()) for name in CORE]
    # The core schemas allow what they do not name: a misspelt field must fail here.
    named = {key: True for schema in schemas for key in schema["properties"]} | {"$schema": True, "alert_id": True}
    return Draft202012Validator({"allOf": schemas, "properties": named, "additionalProperties": False})


@pytest.mark.parametrize("alert", EVERY_KIND, ids=lambda one: one.id)
def test_notices_are_those_of_the_core_schemas(alert: Alert, gcn_validator: Any) -> None:
    notice = json.loads(json.dumps(gcn_notice(alert, "https://example.org/alert.schema.json"), allow_nan=False))
    gcn_validator.validate(notice)
    assert notice["alert_tense"] == alert.alert_tense
    assert notice.get("alert_type") == (None if alert.members else alert.alert_type)


def test_a_notice_says_what_a_follow_up_needs(gcn_validator: Any) -> None:
    notice = gcn_notice(replace(flare(), previous=("one",)))
    expected = {
        "far": 1e-7,
        "p_astro": 0.98,
        "net_count_rate": 0.03,
        "background_count_rate": 0.004,
        "rate_snr": 5.0,
        "rate_duration": 1000.0,
        "rate_energy_range": [0.5, 7.0],
        "ra": 83.8333,
        "dec": -5.42058,
        "ra_dec_error": 0.9 / 3600,
        "containment_probability": 0.68,
        "trigger_time": "2026-02-27T12:00:00.000Z",
        "t90": 800.0,
        "t90_error": [200.0, 100.0],
        "id": ["XH-CHANDRA-ACIS-29128-110-7446eb-F"],
        "record_number": 2,
        "mission": "CHANDRA",
    }
    assert {key: notice[key] for key in expected} == expected
    assert sum(notice["classification"].values()) == pytest.approx(1.0)


def test_a_notice_of_a_scan_tells_its_rates_with_their_band(gcn_validator: Any) -> None:
    source = simulated_source("burst", 1, 0.004, (7_000.0, 7_400.0, 0.2))
    (evidence,) = make_evidence(detections_of(table_of(EventBatch.from_lists([source])), threshold=1.0), [0])
    notice = json.loads(json.dumps(gcn_notice(alert_of(evidence, "initial", "current", "drop", NOW)), allow_nan=False))
    gcn_validator.validate(notice)
    # The schema: "Do specify rate_duration and rate_energy_range with net_count_rate".
    assert {"net_count_rate", "rate_duration"} <= set(notice)
    assert notice["rate_energy_range"] == notice["spectral_band"] == list(source.band)


# --- Kafka -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def brokers() -> Iterator[str]:
    """Addresses of the cluster that librdkafka has built in for tests."""
    confluent_kafka = pytest.importorskip("confluent_kafka")
    cluster = confluent_kafka.Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1, "log_level": 0})
    known = cluster.list_topics(timeout=10).brokers.values()
    yield ",".join(f"{one.host}:{one.port}" for one in known)
    cluster.flush(1)


def test_kafka_confirms_and_keeps_what_was_sent(brokers: str) -> None:
    from confluent_kafka import Consumer

    sent = [flare("a"), flare("b"), flare("a", "retraction"), digest()]
    receipts = [send("kafka", one, brokers=brokers, topic="xherald.alerts") for one in sent]
    assert all(re.fullmatch(r"xherald\.alerts\[\d+\]@\d+", one.where) for one in receipts)
    consumer = Consumer(
        {"bootstrap.servers": brokers, "group.id": "g", "auto.offset.reset": "earliest", "log_level": 0}
    )
    consumer.subscribe(["xherald.alerts"])
    got = []
    while len(got) < len(sent):
        message = consumer.poll(20)
        assert message is not None
        assert message.error() is None
        got.append(message)
    consumer.close()
    by_id = {dict(one.headers())["alert_id"].decode(): one for one in got}
    assert set(by_id) == {one.id for one in sent}
    for one in sent:
        assert json.loads(by_id[one.id].value()) == gcn_notice(one)
    # One candidate's alerts have one key, so they are in one partition and in order.
    first, second = by_id[flare("a").id], by_id[flare("a", "retraction").id]
    assert first.key() == second.key() == b"a"
    assert first.partition() == second.partition()
    assert first.offset() < second.offset()


def test_kafka_without_brokers_is_tried_again_within_its_time() -> None:
    with pytest.raises(SinkUnavailableError, match="kafka t: "):
        send("kafka", flare(), brokers="127.0.0.1:1", topic="t", timeout_s=0.5)
    with pytest.raises(SinkUnavailableError, match="No such configuration property"):
        send("kafka", flare(), brokers="127.0.0.1:1", topic="t", settings={"no.such": 1})


def test_kafka_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(ConfigError, match=r"pip install 'xherald\[kafka\]'"):
        send("kafka", flare(), brokers="127.0.0.1:1", topic="t")


@pytest.mark.parametrize("name", ["sasl.password", "ssl.key.pem", "sasl.oauthbearer.client.secret"])
def test_kafka_settings_hold_no_secret(name: str) -> None:
    with pytest.raises(ConfigError, match="settings contain the secret") as caught:
        describe_options("kafka", brokers="x:1", topic="t", settings={name: SECRET})
    assert SECRET not in str(caught.value)


# --- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_secret_is_read_from_a_private_file(tmp_path: Path, mode: int) -> None:
    assert read_secret("key", None, private(tmp_path / "key", mode=mode)) == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_file_that_others_may_read_is_refused_unread(tmp_path: Path, mode: int) -> None:
    path = private(tmp_path / "key", mode=mode)
    with pytest.raises(ConfigError, match=f"{path} is readable by others .mode {mode:o}.; run `chmod 600 ") as caught:
        read_secret("key", None, path)
    assert SECRET not in str(caught.value)


def test_secrets_that_are_not_there_are_told_by_where_they_should_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH", raising=False)
    monkeypatch.setenv("EMPTY", "  ")
    assert read_secret("key", None, None) is None
    for variable, file, reason in (
        ("NO_SUCH", None, "environment variable NO_SUCH is not set"),
        ("EMPTY", None, "environment variable EMPTY is empty"),
        (None, tmp_path / "absent", "absent cannot be read"),
        ("EMPTY", tmp_path / "absent", "remove one of them"),
    ):
        with pytest.raises(ConfigError, match=reason):
            read_secret("key", variable, file)


@given(st.text(string.ascii_letters + string.digits + "/+&=%", min_size=4), st.text(), st.text())
def test_no_secret_is_left_in_what_is_told(secret: str, before: str, after: str) -> None:
    told = redact(f"{before}{secret}{after} {quote(secret)} {quote(secret, safe='')}", [secret, "other"])
    assert not {form for form in (secret, quote(secret), quote(secret, safe="")) if form in told}
    assert told.count("•••") >= 3


def test_an_address_that_is_a_secret_is_told_by_where_it_is(tmp_path: Path) -> None:
    with web_server() as hook:
        address = private(tmp_path / "address", hook.url + "/T0/B1?token=abc")
        hook.answers += [(200, {}, b""), (500, {}, f"no {hook.url}/T0/B1?token=abc".encode())]
        assert send("webhook", flare(), url_file=address).where == f"the address in {address}"
        sink = Sink(
            "team",
            SinkSettings(kind="webhook"),
            HOST.alert_sinks["webhook"],
            describe_options("webhook", url_file=address),
        )
        with pytest.raises(SinkUnavailableError, match="HTTP 500") as caught:
            deliver(sink, flare(), HOST)
    with pytest.raises(SinkUnavailableError) as down:
        deliver(sink, flare(), HOST)
    for fault in (caught.value, down.value):
        assert "T0/B1" not in str(fault)
        assert "token=abc" not in str(fault)
        assert fault.__suppress_context__


# --- the document ----------------------------------------------------------------------------------------------------


def test_settings_in_the_document_are_settings() -> None:
    first, *others = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "alerts.md").read_text(), re.DOTALL)
    sinks = open_sinks(AlertSettings.model_validate(marked_yaml.parse(first)[0]["alerts"]), HOST)
    assert {one.plugin.name for one in sinks.values()} == {"jsonl", "webhook", "mail"}
    kafka = {name: one for text in others for name, one in marked_yaml.parse(text)[0].items()}
    opened = open_sinks(AlertSettings.model_validate({"sinks": kafka}), HOST)
    assert {name: one.plugin.name for name, one in opened.items()} == {"gcn": "kafka", "hopskotch": "kafka"}
    assert opened["gcn"].settings.far_hz_below == 1e-7


def test_the_sink_in_the_document_is_one(tmp_path: Path) -> None:
    document = (ROOT / "docs" / "alerts.md").read_text()
    code = next(one for one in re.findall(r"```python\n(.*?)```", document, re.DOTALL) if "register_alert_sinks" in one)
    (tmp_path / "bell.py").write_text(code)
    host = PluginHost(files=[tmp_path / "bell.py"])
    assert host.failures == []
    chosen = AlertSettings.model_validate({"sinks": {"door": {"kind": "bell", "device": str(tmp_path / "bell")}}})
    deliver(open_sinks(chosen, host)["door"], flare(), host)
    assert (tmp_path / "bell").read_text() == flare().headline


def test_every_option_is_in_the_document() -> None:
    document = (ROOT / "docs" / "alerts.md").read_text()
    named = set(SinkSettings.model_fields)
    for sink in HOST.alert_sinks.values():
        named |= {f"**`{sink.name}`**", *sink.options_model.model_fields}
    assert {name for name in named if name not in document} == set()
