"""Finds plugins of every kind, keeps the broken ones from doing harm, and answers which adapter a file belongs to."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Final, TypeVar

import pluggy
from pydantic import ValidationError

from xherald.photons.errors import ConfigError, PluginError, UnclaimedFileError

from . import hookspecs
from .alerts import AlertSink
from .contract import Embedder, FeatureExtractor, InstrumentAdapter, Options, Plugin, Representation
from .contract_version import CONTRACT_ATTRIBUTE, CONTRACT_VERSION, agreement
from .drops import DropSource
from .scoring import Scorer, Veto

__all__ = ["KINDS", "PluginFailure", "PluginHost", "PluginRecord"]

ENTRY_POINT_GROUP = "xherald"
OWN_PACKAGE = "xherald"
"""The distribution that the contract comes with: what is in it was written for it, and need not say so."""

DISABLED = "disabled in the configuration"

KINDS: Final[Mapping[str, type[Plugin]]] = {
    "adapters": InstrumentAdapter,
    "representations": Representation,
    "extractors": FeatureExtractor,
    "embedders": Embedder,
    "scorers": Scorer,
    "vetoes": Veto,
    "alert_sinks": AlertSink,
    "drop_sources": DropSource,
}
"""Kinds of plugins, as in ``register_KIND``, and the class that each derives from."""

Kind = TypeVar("Kind", bound=Plugin)


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """A loaded plugin module.

    Parameters
    ----------
    name : str — of its entry point, or of its file
    package, version : str — where it came from
    hooks : tuple of str — those that it implements
    registered : mapping of str to tuple of str — names of its plugins by kind
    contract : str — the version of the contract that it was written for; empty where it does not say
    note : str — what is to be known of that; empty mostly
    """

    name: str
    package: str
    version: str
    hooks: tuple[str, ...]
    registered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    contract: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class PluginFailure:
    """A plugin that is not in use, or broke in use.

    Parameters
    ----------
    name : str — of its entry point or file where it is not in use, its own where it broke in use
    package : str
    reason : str
    times : int — how often it broke so
    kind : str — of `KINDS`, where it broke in use; empty where it was never in use
    version : str — of the package, where it was never in use
    """

    name: str
    package: str
    reason: str
    times: int = 1
    kind: str = ""
    version: str = ""


class _ClashError(PluginError):
    """Two plugins of one name: which is meant nobody but the user can say."""


class PluginHost:
    """The plugins of one run.

    Parameters
    ----------
    disabled : iterable of str
        Entry-point names that are not loaded.
    files : iterable of Path
        Local plugin files, loaded after the installed ones.
    sources : sequence of EntryPoint, optional
        Entry points to load in place of the installed ones.
    order : iterable of str
        Names of plugins or of their entry points in the order in which they are asked, before all others, which stay in
        the order in which they were found. It is the order of scorers and vetoes, and of what is told of these.

    Attributes
    ----------
    records : list of PluginRecord
    failures : list of PluginFailure
    broken : Counter of (str, str)
        How often each plugin broke in use, by kind and name.
    """

    def __init__(
        self,
        disabled: Iterable[str] = (),
        files: Iterable[Path] = (),
        sources: Sequence[EntryPoint] | None = None,
        order: Iterable[str] = (),
    ) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        if os.environ.get("XHERALD_TRACE_HOOKS"):
            self._manager.trace.root.setwriter(sys.stderr.write)
            self._manager.enable_tracing()
        self.records: list[PluginRecord] = []
        self.failures: list[PluginFailure] = []
        self.broken: Counter[tuple[str, str]] = Counter()
        self._listener: Callable[[str, str], None] = lambda _kind, _name: None
        self._plugins: dict[str, dict[str, tuple[Plugin, str]]] = {kind: {} for kind in KINDS}
        off = set(disabled)
        found = entry_points(group=ENTRY_POINT_GROUP) if sources is None else sources
        for entry in sorted(found, key=lambda e: e.name):
            package = entry.dist.name if entry.dist else "unknown package"
            version = entry.dist.version if entry.dist else ""
            if entry.name in off:
                self.failures.append(PluginFailure(entry.name, package, DISABLED, version=version))
                continue
            self._add(entry.name, package, version, entry.load)
        for path in files:
            if not (path.suffix == ".py" and path.is_file()):
                raise PluginError(f"{path}: not a Python file; mend plugins.files in the configuration")
            self._add(path.stem, str(path), "", lambda path=path: _module_from(path))
        self._put_in_order(tuple(order))

    def _add(self, name: str, package: str, version: str, load: object) -> None:
        # A plugin is foreign code: whatever it raises must name it and must not take the run down.
        try:
            module = load()  # type: ignore[operator]
            contract, note, refusal = _contract_of(module, package)
            if refusal:
                self.failures.append(PluginFailure(name, package, refusal, version=version))
                return
            self._manager.register(module, name)
            self._manager.check_pending()
            hooks = tuple(caller.name for caller in self._manager.get_hookcallers(module) or [])
            registered = self._collect(module, package, hooks)
        except _ClashError:
            raise
        except (Exception, SystemExit) as fault:
            if self._manager.get_plugin(name) is not None:
                self._manager.unregister(name=name)
            self.failures.append(PluginFailure(name, package, f"{type(fault).__name__}: {fault}", version=version))
            return
        self.records.append(PluginRecord(name, package, version, hooks, registered, contract, note))

    def _collect(self, module: object, package: str, hooks: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Let a module register what it has; all of it counts, or nothing."""
        others = [one for one in self._manager.get_plugins() if one is not module]
        fresh: dict[str, list[Plugin]] = {}
        for hook in hooks:
            kind = hook.removeprefix("register_")
            fresh[kind] = []
            self._manager.subset_hook_caller(hook, remove_plugins=others)(register=fresh[kind].append)
        for kind, plugins in fresh.items():
            for plugin in plugins:
                self._refuse(kind, plugin, package)
            names = [plugin.name for plugin in plugins]
            if len(set(names)) < len(names):
                raise ValueError(f"register_{kind} was given two plugins of one name among {', '.join(names)}")
        for kind, plugins in fresh.items():
            self._plugins[kind].update({plugin.name: (plugin, package) for plugin in plugins})
        return {kind: tuple(plugin.name for plugin in plugins) for kind, plugins in fresh.items()}

    def _refuse(self, kind: str, plugin: Plugin, package: str) -> None:
        """Refuse what is not of its kind, and a second one of a name."""
        if not isinstance(plugin, KINDS[kind]):
            raise TypeError(f"register_{kind} was given {plugin!r}, not an instance of {KINDS[kind].__name__}")
        if plugin.name in self._plugins[kind]:
            raise _ClashError(
                f"two {kind} are named {plugin.name!r}: one from {self._plugins[kind][plugin.name][1]}, "
                f"one from {package}; disable either under plugins.disabled"
            )

    def _put_in_order(self, order: tuple[str, ...]) -> None:
        """Sort the plugins of each kind as the configuration wants them."""
        came_from = {
            (kind, name): record.name
            for record in self.records
            for kind, names in record.registered.items()
            for name in names
        }

        def place(kind: str, name: str) -> int:
            wanted = [one for one in (name, came_from[kind, name]) if one in order]
            return min((order.index(one) for one in wanted), default=len(order))

        known = {*came_from.values(), *(name for _, name in came_from), *(one.name for one in self.failures)}
        if unknown := [name for name in order if name not in known]:
            raise ConfigError(
                f"plugins.order: no plugin or entry point is named {unknown[0]!r}; `xherald plugins` lists them"
            )
        for kind, plugins in self._plugins.items():
            self._plugins[kind] = dict(sorted(plugins.items(), key=lambda item, kind=kind: place(kind, item[0])))  # type: ignore[misc]

    def _of_kind(self, kind: str, base: type[Kind]) -> dict[str, Kind]:
        return {name: plugin for name, (plugin, _) in self._plugins[kind].items() if isinstance(plugin, base)}

    @property
    def adapters(self) -> Mapping[str, InstrumentAdapter]:
        """Registered adapters by name."""
        return self._of_kind("adapters", InstrumentAdapter)  # type: ignore[type-abstract]

    @property
    def representations(self) -> Mapping[str, Representation]:
        """Registered representations by name."""
        return self._of_kind("representations", Representation)  # type: ignore[type-abstract]

    @property
    def extractors(self) -> Mapping[str, FeatureExtractor]:
        """Registered feature extractors by name."""
        return self._of_kind("extractors", FeatureExtractor)  # type: ignore[type-abstract]

    @property
    def embedders(self) -> Mapping[str, Embedder]:
        """Registered embedders by name."""
        return self._of_kind("embedders", Embedder)  # type: ignore[type-abstract]

    @property
    def scorers(self) -> Mapping[str, Scorer]:
        """Registered scorers by name."""
        return self._of_kind("scorers", Scorer)  # type: ignore[type-abstract]

    @property
    def vetoes(self) -> Mapping[str, Veto]:
        """Registered vetoes by name."""
        return self._of_kind("vetoes", Veto)  # type: ignore[type-abstract]

    @property
    def drop_sources(self) -> Mapping[str, DropSource]:
        """Registered drop sources by name."""
        return self._of_kind("drop_sources", DropSource)  # type: ignore[type-abstract]

    @property
    def alert_sinks(self) -> Mapping[str, AlertSink]:
        """Registered alert sinks by name."""
        return self._of_kind("alert_sinks", AlertSink)  # type: ignore[type-abstract]

    def registered(self, kind: str) -> Mapping[str, Plugin]:
        """Registered plugins of a kind, one of `KINDS`, by name."""
        return {name: plugin for name, (plugin, _) in self._plugins[kind].items()}

    def listen(self, listener: Callable[[str, str], None]) -> None:
        """Have one listener told the kind and name of every plugin that breaks in use, each time."""
        self._listener = listener

    def _count(self, kind: str, name: str) -> None:
        self.broken[kind, name] += 1
        self._listener(kind, name)

    def note_failure(self, kind: str, plugin: Plugin, when: str, fault: Exception) -> None:
        """Write down that a plugin broke on something; it stays in use, for the next file may suit it.

        Failures of one plugin for one reason are one entry of `failures` that counts them.

        Parameters
        ----------
        kind : str
            Of `KINDS`.
        plugin : Plugin
        when : str
            What it was doing, e.g. "judging evt2.fits"; told of the first time.
        fault : Exception
            What it raised.
        """
        package = self._plugins[kind][plugin.name][1] if plugin.name in self._plugins[kind] else "unknown package"
        reason = f"{type(fault).__name__}: {fault}"
        self._count(kind, plugin.name)
        for index, known in enumerate(self.failures):
            own = (known.kind, known.name, known.package) == (kind, plugin.name, package)
            if own and known.reason.endswith(reason):
                self.failures[index] = replace(known, times=known.times + 1)
                return
        self.failures.append(PluginFailure(plugin.name, package, f"broke when {when}: {reason}", kind=kind))

    def adapter_for(self, path: Path, header: Mapping[str, object]) -> InstrumentAdapter:
        """The one adapter that claims a file.

        Raises
        ------
        UnclaimedFileError
            None claims it, or more than one does.
        """
        claims = [adapter for adapter in self.adapters.values() if self._claims(adapter, path, header)]
        if len(claims) == 1:
            return claims[0]
        if claims:
            names = ", ".join(sorted(adapter.name for adapter in claims))
            raise UnclaimedFileError(path, f"several adapters claim this file ({names}); disable all but one")
        said = " / ".join(str(header[key]).strip() for key in ("TELESCOP", "INSTRUME") if header.get(key))
        what = f"{said} is" if said else "its kind is"
        known = ", ".join(sorted(self.adapters))
        raise UnclaimedFileError(path, f"no adapter claims this file: {what} none of {known}")

    def _claims(self, adapter: InstrumentAdapter, path: Path, header: Mapping[str, object]) -> bool:
        # Asked of every adapter for every file: one that breaks here is put aside, or no file would be read any more.
        try:
            return adapter.claims(path, header)
        except Exception as fault:
            _, package = self._plugins["adapters"].pop(adapter.name)
            reason = f"put aside when asked about {path}: {type(fault).__name__}: {fault}"
            self.failures.append(PluginFailure(adapter.name, package, reason, kind="adapters"))
            self._count("adapters", adapter.name)
            return False

    def options_for(self, plugin: Plugin, settings: Mapping[str, object], where: str = "") -> Options:
        """A plugin's settings, checked against its own model.

        Parameters
        ----------
        plugin : Plugin
        settings : mapping
        where : str
            Their place in the configuration; "adapters.chandra" and the like if not given.
        """
        where = where or next(f"{kind}.{plugin.name}" for kind, base in KINDS.items() if isinstance(plugin, base))
        try:
            return plugin.options_model.model_validate(settings)
        except ValidationError as fault:
            first = fault.errors()[0]
            key = ".".join((where, *(str(part) for part in first["loc"])))
            raise ConfigError(f"{key}: {first['msg'].removeprefix('Value error, ')}") from fault


def _contract_of(module: object, package: str) -> tuple[str, str, str]:
    """The contract a module was written for, what is to be said of that, and why it cannot be used."""
    stated = CONTRACT_VERSION if package == OWN_PACKAGE else getattr(module, CONTRACT_ATTRIBUTE, None)
    try:
        return str(stated or ""), agreement(stated), ""
    except PluginError as fault:
        return str(stated), "", str(fault)


def _module_from(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"xherald_local_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
