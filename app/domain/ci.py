"""What CI tells: commits, pipeline runs by attempt, jobs, artifacts, and deployments as CI reports them. Pure.

Each fact is one look at one thing, keyed by what the provider calls it, so that looks converge (`converge`).
A status is two fields and the raw word: `phase`, how far it is, and `outcome`, how it ended. None means "this
look does not tell".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from .converge import Mark, Thing, look


class CiPhase(StrEnum):
    """How far a run, a job or a deployment is. BLOCKED waits for a person, a resource or a callback."""

    QUEUED = "queued"
    BLOCKED = "blocked"
    RUNNING = "running"
    DONE = "done"


class CiOutcome(StrEnum):
    """How it ended. PARTIAL is green with problems, FAILURE the code's fault, ERROR the infrastructure's."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILURE = "failure"
    ERROR = "error"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    NEUTRAL = "neutral"


RANKS = {CiPhase.QUEUED: 0, CiPhase.BLOCKED: 1, CiPhase.RUNNING: 1, CiPhase.DONE: 2}
"""A later one never goes back within an attempt; a run may wait and go on more than once."""


@dataclass(frozen=True, slots=True)
class Status:
    """Phase, outcome (None until DONE) and the provider's own word, never empty (ours, where it gave none)."""

    phase: CiPhase
    outcome: CiOutcome | None = None
    raw: str = ""

    def __post_init__(self) -> None:
        if not self.raw:
            object.__setattr__(self, "raw", str(self.outcome or self.phase))

    @property
    def rank(self) -> int:
        """How far it is, for `Mark`."""
        return RANKS[self.phase]

    def __str__(self) -> str:
        return f"{self.phase}/{self.outcome or ''}/{self.raw}"


def ident(*parts: str | int) -> str:
    """A short stable id (24 hex digits) of a natural key; fit for a URL."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:24]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSeen:
    """A look at one attempt of a pipeline run. `run` and `project` are the provider's ids, `repo` is a
    repository key (`repositories.repo_key`), `sha` the commit it is about, `built_sha` the temporary merge
    commit it built instead, where it did."""

    NATURAL: ClassVar = ("provider", "host", "project", "run", "attempt")
    EARLIEST: ClassVar = frozenset[str]()

    provider: str
    host: str
    project: str
    run: str
    attempt: int
    repo: str
    mark: Mark
    pipeline: str | None = None
    number: int | None = None
    event: str | None = None
    branch: str | None = None
    sha: str | None = None
    built_sha: str | None = None
    title: str | None = None
    actor: str | None = None
    url: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    status: Status | None = None

    @property
    def key(self) -> str:
        """Its id."""
        return ident("run", self.provider, self.host, self.project, self.run, self.attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSeen:
    """A look at a job. `job` is the provider's id of this attempt at it, `run` the key of its run; `group` is
    what the provider files it under (GitLab's and Azure's stage)."""

    NATURAL: ClassVar = ("provider", "host", "job", "run")
    EARLIEST: ClassVar = frozenset[str]()

    provider: str
    host: str
    job: str
    run: str
    repo: str
    mark: Mark
    name: str | None = None
    group: str | None = None
    runner: str | None = None
    url: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    status: Status | None = None

    @property
    def key(self) -> str:
        """Its id."""
        return ident("job", self.provider, self.host, self.run, self.job)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitSeen:
    """A look at a commit. `pushed_at` is the first time it was pushed; `change` names the pull or merge request
    it came by, with when that was opened and merged; `landed` is the commit that took it to the branch in its place."""

    NATURAL: ClassVar = ("repo", "sha")
    EARLIEST: ClassVar = frozenset({"pushed_at", "opened_at"})

    repo: str
    sha: str
    mark: Mark
    title: str | None = None
    author: str | None = None
    branch: str | None = None
    url: str | None = None
    change: str | None = None
    landed: str | None = None
    authored_at: datetime | None = None
    committed_at: datetime | None = None
    pushed_at: datetime | None = None
    opened_at: datetime | None = None
    merged_at: datetime | None = None

    @property
    def key(self) -> str:
        """Its id."""
        return ident("commit", self.repo, self.sha)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactSeen:
    """A look at what a build made, by digest ("sha256:…"), never by tag. `name` is the image's repository, `run`
    the key of the run that made it."""

    NATURAL: ClassVar = ("digest",)
    EARLIEST: ClassVar = frozenset({"built_at"})

    digest: str
    mark: Mark
    name: str | None = None
    tag: str | None = None
    repo: str | None = None
    sha: str | None = None
    run: str | None = None
    url: str | None = None
    built_at: datetime | None = None

    @property
    def key(self) -> str:
        """Its id: the digest."""
        return self.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSeen:
    """A look at a deployment as CI reports it. `superseded_at` is when a later one took its place; `run` is the
    key of the run that made it, `digest` what it shipped."""

    NATURAL: ClassVar = ("provider", "host", "project", "deployment")
    EARLIEST: ClassVar = frozenset({"created_at"})

    provider: str
    host: str
    project: str
    deployment: str
    repo: str
    mark: Mark
    environment: str | None = None
    sha: str | None = None
    ref: str | None = None
    digest: str | None = None
    run: str | None = None
    actor: str | None = None
    url: str | None = None
    created_at: datetime | None = None
    finished_at: datetime | None = None
    superseded_at: datetime | None = None
    status: Status | None = None

    @property
    def key(self) -> str:
        """Its id."""
        return ident("deployment", self.provider, self.host, self.project, self.deployment)


CiFact = RunSeen | JobSeen | CommitSeen | ArtifactSeen | DeploymentSeen


def thing(fact: CiFact) -> Thing:
    """What `fact` tells, apart from its natural key."""
    return look(fact.mark, {name: getattr(fact, name) for name in told_by(type(fact))})


_TOLD: dict[type[Any], tuple[str, ...]] = {
    kind: tuple(f.name for f in fields(kind) if f.name not in (*kind.NATURAL, "mark"))
    for kind in (RunSeen, JobSeen, CommitSeen, ArtifactSeen, DeploymentSeen)
}


def told_by(kind: type[Any]) -> tuple[str, ...]:
    """Names of the fields that looks of `kind` may tell."""
    return _TOLD[kind]
