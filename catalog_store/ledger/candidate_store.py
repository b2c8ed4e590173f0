"""The part of the store that holds candidates and detections: `CandidateStore`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from xherald.photons.arrays import F64

from . import candidate_queries, nightly_queries, outbox
from .candidate_details import load_details
from .candidate_records import CandidateDetails, NearbyDetection
from .field_history_query import list_field_histories
from .healpix_cones import Cone
from .history_records import FieldHistory
from .nightly_queries import CalibrationKey, ProcessedFile, VettedCandidate
from .place_records import Vetting
from .records import AlertRecord, StoredCandidate
from .states import CandidateState, VettingDecision
from .store_base import StoreBase, resolve_time
from .vetting_queries import record_vetting

__all__ = ["CandidateStore"]


class CandidateStore(StoreBase):
    """Methods on candidates, verdicts and detections."""

    def candidates(
        self,
        *,
        since: datetime | None = None,
        near: Cone | None = None,
        kind: str | None = None,
        likely_class: str | None = None,
        far_below: float | None = None,
        min_interest: float | None = None,
        by_interest: bool = False,
        states: Collection[CandidateState] = (CandidateState.STANDING,),
        limit: int | None = None,
    ) -> list[StoredCandidate]:
        """Candidates that match all conditions, the latest or the most interesting first.

        Parameters
        ----------
        since : datetime, optional — stored at this time or later
        near : (float, float, float), optional — right ascension, declination, radius, deg
        kind : str, optional — flare or dip
        likely_class : str, optional — most probable class
        far_below : float, optional — Hz; candidates without a false-alarm rate are excluded
        min_interest : float, optional — candidates that were not rated are excluded
        by_interest : bool — order by interest instead of time
        states : collection of CandidateState
        limit : int, optional
        """
        with self._database.read() as connection:
            return candidate_queries.find(
                connection,
                since=since,
                near=near,
                kind=kind,
                likely_class=likely_class,
                far_below=far_below,
                min_interest=min_interest,
                by_interest=by_interest,
                states=states,
                limit=limit,
            )

    def candidate(self, candidate_id: str) -> CandidateDetails:
        """A candidate with everything that the store holds about it.

        Raises
        ------
        StoreError
            The candidate is not in the store.
        """
        with self._database.read() as connection:
            return load_details(connection, candidate_id)

    def detections_near(self, ra_deg: float, dec_deg: float, radius_deg: float) -> list[NearbyDetection]:
        """Detections of current observations within a radius of a position, in the order of time."""
        with self._database.read() as connection:
            return candidate_queries.find_detections_near(connection, (ra_deg, dec_deg, radius_deg))

    def record_vetting(
        self,
        candidate_id: str,
        author: str,
        verdict: VettingDecision,
        comment: str = "",
        alerts: Sequence[AlertRecord] = (),
        now: datetime | None = None,
        source_class: str | None = None,
    ) -> None:
        """Record a person's verdict on a candidate, and add alerts to the outbox.

        If the verdict retracts it, alerts that no dispatcher has taken are withdrawn, and retractions among `alerts` go
        to the sinks that may have been notified of it. A verdict that it is real restores a retracted candidate.

        Raises
        ------
        ConfigError
            A text is too long, or the verdict cannot have a class.
        StoreError
            The candidate is not in the store.
        """
        when = resolve_time(now)
        vetting = Vetting(candidate_id, author, when, verdict, comment, source_class)

        def step(connection: Connection) -> None:
            record_vetting(connection, vetting)
            if verdict.retracts:
                outbox.withdraw(connection, [candidate_id], when)
            outbox.enqueue(connection, alerts, None, when)

        self._database.write(step)

    def field_histories(self, since: datetime) -> list[FieldHistory]:
        """Current observations stored since a time, each with others of its field by the same instrument."""
        with self._database.read() as connection:
            return list_field_histories(connection, since)

    def vetted_candidates(self, limit: int) -> list[VettedCandidate]:
        """Candidates whose last verdict is not ``unsure``, the latest verdict first."""
        with self._database.read() as connection:
            return nightly_queries.load_vetted_candidates(connection, limit)

    def processed_files(self, limit: int) -> list[ProcessedFile]:
        """Files whose results are current, the latest first."""
        with self._database.read() as connection:
            return nightly_queries.load_processed_files(connection, limit)

    def false_alarm_probabilities(self, since: datetime, until: datetime | None = None) -> Mapping[CalibrationKey, F64]:
        """False-alarm probabilities of detections stored since a time, in current observations, by calibration."""
        before = resolve_time(until)
        with self._database.read() as connection:
            return nightly_queries.load_false_alarm_probabilities(connection, since, before)
