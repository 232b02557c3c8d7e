"""How far rollouts were, look by look."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, ForeignKeyConstraint, Integer, PrimaryKeyConstraint, String

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Apply this step."""
    counts = ("new", "old", "wanted", "failing", "new_restarts", "old_restarts")
    op.create_table(
        "sample",
        Column("id", Integer(), nullable=False),
        Column("rollout", String(), nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        *(Column(name, Integer(), nullable=False) for name in counts),
        Column("asked", Integer(), nullable=True),
        Column("measured", Integer(), nullable=True),
        PrimaryKeyConstraint("id", name=op.f("pk_sample")),
        ForeignKeyConstraint(["rollout"], ["rollout.id"], name=op.f("fk_sample_rollout"), ondelete="CASCADE"),
    )
    op.create_index(op.f("ix_sample_rollout_at"), "sample", ["rollout", "at"])
