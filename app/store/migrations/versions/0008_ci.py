"""CI: the inbox of webhooks, commits, pipeline runs and their jobs, artifacts, deployments that CI reports."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    Column,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
)

revision = "0008"
down_revision = "0007"


def _texts(*names: str, nullable: bool = False) -> list[Column[str]]:
    return [Column(name, String(), nullable=nullable) for name in names]


def _times(*names: str, nullable: bool = True) -> list[Column[object]]:
    return [Column(name, DateTime(timezone=True), nullable=nullable) for name in names]


def _numbers(*names: str, nullable: bool = False) -> list[Column[int]]:
    return [Column(name, Integer(), nullable=nullable) for name in names]


def _status() -> list[Column[str]]:
    return [*_texts("phase"), *_texts("outcome", nullable=True), *_texts("raw")]


def _index(table: str, *columns: str, unique: bool = False) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns), unique=unique)


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "inbox",
        *_numbers("id"),
        *_texts("hook", "provider", "delivery", "digest", "event"),
        *_times("received_at", nullable=False),
        Column("headers", Text(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        *_texts("state"),
        *_numbers("tries", "facts"),
        *_texts("reason"),
        *_times("done_at"),
        PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
    )
    _index("inbox", "hook", "delivery", unique=True)
    _index("inbox", "hook", "digest", unique=True)
    _index("inbox", "state", "id")
    _index("inbox", "received_at")
    _index("inbox", "hook", "received_at")
    op.create_table(
        "git_commit",
        *_texts("id", "repo", "sha"),
        *_times("at", nullable=False),
        *_texts("title", "author", "branch", "url", "change", nullable=True),
        *_times("authored_at", "committed_at", "pushed_at", "opened_at", "merged_at"),
        Column("marks", Text(), nullable=False),
        PrimaryKeyConstraint("id", name=op.f("pk_git_commit")),
    )
    op.create_table(
        "pipeline_run",
        *_texts("id", "provider", "host", "project", "run"),
        *_numbers("attempt"),
        *_texts("repo"),
        *_times("at", nullable=False),
        *_texts("pipeline", nullable=True),
        *_numbers("number", nullable=True),
        *_texts("event", "branch", "sha", "built_sha", "title", "actor", "url", nullable=True),
        *_times("created_at", "started_at", "finished_at"),
        *_status(),
        Column("services", Text(), nullable=False),
        Column("marks", Text(), nullable=False),
        PrimaryKeyConstraint("id", name=op.f("pk_pipeline_run")),
    )
    op.create_table(
        "run_service",
        *_texts("service", "run"),
        *_times("at", nullable=False),
        ForeignKeyConstraint(
            ["run"], ["pipeline_run.id"], name=op.f("fk_run_service_run"), ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("service", "run", name=op.f("pk_run_service")),
    )
    op.create_table(
        "pipeline_job",
        *_texts("id", "run", "provider", "host", "job", "repo", "stage"),
        *_texts("name", "group", "runner", "url", nullable=True),
        *_times("created_at", "started_at", "finished_at"),
        *_status(),
        Column("marks", Text(), nullable=False),
        ForeignKeyConstraint(
            ["run"], ["pipeline_run.id"], name=op.f("fk_pipeline_job_run"), ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("id", name=op.f("pk_pipeline_job")),
    )
    op.create_table(
        "artifact",
        *_texts("digest"),
        *_times("at", nullable=False),
        *_texts("name", "tag", "repo", "sha", "run", "url", nullable=True),
        *_times("built_at"),
        Column("marks", Text(), nullable=False),
        PrimaryKeyConstraint("digest", name=op.f("pk_artifact")),
    )
    op.create_table(
        "reported_deployment",
        *_texts("id", "provider", "host", "project", "deployment", "repo"),
        *_times("at", nullable=False),
        *_texts("environment", "sha", "ref", "digest", "run", "actor", "url", nullable=True),
        *_times("created_at", "finished_at", "superseded_at"),
        *_status(),
        Column("marks", Text(), nullable=False),
        PrimaryKeyConstraint("id", name=op.f("pk_reported_deployment")),
    )
    for table in ("git_commit", "pipeline_run", "artifact"):
        _index(table, "repo", "at")
    for table in ("git_commit", "pipeline_run", "artifact", "reported_deployment"):
        _index(table, "sha")
        _index(table, "at")
    _index("pipeline_run", "phase", "at")
    _index("run_service", "service", "at")
    _index("run_service", "run")
    _index("pipeline_job", "run")
    _index("artifact", "run")
    _index("reported_deployment", "repo", "environment", "at")
