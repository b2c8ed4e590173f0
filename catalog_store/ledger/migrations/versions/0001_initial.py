"""Create all tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON_OBJECT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=16)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "drops",
        sa.Column("id", ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime", sa.Double(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column(
            "state",
            _enum(
                "state",
                "seen",
                "stable",
                "claimed",
                "processed",
                "alerted",
                "quarantined",
                "skipped",
                "superseded",
                "duplicate",
            ),
            nullable=False,
        ),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("claim_expires", sa.BigInteger(), nullable=True),
        sa.Column("not_before", sa.BigInteger(), nullable=True),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("unchanged_since", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("superseded_by", ID, nullable=True),
        sa.ForeignKeyConstraint(["superseded_by"], ["drops.id"], name="fk_drops_superseded_by"),
        sa.PrimaryKeyConstraint("id", name="pk_drops"),
        sa.UniqueConstraint("url", "source", "size", "mtime", "etag", name="uq_drops_url_source_size_mtime_etag"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_drops_state", "drops", ["state", "id"], unique=False)
    op.create_index("ix_drops_superseded_by", "drops", ["superseded_by"], unique=False)
    op.create_index(
        "uq_drops_sha256",
        "drops",
        ["sha256"],
        unique=True,
        sqlite_where=sa.text("state != 'duplicate'"),
        postgresql_where=sa.text("state != 'duplicate'"),
    )
    op.create_table(
        "runs",
        sa.Column("id", ID, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column("settings_hash", sa.Text(), nullable=False),
        sa.Column("calibration", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("digest", name="uq_runs_digest"),
    )
    op.create_table(
        "observations",
        sa.Column("id", ID, nullable=False),
        sa.Column("drop_id", ID, nullable=False),
        sa.Column("run_id", ID, nullable=False),
        sa.Column("mission", sa.Text(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("obs_id", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("processing_version", sa.Text(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=True),
        sa.Column("stop", sa.BigInteger(), nullable=True),
        sa.Column("exposure_s", sa.Double(), nullable=True),
        sa.Column("ra_deg", sa.Double(), nullable=True),
        sa.Column("dec_deg", sa.Double(), nullable=True),
        sa.Column("healpix", sa.BigInteger(), nullable=True),
        sa.Column("details", JSON_OBJECT, nullable=False),
        sa.Column("coverage", JSON_OBJECT, nullable=False),
        sa.Column("detection_count", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("pruned", sa.BigInteger(), nullable=True),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("superseded_by", ID, nullable=True),
        sa.ForeignKeyConstraint(["drop_id"], ["drops.id"], name="fk_observations_drop_id"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_observations_run_id"),
        sa.ForeignKeyConstraint(["superseded_by"], ["observations.id"], name="fk_observations_superseded_by"),
        sa.PrimaryKeyConstraint("id", name="pk_observations"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_observations_drop_id", "observations", ["drop_id"], unique=False)
    op.create_index("ix_observations_healpix", "observations", ["healpix"], unique=False)
    op.create_index("ix_observations_created", "observations", ["created"], unique=False)
    op.create_index(
        "ix_observations_current",
        "observations",
        ["obs_id", "mission", "instrument", "part"],
        unique=False,
        sqlite_where=sa.text("is_current AND obs_id <> ''"),
        postgresql_where=sa.text("is_current AND obs_id <> ''"),
    )
    op.create_table(
        "shared_states",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", JSON_OBJECT, nullable=True),
        sa.Column("run_id", ID, nullable=True),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_shared_states_run_id"),
        sa.PrimaryKeyConstraint("name", name="pk_shared_states"),
    )
    op.create_table(
        "detections",
        sa.Column("observation_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run_id", ID, nullable=False),
        sa.Column("detection_id", sa.Text(), nullable=False),
        sa.Column("ra_deg", sa.Double(), nullable=True),
        sa.Column("dec_deg", sa.Double(), nullable=True),
        sa.Column("healpix", sa.BigInteger(), nullable=True),
        sa.Column("pos_err_arcsec", sa.Double(), nullable=True),
        sa.Column("counts", sa.BigInteger(), nullable=False),
        sa.Column("background_counts", sa.Double(), nullable=False),
        sa.Column("livetime_s", sa.Double(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("false_alarm_probability", sa.Double(), nullable=True),
        sa.Column("extrapolated", sa.Boolean(), nullable=True),
        sa.Column("far_hz", sa.Double(), nullable=True),
        sa.Column("details", JSON_OBJECT, nullable=False),
        sa.ForeignKeyConstraint(["observation_id"], ["observations.id"], name="fk_detections_observation_id"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_detections_run_id"),
        sa.PrimaryKeyConstraint("observation_id", "number", name="pk_detections"),
    )
    op.create_index("ix_detections_healpix", "detections", ["healpix"], unique=False)
    op.create_table(
        "candidates",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("observation_id", ID, nullable=False),
        sa.Column("detection_number", sa.Integer(), nullable=False),
        sa.Column("run_id", ID, nullable=False),
        sa.Column("state", _enum("state", "standing", "superseded", "retracted"), nullable=False),
        sa.Column("alert_type", _enum("alert_type", "initial", "update", "retraction"), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("likely_class", sa.Text(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("far_hz", sa.Double(), nullable=True),
        sa.Column("healpix", sa.BigInteger(), nullable=True),
        sa.Column("evidence", JSON_OBJECT, nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["observation_id", "detection_number"],
            ["detections.observation_id", "detections.number"],
            name="fk_candidates_observation_id_detection_number",
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_candidates_run_id"),
        sa.PrimaryKeyConstraint("id", name="pk_candidates"),
    )
    op.create_index("ix_candidates_created", "candidates", ["created"], unique=False)
    op.create_index("ix_candidates_healpix", "candidates", ["healpix"], unique=False)
    op.create_index(
        "ix_candidates_observation_id_detection_number",
        "candidates",
        ["observation_id", "detection_number"],
        unique=False,
    )
    op.create_table(
        "candidate_detections",
        sa.Column("observation_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("candidate_id", sa.Text(), nullable=False),
        sa.Column("run_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("likely_class", sa.Text(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("far_hz", sa.Double(), nullable=True),
        sa.Column("evidence", JSON_OBJECT, nullable=False),
        sa.ForeignKeyConstraint(
            ["observation_id", "number"],
            ["detections.observation_id", "detections.number"],
            name="fk_candidate_detections_observation_id_number",
        ),
        sa.ForeignKeyConstraint(["candidate_id"], ["candidates.id"], name="fk_candidate_detections_candidate_id"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_candidate_detections_run_id"),
        sa.PrimaryKeyConstraint("observation_id", "number", name="pk_candidate_detections"),
    )
    op.create_index("ix_candidate_detections_candidate_id", "candidate_detections", ["candidate_id"], unique=False)
    op.create_table(
        "alerts",
        sa.Column("seq", ID, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("sink", sa.Text(), nullable=False),
        sa.Column("candidate_id", sa.Text(), nullable=False),
        sa.Column("run_id", ID, nullable=True),
        sa.Column("alert_type", _enum("alert_type", "initial", "update", "retraction"), nullable=False),
        sa.Column("payload", JSON_OBJECT, nullable=False),
        sa.Column("state", _enum("state", "pending", "sent", "failed", "digested", "withdrawn"), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt", sa.BigInteger(), nullable=False),
        sa.Column("leased_by", sa.Text(), nullable=True),
        sa.Column("leased_until", sa.BigInteger(), nullable=True),
        sa.Column("receipt", JSON_OBJECT, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["candidate_id"], ["candidates.id"], name="fk_alerts_candidate_id"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_alerts_run_id"),
        sa.PrimaryKeyConstraint("seq", name="pk_alerts"),
        sa.UniqueConstraint("id", "sink", name="uq_alerts_id_sink"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alerts_candidate_id", "alerts", ["candidate_id"], unique=False)
    op.create_index("ix_alerts_state_next_attempt", "alerts", ["state", "next_attempt"], unique=False)
    op.create_index("ix_alerts_state_closed", "alerts", ["state", "closed"], unique=False)
    op.create_table(
        "vettings",
        sa.Column("id", ID, nullable=False),
        sa.Column("candidate_id", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("verdict", _enum("verdict", "confirmed", "rejected", "unsure"), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["candidate_id"], ["candidates.id"], name="fk_vettings_candidate_id"),
        sa.PrimaryKeyConstraint("id", name="pk_vettings"),
    )
    op.create_index("ix_vettings_candidate_id", "vettings", ["candidate_id"], unique=False)
    op.create_table(
        "map_tiles",
        sa.Column("observation_id", ID, nullable=False),
        sa.Column("uniq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("background_peak", sa.Double(), nullable=False),
        sa.Column("livetime_peak", sa.Double(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("point_spread", JSON_OBJECT, nullable=False),
        sa.ForeignKeyConstraint(["observation_id"], ["observations.id"], name="fk_map_tiles_observation_id"),
        sa.PrimaryKeyConstraint("observation_id", "uniq", name="pk_map_tiles"),
    )
    op.create_index("ix_map_tiles_uniq", "map_tiles", ["uniq", "observation_id"], unique=False)
