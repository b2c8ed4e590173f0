"""Finds plugins of every kind, keeps the broken ones from doing harm, and answers which adapter a file belongs to."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
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
from .drops import DropSource
from .judging import Scorer, Veto

__all__ = ["KINDS", "PluginFailure", "PluginHost", "PluginRecord"]

ENTRY_POINT_GROUP = "xherald"

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
    """A loaded plugin module: its name, where it came from, the hooks it implements, and what it registered by kind."""

    name: str
    package: str
    version: str
    hooks: tuple[str, ...]
    registered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PluginFailure:
    """A plugin that is not in use, or broke in use: why, and how often."""

    name: str
    package: str
    reason: str
    times: int = 1


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
    """

    def __init__(
        self,
        disabled: Iterable[str] = (),
        files: Iterable[Path] = (),
        sources: Sequence[EntryPoint] | None = None,
    ) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        if os.environ.get("XHERALD_TRACE_HOOKS"):
            self._manager.trace.root.setwriter(sys.stderr.write)
            self._manager.enable_tracing()
        self.records: list[PluginRecord] = []
        self.failures: list[PluginFailure] = []
        self._plugins: dict[str, dict[str, tuple[Plugin, str]]] = {kind: {} for kind in KINDS}
        off = set(disabled)
        found = entry_points(group=ENTRY_POINT_GROUP) if sources is None else sources
        for entry in sorted(found, key=lambda e: e.name):
            package = entry.dist.name if entry.dist else "unknown package"
            version = entry.dist.version if entry.dist else ""
            if entry.name in off:
                self.failures.append(PluginFailure(entry.name, package, "disabled in the configuration"))
                continue
            self._add(entry.name, package, version, entry.load)
        for path in files:
            self._add(path.stem, str(path), "", lambda path=path: _module_from(path))

    def _add(self, name: str, package: str, version: str, load: object) -> None:
        # A plugin is foreign code: whatever it raises must name it and must not take the run down.
        try:
            module = load()  # type: ignore[operator]
            self._manager.register(module, name)
            self._manager.check_pending()
            hooks = tuple(caller.name for caller in self._manager.get_hookcallers(module) or [])
            registered = self._collect(module, package, hooks)
        except PluginError:
            raise
        except Exception as fault:
            if self._manager.get_plugin(name) is not None:
                self._manager.unregister(name=name)
            self.failures.append(PluginFailure(name, package, f"{type(fault).__name__}: {fault}"))
            return
        self.records.append(PluginRecord(name, package, version, hooks, registered))

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
        for kind, plugins in fresh.items():
            self._plugins[kind].update({plugin.name: (plugin, package) for plugin in plugins})
        return {kind: tuple(plugin.name for plugin in plugins) for kind, plugins in fresh.items()}

    def _refuse(self, kind: str, plugin: Plugin, package: str) -> None:
        """Refuse what is not of its kind, and a second one of a name."""
        if not isinstance(plugin, KINDS[kind]):
            raise TypeError(f"register_{kind} was given {plugin!r}, not an instance of {KINDS[kind].__name__}")
        if plugin.name in self._plugins[kind]:
            raise PluginError(
                f"two {kind} are named {plugin.name!r}: one from {self._plugins[kind][plugin.name][1]}, "
                f"one from {package}; disable either under plugins.disabled"
            )

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
        for index, known in enumerate(self.failures):
            if (known.name, known.package) == (plugin.name, package) and known.reason.endswith(reason):
                self.failures[index] = replace(known, times=known.times + 1)
                return
        self.failures.append(PluginFailure(plugin.name, package, f"broke when {when}: {reason}"))

    def package_of(self, kind: str, name: str) -> str:
        """The package that a registered plugin came from."""
        return self._plugins[kind][name][1]

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
            self.failures.append(PluginFailure(adapter.name, package, reason))
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


def _module_from(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"xherald_local_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise PluginError(f"{path}: not a Python file; mend plugins.files in the configuration")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
