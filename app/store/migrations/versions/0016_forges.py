"""Calls to the forges that gates answer, and services that are let out of freezes."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, ForeignKeyConstraint, Integer, PrimaryKeyConstraint, String, Text

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "gatecall",
        *(Column(name, String(), nullable=False) for name in ("gate", "thread", "phase")),
        Column("tries", Integer(), nullable=False),
        Column("due_at", DateTime(timezone=True), nullable=False),
        Column("told_at", DateTime(timezone=True), nullable=True),
        Column("said", Text(), nullable=False),
        PrimaryKeyConstraint("gate", name=op.f("pk_gatecall")),
        ForeignKeyConstraint(["gate"], ["gate.id"], name=op.f("fk_gatecall_gate")),
    )
    op.create_index(op.f("ix_gatecall_thread"), "gatecall", ["thread"])
    op.create_index(op.f("ix_gatecall_phase_due_at"), "gatecall", ["phase", "due_at"])
    op.create_table(
        "freeze_exemption",
        *(Column(name, String(), nullable=False) for name in ("id", "freeze", "service", "identity", "by")),
        Column("reason", Text(), nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("until", DateTime(timezone=True), nullable=True),
        PrimaryKeyConstraint("id", name=op.f("pk_freeze_exemption")),
    )
    op.create_index(op.f("ix_freeze_exemption_until"), "freeze_exemption", ["until"])
