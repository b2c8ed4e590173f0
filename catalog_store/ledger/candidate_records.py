"""What queries of candidates return beside the stored rows: details, detections near a position."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .place_records import Vetting
from .records import DetectionRecord, Json, Run, StoredAlert, StoredCandidate

__all__ = ["CandidateDetails", "NearbyDetection"]


@dataclass(frozen=True, slots=True)
class CandidateDetails:
    """A candidate with the details of its detection, the run that produced it, its verdicts and its alerts."""

    candidate: StoredCandidate
    detection_details: Json
    run: Run
    vettings: tuple[Vetting, ...]
    alerts: tuple[StoredAlert, ...]


@dataclass(frozen=True, slots=True)
class NearbyDetection:
    """A detection near a position, in a current observation.

    Parameters
    ----------
    detection : DetectionRecord
    separation_arcsec : float
    mission, instrument, obs_id, start, stop
        See `ObservationRecord`.
    observation_id : int
    candidate_id : str or None
    """

    detection: DetectionRecord
    separation_arcsec: float
    mission: str
    instrument: str
    obs_id: str
    start: datetime | None
    stop: datetime | None
    observation_id: int
    candidate_id: str | None
