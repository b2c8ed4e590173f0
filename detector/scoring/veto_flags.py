"""Vetoes applied to detections: `apply_vetoes`, `rejected`, and the flags raised for one source: `flag_rows`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from xherald.photons.errors import ConfigError
from xherald.plugins import Options, PluginHost
from xherald.plugins.scoring import DetectionBatch, Flags, Veto

from .detections import VetoFlags

__all__ = ["RaisedFlag", "apply_vetoes", "flag_rows", "observation_notes", "rejected"]


class RaisedFlag(TypedDict):
    """A veto raised for one source, in JSON's own types."""

    veto: str
    rejects: bool
    reason: str
    numbers: dict[str, float]


def apply_vetoes(
    detection_batch: DetectionBatch, vetoes: Mapping[str, Veto], options: Mapping[str, Options], host: PluginHost
) -> tuple[VetoFlags, ...]:
    """Run every veto on all sources; if one fails, the host notes the failure and the others continue.

    Parameters
    ----------
    detection_batch : DetectionBatch
        n sources.
    vetoes : mapping of str to Veto
        By name.
    options : mapping of str to Options
        By name of the veto; defaults for those not given.
    host : PluginHost
        Notes failures (`PluginHost.record_failure`).

    Returns
    -------
    tuple of VetoFlags
        Of the vetoes that did not fail, in the order given.

    Raises
    ------
    ConfigError
        Options are not an instance of the veto's model.
    """
    where = detection_batch.batch.identities[0].source_path if len(detection_batch) else "no sources"
    results = []
    for name, veto in vetoes.items():
        given = options.get(name) or veto.options_model()
        if not isinstance(given, veto.options_model):
            raise ConfigError(f"vetoes.{name}: options are {type(given).__name__}, not {veto.options_model.__name__}")
        # A veto may be third-party code: any error must name it and must not stop the others.
        try:
            flags = veto.flags(detection_batch, given)
            _check_flags(flags, len(detection_batch))
            if flags.raised.any():
                veto.reason.format(**dict.fromkeys(flags.numbers, 0.0))
        except Exception as fault:
            host.record_failure("vetoes", veto, f"checking {where}", fault)
            continue
        results.append(VetoFlags(name, veto.rejects, veto.reason, flags, veto.of_observation))
    return tuple(results)


def _check_flags(flags: Flags, n: int) -> None:
    """Check a result against the contract of `Flags`."""
    if flags.raised.shape != (n,) or flags.raised.dtype != np.bool_:
        raise ValueError(f"raised is {flags.raised.dtype} of shape {flags.raised.shape}; expected bool of shape ({n},)")
    for key, values in flags.numbers.items():
        if values.shape != (n,) or not np.isfinite(values[flags.raised]).all():
            raise ValueError(f"{key} is not finite for every raised flag")


def rejected(flags: Sequence[VetoFlags], n: int | None = None) -> NDArray[np.bool_]:
    """Whether a veto rejects each source, shape (n,).

    Parameters
    ----------
    flags : sequence of VetoFlags
    n : int, optional
        Number of sources, needed if `flags` is empty.
    """
    size = len(flags[0].flags.raised) if flags else (n or 0)
    out = np.zeros(size, dtype=np.bool_)
    for one in flags:
        if one.rejects:
            out |= one.flags.raised
    return out


def flag_rows(flags: Sequence[VetoFlags], index: int) -> list[RaisedFlag]:
    """Flags raised for one source, those that reject first."""
    raised = [one for one in flags if one.flags.raised[index]]
    rows: list[RaisedFlag] = []
    for one in sorted(raised, key=lambda flag: not flag.rejects):
        numbers = {key: float(values[index]) for key, values in one.flags.numbers.items()}
        rows.append(
            {"veto": one.name, "rejects": one.rejects, "reason": one.reason.format(**numbers), "numbers": numbers}
        )
    return rows


def observation_notes(flags: Sequence[VetoFlags]) -> tuple[str, ...]:
    """Reasons of raised vetoes that concern the observation as a whole, each once."""
    notes = []
    for one in flags:
        raised = np.flatnonzero(one.flags.raised)
        if one.of_observation and raised.size:
            notes.append(
                one.reason.format(**{key: float(values[raised[0]]) for key, values in one.flags.numbers.items()})
            )
    return tuple(notes)
