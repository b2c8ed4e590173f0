"""A candidate with everything that the store holds about it: `load_details`."""

from __future__ import annotations

from sqlalchemy import Connection, select

from . import outbox
from .candidate_queries import IS_ITS_DETECTION, load_candidate
from .candidate_records import CandidateDetails
from .records import Run
from .tables import candidates, detections, runs
from .vetting_queries import list_vettings

__all__ = ["load_details"]


def load_details(connection: Connection, candidate_id: str) -> CandidateDetails:
    """A candidate with everything that the store holds about it.

    Raises
    ------
    StoreError
        The candidate is not in the store.
    """
    found = load_candidate(connection, candidate_id)
    details, run_id = connection.execute(
        select(detections.c.details, candidates.c.run_id)
        .select_from(candidates.join(detections, IS_ITS_DETECTION))
        .where(candidates.c.id == candidate_id)
    ).one()
    run = connection.execute(
        select(runs.c.code_version, runs.c.settings_hash, runs.c.calibration, runs.c.reference).where(
            runs.c.id == run_id
        )
    ).one()
    return CandidateDetails(
        found,
        details,
        Run(**run._mapping),
        tuple(list_vettings(connection, candidate_id)),
        tuple(outbox.list_alerts(connection, candidate_id=candidate_id)),
    )
