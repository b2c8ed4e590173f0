"""Report and count unexpected errors of plugins: `guarded`.

Errors of `photons.errors` describe a problem of the input and are raised as they are; so are operating system and
memory errors, which may be temporary. Any other error is a defect of the plugin.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from xherald.photons.errors import PluginDefectError, XheraldError
from xherald.plugins import Plugin, PluginHost

__all__ = ["guarded"]


@contextmanager
def guarded(host: PluginHost, kind: str, plugin: Plugin, when: str) -> Iterator[None]:
    """Context in which the code of a plugin runs.

    Parameters
    ----------
    host : PluginHost — records a defect (`PluginHost.record_failure`)
    kind : str — of `KINDS`
    plugin : Plugin
    when : str — what the plugin does, e.g. "reading evt2.fits"

    Raises
    ------
    PluginDefectError
        The plugin raised an unexpected error.
    """
    try:
        yield
    except (XheraldError, OSError, MemoryError):
        raise
    except Exception as fault:
        host.record_failure(kind, plugin, when, fault)
        raise PluginDefectError(
            f"{kind} plugin {plugin.name!r} failed when {when}: {type(fault).__name__}: {fault}; "
            "report it to its authors"
        ) from fault
