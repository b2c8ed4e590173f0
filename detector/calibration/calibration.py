"""The calibration as an artefact: combined scores, null sources, classes, and references.

    calibration/<name>/manifest.json     seeds, sizes, versions, inputs, groups, measurements, hashes of all other files
                       arrays.npz        trees, null curves, odds of injections, classes
                       groups/<group>/   nulls.npz and references/<name>/1/; one group for each instrument

A group is used for the instruments listed in the manifest; sources of other instruments are scored by timing alone,
with the null sources of all groups.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.catalog_store.references.reference_store import ReferenceStore, instrument_key
from xherald.detector.scoring.boosted_trees import Trees
from xherald.detector.scoring.class_model import ClassModel
from xherald.detector.scoring.score_columns import COVARIATES, DIRECTIONS
from xherald.photons.arrays import F32, F64, I64
from xherald.photons.artefact_folders import load_arrays, new_artefact, open_artefact, save_arrays
from xherald.photons.errors import ArtefactError, PluginError
from xherald.photons.statistics.null_distributions import NullTables
from xherald.plugins import PluginHost
from xherald.plugins.reference import Reference

from .null_matching import MatchedNulls, compute_matched_probability

__all__ = [
    "ANY_INSTRUMENT",
    "Calibration",
    "Group",
    "Odds",
    "TwoSidedCalibration",
    "cached_calibration",
    "load_calibration",
    "save_calibration",
]


KIND: Final = "calibration"
FORMAT: Final = 3
SHIPPED: Final = Path(__file__).with_name("shipped") / "standard"

ANY_INSTRUMENT: Final = "any"
"""The group for instruments without one: null sources of all groups, no reference."""

LN10: Final = float(np.log(10.0))

MIN_PRIMARY_EVIDENCE: Final = 3.0
"""−log10 p of the primary test above which the score rises linearly with it; trees cannot resolve this range, since few
null sources reach it in training."""


@dataclass(frozen=True, slots=True, eq=False)
class Odds:
    """Ratio of the probability densities of z for injections and for null sources, by number of photons.

    Parameters
    ----------
    counts : ndarray, shape (b + 1,) — edges of bins in photons
    z : ndarray, shape (k,) — knots, ascending
    log_ratio : ndarray, shape (2, b, k) — ln of the ratio, rising with z; by direction
    """

    counts: F64
    z: F64
    log_ratio: F64

    def interpolate(self, direction: int, z: F64, counts: I64) -> F64:
        """Ln of the ratio for each source; beyond the last knot it rises as the density of null sources falls."""
        row = np.clip(np.searchsorted(self.counts, counts, side="right") - 1, 0, len(self.counts) - 2)
        place = np.interp(z, self.z, np.arange(len(self.z)))
        low = np.minimum(place.astype(np.int64), len(self.z) - 2)
        part = place - low
        table = self.log_ratio[direction]
        inside = table[row, low] * (1 - part) + table[row, low + 1] * part
        log_ratio: F64 = inside + np.maximum(z - self.z[-1], 0.0)
        return log_ratio


@dataclass(frozen=True, slots=True, eq=False)
class TwoSidedCalibration:
    """Rank of the higher of a source's two ranks, so that one probability covers both directions.

    The two are not independent, since some tests contribute to both, so the probability cannot just be doubled.

    Parameters
    ----------
    z : ndarray, shape (k,) — higher of the two, ascending
    rank : ndarray, shape (k,) — −ln of the fraction of null sources with that z or more
    """

    z: F64
    rank: F64

    def compute_rank(self, ranks: Mapping[str, NDArray[np.floating]]) -> F64:
        """Rank of each source in either direction; beyond the last knot it follows exp(−z)."""
        higher: F64 = np.fmax.reduce(list(ranks.values())).astype(np.float64)
        rank: F64 = np.interp(higher, self.z, self.rank) + np.maximum(higher - self.z[-1], 0.0)
        return rank


@dataclass(frozen=True, eq=False)
class Group:
    """Null sources, m of them, and reference of some instruments.

    Parameters
    ----------
    name : str
    serves : tuple of str — keys as of `instrument_key`; empty for `ANY_INSTRUMENT`
    z : mapping of str to ndarray, shape (m,), float32 — ranks of the null sources (`compute_ranks`), by direction
    covariates : ndarray, shape (m, 4), float32 — see `score_columns.COVARIATES`
    references : ReferenceStore or None
    """

    name: str
    serves: tuple[str, ...]
    z: Mapping[str, F32]
    covariates: F32
    references: ReferenceStore | None = None

    @property
    def kind(self) -> str:
        """Whether its sources are scored "with" or "without" a reference."""
        return "with" if self.serves else "without"

    @cached_property
    def nulls(self) -> dict[str, MatchedNulls]:
        """Null sources of each direction, prepared for matching."""
        return {name: MatchedNulls.of(z, self.covariates) for name, z in self.z.items()}


@dataclass(frozen=True, eq=False)
class Calibration:
    """Calibrated scores, probabilities and classes.

    Parameters
    ----------
    name : str
    about : mapping — facts of the manifest
    trees : mapping of str to Trees — combined score of each direction
    class_model : ClassModel — classes of significant sources; needs no reference
    curves : mapping of str to NullTables
        "with" and "without" a reference: pooled distribution of null scores by number of photons, one test a direction.
    either : mapping of str to TwoSidedCalibration — "with" and "without" a reference, as the curves
    odds : Odds
    groups : mapping of str to Group
    """

    name: str
    about: Mapping[str, Any]
    trees: Mapping[str, Trees]
    class_model: ClassModel
    curves: Mapping[str, NullTables]
    either: Mapping[str, TwoSidedCalibration]
    odds: Odds
    groups: Mapping[str, Group]

    @cached_property
    def _nulls_of_either(self) -> dict[str, MatchedNulls]:
        return {
            name: MatchedNulls.of(self.either[group.kind].compute_rank(group.z).astype(np.float32), group.covariates)
            for name, group in self.groups.items()
        }

    def find_group(self, mission: str, instrument: str) -> Group:
        """The group of an instrument, or the one for any."""
        key = instrument_key(mission, instrument)
        return next((group for group in self.groups.values() if key in group.serves), self.groups[ANY_INSTRUMENT])

    def compute_scores(self, columns: Mapping[str, F64], n: int) -> dict[str, F64]:
        """Combined score of each direction, shape (n,); NaN where the primary test is not applicable.

        Raises
        ------
        PluginError
            The scorer of the primary tests is not in use.
        """
        out = {}
        for name, trees in self.trees.items():
            column = f"evidence_{name}_averaged"
            if column not in columns:
                raise PluginError(f"no scorer provides {column!r}, which every score needs; see `xherald plugins`")
            evidence = columns[column]
            score = trees.evaluate(columns, n)[:, 0] + LN10 * np.maximum(evidence - MIN_PRIMARY_EVIDENCE, 0.0)
            out[name] = np.where(np.isnan(evidence), np.nan, score)
        return out

    def compute_ranks(self, scores: Mapping[str, F64], counts: I64, group: Group) -> dict[str, F64]:
        """−ln of the probability of each score among all null sources with as many photons (z of `null_matching`)."""
        curves = self.curves[group.kind]
        zero = np.zeros(len(counts))
        return {name: -curves.log_probability(name, score, counts, zero) for name, score in scores.items()}

    def compute_probabilities(
        self, ranks: Mapping[str, F64], columns: Mapping[str, F64], group: Group
    ) -> tuple[dict[str, F64], F64]:
        """Probability of such a rank among matched null sources, in each direction and in either, shape (n,) each."""
        covariates = np.column_stack([columns[name] for name in COVARIATES])
        by_direction = {
            name: compute_matched_probability(z, covariates, group.nulls[name]) for name, z in ranks.items()
        }
        either = compute_matched_probability(
            self.either[group.kind].compute_rank(ranks), covariates, self._nulls_of_either[group.name]
        )
        return by_direction, either

    def compute_null_probabilities(self, group: Group) -> F64:
        """Probability of each null source of a group among the null sources of the group, shape (m,).

        This is the expected distribution of false-alarm probabilities of steady sources: uniform except for ties of
        sources with few counts.
        """
        cached = self._null_probabilities
        if group.name not in cached:
            either, covariates = self.either[group.kind].compute_rank(group.z), group.covariates.astype(np.float64)
            cached[group.name] = compute_matched_probability(either, covariates, self._nulls_of_either[group.name])
        return cached[group.name]

    @cached_property
    def _null_probabilities(self) -> dict[str, F64]:
        """Cache by group, since ten thousand sources among ten thousand take seconds."""
        return {}

    def load_reference(self, group: Group, host: PluginHost) -> Reference | None:
        """The reference of a group, read once; None if it has none."""
        return None if group.references is None else _reference(group.references.folder, host)


@lru_cache(maxsize=16)
def _reference(folder: Path, host: PluginHost) -> Reference:
    store = ReferenceStore(folder)
    entries = store.entries()
    if not entries:
        raise ArtefactError(f"{folder}: the calibration's reference is missing; rebuild the calibration")
    return store.load(entries[-1], host.extractors)


def save_calibration(folder: Path, calibration: Calibration, references: Mapping[str, Reference]) -> None:
    """Write a calibration.

    Parameters
    ----------
    folder : Path
        Must not exist.
    calibration : Calibration
    references : mapping of str to Reference
        New references by group; those of other groups are copied.

    Raises
    ------
    ArtefactError
        The folder exists or cannot be written.
    """
    with new_artefact(folder, KIND) as (part, about):
        about.update(
            format=FORMAT,
            xherald=version("xherald"),
            **calibration.about,
            inputs={name: list(trees.inputs) for name, trees in calibration.trees.items()},
            class_inputs=list(calibration.class_model.trees.inputs),
            classes=list(calibration.class_model.names),
            class_telescopes=list(calibration.class_model.telescopes),
            groups={name: {"serves": list(group.serves)} for name, group in calibration.groups.items()},
        )
        arrays: dict[str, NDArray[Any]] = calibration.class_model.to_arrays()
        for direction in DIRECTIONS:
            arrays.update(calibration.trees[direction].to_arrays(f"score_{direction}_"))
        for which, either in calibration.either.items():
            arrays.update({f"either_{which}_z": either.z, f"either_{which}_rank": either.rank})
        for which, curves in calibration.curves.items():
            for name in CURVES:
                arrays[f"curves_{which}_{name}"] = getattr(curves, name)
        arrays.update(
            odds_counts=calibration.odds.counts,
            odds_z=calibration.odds.z,
            odds_log=calibration.odds.log_ratio,
        )
        save_arrays(part / "arrays.npz", **arrays)
        for name, group in calibration.groups.items():
            own = part / "groups" / name
            own.mkdir(parents=True)
            save_arrays(own / "nulls.npz", covariates=group.covariates, **{f"z_{d}": group.z[d] for d in DIRECTIONS})
            if name in references:
                ReferenceStore(own / "references").save(references[name])
            elif group.references is not None:
                shutil.copytree(group.references.folder, own / "references")


EITHER: Final = tuple(f"either_{which}_{part}" for which in ("with", "without") for part in ("z", "rank"))

CURVES: Final = ("photons", "probability", "quantile_table", "slope")


def load_calibration(folder: Path) -> Calibration:
    """Read a calibration and verify its hashes.

    Raises
    ------
    ArtefactError
        It is incomplete, was modified, or has another format.
    """
    about = open_artefact(folder, KIND).about
    if about.get("format") != FORMAT:
        raise ArtefactError(f"{folder}: format {about.get('format')}, this xherald reads {FORMAT}; rebuild it")
    arrays = load_arrays(folder / "arrays.npz", *EITHER, "odds_counts", "odds_z", "odds_log")

    groups = {name: tuple(one["serves"]) for name, one in about["groups"].items()}
    return Calibration(
        name=folder.name,
        about=about,
        trees={d: Trees.from_arrays(tuple(about["inputs"][d]), arrays, f"score_{d}_") for d in DIRECTIONS},
        class_model=ClassModel.from_arrays(
            tuple(about["classes"]), tuple(about["class_telescopes"]), tuple(about["class_inputs"]), arrays
        ),
        curves={which: _curves(arrays, which) for which in ("with", "without")},
        either={
            which: TwoSidedCalibration(arrays[f"either_{which}_z"], arrays[f"either_{which}_rank"])
            for which in ("with", "without")
        },
        odds=Odds(arrays["odds_counts"], arrays["odds_z"], arrays["odds_log"]),
        groups={name: _group(folder / "groups" / name, name, serves) for name, serves in groups.items()},
    )


def _group(folder: Path, name: str, serves: tuple[str, ...]) -> Group:
    arrays = load_arrays(folder / "nulls.npz", "covariates", *(f"z_{d}" for d in DIRECTIONS))
    references = ReferenceStore(folder / "references") if (folder / "references").is_dir() else None
    return Group(name, serves, {d: arrays[f"z_{d}"] for d in DIRECTIONS}, arrays["covariates"], references)


def _curves(arrays: Mapping[str, NDArray[Any]], which: str) -> NullTables:
    own = {name: arrays[f"curves_{which}_{name}"] for name in CURVES}
    nothing = np.zeros((0, 0))
    return NullTables(names=tuple(DIRECTIONS), **own, frames=np.zeros(0), framed_table=nothing, framed_slope=nothing)


@lru_cache(maxsize=4)
def cached_calibration(folder: Path = SHIPPED) -> Calibration:
    """A calibration, read once; artefacts are immutable."""
    return load_calibration(folder)
