"""Built-in scorers, registered through the same door as anybody's."""

from __future__ import annotations

from collections.abc import Callable

from xherald.plugins.hookspecs import hookimpl
from xherald.plugins.scoring import Scorer

from .significance_scorer import SignificanceScorer
from .similarity_scorer import SimilarityScorer

__all__ = ["SignificanceScorer", "SimilarityScorer", "register_scorers"]


@hookimpl
def register_scorers(register: Callable[[Scorer], None]) -> None:
    """Register the built-in scorers."""
    register(SignificanceScorer())
    register(SimilarityScorer())
