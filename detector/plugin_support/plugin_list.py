"""List installed plugins and their state, and find plugins by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xherald.photons.errors import ConfigError
from xherald.plugins import Plugin, PluginHost
from xherald.plugins.host import DISABLED, KINDS

__all__ = ["PluginRow", "find_plugins", "list_plugins"]

FailureCounts = Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class PluginRow:
    """A plugin, or an entry point without plugins in use.

    Parameters
    ----------
    name : str — of the plugin, or of an entry point that is not in use
    kind : str — of `KINDS`; empty if unknown
    entry_point : str — or the stem of a local file
    package, version : str
    contract : str — version of the contract it was written for; empty if not stated
    hooks : tuple of str — hooks that its module implements
    state : str — "in use", "disabled", or "failed"
    failures : int — number of failures in use
    reason : str — why it is not in use, or its last failure
    note : str — further information
    """

    name: str
    kind: str
    entry_point: str
    package: str
    version: str
    contract: str
    hooks: tuple[str, ...]
    state: str
    failures: int = 0
    reason: str = ""
    note: str = ""


def list_plugins(host: PluginHost, other_failures: FailureCounts | None = None) -> tuple[PluginRow, ...]:
    """Rows of all plugins by kind and order of use, then entry points that are not in use.

    Parameters
    ----------
    host : PluginHost
    other_failures : mapping of (str, str) to int, optional
        Number of failures in other processes, by kind and name.
    """
    reasons = {(one.kind, one.name): one.reason for one in host.failures if one.kind}
    records = {
        (kind, name): record for record in host.records for kind, names in record.registered.items() for name in names
    }
    order = [(kind, name) for kind in KINDS for name in host.registered(kind)]
    unused_keys = [key for key in records if key not in order]
    rows = [
        PluginRow(
            name,
            kind,
            records[kind, name].name,
            records[kind, name].package,
            records[kind, name].version,
            records[kind, name].contract,
            records[kind, name].hooks,
            "failed" if (kind, name) in unused_keys else "in use",
            host.failure_counts[kind, name] + (other_failures or {}).get((kind, name), 0),
            reasons.get((kind, name), ""),
            records[kind, name].note,
        )
        for kind, name in [*order, *unused_keys]
    ]
    idle = [
        PluginRow(record.name, "", record.name, record.package, record.version, record.contract, record.hooks,
                  "in use", note="registers no plugins")
        for record in host.records
        if not any(record.registered.values())
    ]  # fmt: skip
    unused = [
        PluginRow(
            one.name,
            "",
            one.name,
            one.package,
            one.version,
            "",
            (),
            "disabled" if one.reason == DISABLED else "failed",
            reason=one.reason,
        )
        for one in host.failures
        if not one.kind
    ]
    return (*rows, *idle, *unused)


def find_plugins(host: PluginHost, name: str, kind: str | None = None) -> tuple[tuple[str, Plugin], ...]:
    """Find plugins by their name or that of their entry point; each with its kind.

    Parameters
    ----------
    host : PluginHost
    name : str
    kind : str, optional
        Of `KINDS`; plugins of other kinds are ignored.

    Raises
    ------
    ConfigError
        There is none, it is not in use, or plugins of several kinds have this name.
    """
    kinds = [one for one in KINDS if kind in (None, one)]
    found = [(one, host.registered(one)[name]) for one in kinds if name in host.registered(one)]
    if len(found) > 1:
        raise ConfigError(f"{name!r} is the name of {' and '.join(one for one, _ in found)}; choose one with --kind")
    if found:
        return tuple(found)
    together = [
        (one, host.registered(one)[plugin])
        for record in host.records
        if record.name == name
        for one, names in record.registered.items()
        if one in kinds
        for plugin in names
        if plugin in host.registered(one)
    ]
    if together:
        return tuple(together)
    unused = [one.reason for one in host.failures if one.name == name]
    if unused:
        raise ConfigError(f"plugin {name!r} is not in use: {unused[0]}")
    names = sorted({*(plugin for one in kinds for plugin in host.registered(one)), *(one.name for one in host.records)})
    raise ConfigError(f"no plugin or entry point is named {name!r}; available: {', '.join(names)}")
