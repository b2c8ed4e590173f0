"""Positions of the objects in the shipped table, by name: `find_known_position`."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Final

from xherald.photons.errors import ConfigError

from .known_sources import KNOWN_SOURCES, PACKAGE

__all__ = ["find_known_position"]

MAX_SUGGESTED: Final = 3

J2000_YR: Final = 2000.0
MAS_PER_DEG: Final = 3.6e6


def find_known_position(name: str, epoch_yr: float) -> tuple[float, float]:
    """Right ascension and declination of an object in the shipped table, ICRS deg, moved to an epoch.

    Parameters
    ----------
    name : str — in any case, with or without spaces and dashes
    epoch_yr : float — Julian year

    Raises
    ------
    ConfigError
        The table has no such object.
    """
    key = _normalize(name)
    rows = _read_rows()
    if key not in rows:
        near = [rows[one]["name"] for one in get_close_matches(key, rows, MAX_SUGGESTED)]
        hint = f"; similar: {', '.join(near)}" if near else ""
        raise ConfigError(
            f"name:{name}: not in the table of known sources{hint}; sesame:{name} asks CDS on the internet"
        )
    row = rows[key]
    ra, dec = float(row["ra_deg"]), float(row["dec_deg"])
    years = epoch_yr - float(row["epoch_yr"] or J2000_YR)
    moved_ra = float(row["pm_ra_mas_yr"] or 0.0) * years / MAS_PER_DEG / math.cos(math.radians(dec))
    return (ra + moved_ra) % 360.0, dec + float(row["pm_dec_mas_yr"] or 0.0) * years / MAS_PER_DEG


def _normalize(name: str) -> str:
    return "".join(one for one in name.casefold().replace("−", "-") if one.isalnum() or one in "+*.")


@cache
def _read_rows() -> Mapping[str, Mapping[str, str]]:
    """Rows of the table by normalized name."""
    text = (files(PACKAGE) / f"{KNOWN_SOURCES}.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {_normalize(row["name"]): row for row in csv.DictReader(lines)}
