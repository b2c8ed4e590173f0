"""What people decided about a candidate's position, in its evidence and as text: verdicts, mutes, watch lists.

It is compared with nothing and changes no number; it tells a reader that the source is known, and sinks what to demote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from .formatting import format_class
from .same_event import match_radius_arcsec

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.place_records import PlaceNotes, StoredPlace, Vetting
    from xherald.detector.results.row_types import PlaceFields, PlaceMute, PlaceVerdict

__all__ = [
    "find_place_fields",
    "format_decision",
    "format_mute",
    "format_verdict",
    "format_verdicts",
    "make_no_place_fields",
    "mute_to_json",
    "verdict_to_json",
]

MAX_ERROR_ARCSEC: Final = 30.0
"""Largest 68 % error of an earlier candidate that is looked for; larger ones name no source."""

MAX_NAMED: Final = 2
"""Verdicts that a sentence names; the others are counted."""


def make_no_place_fields() -> PlaceFields:
    """Fields of a candidate that is not in a store, or has no position."""
    return {"verdicts": [], "mute": None, "watch_lists": []}


def find_place_fields(
    query: Callable[[tuple[float, float, float]], PlaceNotes],
    ra_deg: float | None,
    dec_deg: float | None,
    pos_err_arcsec: float | None,
) -> PlaceFields:
    """What people decided about a position, as fields of evidence.

    Verdicts are those on candidates whose positions agree as those of two detections of one source do.

    Parameters
    ----------
    query : callable — of the store: `PlaceNotes` of a cone (right ascension, declination, radius, deg)
    ra_deg, dec_deg, pos_err_arcsec : float or None
    """
    if ra_deg is None or dec_deg is None:
        return make_no_place_fields()
    radius_arcsec = match_radius_arcsec(pos_err_arcsec, MAX_ERROR_ARCSEC)
    notes = query((ra_deg % 360.0, dec_deg, radius_arcsec / 3600.0))
    return {
        "verdicts": [
            verdict_to_json(one.vetting, one.separation_arcsec)
            for one in notes.vettings
            if one.separation_arcsec <= match_radius_arcsec(pos_err_arcsec, one.pos_err_arcsec)
        ],
        "mute": mute_to_json(notes.mutes[0]) if notes.mutes else None,
        "watch_lists": sorted({one.place.list_name for one in notes.watched}),
    }


def verdict_to_json(vetting: Vetting, separation_arcsec: float | None = None) -> PlaceVerdict:
    """A verdict in JSON's own types."""
    return {
        "candidate_id": vetting.candidate_id,
        "verdict": vetting.verdict.value,
        "source_class": vetting.source_class,
        "author": vetting.author,
        "created_utc": _iso(vetting.created),
        "comment": vetting.comment,
        "separation_arcsec": None if separation_arcsec is None else round(separation_arcsec, 3),
    }


def mute_to_json(stored: StoredPlace) -> PlaceMute:
    """A mute in JSON's own types."""
    place = stored.place
    return {
        "mute_id": stored.id,
        "ra_deg": place.ra_deg,
        "dec_deg": place.dec_deg,
        "radius_arcsec": place.radius_arcsec,
        "ends_utc": None if place.ends is None else _iso(place.ends),
        "author": place.author,
        "created_utc": _iso(stored.created),
        "comment": place.comment,
    }


def format_decision(verdict: Mapping[str, Any]) -> str:
    """The class of the source if it was given, else the decision: "stellar flare", "not variable"."""
    return format_class(str(verdict.get("source_class") or verdict["verdict"]))


def format_verdict(verdict: Mapping[str, Any]) -> str:
    """One verdict: "stellar flare by Ann on 2026-11-30: flare of V1229 Ori"."""
    comment = f": {verdict['comment']}" if verdict["comment"] else ""
    return f"{format_decision(verdict)} by {verdict['author']} on {verdict['created_utc'][:10]}{comment}"


def format_verdicts(verdicts: Sequence[Mapping[str, Any]]) -> str:
    """One sentence on the verdicts at a position, the latest first; empty where there is none."""
    if not verdicts:
        return ""
    more = len(verdicts) - MAX_NAMED
    named = "; ".join(format_verdict(one) for one in verdicts[:MAX_NAMED])
    return f"vetted before as {named}" + (f"; {more} more" if more > 0 else "")


def format_mute(mute: Mapping[str, Any] | None) -> str:
    """One sentence on a mute: "muted until 2027-11-30 by Ann: known flare star"; empty where there is none."""
    if mute is None:
        return ""
    until = f" until {mute['ends_utc'][:10]}" if mute["ends_utc"] else ""
    return f"muted{until} by {mute['author']}" + (f": {mute['comment']}" if mute["comment"] else "")


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
