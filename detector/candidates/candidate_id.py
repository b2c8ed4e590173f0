"""What a candidate is called: an id that is read easily and is the same for the same photons."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons import Identity
from xherald.photons.statistics.result import DIP, FLARE, STEADY

__all__ = ["KIND_LETTERS", "candidate_id"]

KIND_LETTERS: Final = {FLARE: "F", DIP: "D", STEADY: "S"}

UNNAMED: Final = "unknown"
DIGEST: Final = 6
"""Hexadecimal digits that stand for photons, and behind a name that could not stand as it is."""


def candidate_id(identity: Identity, time: NDArray[np.float64], direction: int) -> str:
    """Id of a candidate, ``XH-<mission>-<instrument>-<obs_id>-<detection_id>-<photons>-<F or D>``.

    It says which detection it is of and which way it varied, so whoever judges the same photons again, with another
    version or calibration, gets the same id. ``<photons>`` are a few digits of the SHA-256 of their arrival times to
    0.1 ms: detections of two exposures, or of two detectors in files of their own, are often numbered alike.

    White space and signs that file names, addresses and shells take for their own become ``_``, and so does ``-`` in
    all parts but the detection's; such a part ends in ``~`` and a few digits of its SHA-256, so that different names
    stay different. What a file does not name is "unknown".

    Parameters
    ----------
    identity : Identity
    time : ndarray, shape (n,) — mission seconds of the photons in the aperture
    direction : int
        FLARE or DIP (`photons.statistics`); STEADY gives ``S``, for sources that are drawn though they are none.
    """
    parts = [_plain(part, "") for part in (identity.mission, identity.instrument, identity.obs_id)]
    ticks = np.round(np.asarray(time, dtype=np.float64) * 1e4).astype("<i8")
    photons = sha256(ticks.tobytes()).hexdigest()[:DIGEST]
    return "-".join(["XH", *parts, _plain(identity.detection_id, "-"), photons, KIND_LETTERS[direction]])


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
