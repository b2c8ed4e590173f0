"""Settings of detection: from which chance on a source is a candidate, and what its rates are stated for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

__all__ = ["DetectionSettings"]


class DetectionSettings(BaseModel):
    """When a source is a candidate.

    Parameters
    ----------
    false_alarms_per_1000 : float
        A source is a candidate where as many false alarms or fewer are expected among 1,000 sources that do not vary.
    sources_per_day : float or None
        What the stream brings, from which the false-alarm rate in Hz follows; None for as many as each file holds in
        the time that it spans.
    varying_per_1000 : float
        Sources among 1,000 that are taken to flare or dip at all, which `p_astro` starts from.
    calibration : Path or None
        Folder of a calibration (``xherald calibration build``); None for the shipped one.
    class_priors : mapping of str to float
        How often a class occurs relative to those that are not named, which have 1, for the class probabilities. Class
        sets and novelty do not depend on it.
    scorers, vetoes : mapping of str to mapping — options of these plugins by name
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    false_alarms_per_1000: float = Field(default=1.0, gt=0, lt=1000)
    sources_per_day: float | None = Field(default=None, gt=0)
    varying_per_1000: float = Field(default=20.0, gt=0, lt=1000)
    calibration: Path | None = None
    class_priors: dict[str, PositiveFloat] = Field(default_factory=dict)
    scorers: dict[str, dict[str, Any]] = Field(default_factory=dict)
    vetoes: dict[str, dict[str, Any]] = Field(default_factory=dict)
