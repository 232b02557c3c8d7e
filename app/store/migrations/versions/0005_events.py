"""Events that are no warnings, how old pods ended in a rollout, and kinds that are not installed."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    String,
    true,
)

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply this step. `warning` stays for replicas of the version before, which read and write it; the defaults and
    the cascade are for them, too."""
    op.create_table(
        "event",
        *(Column(name, String(), nullable=False) for name in ("key", "workload")),
        Column("warning", Boolean(), nullable=False),
        *(Column(name, String(), nullable=False) for name in ("about", "reason", "message")),
        Column("times", Integer(), nullable=False),
        *(Column(name, DateTime(timezone=True), nullable=False) for name in ("first_at", "last_at")),
        ForeignKeyConstraint(
            ["workload"], ["workload.key"], name=op.f("fk_event_workload"), ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("key", name=op.f("pk_event")),
    )
    op.create_index(op.f("ix_event_workload_last_at"), "event", ["workload", "last_at"])
    op.create_index(op.f("ix_event_last_at"), "event", ["last_at"])
    op.execute(
        "INSERT INTO event (key, workload, warning, about, reason, message, times, first_at, last_at) "
        "SELECT key, workload, true, about, reason, message, times, first_at, last_at FROM warning"
    )
    for name in ("killed", "overran"):
        op.add_column("rollout", Column(name, Integer(), nullable=False, server_default="0"))
    op.add_column("source", Column("installed", Boolean(), nullable=False, server_default=true()))
