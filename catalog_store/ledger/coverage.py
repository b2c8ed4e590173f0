"""What an event list covers, good times and extent on the sky, and whether it may replace another one: `holds`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np

from xherald.photons.arrays import F64
from xherald.photons.gti import gti_intersection, gti_total, gti_union

__all__ = ["MAX_LOST_FRACTION", "MIN_EXTENT_RATIO", "holds", "make_coverage", "name_camera"]

MAX_LOST_FRACTION: Final = 0.01
"""A list that lacks more than this fraction of another one's good time does not replace it."""

MIN_EXTENT_RATIO: Final = 0.7
"""A list with a smaller extent than this, relative to another one, is a cut and does not replace it."""


def make_coverage(good_times: Mapping[str, F64], extent_arcsec: float | None) -> dict[str, Any]:
    """Coverage of an event list in JSON's own types.

    Parameters
    ----------
    good_times : mapping of str to ndarray, shape (m, 2) — s since 1970, UTC, by name of the detector
    extent_arcsec : float or None — side of the area on the sky that has events; None without positions
    """
    return {
        "good_times": {name: np.round(gti, 3).tolist() for name, gti in good_times.items()},
        "extent_arcsec": extent_arcsec,
    }


def name_camera(instrument: str, detectors: Collection[str]) -> str:
    """Name of the camera of a list: its only detector if that is named after the instrument, else the instrument.

    The modules FXTA and FXTB of the instrument FXT are cameras of their own; CCDs of one camera are not.
    """
    only = next(iter(detectors)) if len(detectors) == 1 else ""
    return only if only.upper().startswith(instrument.upper()) and instrument else instrument


def holds(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Whether a list holds what another one holds: its good times to 1 %, and its area on the sky.

    Where the coverage of either is unknown, as of a table of photons, it does.
    """
    mine, theirs = new.get("extent_arcsec"), old.get("extent_arcsec")
    if theirs is not None and (mine is None or mine < MIN_EXTENT_RATIO * theirs) and "good_times" in new:
        return False
    wanted, offered = old.get("good_times"), new.get("good_times")
    if not wanted or not offered:
        return True
    total = sum(gti_total(_as_gti(gti)) for gti in wanted.values())
    common = sum(
        gti_total(gti_intersection(_as_gti(gti), _as_gti(offered[name])))
        for name, gti in wanted.items()
        if name in offered
    )
    return common >= (1.0 - MAX_LOST_FRACTION) * total


def _as_gti(intervals: Any) -> F64:
    return gti_union(np.array(intervals, dtype=np.float64).reshape(-1, 2))
