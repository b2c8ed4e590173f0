"""Samples of sources with known truth, drawn in parts with their own random streams.

- ``grid``: `grid`, events of explicit priors in steady sources;
- ``classes``: the simulator's own populations, half of them variable, of seeds that nothing is ever trained on.

Seeds of evaluation begin at `FIRST_SEED`; training keeps below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from xherald.photons import EventBatch
from xherald.photons.arrays import F64
from xherald.photons.errors import ConfigError

from .event_grid import COUNTS, Events, draw_grid, steady_templates

if TYPE_CHECKING:
    from .event_grid import Templates

__all__ = ["FIRST_SEED", "TELESCOPES", "Kind", "SamplePart", "Sources", "derive_seed", "draw", "make_parts"]

Kind = Literal["steady", "flare", "dip", "mixed"]

FIRST_SEED: Final = 1_000_000
"""Smallest seed used in evaluations."""

TELESCOPES: Final = ("chandra-acis-i", "xmm-mos1", "swift-xrt", "erosita-pointed", "ep-wxt")

PART: Final = 1000
"""Sources that are drawn and scored together; the result for a seed depends on it."""

LENT: Final = 4
"""Number of parts that use the exposures of the same steady sources."""

SEEDS: Final = 1_000_000
"""Number of seeds of evaluations; seeds of further populations of an evaluation are offset by multiples of it."""

_SEED_OF: Final[Mapping[str, int]] = {"templates": 0, "classes": 1, "reference": 2}


def derive_seed(seed: int, what: str, number: int = 0) -> int:
    """Seed of the simulator for one purpose of an evaluation.

    Parameters
    ----------
    seed : int — of the evaluation
    what : {"templates", "classes", "reference"}
    number : int — of the population, if there are several
    """
    if not 0 <= seed < SEEDS:
        raise ConfigError(f"evaluation: seed {seed}: must be from 0 to {SEEDS - 1}")
    return FIRST_SEED + len(_SEED_OF) * (seed + SEEDS * number) + _SEED_OF[what]


@dataclass(frozen=True, slots=True)
class SamplePart:
    """Sources that are drawn together.

    Parameters
    ----------
    sample : {"grid", "classes"}
    telescope : str
    kind : {"steady", "flare", "dip", "mixed"} — "mixed" in populations
    number : int — of its sample, telescope and kind
    size : int
    """

    sample: Literal["grid", "classes"]
    telescope: str
    kind: Kind
    number: int
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """n sources with their truth.

    Parameters
    ----------
    batch : EventBatch
    kind : ndarray, shape (n,), str — "steady", "flare", "dip", or "other" if variable in another way
    label : ndarray, shape (n,), str — shape of the event; family of the class of the source in populations
    spectrum : ndarray, shape (n,), str — of the event compared with its source; "" if not applicable
    duration, strength, sigma : ndarray, shape (n,)
        See `event_grid.Events`; NaN if unknown.
    events : Events or None — for the limit of timing; of the grid only
    """

    batch: EventBatch
    kind: NDArray[np.str_]
    label: NDArray[np.str_]
    spectrum: NDArray[np.str_]
    duration: F64
    strength: F64
    sigma: F64
    events: Events | None


def make_parts(sample: Literal["grid", "classes"], kind: Kind, sources: int) -> Iterator[SamplePart]:
    """Parts of a sample, with equal numbers of sources for each telescope."""
    each = sources // len(TELESCOPES)
    for telescope in TELESCOPES:
        for number, first in enumerate(range(0, each, PART)):
            yield SamplePart(sample, telescope, kind, number, min(PART, each - first))


def draw(part: SamplePart, seed: int) -> Sources:
    """Draw a part.

    Parameters
    ----------
    part : SamplePart
    seed : int — of the evaluation
    """
    return _grid(part, seed) if part.sample == "grid" else _population(part, seed)


def _grid(part: SamplePart, seed: int) -> Sources:
    from xherald.simulation.random_streams import stream

    kind = part.kind
    if kind == "mixed":
        raise ConfigError("evaluation: parts of the grid are of one kind: steady, flare or dip")
    own = derive_seed(seed, "templates")
    rng = stream(own, "evaluation", part.telescope, kind, part.number)
    batch, events = draw_grid(
        _templates(part.telescope, derive_seed(seed, "templates", part.number // LENT)),
        part.telescope,
        kind,
        part.size,
        rng,
        seed=own,
        label=f"{part.telescope}_{kind}_{part.number}",
    )
    return Sources(
        batch=batch,
        kind=np.full(part.size, kind),
        label=events.shape,
        spectrum=events.spectrum,
        duration=events.duration,
        strength=events.strength,
        sigma=events.sigma,
        events=events,
    )


@lru_cache(maxsize=len(TELESCOPES))
def _templates(telescope: str, seed: int) -> Templates:
    return steady_templates(telescope, seed)


def _population(part: SamplePart, seed: int) -> Sources:
    """A part of a population, sources of `event_grid.COUNTS` photons only."""
    from xherald.simulation.classes import CLASSES
    from xherald.simulation.population.population import simulate_population

    population = simulate_population(
        part.size,
        telescope=part.telescope,
        seed=derive_seed(seed, "classes", part.number),
        variable_fraction=0.5,
    )
    counts = population.batch.counts
    kept = np.flatnonzero((counts >= COUNTS[0]) & (counts <= COUNTS[1]))
    truth: dict[str, Any] = {
        name: np.array(population.truth[name].to_pylist())[kept] for name in ("class", "direction", "event_sigma")
    }
    start, stop = (population.truth[name].to_numpy()[kept] for name in ("event_start_s", "event_stop_s"))
    batch = population.batch.select(kept)
    steady = np.isin(truth["class"], ("constant", "supersoft"))
    kind = np.where(truth["direction"] != "", truth["direction"], np.where(steady, "steady", "other"))
    return Sources(
        batch=batch,
        kind=kind,
        label=np.array([CLASSES[name].family for name in truth["class"]], dtype=np.str_),
        spectrum=np.full(len(kept), ""),
        duration=(stop - start) / batch.livetime,
        strength=np.full(len(kept), np.nan),
        sigma=truth["event_sigma"].astype(np.float64),
        events=None,
    )
