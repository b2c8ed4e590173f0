"""Rules of representations: `check_representation`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from xherald.photons import EventBatch
from xherald.plugins.contract import Options, Representation, Values

from .common_rules import (
    Kept,
    add_common,
    add_stateless,
    default_options,
    peak_of,
    require_memory,
    require_speed,
    same,
    seconds_of,
    state_of,
)
from .rules import Report, Rules, require
from .sample_photons import population, sample_batch

__all__ = ["REPRESENTATION_RULES", "check_representation"]

PHOTONS_A_SECOND: Final = 50_000
TIMES_THE_INPUT: Final = 20


@dataclass(frozen=True, slots=True)
class RepresentationCase:
    """A representation, its options, the sources that it is tried on."""

    plugin: Representation
    options: Options
    batch: EventBatch
    before: str

    def made(self, batch: EventBatch) -> Values:
        """What it makes of sources."""
        return self.plugin.transform(batch, self.options)

    def dense(self, batch: EventBatch) -> np.ndarray[Any, Any]:
        """The same as one dense table, shape (n, values)."""
        made = self.made(batch)
        whole = made if isinstance(made, np.ndarray) else made.toarray()
        return np.asarray(whole).reshape(len(batch), int(np.prod(self.plugin.shape(self.options))))


REPRESENTATION_RULES: Final[Rules[RepresentationCase]] = Rules("representations")
rule = REPRESENTATION_RULES.rule
add_common(REPRESENTATION_RULES)


@rule("shape", "shape(options) is a tuple of positive whole numbers.", essential=True)
def _shape(case: RepresentationCase) -> None:
    shape = case.plugin.shape(case.options)
    sound = isinstance(shape, tuple) and shape and all(isinstance(one, int) and one > 0 for one in shape)
    require(sound, f"shape is {shape!r}; give a tuple such as (24, 16)")


@rule(
    "layout",
    "transform gives float32, dense of shape (n, *shape) or CSR of shape (n, product of shape).",
    essential=True,
)
def _layout(case: RepresentationCase) -> None:
    made, shape, n = case.made(case.batch), case.plugin.shape(case.options), len(case.batch)
    require(made.dtype == np.float32, f"transform gives {made.dtype}; give float32")
    if isinstance(made, np.ndarray):
        require(made.shape == (n, *shape), f"transform gives shape {made.shape} for {n} sources of shape {shape}")
        return
    wanted = (n, int(np.prod(shape)))
    require(made.format == "csr", f"transform gives {type(made).__name__}; give a csr_array or a dense array")
    require(made.shape == wanted, f"transform gives shape {made.shape}; give {wanted}")
    require(made.has_canonical_format, "rows of the CSR array are not sorted, or have a place twice; sum duplicates")


@rule("finite", "Arrays hold no NaN and no infinity, whatever the photons: none, one, many, all at one instant.")
def _finite(case: RepresentationCase) -> None:
    values = case.dense(case.batch)
    broken = np.flatnonzero(~np.isfinite(values).all(axis=1))
    names = [case.batch.identities[index].detection_id for index in broken]
    require(not names, f"values of {', '.join(names)} are not finite; say what such lists give, and give that")


@rule("no-sources", "A batch of no sources gives an array of no rows.")
def _no_sources(case: RepresentationCase) -> None:
    made = case.made(EventBatch.from_lists([]))
    require(made.shape[0] == 0, f"a batch of no sources gives shape {made.shape}")


@rule("batch-single", "A source's array depends on that source alone, never on the batch that it is in.")
def _batch_single(case: RepresentationCase) -> None:
    together = case.dense(case.batch)
    for index, one in enumerate(case.batch):
        name = one.identity.detection_id
        alone = case.dense(case.batch.select([index]))[0]
        require(same(alone, together[index]), f"source {name} gives another array alone than among {len(together)}")
    turned = case.dense(case.batch.select(np.arange(len(together))[::-1]))
    require(same(turned[::-1], together), "sources give other arrays in another order")


@rule("deterministic", "The same photons and options give the same array, to the last bit.")
def _deterministic(case: RepresentationCase) -> None:
    first, second = case.dense(case.batch), case.dense(case.batch)
    require(same(first, second), "two calls with the same photons gave different arrays; seed what is drawn")


@rule("input-kept", "What a plugin is given is not written into.")
def _input_kept(case: RepresentationCase) -> None:
    kept = Kept.of(case.batch)
    case.made(case.batch)
    kept.require()


@rule("speed", f"At least {PHOTONS_A_SECOND:,} photons a second.", floor=True)
def _speed(case: RepresentationCase) -> None:
    batch = population()
    require_speed(seconds_of(lambda: case.made(batch)), len(batch.time), PHOTONS_A_SECOND, "photons")


@rule("memory", f"At most {TIMES_THE_INPUT} times the photons and arrays, and 64 MiB.", floor=True)
def _memory(case: RepresentationCase) -> None:
    batch = population()
    basis = 12 * len(batch.time) + 4 * len(batch) * int(np.prod(case.plugin.shape(case.options)))
    require_memory(peak_of(lambda: case.made(batch)), basis, TIMES_THE_INPUT, "photons and arrays")


add_stateless(REPRESENTATION_RULES)


def check_representation(
    plugin: Representation,
    *,
    options: Options | Mapping[str, Any] | None = None,
    batch: EventBatch | None = None,
    floors: bool = False,
) -> Report:
    """Hold a representation to its contract.

    Parameters
    ----------
    plugin : Representation
    options : Options or mapping, optional — its defaults if not given
    batch : EventBatch, optional — sources to try it on; the kit's own sample if not given
    floors : bool — whether to fail where a floor of speed or memory is missed

    Returns
    -------
    Report
        `Report.require` raises what is broken.
    """
    tried = sample_batch() if batch is None else batch
    case = RepresentationCase(plugin, default_options(options, plugin), tried, state_of(plugin))
    return REPRESENTATION_RULES.run(case, plugin.name, floors=floors)
