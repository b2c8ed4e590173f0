"""Finds plugins, keeps the broken ones from doing harm, and answers which adapter a file belongs to."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

import pluggy
from pydantic import ValidationError

from xherald.photons.errors import ConfigError, PluginError, UnclaimedFileError

from . import hookspecs
from .contract import InstrumentAdapter, Options

__all__ = ["PluginFailure", "PluginHost", "PluginRecord"]

ENTRY_POINT_GROUP = "xherald"


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """A loaded plugin module: its name, where it came from, and the hooks it implements."""

    name: str
    package: str
    version: str
    hooks: tuple[str, ...]
    adapters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PluginFailure:
    """A plugin that is not in use, and why."""

    name: str
    package: str
    reason: str


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
        self._adapters: dict[str, tuple[InstrumentAdapter, str]] = {}
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
            adapters = self._collect(module, package)
        except PluginError:
            raise
        except Exception as fault:
            if self._manager.get_plugin(name) is not None:
                self._manager.unregister(name=name)
            self.failures.append(PluginFailure(name, package, f"{type(fault).__name__}: {fault}"))
            return
        self.records.append(PluginRecord(name, package, version, hooks, adapters))

    def _collect(self, module: object, package: str) -> tuple[str, ...]:
        fresh: list[InstrumentAdapter] = []
        others = [one for one in self._manager.get_plugins() if one is not module]
        self._manager.subset_hook_caller("register_adapters", remove_plugins=others)(register=fresh.append)
        for adapter in fresh:
            if adapter.name in self._adapters:
                raise PluginError(
                    f"two adapters are named {adapter.name!r}: one from {self._adapters[adapter.name][1]}, "
                    f"one from {package}; disable either under plugins.disabled"
                )
        self._adapters.update({adapter.name: (adapter, package) for adapter in fresh})
        return tuple(adapter.name for adapter in fresh)

    @property
    def adapters(self) -> Mapping[str, InstrumentAdapter]:
        """Registered adapters by name."""
        return {name: adapter for name, (adapter, _) in self._adapters.items()}

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
            _, package = self._adapters.pop(adapter.name)
            reason = f"put aside when asked about {path}: {type(fault).__name__}: {fault}"
            self.failures.append(PluginFailure(adapter.name, package, reason))
            return False

    def options_for(self, adapter: InstrumentAdapter, settings: Mapping[str, object]) -> Options:
        """An adapter's settings, checked against its own model."""
        try:
            return adapter.options_model.model_validate(settings)
        except ValidationError as fault:
            first = fault.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise ConfigError(f"adapters.{adapter.name}.{key}: {first['msg']}") from fault


def _module_from(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"xherald_local_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise PluginError(f"{path}: not a Python file; mend plugins.files in the configuration")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
