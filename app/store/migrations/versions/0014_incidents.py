"""Incidents say when they were told of and whether that was taken back; commits, as what they landed; rollouts, whether
they were restarts; tokens, for which repositories they may report."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, String

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Apply this step."""
    op.add_column("incident", Column("told_at", DateTime(timezone=True), nullable=True))
    op.add_column("incident", Column("withdrawn_at", DateTime(timezone=True), nullable=True))
    op.add_column("git_commit", Column("landed", String(), nullable=True))
    op.add_column("rollout", Column("nature", String(), nullable=False, server_default="deployment"))
    op.execute(
        "UPDATE rollout SET nature = 'restart' WHERE from_version = to_version AND from_revision <> '' AND NOT back"
    )
    op.add_column("token", Column("repositories", String(), nullable=True))
