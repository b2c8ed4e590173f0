"""Settings: defaults, overridden by a YAML file, overridden by the environment; the origin of each value is kept.

The project's `config.yaml` has every setting with its default and a comment, and can be used as a starter file. A
setting can also be given as an environment variable ``XHERALD_SECTION__KEY=value``, with the value written as in YAML.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, RootModel, TypeAdapter, ValidationError

from xherald.photons.apertures import ApertureSettings
from xherald.photons.errors import ConfigError
from xherald.photons.extraction import ExtractionSettings
from xherald.photons.source_detection import SourceDetectionSettings
from xherald.photons.statistics import TimingSettings
from xherald.plugins import PluginHost, ReadLimits
from xherald.plugins.cases import Cases

from . import marked_yaml
from .alert_settings import AlertSettings
from .context_settings import ContextSettings
from .daemon_settings import DaemonSettings
from .detection_settings import DetectionSettings
from .marked_yaml import MarkedYamlError
from .reference_settings import ReferenceSettings
from .store_settings import StoreSettings

__all__ = [
    "Configuration",
    "OutputSettings",
    "PluginSettings",
    "Settings",
    "find_origin",
    "load_configuration",
    "refuse_unknown_keys",
    "suggest",
    "validate_section",
]

PREFIX = "XHERALD_"
GIVEN = "config argument"
Key = tuple[str, ...]


class Section(BaseModel):
    """Base of the sections of the pipeline itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OutputSettings(Section):
    """What a scan shows and draws.

    Parameters
    ----------
    rows : int
        Longest table on the terminal; files and ``--json`` always hold every source.
    plots : int
        Most plots drawn for one input file, the most significant sources first.
    """

    rows: int = Field(default=20, ge=1)
    plots: int = Field(default=50, ge=1)


class PluginSettings(Section):
    """Which plugins are loaded.

    Parameters
    ----------
    disabled : tuple of str
        Names of installed plugins that are not loaded (``xherald plugins`` lists them).
    files : tuple of Path
        Local plugin files, loaded after the installed ones.
    order : tuple of str
        Plugins, or their entry points, that are asked before all others of their kind: scorers and vetoes are asked,
        and told of, in this order.
    """

    disabled: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    order: tuple[str, ...] = ()


class Settings(Section):
    """All settings of a run, one field a section."""

    read: ReadLimits = ReadLimits()
    source_detection: SourceDetectionSettings = SourceDetectionSettings()
    apertures: ApertureSettings = ApertureSettings()
    extraction: ExtractionSettings = ExtractionSettings()
    timing: TimingSettings = TimingSettings()
    cases: Cases = Cases()
    detection: DetectionSettings = DetectionSettings()
    reference: ReferenceSettings = ReferenceSettings()
    context: ContextSettings = ContextSettings()
    alerts: AlertSettings = AlertSettings()
    store: StoreSettings = StoreSettings()
    daemon: DaemonSettings = DaemonSettings()
    output: OutputSettings = OutputSettings()
    plugins: PluginSettings = PluginSettings()
    adapters: dict[str, dict[str, Any]] = Field(default_factory=dict)


@dataclass(frozen=True)
class Configuration:
    """Settings together with where each given one came from.

    Parameters
    ----------
    settings : Settings
    origins : mapping
        From a setting's path, such as ``("timing", "significance")``, to "FILE:LINE" or the environment variable;
        settings left at their defaults are absent.
    """

    settings: Settings
    origins: Mapping[Key, str] = field(default_factory=dict)

    @cached_property
    def host(self) -> PluginHost:
        """Plugins of these settings; options of adapters are checked against the models of the adapters.

        Raises
        ------
        ConfigError
            An option is unknown or wrong, or there is no adapter of that name.
        """
        plugins = self.settings.plugins
        host = PluginHost(plugins.disabled, plugins.files, order=plugins.order)
        idle = {failure.name for failure in host.failures}
        for name, options in self.settings.adapters.items():
            path = ("adapters", name)
            if name in host.adapters:
                model = host.adapters[name].options_model
                refuse_unknown_keys(options, _fields(model), path, self.origins)
                validate_section(path, model, options, self.origins)
            elif name not in idle:
                where = find_origin(self.origins, path)
                raise ConfigError(f"{where}: no adapter is named {name!r}{suggest(name, host.adapters)}")
        return host

    def listed(self) -> Iterator[tuple[Key, object, str]]:
        """Every effective setting in JSON terms with its origin ("default" where none was given)."""
        for section, annotation in _sections().items():
            values = TypeAdapter(annotation).dump_python(getattr(self.settings, section), mode="json")
            for key, value in values.items():
                yield (section, key), value, _given_at(self.origins, (section, key)) or "default"


def load_configuration(
    path: Path | None = None, environment: Mapping[str, str] | None = None, given: Mapping[str, Any] | None = None
) -> Configuration:
    """Read settings.

    Parameters
    ----------
    path : Path, optional
        YAML file; without it the defaults hold.
    environment : mapping, optional
        Variables in which to look for ``XHERALD_SECTION__KEY``; the process's own if not given.
    given : mapping, optional
        Nested names and values, over the file and the environment.

    Raises
    ------
    ConfigError
        The file is missing or not YAML, a key is unknown or a value wrong; names file, line, key and what is allowed.
    """
    values, origins = _read_file(path) if path is not None else ({}, {})
    _lay_environment_over(values, origins, os.environ if environment is None else environment)
    for key, value in _leaves(given or {}, ()):
        _put(values, key, value, GIVEN)
        origins[key] = GIVEN
    sections = _sections()
    refuse_unknown_keys(values, sections, (), origins)
    checked = {name: validate_section((name,), sections[name], content, origins) for name, content in values.items()}
    return Configuration(Settings.model_construct(**checked), origins)


