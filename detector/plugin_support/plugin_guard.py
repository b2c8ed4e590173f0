"""What a plugin breaks with at its work, named and counted: `guarded`.

A plugin is foreign code. What it raises on purpose, from the tree of `photons.errors`, says something of its input and
goes on; so does what may pass, a disk that is full or memory that is short. Everything else is a defect of the plugin.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from xherald.photons.errors import PluginDefectError, XheraldError
from xherald.plugins import Plugin, PluginHost

__all__ = ["guarded"]


@contextmanager
def guarded(host: PluginHost, kind: str, plugin: Plugin, when: str) -> Iterator[None]:
    """Run a plugin's code.

    Parameters
    ----------
    host : PluginHost — told of a defect (`PluginHost.note_failure`)
    kind : str — of `KINDS`
    plugin : Plugin
    when : str — what it is doing, e.g. "reading evt2.fits"

    Raises
    ------
    PluginDefectError
        In place of whatever the plugin raised that nobody foresaw.
    """
    try:
        yield
    except (XheraldError, OSError, MemoryError):
        raise
    except Exception as fault:
        host.note_failure(kind, plugin, when, fault)
        raise PluginDefectError(
            f"{kind} plugin {plugin.name!r} broke when {when}: {type(fault).__name__}: {fault}; tell its authors"
        ) from fault
