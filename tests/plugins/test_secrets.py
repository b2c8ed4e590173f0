"""Secrets of alert sinks: where they are read from, and that messages do not contain them."""

from __future__ import annotations

import string
from pathlib import Path
from urllib.parse import quote

import pytest
from alert_servers import SECRET, web_server
from example_alerts import HOST, flare_alert, private_file, send, validate_options
from hypothesis import given
from hypothesis import strategies as st

from xherald.daemon.alerts.sinks import Sink, deliver
from xherald.detector.configuration.alert_settings import SinkSettings
from xherald.photons.errors import ConfigError, SinkUnavailableError
from xherald.plugins.secrets import read_secret, redact


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_secret_is_read_from_a_private_file(tmp_path: Path, mode: int) -> None:
    assert read_secret("key", None, private_file(tmp_path / "key", mode=mode)) == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_secret_file_readable_by_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = private_file(tmp_path / "key", mode=mode)
    with pytest.raises(ConfigError, match=f"{path} is readable by others .mode {mode:o}.; run `chmod 600 ") as caught:
        read_secret("key", None, path)
    assert SECRET not in str(caught.value)


def test_missing_secret_is_reported_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH", raising=False)
    monkeypatch.setenv("EMPTY", "  ")
    assert read_secret("key", None, None) is None
    for variable, file, reason in (
        ("NO_SUCH", None, "environment variable NO_SUCH is not set"),
        ("EMPTY", None, "environment variable EMPTY is empty"),
        (None, tmp_path / "absent", "absent cannot be read"),
        ("EMPTY", tmp_path / "absent", "remove one of them"),
    ):
        with pytest.raises(ConfigError, match=reason):
            read_secret("key", variable, file)


@given(st.text(string.ascii_letters + string.digits + "/+&=%", min_size=4), st.text(), st.text())
def test_secrets_are_redacted_in_every_encoding(secret: str, before: str, after: str) -> None:
    redacted = redact(f"{before}{secret}{after} {quote(secret)} {quote(secret, safe='')}", [secret, "other"])
    assert not {form for form in (secret, quote(secret), quote(secret, safe="")) if form in redacted}
    assert redacted.count("•••") >= 3


def test_secret_address_is_replaced_by_its_file(tmp_path: Path) -> None:
    with web_server() as hook:
        address = private_file(tmp_path / "address", hook.url + "/T0/B1?token=abc")
        hook.answers += [(200, {}, b""), (500, {}, f"no {hook.url}/T0/B1?token=abc".encode())]
        assert send("webhook", flare_alert(), url_file=address).where == f"the URL in {address}"
        sink = Sink(
            "team",
            SinkSettings(kind="webhook"),
            HOST.alert_sinks["webhook"],
            validate_options("webhook", url_file=address),
        )
        with pytest.raises(SinkUnavailableError, match="HTTP 500") as caught:
            deliver(sink, flare_alert(), HOST)
    with pytest.raises(SinkUnavailableError) as down:
        deliver(sink, flare_alert(), HOST)
    for fault in (caught.value, down.value):
        assert "T0/B1" not in str(fault)
        assert "token=abc" not in str(fault)
        assert fault.__suppress_context__
