"""The mail sink against a local mail server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from alert_servers import SECRET, certificate_in, mail_server
from example_alerts import ALERT_EXAMPLES, flare_alert, private_file, send, validate_options

from xherald.photons.errors import AlertError, AlertRefusedError, ConfigError, SinkUnavailableError

ADDRESSES = {"sender": "xherald@example.org", "recipients": ("duty@example.org", "pi@example.org")}


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return certificate_in(tmp_path)


def test_mail_is_encrypted_authenticated_and_has_the_plot_sheet(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    sheet.write_bytes(b"\x89PNG\r\n\x1a\n picture")
    alert = replace(flare_alert(kind="update"), sheet=str(sheet), previous=("first", "second"))
    with mail_server(certificate) as box:
        secured = {"username": "me", "secret_file": private_file(tmp_path / "password"), "ca_file": certificate[0]}
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


def test_mail_password_is_not_sent_without_encryption(tmp_path: Path) -> None:
    secured = {"username": "me", "secret_file": private_file(tmp_path / "password")}
    with mail_server() as box:
        with pytest.raises(SinkUnavailableError, match="STARTTLS"):
            send("mail", flare_alert(), host="127.0.0.1", port=box.port, **ADDRESSES, **secured)
        assert box.mails == box.logins == []
    with pytest.raises(ConfigError, match="not sent unencrypted"):
        validate_options("mail", host="x", security="none", **ADDRESSES, **secured)


def test_mail_requires_a_trusted_certificate(certificate: tuple[Path, Path]) -> None:
    with mail_server(certificate) as box, pytest.raises(SinkUnavailableError, match="certificate"):
        send("mail", flare_alert(), host="127.0.0.1", port=box.port, **ADDRESSES)
    assert box.mails == []


def test_mail_is_sent_for_every_kind_of_alert_and_without_a_missing_sheet() -> None:
    with mail_server() as box:
        plain = {"host": "127.0.0.1", "port": box.port, "security": "none", **ADDRESSES}
        for alert in ALERT_EXAMPLES:
            send("mail", alert, **plain)
        receipt = send(
            "mail", replace(flare_alert(), sheet="/nowhere/sheet.png", headline="two\nlines: \u2603"), **plain
        )
    assert receipt.note == "without plot sheet: /nowhere/sheet.png: No such file or directory"
    assert box.mails[-1]["Subject"] == "two lines: \u2603"
    assert len(box.mails) == len(ALERT_EXAMPLES) + 1


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
def test_mail_server_replies_select_the_error(word: str, reply: str, error: type[AlertError]) -> None:
    with mail_server() as box:
        box.replies |= {word: reply} if word != "EHLO" else {word: reply, "HELO": reply}
        with pytest.raises(error, match=reply[:3]):
            send("mail", flare_alert(), host="127.0.0.1", port=box.port, security="none", **ADDRESSES)
