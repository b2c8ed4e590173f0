"""Alerts as VOEvent packets in a folder, posted to a broker, or both: `VOEventSink`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from xherald.photons.errors import SinkUnavailableError
from xherald.plugins.alerts import Alert, AlertSink, Receipt

from .http_post import PostOptions, has_address, post, post_secrets
from .voevent_packet import voevent

__all__ = ["VOEventOptions", "VOEventSink"]


class VOEventOptions(PostOptions):
    """Options of `VOEventSink`: a folder, a URL, or both.

    Parameters
    ----------
    folder : Path or None — for packets, named ID.xml
    url, url_env, url_file, timeout_s, ca_file
        See `PostOptions`.
    stream : str — ``ivo://authority/stream``, which identifies the packets
    title, short_name, contact_name, contact_email : str — of the author
    """

    folder: Path | None = None
    stream: str = Field(pattern=r"^ivo://[A-Za-z0-9][A-Za-z0-9.\-_]+/[^#?\s]+$")
    title: str = ""
    short_name: str = ""
    contact_name: str = ""
    contact_email: str = ""

    @model_validator(mode="after")
    def _placed(self) -> Self:
        if self.folder is None and not has_address(self):
            raise ValueError("give a folder, a URL (url, url_env, url_file), or both")
        return self


class VOEventSink(AlertSink[VOEventOptions]):
    """VOEvent 2.0 packets. A folder has each packet once; a broker recognizes repetitions by the IVORN."""

    name = "voevent"

    def send(self, alert: Alert, options: VOEventOptions) -> Receipt:
        """Write the packet to the folder, then post it."""
        author = {
            "title": options.title,
            "shortName": options.short_name,
            "contactName": options.contact_name,
            "contactEmail": options.contact_email,
        }
        packet = voevent(alert, options.stream, {key: value for key, value in author.items() if value})
        receipts = []
        if options.folder is not None:
            receipts.append(_put(packet, options.folder.expanduser(), alert.id))
        if has_address(options):
            receipts.append(post(packet, {"Content-Type": "application/xml", "User-Agent": "xherald"}, options))
        where = ", ".join(one.where for one in receipts)
        return Receipt(
            where, all(one.repeated for one in receipts), "; ".join(one.note for one in receipts if one.note)
        )

    def secrets(self, options: VOEventOptions) -> Sequence[str]:
        """The URL, if it is secret."""
        return post_secrets(options)


def _put(packet: bytes, folder: Path, alert_id: str) -> Receipt:
    name = re.sub(r"[^A-Za-z0-9.+_~-]", "_", alert_id).lstrip(".")
    path = folder / f"{name}.xml"
    part = folder / f".{name}.{os.getpid()}.part"
    try:
        if path.exists():
            return Receipt(str(path), repeated=True)
        try:
            with part.open("wb") as stream:
                stream.write(packet)
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as fault:
        raise SinkUnavailableError(f"{path}: cannot be written: {fault.strerror or fault}") from fault
    return Receipt(str(path))
