"""Files that belong to event files: regions, source lists, responses. They are not drops themselves.

Adapters name companions from file names alone, so that files in a remote archive are treated as local ones are.
"""

from __future__ import annotations

from collections.abc import Iterable

from xherald.plugins import FolderNames, PluginHost

__all__ = ["expects_companions", "find_companions"]


def find_companions(names: Iterable[str], siblings: FolderNames, host: PluginHost) -> dict[str, tuple[str, ...]]:
    """Companions of some files of a folder, by any adapter; files without companions are left out.

    Parameters
    ----------
    names : iterable of str
        Names of the files whose companions are wanted.
    siblings : FolderNames
        Names of all files in their folder.
    host : PluginHost
        An adapter that fails on a name contributes nothing; the failure is recorded here.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        companions: dict[str, None] = {}
        for adapter in host.adapters.values():
            try:
                companions |= dict.fromkeys(adapter.companions(name, siblings))
            except Exception as fault:  # a defect of a plugin must not end the watch
                host.record_failure("adapters", adapter, f"finding companions of {name}", fault)
        companions.pop(name, None)
        if companions:
            found[name] = tuple(companions)
    return found


def expects_companions(name: str, host: PluginHost) -> bool:
    """Whether any adapter expects companions for a file of this name."""
    for adapter in host.adapters.values():
        try:
            if adapter.expects_companions(name):
                return True
        except Exception as fault:  # a defect of a plugin must not end the watch
            host.record_failure("adapters", adapter, f"asking whether {name} has companions", fault)
    return False
