"""Samples of the evaluation and scored sources, for its tests."""

from __future__ import annotations

from functools import cache

import numpy as np

from xherald.evaluation.method_scores import DETECTOR, ScoredSources
from xherald.evaluation.samples import TELESCOPES, SamplePart, draw
from xherald.photons.statistics import DIP, FLARE

SEED = 77


@cache
def draw_sample(telescope: str, kind: str, size: int = 400):
    """Draw a sample of steady sources, flares or dips; it is drawn once."""
    return draw(SamplePart("grid", telescope, kind, 0, size), SEED)


def make_scored_sources(flare_shift: float, seed: int = 0, n: int = 4000) -> ScoredSources:
    """Steady sources with normal scores and exact false-alarm probabilities, and flares with scores shifted up."""
    from scipy.stats import norm

    rng = np.random.default_rng(seed)
    kind = np.array(["steady"] * n + ["flare"] * n + ["dip"] * 20)
    counts = np.exp(rng.uniform(np.log(10), np.log(500), len(kind))).astype(int)
    score = rng.normal(size=len(kind)) + flare_shift * (kind == "flare")
    other = score + rng.normal(size=len(kind))
    nothing = np.full(len(kind), np.nan)
    scores = {
        "flare": {DETECTOR: score, "flare_scan": other},
        "dip": {DETECTOR: rng.normal(size=len(kind)), **dict.fromkeys(("dip_scan", "longest_gap"), score)},
    }
    for name in ("bayesian_blocks", "ks", "gregory_loredo", "halves_quarters"):
        scores["flare"][name] = scores["dip"][name] = other
    facts = {
        "kind": kind,
        "label": np.where(kind == "flare", "flat", "v_shaped"),
        "spectrum": np.full(len(kind), "same"),
        "telescope": np.array(TELESCOPES)[rng.integers(0, len(TELESCOPES), len(kind))],
        "counts": counts,
        "livetime_s": rng.uniform(1e3, 5e4, len(kind)),
        "gap": rng.random(len(kind)),
        "background": rng.random(len(kind)),
        "duration": np.where(kind == "steady", np.nan, 0.5 * rng.random(len(kind))),
        "strength": nothing,
        "sigma": rng.uniform(0, 10, len(kind)),
    }
    probabilities = np.zeros((len(kind), 2))
    probabilities[np.arange(len(kind)), rng.integers(0, 2, len(kind))] = 1.0
    return ScoredSources(
        facts=facts,
        scores=scores,
        false_alarm_probability=norm.sf(score),
        direction=np.where(kind == "dip", DIP, FLARE).astype(np.int8),
        classes=("flat", "v_shaped"),
        class_probabilities=probabilities,
    )


def find_row(rows, **wanted):
    """The only row with these values."""
    (row,) = [one for one in rows if all(one[key] == value for key, value in wanted.items())]
    return row
