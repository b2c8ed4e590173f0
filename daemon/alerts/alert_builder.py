"""Builds alerts of changed candidates for the sinks in the settings: `make_alert_builder`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from xherald.catalog_store.ledger.records import AlertRecord
from xherald.catalog_store.ledger.states import AlertType
from xherald.daemon.jobs.decisions import BuildAlerts, CandidateChange

from .payload import announcements, retractions, tense_of

if TYPE_CHECKING:
    from xherald.daemon.jobs.candidate_sheets import SheetFolder
    from xherald.detector.configuration.alert_settings import AlertSettings

__all__ = ["make_alert_builder"]

NOT_RECOVERED: Final = "not recovered in the reprocessed data"


def make_alert_builder(settings: AlertSettings, cause: str, sheets: SheetFolder | None = None) -> BuildAlerts:
    """Make the function that builds alerts of a drop.

    Parameters
    ----------
    settings : AlertSettings
    cause : str — SHA-256 of the drop's content: the same content gives the same alert ids
    sheets : SheetFolder, optional — where plot sheets are drawn, if a sink attaches them
    """

    def build_alerts(changes: Sequence[CandidateChange]) -> list[AlertRecord]:
        now = datetime.now(UTC)
        records: list[AlertRecord] = []
        for one in changes:
            if one.alert_type is AlertType.RETRACTION:
                tense = tense_of(one.evidence, now, settings.archival_after_days)
                records += retractions(one.evidence, one.notified_sinks, cause, NOT_RECOVERED, now, tense)
            else:
                paths = None if sheets is None or not one.sheet_id else sheets.paths_by_sink(one.sheet_id)
                records += announcements(one.evidence, settings, cause, now, heard=one.notified_sinks, sheets=paths)
        return records

    return build_alerts
