"""The webhook sink against a local web server."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alert_servers import SECRET, certificate_in, web_server
from example_alerts import ALERT_EXAMPLES, flare_alert, send, validate_options
from paths import ROOT

from xherald.photons.errors import AlertRefusedError, ConfigError, SinkUnavailableError
from xherald.plugins.alerts import Alert


def test_webhook_sends_the_alert_with_a_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_KEY", SECRET)
    with web_server() as hook:
        receipt = send("webhook", flare_alert(), url=hook.url, secret_env="HOOK_KEY")
        assert (receipt.where, receipt.repeated) == (hook.url, False)
        hook.answers.append((409, {}, b"have it"))
        assert send("webhook", flare_alert(), url=hook.url, secret_env="HOOK_KEY").repeated
    (headers, body), _ = hook.requests
    assert Alert.from_json(json.loads(body)) == flare_alert()
    assert headers["Idempotency-Key"] == flare_alert().id
    moment, digest = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["X-Xherald-Signature"]).groups()  # type: ignore[union-attr]
    assert hmac.new(SECRET.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest() == digest


def test_webhook_signature_is_verified_by_the_documented_receiver(monkeypatch: pytest.MonkeyPatch) -> None:
    document = (ROOT / "docs" / "alerts.md").read_text()
    code = next(one for one in re.findall(r"```python\n(.*?)```", document, re.DOTALL) if "def is_genuine" in one)
    names: dict[str, Any] = {}
    exec(code, names)  # the project's own document
    monkeypatch.setenv("HOOK_KEY", SECRET)
    with web_server() as hook:
        send("webhook", flare_alert(), url=hook.url, secret_env="HOOK_KEY")
    ((headers, body),) = hook.requests
    header = headers["X-Xherald-Signature"]
    assert names["is_genuine"](body, header, SECRET)
    assert not names["is_genuine"](body + b" ", header, SECRET)
    assert not names["is_genuine"](body, header, "another key")
    late = re.sub(r"t=(\d+)", lambda found: f"t={int(found[1]) - 3600}", header)
    assert not names["is_genuine"](body, late, SECRET)
    assert not names["is_genuine"](body, "", SECRET)


def test_webhook_slack_form_is_escaped() -> None:
    alert = replace(flare_alert(), headline="<!channel> a & b")
    with web_server() as hook:
        for one in (alert, *ALERT_EXAMPLES):
            send("webhook", one, url=hook.url, form="slack")
    message = json.loads(hook.requests[0][1])
    assert set(message) == {"text", "blocks"}
    assert message["text"] == "&lt;!channel&gt; a &amp; b"
    assert all(len(block["text"]["text"]) < 3000 for block in message["blocks"])


@pytest.mark.parametrize("status", [400, 410, 413, 415, 422])
def test_webhook_permanent_error_refuses_the_alert(status: int) -> None:
    with web_server() as hook:
        hook.answers.append((status, {}, b"no such form"))
        with pytest.raises(AlertRefusedError, match=f"HTTP {status}.*no such form"):
            send("webhook", flare_alert(), url=hook.url)


@pytest.mark.parametrize("status", [302, 401, 403, 404, 429, 500, 503])
def test_webhook_transient_error_is_retried(status: int) -> None:
    with web_server() as hook:
        hook.answers.append((status, {"Retry-After": "120", "Location": hook.url}, b""))
        with pytest.raises(SinkUnavailableError, match=f"HTTP {status}") as caught:
            send("webhook", flare_alert(), url=hook.url)
        assert caught.value.retry_after == 120.0
        assert len(hook.requests) == 1


def test_webhook_unreachable_server_is_retried() -> None:
    with web_server() as hook:
        url = hook.url
    with pytest.raises(SinkUnavailableError, match=r"127\.0\.0\.1.*ConnectError"):
        send("webhook", flare_alert(), url=url)


def test_webhook_requires_a_trusted_certificate(tmp_path: Path) -> None:
    certificate = certificate_in(tmp_path)
    with web_server(certificate=certificate) as hook:
        with pytest.raises(SinkUnavailableError, match="certificate"):
            send("webhook", flare_alert(), url=hook.url)
        assert hook.requests == []
        send("webhook", flare_alert(), url=hook.url, ca_file=certificate[0])
        assert len(hook.requests) == 1
    with pytest.raises(ConfigError, match=r"ca_file: .* cannot be used"):
        send("webhook", flare_alert(), url=hook.url, ca_file=tmp_path / "absent")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "give a URL"),
        ({"url": "ftp://x"}, "must begin with http"),
        ({"url": "https://me:word@x/y"}, "contains a password"),
        ({"url": "https://x", "url_env": "Y"}, "use only one of url"),
        ({"url": "https://x", "secret": "in the clear"}, "Extra inputs are not permitted"),
    ],
)
def test_webhook_invalid_options_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        validate_options("webhook", **options)
