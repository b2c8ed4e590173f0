"""Instruments without images, such as collimators and single-pixel concentrators (NICER, RXTE-PCA).

All photons belong to one source, the whole field of view, whose position is that of the target in the header.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xherald.photons import Aperture, Ellipse, Observation
from xherald.photons.errors import UnreadableFileError

from .headers import get_sky_position

__all__ = ["FieldOfView", "whole_field"]


@dataclass(frozen=True, slots=True)
class FieldOfView:
    """Field of view of an instrument without images.

    Parameters
    ----------
    radius_arcmin : float
        Radius of a circle with the area of the field of view.
    position : tuple of (str, str)
        Pairs of keywords of the target's right ascension and declination, deg, in order of preference.
    """

    radius_arcmin: float
    position: tuple[tuple[str, str], ...] = (("RA_OBJ", "DEC_OBJ"),)

    def read_region(self, header: Mapping[str, object], path: Path) -> Ellipse:
        """Field of view around the target of a file.

        Raises
        ------
        UnreadableFileError
            The header has no position.
        """
        for ra, dec in self.position:
            if (position := get_sky_position(header, ra, dec, path)) is not None:
                return Ellipse.circle(*position, self.radius_arcmin * 60.0)
        keywords = " or ".join(f"{ra}, {dec}" for ra, dec in self.position)
        raise UnreadableFileError(
            path, f"events have no positions, and the header has no target position; add {keywords}"
        )


def whole_field(observation: Observation) -> list[Aperture]:
    """Aperture of the whole field for an instrument without images, else none.

    It has the position of the target without an error, since the photons may be those of another source in the field.
    """
    field = observation.field_of_view
    if field is None:
        return []
    return [
        Aperture(
            detection_id=observation.per_source_id or "field",
            ra=field.ra,
            dec=field.dec,
            region=field,
            origin="field of view",
            flags=("no_image",),
        )
    ]
