"""People: local accounts, sessions, tokens, sign-ins under way and those that failed."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, Integer, PrimaryKeyConstraint, String, Text

revision = "0006"
down_revision = "0005"


def text(*names: str) -> list[Column[str]]:
    """Columns of text."""
    return [Column(name, String(), nullable=False) for name in names]


def time(*names: str, nullable: bool = False) -> list[Column[object]]:
    """Columns of instants."""
    return [Column(name, DateTime(timezone=True), nullable=nullable) for name in names]


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "account",
        *text("name", "display", "email"),
        Column("password", Text(), nullable=False),
        *text("grants", "groups"),
        *time("created_at", "changed_at"),
        *time("disabled_at", nullable=True),
        PrimaryKeyConstraint("name", name=op.f("pk_account")),
    )
    op.create_table(
        "session",
        *text("key", "ident", "issuer", "subject", "name", "email"),
        Column("groups", Text(), nullable=False),
        *text("how", "agent"),
        *time("created_at", "seen_at", "signed_in_at"),
        *time("ended_at", nullable=True),
        PrimaryKeyConstraint("key", name=op.f("pk_session")),
    )
    op.create_index(op.f("ix_session_issuer_subject"), "session", ["issuer", "subject"])
    op.create_index(op.f("ix_session_ident"), "session", ["ident"])
    op.create_table(
        "token",
        *text("key", "ident", "kind", "name", "issuer", "subject", "owner"),
        Column("groups", Text(), nullable=False),
        *text("roles", "environments", "verbs", "view", "source"),
        *time("created_at", "expires_at"),
        *time("used_at", "revoked_at", nullable=True),
        PrimaryKeyConstraint("key", name=op.f("pk_token")),
    )
    op.create_index(op.f("ix_token_issuer_subject"), "token", ["issuer", "subject"])
    op.create_index(op.f("ix_token_ident"), "token", ["ident"])
    op.create_table(
        "signin",
        *text("key"),
        Column("content", Text(), nullable=False),
        *time("expires_at"),
        PrimaryKeyConstraint("key", name=op.f("pk_signin")),
    )
    op.create_index(op.f("ix_signin_expires_at"), "signin", ["expires_at"])
    op.create_table(
        "attempt",
        Column("id", Integer(), nullable=False),
        *text("account", "source"),
        *time("at"),
        PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
    )
    op.create_index(op.f("ix_attempt_at"), "attempt", ["at"])
    op.create_index(op.f("ix_attempt_account_at"), "attempt", ["account", "at"])
    op.create_index(op.f("ix_attempt_source_at"), "attempt", ["source", "at"])
