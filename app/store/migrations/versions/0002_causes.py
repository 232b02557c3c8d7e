"""Why a rollout was made, and what the step of a transition is known by."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, String

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply this step; the defaults are for replicas of the version before, which do not know the columns."""
    op.add_column("rollout", Column("cause", String(), nullable=False, server_default=""))
    op.add_column("transition", Column("label", String(), nullable=False, server_default=""))
