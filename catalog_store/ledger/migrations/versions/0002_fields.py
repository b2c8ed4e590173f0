"""Coarse maps of observations: what was seen at places where nothing was found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OBJECT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "fields",
        sa.Column("observation_id", ID, nullable=False),
        sa.Column("uniq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("background_peak", sa.Double(), nullable=False),
        sa.Column("livetime_peak", sa.Double(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("spread", OBJECT, nullable=False),
        sa.ForeignKeyConstraint(["observation_id"], ["observations.id"], name="fk_fields_observation_id"),
        sa.PrimaryKeyConstraint("observation_id", "uniq", name="pk_fields"),
    )
    op.create_index("ix_fields_uniq", "fields", ["uniq", "observation_id"], unique=False)
