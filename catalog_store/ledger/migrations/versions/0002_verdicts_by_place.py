"""Add verdicts with classes, and marked places: mutes and watch lists."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=16)


def upgrade() -> None:
    """Create the tables and copy the verdicts: ``confirmed`` is now ``real``; why others were rejected is unknown."""
    op.create_table(
        "verdicts",
        sa.Column("id", ID, nullable=False),
        sa.Column("candidate_id", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column(
            "verdict",
            _enum("verdict", "real", "known", "artefact", "not_variable", "rejected", "unsure"),
            nullable=False,
        ),
        sa.Column("source_class", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["candidate_id"], ["candidates.id"], name="fk_verdicts_candidate_id"),
        sa.PrimaryKeyConstraint("id", name="pk_verdicts"),
    )
    op.create_index("ix_verdicts_candidate_id", "verdicts", ["candidate_id"], unique=False)
    op.execute(
        "INSERT INTO verdicts (candidate_id, author, created, verdict, comment) "
        "SELECT candidate_id, author, created, CASE verdict WHEN 'confirmed' THEN 'real' ELSE verdict END, comment "
        "FROM vettings ORDER BY id"
    )
    op.drop_table("vettings")
    op.create_table(
        "marked_places",
        sa.Column("id", ID, nullable=False),
        sa.Column("purpose", _enum("purpose", "mute", "watch"), nullable=False),
        sa.Column("list_name", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ra_deg", sa.Double(), nullable=False),
        sa.Column("dec_deg", sa.Double(), nullable=False),
        sa.Column("healpix", sa.BigInteger(), nullable=False),
        sa.Column("radius_arcsec", sa.Double(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=True),
        sa.Column("candidate_id", sa.Text(), nullable=True),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["candidate_id"], ["candidates.id"], name="fk_marked_places_candidate_id"),
        sa.PrimaryKeyConstraint("id", name="pk_marked_places"),
    )
    op.create_index("ix_marked_places_healpix", "marked_places", ["healpix"], unique=False)
    op.create_index("ix_marked_places_purpose_list_name", "marked_places", ["purpose", "list_name"], unique=False)
    op.create_table(
        "place_removals",
        sa.Column("place_id", ID, autoincrement=False, nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["place_id"], ["marked_places.id"], name="fk_place_removals_place_id"),
        sa.PrimaryKeyConstraint("place_id", name="pk_place_removals"),
    )
