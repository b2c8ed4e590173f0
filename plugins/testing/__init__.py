"""The conformance kit: what the road relies on, as rules that any plugin can be held to.

Every kind has a function that holds a plugin to all rules of its contract and answers a `Report`, and a table of these
rules for documents. A plugin's author writes ::

    from xherald.plugins.testing import check_adapter

    def test_it_conforms() -> None:
        check_adapter(MyMission(), ["tests/data/good.fits"]).require()

or says `xherald plugins --check my_mission good.fits`. xherald's own plugins are held to the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..contract import Plugin
from . import refusals as _refusals  # noqa: F401 - enters the rest of the adapters' rules
from .adapters import ADAPTER_RULES, check_adapter
from .embedders import EMBEDDER_RULES, check_embedder
from .extractors import EXTRACTOR_RULES, check_extractor
from .photons import sample_batch, sample_reference
from .representations import REPRESENTATION_RULES, check_representation
from .rules import Outcome, Report, Rules
from .scorers import SCORER_RULES, check_scorer
from .sinks import SINK_RULES, check_sink
from .sources import SOURCE_RULES, check_source
from .vetoes import VETO_RULES, check_veto

__all__ = [
    "CHECKS",
    "RULES",
    "Outcome",
    "Report",
    "check",
    "check_adapter",
    "check_embedder",
    "check_extractor",
    "check_representation",
    "check_scorer",
    "check_sink",
    "check_source",
    "check_veto",
    "kind_of",
    "sample_batch",
    "sample_reference",
]

RULES: Final[Mapping[str, Rules[Any]]] = {
    rules.kind: rules
    for rules in (
        ADAPTER_RULES,
        REPRESENTATION_RULES,
        EXTRACTOR_RULES,
        EMBEDDER_RULES,
        SCORER_RULES,
        VETO_RULES,
        SINK_RULES,
        SOURCE_RULES,
    )
}
"""The rules of each kind, by the kind's name in `KINDS`."""

CHECKS: Final[Mapping[str, Callable[..., Report]]] = {
    "adapters": check_adapter,
    "representations": check_representation,
    "extractors": check_extractor,
    "embedders": check_embedder,
    "scorers": check_scorer,
    "vetoes": check_veto,
    "alert_sinks": check_sink,
    "drop_sources": check_source,
}
"""What holds a plugin of each kind to its rules."""


def check(plugin: Plugin, **given: Any) -> Report:
    """Hold a plugin of any kind to its contract; `given` is what the function of its kind takes besides."""
    return CHECKS[kind_of(plugin)](plugin, **given)


def kind_of(plugin: Plugin) -> str:
    """The kind of a plugin, as in `KINDS`."""
    from ..host import KINDS

    return next(kind for kind, base in KINDS.items() if isinstance(plugin, base))
