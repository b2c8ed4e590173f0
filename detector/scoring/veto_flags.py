"""Vetoes applied to detections: `apply_vetoes`, `rejected`, and the flags raised on each: `flag_rows`.

On the road this stands between the verdict of the tests and the candidate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from xherald.photons.errors import ConfigError
from xherald.plugins import Options, PluginHost
from xherald.plugins.scoring import DetectionBatch, Flags, Veto

from .detections import VetoFlags

__all__ = ["RaisedFlag", "apply_vetoes", "flag_rows", "rejected"]


class RaisedFlag(TypedDict):
    """A raised flag of one source, in JSON's own types."""

    veto: str
    rejects: bool
    reason: str
    numbers: dict[str, float]


def apply_vetoes(
    detection_batch: DetectionBatch, vetoes: Mapping[str, Veto], options: Mapping[str, Options], host: PluginHost
) -> tuple[VetoFlags, ...]:
    """Run every veto on all sources; one that breaks is written down at the host, and the others go on.

    Parameters
    ----------
    subjects : DetectionBatch
        n sources.
    vetoes : mapping of str to Veto
        By name.
    options : mapping of str to Options
        By name of the veto; those left out take their defaults.
    host : PluginHost
        Told of failures (`PluginHost.note_failure`).

    Returns
    -------
    tuple of VetoFlags
        Of the vetoes that answered, in the order given.

    Raises
    ------
    ConfigError
        Options are not of the veto's model.
    """
    where = detection_batch.batch.identities[0].source_path if len(detection_batch) else "no sources"
    answers = []
    for name, veto in vetoes.items():
        given = options.get(name) or veto.options_model()
        if not isinstance(given, veto.options_model):
            raise ConfigError(f"vetoes.{name}: options are {type(given).__name__}, not {veto.options_model.__name__}")
        # A veto may be foreign code: whatever it raises must name it and must not cost the others their say.
        try:
            flags = veto.flags(detection_batch, given)
            _refuse_impossible(flags, len(detection_batch))
            if flags.raised.any():
                veto.reason.format(**dict.fromkeys(flags.numbers, 0.0))
        except Exception as fault:
            host.note_failure("vetoes", veto, f"judging {where}", fault)
            continue
        answers.append(VetoFlags(name, veto.rejects, veto.reason, flags))
    return tuple(answers)


def _refuse_impossible(flags: Flags, n: int) -> None:
    """Hold an answer to the contract of `Flags`."""
    if flags.raised.shape != (n,) or flags.raised.dtype != np.bool_:
        raise ValueError(f"raised is {flags.raised.dtype} of shape {flags.raised.shape}, not bool of ({n},)")
    for key, values in flags.numbers.items():
        if values.shape != (n,) or not np.isfinite(values[flags.raised]).all():
            raise ValueError(f"{key} is not a finite number for every raised flag")


def rejected(flags: Sequence[VetoFlags], n: int | None = None) -> NDArray[np.bool_]:
    """Whether each source bears a flag that rejects, shape (n,).

    Parameters
    ----------
    flags : sequence of VetoFlags
    n : int, optional
        Number of sources, for an empty sequence.
    """
    size = len(flags[0].flags.raised) if flags else (n or 0)
    out = np.zeros(size, dtype=np.bool_)
    for one in flags:
        if one.rejects:
            out |= one.flags.raised
    return out


def flag_rows(flags: Sequence[VetoFlags], index: int) -> list[RaisedFlag]:
    """What is told of one source: its raised flags, those that reject first."""
    raised = [one for one in flags if one.flags.raised[index]]
    rows: list[RaisedFlag] = []
    for one in sorted(raised, key=lambda flag: not flag.rejects):
        numbers = {key: float(values[index]) for key, values in one.flags.numbers.items()}
        rows.append(
            {"veto": one.name, "rejects": one.rejects, "reason": one.reason.format(**numbers), "numbers": numbers}
        )
    return rows
