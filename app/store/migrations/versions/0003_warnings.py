"""Warnings of the cluster, copied before it forgets them."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, ForeignKeyConstraint, Integer, PrimaryKeyConstraint, String

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply this step. The cascade is for replicas of the version before, which delete workloads without knowing
    the table."""
    op.create_table(
        "warning",
        *(
            Column(name, String(), nullable=False)
            for name in ("key", "workload", "about", "reason", "message")
        ),
        Column("times", Integer(), nullable=False),
        *(Column(name, DateTime(timezone=True), nullable=False) for name in ("first_at", "last_at")),
        ForeignKeyConstraint(
            ["workload"], ["workload.key"], name=op.f("fk_warning_workload"), ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("key", name=op.f("pk_warning")),
    )
    op.create_index(op.f("ix_warning_workload_last_at"), "warning", ["workload", "last_at"])
    op.create_index(op.f("ix_warning_last_at"), "warning", ["last_at"])
