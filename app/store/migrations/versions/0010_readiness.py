"""Whether a rollback would be accepted now, and when it was last proven."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Boolean, Column, DateTime, Integer, PrimaryKeyConstraint, String, Text

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Apply this step; there is no way back but the backup."""
    op.create_table(
        "readiness",
        Column("workload", String(), nullable=False),
        Column("revision", String(), nullable=False),
        Column("accepted", Boolean(), nullable=False),
        Column("rule", String(), nullable=False),
        Column("said", Text(), nullable=False),
        Column("target", String(), nullable=False),
        Column("version", String(), nullable=False),
        Column("checked_at", DateTime(timezone=True), nullable=False),
        Column("drilled_at", DateTime(timezone=True), nullable=True),
        Column("drill_seconds", Integer(), nullable=True),
        Column("drill_version", String(), nullable=False),
        PrimaryKeyConstraint("workload", name=op.f("pk_readiness")),
    )
    op.create_index(op.f("ix_readiness_checked_at"), "readiness", ["checked_at"])
