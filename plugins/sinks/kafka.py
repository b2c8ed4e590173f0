"""Alerts to a Kafka topic as GCN notices, each confirmed by all brokers that keep it.

Needs the extra ``kafka`` (confluent-kafka, librdkafka). NASA's GCN takes notices this way: OAUTHBEARER over TLS, with
a client id in the settings and its secret as the secret.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import Field, model_validator

from xherald.photons.errors import AlertRefusedError, ConfigError, SinkUnavailableError

from ..alerts import Alert, AlertSink, Receipt
from ..contract import Options
from ..secrets import read_secret
from .gcn import gcn_notice

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

__all__ = ["KafkaOptions", "KafkaSink"]

SECRET_SETTINGS: Final = frozenset(
    {
        "sasl.password",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.config",
        "ssl.key.password",
        "ssl.key.pem",
        "ssl.keystore.password",
    }
)
"""Settings of librdkafka that are secrets themselves and have no place in a configuration."""


class KafkaOptions(Options):
    """Options of `KafkaSink`.

    Parameters
    ----------
    topic : str — its name
    schema_url : str or None — of the schema that the topic promises, for ``$schema``
    settings : mapping — of librdkafka, such as ``security.protocol``; none that is a secret
    secret_setting : str — the setting of librdkafka that the secret is for
    secret_env, secret_file : str, Path or None
        Environment variable, or file of mode 600, with that secret.
    timeout_s : float — s, until when the brokers must have confirmed
    """

    brokers: str = Field(min_length=1)
    topic: str = Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")
    schema_url: str | None = None
    settings: dict[str, str | int | float | bool] = Field(default_factory=dict)
    secret_setting: str = "sasl.password"
    secret_env: str | None = None
    secret_file: Path | None = None
    timeout_s: float = Field(default=20.0, gt=0)

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if shown := sorted(SECRET_SETTINGS & set(self.settings)):
            raise ValueError(
                f"settings hold a secret, {shown[0]}; name it in secret_setting, and secret_env or secret_file"
            )
        return self


class KafkaSink(AlertSink):
    """A Kafka topic. Keyed by candidate, so that its alerts stay in order; the id is the header ``alert_id``."""

    name = "kafka"
    options_model = KafkaOptions

    def send(self, alert: Alert, options: Options) -> Receipt:
        """Produce the notice, and wait until it is confirmed."""
        assert isinstance(options, KafkaOptions)
        try:
            from confluent_kafka import KafkaException, Producer
        except ImportError as fault:
            raise ConfigError("kafka: confluent-kafka is not installed; say pip install 'xherald[kafka]'") from fault
        value = json.dumps(gcn_notice(alert, options.schema_url), allow_nan=False).encode()
        key = (alert.candidate_id or alert.id).encode()
        answers: list[tuple[KafkaError | None, Message]] = []
        try:
            producer = Producer(_settings(options))
            producer.produce(
                options.topic,
                value,
                key,
                headers={"alert_id": alert.id.encode()},
                on_delivery=lambda error, message: answers.append((error, message)),
            )
            producer.flush(options.timeout_s)
        except KafkaException as fault:
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

    def secrets(self, options: Options) -> Sequence[str]:
        """Password, client secret or whatever it is for."""
        assert isinstance(options, KafkaOptions)
        secret = read_secret(options.secret_setting, options.secret_env, options.secret_file)
        return () if secret is None else (secret,)


def _settings(options: KafkaOptions) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "client.id": "xherald",
        **options.settings,
        "bootstrap.servers": options.brokers,
        "acks": "all",
        "enable.idempotence": True,
        "message.timeout.ms": round(options.timeout_s * 1000),
        "log_level": 0,  # what goes wrong is told by the exception, in our own words
    }
    secret = read_secret(options.secret_setting, options.secret_env, options.secret_file)
    return settings if secret is None else {**settings, options.secret_setting: secret}


def _failed(options: KafkaOptions, error: KafkaError) -> AlertRefusedError | SinkUnavailableError:
    from confluent_kafka import KafkaError as Codes

    reason = f"kafka {options.topic}: {error.name()}: {error.str()}"
    for_good = (Codes.MSG_SIZE_TOO_LARGE, Codes.INVALID_MSG, Codes.INVALID_RECORD)
    return AlertRefusedError(reason) if error.code() in for_good else SinkUnavailableError(reason)
