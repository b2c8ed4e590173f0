"""Queries of the nightly job: false-alarm probabilities of a time window, processed files, vetted candidates.

Every answer is bounded: probabilities are arrays, files and candidates are limited in number.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from sqlalchemy import Connection, func, select

from xherald.photons.arrays import F64

from .candidate_queries import IS_ITS_DETECTION
from .states import CandidateState, DropState, VettingDecision
from .tables import candidates, detections, drops, observations, runs, verdicts

__all__ = [
    "CalibrationKey",
    "ProcessedFile",
    "VettedCandidate",
    "load_false_alarm_probabilities",
    "load_processed_files",
    "load_vetted_candidates",
]

ROWS_PER_FETCH: Final = 50_000

DONE: Final = (DropState.PROCESSED, DropState.ALERTED)


@dataclass(frozen=True, slots=True)
class CalibrationKey:
    """Instrument and calibration of a set of detections.

    Parameters
    ----------
    mission, instrument : str
    calibration : str — see `records.Run`
    """

    mission: str
    instrument: str
    calibration: str


@dataclass(frozen=True, slots=True)
class ProcessedFile:
    """A file whose results are current.

    Parameters
    ----------
    drop_id : int
    source : str — name of the drop source
    url : str
    size, mtime — when it was processed, see `records.Sighting`
    mission, instrument : str — of its first observation
    detection_count : int — in all observations
    """

    drop_id: int
    source: str
    url: str
    size: int
    mtime: float
    mission: str
    instrument: str
    detection_count: int


@dataclass(frozen=True, slots=True)
class VettedCandidate:
    """A candidate with the last verdict on it.

    Parameters
    ----------
    candidate_id : str
    verdict : VettingDecision
    mission, instrument, obs_id, detection_id : str
    file : ProcessedFile
    """

    candidate_id: str
    verdict: VettingDecision
    mission: str
    instrument: str
    obs_id: str
    detection_id: str
    file: ProcessedFile


def load_false_alarm_probabilities(
    connection: Connection, since: datetime, until: datetime
) -> Mapping[CalibrationKey, F64]:
    """False-alarm probabilities of detections stored from `since` to before `until`, in current observations."""
    probability = detections.c.false_alarm_probability
    query = (
        select(observations.c.mission, observations.c.instrument, runs.c.calibration, probability)
        .select_from(
            observations.join(detections, detections.c.observation_id == observations.c.id).join(
                runs, runs.c.id == detections.c.run_id
            )
        )
        .where(observations.c.created >= since, observations.c.created < until, observations.c.is_current)
        .where(probability.is_not(None))
        .order_by(observations.c.id, detections.c.number)
    )
    found: dict[CalibrationKey, array[float]] = {}
    result = connection.execution_options(yield_per=ROWS_PER_FETCH).execute(query)
    for mission, instrument, calibration, value in result:
        found.setdefault(CalibrationKey(mission, instrument, calibration), array("d")).append(value)
    return {key: np.frombuffer(values, dtype=np.float64) for key, values in found.items()}


def load_processed_files(connection: Connection, limit: int) -> list[ProcessedFile]:
    """Files whose results are current, the latest first."""
    query = (
        select(
            drops.c.id,
            drops.c.source,
            drops.c.url,
            drops.c.size,
            drops.c.mtime,
            func.min(observations.c.mission),
            func.min(observations.c.instrument),
            func.sum(observations.c.detection_count),
        )
        .select_from(drops.join(observations, observations.c.drop_id == drops.c.id))
        .where(drops.c.state.in_(DONE), observations.c.is_current)
        .group_by(drops.c.id)
        .order_by(drops.c.id.desc())
        .limit(limit)
    )
    return [ProcessedFile(*row[:7], int(row[7])) for row in connection.execute(query)]


def load_vetted_candidates(connection: Connection, limit: int) -> list[VettedCandidate]:
    """Candidates whose last verdict is not ``unsure``, the latest verdict first."""
    last = select(func.max(verdicts.c.id).label("id")).group_by(verdicts.c.candidate_id).subquery()
    query = (
        select(
            candidates.c.id,
            verdicts.c.verdict,
            observations.c.mission,
            observations.c.instrument,
            observations.c.obs_id,
            detections.c.detection_id,
            drops.c.id.label("drop_id"),
            drops.c.source,
            drops.c.url,
            drops.c.size,
            drops.c.mtime,
            observations.c.detection_count,
        )
        .select_from(
            verdicts.join(last, last.c.id == verdicts.c.id)
            .join(candidates, candidates.c.id == verdicts.c.candidate_id)
            .join(detections, IS_ITS_DETECTION)
            .join(observations, observations.c.id == candidates.c.observation_id)
            .join(drops, drops.c.id == observations.c.drop_id)
        )
        .where(verdicts.c.verdict != VettingDecision.UNSURE, candidates.c.state != CandidateState.SUPERSEDED)
        .order_by(verdicts.c.id.desc())
        .limit(limit)
    )
    return [
        VettedCandidate(
            row.id,
            row.verdict,
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
                row.detection_count,
            ),
        )
        for row in connection.execute(query)
    ]
