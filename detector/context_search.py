"""All context providers asked about positions: `search_context`.

A provider that fails is named in the result, and the others are asked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xherald.photons.errors import ConfigError, XheraldError
from xherald.plugins.context import ContextMatches

from .configuration.configuration import Configuration
from .plugin_support.plugin_guard import guarded

__all__ = ["ContextFound", "options_of", "search_context"]


@dataclass(frozen=True, slots=True)
class ContextFound:
    """What the providers know.

    Parameters
    ----------
    matches : tuple of ContextMatches — of all catalogues, in the order of the providers
    failures : tuple of str — providers and catalogues that could not be asked, and why
    """

    matches: tuple[ContextMatches, ...]
    failures: tuple[str, ...]


def search_context(
    configuration: Configuration,
    ra_deg: ArrayLike,
    dec_deg: ArrayLike,
    radius_arcsec: ArrayLike,
    epoch_yr: float | None = None,
    providers: Collection[str] | None = None,
) -> ContextFound:
    """Find what is known within a radius of each position.

    Parameters
    ----------
    configuration : Configuration
    ra_deg, dec_deg : array_like, shape (n,) — ICRS
    radius_arcsec : array_like, shape (n,) or a number
    epoch_yr : float, optional
        Julian year to which proper motions are carried.
    providers : collection of str, optional
        Names of those to ask; by default all.

    Raises
    ------
    ConfigError
        A setting of a provider is wrong.
    """
    ra, dec = (np.atleast_1d(np.asarray(one, dtype=np.float64)) for one in (ra_deg, dec_deg))
    radius = np.array(np.broadcast_to(np.asarray(radius_arcsec, dtype=np.float64), ra.shape))
    host = configuration.host
    matches: list[ContextMatches] = []
    failures: list[str] = []
    for name, provider in host.context.items():
        if providers is not None and name not in providers:
            continue
        options = host.validate_options(provider, options_of(configuration, name), f"context.providers.{name}")
        try:
            with guarded(host, "context", provider, "searching positions"):
                found = provider.find(ra.copy(), dec.copy(), radius.copy(), epoch_yr, options)
        except ConfigError:
            raise
        except (XheraldError, OSError) as fault:
            failures.append(f"{name}: {fault}")
            continue
        matches += found
        failures += [f"{one.catalogue}: {one.failure}" for one in found if one.failure]
    return ContextFound(tuple(matches), tuple(failures))


def options_of(configuration: Configuration, provider: str) -> Mapping[str, Any]:
    """Options of a provider; those of the imported catalogues include folder and names from the section itself."""
    settings = configuration.settings.context
    given = settings.providers.get(provider, {})
    if provider == "catalogues":
        return {"folder": settings.folder, "names": settings.catalogues, **given}
    return given
