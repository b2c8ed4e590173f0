"""Secrets of plugins: read from the environment or from private files, and redacted from messages.

Settings name the location of a secret, because settings are shown, hashed and stored.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from xherald.photons.errors import ConfigError

__all__ = ["MASK", "read_secret", "redact"]

MASK = "•••"

GROUP_AND_OTHERS = 0o077
"""Permission bits that a file with a secret must not have."""


def read_secret(what: str, variable: str | None, file: Path | None) -> str | None:
    """Read a secret and strip white space.

    Parameters
    ----------
    what : str — name of the secret, for errors
    variable : str or None — name of an environment variable
    file : Path or None — a file of mode 600 or stricter

    Returns
    -------
    str or None
        None if neither is given.

    Raises
    ------
    ConfigError
        Both are given, the variable is not set, the file is missing or readable by others, or the secret is empty.
    """
    if variable is not None and file is not None:
        raise ConfigError(f"{what}: both an environment variable and a file are given; remove one of them")
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
        raise ConfigError(f"{what}: {where} is empty")
    return value


def redact(text: str, secrets: Iterable[str]) -> str:
    """Replace secrets in a text, also in URL-quoted form, and join its lines."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        for form in {secret, quote(secret), quote(secret, safe="")}:
            text = text.replace(form, MASK)
    return " ".join(text.split())


def _read_private(what: str, file: Path) -> str:
    try:
        # Check the permissions of the opened file, so that they are those of the file that is read.
        with file.open(encoding="utf-8") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if mode & GROUP_AND_OTHERS:
                raise ConfigError(
                    f"{what}: {file} is readable by others (mode {mode & 0o777:o}); "
                    f"run `chmod 600 {file}` and change the secret"
                )
            return stream.read()
    except OSError as fault:
        raise ConfigError(f"{what}: {file} cannot be read: {fault.strerror or fault}") from fault
    except UnicodeDecodeError:
        raise ConfigError(f"{what}: {file} is not a text file") from None  # the original error contains the secret
