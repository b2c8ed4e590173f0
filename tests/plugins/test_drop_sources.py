"""Drop sources against real servers: what they list, and how they fetch over lines that break."""

from __future__ import annotations

import functools
import http.server
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xherald.photons.errors import ConfigError, DropError
from xherald.plugins import Listing, PluginHost, SourceOptions
from xherald.plugins.drop_sources import BucketSource, FolderSource, WebSource
from xherald.plugins.drop_sources.http_source import links_of

CONTENT = bytes(range(256)) * 4000  # a megabyte in four chunks


def options(source: Any, **given: Any) -> Any:
    return source.options_model.model_validate({"first_wait_s": 0.0, **given} if "url" in given else given)


# --- which files are wanted ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a/b/acisf1_evt2.fits.gz", True),
        ("a/b/acisf1_evt2.fits.gz.part", False),
        ("a/b/.acisf1_evt2.fits.gz", False),
        ("a/.hidden/acisf1_evt2.fits.gz", False),
        ("a/b/acisf1_evt2.fits.gz.TMP", False),
        ("a/b/acisf1_evt1.fits.gz", False),
        ("old/acisf1_evt2.fits.gz", False),
    ],
)
def test_patterns_and_temporary_names(name: str, wanted: bool) -> None:
    assert SourceOptions(include=("*evt2*",), exclude=("old/*",)).wants(name) is wanted


def test_built_in_drop_sources_are_registered_like_any_plugin() -> None:
    host = PluginHost()
    assert set(host.drop_sources) == {"folder", "http", "fsspec"}
    with pytest.raises(ConfigError, match=r"daemon\.sources\.x\.pth"):
        host.validate_options(host.drop_sources["folder"], {"path": "/", "pth": "/"}, "daemon.sources.x")


# --- folders ------------------------------------------------------------------------------------------------------


def test_a_folder_lists_all_below_it(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    for name in ("a.fits", "b/c/d.fits", "b/e.fits.part", ".f.fits"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "dangling.fits").symlink_to(tmp_path / "nowhere")
    os.utime(tmp_path / "a.fits", (1e9, 1e9))
    found = list(FolderSource().poll(options(FolderSource, path=str(tmp_path))))
    assert [one.name for one in found] == ["a.fits", "b/c/d.fits"]
    assert found[0] == Listing(str(tmp_path / "a.fits"), "a.fits", 1, 1e9)


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DropError, match="is not a folder, or missing") as caught:
        list(FolderSource().poll(options(FolderSource, path=str(tmp_path / "nowhere"))))
    assert caught.value.is_transient


# --- web pages ----------------------------------------------------------------------------------------------------

APACHE = """<pre><a href="?C=N;O=D">Name</a> <a href="/archive/">Parent Directory</a>
<a href="a%20b.fits">a b.fits</a>   2024-05-01 12:30  1.2M
<a href="sub/">sub/</a>   2024-05-01 12:30    -
<a href="http://elsewhere.org/x.fits">x</a> <a href="../up.fits">up</a></pre>"""
NGINX = """<a href="../">../</a>
<a href="c.fits">c.fits</a>                01-May-2024 12:30           12345
"""


def test_links_of_apache_and_nginx() -> None:
    url = "http://host/archive/drop/"
    assert links_of(APACHE, url) == [("a%20b.fits", "2024-05-01 12:30 1.2M"), ("sub/", "2024-05-01 12:30 -")]
    assert links_of(NGINX, url) == [("c.fits", "01-May-2024 12:30 12345")]


@given(st.text(max_size=300))
def test_no_page_leads_elsewhere(page: str) -> None:
    for name, _ in links_of(f'<a href="{page}">', "http://host/d/"):
        assert "/" not in name.rstrip("/")


