"""Building a calibration from simulated references, injections and null sources: `build_calibration`.

Every telescope has its own reference; the combined scores are trained on the injections of all telescopes, so that they
mean the same for every instrument; null sources that were not used in training calibrate them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.detector.references.case_pipeline import select_cases
from xherald.detector.scoring.boosted_trees import Trees, fit_trees, require_lightgbm
from xherald.detector.scoring.score_columns import COVARIATES, DIRECTIONS
from xherald.photons.arrays import F64
from xherald.photons.errors import ConfigError
from xherald.photons.statistics.null_distributions import NullTables
from xherald.photons.statistics.simulate_nulls import PROBABILITY, tail_quantiles, tail_slope
from xherald.plugins.reference import Reference

from .build_classes import build_class_model
from .calibration import ANY_INSTRUMENT, Calibration, Group, Odds, TwoSidedCalibration
from .simulated_samples import (
    FIRST_EVALUATION_SEED,
    ScoredSources,
    SimulatedSources,
    build_group_reference,
    score_sources,
    simulate_sources,
)

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.progress import Stage

__all__ = [
    "TELESCOPE_INSTRUMENTS",
    "Sizes",
    "build_calibration",
    "fit_null_curves",
    "fit_two_sided",
    "make_null_group",
    "score_in_blocks",
]


TELESCOPE_INSTRUMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "chandra-acis-i": ("CHANDRA/ACIS",),
    "xmm-mos1": ("XMM/EMOS1", "XMM/EMOS2", "XMM/EPN"),
    "swift-xrt": ("SWIFT/XRT",),
    "erosita-pointed": ("eROSITA/merged",),
    "ep-wxt": ("EP/WXT",),
    "ep-fxt": ("EP/FXT",),
}
"""Simulated telescopes, and the instruments, in the names of adapters, that the group of each is used for."""

CASES: Final = ("livetime", "encoded", "variability", "events")
"""Cases of the references; similar transients and embeddings are shown of the last one."""

REFERENCE_PREFIXES: Final = ("similarity_", "votes_")
"""Prefixes of columns that need a reference."""

KNOTS: Final = (5, 8, 12, 18, 27, 40, 60, 90, 140, 220, 350, 600, 1200, 5000)
"""Numbers of photons at which null curves are tabulated."""

KNOT_WIDTH: Final = 0.08
MIN_KNOT_SOURCES: Final = 4_000
"""A curve uses null sources within this width of a knot in log10 counts, or this number of nearest ones."""

MIN_TAIL_SOURCES: Final = 60
"""Null sources beyond the last knot of a pooled tail."""

ODDS_COUNTS: Final = (0.0, 20.0, 50.0, 100.0, 300.0, np.inf)
ODDS_Z: Final = np.concatenate([np.arange(0.0, 12.0, 0.5), [12.0, 14.0, 17.0, 21.0]])


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of simulated sources of each telescope.

    Parameters
    ----------
    reference : int — their bona-fide transients and `ordinary` of the others form the reference
    ordinary : int
    learning : int
        Sources for training scores, 60 % of them variable; as many more measure the odds.
    null : int — null sources for training scores
    calibrating : int — null sources for calibrating them
    kept : int — calibrating null sources kept for matching
    classes : int — variable sources for training classes, see `build_classes`
    """

    reference: int = 6_000
    ordinary: int = 2_000
    learning: int = 5_000
    null: int = 5_000
    calibrating: int = 16_000
    kept: int = 10_000
    classes: int = 10_000

    def scaled(self, factor: float) -> Sizes:
        """All numbers multiplied by a factor."""
        return Sizes(**{name: max(1, round(number * factor)) for name, number in asdict(self).items()})


@dataclass(frozen=True, slots=True, eq=False)
class _TelescopeSamples:
    """Scored samples of one telescope."""

    reference: Reference
    learning: ScoredSources
    odds: ScoredSources
    nulls: ScoredSources


