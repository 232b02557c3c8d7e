"""The tables of CI and of the inbox that its webhooks come in by.

Every row of a commit, run, job, artifact or deployment is a join of looks (domain.converge). `marks` keeps what the
next look is weighed against: {"field": [rank, microseconds]}, with the one most fields share under "". Columns
that are not told by looks are worked out from those that are: `at`, `stage`, `services`.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, ColumnElement, Index, LargeBinary, Table, Text, func, text
from sqlmodel import Field, SQLModel

from app.store.tables import METADATA


class Inbox(SQLModel, table=True):
    """A webhook as it came, committed before it was acknowledged. `delivery` is the sender's id of it (or the
    digest), `digest` the SHA-256 of the body; either one again is the same delivery. `headers` is a JSON object of
    the few that are needed.

    `state`: "new" waits for its turn, "done" was taken in, "ignored" says nothing we keep (`reason`), "dead"
    was refused or failed three times (`reason`); only dead ones may be replayed. `facts` counts what it gave.
    """

    __table_args__ = (
        Index(None, "hook", "delivery", unique=True),
        Index(None, "hook", "digest", unique=True),
        Index(None, "state", "id"),
        Index(None, "received_at"),
        Index(None, "hook", "received_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    hook: str
    provider: str
    delivery: str
    digest: str
    event: str
    received_at: datetime
    headers: str = Field(sa_type=Text)
    body: bytes = Field(sa_type=LargeBinary)
    state: str
    tries: int
    facts: int
    reason: str
    done_at: datetime | None


class Commit(SQLModel, table=True):
    """A commit; `repo` is a repository key ("github.com/acme/cart"), `sha` all of its id. `change` is the pull
    or merge request it came by, `landed` the commit that took it to the branch in its place, as a squash does;
    `pushed_at` is null when no push told of it."""

    __tablename__ = "git_commit"
    __table_args__ = (Index(None, "repo", "at"), Index(None, "sha"), Index(None, "at"))

    id: str = Field(primary_key=True)
    repo: str
    sha: str
    at: datetime
    title: str | None
    author: str | None
    branch: str | None
    url: str | None
    change: str | None
    landed: str | None
    authored_at: datetime | None
    committed_at: datetime | None
    pushed_at: datetime | None
    opened_at: datetime | None
    merged_at: datetime | None
    marks: str = Field(sa_type=Text)


class PipelineRun(SQLModel, table=True):
    """One attempt of a run. `phase`, `outcome` and `raw` are domain.ci.Status; a run known only by its jobs has
    their times and no `pipeline`. `at` (started, else created) is what lists are sorted by; `services` is a JSON
    array, and `run_service` has the same to search by."""

    __tablename__ = "pipeline_run"
    __table_args__ = (
        Index(None, "repo", "at"),
        Index(None, "sha"),
        Index(None, "at"),
        Index(None, "phase", "at"),
        Index(None, "branch", "at"),
    )

    id: str = Field(primary_key=True)
    provider: str
    host: str
    project: str
    run: str
    attempt: int
    repo: str
    at: datetime
    pipeline: str | None
    number: int | None
    event: str | None
    branch: str | None
    sha: str | None
    built_sha: str | None
    title: str | None
    actor: str | None
    url: str | None
    created_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    phase: str
    outcome: str | None
    raw: str
    services: str = Field(sa_type=Text)
    marks: str = Field(sa_type=Text)


class RunService(SQLModel, table=True):
    """That a run is one of a service's; `at` is the run's."""

    __tablename__ = "run_service"
    __table_args__ = (Index(None, "service", "at"), Index(None, "run"))

    service: str = Field(primary_key=True)
    run: str = Field(primary_key=True, foreign_key="pipeline_run.id", ondelete="CASCADE")
    at: datetime


class PipelineJob(SQLModel, table=True):
    """One attempt at a job of a run; `stage` is domain.jobs.JobStage, `group` the provider's own stage."""

    __tablename__ = "pipeline_job"
    __table_args__ = (Index(None, "run"),)

    id: str = Field(primary_key=True)
    run: str = Field(foreign_key="pipeline_run.id", ondelete="CASCADE")
    provider: str
    host: str
    job: str
    repo: str
    stage: str
    name: str | None
    group: str | None
    runner: str | None
    url: str | None
    created_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    phase: str
    outcome: str | None
    raw: str
    marks: str = Field(sa_type=Text)


class Artifact(SQLModel, table=True):
    """What a build made. `run` is a pipeline_run's id, which may not be known (yet), and mostly is not told."""

    __table_args__ = (
        Index(None, "repo", "at"),
        Index(None, "sha"),
        Index(None, "run", sqlite_where=text("run IS NOT NULL"), postgresql_where=text("run IS NOT NULL")),
        Index(None, "at"),
    )

    digest: str = Field(primary_key=True)
    at: datetime
    name: str | None
    tag: str | None
    repo: str | None
    sha: str | None
    run: str | None
    url: str | None
    built_at: datetime | None
    marks: str = Field(sa_type=Text)


class ReportedDeployment(SQLModel, table=True):
    """A deployment as CI reports it, which says nothing of what the cluster then did."""

    __tablename__ = "reported_deployment"
    __table_args__ = (
        Index(None, "repo", "environment", "at"),
        Index(None, "sha"),
        Index(None, "at"),
    )

    id: str = Field(primary_key=True)
    provider: str
    host: str
    project: str
    deployment: str
    repo: str
    at: datetime
    environment: str | None
    sha: str | None
    ref: str | None
    digest: str | None
    run: str | None
    actor: str | None
    url: str | None
    created_at: datetime | None
    finished_at: datetime | None
    superseded_at: datetime | None
    phase: str
    outcome: str | None
    raw: str
    marks: str = Field(sa_type=Text)


INBOX: Table = METADATA.tables["inbox"]
COMMIT: Table = METADATA.tables["git_commit"]
RUN: Table = METADATA.tables["pipeline_run"]
RUN_SERVICE: Table = METADATA.tables["run_service"]
JOB: Table = METADATA.tables["pipeline_job"]
ARTIFACT: Table = METADATA.tables["artifact"]
REPORTED: Table = METADATA.tables["reported_deployment"]


def beside(column: Column[str]) -> ColumnElement[str]:
    """`column` as a condition beside a better one, which no index is to be used for: SQLite has no statistics here, and
    takes all that a repository has had in years for as few rows as one commit has."""
    return func.coalesce(column, "")
