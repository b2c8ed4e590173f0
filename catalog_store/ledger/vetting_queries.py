"""Verdicts on candidates: `record_vetting`, `list_vettings`, `find_vettings_near`. Their rows are never changed."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from xherald.photons.errors import StoreError

from .candidate_queries import IS_ITS_DETECTION
from .event_detections import refresh_candidates
from .healpix_cones import Cone, in_cone, separations_from_centre
from .place_records import MAX_AUTHOR, MAX_COMMENT, NearbyVetting, Vetting, clean_line
from .states import CandidateState
from .tables import candidates, detections, verdicts

__all__ = ["find_vettings_near", "list_vettings", "record_vetting"]

UNKNOWN_AUTHOR: Final = "unknown"


def record_vetting(connection: Connection, vetting: Vetting) -> None:
    """Record a verdict, unless it repeats the last one; the state of the candidate follows it.

    A verdict that the event is an artefact, not variable or rejected retracts the candidate; one that it is real
    restores a retracted candidate. A superseded one stays superseded.

    Raises
    ------
    StoreError
        The candidate is not in the store.
    """
    candidate_id, now = vetting.candidate_id, vetting.created
    is_it = candidates.c.id == candidate_id
    state = connection.execute(select(candidates.c.state).where(is_it).with_for_update()).scalar()
    if state is None:
        raise StoreError(f"candidate {candidate_id}: not in the store")
    names = ("author", "verdict", "source_class", "comment")
    last = select(*(verdicts.c[name] for name in names)).where(verdicts.c.candidate_id == candidate_id)
    before = connection.execute(last.order_by(verdicts.c.id.desc()).limit(1)).one_or_none()
    given = {name: getattr(vetting, name) for name in names}
    if before is None or tuple(before) != tuple(given.values()):
        connection.execute(insert(verdicts).values(candidate_id=candidate_id, created=now, **given))
    after = state
    if vetting.verdict.retracts and state is CandidateState.STANDING:
        after = CandidateState.RETRACTED
    elif vetting.verdict.is_real and state is CandidateState.RETRACTED:
        after = CandidateState.STANDING
    if after is not state:
        connection.execute(update(candidates).where(is_it).values(state=after, updated=now))
        if after is CandidateState.STANDING:  # superseded if no current file has it
            refresh_candidates(connection, [candidate_id], now)


def list_vettings(connection: Connection, candidate_id: str) -> list[Vetting]:
    """Verdicts on a candidate, the earliest first."""
    query = select(verdicts).where(verdicts.c.candidate_id == candidate_id).order_by(verdicts.c.id)
    return [_make_vetting(row) for row in connection.execute(query)]


def find_vettings_near(connection: Connection, near: Cone) -> list[NearbyVetting]:
    """Verdicts on candidates inside a cone, the latest first."""
    query = (
        select(verdicts, detections.c.ra_deg, detections.c.dec_deg, detections.c.pos_err_arcsec)
        .select_from(
            verdicts.join(candidates, candidates.c.id == verdicts.c.candidate_id).join(detections, IS_ITS_DETECTION)
        )
        .where(in_cone(candidates.c.healpix, near))
        .order_by(verdicts.c.id.desc())
    )
    rows = connection.execute(query).all()
    return [
        NearbyVetting(
            _make_vetting(row),
            3600.0 * separation,
            row.pos_err_arcsec,
        )
        for row, separation in zip(rows, separations_from_centre(rows, near).tolist(), strict=True)
        if separation <= near[2]
    ]


def _make_vetting(row: Row[Any]) -> Vetting:
    """A stored verdict; the texts of an older store had no limits."""
    author = clean_line(row.author[:MAX_AUTHOR], "author", MAX_AUTHOR) or UNKNOWN_AUTHOR
    comment = row.comment[:MAX_COMMENT]
    return Vetting(row.candidate_id, author, row.created, row.verdict, comment, row.source_class)
