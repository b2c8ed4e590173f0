"""Plugins that each break one rule of their contract, to test the conformance kit.

`BROKEN_PLUGINS` has for every rule of every kind a plugin that breaks it: a conforming plugin with one change.
"""

from __future__ import annotations

from typing import Any

from xherald.adapters.chandra import ChandraAdapter
from xherald.plugins import Plugin

from .adapters import ADAPTERS, GOOD_FILES
from .alert_sinks import ALERT_SINKS, Lines, read_ids
from .context import CONTEXT, Three
from .drop_sources import DROP_SOURCES, Folder
from .embedders import EMBEDDERS, Plane
from .extractors import EXTRACTORS, Mean
from .representations import REPRESENTATIONS, Halves
from .scorers import SCORERS, Rate
from .vetoes import VETOES, Bright

__all__ = ["BROKEN_PLUGINS", "CONFORMING_PLUGINS", "GOOD_FILES", "RULES_ALSO_BROKEN", "read_ids"]

CONFORMING_PLUGINS: dict[str, Plugin] = {
    "adapters": ChandraAdapter(),
    "representations": Halves(),
    "extractors": Mean(),
    "embedders": Plane(),
    "scorers": Rate(),
    "vetoes": Bright(),
    "alert_sinks": Lines(),
    "drop_sources": Folder(),
    "context": Three(),
}
"""The plugins that the broken ones are variants of."""

BROKEN_PLUGINS: dict[str, dict[str, Any]] = {
    "adapters": ADAPTERS,
    "representations": REPRESENTATIONS,
    "extractors": EXTRACTORS,
    "embedders": EMBEDDERS,
    "scorers": SCORERS,
    "vetoes": VETOES,
    "alert_sinks": ALERT_SINKS,
    "drop_sources": DROP_SOURCES,
    "context": CONTEXT,
}
"""By kind and rule."""

RULES_ALSO_BROKEN: dict[tuple[str, str], set[str]] = {
    ("adapters", "sorted"): {"unsorted"},
    ("representations", "deterministic"): {"batch-single"},
    ("extractors", "deterministic"): {"batch-single", "save-load"},
    ("scorers", "deterministic"): {"batch-single"},
    ("alert_sinks", "secrets"): {"receipt"},
}
"""Rules that necessarily break together with another, by kind and rule."""
