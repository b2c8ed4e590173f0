"""Connection to Kafka brokers, shared by the alert sink ``kafka`` and by notices of new data: `KafkaConnection`.

Requires the extra ``kafka`` (confluent-kafka, librdkafka).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from pydantic import Field, model_validator

from xherald.photons.errors import ConfigError

from .contract import Options
from .secrets import read_secret

__all__ = ["KafkaConnection", "import_confluent_kafka"]

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
"""Settings of librdkafka that are secrets and must not be in a configuration."""


class KafkaConnection(Options):
    """Options of a connection to Kafka brokers.

    Parameters
    ----------
    brokers : str — HOST:PORT, separated by commas
    settings : mapping — settings of librdkafka, such as ``security.protocol``, without secrets
    secret_setting : str — setting of librdkafka whose value is the secret
    secret_env, secret_file : str, Path or None
        Environment variable, or file of mode 600, with the secret.
    """

    brokers: str = Field(min_length=1)
    settings: dict[str, str | int | float | bool] = Field(default_factory=dict)
    secret_setting: str = "sasl.password"
    secret_env: str | None = None
    secret_file: Path | None = None

    @model_validator(mode="after")
    def _refuse_secrets(self) -> Self:
        if shown := sorted(SECRET_SETTINGS & set(self.settings)):
            raise ValueError(
                f"settings contain the secret {shown[0]}; use secret_setting with secret_env or secret_file"
            )
        return self

    def secrets(self) -> tuple[str, ...]:
        """The secret, if there is one.

        Raises
        ------
        ConfigError
            It cannot be read.
        """
        secret = read_secret(self.secret_setting, self.secret_env, self.secret_file)
        return () if secret is None else (secret,)

    def for_client(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Settings of a librdkafka client, including the secret.

        Parameters
        ----------
        own : mapping
            Settings of the client that take precedence.

        Raises
        ------
        ConfigError
            The secret cannot be read.
        """
        settings: dict[str, Any] = {
            "client.id": "xherald",
            **self.settings,
            **own,
            "bootstrap.servers": self.brokers,
            "log_level": 0,  # errors are reported by xherald
        }
        for secret in self.secrets():
            settings[self.secret_setting] = secret
        return settings


def import_confluent_kafka(needed_by: str) -> Any:
    """Import confluent_kafka, which is an optional dependency.

    Parameters
    ----------
    needed_by : str — what needs it, for the error

    Raises
    ------
    ConfigError
        It is not installed.
    """
    try:
        import confluent_kafka
    except ImportError as fault:
        raise ConfigError(f"{needed_by}: confluent-kafka is not installed; run pip install 'xherald[kafka]'") from fault
    return confluent_kafka
