"""Fields of evidence: what is catalogued at the position, and the interest that follows from all evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, cast

from xherald.context.class_context import weigh_classes
from xherald.context.counterparts import Counterpart, Counterparts
from xherald.context.interest import InterestFacts, rate_interest

if TYPE_CHECKING:
    from .row_types import ContextFields, CounterpartRow, InterestFields

__all__ = ["make_context_fields", "make_interest_fields"]

KNOWN: Final = 0.5
"""Probability of a counterpart from which the source is said to be known."""

CLASSES_OF_ONE_EVENT: Final = (
    "afterglow",
    "fast_transient",
    "gamma_ray_burst",
    "nova",
    "shock_breakout",
    "supernova",
    "tidal_disruption",
    "xray_flash",
)
"""Classes whose events do not repeat soon: another one at the same place would be news."""

COUNTERPART_NAMES: Final = tuple(Counterpart.__dataclass_fields__)


def make_context_fields(
    known: Counterparts | None, probabilities: Mapping[str, float] | None, galactic_latitude_deg: float | None
) -> ContextFields:
    """Fields of evidence about what is catalogued at the position.

    Parameters
    ----------
    known : Counterparts or None — None if nothing was looked for
    probabilities : mapping of str to float — of the classes, from the photons alone
    galactic_latitude_deg : float or None
    """
    found = () if known is None else known.found
    best = found[0] if found else None
    is_searched = known is not None and bool(known.searched)
    return {
        "counterparts": [_to_row(one) for one in found] if is_searched else None,
        "catalogues_searched": list(known.searched) if known is not None else [],
        "catalogue_completeness": known.completeness if known is not None else 0.0,
        "context_failures": list(known.failures) if known is not None else [],
        "known_source": best.name if best is not None and best.probability >= KNOWN else None,
        "association_probability": None if known is None or known.p_none is None else 1.0 - known.p_none,
        "class_probabilities_in_context": None
        if known is None or not is_searched or not probabilities
        else weigh_classes(probabilities, known.evidence),
        "galactic_latitude_deg": galactic_latitude_deg,
    }


def make_interest_fields(evidence: Mapping[str, Any], threshold: float) -> InterestFields:
    """Interest of a candidate, with its reasons.

    It is rated where evidence is made, and again where more becomes known of the position: history, verdicts, watch
    lists, a change between exposures.

    Parameters
    ----------
    evidence : mapping — that of a store may be of an earlier version, which lacks fields
    threshold : float — largest false-alarm probability of a candidate
    """
    names = ("false_alarm_probability", "long_term_false_alarm_probability")
    probabilities = [p for name in names if (p := evidence.get(name)) is not None]
    history, association = evidence.get("history"), evidence.get("association_probability")
    rated = rate_interest(
        InterestFacts(
            false_alarm_probability=min(probabilities, default=1.0),
            threshold=threshold,
            kind=evidence.get("kind") or "",
            class_set=tuple(evidence.get("class_set") or ()),
            novelty=evidence.get("novelty"),
            counterparts=tuple(
                Counterpart(**{name: row[name] for name in COUNTERPART_NAMES})
                for row in evidence.get("counterparts") or ()
            ),
            searched=tuple(evidence.get("catalogues_searched") or ()),
            completeness=evidence.get("catalogue_completeness") or 0.0,
            p_none=None if association is None else 1.0 - association,
            galactic_latitude_deg=evidence.get("galactic_latitude_deg"),
            earlier_observations=history["compared"] if history else 0,
            earlier_candidates=len({one["candidate_id"] for one in evidence.get("verdicts") or ()}),
            long_term_change=evidence.get("long_term_change"),
            verdicts=tuple(map(_get_decision, evidence.get("verdicts") or ())),
            watch_lists=tuple(evidence.get("watch_lists") or ()),
        )
    )
    return {
        "interest": rated.score,
        "interest_reasons": [{"points": one.points, "text": one.text} for one in rated.reasons],
    }


def _get_decision(verdict: Mapping[str, Any]) -> str:
    """Decision of a verdict; a real event of a class whose sources live on makes the source a known one."""
    if verdict["verdict"] == "real" and verdict["source_class"] not in (None, *CLASSES_OF_ONE_EVENT):
        return "known"
    return str(verdict["verdict"])


def _to_counterpart(row: Mapping[str, Any]) -> Counterpart:
    return Counterpart(**{name: row[name] for name in COUNTERPART_NAMES})


def _to_row(one: Counterpart) -> CounterpartRow:
    return cast("CounterpartRow", asdict(one))
