"""What a candidate is called: an id that is read easily and is the same for the same photons."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from xherald.photons import Identity
from xherald.photons.statistics.result import DIP, FLARE, STEADY

__all__ = ["KIND_LETTERS", "candidate_id"]

KIND_LETTERS: Final = {FLARE: "F", DIP: "D", STEADY: "S"}

UNNAMED: Final = "unknown"
DIGEST: Final = 6
"""Hexadecimal digits behind a name that could not stand as it is."""


def candidate_id(identity: Identity, direction: int) -> str:
    """Id of a candidate, ``XH-<mission>-<instrument>-<obs_id>-<detection_id>-<F or D>``.

    It says which detection it is of and which way it varied, so whoever scans the same file again, with another
    version or calibration, gets the same id; two detections of one field, or of two instruments that looked together,
    never share one. White space and signs that file names, addresses and shells take for their own become ``_``, and
    so does ``-`` in all parts but the detection's, which then ends in ``~`` and a few digits of its SHA-256, so that
    different names stay different. What a file does not name is "unknown".

    Parameters
    ----------
    identity : Identity
    direction : int
        FLARE or DIP (`photons.statistics`); STEADY gives ``S``, for sources that are drawn though they are none.
    """
    parts = [_plain(part, "") for part in (identity.mission, identity.instrument, identity.obs_id)]
    return "-".join(["XH", *parts, _plain(identity.detection_id, "-"), KIND_LETTERS[direction]])


def _plain(name: str, also: str) -> str:
    """A name of letters, digits and ``. + _`` (and `also`); marked where it had to be changed."""
    text = " ".join(name.split())
    clean = re.sub(rf"[^A-Za-z0-9.+_{re.escape(also)}]+", "_", text)
    if not text:
        return UNNAMED
    # A leading dot would hide the file that is named after it; "~" is ours.
    return (
        clean
        if clean == name and not clean.startswith(".")
        else f"{clean}~{sha256(name.encode()).hexdigest()[:DIGEST]}"
    )
