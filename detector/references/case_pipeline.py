"""A case as it runs: the plugins that its settings name, their options checked. Batch and stream represent alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from xherald.photons import EventBatch
from xherald.photons.errors import ConfigError
from xherald.plugins import Embedder, FeatureExtractor, Options, Plugin, PluginHost, Representation, Sample
from xherald.plugins.cases import CaseSettings, Choice, Clustering

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.photons.statistics.result import Timing

__all__ = ["Case", "make_case", "represent", "select_cases"]

Kind = TypeVar("Kind", bound=Plugin)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Plugins with their options.

    Parameters
    ----------
    name : str
    representation : Representation or None
    representation_options : Options
    extractor : FeatureExtractor
    extractor_options : Options
    embedder : Embedder
    embedder_options : Options
    clustering : Clustering
    """

    name: str
    representation: Representation | None
    representation_options: Options
    extractor: FeatureExtractor
    extractor_options: Options
    embedder: Embedder
    embedder_options: Options
    clustering: Clustering

    def settings(self) -> dict[str, Any]:
        """All of it in JSON's own types, every default written out."""

        def told(plugin: Plugin | None, options: Options) -> dict[str, Any] | None:
            return None if plugin is None else {"name": plugin.name, **options.model_dump(mode="json")}

        return {
            "representation": told(self.representation, self.representation_options),
            "extractor": told(self.extractor, self.extractor_options),
            "embedder": told(self.embedder, self.embedder_options),
            "clustering": self.clustering.model_dump(mode="json"),
        }


def select_cases(names: tuple[str, ...], configuration: Configuration) -> tuple[Case, ...]:
    """Cases of the configuration by their names, in whatever case these are written.

    Raises
    ------
    ConfigError
        There is none of that name, or a plugin or an option that it names does not exist.
    """
    known = configuration.settings.cases.root
    by_name = {name.lower(): name for name in known}
    found = []
    for name in names:
        if name.lower() not in by_name:
            raise ConfigError(f"no case {name!r} under cases in the configuration; there are {', '.join(known)}")
        exact = by_name[name.lower()]
        found.append(make_case(exact, known[exact], configuration.host))
    return tuple(found)


def make_case(name: str, settings: CaseSettings | Mapping[str, Any], host: PluginHost) -> Case:
    """The plugins of a case, as the configuration or a manifest names them."""
    if not isinstance(settings, CaseSettings):
        settings = CaseSettings.model_validate(settings)
    where = f"cases.{name}"

    def chosen(choice: Choice, kind: str, plugins: Mapping[str, Kind]) -> tuple[Kind, Options]:
        if choice.name not in plugins:
            broken = [f"{one.name}: {one.reason}" for one in host.failures]
            hint = f" (not in use: {'; '.join(broken)})" if broken else ""
            raise ConfigError(
                f"{where}.{kind}: no {kind} is named {choice.name!r}; there are {', '.join(sorted(plugins))}{hint}"
            )
        plugin = plugins[choice.name]
        return plugin, host.options_for(plugin, choice.options, f"{where}.{kind}")

    representation, representation_options = (
        (None, Options())
        if settings.representation is None
        else chosen(settings.representation, "representation", host.representations)
    )
    extractor, extractor_options = chosen(settings.extractor, "extractor", host.extractors)
    embedder, embedder_options = chosen(settings.embedder, "embedder", host.embedders)
    return Case(
        name=name,
        representation=representation,
        representation_options=representation_options,
        extractor=extractor,
        extractor_options=extractor_options,
        embedder=embedder,
        embedder_options=embedder_options,
        clustering=settings.clustering,
    )


def represent(batch: EventBatch, case: Case, timing: Timing | None = None) -> Sample:
    """Sources as the case's extractor gets them; the tests' verdict with them where it is known already."""
    if case.representation is None:
        return Sample(batch, timing=timing)
    options = case.representation_options
    return Sample(batch, case.representation.transform(batch, options), case.representation.shape(options), timing)
