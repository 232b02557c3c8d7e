"""Gates with their votes and decisions, and freezes by hand."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Boolean, Column, DateTime, ForeignKeyConstraint, PrimaryKeyConstraint, String, Text

revision = "0012"
down_revision = "0011"


def text(*names: str) -> list[Column[str]]:
    """Columns of short text."""
    return [Column(name, String(), nullable=False) for name in names]


def long(*names: str) -> list[Column[str]]:
    """Columns of long text."""
    return [Column(name, Text(), nullable=False) for name in names]


def time(*names: str, nullable: bool = False) -> list[Column[object]]:
    """Columns of instants."""
    return [Column(name, DateTime(timezone=True), nullable=nullable) for name in names]


def of_gate(table: str) -> ForeignKeyConstraint:
    """The reference to the gate."""
    return ForeignKeyConstraint(["gate"], ["gate.id"], name=op.f(f"fk_{table}_gate"))


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "gate",
        *text("id", "key", "origin", "phase", "service", "environment", "workload"),
        *long("subject", "evidence"),
        *text("digest", "policy"),
        *time("opened_at", "expires_at"),
        *long("message"),
        *text("command"),
        *time("ended_at", nullable=True),
        PrimaryKeyConstraint("id", name=op.f("pk_gate")),
    )
    op.create_index("uq_gate_key", "gate", ["key"], unique=True)
    for column in ("phase", "workload", "opened_at"):
        op.create_index(op.f(f"ix_gate_{column}"), "gate", [column])
    op.create_table(
        "gatesheet",
        *text("gate", "digest"),
        *long("body"),
        *time("at"),
        PrimaryKeyConstraint("gate", "digest", name=op.f("pk_gatesheet")),
        of_gate("gatesheet"),
    )
    op.create_table(
        "gatevote",
        *text("gate", "person", "key"),
        *long("principal"),
        *text("digest"),
        *long("reason"),
        Column("override", Boolean(), nullable=False),
        *time("at"),
        PrimaryKeyConstraint("gate", "person", name=op.f("pk_gatevote")),
        of_gate("gatevote"),
    )
    op.create_index("uq_gatevote_person_key", "gatevote", ["person", "key"], unique=True)
    op.create_table(
        "gatedecision",
        *text("gate", "phase", "basis", "identity", "by"),
        *long("reason"),
        *text("digest"),
        *time("at"),
        PrimaryKeyConstraint("gate", name=op.f("pk_gatedecision")),
        of_gate("gatedecision"),
    )
    op.create_table(
        "freeze",
        *text("id", "environment", "service"),
        *long("reason"),
        *text("identity", "by"),
        *time("since"),
        *time("until", "lifted_at", nullable=True),
        PrimaryKeyConstraint("id", name=op.f("pk_freeze")),
    )
    op.create_index(op.f("ix_freeze_lifted_at"), "freeze", ["lifted_at"])
