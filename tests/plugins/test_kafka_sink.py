"""The Kafka sink against the broker that librdkafka has built in for tests."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator

import pytest
from alert_servers import SECRET
from example_alerts import digest_alert, flare_alert, send, validate_options

from xherald.photons.errors import ConfigError, SinkUnavailableError
from xherald.plugins.sinks.gcn_notice import gcn_notice


@pytest.fixture(scope="module")
def brokers() -> Iterator[str]:
    """Addresses of the cluster that librdkafka has built in for tests."""
    confluent_kafka = pytest.importorskip("confluent_kafka")
    cluster = confluent_kafka.Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1, "log_level": 0})
    known = cluster.list_topics(timeout=10).brokers.values()
    yield ",".join(f"{one.host}:{one.port}" for one in known)
    cluster.flush(1)


def test_kafka_messages_are_confirmed_and_consumed_in_order(brokers: str) -> None:
    from confluent_kafka import Consumer

    sent = [flare_alert("a"), flare_alert("b"), flare_alert("a", "retraction"), digest_alert()]
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
    first, second = by_id[flare_alert("a").id], by_id[flare_alert("a", "retraction").id]
    assert first.key() == second.key() == b"a"
    assert first.partition() == second.partition()
    assert first.offset() < second.offset()


def test_kafka_unreachable_brokers_are_retried() -> None:
    with pytest.raises(SinkUnavailableError, match="kafka t: "):
        send("kafka", flare_alert(), brokers="127.0.0.1:1", topic="t", timeout_s=0.5)
    with pytest.raises(SinkUnavailableError, match="No such configuration property"):
        send("kafka", flare_alert(), brokers="127.0.0.1:1", topic="t", settings={"no.such": 1})


def test_kafka_without_its_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(ConfigError, match=r"pip install 'xherald\[kafka\]'"):
        send("kafka", flare_alert(), brokers="127.0.0.1:1", topic="t")


@pytest.mark.parametrize("name", ["sasl.password", "ssl.key.pem", "sasl.oauthbearer.client.secret"])
def test_kafka_settings_with_secrets_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="settings contain the secret") as caught:
        validate_options("kafka", brokers="x:1", topic="t", settings={name: SECRET})
    assert SECRET not in str(caught.value)
