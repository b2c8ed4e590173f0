"""Cases with their plugins and validated options: `Case`, `select_cases`, `make_case`, `represent`."""

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
        """All settings in JSON types, including defaults."""

        def describe(plugin: Plugin | None, options: Options) -> dict[str, Any] | None:
            return None if plugin is None else {"name": plugin.name, **options.model_dump(mode="json")}

        return {
            "representation": describe(self.representation, self.representation_options),
            "extractor": describe(self.extractor, self.extractor_options),
            "embedder": describe(self.embedder, self.embedder_options),
            "clustering": self.clustering.model_dump(mode="json"),
        }


def select_cases(names: tuple[str, ...], configuration: Configuration) -> tuple[Case, ...]:
    """Cases of the configuration by name, ignoring upper and lower case.

    Raises
    ------
    ConfigError
        The case, or a plugin or option that it names, does not exist.
    """
    available = configuration.settings.cases.root
    by_name = {name.lower(): name for name in available}
    found = []
    for name in names:
        if name.lower() not in by_name:
            raise ConfigError(f"no case {name!r} in the configuration; available: {', '.join(available)}")
        exact = by_name[name.lower()]
        found.append(make_case(exact, available[exact], configuration.host))
    return tuple(found)


def make_case(name: str, settings: CaseSettings | Mapping[str, Any], host: PluginHost) -> Case:
    """The case of settings in the configuration or a manifest, with its plugins."""
    if not isinstance(settings, CaseSettings):
        settings = CaseSettings.model_validate(settings)
    where = f"cases.{name}"

    def chosen(choice: Choice, kind: str, plugins: Mapping[str, Kind]) -> tuple[Kind, Options]:
        if choice.name not in plugins:
            broken = [f"{one.name}: {one.reason}" for one in host.failures]
            hint = f" (not in use: {'; '.join(broken)})" if broken else ""
            raise ConfigError(
                f"{where}.{kind}: no {kind} is named {choice.name!r}; available: {', '.join(sorted(plugins))}{hint}"
            )
        plugin = plugins[choice.name]
        return plugin, host.validate_options(plugin, choice.options, f"{where}.{kind}")

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
    """Input of the case's extractor; the results of the timing tests with it if they are known already."""
    if case.representation is None:
        return Sample(batch, timing=timing)
    options = case.representation_options
    return Sample(batch, case.representation.transform(batch, options), case.representation.shape(options), timing)
