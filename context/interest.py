"""How much a candidate deserves attention, 0 to 1, and why: `rate_interest`.

The score orders what people look at. It is no probability and changes none: reasons add or take away points, and the
score is their logistic function, as log-odds are. Points are conventions, listed in docs/context.md: one point of a
reason outweighs a factor of ten in the false-alarm probability.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from .counterparts import Counterpart

__all__ = ["Interest", "InterestFacts", "Reason", "rate_interest"]

KIND_POINTS: Final = {
    "new": 1.0,
    "onset": 0.7,
    "flare": 0.5,
    "brighter": 0.5,
    "decay": 0.5,
    "recurrent": 0.3,
    "vanished": 0.0,
    "periodic": -0.3,
    "fainter": -0.5,
    "dip": -0.5,
    "stochastic": -1.5,
}
"""By kind of variability."""

RARE_CLASSES: Final = frozenset({"fast_transient", "tidal_disruption", "magnetar_burst", "qpe", "sfxt", "nova"})
"""Classes for which other telescopes are pointed at once."""

EXPECTED: Final = {
    "star": frozenset({"stellar_flare", "eclipse", "transit"}),
    "active_star": frozenset({"stellar_flare", "eclipse", "transit", "pulsator"}),
    "cataclysmic_variable": frozenset({"cataclysmic_variable", "pulsator", "eclipse", "dip"}),
    "x_ray_binary": frozenset({"xray_burst", "eclipse", "dip", "pulsator", "sfxt"}),
    "pulsar": frozenset({"magnetar_burst", "pulsator"}),
    "agn": frozenset({"agn"}),
}
"""Classes that are ordinary for a counterpart of a category."""

VERDICT_POINTS: Final = {"artefact": -4.0, "not_variable": -2.0, "known": -1.5, "real": 0.5, "unsure": 0.0}

LIKELY: Final = 0.5
"""Probability of a counterpart from which it counts."""

MIN_COMPLETENESS: Final = 0.1
"""Fraction of sources that catalogues must have for a missing counterpart to count."""

NUCLEAR_SIGMA: Final = 2.0
PLANE_DEG: Final = 10.0
UNUSUAL: Final = 0.95


@dataclass(frozen=True, slots=True)
class InterestFacts:
    """What is known about a candidate.

    Parameters
    ----------
    false_alarm_probability, threshold : float
        Per source; the threshold is that of candidates.
    kind : str
    class_set : tuple of str — most probable first; empty if unknown
    novelty : float or None — fraction of events of known classes that are less unusual
    counterparts : tuple of Counterpart — the most probable first
    searched : tuple of str — catalogues in which counterparts were looked for; none if there are no catalogues
    completeness : float — fraction of X-ray sources that have a counterpart in them
    p_none : float or None — probability that the source has no counterpart in any of them
    galactic_latitude_deg : float or None
    earlier_observations : int — that would have shown the source, had it been as bright
    earlier_candidates : int — at this place
    long_term_change : str or None
    verdicts : tuple of str — of people on this source, the latest first
    watch_lists : tuple of str — that hold the place
    """

    false_alarm_probability: float
    threshold: float
    kind: str
    class_set: tuple[str, ...] = ()
    novelty: float | None = None
    counterparts: tuple[Counterpart, ...] = ()
    searched: tuple[str, ...] = ()
    completeness: float = 0.0
    p_none: float | None = None
    galactic_latitude_deg: float | None = None
    earlier_observations: int = 0
    earlier_candidates: int = 0
    long_term_change: str | None = None
    verdicts: tuple[str, ...] = field(default=())
    watch_lists: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: points that it adds, and a sentence."""

    points: float
    text: str


@dataclass(frozen=True, slots=True)
class Interest:
    """Score from 0 to 1, and its reasons, the weightiest first."""

    score: float
    reasons: tuple[Reason, ...]


