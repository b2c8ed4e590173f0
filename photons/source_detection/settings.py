"""Settings of the source detection: `SourceDetectionSettings`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = ["SourceDetectionSettings"]


@dataclass(frozen=True, slots=True)
class SourceDetectionSettings:
    """Settings of the source detection.

    Parameters
    ----------
    false_sources : float
        Expected number of false sources per field, half from the image and half from time slices.
    cell_fractions : tuple of float
        Encircled-energy fractions of the detection cells on the image, each in (0, 1).
    min_counts : int
        Smallest number of photons of a source.
    time_slices : bool
        Whether to detect bursts that are too short for the image.
    shortest_slice_s : float
        Shortest slice, s; never less than one frame.
    longest_slice_fraction : float
        Longest slice, as a fraction of the exposure.
    wing_factor : float
        Factor on the modelled wings of a brighter source, which its neighbours must exceed; above one since real
        point-spread functions are not round.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    false_sources: float = 1.0
    cell_fractions: tuple[float, ...] = (0.5, 0.8)
    min_counts: int = 4
    time_slices: bool = True
    shortest_slice_s: float = 1.0
    longest_slice_fraction: float = 0.25
    wing_factor: float = 2.0
