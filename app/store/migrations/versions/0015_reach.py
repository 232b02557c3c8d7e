"""Incidents say when they were told of and whether that was taken back; commits, as what they landed; tokens, for which
repositories they may report."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, String

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Apply this step."""
    op.add_column("incident", Column("told_at", DateTime(timezone=True), nullable=True))
    op.add_column("incident", Column("withdrawn_at", DateTime(timezone=True), nullable=True))
    op.add_column("git_commit", Column("landed", String(), nullable=True))
    op.add_column("token", Column("repositories", String(), nullable=True))
