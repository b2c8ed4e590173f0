"""Builds a calibration: `build_calibration`, from simulated references, injections and null sources.

Every telescope gets a reference of its own; the combined scores are learned of the injections of all, so that a source
is judged alike whatever took it; null sources that no score was learned of calibrate what comes out.
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

from .calibration import ANY, Calibration, Group, Odds, TwoSidedCalibration
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
"""Telescopes that are simulated, and the instruments, as adapters name them, that each group serves."""

CASES: Final = ("livetime", "encoded", "variability")
"""Of the references. The last is the one whose neighbours and map are shown."""

RESEMBLANCE: Final = ("similarity_", "votes_")
"""What columns begin with that need a reference."""

KNOTS: Final = (5, 8, 12, 18, 27, 40, 60, 90, 140, 220, 350, 600, 1200, 5000)
"""Photons at which null curves are laid down."""

NEAR: Final = 0.08
FEWEST: Final = 4_000
"""A curve is made of null sources within this of a knot in log10 counts, or of so many nearest ones."""

TAIL_SOURCES: Final = 60
"""Null sources that the last knot of a pooled tail stands on."""

ODDS_COUNTS: Final = (0.0, 20.0, 50.0, 100.0, 300.0, np.inf)
ODDS_Z: Final = np.concatenate([np.arange(0.0, 12.0, 0.5), [12.0, 14.0, 17.0, 21.0]])

RECOVERED: Final = 2.0
"""−log10 p of the primary test from which on an injection helps to learn classes: fainter ones show none."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many sources are simulated for each telescope.

    Parameters
    ----------
    reference : int — of which the bona-fide transients and `ordinary` others make the reference
    ordinary : int
    learning : int
        Six tenths of them vary. Scores are learned of them; as many more measure the odds; classes are learned of both.
    null : int — null sources that scores are learned of
    calibrating : int — null sources that calibrate them
    kept : int — of these that are kept for matching
    """

    reference: int = 6_000
    ordinary: int = 2_000
    learning: int = 5_000
    null: int = 5_000
    calibrating: int = 16_000
    kept: int = 10_000

    def scaled(self, factor: float) -> Sizes:
        """As many times the sources."""
        return Sizes(**{name: max(1, round(number * factor)) for name, number in asdict(self).items()})


@dataclass(frozen=True, slots=True, eq=False)
class _Learned:
    """What was simulated for one telescope, scored."""

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
        The first of five, all below `FIRST_EVALUATION_SEED`: an evaluation must not meet what was learned of.
    sizes : Sizes, optional
    telescopes : tuple of str
    stage : callable, optional

    Returns
    -------
    (Calibration, dict of str to Reference)
        And the reference of each group.

    Raises
    ------
    ConfigError
        The seed is one of an evaluation, or a telescope is not among `TELESCOPE_INSTRUMENTS`.
    """
    require_lightgbm()
    sizes = sizes or Sizes()
    if not 0 <= seed <= FIRST_EVALUATION_SEED - SEEDS:
        raise ConfigError(f"calibration: seed {seed}; give one from 0 to {FIRST_EVALUATION_SEED - SEEDS}")
    if unknown := [one for one in telescopes if one not in TELESCOPE_INSTRUMENTS]:
        raise ConfigError(f"calibration: no telescope {unknown[0]!r}; there are {', '.join(TELESCOPE_INSTRUMENTS)}")
    learned = {one: _learn(one, configuration, seed, sizes, stage) for one in telescopes}
    stage("learning scores and classes")
    sample = ScoredSources.joined([one.learning for one in learned.values()])
    trees = {
        direction: _score_trees(sample, _inputs(direction, configuration), code)
        for direction, code in DIRECTIONS.items()
    }
    held_out = ScoredSources.joined([one.odds for one in learned.values()])
    classes, class_trees = _class_trees(ScoredSources.joined([sample, held_out]))
    stage("calibrating")
    nulls = ScoredSources.joined([one.nulls for one in learned.values()])
    draft = Calibration(name, {}, trees, class_trees, classes, {}, {}, _odds_of({}, nulls.counts), {})
    curves = {
        "with": fit_null_curves(draft.scores(nulls.columns, len(nulls)), nulls.counts),
        "without": fit_null_curves(draft.scores(_bare(nulls.columns), len(nulls)), nulls.counts),
    }
    draft = replace(draft, curves=curves)
    groups = {
        one: make_null_group(draft, one, TELESCOPE_INSTRUMENTS[one], learned[one].nulls, sizes.kept, seed)
        for one in telescopes
    }
    groups[ANY] = make_null_group(draft, ANY, (), replace(nulls, columns=_bare(nulls.columns)), 2 * sizes.kept, seed)
    draft = replace(draft, either=fit_two_sided(groups.values()))
    ranks = draft.ranks(draft.scores(held_out.columns, len(held_out)), held_out.counts, groups[telescopes[0]])
    own = {name: (ranks[name], held_out.direction == code) for name, code in DIRECTIONS.items()}
    about = {
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "sizes": asdict(sizes),
        "telescopes": list(telescopes),
        "cases": list(CASES),
        "measured": _measured(own, held_out),
    }
    calibration = replace(draft, about=about, groups=groups, odds=_odds_of(own, held_out.counts))
    return calibration, {one: learned[one].reference for one in telescopes}


