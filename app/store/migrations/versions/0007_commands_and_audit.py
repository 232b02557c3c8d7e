"""What was asked and what became of it, and the chain of audit entries."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, Integer, PrimaryKeyConstraint, String, Text

revision = "0007"
down_revision = "0006"


def text(*names: str) -> list[Column[str]]:
    """Columns of short text."""
    return [Column(name, String(), nullable=False) for name in names]


def long(*names: str) -> list[Column[str]]:
    """Columns of long text."""
    return [Column(name, Text(), nullable=False) for name in names]


def time(name: str, *, nullable: bool = False) -> Column[object]:
    """A column of instants."""
    return Column(name, DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Apply this step; there is no way back but the backup."""
    op.create_table(
        "command",
        *text("id", "principal", "key", "digest", "verb", "workload", "environment"),
        time("asked_at"),
        time("deadline"),
        *long("body"),
        *text("phase"),
        *long("message", "blocked_by"),
        *text("owner"),
        *(Column(name, Integer(), nullable=False) for name in ("beat", "tries")),
        *long("written"),
        time("sent_at", nullable=True),
        time("ended_at", nullable=True),
        PrimaryKeyConstraint("id", name=op.f("pk_command")),
    )
    op.create_index("uq_command_principal_key", "command", ["principal", "key"], unique=True)
    op.create_index(op.f("ix_command_phase"), "command", ["phase"])
    op.create_index(op.f("ix_command_workload_asked_at"), "command", ["workload", "asked_at"])
    op.create_index(op.f("ix_command_asked_at"), "command", ["asked_at"])
    op.create_table(
        "audit",
        Column("seq", Integer(), nullable=False, autoincrement=False),
        time("at"),
        *text("kind", "identity", "name", "session", "object", "environment", "verb"),
        *long("reason"),
        *text("digest"),
        *long("before", "after", "blocked_by"),
        *text("command", "request"),
        *long("result"),
        *text("mac"),
        PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    for columns in (["at"], ["identity"], ["command"]):
        op.create_index(op.f(f"ix_audit_{columns[0]}"), "audit", columns)
    marks = op.create_table(
        "auditmark",
        *text("name"),
        Column("seq", Integer(), nullable=False),
        *text("mac", "seal"),
        PrimaryKeyConstraint("name", name=op.f("pk_auditmark")),
    )
    op.bulk_insert(marks, [{"name": "head", "seq": 0, "mac": "", "seal": ""}])