def build_calibration(
    name: str,
    configuration: Configuration,
    *,
    seed: int,
    sizes: Sizes | None = None,
    telescopes: tuple[str, ...] = tuple(TELESCOPE_INSTRUMENTS),
    stage: Stage = lambda _: None,
) -> tuple[Calibration, dict[str, Reference]]:
    """Build a calibration.

    Parameters
    ----------
    name : str
    configuration : Configuration
    seed : int
        The first of six, all below `FIRST_EVALUATION_SEED`, so that evaluations use other samples.
    sizes : Sizes, optional
    telescopes : tuple of str
    stage : callable, optional

    Returns
    -------
    (Calibration, dict of str to Reference)
        The calibration, and the reference of each group.

    Raises
    ------
    ConfigError
        The seed is reserved for evaluations, a telescope is unknown, or LightGBM is not installed.
    """
    require_lightgbm()
    sizes = sizes or Sizes()
    if not 0 <= seed <= FIRST_EVALUATION_SEED - SEEDS:
        raise ConfigError(f"calibration: seed {seed} is not allowed; use 0 to {FIRST_EVALUATION_SEED - SEEDS}")
    if unknown := [one for one in telescopes if one not in TELESCOPE_INSTRUMENTS]:
        raise ConfigError(f"calibration: no telescope {unknown[0]!r}; available: {', '.join(TELESCOPE_INSTRUMENTS)}")
    learned = {one: _make_samples(one, configuration, seed, sizes, stage) for one in telescopes}
    stage("training scores")
    sample = ScoredSources.joined([one.learning for one in learned.values()])
    trees = {
        direction: _fit_score_trees(sample, _inputs(direction, configuration), code)
        for direction, code in DIRECTIONS.items()
    }
    held_out = ScoredSources.joined([one.odds for one in learned.values()])
    class_model, class_measured = build_class_model(telescopes, sizes.classes, seed + CLASS_SEED, stage)
    stage("calibrating")
    nulls = ScoredSources.joined([one.nulls for one in learned.values()])
    draft = Calibration(name, {}, trees, class_model, {}, {}, _fit_odds({}, nulls.counts), {})
    curves = {
        "with": fit_null_curves(draft.compute_scores(nulls.columns, len(nulls)), nulls.counts),
        "without": fit_null_curves(draft.compute_scores(_without_reference(nulls.columns), len(nulls)), nulls.counts),
    }
    draft = replace(draft, curves=curves)
    groups = {
        one: make_null_group(draft, one, TELESCOPE_INSTRUMENTS[one], learned[one].nulls, sizes.kept, seed)
        for one in telescopes
    }
    groups[ANY_INSTRUMENT] = make_null_group(
        draft, ANY_INSTRUMENT, (), replace(nulls, columns=_without_reference(nulls.columns)), 2 * sizes.kept, seed
    )
    draft = replace(draft, either=fit_two_sided(groups.values()))
    ranks = draft.compute_ranks(
        draft.compute_scores(held_out.columns, len(held_out)), held_out.counts, groups[telescopes[0]]
    )
    own = {name: (ranks[name], held_out.direction == code) for name, code in DIRECTIONS.items()}
    about = {
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "sizes": asdict(sizes),
        "telescopes": list(telescopes),
        "cases": list(CASES),
        "measured": _measured(own, held_out),
        "classes_measured": class_measured,
    }
    calibration = replace(draft, about=about, groups=groups, odds=_fit_odds(own, held_out.counts))
    return calibration, {one: learned[one].reference for one in telescopes}


SEEDS: Final = 6
"""Consecutive seeds of a calibration: reference, injections, null sources, odds, calibrating null sources, classes."""

CLASS_SEED: Final = 5

BLOCK_SOURCES: Final = 5_000
"""Sources scored at a time; representations of more would take gigabytes."""


def _make_samples(
    telescope: str, configuration: Configuration, seed: int, sizes: Sizes, stage: Stage
) -> _TelescopeSamples:
    """Simulate and score the samples of one telescope."""

    def report(what: str) -> None:
        stage(f"{telescope}: {what}")

    report("reference")
    cases = select_cases(CASES, configuration)
    sources = simulate_sources(telescope, sizes.reference, seed, 0.5)
    reference = build_group_reference(sources, sizes.ordinary, telescope, cases, configuration, report)

    def scored(n: int, which: int, variable_fraction: float) -> ScoredSources:
        sources = simulate_sources(telescope, n, seed + which, variable_fraction)
        kept = sources.select(sources.steady) if variable_fraction == 0 else sources
        return score_in_blocks(kept, reference, configuration, report)

    learning = ScoredSources.joined([scored(sizes.learning, 1, 0.6), scored(sizes.null, 2, 0.0)])
    return _TelescopeSamples(reference, learning, scored(sizes.learning, 3, 0.6), scored(sizes.calibrating, 4, 0.0))


def score_in_blocks(
    sources: SimulatedSources, reference: Reference, configuration: Configuration, stage: Stage
) -> ScoredSources:
    """Score simulated sources, `BLOCK_SOURCES` at a time."""
    parts = []
    for first in range(0, len(sources), BLOCK_SOURCES):
        chosen = np.zeros(len(sources), dtype=np.bool_)
        chosen[first : first + BLOCK_SOURCES] = True
        stage(f"scoring {chosen.sum():,} sources")
        parts.append(score_sources(sources.select(chosen), reference, configuration))
    return ScoredSources.joined(parts)


def _without_reference(columns: Mapping[str, F64]) -> dict[str, F64]:
    """Columns that need no reference."""
    return {name: values for name, values in columns.items() if not name.startswith(REFERENCE_PREFIXES)}


def _fit_score_trees(sample: ScoredSources, inputs: Mapping[str, int], code: int) -> Trees:
    """Train the score of a direction: injections against null sources, each with and without the reference columns."""
    used = (sample.direction == code) | sample.steady
    columns = {
        name: np.concatenate([sample.columns[name][used], np.full(used.sum(), np.nan)])
        if name.startswith(REFERENCE_PREFIXES)
        else np.tile(sample.columns[name][used], 2)
        for name in inputs
    }
    return fit_trees(columns, np.tile(sample.direction[used] == code, 2).astype(np.int64), inputs)


