"""Training and calibrating the classes of significant sources: `build_class_model`.

The training population (`simulation.population.population_settings.CLASS_MIX`) has every class behind any column, with
the class's own shapes and with random ones. The thresholds of the class sets must hold for shapes that training never
had, so they are measured across shapes: events with some families of random shapes are classified by trees that were
trained with the others. The trees in use are trained with all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.detector.scoring.boosted_trees import Trees, fit_trees
from xherald.detector.scoring.class_features import CLASS_COLUMNS, TimedSources, class_columns
from xherald.detector.scoring.class_model import (
    ClassModel,
    class_thresholds,
    compute_conformity,
    softmax,
    telescope_thresholds,
)
from xherald.detector.scoring.novelty import Novelty
from xherald.photons.arrays import F64, I64
from xherald.photons.statistics import TimingSettings, assess

from .build_novelty import fit_novelty

if TYPE_CHECKING:
    from xherald.detector.progress import Stage

__all__ = ["ClassSample", "build_class_model", "fit_class_model", "simulate_class_sample"]

COVERAGE: Final = 0.9
COUNT_EDGES: Final = (0.0, 30.0, 100.0, np.inf)
TEMPERATURES: Final = (0.4, 3.0)

FOLDS: Final = 4
"""Parts of the families of random shapes: events of each are classified by trees that had the other parts."""

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

    def select(self, chosen: NDArray[np.bool_]) -> ClassSample:
        """Some of the sources."""
        rest = (getattr(self, name)[chosen] for name in self.__slots__[1:])
        return ClassSample(_rows(self.columns, chosen), *rest)

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
    return fit_class_model(ClassSample.joined(parts), seed, stage)


def fit_class_model(sample: ClassSample, seed: int, stage: Stage = lambda _: None) -> tuple[ClassModel, dict[str, Any]]:
    """Train and calibrate the classes of a sample; see `build_class_model`."""
    stage("training classes")
    names, truth = np.unique(sample.families, return_inverse=True)
    folds = _draw_folds(sample, seed)
    trained_with = [folds != part for part in range(FOLDS)] + [np.full(len(sample), True)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # LightGBM releases the interpreter lock
        *held_out, trees = pool.map(lambda chosen: _fit(sample, truth, len(names), chosen), trained_with)
    raw = np.zeros((len(sample), len(names)))
    for part, own in enumerate(held_out):
        chosen = folds == part
        raw[chosen] = own.evaluate(_rows(sample.columns, chosen), int(chosen.sum()))
    stage("calibrating classes")
    known = tuple(str(name) for name in names)
    probabilities = softmax(raw / _fit_temperatures(raw, truth, sample)[1][:, None])
    novelty = fit_novelty(sample.columns, probabilities, truth, known, folds)
    model = calibrate_classes(known, trees, novelty, raw, truth, sample)
    return model, measure_classes(model, raw, truth, sample, folds)


def _draw_folds(sample: ClassSample, seed: int) -> I64:
    """Part of each event: that of its family of random shapes, or any if it has its class's own shape."""
    anyone = np.random.default_rng(seed).integers(0, FOLDS, len(sample))
    folds: I64 = np.where(sample.shapes > 0, sample.shapes % FOLDS, anyone)
    return folds


def _fit_temperatures(raw: F64, truth: I64, sample: ClassSample) -> tuple[F64, F64]:
    """Temperatures of all telescopes together and of each, shape (t + 1,), and that of each event, shape (n,)."""
    telescopes, number = np.unique(sample.telescopes, return_inverse=True)
    of_each = [_fit_temperature(raw[number == one], truth[number == one]) for one in range(len(telescopes))]
    temperatures = np.array([_fit_temperature(raw, truth), *of_each])
    return temperatures, temperatures[1:][number]


