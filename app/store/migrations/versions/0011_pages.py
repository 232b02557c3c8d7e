"""Incidents, and the indexes that pages of CI, the timeline and DORA read by."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, PrimaryKeyConstraint, String

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Apply this step."""
    texts = ("id", "service", "environment", "title", "source", "url", "deployment", "marked_by")
    op.create_table(
        "incident",
        *(Column(name, String(), nullable=False) for name in texts),
        Column("started_at", DateTime(timezone=True), nullable=False),
        Column("resolved_at", DateTime(timezone=True), nullable=True),
        PrimaryKeyConstraint("id", name=op.f("pk_incident")),
    )
    op.create_index(op.f("ix_incident_started_at"), "incident", ["started_at"])
    op.create_index(op.f("ix_incident_deployment"), "incident", ["deployment"])
    op.create_index(op.f("ix_rollout_environment_ended_at"), "rollout", ["environment", "ended_at"])
    names = ["service", "environment", "ended_at"]
    op.create_index(op.f("ix_rollout_service_environment_ended_at"), "rollout", names)
    op.create_index(op.f("ix_pipeline_run_branch_at"), "pipeline_run", ["branch", "at"])
    op.create_index(op.f("ix_artifact_tag_tag"), "artifact_tag", ["tag"])
