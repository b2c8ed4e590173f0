"""The contract between the pipeline and its plugins: base classes, hooks, and the host that finds plugins."""

from .alerts import Alert, AlertKind, AlertSink, AlertTense, Facts, Receipt
from .context import ContextMatches, ContextProvider
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
from .kafka_connection import KafkaConnection, import_confluent_kafka
from .known_transients import find_nearest_members, get_member_kinds
from .reference import Reference, ReferenceCase
from .reference_members import ReferenceMembers
from .scoring import DetectionBatch, Flags, Scorer, Veto
from .secrets import read_secret

__all__ = [
    "CONTRACT_VERSION",
    "Advance",
    "Alert",
    "AlertKind",
    "AlertSink",
    "AlertTense",
    "ContextMatches",
    "ContextProvider",
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
    "KafkaConnection",
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
    "find_nearest_members",
    "get_member_kinds",
    "hookimpl",
    "import_confluent_kafka",
    "read_secret",
]
