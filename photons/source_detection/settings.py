"""How sources are looked for: `FindingSettings`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = ["FindingSettings"]


@dataclass(frozen=True, slots=True)
class FindingSettings:
    """How sources are looked for.

    Parameters
    ----------
    false_sources : float
        Expected number of false sources in a field, half of them allowed to the image and half to the time slices.
    cell_fractions : tuple of float
        Encircled fractions of the circles in which photons are counted on the image, each in (0, 1).
    min_counts : int
        Fewest photons of a source.
    time_slices : bool
        Whether bursts too short to show on the image are looked for too.
    shortest_slice_s : float
        Shortest slice, s; never less than one frame.
    longest_slice_fraction : float
        Longest slice, as a part of the exposure.
    wing_factor : float
        How many times the modelled wings of a brighter source a neighbour has to rise above; more than one because
        real point-spread functions are not round.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    false_sources: float = 1.0
    cell_fractions: tuple[float, ...] = (0.5, 0.8)
    min_counts: int = 4
    time_slices: bool = True
    shortest_slice_s: float = 1.0
    longest_slice_fraction: float = 0.25
    wing_factor: float = 2.0
