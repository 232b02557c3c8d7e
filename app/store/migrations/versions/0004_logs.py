"""The last lines of containers that crashed."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, ForeignKeyConstraint, PrimaryKeyConstraint, String, Text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply this step; the cascade is for replicas of the version before, as with warnings."""
    op.create_table(
        "logtail",
        *(Column(name, String(), nullable=False) for name in ("key", "workload", "pod", "container")),
        Column("text", Text(), nullable=False),
        Column("read_at", DateTime(timezone=True), nullable=False),
        ForeignKeyConstraint(
            ["workload"], ["workload.key"], name=op.f("fk_logtail_workload"), ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("key", name=op.f("pk_logtail")),
    )
    op.create_index(op.f("ix_logtail_workload_read_at"), "logtail", ["workload", "read_at"])
    op.create_index(op.f("ix_logtail_read_at"), "logtail", ["read_at"])
