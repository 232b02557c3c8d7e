"""What became of a revision is looked up by its key, and what landed as another commit without all that did not; and
where no provider tells which run made an image, the index of those runs is empty rather than one long list of nothing,
which a planner that counts would not use."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Apply this step."""
    op.create_index(op.f("ix_rollout_workload_to_revision"), "rollout", ["workload", "to_revision"])
    op.create_index(op.f("ix_transition_workload_revision"), "transition", ["workload", "revision"])
    landed = text("landed IS NOT NULL")
    op.create_index(
        "ix_git_commit_landed", "git_commit", ["repo", "at"], sqlite_where=landed, postgresql_where=landed
    )
    told, name = text("run IS NOT NULL"), op.f("ix_artifact_run")
    op.drop_index(name, "artifact")
    op.create_index(name, "artifact", ["run"], sqlite_where=told, postgresql_where=told)
