"""Checks of the options that plugins take in the settings: kinds, names and keys, with file and line of each error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xherald.photons.errors import ConfigError
from xherald.plugins.contract import Plugin

from .configuration import Configuration, find_origin, refuse_unknown_keys, suggest, validate_section

__all__ = ["check_plugin_options"]

Key = tuple[str, ...]


def check_plugin_options(configuration: Configuration) -> None:
    """Check the options of every plugin that the settings name.

    Raises
    ------
    ConfigError
        There is no plugin of that name, or it does not have that option, or the value is wrong; names file, line and
        key, and the nearest valid name.
    """
    host, origins = configuration.host, configuration.origins
    disabled = {failure.name for failure in host.failures}
    for path, name_key, kind, name, options in _choices(configuration):
        plugins: Mapping[str, Plugin] = host.registered(kind)
        if name not in plugins:
            if name in disabled:
                continue
            what = f"no {kind.removesuffix('es') if kind == 'vetoes' else kind.removesuffix('s')}".replace("_", " ")
            raise ConfigError(
                f"{find_origin(origins, name_key)}: {'.'.join(name_key)}: {what} is named {name!r}"
                f"{suggest(name, plugins)}"
            )
        model = plugins[name].options_model
        refuse_unknown_keys(options, dict.fromkeys(model.model_fields, Any), path, origins)
        validate_section(path, model, dict(options), origins)


def _choices(configuration: Configuration) -> Iterator[tuple[Key, Key, str, str, Mapping[str, Any]]]:
    """Path of the options, path of the name, kind, name and options of every plugin in the settings."""
    settings = configuration.settings
    for name, sink in settings.alerts.sinks.items():
        path: Key = ("alerts", "sinks", name)
        yield path, (*path, "kind"), "alert_sinks", sink.kind, sink.options
    for name, source in settings.daemon.sources.items():
        path = ("stream", "sources", name)
        yield path, (*path, "kind"), "drop_sources", source.kind, source.options
        for adapter, options in source.adapters.items():
            below = (*path, "adapters", adapter)
            yield below, below, "adapters", adapter, options
    for kind, given in (("scorers", settings.detection.scorers), ("vetoes", settings.detection.vetoes)):
        for name, options in given.items():
            path = ("detection", kind, name)
            yield path, path, kind, name, options
    for name, options in settings.context.providers.items():
        path = ("context", "providers", name)
        yield path, path, "context", name, options
    for name, case in settings.cases.root.items():
        parts = (("representation", case.representation), ("extractor", case.extractor), ("embedder", case.embedder))
        for part, choice in parts:
            if choice is not None:
                path = ("cases", name, part)
                yield path, (*path, "name"), f"{part}s", choice.name, choice.options
