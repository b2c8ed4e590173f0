"""What is installed, in use or not and why, as rows for `xherald plugins`; and plugins by the names that people use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xherald.photons.errors import ConfigError
from xherald.plugins import Plugin, PluginHost
from xherald.plugins.host import DISABLED, KINDS

__all__ = ["PluginRow", "plugin_rows", "plugins_named"]

Broken = Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class PluginRow:
    """A plugin, or an entry point of which none is in use.

    Parameters
    ----------
    name : str — of the plugin; of the entry point where that is not in use
    kind : str — of `KINDS`; empty where it is not known
    entry_point : str — or the stem of its local file
    package, version : str
    contract : str — version of the contract that it was written for; empty where it does not say
    hooks : tuple of str — that its module implements
    state : str — "in use", "disabled", or "broken"
    broke : int — how often it broke in use
    reason : str — why it is not in use, or what it broke with last
    note : str — what else is to be known
    """

    name: str
    kind: str
    entry_point: str
    package: str
    version: str
    contract: str
    hooks: tuple[str, ...]
    state: str
    broke: int = 0
    reason: str = ""
    note: str = ""


def plugin_rows(host: PluginHost, elsewhere: Broken | None = None) -> tuple[PluginRow, ...]:
    """A row a plugin, in the order of the kinds and in that in which they are asked; then what is not in use.

    Parameters
    ----------
    host : PluginHost
    elsewhere : mapping of (str, str) to int, optional
        How often plugins broke in other processes, by kind and name.
    """
    reasons = {(one.kind, one.name): one.reason for one in host.failures if one.kind}
    records = {
        (kind, name): record for record in host.records for kind, names in record.registered.items() for name in names
    }
    order = [(kind, name) for kind in KINDS for name in host.registered(kind)]
    put_aside = [key for key in records if key not in order]
    rows = [
        PluginRow(
            name,
            kind,
            records[kind, name].name,
            records[kind, name].package,
            records[kind, name].version,
            records[kind, name].contract,
            records[kind, name].hooks,
            "broken" if (kind, name) in put_aside else "in use",
            host.broken[kind, name] + (elsewhere or {}).get((kind, name), 0),
            reasons.get((kind, name), ""),
            records[kind, name].note,
        )
        for kind, name in [*order, *put_aside]
    ]
    idle = [
        PluginRow(record.name, "", record.name, record.package, record.version, record.contract, record.hooks,
                  "in use", note="registers nothing")
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
            "disabled" if one.reason == DISABLED else "broken",
            reason=one.reason,
        )
        for one in host.failures
        if not one.kind
    ]
    return (*rows, *idle, *unused)


def plugins_named(host: PluginHost, name: str, kind: str | None = None) -> tuple[tuple[str, Plugin], ...]:
    """Plugins of a name, or all of an entry point of that name, each with its kind.

    Parameters
    ----------
    host : PluginHost
    name : str
    kind : str, optional
        Of `KINDS`; plugins of other kinds are left out.

    Raises
    ------
    ConfigError
        There is none, or it is not in use, with the reason; or plugins of several kinds bear the name.
    """
    kinds = [one for one in KINDS if kind in (None, one)]
    found = [(one, host.registered(one)[name]) for one in kinds if name in host.registered(one)]
    if len(found) > 1:
        raise ConfigError(f"{name!r} is the name of {' and '.join(one for one, _ in found)}; say which with --kind")
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
    known = sorted({*(plugin for one in kinds for plugin in host.registered(one)), *(one.name for one in host.records)})
    raise ConfigError(f"no plugin or entry point is named {name!r}; there are {', '.join(known)}")