def _leaves(given: Mapping[str, Any], path: Key) -> Iterator[tuple[Key, object]]:
    """Settings of a nested mapping with their keys; a list or an empty mapping is a value."""
    for key, value in given.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, str(key)))
        else:
            yield (*path, str(key)), str(value) if isinstance(value, Path) else value


def _sections() -> dict[str, Any]:
    return {name: info.annotation for name, info in Settings.model_fields.items()}


def _read_file(path: Path) -> tuple[dict[str, Any], dict[Key, str]]:
    try:
        value, lines = marked_yaml.parse(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise ConfigError(f"{path}: the configuration cannot be read: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise ConfigError(f"{path}: the configuration is not UTF-8 text") from fault
    except MarkedYamlError as fault:
        raise ConfigError(f"{path}:{fault.line}: {fault.reason}") from fault
    if value is not None and not isinstance(value, dict):
        raise ConfigError(f"{path}:1: expected sections, got {type(value).__name__}; see the project's config.yaml")
    return value or {}, {key: f"{path}:{line}" for key, line in lines.items()}


def _lay_environment_over(given: dict[str, Any], origins: dict[Key, str], environment: Mapping[str, str]) -> None:
    sections = _sections()
    for variable, text in sorted(environment.items()):
        if not variable.startswith(PREFIX):
            continue
        path = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        if len(path) == 1:
            # XHERALD_CONFIG and the like are not settings; a setting with a single underscore is a mistake.
            if any(path[0].startswith(f"{section}_") for section in sections):
                raise ConfigError(f"environment {variable}: section and key are joined by two underscores")
            continue
        try:
            value, _ = marked_yaml.parse(text)
        except MarkedYamlError as fault:
            raise ConfigError(f"environment {variable}: {fault.reason}") from fault
        _put(given, path, value, f"environment {variable}")
        origins[path] = f"environment {variable}"


def _put(given: dict[str, Any], path: Key, value: object, where: str) -> None:
    place = given
    for part in path[:-1]:
        if place.get(part) is None:
            place[part] = {}
        place = place[part]
        if not isinstance(place, dict):
            raise ConfigError(f"{where}: {part!r} is not a section")
    place[path[-1]] = value


def refuse_unknown_keys(given: object, known: Mapping[str, Any], path: Key, origins: Mapping[Key, str]) -> None:
    """Refuse keys without a setting behind them, in sections and in the models nested in them."""
    if not isinstance(given, dict):
        return
    for key, value in given.items():
        here = (*path, str(key))
        if key not in known:
            raise ConfigError(f"{find_origin(origins, here)}: unknown key {'.'.join(here)!r}{suggest(str(key), known)}")
        fields = _fields(known[key])
        if fields:
            refuse_unknown_keys(value, fields, here, origins)


def _fields(annotation: Any) -> dict[str, Any]:
    """Names and types of a model's or dataclass's fields; empty for any other type."""
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        return {}  # names of the user's own
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {name: info.annotation for name, info in annotation.model_fields.items()}
    if dataclasses.is_dataclass(annotation):
        return {one.name: one.type for one in dataclasses.fields(annotation)}
    return {}


def validate_section(section: Key, annotation: Any, content: object, origins: Mapping[Key, str]) -> Any:
    """Check one section's settings; types are held to strictly, as in JSON, so that a string is never a number."""
    model, content = TypeAdapter(annotation), {} if content is None else content
    try:
        return model.validate_json(json.dumps(content), strict=True)
    except ValidationError as fault:
        first = fault.errors()[0]
        path = section + (tuple(map(str, first["loc"])) or _culprit(model, content))
        reason = first["msg"].removeprefix("Value error, ")
        given = "" if isinstance(first["input"], dict) or not first["loc"] else f", got {first['input']!r}"
        raise ConfigError(f"{find_origin(origins, path)}: {'.'.join(path)}: {reason}{given}") from fault


def _culprit(model: TypeAdapter[Any], content: object) -> Key:
    """Find the key that is wrong by itself, for checks of a section as a whole; empty if only the whole is."""
    for key, value in content.items() if isinstance(content, dict) else ():
        try:
            model.validate_json(json.dumps({key: value}), strict=True)
        except ValidationError:
            return (str(key),)
    return ()


def _given_at(origins: Mapping[Key, str], path: Key) -> str | None:
    """Where a setting, or the first of those below it, was given; None where it was not."""
    return origins.get(path) or next((where for key, where in origins.items() if key[: len(path)] == path), None)


def find_origin(origins: Mapping[Key, str], path: Key) -> str:
    """Find where a setting was given: file and line or variable, of it or of the nearest section above."""
    places = (_given_at(origins, path[:length]) for length in range(len(path), 0, -1))
    return next((place for place in places if place), "configuration")


def suggest(name: str, allowed: Iterable[str]) -> str:
    """Format the nearest valid name and all valid names, for the end of an error message."""
    names = sorted(allowed)
    nearest = difflib.get_close_matches(name, names, n=1)
    question = f"; did you mean {nearest[0]!r}?" if nearest else ""
    return f"; allowed: {', '.join(names) or 'nothing'}{question}"
