"""Leases: which process does what only one may do."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, Integer, PrimaryKeyConstraint, String

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "lease",
        Column("name", String(), nullable=False),
        Column("owner", String(), nullable=False),
        Column("epoch", Integer(), nullable=False),
        Column("until", DateTime(timezone=True), nullable=False),
        PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
