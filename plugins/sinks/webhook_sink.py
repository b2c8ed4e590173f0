"""Alerts posted to a URL as signed JSON, as a GCN notice, or as a Slack message: `WebhookSink`."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import model_validator

from xherald.plugins.alerts import Alert, AlertSink, Receipt
from xherald.plugins.secrets import read_secret

from .alert_text import lines, subject
from .gcn_notice import gcn_notice
from .http_post import PostOptions, has_address, post, post_secrets

__all__ = ["SIGNATURE", "WebhookOptions", "WebhookSink", "signature"]

SIGNATURE: Final = "X-Xherald-Signature"
"""Header: ``t=UNIX-TIME,v1=HEX``, the HMAC-SHA256 (RFC 2104) of ``UNIX-TIME.BODY``."""

SLACK_TEXT: Final = 2900
"""Characters of a Slack section; the limit is 3,000."""


class WebhookOptions(PostOptions):
    """Options of `WebhookSink`.

    Parameters
    ----------
    url, url_env, url_file, timeout_s, ca_file
        See `PostOptions`.
    form : str — "json" for the complete alert, "gcn" for a GCN notice, "slack" for a message
    secret_env, secret_file : str, Path or None
        Environment variable, or file of mode 600, with the key of the signature.
    """

    form: Literal["json", "gcn", "slack"] = "json"
    secret_env: str | None = None
    secret_file: Path | None = None

    @model_validator(mode="after")
    def _addressed(self) -> Self:
        if not has_address(self):
            raise ValueError("give a URL: url, url_env or url_file")
        return self


class WebhookSink(AlertSink[WebhookOptions]):
    """A URL that alerts are posted to.

    The id is sent as ``Idempotency-Key``; a receiver that has it may respond with 409, which counts as accepted.
    """

    name = "webhook"

    def send(self, alert: Alert, options: WebhookOptions) -> Receipt:
        """Post the alert."""
        body = json.dumps(_body(alert, options.form), separators=(",", ":"), allow_nan=False).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "xherald", "Idempotency-Key": alert.id}
        key = read_secret("secret", options.secret_env, options.secret_file)
        if key is not None:
            headers[SIGNATURE] = signature(body, key, int(time.time()))
        return post(body, headers, options)

    def secrets(self, options: WebhookOptions) -> Sequence[str]:
        """The key, and the URL if it is secret."""
        key = read_secret("secret", options.secret_env, options.secret_file)
        return (*post_secrets(options), *(() if key is None else (key,)))


def signature(body: bytes, key: str, moment: int) -> str:
    """Value of the signature header for a body sent at a time in s since 1970."""
    digest = hmac.new(key.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def _body(alert: Alert, form: str) -> dict[str, Any]:
    if form == "json":
        return alert.as_json()
    if form == "gcn":
        return gcn_notice(alert)
    facts = "\n".join(f"*{_slack(name)}*  {_slack(value)}" for name, value in lines(alert))
    section = {"type": "section", "text": {"type": "mrkdwn", "text": facts[:SLACK_TEXT] or _slack(alert.id)}}
    header = {"type": "section", "text": {"type": "mrkdwn", "text": f"*{_slack(subject(alert))}*"}}
    return {"text": _slack(subject(alert)), "blocks": [header, section]}


def _slack(text: str) -> str:
    """Text with the three characters escaped that Slack requires to be."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
