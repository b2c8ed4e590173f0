"""Candidates of the store for reading: as JSON rows and as astropy tables, with the names and units of all results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from xherald.photons.sky_position import format_sexagesimal, to_galactic

from .schema import Field, get_field
from .tables import make_field_column, make_qtable
from .version import code_version

if TYPE_CHECKING:
    from astropy.table import QTable, Table

    from xherald.catalog_store.ledger.records import StoredCandidate

__all__ = ["FIELDS", "to_json_row", "to_qtable", "to_table"]

ATTRIBUTES: Final = {
    "candidate_id": "id",
    "created_utc": "created",
    "updated_utc": "updated",
    "observation_start_utc": "start",
}
"""Attributes of `StoredCandidate` that are not named as the field."""

NOTATIONS: Final[Mapping[str, Callable[[float, float], Any]]] = {
    "sexagesimal": format_sexagesimal,
    "galactic_longitude_deg": lambda ra_deg, dec_deg: to_galactic(ra_deg, dec_deg)[0],
    "galactic_latitude_deg": lambda ra_deg, dec_deg: to_galactic(ra_deg, dec_deg)[1],
}
"""The position in other notations, by field."""

FIELDS: Final[tuple[Field, ...]] = tuple(
    get_field(name)
    for name in (
        "candidate_id",
        "created_utc",
        "updated_utc",
        "state",
        "alert_type",
        "mission",
        "instrument",
        "obs_id",
        "observation_start_utc",
        "detection_id",
        "ra_deg",
        "dec_deg",
        "pos_err_arcsec",
        "sexagesimal",
        "galactic_longitude_deg",
        "galactic_latitude_deg",
        "kind",
        "likely_class",
        "score",
        "false_alarm_probability",
        "extrapolated",
        "far_hz",
        "interest",
        "known_source",
        "association_probability",
        "long_term_change",
        "long_term_false_alarm_probability",
        "counts",
        "livetime_s",
        "url",
    )
)
"""Columns of a table of candidates, in their order."""


def to_json_row(candidate: StoredCandidate) -> dict[str, Any]:
    """A candidate in JSON's own types, evidence included; None where unknown."""
    return {**{one.name: _get_value(candidate, one.name) for one in FIELDS}, "evidence": dict(candidate.evidence)}


def to_table(candidates: Sequence[StoredCandidate]) -> Table:
    """Candidates as a `Table` of plain columns, for files; UTC dates are ISO 8601 strings, unknown values masked."""
    from astropy.table import Table

    table = Table()
    for one in FIELDS:
        table[one.name] = make_field_column(one, [_get_value(candidate, one.name) for candidate in candidates])
    table.meta["CREATOR"] = f"xherald {code_version()}"
    return table


def to_qtable(candidates: Sequence[StoredCandidate]) -> QTable:
    """Candidates as a `QTable` with quantities and times, in the given order."""
    return make_qtable(FIELDS, [[_get_value(candidate, one.name) for candidate in candidates] for one in FIELDS])


def _get_value(candidate: StoredCandidate, name: str) -> Any:
    if name in NOTATIONS:
        ra_deg, dec_deg = candidate.ra_deg, candidate.dec_deg
        return None if ra_deg is None or dec_deg is None else NOTATIONS[name](ra_deg, dec_deg)
    value = getattr(candidate, ATTRIBUTES.get(name, name), candidate.evidence.get(name))
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value.value if isinstance(value, Enum) else value
