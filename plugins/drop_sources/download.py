"""Downloads that are retried, continued after an interruption and limited in bandwidth: `download`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import unquote

from pydantic import Field

from xherald.photons.errors import DropError
from xherald.plugins.drops import Listing, SourceOptions

__all__ = ["CHUNK", "Body", "RemoteOptions", "download", "folder_below", "in_tries"]

T = TypeVar("T")

CHUNK: Final = 2**18
LONGEST_WAIT_S: Final = 60.0


class RemoteOptions(SourceOptions):
    """Options of remote drop sources."""

    start: str = Field(
        default="", pattern=r"^([^/]+/)*$", description="subfolder of the URL at which a poll begins, ending in /"
    )
    timeout_s: float = Field(default=60.0, gt=0, description="s without data after which a connection is closed")
    tries: int = Field(default=5, ge=1, description="attempts at a request before it has failed")
    first_wait_s: float = Field(default=1.0, ge=0, description="s before the second attempt, then doubled")
    mib_per_s: float | None = Field(default=None, gt=0, description="bandwidth limit, MiB/s; null for none")
    most_gib: float = Field(default=16.0, gt=0, description="largest file that is fetched, GiB")


@dataclass(frozen=True, slots=True)
class Body:
    """Response of a server to the request of a file.

    Parameters
    ----------
    start : int — first byte; 0 if the server does not support ranges or the content has changed
    total : int or None — size of the complete file in bytes, if known
    etag : str — identifies the content
    chunks : iterator of bytes — raises `DropError` if interrupted
    """

    start: int
    total: int | None
    etag: str
    chunks: Iterator[bytes]


def download(
    listing: Listing, into: Path, options: RemoteOptions, opened: Callable[[int, str], AbstractContextManager[Body]]
) -> Path:
    """Fetch a file into a folder, continuing an earlier incomplete download.

    Parameters
    ----------
    listing : Listing
    into : Path
    options : RemoteOptions
    opened : callable
        Called with the first byte and the etag of the incomplete file; returns a context manager of the `Body`, or
        raises `DropError`.

    Raises
    ------
    DropError
    """
    target = into / listing.file_name
    part, etag = target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.etag")
    most = int(options.most_gib * 2**30)

    def once() -> Path:
        have = part.stat().st_size if part.exists() and etag.exists() else 0
        with opened(have, etag.read_text(encoding="utf-8") if have else "") as body:
            if max(listing.size, body.total or 0) > most:
                raise DropError(f"{listing.url}: is larger than most_gib = {options.most_gib:g}", is_transient=False)
            _append(body, part, etag, options.mib_per_s, most, listing.url)
            size = part.stat().st_size
            if body.total is not None and size != body.total:
                raise DropError(f"{listing.url}: interrupted after {size:,} of {body.total:,} bytes")
        part.replace(target)
        etag.unlink(missing_ok=True)
        return target

    try:
        into.mkdir(parents=True, exist_ok=True)
        return in_tries(once, options)
    except OSError as fault:
        raise DropError(f"{target}: cannot be written: {fault.strerror or fault}; free some space") from fault


def folder_below(root: str, url: str) -> str | None:
    """URL-quoted path from a root to a folder below it, ending in ``/``; None if it is not below."""
    root, folder = f"{root.rstrip('/')}/", f"{url.rstrip('/')}/"
    start = folder.removeprefix(root)
    if start == folder or not start.isprintable() or set(start) & set(" \\?#"):
        return None
    if ":" in start.partition("/")[0]:  # joined to a URL, it would be a scheme (RFC 3986, §4.2)
        return None
    return None if set(unquote(start)[:-1].split("/")) & {"", ".", ".."} else start


def in_tries(work: Callable[[], T], options: RemoteOptions) -> T:
    """Call a function, and retry transient errors with delays that double, plus a random part.

    Raises
    ------
    DropError
        That of the last attempt, or the first that is not transient.
    """
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential, wait_random

    first = options.first_wait_s
    wait = wait_exponential(multiplier=first, max=LONGEST_WAIT_S) + wait_random(0, first)
    tries = Retrying(
        stop=stop_after_attempt(options.tries),
        wait=wait,
        retry=retry_if_exception(lambda fault: isinstance(fault, DropError) and fault.is_transient),
        reraise=True,
    )
    return tries(work)


def _append(body: Body, part: Path, etag: Path, mib_per_s: float | None, most: int, url: str) -> None:
    etag.write_text(body.etag, encoding="utf-8")
    with part.open("r+b" if body.start else "wb") as file:
        file.truncate(body.start)
        file.seek(body.start)
        began, passed = time.monotonic(), 0
        for chunk in body.chunks:
            file.write(chunk)
            passed += len(chunk)
            if body.start + passed > most:
                raise DropError(f"{url}: exceeds the largest file that is fetched (most_gib)", is_transient=False)
            if mib_per_s is not None:
                ahead = passed / (mib_per_s * 2**20) - (time.monotonic() - began)
                if ahead > 0:
                    time.sleep(ahead)
