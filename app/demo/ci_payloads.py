"""What GitHub would send of the demo's fleet: payloads of its shapes, from a build's state. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Obj = dict[str, Any]
OWNER = "acme"
REGISTRY = "ghcr.io/acme"
JOBS = (
    ("lint", 0.0, 22.0),
    ("unit tests", 0.0, 65.0),
    ("build image", 22.0, 58.0),
    ("security scan", 80.0, 35.0),
    ("integration tests", 80.0, 95.0),
)
"""Name, start and length in seconds."""
PEOPLE = ("ada", "grace", "linus", "margaret", "ken", "barbara", "edsger", "radia")
TITLES = (
    "Round half up where totals are shown",
    "Retry the rates call once",
    "Cache the catalogue for a minute",
    "Drop the old price format",
    "Name the tenant in every log line",
    "Read the limit from the settings",
    "Fail early when the queue is full",
    "Use the new index for suggestions",
    "Send the receipt after the payment settled",
    "Close idle connections sooner",
)


def digest(text: str) -> str:
    """40 hex digits that are always the same for the same text."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def number(text: str, below: int = 1 << 30) -> int:
    """A number that is always the same for the same text."""
    return int(digest(text)[:12], 16) % below


def commit_of(service: str, version: str) -> str:
    """The commit that a version of a service was built from."""
    return digest(f"{service}@{version}")


def moment(at: float) -> str:
    """Seconds since 1970 as GitHub writes them."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Job:
    """A job as it is."""

    name: str
    starts: float
    length: float
    started: float = 0.0
    ended: float = 0.0
    conclusion: str = ""


@dataclass
class Build:
    """One run of a service's pipeline on a commit. `fails` names the job that will fail, empty for none, with `bad`
    tests failing if it is one of tests; times are seconds since 1970, 0.0 for not yet."""

    service: str
    version: str
    branch: str = "main"
    fails: str = ""
    pace: float = 1.0
    bad: int = 1
    began: float = 0.0
    ended: float = 0.0
    touched: float = 0.0
    status: str = "queued"
    jobs: list[Job] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.jobs = [Job(name, starts * self.pace, length * self.pace) for name, starts, length in JOBS]

    @property
    def sha(self) -> str:
        return commit_of(self.service, self.version if self.branch == "main" else f"{self.branch}")

    @property
    def image(self) -> str:
        """The image that is made of it."""
        return f"{REGISTRY}/{self.service}:{self.version}"

    @property
    def digest(self) -> str:
        """The bytes of that image, as the fleet's nodes pull them."""
        return f"sha256:{hashlib.sha256(self.image.encode()).hexdigest()}"

    @property
    def id(self) -> int:
        return number(f"run {self.service} {self.sha}")

    @property
    def conclusion(self) -> str:
        if self.status != "completed":
            return ""
        return "failure" if any(job.conclusion == "failure" for job in self.jobs) else "success"

    def repository(self) -> Obj:
        return {
            "id": number(self.service, 1 << 24),
            "name": self.service,
            "full_name": f"{OWNER}/{self.service}",
            "html_url": f"https://github.com/{OWNER}/{self.service}",
            "default_branch": "main",
            "pushed_at": int(self.began),
        }

    def commit(self) -> Obj:
        author = PEOPLE[number(self.sha, len(PEOPLE))]
        return {
            "id": self.sha,
            "message": TITLES[number(self.sha[::-1], len(TITLES))],
            "timestamp": moment(self.began - 40),
            "url": f"https://github.com/{OWNER}/{self.service}/commit/{self.sha}",
            "author": {"name": author, "username": author},
        }

    def push(self) -> Obj:
        commit = self.commit()
        return {
            "ref": f"refs/heads/{self.branch}",
            "before": digest(f"before {self.sha}"),
            "after": self.sha,
            "commits": [commit],
            "head_commit": commit,
            "repository": self.repository(),
        }

    def pull_request(self) -> Obj:
        opened = self.began - 1800 - number(self.sha, 40_000)
        change = {
            "number": number(self.sha, 900) + 100,
            "state": "closed",
            "merged": True,
            "merged_at": moment(self.began),
            "created_at": moment(opened),
            "updated_at": moment(self.began),
            "merge_commit_sha": self.sha,
            "head": {"sha": digest(f"head {self.sha}"), "ref": "change"},
            "base": {"ref": "main"},
        }
        return {"action": "closed", "pull_request": change, "repository": self.repository()}

    def workflow_run(self) -> Obj:
        author = self.commit()["author"]["username"]
        run = {
            "id": self.id,
            "run_attempt": 1,
            "run_number": number(self.sha, 4000),
            "name": "CI",
            "event": "push" if self.branch == "main" else "pull_request",
            "head_branch": self.branch,
            "head_sha": self.sha,
            "display_title": self.commit()["message"],
            "status": self.status,
            "conclusion": self.conclusion or None,
            "created_at": moment(self.began),
            "run_started_at": moment(self.began),
            "updated_at": moment(self.touched),
            "html_url": f"https://github.com/{OWNER}/{self.service}/actions/runs/{self.id}",
            "triggering_actor": {"login": author},
            "head_commit": self.commit(),
        }
        return {"action": self.status, "workflow_run": run, "repository": self.repository()}

    def workflow_job(self, job: Job) -> Obj:
        status = "completed" if job.ended else "in_progress" if job.started else "queued"
        told = {
            "id": number(f"{self.id} {job.name}"),
            "run_id": self.id,
            "run_attempt": 1,
            "name": job.name,
            "workflow_name": "CI",
            "head_branch": self.branch,
            "head_sha": self.sha,
            "status": status,
            "conclusion": job.conclusion or None,
            "created_at": moment(self.began),
            "started_at": moment(job.started) if job.started else None,
            "completed_at": moment(job.ended) if job.ended else None,
            "runner_name": f"runner-{number(job.name, 6) + 1}",
            "html_url": f"https://github.com/{OWNER}/{self.service}/actions/runs/{self.id}/job/{number(job.name)}",
        }
        return {"action": status, "workflow_job": told, "repository": self.repository()}

    def rebuilt(self, at: float) -> Obj:
        """The same commit built once more, to other bytes under the same tag."""
        self.touched = at
        return self.registry_package(f"sha256:{hashlib.sha256(f'{self.image} again'.encode()).hexdigest()}")

    def registry_package(self, name: str = "") -> Obj:
        name = name or self.digest
        version = {
            "version": name,
            "name": name,
            "container_metadata": {"tag": {"name": self.version, "digest": name}},
            "target_oid": self.sha,
            "created_at": moment(self.ended or self.touched),
        }
        package = {
            "name": self.service,
            "namespace": OWNER,
            "ecosystem": "CONTAINER",
            "package_version": version,
        }
        return {"action": "published", "registry_package": package, "repository": self.repository()}

    def deployment(self, environment: str, at: float) -> Obj:
        ident = number(f"{self.service} {self.version} {environment} {int(at)}")
        told = {
            "id": ident,
            "sha": self.sha,
            "ref": "main",
            "environment": environment,
            "created_at": moment(at),
        }
        return {
            "deployment": {**told, "creator": {"login": "argocd"}},
            "workflow_run": {"id": self.id, "run_attempt": 1},
            "repository": self.repository(),
        }

    def deployment_status(self, environment: str, at: float, state: str, now: float) -> Obj:
        status = {"state": state, "environment": environment, "created_at": moment(now)}
        return {**self.deployment(environment, at), "deployment_status": status}
