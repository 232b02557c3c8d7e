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
    for statement in _GUARDS[op.get_context().dialect.name]:
        op.execute(statement)


_PRUNED = "coalesce((SELECT seq FROM auditmark WHERE name = 'checkpoint'), 0)"
_GUARDS = {
    "sqlite": (
        "CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit "
        "BEGIN SELECT RAISE(ABORT, 'an audit entry is never changed'); END",
        f"CREATE TRIGGER audit_kept BEFORE DELETE ON audit WHEN OLD.seq > {_PRUNED} "
        "BEGIN SELECT RAISE(ABORT, 'an audit entry is deleted only before the checkpoint'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION audit_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF TG_OP = 'UPDATE' THEN RAISE EXCEPTION 'an audit entry is never changed'; END IF; "
        f"IF OLD.seq > {_PRUNED} THEN "
        "RAISE EXCEPTION 'an audit entry is deleted only before the checkpoint'; END IF; "
        "RETURN OLD; END $$",
        "CREATE TRIGGER audit_guard BEFORE UPDATE OR DELETE ON audit "
        "FOR EACH ROW EXECUTE FUNCTION audit_guard()",
    ),
}
"""A slip of a program, or of a hand, is stopped here; whoever takes these away is found by the chain."""
