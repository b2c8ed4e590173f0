"""False discoveries along a replayed stream: scored sources drawn in random order, few of them transients.

A replay draws verdicts with replacement from a judged sample, so that a stream may be longer than the sample; chances
smaller than one over the sample's steady sources are not put to the test by that.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from xherald.detector.scoring.false_discovery import run, start

from .method_scores import ScoredSources

__all__ = ["LEVEL", "PREVALENCE", "replay"]

LEVEL: Final = 0.1
PREVALENCE: Final = 0.02
CHECKPOINTS: Final = 50


def replay(scored: ScoredSources, sources: int, replays: int, rng: np.random.Generator) -> dict[str, Any]:
    """Replay streams under control of the false-discovery rate.

    Parameters
    ----------
    judged : ScoredSources
    sources : int — of each stream
    replays : int
    rng : numpy.random.Generator

    Returns
    -------
    dict
        level, prevalence, sources, replays, false_fraction (mean over replays at the end), error (of that),
        false_fraction_without_control (at the fixed threshold `LEVEL` × prevalence), power (part of the transients
        announced), discoveries (mean), at (checkpoints, sources), along (mean false fraction there), worst (largest of
        `along` from a tenth of the stream on).
    """
    p = scored.false_alarm_probability
    tested = np.isfinite(p)
    steady = np.flatnonzero(scored.of_kind("steady") & tested)
    varying = np.flatnonzero((scored.of_kind("flare") | scored.of_kind("dip")) & tested)
    at = np.unique(np.linspace(0, sources, CHECKPOINTS + 1).astype(np.int64))[1:]
    streams = []
    for _ in range(replays):
        event = rng.random(sources) < PREVALENCE
        streams.append(
            (event, np.where(event, p[varying[rng.integers(0, len(varying), sources)]], p[rng.choice(steady, sources)]))
        )
    along, power, found, plain = [], [], [], []
    for event, stream in streams:
        announced, _, _ = run(stream, start(LEVEL))
        false = np.cumsum(announced & ~event)[at - 1]
        all_of_them = np.cumsum(announced)[at - 1]
        along.append(false / np.maximum(all_of_them, 1))
        power.append(float(announced[event].mean()) if event.any() else 0.0)
        found.append(int(announced.sum()))
        fixed = stream <= LEVEL * PREVALENCE
        plain.append(float((fixed & ~event).sum() / max(int(fixed.sum()), 1)))
    ends = np.array([one[-1] for one in along])
    mean = np.mean(along, axis=0)
    return {
        "level": LEVEL,
        "prevalence": PREVALENCE,
        "sources": sources,
        "replays": replays,
        "false_fraction": float(ends.mean()),
        "error": float(ends.std(ddof=1) / np.sqrt(replays)) if replays > 1 else None,
        "false_fraction_without_control": float(np.mean(plain)),
        "power": float(np.mean(power)),
        "discoveries": float(np.mean(found)),
        "at": at.tolist(),
        "along": [float(value) for value in mean],
        "worst": float(mean[len(mean) // 10 :].max()),
    }
