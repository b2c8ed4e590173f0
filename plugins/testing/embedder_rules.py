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

from .common_rules import Kept, add_common, add_stateless, default_options, require_speed, same, state_of
from .rules import Report, Rules, Violation, require

__all__ = ["EMBEDDER_RULES", "check_embedder"]

SOURCES_A_SECOND: Final = 5


@dataclass(frozen=True)
class EmbedderCase:
    """An embedder, its options, and the features of a population."""

    plugin: Embedder
    options: Options
    features: Features
    before: str

    @cached_property
    def mapped(self) -> F64:
        """The map."""
        return self.plugin.fit(self.features, self.options)

    @cached_property
    def again(self) -> tuple[F64, float, Kept]:
        """Another map of the same, the seconds that it took, and what the features were before."""
        kept, begun = Kept.of(self.features), time.perf_counter()
        return self.plugin.fit(self.features, self.options), time.perf_counter() - begun, kept

    @cached_property
    def around(self) -> tuple[F64, F64]:
        """Distances and places of the ten nearest of some new sources, one of which is an old one's double."""
        old = self.features.astype(np.float64)
        new = old[:20] + np.linspace(0, 0.5, 20)[:, None]
        away = np.linalg.norm(new[:, None] - old[None], axis=2)
        rows = np.argsort(away, axis=1, kind="stable")[:, :10]
        return np.take_along_axis(away, rows, axis=1), self.mapped[rows]


EMBEDDER_RULES: Final[Rules[EmbedderCase]] = Rules("embedders")
rule = EMBEDDER_RULES.rule
add_common(EMBEDDER_RULES)


@rule("fits", "fit gives a place for every source: float64 of shape (n, 2), finite.", essential=True)
def _fits(case: EmbedderCase) -> None:
    places, n = case.mapped, len(case.features)
    require(isinstance(places, np.ndarray) and places.dtype == np.float64, f"fit gives {places!r:.80}; give float64")
    require(places.shape == (n, 2), f"fit gives shape {places.shape}; give {(n, 2)}")
    require(np.isfinite(places).all(), "some places are not finite")


@rule("deterministic", "The same features and options give the same map, to the last bit.")
def _deterministic(case: EmbedderCase) -> None:
    again, _, _ = case.again
    require(same(again, case.mapped), "mapping the same features twice gave different maps; take a seed as an option")


@rule("refuses", "Too few sources, features that are not finite, or all alike are a ReferenceDataError.")
def _refuses(case: EmbedderCase) -> None:
    broken = case.features.copy()
    broken[7, 1] = np.nan
    bad = (
        ("two sources", case.features[:2]),
        ("a feature that is NaN", broken),
        ("sources that are all alike", np.ones_like(case.features)),
    )
    for what, features in bad:
        try:
            case.plugin.fit(features, case.options)
        except ReferenceDataError:
            continue
        except Exception as fault:
            raise Violation(f"{what} raised {type(fault).__name__}: {fault}; raise ReferenceDataError") from fault
        raise Violation(f"{what} were mapped; raise ReferenceDataError and say what to do")


@rule("places", "place gives finite places of shape (n, 2), and none for no sources.")
def _places(case: EmbedderCase) -> None:
    distances, positions = case.around
    places = case.plugin.place(distances, positions)
    require(places.shape == (len(distances), 2), f"place gives shape {places.shape}; give {(len(distances), 2)}")
    require(np.isfinite(places).all(), "place gives places that are not finite")
    none = case.plugin.place(np.empty((0, 4)), np.empty((0, 4, 2)))
    require(none.shape == (0, 2), f"place of no sources gives shape {none.shape}; give (0, 2)")


@rule("batch-single", "Where a source is placed depends on its own neighbours alone, to the last bit.")
def _batch_single(case: EmbedderCase) -> None:
    distances, positions = case.around
    together = case.plugin.place(distances, positions)
    alone = np.concatenate([case.plugin.place(distances[[i]], positions[[i]]) for i in range(len(distances))])
    require(same(alone, together), "sources are placed elsewhere alone than in company")


@rule("input-kept", "What a plugin is given is not written into.")
def _input_kept(case: EmbedderCase) -> None:
    distances, positions = case.around
    kept = Kept.of(distances, positions)
    case.plugin.place(distances, positions)
    kept.require()
    _, _, before = case.again
    before.require()


@rule("speed", f"At least {SOURCES_A_SECOND} sources mapped a second.", floor=True)
def _speed(case: EmbedderCase) -> None:
    # The second map: the first compiled and warmed up, and more than two would be too slow for a test.
    _, seconds, _ = case.again
    require_speed(seconds, len(case.features), SOURCES_A_SECOND, "sources")


add_stateless(EMBEDDER_RULES)


def groups(n: int = 210, seed: int = 4) -> Features:
    """Three groups of sources, ten widths apart, in six features."""
    rng = np.random.default_rng(seed)
    centres = 10 * np.eye(3, 6)[np.arange(n) % 3]
    return (centres + rng.normal(size=(n, 6))).astype(np.float32)


def check_embedder(
    plugin: Embedder, *, options: Options | Mapping[str, Any] | None = None, floors: bool = False
) -> Report:
    """Hold an embedder to its contract, on 210 sources of six features.

    Parameters
    ----------
    plugin : Embedder
    options : Options or mapping, optional — its defaults if not given
    floors : bool — whether to fail where a floor of speed is missed

    Returns
    -------
    Report
        `Report.require` raises what is broken.
    """
    case = EmbedderCase(plugin, default_options(options, plugin), groups(), state_of(plugin))
    return EMBEDDER_RULES.run(case, plugin.name, floors=floors)
