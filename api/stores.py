"""The daemon's database in Python: `open_store`, and its candidates as a list and as a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from xherald.photons.errors import ConfigError
from xherald.places import DEFAULT_RADIUS_ARCSEC, PlacesView
from xherald.time_texts import parse_since

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.table import QTable

    from xherald.catalog_store.ledger.place_records import StoredPlace, Vetting
    from xherald.catalog_store.ledger.records import StoredCandidate
    from xherald.catalog_store.ledger.states import VettingDecision

__all__ = ["CandidateList", "RecordedVerdict", "StoreView", "open_store"]


@dataclass(frozen=True, eq=False, repr=False)
class CandidateList:
    """Candidates of a store, the latest first; a sequence of `StoredCandidate`.

    Parameters
    ----------
    found : tuple of StoredCandidate
    """

    found: tuple[StoredCandidate, ...]

    @property
    def table(self) -> QTable:
        """A row for each candidate, with units, times, UCDs and descriptions."""
        from xherald.detector.results.candidate_table import to_qtable

        return to_qtable(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[StoredCandidate]:
        return iter(self.found)

    def __getitem__(self, index: int) -> StoredCandidate:
        return self.found[index]

    def __repr__(self) -> str:
        return f"<CandidateList: {len(self)} candidates>"

    def _repr_html_(self) -> str:
        from xherald.html import html_table
        from xherald.photons.probabilities import format_probability

        rows = [("id", "found (UTC)", "kind", "class", "false-alarm probability", "observation")]
        for one in self.found:
            chance = format_probability(one.false_alarm_probability, extrapolated=one.extrapolated)
            if one.kind == one.evidence.get("long_term_change"):
                chance = format_probability(one.evidence["long_term_false_alarm_probability"])
            created = f"{one.created:%Y-%m-%d %H:%M}"
            rows.append((one.id, created, one.kind, one.likely_class or "", chance, f"{one.mission} {one.obs_id}"))
        return html_table(repr(self)[1:-1], rows)


@dataclass(frozen=True)
class RecordedVerdict:
    """A verdict as it was recorded.

    Parameters
    ----------
    candidate_id : str
    vetting : Vetting — decision, class of the source, author, time, comment
    retractions : int — alerts that are pending because the verdict retracts the candidate
    mute : StoredPlace or None
    """

    candidate_id: str
    vetting: Vetting
    retractions: int
    mute: StoredPlace | None = None


class StoreView(PlacesView):
    """What the daemon has stored, and what people decided on it. Made by `open_store`; a context manager.

    Parameters
    ----------
    store : xherald.catalog_store.ledger.store.Store
    """

    @property
    def url(self) -> str:
        """URL of the database, without its password."""
        return self.store.name

    def candidates(
        self,
        *,
        since: str | datetime | timedelta | None = None,
        near: str | SkyCoord | tuple[float, float] | None = None,
        radius_arcsec: float = DEFAULT_RADIUS_ARCSEC,
        kind: str | None = None,
        likely_class: str | None = None,
        far_below_hz: float | None = None,
        min_interest: float | None = None,
        sort: Literal["latest", "interest"] = "latest",
        include_superseded: bool = False,
        limit: int | None = None,
    ) -> CandidateList:
        """Candidates, the latest or the most interesting first.

        Parameters
        ----------
        since : str, datetime or timedelta, optional
            Found since then: "2d", "36h", "90m" ago, or a date (UTC if it has no zone).
        near : str, SkyCoord or (float, float), optional
            Within `radius_arcsec` of this position (`positions.to_position`).
        radius_arcsec : float
        kind : str, optional
            Such as "flare", "dip" or "new" (`detector.results.row_types.Kind`).
        likely_class : str, optional
            Most probable class.
        far_below_hz : float, optional
            False-alarm rate below this.
        min_interest : float, optional
            Interest of at least this, 0 to 1.
        sort : {"latest", "interest"}
            Which come first.
        include_superseded : bool
            Superseded and retracted candidates, too.
        limit : int, optional

        Raises
        ------
        ConfigError
            An argument cannot be used.
        """
        from xherald.catalog_store.ledger.states import CandidateState
        from xherald.positions import to_position

        cone = None if near is None else (*to_position(near), radius_arcsec / 3600.0)
        found = self.store.candidates(
            since=None if since is None else parse_since(since),
            near=cone,
            kind=kind,
            likely_class=likely_class,
            far_below=far_below_hz,
            min_interest=min_interest,
            by_interest=sort == "interest",
            states=tuple(CandidateState) if include_superseded else (CandidateState.STANDING,),
            limit=limit,
        )
        return CandidateList(tuple(found))

    def changes(self, since: str | datetime | timedelta) -> QTable:
        """Sources that are new, vanished or strongly changed between exposures, the most significant first.

        Parameters
        ----------
        since : str, datetime or timedelta
            Changes that observations stored since then show; see `candidates`.

        Returns
        -------
        QTable
            The detections with ``long_term_false_alarm_probability`` of at most 0.001, candidates or not.
        """
        from xherald.detector.candidates.change_evidence import change_to_json
        from xherald.detector.candidates.long_term_changes import search_stored_observations
        from xherald.detector.results.schema import LONG_TERM_CHANGE_FIELDS
        from xherald.detector.results.tables import make_qtable

        found = search_stored_observations(self.store.field_histories(parse_since(since))).changes
        rows = [change_to_json(one) for one in found]
        return make_qtable(
            LONG_TERM_CHANGE_FIELDS, [[row[one.name] for row in rows] for one in LONG_TERM_CHANGE_FIELDS]
        )

    def record_verdict(
        self,
        candidate_id: str,
        verdict: str | VettingDecision,
        *,
        author: str,
        comment: str = "",
        mute_for: str | timedelta | None = None,
        mute_radius_arcsec: float = DEFAULT_RADIUS_ARCSEC,
    ) -> RecordedVerdict:
        """Record what a person decided on a candidate.

        A verdict of artefact, not_variable or rejected retracts the candidate: alerts that were not sent yet are
        withdrawn, and sinks that announced it get a retraction with the comment.

        Parameters
        ----------
        candidate_id : str
        verdict : str
            "real", "known" (a real event of a source that is known to do this), "artefact", "not_variable", "rejected",
            "unsure", or the class of the source, such as "stellar_flare", which says that the event is real
            (`verdict_words.list_verdict_words`).
        author : str
        comment : str
            Required if the candidate is retracted.
        mute_for : str or timedelta, optional
            Mute its place for so long: "1y", "30d"; see `mute`.
        mute_radius_arcsec : float

        Raises
        ------
        ConfigError
            The verdict is unknown, a retraction has no comment, a text is too long, or the place cannot be muted.
        StoreError
            The store has no such candidate.
        """
        from xherald.daemon.alerts.retraction import vet_candidate
        from xherald.verdict_words import parse_verdict

        decision, source_class = parse_verdict(verdict)
        mute = None
        if mute_for is not None:  # first, since more can be wrong with it
            one = self.store.candidate(candidate_id).candidate
            if one.ra_deg is None or one.dec_deg is None:
                raise ConfigError(f"candidate {candidate_id}: has no position that could be muted")
            mute = self.mute(
                (one.ra_deg, one.dec_deg),
                author=author,
                radius_arcsec=mute_radius_arcsec,
                duration=mute_for,
                comment=comment,
                candidate_id=candidate_id,
            )
        retractions = vet_candidate(self.store, candidate_id, author, decision, comment, source_class)
        vetting = self.store.candidate(candidate_id).vettings[-1]
        return RecordedVerdict(candidate_id, vetting, retractions, mute)

    def counts(self) -> dict[str, int]:
        """Rows of each table."""
        return dict(self.store.row_counts())

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<StoreView of {self.url}>"

    def _repr_html_(self) -> str:
        from xherald.html import html_table

        rows: list[tuple[str, str]] = [("table", "rows"), *((name, str(n)) for name, n in self.counts().items())]
        return html_table(repr(self)[1:-1], rows)


def open_store(url: str | Path | None = None, *, create: bool = False) -> StoreView:
    """Open the daemon's store.

    Parameters
    ----------
    url : str or Path, optional
        ``sqlite:///store.sqlite``, ``postgresql://user@host/name`` or the path of an SQLite file; by default the store
        of the user's settings.
    create : bool
        Make it where it does not exist.

    Raises
    ------
    StoreError
        It does not exist, is of another version, or cannot be reached.
    """
    from xherald.catalog_store.ledger.store import open_store as open_ledger
    from xherald.detector.configuration.configuration import load_configuration

    where: Any = url if url is not None else load_configuration().settings.store.resolved_url
    text = str(where)
    return StoreView(open_ledger(text if "://" in text else f"sqlite:///{Path(text).absolute()}", create=create))
