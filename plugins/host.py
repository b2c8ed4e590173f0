"""Load plugins, isolate failing ones, and find the adapter of a file: `PluginHost`."""

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
from .context import ContextProvider
from .contract import Embedder, FeatureExtractor, InstrumentAdapter, Options, Plugin, Representation
from .contract_version import CONTRACT_ATTRIBUTE, CONTRACT_VERSION, check_contract_version
from .drops import DropSource
from .scoring import Scorer, Veto

__all__ = ["KINDS", "PluginFailure", "PluginHost", "PluginRecord"]

ENTRY_POINT_GROUP = "xherald"
OWN_PACKAGE = "xherald"
"""Distribution whose modules need not state a contract version."""

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
    "context": ContextProvider,
}
"""Base classes of the plugin kinds; keys as in ``register_KIND``."""

Kind = TypeVar("Kind", bound=Plugin)


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """A loaded plugin module.

    Parameters
    ----------
    name : str — of its entry point or file
    package, version : str — of its distribution
    hooks : tuple of str — hooks that it implements
    registered : mapping of str to tuple of str — names of its plugins by kind
    contract : str — version of the contract it was written for; empty if not stated
    note : str — remark on that version; usually empty
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
    """A plugin that could not be loaded, or failed in use.

    Parameters
    ----------
    name : str — of the plugin, or of an entry point or file that could not be loaded
    package : str
    reason : str
    times : int — number of such failures
    kind : str — of `KINDS`, if it failed in use; else empty
    version : str — of the package, if it could not be loaded
    """

    name: str
    package: str
    reason: str
    times: int = 1
    kind: str = ""
    version: str = ""


class _ClashError(PluginError):
    """Two plugins of a kind have the same name; the user must disable one."""


class PluginHost:
    """Installed plugins, as configured.

    Parameters
    ----------
    disabled : iterable of str
        Names of entry points that are not loaded.
    files : iterable of Path
        Local plugin files, loaded after the entry points.
    sources : sequence of EntryPoint, optional
        Entry points to load instead of the installed ones.
    order : iterable of str
        Names of plugins or entry points that come first, in this order; others follow in alphabetical order of their
        entry points. Scorers and vetoes are applied and reported in this order.

    Attributes
    ----------
    records : list of PluginRecord
    failures : list of PluginFailure
    failure_counts : Counter of (str, str)
        Number of failures in use, by kind and name.
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
        self.failure_counts: Counter[tuple[str, str]] = Counter()
        self._listener: Callable[[str, str], None] = lambda _kind, _name: None
        self._plugins: dict[str, dict[str, tuple[Plugin, str]]] = {kind: {} for kind in KINDS}
        disabled_names = set(disabled)
        found = entry_points(group=ENTRY_POINT_GROUP) if sources is None else sources
        for entry in sorted(found, key=lambda e: e.name):
            package = entry.dist.name if entry.dist else "unknown package"
            version = entry.dist.version if entry.dist else ""
            if entry.name in disabled_names:
                self.failures.append(PluginFailure(entry.name, package, DISABLED, version=version))
                continue
            self._add(entry.name, package, version, entry.load)
        for path in files:
            if not (path.suffix == ".py" and path.is_file()):
                raise PluginError(f"{path}: not a Python file; fix plugins.files in the configuration")
            self._add(path.stem, str(path), "", lambda path=path: _import_file(path))
        self._put_in_order(tuple(order))

    def _add(self, name: str, package: str, version: str, load: object) -> None:
        # Any error of a plugin is recorded with its name and must not stop the run.
        try:
            module = load()  # type: ignore[operator]
            contract, note, refusal = _read_contract(module, package)
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
        """Register the plugins of a module, either all or none."""
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
                raise ValueError(f"register_{kind} got two plugins with the same name: {', '.join(names)}")
        for kind, plugins in fresh.items():
            self._plugins[kind].update({plugin.name: (plugin, package) for plugin in plugins})
        return {kind: tuple(plugin.name for plugin in plugins) for kind, plugins in fresh.items()}

    def _refuse(self, kind: str, plugin: Plugin, package: str) -> None:
        """Refuse a plugin of the wrong type, or with a name that is taken."""
        if not isinstance(plugin, KINDS[kind]):
            raise TypeError(f"register_{kind} got {plugin!r}, which is not an instance of {KINDS[kind].__name__}")
        if plugin.name in self._plugins[kind]:
            raise _ClashError(
                f"two {kind} are named {plugin.name!r}: one from {self._plugins[kind][plugin.name][1]}, "
                f"one from {package}; disable either under plugins.disabled"
            )

    def _put_in_order(self, order: tuple[str, ...]) -> None:
        """Sort the plugins of each kind by the configured order."""
        came_from = {
            (kind, name): record.name
            for record in self.records
            for kind, names in record.registered.items()
            for name in names
        }

        def rank(kind: str, name: str) -> int:
            wanted = [one for one in (name, came_from[kind, name]) if one in order]
            return min((order.index(one) for one in wanted), default=len(order))

        names = {*came_from.values(), *(name for _, name in came_from), *(one.name for one in self.failures)}
        if unknown := [name for name in order if name not in names]:
            raise ConfigError(
                f"plugins.order: no plugin or entry point is named {unknown[0]!r}; `xherald plugins` lists them"
            )
        for kind, plugins in self._plugins.items():
            self._plugins[kind] = dict(sorted(plugins.items(), key=lambda item, kind=kind: rank(kind, item[0])))  # type: ignore[misc]

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

    @property
    def context(self) -> Mapping[str, ContextProvider]:
        """Registered context providers by name."""
        return self._of_kind("context", ContextProvider)  # type: ignore[type-abstract]

    def registered(self, kind: str) -> Mapping[str, Plugin]:
        """Registered plugins of a kind, one of `KINDS`, by name."""
        return {name: plugin for name, (plugin, _) in self._plugins[kind].items()}

    def on_failure(self, listener: Callable[[str, str], None]) -> None:
        """Call a function with kind and name of a plugin at each failure; replaces an earlier one."""
        self._listener = listener

    def _count(self, kind: str, name: str) -> None:
        self.failure_counts[kind, name] += 1
        self._listener(kind, name)

    def record_failure(self, kind: str, plugin: Plugin, when: str, fault: Exception) -> None:
        """Record a failure of a plugin, which stays in use.

        Failures of a plugin for the same reason share an entry of `failures`.

        Parameters
        ----------
        kind : str
            Of `KINDS`.
        plugin : Plugin
        when : str
            What it did, e.g. "reading evt2.fits"; recorded for the first failure.
        fault : Exception
            The error.
        """
        package = self._plugins[kind][plugin.name][1] if plugin.name in self._plugins[kind] else "unknown package"
        reason = f"{type(fault).__name__}: {fault}"
        self._count(kind, plugin.name)
        for index, failure in enumerate(self.failures):
            is_same = (failure.kind, failure.name, failure.package) == (kind, plugin.name, package)
            if is_same and failure.reason.endswith(reason):
                self.failures[index] = replace(failure, times=failure.times + 1)
                return
        self.failures.append(PluginFailure(plugin.name, package, f"failed when {when}: {reason}", kind=kind))

    def find_adapter(self, path: Path, header: Mapping[str, object]) -> InstrumentAdapter:
        """Find the adapter that claims a file.

        Raises
        ------
        UnclaimedFileError
            None or several claim it.
        """
        claims = [adapter for adapter in self.adapters.values() if self._claims(adapter, path, header)]
        if len(claims) == 1:
            return claims[0]
        if claims:
            names = ", ".join(sorted(adapter.name for adapter in claims))
            raise UnclaimedFileError(path, f"several adapters claim this file ({names}); disable all but one")
        raise UnclaimedFileError(path, f"no adapter claims this file: {self._explain_unclaimed(header)}")

    def _explain_unclaimed(self, header: Mapping[str, object]) -> str:
        telescope, instrument = (str(header.get(key) or "").strip() for key in ("TELESCOP", "INSTRUME"))
        if not telescope:
            return f"unknown format; available adapters: {', '.join(sorted(self.adapters))}"
        supported = {
            name
            for adapter in self.adapters.values()
            for mission, names in adapter.instruments().items()
            if mission.upper() == telescope.upper()
            for name in names
        }
        what = f"{telescope} {instrument}".strip()
        if supported:
            return f"{what} is not supported, only {', '.join(sorted(supported))}"
        return f"{what} is not supported; available adapters: {', '.join(sorted(self.adapters))}"

    def _claims(self, adapter: InstrumentAdapter, path: Path, header: Mapping[str, object]) -> bool:
        # Every adapter is asked about every file, so one that fails here is removed.
        try:
            return adapter.claims(path, header)
        except Exception as fault:
            _, package = self._plugins["adapters"].pop(adapter.name)
            reason = f"disabled because claims failed for {path}: {type(fault).__name__}: {fault}"
            self.failures.append(PluginFailure(adapter.name, package, reason, kind="adapters"))
            self._count("adapters", adapter.name)
            return False

    def validate_options(self, plugin: Plugin, settings: Mapping[str, object], where: str = "") -> Options:
        """Validate settings of a plugin with its model.

        Parameters
        ----------
        plugin : Plugin
        settings : mapping
        where : str
            Key of the settings in the configuration; default such as "adapters.chandra".
        """
        where = where or next(f"{kind}.{plugin.name}" for kind, base in KINDS.items() if isinstance(plugin, base))
        try:
            return plugin.options_model.model_validate(settings)
        except ValidationError as fault:
            first = fault.errors()[0]
            key = ".".join((where, *(str(part) for part in first["loc"])))
            raise ConfigError(f"{key}: {first['msg'].removeprefix('Value error, ')}") from fault


def _read_contract(module: object, package: str) -> tuple[str, str, str]:
    """Contract version of a module, a remark on it, and the reason if it cannot be used."""
    stated = CONTRACT_VERSION if package == OWN_PACKAGE else getattr(module, CONTRACT_ATTRIBUTE, None)
    try:
        return str(stated or ""), check_contract_version(stated), ""
    except PluginError as fault:
        return str(stated), "", str(fault)


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"xherald_local_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
