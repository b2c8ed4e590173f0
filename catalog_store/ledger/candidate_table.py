"""Candidates for reading: as rows in JSON's own types, and as a VOTable with units and meanings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from xherald.catalog_store.table_files import described_column

from .records import StoredCandidate

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["COLUMNS", "CandidateColumn", "as_row", "as_table"]


@dataclass(frozen=True, slots=True)
class CandidateColumn:
    """A column: name (an attribute of `StoredCandidate`), numpy kind, unit, UCD and description."""

    name: str
    kind: type
    unit: str
    ucd: str
    description: str


COLUMNS: Final = (
    CandidateColumn("id", str, "", "meta.id;meta.main", "candidate"),
    CandidateColumn("created", str, "", "time.creation", "when it was first kept, UTC"),
    CandidateColumn("updated", str, "", "time.processing", "when it last changed, UTC"),
    CandidateColumn("state", str, "", "meta.code.status", "standing, superseded or retracted"),
    CandidateColumn("alert_type", str, "", "meta.code.status", "latest alert: initial, update or retraction"),
    CandidateColumn("mission", str, "", "meta.id;instr.obsty", "mission as the file names it"),
    CandidateColumn("instrument", str, "", "meta.id;instr", "instrument as the file names it"),
    CandidateColumn("obs_id", str, "", "meta.id;obs", "observation"),
    CandidateColumn("start", str, "", "time.start;obs", "start of the observation, UTC"),
    CandidateColumn("detection_id", str, "", "meta.id;src", "source within the observation"),
    CandidateColumn("ra", float, "deg", "pos.eq.ra;meta.main", "right ascension, ICRS"),
    CandidateColumn("dec", float, "deg", "pos.eq.dec;meta.main", "declination, ICRS"),
    CandidateColumn("pos_err_arcsec", float, "arcsec", "stat.error.sys;pos.eq", "68 % radius"),
    CandidateColumn("kind", str, "", "meta.code.class;src.var", "flare or dip"),
    CandidateColumn("source_class", str, "", "src.class", "most probable class"),
    CandidateColumn("score", float, "", "stat.likelihood", "combined score"),
    CandidateColumn("false_alarm_probability", float, "", "stat.probability", "chance that a steady source does so"),
    CandidateColumn("far_hz", float, "Hz", "stat.probability;arith.rate", "rate of such false alarms"),
    CandidateColumn("counts", int, "ct", "phot.count;em.X-ray", "photons in the aperture"),
    CandidateColumn("livetime_s", float, "s", "time.duration;obs.exposure", "good time less dead time"),
    CandidateColumn("url", str, "", "meta.file", "event file"),
)


def as_row(candidate: StoredCandidate) -> dict[str, Any]:
    """A candidate in JSON's own types, evidence included; None where nothing is known."""
    return {
        **{column.name: _plain(getattr(candidate, column.name)) for column in COLUMNS},
        "evidence": dict(candidate.evidence),
    }


def as_table(candidates: Sequence[StoredCandidate]) -> Table:
    """Candidates as an astropy table, evidence left out; what is not known is masked."""
    import numpy as np
    from astropy.table import Table

    table = Table()
    for column in COLUMNS:
        values = [_plain(getattr(one, column.name)) for one in candidates]
        filler = {str: "", int: 0, float: np.nan}[column.kind]
        dtype = {str: None if candidates else "U1", int: np.int64, float: np.float64}[column.kind]
        table[column.name] = described_column(
            np.array([filler if value is None else value for value in values], dtype=dtype),
            None if column.kind is str else np.array([value is None for value in values], dtype=bool),
            unit=column.unit,
            ucd=column.ucd,
            description=column.description,
        )
    table.meta["CREATOR"] = "xherald"
    return table


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value.value if isinstance(value, Enum) else value
