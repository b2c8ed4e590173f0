"""A calibration with new references, `rebuild_calibration`, or with new classes, `rebuild_classes`.

The references of some groups are rebuilt from their simulated sources and from real ones. The null sources of all
groups are then scored and ranked again. Trained scores and classes are kept, since training needs the truth, which is
unknown for real sources except the few with a verdict. New classes leave all else as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from xherald.detector.references.case_pipeline import select_cases
from xherald.detector.scoring.boosted_trees import require_lightgbm
from xherald.photons.errors import ArtefactError
from xherald.plugins.reference import Reference

from .build_calibration import CLASS_SEED, Sizes, fit_null_curves, fit_two_sided, make_null_group, score_in_blocks
from .build_classes import build_class_model
from .calibration import ANY_INSTRUMENT, Calibration
from .simulated_samples import RealSources, ScoredSources, build_group_reference, simulate_sources

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.progress import Stage

__all__ = ["rebuild_calibration", "rebuild_classes"]

KEPT_FACTS = ("seed", "sizes", "telescopes", "cases", "measured", "classes_measured")
REBUILT_FACTS = ("rebuilt_from", "real", "nulls")


def rebuild_calibration(
    name: str,
    base: Calibration,
    real: Mapping[str, RealSources],
    configuration: Configuration,
    *,
    nulls: int,
    stage: Stage = lambda _: None,
) -> tuple[Calibration, dict[str, Reference]]:
    """Build a calibration from another one and real sources.

    Parameters
    ----------
    name : str
    base : Calibration
    real : mapping of str to RealSources — by group
    configuration : Configuration
    nulls : int — simulated null sources of each telescope
    stage : callable, optional

    Returns
    -------
    (Calibration, dict of str to Reference)
        The calibration, and the reference of each group.

    Raises
    ------
    ArtefactError
        A group of the calibration has no reference.
    ReferenceDataError
        No reference can be built from these sources.
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
    curves = {**base.curves, "with": fit_null_curves(base.compute_scores(joined.columns, len(joined)), joined.counts)}
    draft = replace(base, name=name, curves=curves)
    groups = {
        one: make_null_group(draft, one, base.groups[one].serves, scored[one], sizes.kept, seed) for one in telescopes
    }
    groups[ANY_INSTRUMENT] = base.groups[ANY_INSTRUMENT]
    about = {key: base.about[key] for key in KEPT_FACTS} | {
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "rebuilt_from": f"{base.name}@{base.about['created_utc']}",
        "real": {one: {**_counted(own), "files": own.origin} for one, own in real.items()},
        "nulls": nulls,
    }
    return replace(draft, about=about, groups=groups, either=fit_two_sided(groups.values())), references


def rebuild_classes(name: str, base: Calibration, *, scale: float = 1.0, stage: Stage = lambda _: None) -> Calibration:
    """Train the classes of a calibration anew; scores, null sources and references stay as they are.

    Parameters
    ----------
    name : str
    base : Calibration
    scale : float — number of simulated sources, relative to `Sizes`
    stage : callable, optional

    Raises
    ------
    ConfigError
        LightGBM is not installed.
    """
    require_lightgbm()
    classes = Sizes().scaled(scale).classes
    model, measured = build_class_model(
        tuple(base.about["telescopes"]), classes, int(base.about["seed"]) + CLASS_SEED, stage
    )
    about = {key: base.about[key] for key in (*KEPT_FACTS, *REBUILT_FACTS) if key in base.about} | {
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "sizes": {**base.about["sizes"], "classes": classes},
        "classes_rebuilt_from": f"{base.name}@{base.about['created_utc']}",
        "classes_measured": measured,
    }
    return replace(base, name=name, about=about, class_model=model)


def _reference(
    telescope: str,
    base: Calibration,
    real: RealSources | None,
    sizes: Sizes,
    seed: int,
    configuration: Configuration,
    stage: Stage,
) -> Reference:
    """The reference of a group, or its next version if there are real sources to add."""
    before = base.load_reference(base.groups[telescope], configuration.host)
    if before is None:
        raise ArtefactError(f"calibration {base.name}: group {telescope} has no reference to rebuild")
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
    """Null sources, scored with only those cases of the reference that the combined score uses."""
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
"""Position of the seed of the calibrating null sources among the seeds of a calibration."""


def _counted(real: RealSources) -> dict[str, int]:
    return {kind or "ordinary": real.kinds.count(kind) for kind in ("flare", "dip", "")}
