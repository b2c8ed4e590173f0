"""Secrets of plugins: read from the environment or from files that nobody else may read, and blotted out of messages.

Settings name where a secret is, never the secret: settings are shown, hashed and stored, secrets are not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from xherald.photons.errors import ConfigError

__all__ = ["BLOT", "read_secret", "redact"]

BLOT = "•••"

OTHERS = 0o077
"""Permission bits of group and others, none of which a file with a secret may have."""


def read_secret(what: str, variable: str | None, file: Path | None) -> str | None:
    """Read a secret, without the white space around it.

    Parameters
    ----------
    what : str — what it is of, for errors
    variable : str or None — name of an environment variable
    file : Path or None — a file of mode 600 or stricter

    Returns
    -------
    str or None
        None where neither is named.

    Raises
    ------
    ConfigError
        Both are named, the variable is not set, the file is missing or others may read it, or the secret is empty.
    """
    if variable is not None and file is not None:
        raise ConfigError(f"{what}: a variable and a file are named for one secret; leave one of them out")
    if variable is not None:
        where, value = f"environment variable {variable}", os.environ.get(variable)
        if value is None:
            raise ConfigError(f"{what}: {where} is not set")
    elif file is not None:
        where, value = str(file), _read_private(what, file.expanduser())
    else:
        return None
    value = value.strip()
    if not value:
        raise ConfigError(f"{what}: {where} holds no secret, it is empty")
    return value


def redact(text: str, secrets: Iterable[str]) -> str:
    """A text in one line, with secrets, plain or as addresses write them, blotted out."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        for form in {secret, quote(secret), quote(secret, safe="")}:
            text = text.replace(form, BLOT)
    return " ".join(text.split())


def _read_private(what: str, file: Path) -> str:
    try:
        # Judged by the open file: what is read is what was looked at.
        with file.open(encoding="utf-8") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if mode & OTHERS:
                raise ConfigError(
                    f"{what}: others may read {file} (mode {mode & 0o777:o}); say `chmod 600` and change the secret"
                )
            return stream.read()
    except OSError as fault:
        raise ConfigError(f"{what}: {file} cannot be read: {fault.strerror or fault}") from fault
    except UnicodeDecodeError:
        raise ConfigError(f"{what}: {file} is no text") from None  # the chain would show what is in it
