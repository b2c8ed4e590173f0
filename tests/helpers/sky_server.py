"""A server that speaks Simple Cone Search and TAP about three sources, in good and in bad ways."""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from astropy.table import Table

from xherald.photons.projection import separation_deg

__all__ = ["SkyServer", "sky_server"]

SOURCES = {"Crab pulsar": (83.63322, 22.01446), "Polaris": (37.95456, 89.26411), "Moving star": (83.9, 22.0)}
ERROR = (
    b'<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
    b'<RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">no such table</INFO></RESOURCE></VOTABLE>'
)
CIRCLE = re.compile(r"CIRCLE\('ICRS', ([-\d.]+), ([-\d.]+), ([-\d.]+)\)")


@dataclass
class SkyServer:
    """Where it is, and what it was asked.

    Its paths: /cone and /tap answer; /slow never answers, /drip a byte every tenth of a second; /down, /page, /cut,
    /refused, /strange, /huge are wrong.
    """

    url: str = ""
    requests: list[dict[str, str]] = field(default_factory=list)
    columns: dict[str, Any] = field(
        default_factory=lambda: {
            "roles": {
                "name": "main_id",
                "ra": "ra[deg]",
                "dec": "dec[deg]",
                "pmra": "pmra[mas/yr]",
                "pmdec": "pmdec[mas/yr]",
                "epoch": "2000.0[yr]",
                "type": "otype",
            },
            "default_pos_err_arcsec": 1.0,
        }
    )


def _answer(ra: float, dec: float, radius_deg: float) -> bytes:
    sky = np.array(list(SOURCES.values()))
    near = separation_deg(ra, dec, sky[:, 0], sky[:, 1]) <= radius_deg
    table = Table(
        {
            "main_id": np.array(list(SOURCES), dtype=object)[near].astype(str),
            "ra": sky[near, 0],
            "dec": sky[near, 1],
            "pmra": np.where(np.array(list(SOURCES)) == "Moving star", 1_000.0, 0.0)[near],
            "pmdec": np.zeros(3)[near],
            "otype": np.array(["Psr", "*", "PM*"])[near],
        }
    )
    out = io.BytesIO()
    table.write(out, format="votable")
    return out.getvalue()


class _Handler(BaseHTTPRequestHandler):
    state: SkyServer
    ended: threading.Event

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.state.requests.append({"path": parts.path, **query})
        if parts.path == "/slow":
            self.ended.wait(30)
            return
        if parts.path == "/drip":
            self._drip()
            return
        if parts.path == "/down":
            self._send(500, b"down for maintenance")
            return
        if parts.path == "/tap":
            found = CIRCLE.search(query["QUERY"])
            assert found is not None
            self._send(200, _answer(*(float(one) for one in found.groups())))
            return
        good = _answer(float(query["RA"]), float(query["DEC"]), float(query["SR"]))
        answers = {
            "/cone": good,
            "/page": b"<html><body>Welcome</body></html>",
            "/cut": good[: len(good) // 2],
            "/refused": ERROR,
            "/strange": good.replace(b"main_id", b"identifier"),
            "/huge": b" " * (17 * 2**20),
        }
        self._send(400 if parts.path == "/refused" else 200, answers[parts.path])

    def _drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.ended.is_set():
            try:
                self.wfile.write(b" ")
            except OSError:
                return
            time.sleep(0.1)

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):  # the client had enough
            self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def sky_server() -> Iterator[SkyServer]:
    """Serve on a free port."""
    state, ended = SkyServer(), threading.Event()
    handler = type("Handler", (_Handler,), {"state": state, "ended": ended})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield state
        ended.set()
        server.shutdown()
        thread.join()
