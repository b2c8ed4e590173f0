"""A conforming alert sink, and for each rule one that breaks it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field

from xherald.photons.errors import AlertRefusedError
from xherald.plugins import AlertSink, Options, Receipt

from .variants import common_violations, variant


class FileOptions(Options):
    path: Path = Field(description="the file")
    secret: str = Field(default="not-to-be-shown", description="a key")


class Lines(AlertSink[FileOptions]):
    """Writes ids into a file, each once."""

    name = "lines"

    def send(self, alert, options):
        held = read_ids(options.path)
        if alert.id in held:
            return Receipt(str(options.path), repeated=True)
        self.append(alert.id, options.path)
        return Receipt(str(options.path))

    @staticmethod
    def append(word: str, path: Path) -> None:
        try:
            with path.open("a") as file:
                file.write(word + "\n")
        except OSError as fault:
            raise AlertRefusedError(f"{path}: {fault.strerror}") from fault

    def secrets(self, options):
        return (options.secret,)


def read_ids(path: Path) -> list[str]:
    """Ids in a file of `Lines`."""
    return path.read_text().split() if path.exists() else []


def refuse_digests(self: Lines, alert: Any, options: Any) -> Receipt:
    if alert.alert_type == "digest":
        raise AlertRefusedError("digests are not supported")
    return Lines.send(self, alert, options)


def send_twice(self: Lines, alert: Any, options: Any) -> Receipt:
    repeated = alert.id in read_ids(options.path)
    Lines.append(alert.id, options.path)
    return Receipt(str(options.path), repeated=repeated)


class RememberingAlert(Lines):
    """Stores the id of the last alert."""

    def send(self, alert, options):
        self.last = alert.id
        return super().send(alert, options)


ALERT_SINKS = {
    **common_violations(Lines, FileOptions),
    "accepts-every-kind": variant(Lines, send=refuse_digests),
    "receipt": variant(
        Lines, send=lambda self, alert, options: replace(Lines.send(self, alert, options), note=f"key {options.secret}")
    ),
    "repeated": variant(Lines, send=send_twice),
    "secrets": variant(Lines, secrets=lambda self, options: "not-to-be-shown"),
    "unreachable": variant(
        Lines,
        send=lambda self, alert, options: (
            Lines.send(self, alert, options) if options.path.parent.is_dir() else Receipt("nowhere")
        ),
    ),
    "stateless": RememberingAlert(),
}
