"""Truth of an event file: what was simulated, and how much of it a reader can find: `read_truth`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.errors import UnreadableFileError
from xherald.photons.gti import gti_total
from xherald.simulation.exposure import SimulatedExposure

from .exposure_facts import Clock, ExposureHeader

__all__ = ["TRUTH_VERSION", "read_truth", "truth_of", "truth_path", "write_truth"]

TRUTH_VERSION: Final = 1
"""Increased when a field is removed or changes its meaning."""

ORIGINS: Final = {"sky_background": -1, "particles": -2, "soft_protons": -3}


def truth_path(events: Path) -> Path:
    """Path of the truth of an event file: the name up to its first dot, and ``.truth.json``."""
    return events.with_name(events.name.partition(".")[0] + ".truth.json")


def truth_of(exposure: SimulatedExposure, clock: Clock, kept: NDArray[np.bool_], file_name: str) -> dict[str, object]:
    """The truth in JSON types.

    Parameters
    ----------
    exposure : SimulatedExposure
    clock : Clock
    kept : ndarray, shape (n,) — events that a reader of the file keeps
    file_name : str
    """
    observing, events, facts = exposure.observing, exposure.events, ExposureHeader.of(exposure)
    good_time = {str(number): gti_total(np.asarray(gti).reshape(-1, 2)) for number, gti in observing.gti.items()}
    return {
        "schema_version": TRUTH_VERSION,
        "file": file_name,
        "telescope": exposure.telescope.name,
        "mission": exposure.telescope.mission,
        "obs_id": exposure.obs_id,
        "seed": exposure.seed,
        "pattern": observing.pattern,
        "ra_deg": observing.ra,
        "dec_deg": observing.dec,
        "roll_deg": observing.roll,
        "band_kev": list(exposure.telescope.band),
        "start_s": observing.start,
        "start_utc": clock.utc(observing.start),
        "stop_s": facts.stop,
        "stop_utc": clock.utc(facts.stop),
        "duration_s": observing.duration,
        "good_time_s": gti_total(facts.good),
        "good_time_of_detector_s": good_time,
        "live_fraction": exposure.telescope.live_fraction,
        "events_recorded": len(events),
        "events_kept": int(np.count_nonzero(kept)),
        "background_kept": {
            name: int(np.count_nonzero(kept & (events.origin == code))) for name, code in ORIGINS.items()
        },
        "sources": [_source(exposure, clock, index, kept) for index in range(len(exposure.sources))],
        "artefacts": [dict(one) for one in exposure.artefacts],
    }


def _source(exposure: SimulatedExposure, clock: Clock, index: int, kept: NDArray[np.bool_]) -> dict[str, object]:
    source, own = exposure.sources[index], exposure.events.origin == index
    start = exposure.observing.start
    event = None
    if source.model.interval is not None:
        seconds = [start + edge for edge in source.model.interval]
        event = {
            "start_s": seconds[0], "stop_s": seconds[1],
            "start_utc": clock.utc(seconds[0]), "stop_utc": clock.utc(seconds[1]),
        }  # fmt: skip
    return {
        "name": source.name,
        "ra_deg": source.ra,
        "dec_deg": source.dec,
        "class": source.model.kind,
        "direction": source.model.direction,
        "flux_photons_cm2_s": source.flux,
        "counts_recorded": int(np.count_nonzero(own)),
        "counts_kept": int(np.count_nonzero(own & kept)),
        "event": event,
        "parameters": dict(source.model.parameters),
    }


def write_truth(path: Path, truth: Mapping[str, object]) -> Path:
    """Write the truth as JSON with sorted keys, so that equal truths give equal bytes."""
    text = json.dumps(truth, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False, default=_plain)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _plain(value: object) -> object:
    """Convert numpy numbers to Python numbers."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} {value!r} is not a JSON value and cannot be written to a truth file")


def read_truth(path: Path) -> dict[str, object]:
    """The truth of a simulated exposure.

    Parameters
    ----------
    path : Path
        A truth file, or its event file.

    Raises
    ------
    UnreadableFileError
        It is missing, not JSON, or of another version.
    """
    path = path if path.name.endswith(".truth.json") else truth_path(path)
    try:
        truth = json.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise UnreadableFileError(path, f"no truth to read ({fault.strerror}); was this file simulated?") from fault
    except ValueError as fault:
        raise UnreadableFileError(path, f"not JSON ({fault}); simulate it again") from fault
    version = truth.get("schema_version") if isinstance(truth, dict) else None
    if version != TRUTH_VERSION:
        raise UnreadableFileError(path, f"truth of version {version!r}, expected {TRUTH_VERSION}; simulate it again")
    found: dict[str, object] = truth
    return found
