"""Columns of well-known catalogues, from ``presets.yaml``: `load_presets`, `find_preset`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, TypeAdapter

from xherald.photons.errors import ConfigError

from .columns import ColumnMap

__all__ = ["Preset", "find_preset", "load_presets"]


class Preset(BaseModel):
    """A catalogue whose columns are known.

    Parameters
    ----------
    title, reference : str
    document : str — URL of the description of the columns
    file : str — which file or table it is for
    columns : ColumnMap
    keep_repeated : bool — names that occur more than once are right
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    reference: str
    document: str
    file: str
    columns: ColumnMap
    keep_repeated: bool = False


@cache
def load_presets() -> Mapping[str, Preset]:
    """All presets by name."""
    import yaml

    text = files("xherald.context.catalogues").joinpath("presets.yaml").read_text(encoding="utf-8")
    return TypeAdapter(dict[str, Preset]).validate_python(yaml.safe_load(text))


def find_preset(name: str) -> Preset:
    """A preset by name.

    Raises
    ------
    ConfigError
        It does not exist; the message lists all.
    """
    presets = load_presets()
    if name not in presets:
        near = difflib.get_close_matches(name, presets, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(f"no preset is named {name!r}; {hint}presets: {', '.join(presets)}")
    return presets[name]
