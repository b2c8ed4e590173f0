"""Tables of the store; `migrations` makes them, `records` says what their columns mean.

One list of tables for SQLite and PostgreSQL. What must never be, the database itself refuses: two drops of one content,
two current processings of one observation, an alert without its candidate.
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

from .records import AlertState, AlertType, CandidateState, DropState, VettingDecision

__all__ = [
    "HEAD",
    "VERSION_TABLE",
    "Instant",
    "alerts",
    "candidates",
    "detections",
    "drops",
    "fields",
    "metadata",
    "observations",
    "runs",
    "stream_states",
    "vettings",
]

HEAD: Final = "0002"
"""Revision of the tables below: the last in `migrations`. Revisions sort as text."""

VERSION_TABLE: Final = "xherald_version"

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as microseconds since 1970: exact, and sorted alike, in both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Microseconds of an instant."""
        return None if value is None else (value - EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Instant of microseconds."""
        return None if value is None else EPOCH + timedelta(microseconds=value)


def _names(members: type[StrEnum]) -> Sequence[str]:
    return [member.value for member in members]


def _enum(members: type[StrEnum], name: str) -> Enum:
    return Enum(members, native_enum=False, create_constraint=True, length=16, values_callable=_names, name=name)


# SQLite numbers rows by itself only in a column that is INTEGER to the letter.
Id = BigInteger().with_variant(Integer, "sqlite")
Object = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

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
    Column("code", Text, nullable=False),
    Column("config", Text, nullable=False),
    Column("calibration", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("created", Instant, nullable=False),
)

drops = Table(
    "drops",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime", Double, nullable=False),
    Column("mark", Text, nullable=False),
    Column("state", _enum(DropState, "state"), nullable=False),
    Column("sha256", String(64)),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False),
    Column("claimed_by", Text),
    Column("claim_expires", Instant),
    Column("not_before", Instant),
    Column("seen", Instant, nullable=False),
    Column("steady_since", Instant, nullable=False),
    Column("changed", Instant, nullable=False),
    Column("superseded_by", Id, ForeignKey("drops.id")),
    UniqueConstraint("url", "source", "size", "mtime", "mark"),
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
    Column("start", Instant),
    Column("stop", Instant),
    Column("exposure_s", Double),
    Column("ra", Double),
    Column("dec", Double),
    Column("healpix", BigInteger, index=True),
    Column("facts", Object, nullable=False),
    Column("detections", Integer, nullable=False),
    Column("stored", Instant, nullable=False, index=True),
    Column("pruned", Instant),
    Column("current", Boolean(create_constraint=False), nullable=False),
    Column("superseded_by", Id, ForeignKey("observations.id")),
    sqlite_autoincrement=True,
)
IS_ONE_OF_ITS_KIND = text("current AND obs_id <> ''")
Index(
    "uq_observations_current",
    observations.c.obs_id,
    observations.c.mission,
    observations.c.instrument,
    observations.c.part,
    unique=True,
    sqlite_where=IS_ONE_OF_ITS_KIND,
    postgresql_where=IS_ONE_OF_ITS_KIND,
)

detections = Table(
    "detections",
    metadata,
    Column("observation_id", Id, ForeignKey("observations.id"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("run_id", Id, ForeignKey("runs.id"), nullable=False),
    Column("detection_id", Text, nullable=False),
    Column("ra", Double),
    Column("dec", Double),
    Column("healpix", BigInteger, index=True),
    Column("pos_err_arcsec", Double),
    Column("counts", BigInteger, nullable=False),
    Column("background_counts", Double, nullable=False),
    Column("livetime_s", Double, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("score", Double),
    Column("false_alarm_probability", Double),
    Column("far_hz", Double),
    Column("features", Object, nullable=False),
)

fields = Table(
    "fields",
    metadata,
    Column("observation_id", Id, ForeignKey("observations.id"), primary_key=True),
    Column("uniq", BigInteger, primary_key=True, autoincrement=False),
    Column("background_peak", Double, nullable=False),
    Column("livetime_peak", Double, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("spread", Object, nullable=False),
    Index("ix_fields_uniq", "uniq", "observation_id"),
)

candidates = Table(
    "candidates",
    metadata,
    Column("id", Text, primary_key=True),
    Column("observation_id", Id, nullable=False),
    Column("place", Integer, nullable=False),
    Column("run_id", Id, ForeignKey("runs.id"), nullable=False),
    Column("state", _enum(CandidateState, "state"), nullable=False),
    Column("alert_type", _enum(AlertType, "alert_type")),
    Column("kind", String(16), nullable=False),
    Column("source_class", Text, nullable=False),
    Column("score", Double),
    Column("far_hz", Double),
    Column("healpix", BigInteger, index=True),
    Column("evidence", Object, nullable=False),
    Column("created", Instant, nullable=False, index=True),
    Column("updated", Instant, nullable=False),
    ForeignKeyConstraint(["observation_id", "place"], ["detections.observation_id", "detections.place"]),
    Index("ix_candidates_observation_id_place", "observation_id", "place"),
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
    Column("payload", Object, nullable=False),
    Column("state", _enum(AlertState, "state"), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt", Instant, nullable=False),
    Column("leased_by", Text),
    Column("leased_until", Instant),
    Column("receipt", Object),
    Column("error", Text),
    Column("created", Instant, nullable=False),
    Column("settled", Instant),
    UniqueConstraint("id", "sink"),
    sqlite_autoincrement=True,
)
Index("ix_alerts_state_next_attempt", alerts.c.state, alerts.c.next_attempt)
Index("ix_alerts_state_settled", alerts.c.state, alerts.c.settled)

vettings = Table(
    "vettings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("candidate_id", Text, ForeignKey("candidates.id"), nullable=False, index=True),
    Column("who", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("verdict", _enum(VettingDecision, "verdict"), nullable=False),
    Column("comment", Text, nullable=False),
)

stream_states = Table(
    "stream_states",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Object),
    Column("run_id", Id, ForeignKey("runs.id")),
    Column("updated", Instant, nullable=False),
)