class Server(http.server.BaseHTTPRequestHandler):
    """An archive that knows ranges, and breaks off when told to."""

    content: ClassVar[bytes] = CONTENT
    tag: ClassVar[str] = '"one"'
    breaks: ClassVar[list[int]] = []
    fails: ClassVar[list[int]] = []
    asked: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        if self.fails:
            self.send_error(self.fails.pop(0))
        elif self.path == "/drop/":
            self._page(NGINX.replace("12345", str(len(self.content))) + '<a href="sub/">sub/</a>\n')
        elif self.path == "/drop/sub/":
            self._page('<a href="d.fits">d.fits</a>  2024-05-01 12:30  1.2M')
        elif self.path == "/drop/c.fits":
            self._file()
        else:
            self.send_error(404)

    def _page(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def _file(self) -> None:
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        start = int(wanted[6:-1]) if wanted and self.headers.get("If-Range") == self.tag else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        self.send_header("ETag", self.tag)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        stop = self.breaks.pop(0) if self.breaks else len(self.content)
        self.wfile.write(self.content[start:stop])
        if stop < len(self.content):
            self.close_connection = True

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def served() -> Iterator[Callable[[type[http.server.BaseHTTPRequestHandler]], str]]:
    servers: list[http.server.ThreadingHTTPServer] = []

    def serve(handler: Any) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def archive(served: Callable[[Any], str]) -> str:
    Server.content, Server.tag, Server.breaks, Server.fails, Server.asked = CONTENT, '"one"', [], [], []
    return f"{served(Server)}/drop"


def test_an_index_is_looked_through(archive: str) -> None:
    c, d = WebSource().poll(options(WebSource, url=archive))
    assert c == Listing(f"{archive}/c.fits", "c.fits", len(CONTENT), 1714566600.0, f"01-May-2024 12:30 {len(CONTENT)}")
    assert (d.name, d.size, d.mtime) == ("sub/d.fits", 0, 1714566600.0)
    assert [one.name for one in WebSource().poll(options(WebSource, url=archive, depth=0))] == ["c.fits"]


def fetch(archive: str, into: Path, **given: Any) -> Path:
    return WebSource().fetch(Listing(f"{archive}/c.fits", "c.fits"), into, options(WebSource, url=archive, **given))


def test_an_interrupted_download_is_resumed(archive: str, tmp_path: Path) -> None:
    Server.breaks = [300_000, 700_000]
    path = fetch(archive, tmp_path)
    assert path.read_bytes() == CONTENT
    assert Server.asked[0] is None
    starts = [int(wanted[6:-1]) for wanted in Server.asked[1:] if wanted]
    assert len(starts) == 2
    assert 0 < starts[0] < starts[1] < 700_001
    assert sorted(one.name for one in tmp_path.iterdir()) == ["c.fits"]


def test_another_run_goes_on_where_the_last_was_cut_off(archive: str, tmp_path: Path) -> None:
    Server.breaks = [300_000]
    with pytest.raises(DropError, match=r"interrupted|RemoteProtocolError|ReadError"):
        fetch(archive, tmp_path, tries=1)
    assert fetch(archive, tmp_path, tries=1).read_bytes() == CONTENT
    assert Server.asked[1] is not None


def test_what_changed_meanwhile_is_fetched_from_its_beginning(archive: str, tmp_path: Path) -> None:
    Server.breaks = [300_000]
    with pytest.raises(DropError):
        fetch(archive, tmp_path, tries=1)
    Server.content, Server.tag = CONTENT[::-1], '"two"'
    assert fetch(archive, tmp_path, tries=1).read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize(("code", "passing"), [(404, False), (403, False), (503, True), (429, True)])
def test_what_a_server_refuses(archive: str, tmp_path: Path, code: int, passing: bool) -> None:
    Server.fails = [code] * 2
    with pytest.raises(DropError, match=f"HTTP {code}") as caught:
        fetch(archive, tmp_path, tries=2)
    assert caught.value.is_transient is passing
    assert len(Server.fails) == (0 if passing else 1)


def test_a_server_that_is_down_is_passing(tmp_path: Path) -> None:
    with pytest.raises(DropError) as caught:
        fetch("http://127.0.0.1:9", tmp_path, tries=1)
    assert caught.value.is_transient


def test_a_file_beyond_the_limit_is_refused(archive: str, tmp_path: Path) -> None:
    with pytest.raises(DropError, match="most_gib") as caught:
        fetch(archive, tmp_path, most_gib=1e-6)
    assert not caught.value.is_transient
    assert not (tmp_path / "c.fits").exists()


def test_bandwidth_is_limited(archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xherald.plugins.drop_sources import download

    waited: list[float] = []
    monkeypatch.setattr(download.time, "sleep", waited.append)
    fetch(archive, tmp_path, mib_per_s=0.25)
    # A megabyte at a quarter of one a second lasts four: what a chunk is ahead of that is waited for.
    assert max(waited) == pytest.approx(len(CONTENT) / 2**18, rel=0.1)


def test_python_s_own_server(served: Callable[[Any], str], tmp_path: Path) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "a b.fits").write_bytes(CONTENT)
    url = served(functools.partial(Quiet, directory=str(tmp_path)))
    (one,) = WebSource().poll(options(WebSource, url=url))
    assert one.name == "drop/a b.fits"
    path = WebSource().fetch(one, tmp_path / "into", options(WebSource, url=url))
    assert (path.name, path.read_bytes()) == ("a b.fits", CONTENT)


# --- buckets ------------------------------------------------------------------------------------------------------


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    import boto3
    from moto.server import ThreadedMotoServer

    for key, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{key}", value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=url)
    client.create_bucket(Bucket="archive")
    client.put_object(Bucket="archive", Key="drop/a.fits", Body=CONTENT)
    client.put_object(Bucket="archive", Key="drop/sub/b.fits", Body=b"b")
    client.put_object(Bucket="archive", Key="other/c.fits", Body=b"c")
    yield {"url": "s3://archive/drop", "storage": {"endpoint_url": url}}
    server.stop()


# Of botocore, which moto and s3fs share: it warns of what Python will do without.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_bucket_is_listed_and_fetched_from(bucket: dict[str, Any], tmp_path: Path) -> None:
    source, settings = BucketSource(), options(BucketSource, **bucket)
    a, b = source.poll(settings)
    assert (a.url, a.name, a.size) == ("s3://archive/drop/a.fits", "a.fits", len(CONTENT))
    assert b.name == "sub/b.fits"
    assert a.etag
    assert a.etag != b.etag
    assert a.mtime > 1.7e9
    # Half of it is there from an earlier try: the rest is fetched, if it is still the same.
    part, etag = tmp_path / "a.fits.part", tmp_path / "a.fits.etag"
    part.write_bytes(b"?" * 1000)
    etag.write_text(a.etag)
    assert source.fetch(a, tmp_path, settings).read_bytes() == b"?" * 1000 + CONTENT[1000:]
    part.write_bytes(b"?" * 1000)
    etag.write_text("of another content")
    assert source.fetch(a, tmp_path, settings).read_bytes() == CONTENT


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_missing_bucket_is_reported(bucket: dict[str, Any], tmp_path: Path) -> None:
    settings = options(BucketSource, **{**bucket, "url": "s3://nowhere/drop"}, tries=1)
    with pytest.raises(DropError, match="s3://nowhere/drop"):
        list(BucketSource().poll(settings))


def test_any_file_system_of_fsspec_will_do(tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "a.fits").write_bytes(CONTENT)
    settings = options(BucketSource, url=f"local://{tmp_path}/drop")
    (one,) = BucketSource().poll(settings)
    assert (one.name, one.size) == ("a.fits", len(CONTENT))
    assert BucketSource().fetch(one, tmp_path / "into", settings).read_bytes() == CONTENT


def test_an_unknown_scheme_is_reported() -> None:
    with pytest.raises(DropError, match="gopher") as caught:
        list(BucketSource().poll(options(BucketSource, url="gopher://x/y", tries=3)))
    assert not caught.value.is_transient
