"""Drop sources of the settings, with validated options and schedules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from xherald.detector.configuration.configuration import Configuration
from xherald.photons.errors import ConfigError
from xherald.plugins import DropSource, Options

from .intake.polling import make_source_trigger
from .nightly.nightly_scheduler import make_nightly_trigger

__all__ = ["open_sources", "with_daemon_settings"]


def open_sources(configuration: Configuration) -> dict[str, tuple[DropSource, Options]]:
    """Drop sources of the settings, by name.

    Raises
    ------
    ConfigError
        A kind is unknown, or an option or schedule invalid.
    """
    host, sources = configuration.host, {}
    settings = configuration.settings.daemon
    if settings.nightly_cron is not None:
        make_nightly_trigger(settings.nightly_cron)
    for name, one in settings.sources.items():
        make_source_trigger(name, one)
        source = host.drop_sources.get(one.kind)
        if source is None:
            kinds = ", ".join(sorted(host.drop_sources))
            raise ConfigError(f"daemon.sources.{name}.kind: no drop source is named {one.kind!r}; available: {kinds}")
        sources[name] = (source, host.validate_options(source, one.options, f"daemon.sources.{name}"))
    return sources


def with_daemon_settings(configuration: Configuration, **changes: Any) -> Configuration:
    """The configuration with some settings of the section ``daemon`` replaced."""
    settings = configuration.settings
    daemon = settings.daemon.model_copy(update=changes)
    return replace(configuration, settings=settings.model_copy(update={"daemon": daemon}))
