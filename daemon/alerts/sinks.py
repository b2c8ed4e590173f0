"""Sinks of the settings: their plugins with validated options, and delivery of an alert to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xherald.detector.configuration.alert_settings import AlertSettings, SinkSettings
from xherald.photons.errors import AlertRefusedError, ConfigError, PluginError, SinkUnavailableError, XheraldError
from xherald.plugins import Options, PluginHost
from xherald.plugins.alerts import Alert, AlertSink, Receipt
from xherald.plugins.secrets import redact

__all__ = ["Sink", "deliver", "get_sink", "open_sinks"]


@dataclass(frozen=True, slots=True)
class Sink:
    """A sink: its name and settings, its plugin and the plugin's options."""

    name: str
    settings: SinkSettings
    plugin: AlertSink
    options: Options


def open_sinks(settings: AlertSettings, host: PluginHost) -> dict[str, Sink]:
    """Sinks by name.

    Raises
    ------
    ConfigError
        A kind is unknown or an option invalid.
    """
    sinks = {}
    for name, one in settings.sinks.items():
        plugin = host.alert_sinks.get(one.kind)
        if plugin is None:
            kinds = ", ".join(sorted(host.alert_sinks)) or "none"
            raise ConfigError(f"alerts.sinks.{name}.kind: no alert sink is named {one.kind!r}; available: {kinds}")
        options = host.validate_options(plugin, one.options, f"alerts.sinks.{name}")
        sinks[name] = Sink(name, one, plugin, options)
    return sinks


def deliver(sink: Sink, alert: Alert, host: PluginHost) -> Receipt:
    """Deliver an alert to a sink; errors of the sink become an `AlertError` with its name and without secrets.

    Raises
    ------
    AlertRefusedError
        The sink rejects the alert; a retry is useless.
    SinkUnavailableError
        Any other error: the same alert is to be sent again.
    """
    secrets: tuple[str, ...] = ()
    try:
        secrets = tuple(sink.plugin.secrets(sink.options))
        receipt = sink.plugin.send(alert, sink.options)
        return Receipt(redact(receipt.where, secrets), receipt.repeated, redact(receipt.note, secrets))
    except AlertRefusedError as fault:
        raise AlertRefusedError(_describe(sink, str(fault), secrets)) from None
    except SinkUnavailableError as fault:
        raise SinkUnavailableError(_describe(sink, str(fault), secrets), fault.retry_after) from None
    except XheraldError as fault:
        raise SinkUnavailableError(_describe(sink, str(fault), secrets)) from None
    except Exception as fault:  # a defect of a plugin must not stop the daemon
        reason = redact(f"{type(fault).__name__}: {fault}", secrets)
        host.record_failure("alert_sinks", sink.plugin, f"sending {alert.id} to {sink.name}", PluginError(reason))
        raise SinkUnavailableError(_describe(sink, f"{sink.plugin.name} failed: {reason}", secrets)) from None


def _describe(sink: Sink, reason: str, secrets: tuple[str, ...]) -> str:
    return redact(f"sink {sink.name}: {reason}", secrets)


def get_sink(sinks: Mapping[str, Sink], name: str) -> Sink:
    """The sink of that name.

    Raises
    ------
    ConfigError
        There is none.
    """
    if name not in sinks:
        names = ", ".join(sorted(sinks)) or "none; configure sinks under alerts.sinks"
        raise ConfigError(f"no sink is named {name!r}; available: {names}")
    return sinks[name]