def calibrate_classes(
    names: tuple[str, ...], trees: Trees, novelty: Novelty, raw: F64, truth: I64, sample: ClassSample
) -> ClassModel:
    """Temperatures and thresholds, of events that the trees of `raw` did not have.

    Parameters
    ----------
    names : tuple of str, length k
    trees : Trees — those of the model
    novelty : Novelty — that of the model
    raw : ndarray, shape (n, k) — outputs of trees that were trained without the shape of each event
    truth : ndarray, shape (n,) — index of the class of each event
    sample : ClassSample
    """
    edges = np.array(COUNT_EDGES)
    telescopes = tuple(np.unique(sample.telescopes).tolist())
    temperatures, of_own = _fit_temperatures(raw, truth, sample)
    pooled = compute_conformity(softmax(raw / temperatures[0]))
    conformity = compute_conformity(softmax(raw / of_own[:, None]))
    thresholds = [class_thresholds(pooled, truth, sample.counts, edges, COVERAGE)]
    thresholds += [
        telescope_thresholds(conformity, truth, sample.counts, sample.telescopes == one, edges, COVERAGE)
        for one in telescopes
    ]
    return ClassModel(
        names=names,
        telescopes=telescopes,
        trees=trees,
        temperatures=temperatures,
        coverage=COVERAGE,
        counts=edges,
        thresholds=np.stack(thresholds),
        novelty=novelty,
    )


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
    from scipy.optimize import minimize_scalar

    weights = 1.0 / np.bincount(truth)[truth]
    rows = np.arange(len(truth))

    def loss(temperature: float) -> float:
        return float(-weights @ np.log(np.maximum(softmax(raw / temperature)[rows, truth], 1e-300)))

    return float(minimize_scalar(loss, bounds=TEMPERATURES, method="bounded", options={"xatol": 1e-3}).x)


def measure_classes(model: ClassModel, raw: F64, truth: I64, sample: ClassSample, folds: I64) -> dict[str, Any]:
    """Calibration and coverage of held-out events, every class with the same weight.

    Neither the trees nor the temperatures and thresholds that an event is measured with have seen its family of shapes.

    Parameters
    ----------
    model : ClassModel
    raw : ndarray, shape (n, k) — outputs of trees that were trained without the shape of each event
    truth : ndarray, shape (n,) — index of each class
    sample : ClassSample
    folds : ndarray, shape (n,) — part that each event was held out with

    Returns
    -------
    dict
        by telescope: events, right (fraction whose most probable class is the true one),
        expected_calibration_error, reliability (mean stated probability, fraction right and events in tenths of the
        stated probability), coverage, mean_set_size, untrained_coverage and untrained_set_size (with temperature and
        thresholds of the other telescopes); by class: events, coverage, mean_set_size, single_wrong (fraction with a
        set of one wrong class), within_three (fraction with their class in a set of three or fewer).
    """
    probabilities, members = np.zeros(raw.shape), np.zeros(raw.shape, dtype=np.bool_)
    for number in np.unique(folds).tolist():
        chosen = folds == number
        others = calibrate_classes(
            model.names, model.trees, model.novelty, raw[~chosen], truth[~chosen], sample.select(~chosen)
        )
        for row, name in enumerate(others.telescopes, 1):
            own = chosen & (sample.telescopes == name)
            probabilities[own] = softmax(raw[own] / others.temperatures[row])
            members[own] = others.sets(probabilities[own], sample.counts[own], name)
    size, best = members.sum(axis=1), probabilities.argmax(axis=1)
    is_covered = members[np.arange(len(truth)), truth]
    weights = 1.0 / np.bincount(truth)[truth]
    stated, right = probabilities.max(axis=1), (best == truth).astype(np.float64)
    by_telescope = {}
    for name in model.telescopes:
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
            **_measure_untrained(model, raw, truth, sample, own, weights),
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


def _measure_untrained(
    model: ClassModel, raw: F64, truth: I64, sample: ClassSample, own: NDArray[np.bool_], weights: F64
) -> dict[str, float]:
    """Sets of a telescope with what the other telescopes measure, as for one that is unknown."""
    if own.all():
        return {}
    others = calibrate_classes(model.names, model.trees, model.novelty, raw[~own], truth[~own], sample.select(~own))
    members = others.sets(softmax(raw[own] / others.temperatures[0]), sample.counts[own])
    is_covered = members[np.arange(len(members)), truth[own]]
    return {
        "untrained_coverage": float(np.average(is_covered, weights=weights[own])),
        "untrained_set_size": float(np.average(members.sum(axis=1), weights=weights[own])),
    }


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
