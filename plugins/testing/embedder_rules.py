"""Rules of embedders: `check_embedder`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from xherald.photons.arrays import F64
from xherald.photons.errors import ReferenceDataError
from xherald.plugins.contract import Embedder, Features, Options

from .common_rules import (
    ArraySnapshot,
    add_common_rules,
    add_stateless_rule,
    default_options,
    describe_state,
    is_identical,
    require_speed,
)
from .rules import Report, Rules, Violation, require

__all__ = ["EMBEDDER_RULES", "check_embedder"]

MIN_SOURCES_PER_SECOND: Final = 5


@dataclass(frozen=True)
class EmbedderCase:
    """An embedder, its options, and the features of a population."""

    plugin: Embedder
    options: Options
    features: Features
    initial_state: str

    @cached_property
    def embedding(self) -> F64:
        """Embedding of the population."""
        return self.plugin.fit(self.features, self.options)

    @cached_property
    def repeated(self) -> tuple[F64, float, ArraySnapshot]:
        """A second embedding, its run time, and a snapshot of the features."""
        snapshot, begin = ArraySnapshot.take(self.features), time.perf_counter()
        return self.plugin.fit(self.features, self.options), time.perf_counter() - begin, snapshot

    @cached_property
    def neighbours(self) -> tuple[F64, F64]:
        """Distances and positions of the ten nearest members of new sources, one of which equals a member."""
        old = self.features.astype(np.float64)
        new = old[:20] + np.linspace(0, 0.5, 20)[:, None]
        away = np.linalg.norm(new[:, None] - old[None], axis=2)
        rows = np.argsort(away, axis=1, kind="stable")[:, :10]
        return np.take_along_axis(away, rows, axis=1), self.embedding[rows]


EMBEDDER_RULES: Final[Rules[EmbedderCase]] = Rules("embedders")
rule = EMBEDDER_RULES.rule
add_common_rules(EMBEDDER_RULES)


@rule("fits", "fit returns finite positions, float64 of shape (n, 2).", essential=True)
def _fits(case: EmbedderCase) -> None:
    places, n = case.embedding, len(case.features)
    require(
        isinstance(places, np.ndarray) and places.dtype == np.float64, f"fit returned {places!r:.80}, expected float64"
    )
    require(places.shape == (n, 2), f"fit returned shape {places.shape}, expected {(n, 2)}")
    require(np.isfinite(places).all(), "some positions are not finite")


@rule("deterministic", "The same features and options give identical positions.")
def _deterministic(case: EmbedderCase) -> None:
    again, _, _ = case.repeated
    require(
        is_identical(again, case.embedding),
        "fitting the same features twice gave different positions; add a seed to the options",
    )


@rule(
    "refuses", "fit raises ReferenceDataError for too few sources, and for features that are not finite or all equal."
)
def _refuses(case: EmbedderCase) -> None:
    broken = case.features.copy()
    broken[7, 1] = np.nan
    bad = (
        ("two sources", case.features[:2]),
        ("a NaN feature", broken),
        ("sources with equal features", np.ones_like(case.features)),
    )
    for what, features in bad:
        try:
            case.plugin.fit(features, case.options)
        except ReferenceDataError:
            continue
        except Exception as fault:
            raise Violation(f"{what} raised {type(fault).__name__}: {fault}; raise ReferenceDataError") from fault
        raise Violation(f"{what} were accepted; raise ReferenceDataError")


@rule("places", "place returns finite positions of shape (n, 2), also for no sources.")
def _places(case: EmbedderCase) -> None:
    distances, positions = case.neighbours
    places = case.plugin.place(distances, positions)
    require(places.shape == (len(distances), 2), f"place returned shape {places.shape}, expected {(len(distances), 2)}")
    require(np.isfinite(places).all(), "place returned positions that are not finite")
    none = case.plugin.place(np.empty((0, 4)), np.empty((0, 4, 2)))
    require(none.shape == (0, 2), f"place of no sources returned shape {none.shape}, expected (0, 2)")


@rule("batch-single", "The position of a source depends only on its own neighbours.")
def _batch_single(case: EmbedderCase) -> None:
    distances, positions = case.neighbours
    together = case.plugin.place(distances, positions)
    alone = np.concatenate([case.plugin.place(distances[[i]], positions[[i]]) for i in range(len(distances))])
    require(is_identical(alone, together), "a source has another position alone than in a batch")


@rule("input-unchanged", "Arguments are not modified.")
def _input_unchanged(case: EmbedderCase) -> None:
    distances, positions = case.neighbours
    snapshot = ArraySnapshot.take(distances, positions)
    case.plugin.place(distances, positions)
    snapshot.require_unchanged()
    _, _, before = case.repeated
    before.require_unchanged()


@rule("speed", f"At least {MIN_SOURCES_PER_SECOND} sources per second.", is_performance=True)
def _speed(case: EmbedderCase) -> None:
    # The second run, because the first may compile; more runs would be too slow for a test.
    _, seconds, _ = case.repeated
    require_speed(seconds, len(case.features), MIN_SOURCES_PER_SECOND, "sources")


add_stateless_rule(EMBEDDER_RULES)


def sample_features(n: int = 210, seed: int = 4) -> Features:
    """Six features of sources in three groups, ten standard deviations apart."""
    rng = np.random.default_rng(seed)
    centres = 10 * np.eye(3, 6)[np.arange(n) % 3]
    return (centres + rng.normal(size=(n, 6))).astype(np.float32)


def check_embedder(
    plugin: Embedder, *, options: Options | Mapping[str, Any] | None = None, enforce_performance: bool = False
) -> Report:
    """Check an embedder against its contract, on 210 sources of six features.

    Parameters
    ----------
    plugin : Embedder
    options : Options or mapping, optional — defaults if not given
    enforce_performance : bool — whether a broken performance rule is a failure, not a warning

    Returns
    -------
    Report
        `Report.require` raises an error that lists the broken rules.
    """
    case = EmbedderCase(plugin, default_options(options, plugin), sample_features(), describe_state(plugin))
    return EMBEDDER_RULES.run(case, plugin.name, enforce_performance=enforce_performance)
