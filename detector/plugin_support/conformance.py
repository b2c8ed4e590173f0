"""Conformance rules of every plugin kind in one table, and `check` for a plugin of any kind.

This is the kit that the pytest fixture `xherald_kit` and `xherald plugins --check` use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from xherald.adapters.testing import ADAPTER_RULES, check_adapter
from xherald.plugins.contract import Plugin
from xherald.plugins.testing import (
    CONTEXT_RULES,
    EMBEDDER_RULES,
    EXTRACTOR_RULES,
    REPRESENTATION_RULES,
    SCORER_RULES,
    SINK_RULES,
    SOURCE_RULES,
    VETO_RULES,
    Report,
    Rules,
    check_context,
    check_embedder,
    check_extractor,
    check_representation,
    check_scorer,
    check_sink,
    check_source,
    check_veto,
    sample_batch,
    sample_reference,
)

__all__ = ["CHECKS", "RULES", "check", "find_kind", "sample_batch", "sample_reference"]

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
        CONTEXT_RULES,
    )
}
"""Rules by plugin kind, as in `KINDS`."""

CHECKS: Final[Mapping[str, Callable[..., Report]]] = {
    "adapters": check_adapter,
    "representations": check_representation,
    "extractors": check_extractor,
    "embedders": check_embedder,
    "scorers": check_scorer,
    "vetoes": check_veto,
    "alert_sinks": check_sink,
    "drop_sources": check_source,
    "context": check_context,
}
"""Check functions by plugin kind."""


def check(plugin: Plugin, **arguments: Any) -> Report:
    """Check a plugin of any kind against its contract; other arguments are those of the check function of its kind."""
    return CHECKS[find_kind(plugin)](plugin, **arguments)


def find_kind(plugin: Plugin) -> str:
    """Kind of a plugin, as in `KINDS`."""
    from xherald.plugins.host import KINDS

    return next(kind for kind, base in KINDS.items() if isinstance(plugin, base))
