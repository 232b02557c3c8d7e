"""Looks at CI, as webhooks would tell them."""

from datetime import datetime, timedelta
from hashlib import sha1, sha256

from app.domain.ci import (
    ArtifactSeen,
    CiFact,
    CiOutcome,
    CiPhase,
    CommitSeen,
    DeploymentSeen,
    JobSeen,
    RunSeen,
    Status,
)
from app.domain.converge import mark


def sha_of(text: str) -> str:
    """A commit's id, always the same for the same text."""
    return sha1(text.encode(), usedforsecurity=False).hexdigest()


def pushed(
    service: str, version: str, at: datetime, title: str = "A change", branch: str = "main"
) -> CommitSeen:
    """The commit that `version` of a service is built from."""
    return CommitSeen(
        repo=f"github.com/acme/{service}",
        sha=sha_of(f"{service} {version}"),
        mark=mark(0, at),
        title=title,
        author="ada",
        branch=branch,
        committed_at=at,
        pushed_at=at,
    )


def made(service: str, version: str, at: datetime) -> ArtifactSeen:
    """The image of `version`."""
    return ArtifactSeen(
        digest=f"sha256:{sha256(f'{service}{version}'.encode()).hexdigest()}",
        mark=mark(0, at),
        name=f"registry.example/{service}",
        tag=version,
        repo=f"github.com/acme/{service}",
        sha=sha_of(f"{service} {version}"),
        built_at=at,
    )


def ran(
    service: str,
    version: str,
    at: datetime,
    stages: dict[str, float] | None = None,
    *,
    fails: str = "",
    running: bool = False,
    branch: str = "main",
    title: str = "A change",
    url: str = "",
) -> list[CiFact]:
    """A run on the commit of `version` that began at `at`, with one job a stage, one after the other."""
    repo, host = f"github.com/acme/{service}", "github.com"
    told = stages or {"unit": 120.0}
    whole = timedelta(seconds=sum(told.values()))
    outcome = CiOutcome.FAILURE if fails else CiOutcome.SUCCESS
    status = Status(CiPhase.RUNNING) if running else Status(CiPhase.DONE, outcome)
    run = RunSeen(
        provider="github",
        host=host,
        project=service,
        run=f"{version}-{branch}",
        attempt=1,
        repo=repo,
        mark=mark(1, at),
        pipeline="CI",
        number=1,
        event="push",
        branch=branch,
        sha=sha_of(f"{service} {version}"),
        title=title,
        actor="ada",
        url=url or None,
        created_at=at,
        started_at=at,
        finished_at=None if running else at + whole,
        status=status,
    )
    found: list[CiFact] = [run]
    start = at
    for name, seconds in told.items():
        end = start + timedelta(seconds=seconds)
        bad = CiOutcome.FAILURE if name == fails else CiOutcome.SUCCESS
        found.append(
            JobSeen(
                provider="github",
                host=host,
                job=f"{version}-{branch}-{name}",
                run=run.key,
                repo=repo,
                mark=mark(1, at),
                name=name,
                created_at=at,
                started_at=start,
                finished_at=None if running else end,
                status=Status(CiPhase.RUNNING) if running else Status(CiPhase.DONE, bad),
            )
        )
        start = end
    return found


def reported(
    service: str, version: str, at: datetime, outcome: CiOutcome = CiOutcome.SUCCESS
) -> DeploymentSeen:
    """What CI says of a deployment to production that ended at `at`."""
    return DeploymentSeen(
        provider="github",
        host="github.com",
        project=service,
        deployment=f"{version}-{at:%Y%m%d%H%M%S}",
        repo=f"github.com/acme/{service}",
        mark=mark(1, at),
        environment="production",
        sha=sha_of(f"{service} {version}"),
        actor="argocd",
        created_at=at - timedelta(minutes=4),
        finished_at=at,
        status=Status(CiPhase.DONE, outcome),
    )
