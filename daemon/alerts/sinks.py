"""The sinks of this run: their plugins with checked options, and the one way in which an alert is handed to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xherald.detector.configuration.alert_settings import AlertSettings, SinkSettings
from xherald.photons.errors import AlertRefusedError, ConfigError, PluginError, SinkUnavailableError, XheraldError
from xherald.plugins import Options, PluginHost
from xherald.plugins.alerts import Alert, AlertSink, Receipt
from xherald.plugins.secrets import redact

__all__ = ["Sink", "deliver", "named", "open_sinks"]


@dataclass(frozen=True, slots=True)
class Sink:
    """A sink of the settings: its name there, what it is told of, its plugin and the plugin's options."""

    name: str
    settings: SinkSettings
    plugin: AlertSink
    options: Options


def open_sinks(settings: AlertSettings, host: PluginHost) -> dict[str, Sink]:
    """Sinks by name.

    Raises
    ------
    ConfigError
        A kind is unknown, or an option wrong.
    """
    sinks = {}
    for name, one in settings.sinks.items():
        plugin = host.alert_sinks.get(one.kind)
        if plugin is None:
            known = ", ".join(sorted(host.alert_sinks)) or "nothing"
            raise ConfigError(f"alerts.sinks.{name}.kind: no alert sink is named {one.kind!r}; allowed: {known}")
        options = host.options_for(plugin, one.options, f"alerts.sinks.{name}")
        sinks[name] = Sink(name, one, plugin, options)
    return sinks


def deliver(sink: Sink, alert: Alert, host: PluginHost) -> Receipt:
    """Hand an alert to a sink; whatever the sink raises becomes an `AlertError` that names it and shows no secret.

    Raises
    ------
    AlertRefusedError
        It will never be taken as it is.
    SinkUnavailableError
        Anything else: the same alert is to be tried again.
    """
    secrets: tuple[str, ...] = ()
    try:
        secrets = tuple(sink.plugin.secrets(sink.options))
        receipt = sink.plugin.send(alert, sink.options)
        return Receipt(redact(receipt.where, secrets), receipt.repeated, redact(receipt.note, secrets))
    except AlertRefusedError as fault:
        raise AlertRefusedError(_told(sink, str(fault), secrets)) from None
    except SinkUnavailableError as fault:
        raise SinkUnavailableError(_told(sink, str(fault), secrets), fault.retry_after) from None
    except XheraldError as fault:
        raise SinkUnavailableError(_told(sink, str(fault), secrets)) from None
    except Exception as fault:
        # A plugin is foreign code: whatever it raises must name it and must not take the daemon down.
        reason = redact(f"{type(fault).__name__}: {fault}", secrets)
        host.note_failure("alert_sinks", sink.plugin, f"sending {alert.id} to {sink.name}", PluginError(reason))
        raise SinkUnavailableError(_told(sink, f"{sink.plugin.name} broke: {reason}", secrets)) from None


def _told(sink: Sink, reason: str, secrets: tuple[str, ...]) -> str:
    return redact(f"sink {sink.name}: {reason}", secrets)


def named(sinks: Mapping[str, Sink], name: str) -> Sink:
    """The sink of that name.

    Raises
    ------
    ConfigError
        There is none.
    """
    if name not in sinks:
        known = ", ".join(sorted(sinks)) or "nothing; name sinks under alerts.sinks"
        raise ConfigError(f"no sink is named {name!r}; allowed: {known}")
    return sinks[name]
