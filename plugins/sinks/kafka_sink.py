"""Alerts as GCN notices in a Kafka topic, confirmed by all replicas: `KafkaSink`.

Requires the extra ``kafka`` (confluent-kafka, librdkafka). NASA's GCN uses OAUTHBEARER over TLS, with the client id in
the settings and the client secret as the secret.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from xherald.photons.errors import AlertRefusedError, SinkUnavailableError
from xherald.plugins.alerts import Alert, AlertSink, Receipt
from xherald.plugins.kafka_connection import KafkaConnection, import_confluent_kafka

from .gcn_notice import gcn_notice

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

__all__ = ["KafkaOptions", "KafkaSink"]


class KafkaOptions(KafkaConnection):
    """Options of `KafkaSink`, in addition to those of the connection.

    Parameters
    ----------
    topic : str — name of the topic
    schema_url : str or None — of the schema of the topic, for ``$schema``
    timeout_s : float — s, for the confirmation by the brokers
    """

    topic: str = Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")
    schema_url: str | None = None
    timeout_s: float = Field(default=20.0, gt=0)


class KafkaSink(AlertSink[KafkaOptions]):
    """A Kafka topic. The key is the candidate, so that its alerts remain in order; header ``alert_id`` is the id."""

    name = "kafka"

    def send(self, alert: Alert, options: KafkaOptions) -> Receipt:
        """Produce the notice and wait for the confirmation."""
        client = import_confluent_kafka("kafka")
        value = json.dumps(gcn_notice(alert, options.schema_url), allow_nan=False).encode()
        key = (alert.candidate_id or alert.id).encode()
        answers: list[tuple[KafkaError | None, Message]] = []
        try:
            producer = client.Producer(
                options.for_client(
                    {
                        "acks": "all",
                        "enable.idempotence": True,
                        "message.timeout.ms": round(options.timeout_s * 1000),
                    }
                )
            )
            producer.produce(
                options.topic,
                value,
                key,
                headers={"alert_id": alert.id.encode()},
                on_delivery=lambda error, message: answers.append((error, message)),
            )
            producer.flush(options.timeout_s)
        except client.KafkaException as fault:
            raise _failed(options, fault.args[0]) from None
        except (BufferError, ValueError) as fault:
            raise SinkUnavailableError(f"kafka {options.topic}: {fault}") from None
        if not answers:
            producer.purge()
            raise SinkUnavailableError(f"kafka {options.topic}: not confirmed within {options.timeout_s:g} s")
        error, message = answers[0]
        if error is not None:
            raise _failed(options, error)
        return Receipt(f"{options.topic}[{message.partition()}]@{message.offset()}")

    def secrets(self, options: KafkaOptions) -> Sequence[str]:
        """The password or client secret."""
        return options.secrets()


def _failed(options: KafkaOptions, error: KafkaError) -> AlertRefusedError | SinkUnavailableError:
    from confluent_kafka import KafkaError as Codes

    reason = f"kafka {options.topic}: {error.name()}: {error.str()}"
    permanent = (Codes.MSG_SIZE_TOO_LARGE, Codes.INVALID_MSG, Codes.INVALID_RECORD)
    return AlertRefusedError(reason) if error.code() in permanent else SinkUnavailableError(reason)
