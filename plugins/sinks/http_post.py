"""HTTP POST of an alert, and how its response is interpreted: `post`, `PostOptions`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from xherald.photons.errors import AlertRefusedError, ConfigError, SinkUnavailableError
from xherald.plugins.alerts import Receipt
from xherald.plugins.contract import Options
from xherald.plugins.secrets import read_secret

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["PostOptions", "has_address", "post", "post_secrets", "tls_context"]

PERMANENT_FAILURES: Final = frozenset({400, 410, 413, 415, 422})
"""Statuses (RFC 9110) after which the same body will never be accepted; all other failures are retried."""

ACCEPTED_BEFORE: Final = 409
MAX_EXCERPT: Final = 160
"""Characters of a response that are shown in errors."""


class PostOptions(Options):
    """Options of a POST.

    Parameters
    ----------
    url : str or None
        URL without secrets.
    url_env, url_file : str, Path or None
        Environment variable, or file of mode 600, with a URL that is secret.
    timeout_s : float — s, for each of connection, request and response
    ca_file : Path or None — certificates (PEM) to trust instead of the usual ones
    """

    url: str | None = None
    url_env: str | None = None
    url_file: Path | None = None
    timeout_s: float = Field(default=10.0, gt=0)
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _checked(self) -> Self:
        given = [one for one in (self.url, self.url_env, self.url_file) if one is not None]
        if len(given) > 1:
            raise ValueError("use only one of url, url_env and url_file")
        if self.url is not None:
            parts = urlsplit(self.url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("url must begin with http:// or https://")
            if parts.username or parts.password:
                raise ValueError("url contains a password; put the URL into a variable or a file: url_env, url_file")
        return self


def has_address(options: PostOptions) -> bool:
    """Whether a URL is given."""
    return any(one is not None for one in (options.url, options.url_env, options.url_file))


def post_secrets(options: PostOptions) -> Sequence[str]:
    """The URL if it is secret, and its secret parts."""
    secret = read_secret("url", options.url_env, options.url_file)
    if secret is None:
        return ()
    parts = urlsplit(secret)
    return tuple(one for one in (secret, parts.path, parts.query, parts.password or "") if len(one) > 1)


def tls_context(ca_file: Path | None) -> SSLContext:
    """TLS context with the certificates to trust.

    Raises
    ------
    ConfigError
        The file is not usable.
    """
    import ssl

    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file.expanduser()))
    except OSError as fault:  # SSLError among them
        raise ConfigError(f"ca_file: {ca_file} cannot be used: {fault.strerror or fault}") from fault


def post(body: bytes, headers: Mapping[str, str], options: PostOptions) -> Receipt:
    """Post a body, without following redirects.

    Status 2xx means accepted, 409 accepted before.

    Raises
    ------
    AlertRefusedError
        The status is a permanent failure.
    SinkUnavailableError
        There is no response, or another status.
    """
    import httpx2

    url = options.url or read_secret("url", options.url_env, options.url_file)
    if url is None:
        raise AlertRefusedError("no URL is given; use url, url_env or url_file")
    shown = _without_secrets(options, url)
    try:
        answer = httpx2.post(
            url,
            content=body,
            headers=dict(headers),
            timeout=options.timeout_s,
            verify=tls_context(options.ca_file),
            follow_redirects=False,
        )
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, OSError) as fault:
        # Not chained, because the traceback could show the URL.
        raise SinkUnavailableError(f"{shown}: {type(fault).__name__}: {fault}") from None
    if answer.is_success or answer.status_code == ACCEPTED_BEFORE:
        return Receipt(shown, repeated=answer.status_code == ACCEPTED_BEFORE, note=f"HTTP {answer.status_code}")
    excerpt = " ".join(answer.text.split())[:MAX_EXCERPT]
    reason = f"{shown}: HTTP {answer.status_code} {answer.reason_phrase}" + (f": {excerpt}" if excerpt else "")
    if answer.status_code in PERMANENT_FAILURES:
        raise AlertRefusedError(reason)
    raise SinkUnavailableError(reason, _retry_after(answer.headers.get("Retry-After")))


def _without_secrets(options: PostOptions, url: str) -> str:
    if options.url is None:
        return f"the URL in {options.url_env or options.url_file}"
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header (RFC 9110 § 10.2.3): a number or a date."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except ValueError:
        return None
