"""Ids of candidates: readable, and the same for the same photons."""

from __future__ import annotations

import re
from datetime import datetime
from hashlib import sha256
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons import Identity
from xherald.photons.statistics.result import DIP, FLARE, STEADY

__all__ = ["KIND_LETTERS", "candidate_id", "long_term_candidate_id"]

KIND_LETTERS: Final = {FLARE: "F", DIP: "D", STEADY: "S"}

UNNAMED: Final = "unknown"
DIGEST_LENGTH: Final = 6
"""Hexadecimal digits of the hash of photons, and of names that had to be changed."""


def candidate_id(identity: Identity, time: NDArray[np.float64], direction: int) -> str:
    """Id of a candidate, ``XH-<mission>-<instrument>-<obs_id>-<detection_id>-<photons>-<F or D>``.

    It depends on the detection and its direction only: another version or calibration gives the same photons the same
    id. ``<photons>`` are six hexadecimal digits of the SHA-256 of the arrival times, rounded to 0.1 ms: detections of
    two exposures, or of two detectors in separate files, often have the same number.

    White space and characters that are special in file names, URLs or shells become ``_``, and so does ``-`` in all
    parts except the detection's; such a part ends in ``~`` and six digits of the SHA-256 of the name, so that different
    names stay different. A name that the file does not give is "unknown".

    Parameters
    ----------
    identity : Identity
    time : ndarray, shape (n,) — mission seconds of the photons in the aperture
    direction : int
        FLARE or DIP (`photons.statistics`); STEADY gives ``S``, for plots of sources that are not candidates.
    """
    ticks = np.round(np.asarray(time, dtype=np.float64) * 1e4).astype("<i8")
    return _join(identity, ticks.tobytes(), KIND_LETTERS[direction])


def long_term_candidate_id(identity: Identity, counts: int, start: datetime | None, *, is_brightening: bool) -> str:
    """Id of a candidate that changed between exposures only: ends in N (new, brighter) or V (vanished, fainter).

    The digits are those of the number of photons and the start of the exposure, as arrival times are not stored.
    """
    content = f"{counts} {'' if start is None else start.isoformat()}".encode()
    return _join(identity, content, "N" if is_brightening else "V")


def _join(identity: Identity, content: bytes, letter: str) -> str:
    names = [_plain(part, "") for part in (identity.mission, identity.instrument, identity.obs_id)]
    digest = sha256(content).hexdigest()[:DIGEST_LENGTH]
    return "-".join(["XH", *names, _plain(identity.detection_id, "-"), digest, letter])


def _plain(name: str, also: str) -> str:
    """A name of letters, digits and ``. + _`` (and `also`), marked where it had to be changed."""
    text = " ".join(name.split())
    clean = re.sub(rf"[^A-Za-z0-9.+_{re.escape(also)}]+", "_", text)
    if not text:
        return UNNAMED
    # A leading dot would hide the file named after it; "~" is reserved for changed names.
    return (
        clean
        if clean == name and not clean.startswith(".")
        else f"{clean}~{sha256(name.encode()).hexdigest()[:DIGEST_LENGTH]}"
    )
