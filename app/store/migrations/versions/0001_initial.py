"""Workloads, their transitions and rollouts, and the sources they are known from."""

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
    Text,
)

revision = "0001"
down_revision = None


def text(name: str, *, nullable: bool = False) -> Column[str]:
    """A column of text."""
    return Column(name, String(), nullable=nullable)


def time(name: str, *, nullable: bool = False) -> Column[object]:
    """A column of instants."""
    return Column(name, DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Apply this step; there is no way back but the backup."""
    op.create_table(
        "source",
        *(text(name) for name in ("key", "cluster", "kind", "namespace", "freshness")),
        time("contact_at", nullable=True),
        time("seen_at"),
        text("message"),
        *(
            Column(name, Integer(), nullable=False)
            for name in ("objects", "lists", "watches", "events", "errors")
        ),
        Column("unreadable", Text(), nullable=False),
        PrimaryKeyConstraint("key", name=op.f("pk_source")),
    )
    op.create_table(
        "workload",
        *(text(name) for name in ("key", "cluster", "namespace", "kind", "name")),
        *(text(name) for name in ("service", "environment", "team", "engine")),
        *(text(name) for name in ("phase", "health", "attention")),
        Column("step", Integer(), nullable=True),
        text("revision", nullable=True),
        text("version"),
        time("revision_at", nullable=True),
        text("message"),
        Column("state", Text(), nullable=False),
        time("since"),
        time("seen_at"),
        time("gone_at", nullable=True),
        time("landed_at", nullable=True),
        text("rollout", nullable=True),
        PrimaryKeyConstraint("key", name=op.f("pk_workload")),
    )
    op.create_index(op.f("ix_workload_cluster_kind_namespace"), "workload", ["cluster", "kind", "namespace"])
    op.create_index(op.f("ix_workload_gone_at"), "workload", ["gone_at"])
    op.create_table(
        "rollout",
        *(text(name) for name in ("id", "workload", "service", "environment", "team", "strategy")),
        *(text(name) for name in ("from_revision", "from_version", "to_revision", "to_version")),
        Column("back", Boolean(), nullable=False),
        time("started_at"),
        time("ended_at", nullable=True),
        text("outcome", nullable=True),
        ForeignKeyConstraint(["workload"], ["workload.key"], name=op.f("fk_rollout_workload")),
        PrimaryKeyConstraint("id", name=op.f("pk_rollout")),
    )
    op.create_index(op.f("ix_rollout_workload_started_at"), "rollout", ["workload", "started_at"])
    op.create_index(op.f("ix_rollout_ended_at"), "rollout", ["ended_at"])
    op.create_table(
        "transition",
        Column("id", Integer(), nullable=False),
        text("workload"),
        time("at"),
        *(text(name) for name in ("before", "after", "revision", "version")),
        Column("step", Integer(), nullable=True),
        text("message"),
        ForeignKeyConstraint(["workload"], ["workload.key"], name=op.f("fk_transition_workload")),
        PrimaryKeyConstraint("id", name=op.f("pk_transition")),
    )
    op.create_index(op.f("ix_transition_workload_at"), "transition", ["workload", "at"])
    op.create_index(op.f("ix_transition_at"), "transition", ["at"])
