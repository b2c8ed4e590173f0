"""What the nightly job asks of the store: what was judged in a window, which files were processed last, who was vetted.

Each answer is bounded: chances come as arrays, files and vettings as so many rows as are asked for.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, and_, func, select

from .records import CandidateState, DropState, VettingDecision
from .tables import candidates, detections, drops, observations, runs, vettings

__all__ = ["JudgedBy", "ProcessedFile", "VettedCandidate", "chances", "processed_files", "vetted"]

AT_ONCE: Final = 50_000
"""Rows that are held as Python objects at once."""

DONE: Final = (DropState.PROCESSED, DropState.ALERTED)


@dataclass(frozen=True, slots=True)
class JudgedBy:
    """Whose detections they are, and what judged them.

    Parameters
    ----------
    mission, instrument : str
    calibration : str — as in `records.Run`
    """

    mission: str
    instrument: str
    calibration: str


@dataclass(frozen=True, slots=True)
class ProcessedFile:
    """A file whose results stand.

    Parameters
    ----------
    drop_id : int
    source : str — the drop source's name
    url : str
    size, mtime — as they were when it was taken, see `records.Sighting`
    mission, instrument : str — of its first observation
    detections : int — in all of them
    """

    drop_id: int
    source: str
    url: str
    size: int
    mtime: float
    mission: str
    instrument: str
    detections: int


@dataclass(frozen=True, slots=True)
class VettedCandidate:
    """A candidate and the last word on it that any person said.

    Parameters
    ----------
    candidate_id : str
    verdict : VettingDecision
    kind : str — flare or dip
    mission, instrument, obs_id, detection_id : str
    file : ProcessedFile
    """

    candidate_id: str
    verdict: VettingDecision
    kind: str
    mission: str
    instrument: str
    obs_id: str
    detection_id: str
    file: ProcessedFile


def chances(connection: Connection, since: datetime, until: datetime) -> Mapping[JudgedBy, NDArray[np.float64]]:
    """False-alarm probabilities of detections stored from `since` to before `until`, of observations that stand."""
    chance = detections.c.false_alarm_probability
    query = (
        select(observations.c.mission, observations.c.instrument, runs.c.calibration, chance)
        .select_from(
            observations.join(detections, detections.c.observation_id == observations.c.id).join(
                runs, runs.c.id == detections.c.run_id
            )
        )
        .where(observations.c.stored >= since, observations.c.stored < until, observations.c.current)
        .where(chance.is_not(None))
        .order_by(observations.c.id, detections.c.place)
    )
    found: dict[JudgedBy, array[float]] = {}
    result = connection.execution_options(yield_per=AT_ONCE).execute(query)
    for mission, instrument, calibration, value in result:
        found.setdefault(JudgedBy(mission, instrument, calibration), array("d")).append(value)
    return {by: np.frombuffer(values, dtype=np.float64) for by, values in found.items()}


def processed_files(connection: Connection, limit: int) -> list[ProcessedFile]:
    """Files whose results stand, the latest first."""
    query = (
        select(
            drops.c.id,
            drops.c.source,
            drops.c.url,
            drops.c.size,
            drops.c.mtime,
            func.min(observations.c.mission),
            func.min(observations.c.instrument),
            func.sum(observations.c.detections),
        )
        .select_from(drops.join(observations, observations.c.drop_id == drops.c.id))
        .where(drops.c.state.in_(DONE), observations.c.current)
        .group_by(drops.c.id)
        .order_by(drops.c.id.desc())
        .limit(limit)
    )
    return [ProcessedFile(*row[:7], int(row[7])) for row in connection.execute(query)]


def vetted(connection: Connection, limit: int) -> list[VettedCandidate]:
    """Candidates that a person confirmed or rejected, and nobody said otherwise since, the latest first."""
    last = select(func.max(vettings.c.id).label("id")).group_by(vettings.c.candidate_id).subquery()
    query = (
        select(
            candidates.c.id,
            vettings.c.verdict,
            candidates.c.kind,
            observations.c.mission,
            observations.c.instrument,
            observations.c.obs_id,
            detections.c.detection_id,
            drops.c.id.label("drop_id"),
            drops.c.source,
            drops.c.url,
            drops.c.size,
            drops.c.mtime,
            observations.c.detections,
        )
        .select_from(
            vettings.join(last, last.c.id == vettings.c.id)
            .join(candidates, candidates.c.id == vettings.c.candidate_id)
            .join(
                detections,
                and_(
                    detections.c.observation_id == candidates.c.observation_id, detections.c.place == candidates.c.place
                ),
            )
            .join(observations, observations.c.id == candidates.c.observation_id)
            .join(drops, drops.c.id == observations.c.drop_id)
        )
        .where(vettings.c.verdict != VettingDecision.UNSURE, candidates.c.state != CandidateState.SUPERSEDED)
        .order_by(vettings.c.id.desc())
        .limit(limit)
    )
    return [
        VettedCandidate(
            row.id,
            row.verdict,
            row.kind,
            row.mission,
            row.instrument,
            row.obs_id,
            row.detection_id,
            ProcessedFile(
                row.drop_id,
                row.source,
                row.url,
                row.size,
                row.mtime,
                row.mission,
                row.instrument,
                row.detections,
            ),
        )
        for row in connection.execute(query)
    ]
