"""Check plugins with the options of the configuration: `check_plugin`, for `xherald plugins --check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xherald.photons.errors import ConfigError
from xherald.plugins import Plugin

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.plugins.testing import Report

__all__ = ["check_plugin"]


def check_plugin(
    kind: str,
    plugin: Plugin,
    configuration: Configuration,
    *,
    files: Sequence[Path] = (),
    options: Mapping[str, Any] | None = None,
    enforce_performance: bool = False,
) -> Report:
    """Check a plugin against the rules of its kind.

    Adapters, scorers and vetoes get the options of the configuration, extractors the representation of the first case
    that uses them; `options` take precedence.

    Parameters
    ----------
    kind : str — of `KINDS`
    plugin : Plugin
    configuration : Configuration
    files : sequence of Path — valid files, for an adapter
    options : mapping, optional
    enforce_performance : bool — whether a broken performance rule is a failure, not a warning

    Raises
    ------
    ConfigError
        No files for an adapter, files for another kind, or invalid options.
    """
    from xherald.detector.plugin_support.conformance import CHECKS

    if kind == "adapters" and not files:
        raise ConfigError(f"adapter {plugin.name!r} is checked with valid files of its mission; add FILE arguments")
    if kind != "adapters" and files:
        raise ConfigError(f"{kind} {plugin.name!r} is checked with simulated photons; remove the FILE arguments")
    arguments: dict[str, Any] = (
        {} if kind in ("alert_sinks", "drop_sources", "context") else {"enforce_performance": enforce_performance}
    )
    if kind == "adapters":
        arguments["files"] = list(files)
    if kind == "extractors":
        arguments |= _representation_for(plugin.name, configuration)
    chosen = {**_configured(kind, plugin.name, configuration), **(options or {})}
    if chosen:
        arguments["options"] = configuration.host.validate_options(plugin, chosen, f"options of {plugin.name}")
    return CHECKS[kind](plugin, **arguments)


def _configured(kind: str, name: str, configuration: Configuration) -> Mapping[str, Any]:
    settings = configuration.settings
    sections: dict[str, Mapping[str, Mapping[str, Any]]] = {
        "adapters": settings.adapters,
        "scorers": settings.detection.scorers,
        "vetoes": settings.detection.vetoes,
        "context": settings.context.providers,
    }
    return sections.get(kind, {}).get(name, {})


def _representation_for(extractor: str, configuration: Configuration) -> dict[str, Any]:
    """Representation of the first case that uses an extractor; empty if no case does."""
    host = configuration.host
    for name, case in configuration.settings.cases.root.items():
        if case.extractor.name == extractor and case.representation is not None:
            plugin = host.representations.get(case.representation.name)
            if plugin is not None:
                options = host.validate_options(plugin, case.representation.options, f"cases.{name}.representation")
                return {
                    "representation": plugin,
                    "representation_options": options,
                    "options": host.validate_options(
                        host.extractors[extractor], case.extractor.options, f"cases.{name}"
                    ),
                }
    return {}
