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
from .drops import DropSource, Listing, SourceOptions
from .field_of_view import FieldOfView
from .files import FitsFile, Hdu, Keywords, open_fits, read_header
from .goodtimes import GtiLayout
from .hookspecs import hookimpl
from .host import PluginFailure, PluginHost, PluginRecord
from .judging import Flags, Scorer, Subjects, Veto
from .mission import FitsAdapter, Instrument, MissionTable, NoImage, PhotonColumns
from .screening import ChannelEnergy, Energy, LinearEnergy, Rule
from .versions import CONTRACT_VERSION

__all__ = [
    "CONTRACT_VERSION",
    "Advance",
    "Alert",
    "AlertSink",
    "ChannelEnergy",
    "DropSource",
    "Embedder",
    "Energy",
    "Facts",
    "FeatureExtractor",
    "Features",
    "FieldOfView",
    "FitsAdapter",
    "FitsFile",
    "FittedExtractor",
    "Flags",
    "GtiLayout",
    "Hdu",
    "Instrument",
    "InstrumentAdapter",
    "Keywords",
    "LinearEnergy",
    "Listing",
    "MissionTable",
    "NoImage",
    "Options",
    "PhotonColumns",
    "Plugin",
    "PluginFailure",
    "PluginHost",
    "PluginRecord",
    "ReadLimits",
    "Receipt",
    "Representation",
    "Rule",
    "Sample",
    "Scorer",
    "SourceOptions",
    "Subjects",
    "Values",
    "Veto",
    "hookimpl",
    "open_fits",
    "read_header",
]
