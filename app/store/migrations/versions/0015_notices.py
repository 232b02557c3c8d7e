"""What is told to people: notices and the messages about them."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, ForeignKeyConstraint, Integer, PrimaryKeyConstraint, String, Text

revision = "0015"
down_revision = "0014"


def text(*names: str) -> list[Column[str]]:
    """Columns of short text."""
    return [Column(name, String(), nullable=False) for name in names]


def time(*names: str, nullable: bool = False) -> list[Column[object]]:
    """Columns of instants."""
    return [Column(name, DateTime(timezone=True), nullable=nullable) for name in names]


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "notice",
        *text("key"),
        Column("body", Text(), nullable=False),
        *time("noticed_at"),
        PrimaryKeyConstraint("key", name=op.f("pk_notice")),
    )
    op.create_index(op.f("ix_notice_noticed_at"), "notice", ["noticed_at"])
    op.create_table(
        "message",
        Column("id", Integer(), nullable=False),
        *text("target", "notice", "thread", "state"),
        Column("tries", Integer(), nullable=False),
        *text("batch", "reason", "ref"),
        *time("made_at", "due_at"),
        *time("done_at", nullable=True),
        PrimaryKeyConstraint("id", name=op.f("pk_message")),
        ForeignKeyConstraint(["notice"], ["notice.key"], name=op.f("fk_message_notice")),
    )
    for columns, unique in (
        (("target", "notice"), True),
        (("state", "target", "id"), False),
        (("target", "thread"), False),
        (("target", "done_at"), False),
        (("made_at",), False),
    ):
        op.create_index(op.f(f"ix_message_{'_'.join(columns)}"), "message", list(columns), unique=unique)
