"""A position for people who look it up: in sexagesimal and Galactic coordinates, and links to sky atlases.

Everything that shows a candidate takes them from here.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from .sky_position import format_galactic, format_sexagesimal

__all__ = ["describe_position", "make_sky_links", "make_vet_command"]

FIELD_DEG: Final = 0.1
"""Width of the field that an atlas shows."""

MIN_RADIUS_ARCSEC: Final = 10.0
RADIUS_ERRORS: Final = 3.0
"""The radius of a query is this many 68 % errors, or at least as large as the former."""


def describe_position(ra_deg: float | None, dec_deg: float | None) -> list[tuple[str, str]]:
    """Names and values of a position in other notations; empty where it is unknown."""
    if ra_deg is None or dec_deg is None:
        return []
    return [("sexagesimal", format_sexagesimal(ra_deg, dec_deg)), ("Galactic", format_galactic(ra_deg, dec_deg))]


def make_sky_links(
    ra_deg: float | None, dec_deg: float | None, pos_err_arcsec: float | None = None
) -> list[tuple[str, str]]:
    """Names and URLs of what sky atlases and SIMBAD show at a position; empty where it is unknown.

    Parameters
    ----------
    ra_deg, dec_deg : float or None — ICRS
    pos_err_arcsec : float or None — 68 % error radius
    """
    if ra_deg is None or dec_deg is None:
        return []
    target = quote(f"{ra_deg:.6f} {dec_deg:+.6f}")
    radius = max(MIN_RADIUS_ARCSEC, RADIUS_ERRORS * (pos_err_arcsec or 0.0))
    return [
        ("Aladin", f"https://aladin.cds.unistra.fr/AladinLite/?target={target}&fov={FIELD_DEG}"),
        ("ESASky", f"https://sky.esa.int/esasky/?target={target}&fov={FIELD_DEG}&cooframe=J2000&sci=true"),
        (
            "SIMBAD",
            "https://simbad.cds.unistra.fr/simbad/sim-coo"
            f"?Coord={target}&CooFrame=ICRS&Radius={radius:.3g}&Radius.unit=arcsec",
        ),
    ]


def make_vet_command(candidate_id: str) -> str:
    """Command that records a verdict on a candidate."""
    return f'xherald candidate vet {candidate_id} --as CLASS --comment "…"'
