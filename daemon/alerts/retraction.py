"""Verdicts of persons on candidates, with retractions to the sinks that announced them."""

from __future__ import annotations

from datetime import UTC, datetime

from xherald.catalog_store.ledger.place_records import Vetting
from xherald.catalog_store.ledger.states import AlertState, AlertType, VettingDecision
from xherald.catalog_store.ledger.store import Store
from xherald.photons.errors import ConfigError
from xherald.plugins.alerts import AlertTense

from .payload import retractions

__all__ = ["retract_candidate", "vet_candidate"]


def vet_candidate(
    store: Store,
    candidate_id: str,
    author: str,
    verdict: VettingDecision,
    comment: str,
    source_class: str | None = None,
) -> int:
    """Record a verdict; one that retracts the candidate queues retractions, see `retract_candidate`.

    Parameters
    ----------
    store : Store
    candidate_id, author : str
    verdict : VettingDecision
    comment : str — required for a verdict that retracts
    source_class : str, optional — see `catalog_store.ledger.place_records.Vetting`

    Returns
    -------
    int
        Number of retractions that are pending.

    Raises
    ------
    ConfigError
        A retraction has no comment, a text is too long, or the verdict cannot have a class.
    StoreError
        The store has no such candidate.
    """
    if verdict.retracts and source_class is None:
        return retract_candidate(store, candidate_id, author, comment, verdict)
    store.record_vetting(candidate_id, author, verdict, comment, source_class=source_class)
    return 0


def retract_candidate(
    store: Store,
    candidate_id: str,
    author: str,
    reason: str,
    verdict: VettingDecision = VettingDecision.REJECTED,
) -> int:
    """Retract a candidate by a verdict, and queue a retraction for every sink that may have announced it.

    Alerts that were never sent are withdrawn. Repeating the call with the same author and reason changes nothing.

    Parameters
    ----------
    store : Store
    candidate_id : str
    author : str
    reason : str
    verdict : VettingDecision — one that retracts

    Returns
    -------
    int
        Number of retractions that are pending.

    Raises
    ------
    ConfigError
        There is no reason, or a text is too long.
    StoreError
        The store has no such candidate.
    """
    if not reason.strip():
        raise ConfigError(f"a verdict of {verdict} needs a reason, which is sent to the sinks; add a comment")
    details = store.candidate(candidate_id)
    evidence = {**details.candidate.evidence, "candidate_id": candidate_id}
    tense: AlertTense = next(
        (alert.payload["alert_tense"] for alert in details.alerts if "alert_tense" in alert.payload), "current"
    )
    # Cleans the texts, which the alerts repeat.
    vetting = Vetting(candidate_id, author, datetime.now(UTC), verdict, reason)
    cause, sinks = f"{vetting.author}: {vetting.comment}", [alert.sink for alert in details.alerts]
    records = retractions(evidence, sinks, cause, vetting.comment, vetting.created, tense)
    store.record_vetting(candidate_id, vetting.author, verdict, vetting.comment, records)
    return sum(
        alert.alert_type is AlertType.RETRACTION and alert.state is AlertState.PENDING
        for alert in store.alerts(candidate_id=candidate_id)
    )
