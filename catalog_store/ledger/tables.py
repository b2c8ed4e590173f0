"""Tables of the store, the same for SQLite and PostgreSQL; `records` documents their columns.

Constraints reject what must never happen: two drops with the same content, an alert without its candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

from .states import AlertState, AlertType, CandidateState, DropState, PlacePurpose, VettingDecision

__all__ = [
    "HEAD",
    "VERSION_TABLE",
    "UtcMicroseconds",
    "alerts",
    "candidate_detections",
    "candidates",
    "detections",
    "drops",
    "map_tiles",
    "marked_places",
    "metadata",
    "observations",
    "place_removals",
    "runs",
    "shared_states",
    "verdicts",
]

HEAD: Final = "0002"
"""Latest revision in `migrations`, which creates the tables below. Revisions sort as text."""

VERSION_TABLE: Final = "xherald_version"

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class UtcMicroseconds(TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds since 1970: exact and sortable in both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Convert a datetime to microseconds."""
        return None if value is None else (value - EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Convert microseconds to a datetime."""
        return None if value is None else EPOCH + timedelta(microseconds=value)


def _values(members: type[StrEnum]) -> Sequence[str]:
    return [member.value for member in members]


def _enum(members: type[StrEnum], name: str) -> Enum:
    return Enum(members, native_enum=False, create_constraint=True, length=16, values_callable=_values, name=name)


# SQLite generates ids only in a column declared INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")
JsonObject = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

runs = Table(
    "runs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("code_version", Text, nullable=False),
    Column("settings_hash", Text, nullable=False),
    Column("calibration", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("created", UtcMicroseconds, nullable=False),
)

drops = Table(
    "drops",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime", Double, nullable=False),
    Column("etag", Text, nullable=False),
    Column("state", _enum(DropState, "state"), nullable=False),
    Column("sha256", String(64)),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False),
    Column("claimed_by", Text),
    Column("claim_expires", UtcMicroseconds),
    Column("not_before", UtcMicroseconds),
    Column("first_seen", UtcMicroseconds, nullable=False),
    Column("unchanged_since", UtcMicroseconds, nullable=False),
    Column("updated", UtcMicroseconds, nullable=False),
    Column("superseded_by", Id, ForeignKey("drops.id")),
    UniqueConstraint("url", "source", "size", "mtime", "etag"),
    sqlite_autoincrement=True,
)
Index(
    "uq_drops_sha256",
    drops.c.sha256,
    unique=True,
    sqlite_where=drops.c.state != text("'duplicate'"),
    postgresql_where=drops.c.state != text("'duplicate'"),
)
Index("ix_drops_state", drops.c.state, drops.c.id)
Index("ix_drops_superseded_by", drops.c.superseded_by)

observations = Table(
    "observations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("drop_id", Id, ForeignKey("drops.id"), nullable=False, index=True),
    Column("run_id", Id, ForeignKey("runs.id"), nullable=False),
    Column("mission", Text, nullable=False),
    Column("instrument", Text, nullable=False),
    Column("obs_id", Text, nullable=False),
    Column("part", Text, nullable=False),
    Column("processing_version", Text, nullable=False),
    Column("start", UtcMicroseconds),
    Column("stop", UtcMicroseconds),
    Column("exposure_s", Double),
    Column("ra_deg", Double),
    Column("dec_deg", Double),
    Column("healpix", BigInteger, index=True),
    Column("details", JsonObject, nullable=False),
    Column("coverage", JsonObject, nullable=False),
    Column("detection_count", Integer, nullable=False),
    Column("created", UtcMicroseconds, nullable=False, index=True),
    Column("pruned", UtcMicroseconds),
    Column("is_current", Boolean(create_constraint=False), nullable=False),
    Column("superseded_by", Id, ForeignKey("observations.id")),
    sqlite_autoincrement=True,
)
IS_CURRENT_AND_NAMED = text("is_current AND obs_id <> ''")
# Not unique: lists of one observation with other good times are current beside each other.
Index(
    "ix_observations_current",
    observations.c.obs_id,
    observations.c.mission,
    observations.c.instrument,
    observations.c.part,
    sqlite_where=IS_CURRENT_AND_NAMED,
    postgresql_where=IS_CURRENT_AND_NAMED,
)

detections = Table(
    "detections",
    metadata,
    Column("observation_id", Id, ForeignKey("observations.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("run_id", Id, ForeignKey("runs.id"), nullable=False),
    Column("detection_id", Text, nullable=False),
    Column("ra_deg", Double),
    Column("dec_deg", Double),
    Column("healpix", BigInteger, index=True),
    Column("pos_err_arcsec", Double),
    Column("counts", BigInteger, nullable=False),
    Column("background_counts", Double, nullable=False),
    Column("livetime_s", Double, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("score", Double),
    Column("false_alarm_probability", Double),
    Column("extrapolated", Boolean(create_constraint=False)),
    Column("far_hz", Double),
    Column("details", JsonObject, nullable=False),
)

map_tiles = Table(
    "map_tiles",
    metadata,
    Column("observation_id", Id, ForeignKey("observations.id"), primary_key=True),
    Column("uniq", BigInteger, primary_key=True, autoincrement=False),
    Column("background_peak", Double, nullable=False),
    Column("livetime_peak", Double, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("point_spread", JsonObject, nullable=False),
    Index("ix_map_tiles_uniq", "uniq", "observation_id"),
)

candidates = Table(
    "candidates",
    metadata,
    Column("id", Text, primary_key=True),
    Column("observation_id", Id, nullable=False),
    Column("detection_number", Integer, nullable=False),
    Column("run_id", Id, ForeignKey("runs.id"), nullable=False),
    Column("state", _enum(CandidateState, "state"), nullable=False),
    Column("alert_type", _enum(AlertType, "alert_type")),
    Column("kind", String(16), nullable=False),
    Column("likely_class", Text),
    Column("score", Double),
    Column("far_hz", Double),
    Column("healpix", BigInteger, index=True),
    Column("evidence", JsonObject, nullable=False),
    Column("created", UtcMicroseconds, nullable=False, index=True),
    Column("updated", UtcMicroseconds, nullable=False),
    ForeignKeyConstraint(["observation_id", "detection_number"], ["detections.observation_id", "detections.number"]),
    Index("ix_candidates_observation_id_detection_number", "observation_id", "detection_number"),
)

candidate_detections = Table(
    "candidate_detections",
    metadata,
    Column("observation_id", Id, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("candidate_id", Text, ForeignKey("candidates.id"), nullable=False, index=True),
    Column("run_id", Id, ForeignKey("runs.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("likely_class", Text),
    Column("score", Double),
    Column("far_hz", Double),
    Column("evidence", JsonObject, nullable=False),
    ForeignKeyConstraint(["observation_id", "number"], ["detections.observation_id", "detections.number"]),
)

alerts = Table(
    "alerts",
    metadata,
    Column("seq", Id, primary_key=True),
    Column("id", Text, nullable=False),
    Column("sink", Text, nullable=False),
    Column("candidate_id", Text, ForeignKey("candidates.id"), nullable=False, index=True),
    Column("run_id", Id, ForeignKey("runs.id")),
    Column("alert_type", _enum(AlertType, "alert_type"), nullable=False),
    Column("payload", JsonObject, nullable=False),
    Column("state", _enum(AlertState, "state"), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt", UtcMicroseconds, nullable=False),
    Column("leased_by", Text),
    Column("leased_until", UtcMicroseconds),
    Column("receipt", JsonObject),
    Column("error", Text),
    Column("created", UtcMicroseconds, nullable=False),
    Column("closed", UtcMicroseconds),
    UniqueConstraint("id", "sink"),
    sqlite_autoincrement=True,
)
Index("ix_alerts_state_next_attempt", alerts.c.state, alerts.c.next_attempt)
Index("ix_alerts_state_closed", alerts.c.state, alerts.c.closed)

# Rows of the next three tables are never changed or deleted: they say who decided what, and when.
verdicts = Table(
    "verdicts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("candidate_id", Text, ForeignKey("candidates.id"), nullable=False, index=True),
    Column("author", Text, nullable=False),
    Column("created", UtcMicroseconds, nullable=False),
    Column("verdict", _enum(VettingDecision, "verdict"), nullable=False),
    Column("source_class", Text),
    Column("comment", Text, nullable=False),
)

marked_places = Table(
    "marked_places",
    metadata,
    Column("id", Id, primary_key=True),
    Column("purpose", _enum(PlacePurpose, "purpose"), nullable=False),
    Column("list_name", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("ra_deg", Double, nullable=False),
    Column("dec_deg", Double, nullable=False),
    Column("healpix", BigInteger, nullable=False, index=True),
    Column("radius_arcsec", Double, nullable=False),
    Column("ends", UtcMicroseconds),
    Column("candidate_id", Text, ForeignKey("candidates.id")),
    Column("author", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("created", UtcMicroseconds, nullable=False),
    Index("ix_marked_places_purpose_list_name", "purpose", "list_name"),
)

place_removals = Table(
    "place_removals",
    metadata,
    Column("place_id", Id, ForeignKey("marked_places.id"), primary_key=True, autoincrement=False),
    Column("author", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("created", UtcMicroseconds, nullable=False),
)

shared_states = Table(
    "shared_states",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", JsonObject),
    Column("run_id", Id, ForeignKey("runs.id")),
    Column("updated", UtcMicroseconds, nullable=False),
)
