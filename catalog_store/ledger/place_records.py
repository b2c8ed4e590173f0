"""What people decided about places on the sky: verdicts on candidates there, mutes, entries of watch lists."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from xherald.photons.errors import ConfigError

from .states import PlacePurpose, VettingDecision

__all__ = [
    "MAX_AUTHOR",
    "MAX_COMMENT",
    "MAX_RADIUS_ARCSEC",
    "MarkedPlace",
    "NearbyVetting",
    "PlaceNotes",
    "PlaceRemoval",
    "StoredPlace",
    "Vetting",
    "clean_line",
]

MAX_RADIUS_ARCSEC: Final = 3600.0
"""Largest radius of a mute or an entry of a watch list: a mistyped unit must not silence the sky."""

MAX_AUTHOR: Final = 100
MAX_NAME: Final = 100
MAX_COMMENT: Final = 1000
"""Longest texts, characters."""

CLASS_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
LIST_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def clean_line(text: str, what: str, limit: int) -> str:
    """A text as one line of printable characters: it is shown in terminals, mails and pages.

    Raises
    ------
    ConfigError
        It is longer than `limit`.
    """
    line = " ".join("".join(one for one in word if one.isprintable()) for word in text.split())
    line = " ".join(line.split())
    if len(line) > limit:
        raise ConfigError(f"{what}: {len(line):,} characters; at most {limit:,}")
    return line


def clean_author(author: str) -> str:
    """Name of a person, as `clean_line`.

    Raises
    ------
    ConfigError
        It is empty or too long.
    """
    name = clean_line(author, "author", MAX_AUTHOR)
    if not name:
        raise ConfigError("author: is empty; give the name of the person who decided")
    return name


@dataclass(frozen=True, slots=True)
class Vetting:
    """A verdict of a person on a candidate.

    Parameters
    ----------
    candidate_id : str
    author : str
    created : datetime
    verdict : VettingDecision
    comment : str
    source_class : str or None — of the source, such as stellar_flare; only of real events

    Raises
    ------
    ConfigError
        The class is not a name, the verdict cannot have one, the author is empty, or a text is too long.
    """

    candidate_id: str
    author: str
    created: datetime
    verdict: VettingDecision
    comment: str = ""
    source_class: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "author", clean_author(self.author))
        object.__setattr__(self, "comment", clean_line(self.comment, "comment", MAX_COMMENT))
        if self.source_class is None:
            return
        if not CLASS_NAME.fullmatch(self.source_class):
            raise ConfigError(f"class: {self.source_class!r} is not a name such as stellar_flare")
        if not self.verdict.is_real:
            raise ConfigError(f"class: only real events have one; the verdict is {self.verdict}")


@dataclass(frozen=True, slots=True)
class NearbyVetting:
    """A verdict on a candidate near a position.

    Parameters
    ----------
    vetting : Vetting
    separation_arcsec : float — of the candidate from the position
    pos_err_arcsec : float or None — of the candidate
    """

    vetting: Vetting
    separation_arcsec: float
    pos_err_arcsec: float | None


@dataclass(frozen=True, slots=True)
class MarkedPlace:
    """A circle on the sky that is muted or on a watch list.

    Parameters
    ----------
    purpose : PlacePurpose
    ra_deg, dec_deg : float — ICRS
    radius_arcsec : float — at most `MAX_RADIUS_ARCSEC`
    author, comment : str
    ends : datetime or None — until when; None for ever
    list_name : str — of the watch list; empty for a mute
    name : str — of the place; may be empty
    candidate_id : str or None — the candidate for which it was marked

    Raises
    ------
    ConfigError
        It is not a place on the sky, its radius or list name is invalid, the author empty, or a text too long.
    """

    purpose: PlacePurpose
    ra_deg: float
    dec_deg: float
    radius_arcsec: float
    author: str
    comment: str = ""
    ends: datetime | None = None
    list_name: str = ""
    name: str = ""
    candidate_id: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "author", clean_author(self.author))
        object.__setattr__(self, "comment", clean_line(self.comment, "comment", MAX_COMMENT))
        object.__setattr__(self, "name", clean_line(self.name, "name", MAX_NAME))
        if not (math.isfinite(self.ra_deg) and 0 <= self.ra_deg <= 360 and -90 <= self.dec_deg <= 90):
            raise ConfigError(f"RA {self.ra_deg}, Dec {self.dec_deg} deg: not a position on the sky")
        if not 0 < self.radius_arcsec <= MAX_RADIUS_ARCSEC:
            raise ConfigError(f"radius: {self.radius_arcsec:g} arcsec; must be above 0, at most {MAX_RADIUS_ARCSEC:g}")
        if self.ends is not None and self.ends.tzinfo is None:
            raise ConfigError(f"{self.ends}: has no time zone")
        if self.purpose is PlacePurpose.WATCH and not LIST_NAME.fullmatch(self.list_name):
            raise ConfigError(
                f"watch list: {self.list_name!r} is not a name of letters, digits, dots, dashes and underscores"
            )


@dataclass(frozen=True, slots=True)
class PlaceRemoval:
    """Who removed a marked place, when and why."""

    author: str
    created: datetime
    comment: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "author", clean_author(self.author))
        object.__setattr__(self, "comment", clean_line(self.comment, "comment", MAX_COMMENT))


@dataclass(frozen=True, slots=True)
class StoredPlace:
    """A marked place in the store.

    Parameters
    ----------
    id : int
    place : MarkedPlace
    created : datetime
    removal : PlaceRemoval or None
    """

    id: int
    place: MarkedPlace
    created: datetime
    removal: PlaceRemoval | None = None

    def is_active(self, now: datetime) -> bool:
        """Whether it was not removed and has not ended."""
        return self.removal is None and (self.place.ends is None or self.place.ends > now)


@dataclass(frozen=True, slots=True)
class PlaceNotes:
    """What people decided about a position.

    Parameters
    ----------
    vettings : tuple of NearbyVetting — on candidates within the search radius, the latest first
    mutes, watched : tuple of StoredPlace — active ones that contain the position, the latest first
    """

    vettings: tuple[NearbyVetting, ...] = ()
    mutes: tuple[StoredPlace, ...] = ()
    watched: tuple[StoredPlace, ...] = ()