def _inputs(direction: str, configuration: Configuration) -> dict[str, int]:
    """Columns of the score of a direction, and whether it may only rise with each."""
    inputs = {"log10_counts": 0}
    for name, scorer in configuration.host.scorers.items():
        options = configuration.settings.detection.scorers.get(name, {})
        inputs.update(scorer.inputs(direction, configuration.host.validate_options(scorer, options)))
    return inputs


def fit_null_curves(scores: Mapping[str, F64], counts: NDArray[np.int64]) -> NullTables:
    """Pooled distributions of null scores by number of photons."""
    log_counts = np.log10(np.maximum(counts, 1))
    table = np.zeros((len(scores), len(KNOTS), len(PROBABILITY)))
    slope = np.ones((len(scores), len(KNOTS)))
    for row, score in enumerate(scores.values()):
        known = ~np.isnan(score)
        for column, photons in enumerate(KNOTS):
            away = np.abs(log_counts[known] - np.log10(photons))
            last = min(MIN_KNOT_SOURCES, len(away) - 1)
            reach = max(KNOT_WIDTH, float(np.partition(away, last)[last]))
            table[row, column] = tail_quantiles(score[known][away <= reach])
            slope[row, column] = tail_slope(table[row, column], np.full(len(PROBABILITY), True))
    nothing = np.zeros((0, 0))
    return NullTables(tuple(scores), np.array(KNOTS), PROBABILITY, table, slope, np.zeros(0), nothing, nothing)


def make_null_group(
    draft: Calibration, name: str, serves: tuple[str, ...], nulls: ScoredSources, kept: int, seed: int
) -> Group:
    """The group of an instrument, with a random selection of its ranked null sources."""
    group = Group(name, serves, {}, np.zeros((0, len(COVARIATES)), dtype=np.float32))
    ranks = draft.compute_ranks(draft.compute_scores(nulls.columns, len(nulls)), nulls.counts, group)
    known = np.flatnonzero(~np.isnan(np.column_stack(list(ranks.values()))).any(axis=1))
    random = np.random.default_rng([seed, len(name)])
    rows = np.sort(random.permutation(known)[:kept])
    covariates = np.column_stack([nulls.columns[one][rows] for one in COVARIATES]).astype(np.float32)
    return replace(group, z={one: z[rows].astype(np.float32) for one, z in ranks.items()}, covariates=covariates)


def fit_two_sided(groups: Iterable[Group]) -> dict[str, TwoSidedCalibration]:
    """Distribution of the higher of two ranks over null sources, up to `MIN_TAIL_SOURCES` of them in the tail."""
    higher: dict[str, list[F64]] = {}
    for group in groups:
        higher.setdefault(group.kind, []).append(np.fmax.reduce(list(group.z.values())).astype(np.float64))
    part = np.concatenate([np.linspace(1.0, 0.1, 19), np.logspace(-1.0, -4.0, 46)[1:]])
    either = {}
    for kind, parts in higher.items():
        known = np.concatenate(parts)
        reached = part[part >= min(MIN_TAIL_SOURCES / len(known), 0.1)]
        either[kind] = TwoSidedCalibration(np.maximum.accumulate(np.quantile(known, 1.0 - reached)), -np.log(reached))
    return either


def _fit_odds(own: Mapping[str, tuple[F64, NDArray[np.bool_]]], counts: NDArray[np.int64]) -> Odds:
    """Ratio of the densities of ranks for injections and for null sources, made to rise with the rank."""
    edges = np.array(ODDS_COUNTS)
    table = np.zeros((len(DIRECTIONS), len(edges) - 1, len(ODDS_Z)))
    null = np.exp(-ODDS_Z) - np.append(np.exp(-ODDS_Z[1:]), 0.0)
    for row, (z, injected) in enumerate(own.values()):
        for column, (low, high) in enumerate(pairwise(edges)):
            chosen = injected & (counts >= low) & (counts < high) & ~np.isnan(z)
            held = np.bincount(np.searchsorted(ODDS_Z, z[chosen], side="right") - 1, minlength=len(ODDS_Z))
            # Half a source is added to each bin, so that an empty bin is not certain.
            share = (held + 0.5) / (chosen.sum() + 0.5 * len(ODDS_Z))
            table[row, column] = np.maximum.accumulate(np.log(share / null))
    return Odds(edges, ODDS_Z, table)


def _measured(own: Mapping[str, tuple[F64, NDArray[np.bool_]]], sample: ScoredSources) -> dict[str, Any]:
    """Fraction of held-out injections recovered at 1 % and 0.1 % false alarms, by direction."""
    return {
        name: {
            "injections": int(injected.sum()),
            **{f"recovered_at_{p:g}": float((z[injected] >= -np.log(p)).mean()) for p in (0.01, 0.001)},
            **{
                f"test_at_{p:g}": float((sample.columns[f"evidence_{name}_scan"][injected] >= -np.log10(p)).mean())
                for p in (0.01, 0.001)
            },
        }
        for name, (z, injected) in own.items()
    }