SEEDS: Final = 5
"""Seeds that a calibration takes, one after another: reference, injections, null sources, odds, calibrating nulls."""

AT_ONCE: Final = 5_000
"""Sources that are held at once: representations of more would take gigabytes."""


def _learn(telescope: str, configuration: Configuration, seed: int, sizes: Sizes, stage: Stage) -> _Learned:
    """Simulate and score all that one telescope gives."""

    def told(what: str) -> None:
        stage(f"{telescope}: {what}")

    told("reference")
    cases = select_cases(CASES, configuration)
    sources = simulate_sources(telescope, sizes.reference, seed, 0.5)
    reference = build_group_reference(sources, sizes.ordinary, telescope, cases, configuration, told)

    def scored(n: int, which: int, variable_fraction: float) -> ScoredSources:
        sources = simulate_sources(telescope, n, seed + which, variable_fraction)
        kept = sources.select(sources.steady) if variable_fraction == 0 else sources
        return score_in_blocks(kept, reference, configuration, told)

    learning = ScoredSources.joined([scored(sizes.learning, 1, 0.6), scored(sizes.null, 2, 0.0)])
    return _Learned(reference, learning, scored(sizes.learning, 3, 0.6), scored(sizes.calibrating, 4, 0.0))


def score_in_blocks(
    sources: SimulatedSources, reference: Reference, configuration: Configuration, stage: Stage
) -> ScoredSources:
    """What the scorers say of simulated sources, `AT_ONCE` at a time."""
    parts = []
    for first in range(0, len(sources), AT_ONCE):
        chosen = np.zeros(len(sources), dtype=np.bool_)
        chosen[first : first + AT_ONCE] = True
        stage(f"scoring {chosen.sum():,} sources")
        parts.append(score_sources(sources.select(chosen), reference, configuration))
    return ScoredSources.joined(parts)


def _bare(columns: Mapping[str, F64]) -> dict[str, F64]:
    """Columns as they are without a reference."""
    return {name: values for name, values in columns.items() if not name.startswith(RESEMBLANCE)}


def _score_trees(sample: ScoredSources, inputs: Mapping[str, int], code: int) -> Trees:
    """Learn injections of a direction apart from null sources; each source once with its reference, once without."""
    used = (sample.direction == code) | sample.steady
    columns = {
        name: np.concatenate([sample.columns[name][used], np.full(used.sum(), np.nan)])
        if name.startswith(RESEMBLANCE)
        else np.tile(sample.columns[name][used], 2)
        for name in inputs
    }
    return fit_trees(columns, np.tile(sample.direction[used] == code, 2).astype(np.int64), inputs)


def _inputs(direction: str, configuration: Configuration) -> dict[str, int]:
    """Columns that a direction's score is made of, and whether it may only rise with them."""
    inputs = {"log10_counts": 0}
    for name, scorer in configuration.host.scorers.items():
        options = configuration.settings.detection.scorers.get(name, {})
        inputs.update(scorer.inputs(direction, configuration.host.options_for(scorer, options)))
    return inputs


def _class_trees(sample: ScoredSources) -> tuple[dict[str, tuple[str, ...]], dict[str, Trees]]:
    """Learn the classes of each direction, of the injections that can be seen, as often as each is met."""
    names, trees = {}, {}
    for direction, code in DIRECTIONS.items():
        seen = (sample.direction == code) & (sample.columns[f"evidence_{direction}_averaged"] >= RECOVERED)
        found, wanted = np.unique(sample.classes[seen], return_inverse=True)
        columns = {name: values[seen] for name, values in sample.columns.items()}
        trees[direction] = fit_trees(
            columns,
            wanted,
            dict.fromkeys(columns, 0),
            iterations=150,
            leaves=16,
            min_leaf_sources=20,
            column_fraction=0.5,
        )
        names[direction] = tuple(found.tolist())
    return names, trees


