"""The built-in reference: simulated sources with known truth, made on first use and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from xherald.catalog_store.references.reference_store import ReferenceEntry, ReferenceStore
from xherald.detector.configuration.reference_settings import BuiltInSettings, ReferenceSettings
from xherald.detector.progress import Stage

from .bona_fide import BonaFideList, parse_kind
from .build_reference import build_reference
from .case_pipeline import select_cases
from .reference_population import ReferencePopulation, make_population

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration

__all__ = ["BUILT_IN", "built_in_reference", "open_reference_store", "simulated_population"]

BUILT_IN: Final = "built-in"


def open_reference_store(settings: ReferenceSettings) -> ReferenceStore:
    """The store of references at the configured folder, or in the user's data folder."""
    if settings.folder is not None:
        return ReferenceStore(settings.folder)
    from platformdirs import user_data_path

    return ReferenceStore(user_data_path("xherald") / "references")


def built_in_reference(configuration: Configuration, stage: Stage = lambda _: None) -> ReferenceEntry:
    """The built-in reference of these settings, simulated and stored as a new version if it does not exist yet.

    Raises
    ------
    ConfigError
        The telescope cannot be simulated, or a case does not exist.
    """
    settings = configuration.settings.reference
    store = open_reference_store(settings)
    wanted = _recipe(configuration)
    for entry in reversed(store.entries()):
        if entry.name == BUILT_IN and entry.is_readable and _recipe_of(entry.about) == wanted:
            return entry
    population = simulated_population(settings.built_in, stage)
    cases = select_cases(settings.built_in.cases, configuration)
    number = store.next_version(BUILT_IN)
    reference = build_reference(
        BUILT_IN, number, population, cases, settings.association, exact_below=settings.exact_below, stage=stage
    )
    stage("writing the reference")
    return store.save(reference)


def simulated_population(settings: BuiltInSettings, stage: Stage = lambda _: None) -> ReferencePopulation:
    """Simulated sources, as a population to build a reference from.

    Raises
    ------
    ConfigError
        The telescope cannot be simulated.
    """
    from xherald.photons import EventBatch
    from xherald.simulation.field import telescope_named
    from xherald.simulation.population.population import simulate_population
    from xherald.simulation.population.population_files import listed_as

    from .published_transients import published_kinds, published_transients

    stage(f"simulating {settings.sources:,} sources")
    population = simulate_population(
        settings.sources,
        telescope=settings.telescope,
        seed=settings.seed,
        variable_fraction=settings.variable_fraction,
        workers=2,
    )
    columns = ("obsreg_id", "class", "direction", "is_bona_fide")
    rows = list(zip(*(population.truth.column(name).to_pylist() for name in columns), strict=True))
    kinds = {name: parse_kind(listed_as(kind, direction)) for name, kind, direction, known in rows if known}
    classes = {row[0]: row[1] for row in rows}
    published = published_transients(telescope_named(settings.telescope), population.batch.identities[0], settings.seed)
    own_kinds, own_classes = published_kinds(published)
    kinds |= own_kinds
    classes |= own_classes
    batch = EventBatch.concatenate([population.batch, published])
    return make_population(batch, BonaFideList(kinds, (), "truth of the simulation"), classes, _origin(settings))


def _origin(settings: BuiltInSettings) -> list[dict[str, Any]]:
    from xherald.simulation.published_templates import TEMPLATES

    return [{"simulated": settings.model_dump(mode="json"), "published": list(TEMPLATES)}]


def _recipe(configuration: Configuration) -> dict[str, Any]:
    """All that a built-in reference depends on, except the code."""
    settings = configuration.settings.reference
    return {
        "origin": _origin(settings.built_in),
        "association": settings.association.model_dump(mode="json"),
        "cases": {case.name: case.settings() for case in select_cases(settings.built_in.cases, configuration)},
    }


def _recipe_of(about: Any) -> dict[str, Any]:
    return {
        "origin": about["origin"],
        "association": about["association"],
        "cases": {name: case["settings"] for name, case in about["cases"].items()},
    }
