"""Instruments that make no image: all their photons are one source's, whose position only the header tells.

Collimators and single-pixel concentrators (NICER, RXTE-PCA) look at a target and at whatever else lies in their field
of view. Used by `mission`: such an instrument has a `FieldOfView` in its table, and its one source is the whole field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xherald.photons import Aperture, Ellipse, Observation
from xherald.photons.errors import UnreadableFileError

from .headers import pair

__all__ = ["FieldOfView", "whole_field"]


@dataclass(frozen=True, slots=True)
class FieldOfView:
    """How far about its target an instrument without an image sees.

    Parameters
    ----------
    radius_arcmin : float
        Of the circle that has the area of the field of view.
    position : tuple of (str, str)
        Pairs of keywords with the target's right ascension and declination, deg, in order of trust.
    """

    radius_arcmin: float
    position: tuple[tuple[str, str], ...] = (("RA_OBJ", "DEC_OBJ"),)

    def about(self, header: Mapping[str, object], path: Path) -> Ellipse:
        """The field of view of one file.

        Raises
        ------
        UnreadableFileError
            The header tells no position.
        """
        for ra, dec in self.position:
            if (place := pair(header, ra, dec, path)) is not None:
                return Ellipse.circle(*place, self.radius_arcmin * 60.0)
        asked = " or ".join(f"{ra}, {dec}" for ra, dec in self.position)
        raise UnreadableFileError(path, f"its events have no positions, and {asked} tell none of its target; add them")


def whole_field(observation: Observation) -> list[Aperture]:
    """The one source of an instrument without an image; none where the instrument makes images.

    Its position is the target's and has no error: what else lies in the field of view is seen as well.
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
