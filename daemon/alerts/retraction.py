"""Rejection of a candidate by a person, with retractions to the sinks that announced it."""

from __future__ import annotations

from datetime import UTC, datetime

from xherald.catalog_store.ledger.states import AlertState, AlertType, VettingDecision
from xherald.catalog_store.ledger.store import Store
from xherald.plugins.alerts import AlertTense

from .payload import retractions

__all__ = ["retract_candidate"]


def retract_candidate(store: Store, candidate_id: str, author: str, reason: str) -> int:
    """Reject a candidate and queue a retraction for every sink that may have announced it.

    Alerts that were never sent are withdrawn. Repeating the call with the same author and reason changes nothing.

    Parameters
    ----------
    store : Store
    candidate_id : str
    author : str
    reason : str

    Returns
    -------
    int
        Number of retractions that are pending.

    Raises
    ------
    StoreError
        The store has no such candidate.
    """
    details = store.candidate(candidate_id)
    evidence = {**details.candidate.evidence, "candidate_id": candidate_id}
    tense: AlertTense = next(
        (alert.payload["alert_tense"] for alert in details.alerts if "alert_tense" in alert.payload), "current"
    )
    records = retractions(
        evidence, [alert.sink for alert in details.alerts], f"{author}: {reason}", reason, datetime.now(UTC), tense
    )
    store.record_vetting(candidate_id, author, VettingDecision.REJECTED, reason, records)
    return sum(
        alert.alert_type is AlertType.RETRACTION and alert.state is AlertState.PENDING
        for alert in store.alerts(candidate_id=candidate_id)
    )
