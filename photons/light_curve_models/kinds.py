"""The kind of variability of each source: its posterior probability over models of the light curve.

Each model averages the Poisson likelihood over its parameters, so that one with more freedom must fit better by as much
as it is freer. The data are counts in equal cells of the null clock: exposure and known background changes are in it.
Kinds are asked of sources that vary; that a source varies at all is the matter of the tests in `statistics`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from xherald.photons.arrays import F64, I64
from xherald.photons.batch import EventBatch
from xherald.photons.statistics.clock import null_clock
from xherald.photons.statistics.intervals import to_mission_time
from xherald.photons.threads import run_in_threads

from .brightenings import brightening_evidence
from .bursts import burst_train_evidence
from .cells import CELLS, count_cells
from .dips import dip_evidence
from .pulsations import pulsation_evidence
from .red_noise import red_noise_evidence
from .smooth_events import smooth_evidence

__all__ = ["KINDS", "KindProbabilities", "compare_kinds"]

MODELS: Final = (
    ("flare", 0.16),
    ("onset", 0.05),
    ("decay", 0.05),
    ("recurrent", 0.04),
    ("recurrent", 0.1),  # a train of similar bursts
    ("dip", 0.05),
    ("dip", 0.02),  # the edge of an eclipse alone
    ("stochastic", 0.08),
    ("periodic", 0.05),
    ("recurrent", 0.04),  # regular eruptions
    ("flare", 0.16),  # smooth shapes
    ("onset", 0.05),
    ("decay", 0.05),
    ("dip", 0.05),
)
"""Kind of each model and its prior weight among sources that vary, in the order of `log_evidence`."""

RED_NOISE: Final = [name for name, _ in MODELS].index("stochastic")

CHAINS: Final = 10
"""Models whose evidence is computed source by source; the others are tables."""

KINDS: Final = tuple(dict.fromkeys(kind for kind, _ in MODELS))
"""Kinds of variability: columns of `KindProbabilities.probability`."""


@dataclass(frozen=True, slots=True, eq=False)
class KindProbabilities:
    """Posterior probability of each kind, given that the source varies.

    Parameters
    ----------
    probability : ndarray, shape (n, kinds) — columns as in `KINDS`; rows add to 1, NaN for sources without photons
    log_events_over_red_noise : ndarray, shape (n,)
        Ln of the mean evidence of all models but red noise over that of red noise.
    """

    probability: F64
    log_events_over_red_noise: F64

    @property
    def most_probable(self) -> I64:
        """Index in `KINDS`, shape (n,); -1 where unknown."""
        known = np.isfinite(self.probability[:, 0])
        return np.where(known, np.argmax(np.nan_to_num(self.probability), axis=1), -1).astype(np.int64)


def _evidence_of(
    counts: F64, time: F64, edges: F64, offsets: I64, background_share: F64, first: int, stop: int, out: F64
) -> None:
    """Fill ln evidence of the first of `MODELS` for sources first..stop; `time` and `edges` in units of the span.

    Not compiled as one, since each model takes milliseconds for a source, and seconds to compile.
    """
    for s in range(first, stop):
        a, b = offsets[s], offsets[s + 1]
        if b - a < 2:
            continue
        steady = (b - a) * np.log((b - a) / CELLS) - (b - a)
        out[s, :4] = brightening_evidence(counts[s]) - steady
        out[s, 4] = burst_train_evidence(counts[s]) - steady
        out[s, 5:7] = dip_evidence(counts[s], background_share[s]) - steady
        out[s, 7] = red_noise_evidence(counts[s], background_share[s]) - steady
        out[s, 8], out[s, 9] = pulsation_evidence(time[a:b], edges[s])


def log_evidence(batch: EventBatch, threads: int = 0) -> F64:
    """Ln evidence of each of `MODELS` relative to a constant rate, shape (n, models)."""
    clock = null_clock(batch, threads)
    n, photons = len(batch), np.diff(clock.offsets)
    out = np.full((n, len(MODELS)), np.nan)
    if not n:
        return out
    grid = np.tile(np.linspace(0.0, 1.0, CELLS + 1), n)
    edges = to_mission_time(batch, clock, grid, np.repeat(np.arange(n), CELLS + 1))[0].reshape(n, CELLS + 1)
    start, span = edges[:, 0], np.maximum(edges[:, -1] - edges[:, 0], np.finfo(float).tiny)
    rows = np.arange(clock.offsets[-1]) + np.repeat(clock.first - clock.offsets[:-1], photons)
    time = (batch.time[rows] - np.repeat(start, photons)) / np.repeat(span, photons)
    edges = (edges - start[:, None]) / span[:, None]
    share = np.clip(batch.background_counts / np.maximum(batch.counts, 1), 0.0, 1.0)
    counts = np.array([count_cells(clock.u[a:b]) for a, b in pairwise(clock.offsets.tolist())])
    run_in_threads(
        lambda first, stop: _evidence_of(counts, time, edges, clock.offsets, share, first, stop, out),
        clock.offsets,
        threads,
    )
    out[:, CHAINS:] = np.where(np.isnan(out[:, :1]), np.nan, smooth_evidence(counts))
    return out


def compare_kinds(batch: EventBatch, threads: int = 0) -> KindProbabilities:
    """Posterior probability of each kind of variability.

    Parameters
    ----------
    batch : EventBatch
        Sources that vary, or may.
    threads : int
        0 uses all cores.
    """
    evidence = log_evidence(batch, threads)
    columns = np.column_stack([_log_sum(evidence, [name == kind for name, _ in MODELS]) for kind in KINDS])
    top = np.max(columns, axis=1, keepdims=True, initial=-np.inf)
    weight = np.exp(columns - top)
    is_event = [name != "stochastic" for name, _ in MODELS]
    prior = np.array([share for _, share in MODELS])
    events = _log_sum(evidence, is_event) - np.log(prior[is_event].sum())
    return KindProbabilities(weight / weight.sum(axis=1, keepdims=True), events - evidence[:, RED_NOISE])


def _log_sum(evidence: F64, chosen: list[bool]) -> F64:
    """Ln of the summed evidence of the chosen models, each times its prior weight, shape (n,)."""
    weighted = (evidence + np.log([share for _, share in MODELS]))[:, chosen]
    with np.errstate(invalid="ignore"):  # NaN for sources without photons
        return np.asarray(np.logaddexp.reduce(weighted, axis=1), dtype=np.float64)
