"""Servers that alerts are sent to in tests, on real sockets: of web hooks and of mail; and alerts to send."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from xherald.plugins.alerts import Alert

SECRET = "correct horse/battery+staple"
"""With signs that addresses write in another way."""


def evidence_of_a_flare(name: str = "XH-CHANDRA-ACIS-29128-110-7446eb-F", **changes: Any) -> dict[str, Any]:
    """Evidence as `xherald scan` writes it, of a flare unless changed."""
    return {
        "candidate_id": name,
        "kind": "flare",
        "mission": "CHANDRA",
        "instrument": "ACIS-I",
        "obs_id": "29128",
        "detection_id": "110",
        "ra_deg": 83.8333,
        "dec_deg": -5.42058,
        "pos_err_arcsec": 0.9,
        "off_axis_arcmin": 1.7,
        "band_kev": [0.5, 7.0],
        "livetime_s": 9500.0,
        "counts": 44,
        "interval_start_utc": "2026-02-27T12:00:00.000Z",
        "interval_stop_utc": "2026-02-27T12:16:40.000Z",
        "interval_start_s": 0.0,
        "interval_stop_s": 1000.0,
        "interval_duration_s": 1000.0,
        "interval_livetime_s": 1000.0,
        "interval_counts": 34.0,
        "interval_expected_counts": 4.0,
        "interval_expected_counts_low": 3.0,
        "interval_expected_counts_high": 5.5,
        "fluence_counts": 30.0,
        "fluence_counts_low": 24.0,
        "fluence_counts_high": 37.0,
        "t90_s": 800.0,
        "t90_low_s": 600.0,
        "t90_high_s": 900.0,
        "false_alarm_probability": 1e-5,
        "extrapolated": False,
        "ranking_statistic": 5.0,
        "expected_false_alarms_per_1000": 0.01,
        "far_hz": 1e-7,
        "p_astro": 0.98,
        "likely_class": "stellar_flare",
        "class_set": ["stellar_flare", "fast_transient"],
        "class_coverage": 0.9,
        "novelty": 0.3,
        "class_probabilities": {"stellar_flare": 0.75, "fast_transient": 0.25},
        "similar_to": [{"name": "XRT 000519", "kind": "flare", "distance": 0.3}],
        "flags": ["background_poor"],
        "vetoes": [],
        **changes,
    }


@dataclass
class Hook:
    """A web server that answers what it is told to, and remembers what it was asked."""

    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@contextmanager
def web_server(port: int = 0, certificate: tuple[Path, Path] | None = None) -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.requests.append((dict(self.headers), body))
            status, headers, content = hook.answers.pop(0) if hook.answers else (200, {}, b"ok")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    hook.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_address[1]}/hook"
    with _running(server):
        yield hook


@dataclass
class Mailbox:
    """A mail server: what it answers to a command in place of yes, and what it was sent."""

    replies: dict[str, str] = field(default_factory=dict)
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    port: int = 0


@contextmanager
def mail_server(certificate: tuple[Path, Path] | None = None) -> Iterator[Mailbox]:
    """A server as RFC 5321 has it; with a certificate it knows STARTTLS, and logins behind it only."""
    box = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        secure = False

        def finish(self) -> None:
            super().finish()
            self.connection.close()

        def say(self, line: str) -> None:
            self.wfile.write(line.encode() + b"\r\n")

        def handle(self) -> None:
            self.say("220 here")
            while line := self.rfile.readline().decode().rstrip("\r\n"):
                word = line.split(" ")[0].split(":")[0].upper()
                if word in box.replies:
                    self.say(box.replies[word])
                elif word == "EHLO":
                    more = ["AUTH PLAIN"] if self.secure else ["STARTTLS"] if certificate else []
                    told = ["here", "8BITMIME", *more]
                    for index, one in enumerate(told):
                        self.say(f"250{' ' if index == len(told) - 1 else '-'}{one}")
                elif word == "STARTTLS" and certificate:
                    self.say("220 go on")
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(*certificate)
                    self.connection = context.wrap_socket(self.connection, server_side=True)
                    self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
                    self.secure = True
                elif word == "AUTH":
                    box.logins.append(base64.b64decode(line.split(" ")[2]).decode())
                    self.say("235 welcome")
                elif word == "DATA":
                    self.say("354 go on")
                    content = b""
                    while (part := self.rfile.readline()) != b".\r\n":
                        content += part[1:] if part.startswith(b"..") else part
                    if "MAIL TEXT" in box.replies:
                        self.say(box.replies["MAIL TEXT"])
                        continue
                    mail = message_from_bytes(content, policy=policy.default)
                    assert isinstance(mail, EmailMessage)
                    box.mails.append(mail)
                    box.encrypted.append(self.secure)
                    self.say("250 taken")
                elif word == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 yes")

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    box.port = server.server_address[1]
    with _running(server):
        yield box


@contextmanager
def _running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def certificate_in(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that nobody signed, and its key, as files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def ids_in(path: Path) -> list[str]:
    """Ids of the alerts in a file of JSON Lines."""
    import json

    return [Alert.from_json(json.loads(line)).id for line in path.read_text().splitlines()]
