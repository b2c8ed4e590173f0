"""Plugins held to their contract as the configuration would use them: `check_plugin`, for `xherald plugins --check`."""

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
    floors: bool = False,
) -> Report:
    """Hold a plugin to the rules of its kind.

    Adapters, scorers and vetoes get the options of the configuration, extractors the representation of the first case
    that names them; `options` stand over these.

    Parameters
    ----------
    kind : str — of `KINDS`
    plugin : Plugin
    configuration : Configuration
    files : sequence of Path — good files, for an adapter
    options : mapping, optional
    floors : bool — whether to fail where a floor of speed or memory is missed

    Raises
    ------
    ConfigError
        An adapter without files, files for another kind, or options that are wrong.
    """
    from xherald.detector.plugin_support.conformance import CHECKS

    if kind == "adapters" and not files:
        raise ConfigError(f"adapter {plugin.name!r} is held against good files of its mission: name some")
    if kind != "adapters" and files:
        raise ConfigError(f"{kind} {plugin.name!r} is held against photons of the kit's own: name no files")
    given: dict[str, Any] = {} if kind in ("alert_sinks", "drop_sources") else {"floors": floors}
    if kind == "adapters":
        given["files"] = list(files)
    if kind == "extractors":
        given |= _representation_for(plugin.name, configuration)
    chosen = {**_configured(kind, plugin.name, configuration), **(options or {})}
    if chosen:
        given["options"] = configuration.host.options_for(plugin, chosen, f"options of {plugin.name}")
    return CHECKS[kind](plugin, **given)


def _configured(kind: str, name: str, configuration: Configuration) -> Mapping[str, Any]:
    settings = configuration.settings
    places: dict[str, Mapping[str, Mapping[str, Any]]] = {
        "adapters": settings.adapters,
        "scorers": settings.detection.scorers,
        "vetoes": settings.detection.vetoes,
    }
    return places.get(kind, {}).get(name, {})


def _representation_for(extractor: str, configuration: Configuration) -> dict[str, Any]:
    """What the first case that names an extractor gives it; nothing where none does."""
    host = configuration.host
    for name, case in configuration.settings.cases.root.items():
        if case.extractor.name == extractor and case.representation is not None:
            plugin = host.representations.get(case.representation.name)
            if plugin is not None:
                options = host.options_for(plugin, case.representation.options, f"cases.{name}.representation")
                return {
                    "representation": plugin,
                    "representation_options": options,
                    "options": host.options_for(host.extractors[extractor], case.extractor.options, f"cases.{name}"),
                }
    return {}
