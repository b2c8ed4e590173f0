"""From news of candidates to alerts for the sinks that the settings name: `announcer`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from xherald.catalog_store.ledger.records import AlertRecord
from xherald.catalog_store.ledger.states import AlertType
from xherald.daemon.jobs.decisions import Announce, CandidateChange

from .payload import announcements, retractions, tense_of

if TYPE_CHECKING:
    from xherald.daemon.jobs.candidate_sheets import Sheets
    from xherald.detector.configuration.alert_settings import AlertSettings

__all__ = ["announcer"]

SUPERSEDED: Final = "a later processing of the observation does not hold it any more"


def announcer(settings: AlertSettings, mark: str, sheets: Sheets | None = None) -> Announce:
    """What turns news into alerts.

    Parameters
    ----------
    settings : AlertSettings
    mark : str — SHA-256 of the drop's content: the same content gives alerts of the same ids
    sheets : Sheets, optional — where plot sheets are drawn, if some sink wants them
    """

    def announce(news: Sequence[CandidateChange]) -> list[AlertRecord]:
        now = datetime.now(UTC)
        out: list[AlertRecord] = []
        for one in news:
            if one.alert_type is AlertType.RETRACTION:
                tense = tense_of(one.evidence, now, settings.archival_after_days)
                out += retractions(one.evidence, one.heard, mark, SUPERSEDED, now, tense)
            else:
                paths = None if sheets is None else sheets.by_sink(one.drawn_as)
                out += announcements(one.evidence, settings, mark, now, heard=one.heard, sheets=paths)
        return out

    return announce
