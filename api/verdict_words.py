"""Words of verdicts: the decisions, and classes of sources, which say that the event is real: `parse_verdict`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xherald.photons.errors import ConfigError

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.states import VettingDecision

__all__ = ["list_verdict_words", "parse_verdict"]

OBJECT_CLASSES: Final = (
    "black_hole_binary",
    "cataclysmic_variable",
    "galaxy",
    "gamma_ray_burst",
    "magnetar",
    "pulsar",
    "star",
    "supernova",
    "symbiotic_star",
    "x_ray_binary",
    "young_star",
)
"""Classes of sources that a person may give besides the classes of events that are simulated."""

NO_CLASSES: Final = ("constant", "other_flare", "other_dip")
"""Simulated classes that say nothing about the source."""


def list_verdict_words() -> tuple[str, ...]:
    """Decisions, then classes of sources."""
    from xherald.catalog_store.ledger.states import VettingDecision
    from xherald.simulation.classes import CLASSES

    return (*VettingDecision, *sorted({*CLASSES, *OBJECT_CLASSES} - set(NO_CLASSES)))


def parse_verdict(word: str | VettingDecision) -> tuple[VettingDecision, str | None]:
    """Decision and class of the source that a word stands for: a class says that the event is real.

    Parameters
    ----------
    word : str
        A decision, or a class such as "stellar_flare"; a dash or a space stands for an underscore.

    Raises
    ------
    ConfigError
        It is neither.
    """
    from xherald.catalog_store.ledger.states import VettingDecision

    name = "_".join(str(word).lower().replace("-", " ").replace("_", " ").split())
    if name in set(VettingDecision):
        return VettingDecision(name), None
    words = list_verdict_words()
    if name not in words:
        raise ConfigError(f"verdict: {word!r} is neither a decision nor a class; known: {', '.join(words)}")
    return VettingDecision.REAL, name
