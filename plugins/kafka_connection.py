"""How Kafka's brokers are reached, by whatever produces to them or consumes from them: `KafkaConnection`.

The alert sink ``kafka`` and the stream's notices share it. Needs the extra ``kafka`` (confluent-kafka, librdkafka).
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
"""Settings of librdkafka that are secrets themselves and have no place in a configuration."""


class KafkaConnection(Options):
    """How brokers are reached.

    Parameters
    ----------
    brokers : str — HOST:PORT, several with commas between
    settings : mapping — of librdkafka, such as ``security.protocol``; none that is a secret
    secret_setting : str — the setting of librdkafka that the secret is for
    secret_env, secret_file : str, Path or None
        Environment variable, or file of mode 600, with that secret.
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
                f"settings hold a secret, {shown[0]}; name it in secret_setting, and secret_env or secret_file"
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
        """Settings of a client of librdkafka, the secret among them.

        Parameters
        ----------
        own : mapping
            Settings that the client needs as they are, whatever was given.

        Raises
        ------
        ConfigError
            The secret cannot be read.
        """
        told: dict[str, Any] = {
            "client.id": "xherald",
            **self.settings,
            **own,
            "bootstrap.servers": self.brokers,
            "log_level": 0,  # what goes wrong is told in our own words
        }
        for secret in self.secrets():
            told[self.secret_setting] = secret
        return told


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
