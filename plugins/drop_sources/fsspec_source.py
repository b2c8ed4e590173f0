"""File systems of fsspec as drop sources: S3, SFTP, FTP and others: `BucketSource`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from xherald.photons.errors import DropError
from xherald.plugins.contract import Options
from xherald.plugins.drops import DropSource, Listing

from .download import CHUNK, Body, RemoteOptions, download, folder_below, in_tries

__all__ = ["BucketOptions", "BucketSource"]

OBJECT_STORES: Final = frozenset({"s3://", "s3a://", "gs://", "gcs://", "az://", "abfs://", "abfss://", "oss://"})
"""Stores without folders, in which a prefix without files is not an error."""


class BucketOptions(RemoteOptions):
    """Options of `BucketSource`."""

    url: str = Field(pattern=r"^[a-z0-9+]+://", description="s3://bucket/prefix, sftp://host/path, ftp://host/path …")
    storage: dict[str, Any] = Field(
        default_factory=dict,
        description="options of the file system, as anon: true; credentials are read from its environment variables",
    )


class BucketSource(DropSource[BucketOptions]):
    """A folder of a file system of fsspec, with subfolders: S3 (`pip install 'xherald[s3]'`), SFTP, FTP."""

    name = "fsspec"

    def poll(self, options: BucketOptions) -> Iterator[Listing]:
        """Files below the URL, with the ETag if there is one."""
        found, root, scheme = in_tries(lambda: _found(options), options)
        for path, facts in sorted(found.items()):
            name = path.removeprefix(root).lstrip("/")
            if facts.get("type") == "file" and options.wants(name):
                yield Listing(f"{scheme}{path}", name, int(facts.get("size") or 0), _changed(facts), _etag(facts))

    def narrow_to_folder(self, options: BucketOptions, url: str) -> Options | None:
        """Options that begin at that folder, if it is below the root."""
        start = folder_below(options.url, url)
        return None if start is None else options.model_copy(update={"start": start})

    def fetch(self, listing: Listing, into: Path, options: BucketOptions) -> Path:
        """Fetch it, continuing an earlier download if the ETag, or size and time, are unchanged."""
        return download(listing, into, options, lambda start, etag: _opened(listing, options, start, etag))


def _file_system(settings: BucketOptions) -> tuple[Any, str]:
    import fsspec

    try:
        system, root = fsspec.core.url_to_fs(settings.url, use_listings_cache=False, **settings.storage)
    except (ImportError, ValueError, TypeError) as fault:
        raise DropError(f"{settings.url}: cannot be opened: {fault}", is_transient=False) from fault
    return system, str(root)


def _found(settings: BucketOptions) -> tuple[Mapping[str, Mapping[str, Any]], str, str]:
    with _faults(settings.url):
        system, root = _file_system(settings)
        system.invalidate_cache()
        scheme = settings.url.partition("://")[0] + "://"
        where = f"{root.rstrip('/')}/{settings.start}".rstrip("/") if settings.start else root
        found = system.find(where, detail=True)
        if not found and scheme not in OBJECT_STORES and not system.exists(root):
            raise DropError(f"{settings.url}: does not exist; correct the url in the configuration")
        return found, root, scheme


@contextmanager
def _opened(listing: Listing, settings: BucketOptions, start: int, etag: str) -> Iterator[Body]:
    with ExitStack() as stack:
        with _faults(listing.url):
            system, _ = _file_system(settings)
            path = system._strip_protocol(listing.url)
            facts = system.info(path)
            same = _etag(facts) or f"{facts.get('size')} {_changed(facts)}"
            size = facts.get("size")
            begins = start if start and etag == same else 0
            file = stack.enter_context(system.open(path, "rb", block_size=16 * CHUNK))
            file.seek(begins)
        yield Body(begins, int(size) if size else None, same, _chunks(file, listing.url))


def _chunks(file: Any, url: str) -> Iterator[bytes]:
    with _faults(url):
        while chunk := file.read(CHUNK):
            yield chunk


@contextmanager
def _faults(url: str) -> Iterator[None]:
    try:
        yield
    except (DropError, GeneratorExit):
        raise
    except Exception as fault:  # file systems raise different errors
        gone = isinstance(fault, FileNotFoundError | PermissionError)
        raise DropError(f"{url}: {type(fault).__name__}: {fault}", is_transient=not gone) from fault


def _changed(facts: Mapping[str, Any]) -> float:
    for key in ("LastModified", "mtime", "modified", "last_modified", "modify"):
        value = facts.get(key)
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, int | float):
            return float(value)
    return 0.0


def _etag(facts: Mapping[str, Any]) -> str:
    return str(facts.get("ETag") or facts.get("etag") or "").strip('"')
