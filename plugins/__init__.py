"""The contract between the road and its plugins: base classes, hooks, the host that finds them, tools to write them."""

from .alerts import Alert, AlertSink, Facts, Receipt
from .contract import (
    Advance,
    Embedder,
    FeatureExtractor,
    Features,
    FittedExtractor,
    InstrumentAdapter,
    Options,
    Plugin,
    ReadLimits,
    Representation,
    Sample,
    Values,
)
from .contract_version import CONTRACT_VERSION
from .drops import DropSource, Listing, SourceOptions
from .hookspecs import hookimpl
from .host import PluginFailure, PluginHost, PluginRecord
from .scoring import DetectionBatch, Flags, Scorer, Veto

__all__ = [
    "CONTRACT_VERSION",
    "Advance",
    "Alert",
    "AlertSink",
    "DetectionBatch",
    "DropSource",
    "Embedder",
    "Facts",
    "FeatureExtractor",
    "Features",
    "FittedExtractor",
    "Flags",
    "InstrumentAdapter",
    "Listing",
    "Options",
    "Plugin",
    "PluginFailure",
    "PluginHost",
    "PluginRecord",
    "ReadLimits",
    "Receipt",
    "Representation",
    "Sample",
    "Scorer",
    "SourceOptions",
    "Values",
    "Veto",
    "hookimpl",
]