def fit_null_curves(scores: Mapping[str, F64], counts: NDArray[np.int64]) -> NullTables:
    """Pooled distribution of null scores by number of photons."""
    place = np.log10(np.maximum(counts, 1))
    table = np.zeros((len(scores), len(KNOTS), len(PROBABILITY)))
    slope = np.ones((len(scores), len(KNOTS)))
    for row, score in enumerate(scores.values()):
        known = ~np.isnan(score)
        for column, photons in enumerate(KNOTS):
            away = np.abs(place[known] - np.log10(photons))
            reach = max(NEAR, float(np.partition(away, min(FEWEST, len(away) - 1))[min(FEWEST, len(away) - 1)]))
            table[row, column] = tail_quantiles(score[known][away <= reach])
            slope[row, column] = tail_slope(table[row, column], np.full(len(PROBABILITY), True))
    nothing = np.zeros((0, 0))
    return NullTables(tuple(scores), np.array(KNOTS), PROBABILITY, table, slope, np.zeros(0), nothing, nothing)


def make_null_group(
    draft: Calibration, name: str, serves: tuple[str, ...], nulls: ScoredSources, kept: int, seed: int
) -> Group:
    """Null sources of a group, ranked; as many of them as are kept, drawn at random."""
    group = Group(name, serves, {}, np.zeros((0, len(COVARIATES)), dtype=np.float32))
    ranks = draft.ranks(draft.scores(nulls.columns, len(nulls)), nulls.counts, group)
    known = np.flatnonzero(~np.isnan(np.column_stack(list(ranks.values()))).any(axis=1))
    random = np.random.default_rng([seed, len(name)])
    rows = np.sort(random.permutation(known)[:kept])
    covariates = np.column_stack([nulls.columns[one][rows] for one in COVARIATES]).astype(np.float32)
    return replace(group, z={one: z[rows].astype(np.float32) for one, z in ranks.items()}, covariates=covariates)


def fit_two_sided(groups: Iterable[Group]) -> dict[str, TwoSidedCalibration]:
    """How the higher of two ranks is distributed over null sources, as far out as `TAIL_SOURCES` of them reach."""
    higher: dict[str, list[F64]] = {}
    for group in groups:
        higher.setdefault(group.kind, []).append(np.fmax.reduce(list(group.z.values())).astype(np.float64))
    part = np.concatenate([np.linspace(1.0, 0.1, 19), np.logspace(-1.0, -4.0, 46)[1:]])
    either = {}
    for kind, parts in higher.items():
        known = np.concatenate(parts)
        reached = part[part >= min(TAIL_SOURCES / len(known), 0.1)]
        either[kind] = TwoSidedCalibration(np.maximum.accumulate(np.quantile(known, 1.0 - reached)), -np.log(reached))
    return either


def _odds_of(own: Mapping[str, tuple[F64, NDArray[np.bool_]]], counts: NDArray[np.int64]) -> Odds:
    """How much likelier each rank is among injections than among null sources, held to rise with it."""
    edges = np.array(ODDS_COUNTS)
    table = np.zeros((len(DIRECTIONS), len(edges) - 1, len(ODDS_Z)))
    null = np.exp(-ODDS_Z) - np.append(np.exp(-ODDS_Z[1:]), 0.0)
    for row, (z, injected) in enumerate(own.values()):
        for column, (low, high) in enumerate(pairwise(edges)):
            chosen = injected & (counts >= low) & (counts < high) & ~np.isnan(z)
            held = np.bincount(np.searchsorted(ODDS_Z, z[chosen], side="right") - 1, minlength=len(ODDS_Z))
            # Half a source a bin keeps a bin without one from being certain.
            share = (held + 0.5) / (chosen.sum() + 0.5 * len(ODDS_Z))
            table[row, column] = np.maximum.accumulate(np.log(share / null))
    return Odds(edges, ODDS_Z, table)


def _measured(own: Mapping[str, tuple[F64, NDArray[np.bool_]]], sample: ScoredSources) -> dict[str, Any]:
    """Part of the held-out injections recovered at 1 % and 0.1 % false alarms, by direction."""
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
