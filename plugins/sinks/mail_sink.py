"""Alerts by e-mail with the plot sheet attached; all alerts of a candidate are one thread: `MailSink`."""

from __future__ import annotations

import re
import smtplib
import socket
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from xherald.photons.errors import AlertRefusedError, SinkUnavailableError
from xherald.plugins.alerts import Alert, AlertSink, Receipt
from xherald.plugins.contract import Options
from xherald.plugins.secrets import read_secret

from .alert_text import subject, text
from .http_post import tls_context

__all__ = ["MailOptions", "MailSink", "message"]

ADDRESS: Final = re.compile(r"[^@\s<>\"]+@[^@\s<>\"]+")
PERMANENT_FAILURE: Final = 500
"""SMTP replies from this on are permanent failures (RFC 5321, section 4.2.1)."""


class MailOptions(Options):
    """Options of `MailSink`.

    Parameters
    ----------
    host : str — name of the server
    port : int or None — default: 587 for STARTTLS, 465 for TLS, 25 otherwise
    security : str — "starttls", "tls", or "none" for a server on this machine
    sender : str — address
    recipients : tuple of str — addresses
    username : str or None — for the login; requires one of the next two
    secret_env, secret_file : str, Path or None
        Environment variable, or file of mode 600, with the password.
    attach_sheet : bool — whether to attach the plot sheet of the candidate
    timeout_s : float — s, for each response of the server
    ca_file : Path or None — certificates (PEM) to trust instead of the usual ones
    """

    host: str
    port: int | None = Field(default=None, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: str
    recipients: tuple[str, ...] = Field(min_length=1)
    username: str | None = None
    secret_env: str | None = None
    secret_file: Path | None = None
    attach_sheet: bool = True
    timeout_s: float = Field(default=20.0, gt=0)
    ca_file: Path | None = None

    @field_validator("sender")
    @classmethod
    def _address(cls, value: str) -> str:
        if not ADDRESS.fullmatch(value):
            raise ValueError(f"{value!r} is not an e-mail address")
        return value

    @field_validator("recipients")
    @classmethod
    def _addresses(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(cls._address(one) for one in values)

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if self.username is None and (self.secret_env or self.secret_file):
            raise ValueError("a password is given without a username")
        if self.username is not None:
            if not (self.secret_env or self.secret_file):
                raise ValueError("a username is given without a password; use secret_env or secret_file")
            if self.security == "none":
                raise ValueError("a password is not sent unencrypted; set security to starttls or tls")
        return self


class MailSink(AlertSink[MailOptions]):
    """E-mail. The Message-ID contains the id of the alert, so that mail systems recognize repetitions."""

    name = "mail"

    def send(self, alert: Alert, options: MailOptions) -> Receipt:
        """Send the alert to all recipients."""
        mail, note = message(alert, options)
        place = f"{options.host}:{_port(options)}"
        try:
            with _connected(options) as server:
                refused = server.send_message(mail, options.sender, list(options.recipients))
        except smtplib.SMTPDataError as fault:
            reason = f"{place}: {_format_reply(fault.smtp_code, fault.smtp_error)}"
            if fault.smtp_code >= PERMANENT_FAILURE:
                raise AlertRefusedError(reason) from None
            raise SinkUnavailableError(reason) from None
        except smtplib.SMTPResponseException as fault:
            raise SinkUnavailableError(f"{place}: {_format_reply(fault.smtp_code, fault.smtp_error)}") from None
        except smtplib.SMTPRecipientsRefused as fault:
            replies = "; ".join(f"{one}: {_format_reply(*reply)}" for one, reply in fault.recipients.items())
            raise SinkUnavailableError(f"{place}: all recipients were refused: {replies}") from None
        except (smtplib.SMTPException, OSError) as fault:
            raise SinkUnavailableError(f"{place}: {type(fault).__name__}: {fault}") from None
        if refused:
            note = "; ".join(
                [
                    *filter(None, [note]),
                    *(f"not sent to {one}: {_format_reply(*reply)}" for one, reply in refused.items()),
                ]
            )
        return Receipt(place, note=note)

    def wants_sheet(self, options: MailOptions) -> bool:
        """Whether to attach the plot sheet."""
        return options.attach_sheet

    def secrets(self, options: MailOptions) -> Sequence[str]:
        """The password."""
        password = read_secret("password", options.secret_env, options.secret_file)
        return () if password is None else (password,)


def message(alert: Alert, options: MailOptions) -> tuple[EmailMessage, str]:
    """The mail, and a note on it."""
    from datetime import datetime

    mail = EmailMessage()
    mail["Subject"] = subject(alert)
    mail["From"] = options.sender
    mail["To"] = ", ".join(options.recipients)
    mail["Date"] = format_datetime(datetime.fromisoformat(alert.created))
    mail["Message-ID"] = _message_id(alert.id, options)
    if alert.previous:
        mail["In-Reply-To"] = _message_id(alert.previous[-1], options)
        mail["References"] = " ".join(_message_id(one, options) for one in alert.previous)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies
    sheet, note = _sheet(alert) if options.attach_sheet else (None, "")
    mail.set_content("\n\n".join(filter(None, [text(alert), note])) + "\n", cte="quoted-printable")
    if sheet is not None:
        mail.add_attachment(sheet, maintype="image", subtype="png", filename=f"{alert.candidate_id}.png")
    return mail, note


def _sheet(alert: Alert) -> tuple[bytes | None, str]:
    """The plot sheet, or why it is missing."""
    if alert.sheet is None:
        return None, ""
    try:
        return Path(alert.sheet).read_bytes(), ""
    except OSError as fault:
        return None, f"without plot sheet: {alert.sheet}: {fault.strerror or fault}"


def _connected(options: MailOptions) -> smtplib.SMTP:
    """A connection, encrypted and logged in according to the options; a context manager."""
    context = tls_context(options.ca_file)
    port, name = _port(options), socket.gethostname()
    if options.security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(options.host, port, name, timeout=options.timeout_s, context=context)
    else:
        server = smtplib.SMTP(options.host, port, name, timeout=options.timeout_s)
    try:
        if options.security == "starttls":
            server.starttls(context=context)
        password = read_secret("password", options.secret_env, options.secret_file)
        if options.username is not None and password is not None:
            server.login(options.username, password)
    except BaseException:
        server.close()
        raise
    return server


def _port(options: MailOptions) -> int:
    return options.port or {"starttls": 587, "tls": 465, "none": 25}[options.security]


def _message_id(alert_id: str, options: MailOptions) -> str:
    return f"<{re.sub(r'[^A-Za-z0-9.+_~-]', '_', alert_id)}@{options.sender.rpartition('@')[2]}>"


def _format_reply(code: int, reply: bytes | str) -> str:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return f"SMTP {code} {' '.join(text.split())}"
