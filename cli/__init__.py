"""The command line. A file here is a command; it is imported when it is asked for, so that help answers at once."""

from __future__ import annotations

from .group import main

__all__ = ["main"]