def rate_interest(facts: InterestFacts) -> Interest:
    """Rate a candidate.

    Parameters
    ----------
    facts : InterestFacts
    """
    reasons = tuple(sorted(_reasons(facts), key=lambda one: -abs(one.points)))
    score = 1.0 / (1.0 + np.exp(-sum(one.points for one in reasons)))
    return Interest(round(float(score), 3), reasons)


def _reasons(facts: InterestFacts) -> Iterator[Reason]:
    yield from _of_photons(facts)
    yield from _of_counterparts(facts)
    yield from _of_history(facts)


def _of_photons(facts: InterestFacts) -> Iterator[Reason]:
    below = facts.threshold / max(facts.false_alarm_probability, 1e-300)
    points = float(np.clip(0.5 * np.log10(below), -1.0, 2.0))
    if below >= 1:
        yield Reason(round(points, 2), f"{below:.2g} times less probable by chance than a candidate has to be")
    else:
        yield Reason(round(points, 2), f"{1 / below:.2g} times more probable by chance than a candidate has to be")
    if points := KIND_POINTS.get(facts.kind, 0.0):
        yield Reason(points, f"kind: {facts.kind}")
    if rare := [one for one in facts.class_set if one in RARE_CLASSES]:
        share = len(rare) / len(facts.class_set)
        yield Reason(round(1.5 * share, 2), f"could be a {rare[0].replace('_', ' ')}")
    if facts.novelty is not None and facts.novelty >= UNUSUAL:
        yield Reason(1.0, f"more unusual than {facts.novelty:.0%} of events of known classes")


def _of_counterparts(facts: InterestFacts) -> Iterator[Reason]:
    latitude = facts.galactic_latitude_deg
    if latitude is not None and abs(latitude) < PLANE_DEG:
        yield Reason(-0.3, f"Galactic latitude {latitude:+.1f} deg")
    if not facts.searched:
        return
    best = facts.counterparts[0] if facts.counterparts else None
    if best is None or best.probability < LIKELY:
        if facts.completeness < MIN_COMPLETENESS:
            return  # that they have none says nothing
        p_none = 1.0 if facts.p_none is None else facts.p_none
        points = 1.5 if latitude is None or abs(latitude) >= PLANE_DEG else 0.75
        searched = f"{', '.join(facts.searched)}, which have {facts.completeness:.0%} of X-ray sources"
        yield Reason(round(points * p_none * facts.completeness, 2), f"no counterpart (p = {p_none:.2f}) in {searched}")
        return
    name, weight = f"{best.name} ({best.category.replace('_', ' ')}, p = {best.probability:.2f})", best.probability
    if best.category == "galaxy":
        where = "nucleus" if best.separation_sigma <= NUCLEAR_SIGMA else "outskirts"
        yield Reason(round(1.0 * weight, 2), f"in the {where} of {name}")
    elif best.category in EXPECTED:
        ordinary = EXPECTED[best.category]
        if not facts.class_set or any(one in ordinary for one in facts.class_set):
            yield Reason(round(-2.0 * weight, 2), f"ordinary for {name}")
        else:
            yield Reason(round(0.5 * weight, 2), f"not what {name} does: {', '.join(facts.class_set[:3])}")
    else:
        yield Reason(round(-0.5 * weight, 2), f"known: {name}")


def _of_history(facts: InterestFacts) -> Iterator[Reason]:
    if facts.long_term_change == "new" and facts.kind != "new":
        yield Reason(1.0, f"absent from {facts.earlier_observations} earlier observations")
    if facts.earlier_candidates:
        points = -0.5 * min(facts.earlier_candidates, 4)
        yield Reason(points, f"{facts.earlier_candidates} earlier candidates at this place")
    if facts.verdicts and (points := VERDICT_POINTS.get(facts.verdicts[0], 0.0)):
        yield Reason(points, f"last verdict: {facts.verdicts[0].replace('_', ' ')}")
    if facts.watch_lists:
        yield Reason(2.0, f"on the watch list {', '.join(facts.watch_lists)}")
