"""A calibration with new references: `rebuild_calibration`.

References of some groups are built anew, of the simulated sources that they were built of before and of real ones.
Every group's simulated null sources are then scored and ranked anew. Scores and classes stay as they were learned:
of real sources nobody knows the truth that learning needs, but for the few that persons have looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from xherald.detector.references.case_pipeline import select_cases
from xherald.photons.errors import ArtefactError
from xherald.plugins.reference import Reference

from .build_calibration import Sizes, fit_null_curves, fit_two_sided, make_null_group, score_in_blocks
from .calibration import ANY, Calibration
from .simulated_samples import RealSources, ScoredSources, build_group_reference, simulate_sources

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.progress import Stage

__all__ = ["rebuild_calibration"]

KEPT_FACTS = ("seed", "sizes", "telescopes", "cases", "measured")


def rebuild_calibration(
    name: str,
    base: Calibration,
    real: Mapping[str, RealSources],
    configuration: Configuration,
    *,
    nulls: int,
    stage: Stage = lambda _: None,
) -> tuple[Calibration, dict[str, Reference]]:
    """Build a calibration of another one and of real sources.

    Parameters
    ----------
    name : str
    base : Calibration
    real : mapping of str to RealSources — by group of the calibration
    configuration : Configuration
    nulls : int — null sources simulated of each telescope
    stage : callable, optional

    Returns
    -------
    (Calibration, dict of str to Reference)
        And the reference of each group.

    Raises
    ------
    ArtefactError
        A group of the calibration has no reference.
    ReferenceDataError
        No reference can be made of these sources.
    """
    sizes = replace(Sizes(**base.about["sizes"]), calibrating=nulls)
    seed, telescopes = int(base.about["seed"]), tuple(base.about["telescopes"])
    references = {one: _reference(one, base, real.get(one), sizes, seed, configuration, stage) for one in telescopes}
    scored = {
        one: _scored_nulls(one, base, references[one], sizes.calibrating, seed, configuration, stage)
        for one in telescopes
    }
    stage("calibrating")
    joined = ScoredSources.joined(list(scored.values()))
    curves = {**base.curves, "with": fit_null_curves(base.scores(joined.columns, len(joined)), joined.counts)}
    draft = replace(base, name=name, curves=curves)
    groups = {
        one: make_null_group(draft, one, base.groups[one].serves, scored[one], sizes.kept, seed) for one in telescopes
    }
    groups[ANY] = base.groups[ANY]
    about = {key: base.about[key] for key in KEPT_FACTS} | {
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "rebuilt_from": f"{base.name}@{base.about['created_utc']}",
        "real": {one: {**_counted(own), "files": own.origin} for one, own in real.items()},
        "nulls": nulls,
    }
    return replace(draft, about=about, groups=groups, either=fit_two_sided(groups.values())), references


def _reference(
    telescope: str,
    base: Calibration,
    real: RealSources | None,
    sizes: Sizes,
    seed: int,
    configuration: Configuration,
    stage: Stage,
) -> Reference:
    """The reference of a group as it was, or its next version if real sources join it."""
    before = base.reference(base.groups[telescope], configuration.host)
    if before is None:
        raise ArtefactError(f"calibration {base.name}: group {telescope} has no reference to build anew")
    if real is None:
        return before
    stage(f"{telescope}: reference")
    sources = simulate_sources(telescope, sizes.reference, seed, 0.5)
    return build_group_reference(
        sources,
        sizes.ordinary,
        telescope,
        select_cases(tuple(base.about["cases"]), configuration),
        configuration,
        lambda what: stage(f"{telescope}: {what}"),
        real=real,
        number=str(int(before.version) + 1),
    )


def _scored_nulls(
    telescope: str,
    base: Calibration,
    reference: Reference,
    number: int,
    seed: int,
    configuration: Configuration,
    stage: Stage,
) -> ScoredSources:
    """Null sources as the combined score sees them: held against those cases only that it is made of."""
    inputs = {column for trees in base.trees.values() for column in trees.inputs}
    cases = {name: case for name, case in reference.cases.items() if any(one.endswith(f"_{name}") for one in inputs)}
    sources = simulate_sources(telescope, number, seed + NULL_SEED, 0.0)
    return score_in_blocks(
        sources.select(sources.steady),
        replace(reference, cases=cases),
        configuration,
        lambda what: stage(f"{telescope}: {what}"),
    )


NULL_SEED = 4
"""Of the seeds that a calibration takes, that of the null sources that calibrate it."""


def _counted(real: RealSources) -> dict[str, int]:
    return {kind or "ordinary": real.kinds.count(kind) for kind in ("flare", "dip", "")}
