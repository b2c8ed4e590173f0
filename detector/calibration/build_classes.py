"""Training and calibrating the classes of significant sources: `build_class_model`.

The training population (`simulation.population.population_settings.CLASS_MIX`) has every class behind any column, with
the class's own shapes and with random ones. The thresholds of the class sets must hold for shapes that training never
had, so they are measured across shapes: events with one half of the families of shapes are classified by trees that
were trained with the other half. The trees in use are trained with both.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.detector.scoring.boosted_trees import Trees, fit_trees
from xherald.detector.scoring.class_features import CLASS_COLUMNS, TimedSources, class_columns
from xherald.detector.scoring.class_model import (
    ClassModel,
    class_thresholds,
    novelty_statistic,
    softmax,
)
from xherald.photons.arrays import F64, I64
from xherald.photons.statistics import TimingSettings, assess

if TYPE_CHECKING:
    from xherald.detector.progress import Stage

__all__ = ["ClassSample", "build_class_model", "fit_class_model", "simulate_class_sample"]

COVERAGE: Final = 0.9
COUNT_EDGES: Final = (0.0, 30.0, 100.0, np.inf)
TEMPERATURES: Final = np.linspace(0.6, 2.0, 57)
NOVELTY_KNOTS: Final = 1_001

SIGNIFICANT: Final = 1e-3
"""Largest p-value of the timing tests of sources that are used: those that a scan would call significant."""

BLOCK: Final = 2_000
"""Sources simulated at a time, to bound memory."""

ITERATIONS: Final = 250
LEAVES: Final = 8
LEARNING_RATE: Final = 0.06
COLUMN_FRACTION: Final = 0.3
MIN_LEAF_SOURCES: Final = 20


@dataclass(frozen=True, slots=True, eq=False)
class ClassSample:
    """Significant simulated sources for training classes, n of them.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (n,)
    families : ndarray, shape (n,), str — family of the class
    shapes : ndarray, shape (n,), int64 — family of the random shape, from 1; 0 for the class's own
    counts : ndarray, shape (n,), int64
    telescopes : ndarray, shape (n,), str
    """

    columns: dict[str, F64]
    families: NDArray[np.str_]
    shapes: I64
    counts: I64
    telescopes: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.counts)

    @classmethod
    def joined(cls, parts: Sequence[ClassSample]) -> ClassSample:
        """Several samples as one."""
        columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in CLASS_COLUMNS}
        return cls(columns, *(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__[1:]))


def simulate_class_sample(telescope: str, n: int, seed: int, stage: Stage = lambda _: None) -> ClassSample:
    """Simulate variable sources of all classes and keep the significant ones.

    Parameters
    ----------
    telescope : str
    n : int — simulated sources
    seed : int
    stage : callable, optional
    """
    from xherald.simulation.classes import CLASSES
    from xherald.simulation.population.population import simulate_population
    from xherald.simulation.population.population_settings import CLASS_MIX

    parts = []
    for first in range(0, n, BLOCK):
        stage(f"classes, {min(first + BLOCK, n):,} sources")
        # Blocks are streams of their own: a seed for each.
        made = simulate_population(
            min(BLOCK, n - first),
            telescope=telescope,
            seed=seed * MAX_BLOCKS + first // BLOCK,
            variable_fraction=1.0,
            mix=CLASS_MIX,
        )
        timing = assess(made.batch, TimingSettings())
        rows = np.flatnonzero(timing.p_value <= SIGNIFICANT)
        truth = made.truth.take(rows)
        drawn = [json.loads(text) for text in truth.column("parameters").to_pylist()]
        sources = TimedSources.select(made.batch, timing, rows)
        parts.append(
            ClassSample(
                class_columns(sources),
                np.array([CLASSES[kind].family for kind in truth.column("class").to_pylist()], dtype=np.str_),
                np.array([one.get("shape_family", 0.0) for one in drawn], dtype=np.int64),
                sources.batch.counts,
                np.full(len(rows), telescope),
            )
        )
    return ClassSample.joined(parts)


MAX_BLOCKS: Final = 1_000


def build_class_model(
    telescopes: Sequence[str], n: int, seed: int, stage: Stage = lambda _: None
) -> tuple[ClassModel, dict[str, Any]]:
    """Simulate, train and calibrate the classes of all telescopes.

    Parameters
    ----------
    telescopes : sequence of str
    n : int — simulated sources of each telescope, of which about half are significant
    seed : int
    stage : callable, optional

    Returns
    -------
    (ClassModel, dict)
        The model, and what was measured across shapes, see `measure_classes`.

    Raises
    ------
    ConfigError
        LightGBM is not installed.
    """
    parts = [simulate_class_sample(one, n, seed, lambda what, one=one: stage(f"{one}: {what}")) for one in telescopes]  # type: ignore[misc]
    stage("training classes")
    return fit_class_model(ClassSample.joined(parts), seed)


def fit_class_model(sample: ClassSample, seed: int) -> tuple[ClassModel, dict[str, Any]]:
    """Train and calibrate the classes of a sample; see `build_class_model`."""
    names, truth = np.unique(sample.families, return_inverse=True)
    random = np.random.default_rng(seed)
    half = np.where(sample.shapes > 0, sample.shapes % 2, random.integers(0, 2, len(sample)))
    raw = np.zeros((len(sample), len(names)))
    for part in (0, 1):
        trees = _fit(sample, truth, len(names), half != part)
        chosen = half == part
        raw[chosen] = trees.evaluate(_rows(sample.columns, chosen), int(chosen.sum()))
    temperature = _fit_temperature(raw, truth)
    probabilities = softmax(raw / temperature)
    edges = np.array(COUNT_EDGES)
    kinds = tuple(str(name) for name in names)
    is_known = ~np.char.startswith(sample.families, "other_")
    model = ClassModel(
        names=kinds,
        trees=_fit(sample, truth, len(names), np.full(len(sample), True)),
        temperature=temperature,
        coverage=COVERAGE,
        counts=edges,
        thresholds=class_thresholds(probabilities, truth, sample.counts, edges, COVERAGE),
        novelty=np.quantile(novelty_statistic(probabilities[is_known], kinds), np.linspace(0.0, 1.0, NOVELTY_KNOTS)),
    )
    return model, measure_classes(model, probabilities, truth, sample)


def _rows(columns: dict[str, F64], chosen: NDArray[np.bool_]) -> dict[str, F64]:
    return {name: values[chosen] for name, values in columns.items()}


def _fit(sample: ClassSample, truth: I64, k: int, chosen: NDArray[np.bool_]) -> Trees:
    """Trees of some sources, every class with the same total weight: equal priors."""
    labels = truth[chosen]
    weights = 1.0 / np.maximum(np.bincount(labels, minlength=k), 1)[labels]
    return fit_trees(
        _rows(sample.columns, chosen),
        labels.astype(np.int64),
        dict.fromkeys(CLASS_COLUMNS, 0),
        iterations=ITERATIONS,
        leaves=LEAVES,
        learning_rate=LEARNING_RATE,
        min_leaf_sources=MIN_LEAF_SOURCES,
        column_fraction=COLUMN_FRACTION,
        weights=weights * len(weights) / weights.sum(),
        classes=k,
    )


def _fit_temperature(raw: F64, truth: I64) -> float:
    """Temperature of the largest likelihood (Guo et al. 2017, PMLR 70, 1321), with equal weights of classes."""
    weights = 1.0 / np.bincount(truth)[truth]
    rows = np.arange(len(truth))
    losses = [-weights @ np.log(np.maximum(softmax(raw / one)[rows, truth], 1e-300)) for one in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def measure_classes(model: ClassModel, probabilities: F64, truth: I64, sample: ClassSample) -> dict[str, Any]:
    """Calibration and coverage of held-out events, every class with the same weight.

    Parameters
    ----------
    model : ClassModel
    probabilities : ndarray, shape (n, k) — of trees that had other shapes in training
    truth : ndarray, shape (n,) — index of each class
    sample : ClassSample

    Returns
    -------
    dict
        by telescope: events, right (fraction whose most probable class is the true one),
        expected_calibration_error, reliability (mean stated probability, fraction right and events in tenths of the
        stated probability), coverage, mean_set_size; by class: events, coverage, mean_set_size, single_wrong
        (fraction with a set of one wrong class), within_three (fraction with their class in a set of three or fewer).
    """
    members = model.sets(probabilities, sample.counts)
    size, best = members.sum(axis=1), probabilities.argmax(axis=1)
    is_covered = members[np.arange(len(truth)), truth]
    weights = 1.0 / np.bincount(truth)[truth]
    stated, right = probabilities.max(axis=1), (best == truth).astype(np.float64)
    by_telescope = {}
    for name in np.unique(sample.telescopes).tolist():
        own = sample.telescopes == name
        curve = reliability(stated[own], right[own], weights[own])
        by_telescope[name] = {
            "events": int(own.sum()),
            "right": float(np.average(right[own], weights=weights[own])),
            "expected_calibration_error": float(
                sum(one["weight"] * abs(one["stated"] - one["right"]) for one in curve)
            ),
            "reliability": curve,
            "coverage": float(np.average(is_covered[own], weights=weights[own])),
            "mean_set_size": float(np.average(size[own], weights=weights[own])),
        }
    by_class = {
        name: {
            "events": int(own.sum()),
            "coverage": float(is_covered[own].mean()),
            "mean_set_size": float(size[own].mean()),
            "single_wrong": float(((size == 1) & ~is_covered)[own].mean()),
            "within_three": float(((size <= 3) & is_covered)[own].mean()),
        }
        for number, name in enumerate(model.names)
        if (own := truth == number).any()
    }
    return {"telescopes": by_telescope, "classes": by_class}


def reliability(stated: F64, right: F64, weights: F64) -> list[dict[str, float]]:
    """Stated probability of the most probable class and fraction right, in tenths of the stated probability.

    Returns
    -------
    list of dict
        stated, right, weight (fraction of the weight in the bin), events; empty bins are left out.
    """
    tenth = np.minimum((stated * 10).astype(np.int64), 9)
    return [
        {
            "stated": float(np.average(stated[own], weights=weights[own])),
            "right": float(np.average(right[own], weights=weights[own])),
            "weight": float(weights[own].sum() / weights.sum()),
            "events": int(own.sum()),
        }
        for number in range(10)
        if (own := tenth == number).any()
    ]
