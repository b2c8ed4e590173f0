"""Conformance rules of every plugin kind except adapters: a function and a table of rules for each.

from xherald.plugins.testing import check_scorer

def test_it_conforms() -> None:
check_scorer(MyScorer()).require()
"""

from .context_rules import CONTEXT_RULES, check_context
from .drop_source_rules import SOURCE_RULES, check_source
from .embedder_rules import EMBEDDER_RULES, check_embedder
from .extractor_rules import EXTRACTOR_RULES, check_extractor
from .representation_rules import REPRESENTATION_RULES, check_representation
from .rules import Outcome, Report, Rules
from .sample_photons import sample_batch, sample_reference
from .scorer_rules import SCORER_RULES, check_scorer
from .sink_rules import SINK_RULES, check_sink
from .veto_rules import VETO_RULES, check_veto

__all__ = [
    "CONTEXT_RULES",
    "EMBEDDER_RULES",
    "EXTRACTOR_RULES",
    "REPRESENTATION_RULES",
    "SCORER_RULES",
    "SINK_RULES",
    "SOURCE_RULES",
    "VETO_RULES",
    "Outcome",
    "Report",
    "Rules",
    "check_context",
    "check_embedder",
    "check_extractor",
    "check_representation",
    "check_scorer",
    "check_sink",
    "check_source",
    "check_veto",
    "sample_batch",
    "sample_reference",
]
