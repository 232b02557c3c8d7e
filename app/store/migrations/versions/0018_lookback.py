"""What was shown at past instants: states of workloads and sources, and when anybody was looking."""

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

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Apply this step. Sources begin as they are; a workload's first state is kept when it is looked at next."""
    op.add_column("workload", Column("shown", String(), nullable=False, server_default=""))
    op.create_table(
        "state_change",
        Column("id", Integer(), nullable=False),
        Column("workload", String(), nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("state", Text(), nullable=False),
        ForeignKeyConstraint(
            ["workload"], ["workload.key"], name=op.f("fk_state_change_workload"), ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("id", name=op.f("pk_state_change")),
    )
    op.create_table(
        "source_change",
        Column("id", Integer(), nullable=False),
        Column("source", String(), nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        *(Column(name, String(), nullable=False) for name in ("cluster", "kind", "namespace", "freshness")),
        Column("contact_at", DateTime(timezone=True), nullable=True),
        Column("message", String(), nullable=False),
        Column("installed", Boolean(), nullable=False),
        PrimaryKeyConstraint("id", name=op.f("pk_source_change")),
    )
    op.create_table(
        "watch",
        Column("id", Integer(), nullable=False),
        Column("cluster", String(), nullable=False),
        Column("began_at", DateTime(timezone=True), nullable=False),
        Column("last_at", DateTime(timezone=True), nullable=False),
        PrimaryKeyConstraint("id", name=op.f("pk_watch")),
    )
    for table, one in (("state_change", "workload"), ("source_change", "source")):
        op.create_index(op.f(f"ix_{table}_{one}_at"), table, [one, "at"])
        op.create_index(op.f(f"ix_{table}_at"), table, ["at"])
    op.create_index(op.f("ix_watch_cluster_began_at"), "watch", ["cluster", "began_at"])
    op.create_index(op.f("ix_watch_last_at"), "watch", ["last_at"])
    names = "cluster, kind, namespace, freshness, contact_at, message, installed"
    op.execute(
        f"INSERT INTO source_change (source, at, {names}) SELECT key, seen_at, {names} FROM source"  # noqa: S608
    )
