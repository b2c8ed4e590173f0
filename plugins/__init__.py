"""The contract between the road and its plugins: base classes, hooks, the host that finds them, tools to write them."""

from .contract import InstrumentAdapter, Options, Plugin, ReadLimits
from .hookspecs import hookimpl
from .host import PluginFailure, PluginHost, PluginRecord

__all__ = [
    "InstrumentAdapter",
    "Options",
    "Plugin",
    "PluginFailure",
    "PluginHost",
    "PluginRecord",
    "ReadLimits",
    "hookimpl",
]
