"""The contract between the pipeline and its plugins: base classes, hooks, and the host that finds plugins."""

from .alerts import Alert, AlertSink, Facts, Receipt
from .contract import (
    Advance,
    Embedder,
    FeatureExtractor,
    Features,
    FittedExtractor,
    InstrumentAdapter,
    Options,
    OptionsT,
    Plugin,
    ReadLimits,
    Representation,
    Sample,
    Values,
)
from .contract_version import CONTRACT_VERSION
from .drops import DropSource, Listing, SourceOptions
from .folder_names import FolderNames
from .hookspecs import hookimpl
from .host import PluginFailure, PluginHost, PluginRecord
from .reference import Reference, ReferenceCase
from .reference_members import ReferenceMembers
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
    "FolderNames",
    "InstrumentAdapter",
    "Listing",
    "Options",
    "OptionsT",
    "Plugin",
    "PluginFailure",
    "PluginHost",
    "PluginRecord",
    "ReadLimits",
    "Receipt",
    "Reference",
    "ReferenceCase",
    "ReferenceMembers",
    "Representation",
    "Sample",
    "Scorer",
    "SourceOptions",
    "Values",
    "Veto",
    "hookimpl",
]
