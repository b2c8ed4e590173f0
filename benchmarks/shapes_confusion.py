"""How often the kind of variability is right: ``python -m benchmarks.shapes_confusion``.

Tables of true and most probable kinds of significant sources, in Markdown, for shapes on which prior weights were
chosen (with other seeds) and for shapes that no choice has seen, and how often red noise explains each kind.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from xherald.photons import Background, EventBatch, EventList, Exposure, Identity
from xherald.photons.light_curve_models import KINDS, compare_kinds, red_noise_probability
from xherald.photons.statistics import assess

from .shapes_held_out import HELD_OUT
from .shapes_light_curves import FAMILIES, ShapeSample, draw_shapes

SIGNIFICANCE = 1e-3
SPAN_S = 4e4
ONE_SIGMA = 0.6827
COUNTS = ((30, 60), (60, 120), (120, 300), (300, 1001))


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Significant sources: true kind, family, counts, most probable kind, p-value of red noise."""

    true: NDArray[np.str_]
    family: NDArray[np.str_]
    counts: NDArray[np.int64]
    found: NDArray[np.str_]
    p_red_noise: NDArray[np.float64]
    drawn: int


def make_batch(sample: ShapeSample, seed: int) -> EventBatch:
    """Sources of a sample, each with a background region ten times the aperture."""
    rng = np.random.default_rng(seed)
    exposure = Exposure(np.array([[0.0, SPAN_S]]))
    lists = []
    for index in range(len(sample.kind)):
        u = sample.u[sample.offsets[index] : sample.offsets[index + 1]]
        behind = rng.poisson(10 * u.size * sample.background_share[index])
        around = np.sort(rng.uniform(0, SPAN_S, behind))
        background = Background(around, rng.uniform(0.5, 7.0, behind).astype(np.float32), 0.1)
        energy = rng.uniform(0.5, 7.0, u.size).astype(np.float32)
        name = Identity("NONE", "NONE", "0", str(index))
        lists.append(EventList(u * SPAN_S, energy, exposure, name, 0.0, (0.5, 7.0), background=background))
    return EventBatch.from_lists(lists)


def judge(sample: ShapeSample, seed: int) -> Judged:
    """Kinds of the significant sources of a sample."""
    batch = make_batch(sample, seed)
    kept = np.flatnonzero(assess(batch).p_value <= SIGNIFICANCE)
    some = batch.select(kept)
    found = compare_kinds(some)
    p, _ = red_noise_probability(found.log_events_over_red_noise, some.counts)
    kinds = np.array(KINDS)[found.most_probable]
    return Judged(sample.kind[kept], sample.family[kept], some.counts, kinds, p, len(batch))


def percent(some: int, of: int) -> str:
    """Per cent with the half width of its 68 % interval (Clopper & Pearson 1934)."""
    if not of:
        return "–"
    tail = 0.5 - ONE_SIGMA / 2
    low = beta.ppf(tail, some, of - some + 1) if some else 0.0
    high = beta.ppf(1 - tail, some + 1, of - some) if some < of else 1.0
    return f"{100 * some / of:.1f} ± {50 * (high - low):.1f}"


def format_table(judged: Judged) -> str:
    """Confusion of kinds, per cent of each true kind."""
    lines = [f"| true kind (significant) | {' | '.join(KINDS)} |", "|---" * (len(KINDS) + 1) + "|"]
    for kind in KINDS:
        own = judged.found[judged.true == kind]
        if own.size:
            cells = (percent(int((own == one).sum()), own.size) for one in KINDS)
            lines.append(f"| {kind} ({own.size}) | {' | '.join(cells)} |")
    return "\n".join(lines)


def format_summary(judged: Judged) -> str:
    """Right kinds by photons, flares called dips, and red noise, per cent."""
    event = judged.true != "stochastic"
    right = judged.found == judged.true
    lines = [f"significant: {percent(len(judged.true), judged.drawn)} of {judged.drawn}"]
    lines.append(f"events of the right kind: {percent(int(right[event].sum()), int(event.sum()))}")
    for low, high in COUNTS:
        some = event & (judged.counts >= low) & (judged.counts < high)
        lines.append(f"  {low} to {high - 1} photons: {percent(int(right[some].sum()), int(some.sum()))}")
    flares = judged.true == "flare"
    lines.append(f"flares called dips: {percent(int((judged.found[flares] == 'dip').sum()), int(flares.sum()))}")
    for kind in KINDS:
        own = judged.p_red_noise[judged.true == kind]
        lines.append(f"{kind}: p_red_noise <= 0.01 in {percent(int((own <= 0.01).sum()), own.size)}")
    for family in dict.fromkeys(judged.family.tolist()):
        own = judged.family == family
        lines.append(f"  {family}: right {percent(int(right[own].sum()), int(own.sum()))}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=100, help="sources of each shape")
    parser.add_argument("--seed", type=int, default=101)
    chosen = parser.parse_args(arguments)
    for name, families in (("other seeds of the same shapes", FAMILIES), ("shapes held out", HELD_OUT)):
        judged = judge(draw_shapes(chosen.each, chosen.seed, families=families), chosen.seed)
        print(f"\n## {name}\n\n{format_table(judged)}\n\n{format_summary(judged)}", flush=True)


if __name__ == "__main__":
    main()
