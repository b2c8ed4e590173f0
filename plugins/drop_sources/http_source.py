"""Index pages of a web server (Apache, nginx, Python) as a drop source: `WebSource`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urljoin

from pydantic import Field

from xherald.photons.errors import DropError
from xherald.plugins.contract import Options
from xherald.plugins.drops import DropSource, Listing

from .download import CHUNK, Body, RemoteOptions, download, folder_below, in_tries

if TYPE_CHECKING:
    import httpx2

__all__ = ["WebOptions", "WebSource", "links_of"]

DATES: Final = (
    (re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}(?::\d{2})?"), ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")),  # Apache
    (re.compile(r"\d{2}-[A-Z][a-z]{2}-\d{4} \d{2}:\d{2}(?::\d{2})?"), ("%d-%b-%Y %H:%M", "%d-%b-%Y %H:%M:%S")),  # nginx
)
EXACT_SIZE: Final = re.compile(r"\s(\d+)\s*$")
MAX_PAGE_BYTES: Final = 64 * 2**20
TRANSIENT_STATUSES: Final = frozenset({408, 425, 429})


class WebOptions(RemoteOptions):
    """Options of `WebSource`."""

    url: str = Field(pattern=r"^https?://", description="index page, http or https; polled with the folders below it")
    depth: int = Field(default=3, ge=0, description="levels of folders below the start of a poll")


class WebSource(DropSource[WebOptions]):
    """An index page of a web server and the folders below it.

    Links to other sites, to parent folders or to sorted pages are not followed. The text next to a link, such as size
    and date, identifies the content of a file; a page without it (such as that of Python's server) shows no changes.
    """

    name = "http"

    def poll(self, options: WebOptions) -> Iterator[Listing]:
        """Files that the pages link to."""
        root = options.url if options.url.endswith("/") else f"{options.url}/"
        with _client(options) as client:
            yield from _below(client, root + options.start, unquote(options.start), options.depth, options)

    def narrow_to_folder(self, options: WebOptions, url: str) -> Options | None:
        """Options that begin at that page, if it is below the root."""
        start = folder_below(options.url, url)
        return None if start is None else options.model_copy(update={"start": start})

    def fetch(self, listing: Listing, into: Path, options: WebOptions) -> Path:
        """Fetch it, continuing an earlier download if the server confirms that the file is unchanged."""
        with _client(options) as client:
            return download(listing, into, options, lambda start, etag: _opened(client, listing.url, start, etag))


class _Links(HTMLParser):
    """Links of a page, each with the text between it and the next link."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href") if tag == "a" else None
        if target:
            self.found.append((target, ""))
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self.found and not self._inside:
            target, text = self.found[-1]
            self.found[-1] = target, text + data


def links_of(page: str, url: str) -> list[tuple[str, str]]:
    """Files and folders (ending in ``/``) directly below a page, each with the text next to its link."""
    parser = _Links()
    parser.feed(page)
    found: dict[str, str] = {}
    for target, text in parser.found:
        there = urljoin(url, target.partition("#")[0])
        if "?" in target or not there.startswith(url):
            continue
        name = there.removeprefix(url)
        if name and "/" not in name.rstrip("/"):
            found.setdefault(name, " ".join(text.split()))
    return list(found.items())


def _client(settings: WebOptions) -> httpx2.Client:
    import httpx2

    # Do not decompress files of the archive.
    return httpx2.Client(
        timeout=settings.timeout_s, follow_redirects=True, headers={"Accept-Encoding": "identity"}, trust_env=True
    )


def _below(client: httpx2.Client, url: str, above: str, depth: int, settings: WebOptions) -> Iterator[Listing]:
    page = in_tries(lambda: _page(client, url), settings)
    for link, text in links_of(page, url):
        name = f"{above}{unquote(link)}"
        if link.endswith("/"):
            if depth and not unquote(link).startswith("."):
                yield from _below(client, url + link, name, depth - 1, settings)
        elif settings.wants(name):
            size = EXACT_SIZE.search(f" {text}")
            yield Listing(url + link, name, int(size[1]) if size else 0, _date_in(text), text)


def _page(client: httpx2.Client, url: str) -> str:
    with _faults(url), client.stream("GET", url) as answer:
        _refuse(answer, url)
        text = bytearray()
        for chunk in answer.iter_bytes(CHUNK):
            text += chunk
            if len(text) > MAX_PAGE_BYTES:
                raise DropError(f"{url}: is not an index page: it is larger than 64 MiB", is_transient=False)
        return text.decode(answer.encoding or "utf-8", errors="replace")


@contextmanager
def _opened(client: httpx2.Client, url: str, start: int, etag: str) -> Iterator[Body]:
    headers = {"Range": f"bytes={start}-", "If-Range": etag} if start and etag else {}
    with ExitStack() as stack:
        with _faults(url):
            answer = stack.enter_context(client.stream("GET", url, headers=headers))
        _refuse(answer, url)
        begins, total = 0, answer.headers.get("Content-Length")
        if answer.status_code == 206:
            content_range = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
            if content_range is None or int(content_range[1]) != start:
                raise DropError(f"{url}: the server returned another range than requested")
            begins, total = start, content_range[2]
        tag = answer.headers.get("ETag", "")
        # A weak tag does not guarantee the same bytes (RFC 9110, section 13.1.5).
        same = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
        yield Body(begins, int(total) if total else None, same, _chunks(answer, url))


def _chunks(answer: httpx2.Response, url: str) -> Iterator[bytes]:
    with _faults(url):
        yield from answer.iter_raw(CHUNK)


@contextmanager
def _faults(url: str) -> Iterator[None]:
    import httpx2

    try:
        yield
    except httpx2.HTTPError as fault:
        raise DropError(f"{url}: {type(fault).__name__}: {fault}") from fault


def _refuse(answer: httpx2.Response, url: str) -> None:
    code = answer.status_code
    if code >= 400:
        is_transient = code >= 500 or code in TRANSIENT_STATUSES
        raise DropError(f"{url}: HTTP {code} {answer.reason_phrase}", is_transient=is_transient)


def _date_in(text: str) -> float:
    """Date in a text, assumed to be UTC; 0 if there is none."""
    for pattern, forms in DATES:
        if found := pattern.search(text):
            form = forms[found[0].count(":") - 1]
            try:
                return datetime.strptime(found[0], form).replace(tzinfo=UTC).timestamp()
            except ValueError:
                return 0.0
    return 0.0
