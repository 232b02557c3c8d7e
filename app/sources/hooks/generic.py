"""Anything else that builds: Shipboard's own form of a run, signed as Standard Webhooks are.

    {"repository": "github.com/acme/cart", "run": "812", "status": "success", "attempt": 1, "pipeline": "nightly",
     "sha": "…", "branch": "main", "url": "https://…", "started_at": "…", "finished_at": "…", "updated_at": "…",
     "commit": {"title": "…", "author": "…", "committed_at": "…"},
     "jobs": [{"name": "unit tests", "status": "failure", "started_at": "…", "finished_at": "…"}],
     "artifacts": [{"digest": "sha256:…", "name": "ghcr.io/acme/cart", "tag": "1.4.0"}],
     "deployment": {"id": "77", "environment": "staging", "status": "success"}}

`run` and `status` are needed; a status is a phase or an outcome by our own names. What is not said stays open.
"""

from __future__ import annotations

from typing import Any

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
from app.domain.repositories import full_digest, full_sha, repo_key

from . import tree, verify
from .port import Delivery, Provider, Reading, Refused, told, weighed, words

STATUS = words(**{name.value: name.value for name in (*CiPhase, *CiOutcome) if name is not CiPhase.DONE})
MEMBERS = frozenset(
    {
        *("repository", "run", "status", "attempt", "pipeline", "number", "event", "sha", "built_sha"),
        *("branch", "title", "actor", "url", "created_at", "started_at", "finished_at", "updated_at"),
        *("commit", "jobs", "artifacts", "deployment"),
    }
)


def read(delivery: Delivery) -> Reading:
    """What one report says. Raises Refused with what is wrong, since its author reads the answer."""
    body = delivery.body
    if not isinstance(body, dict):
        raise Refused("A report is a JSON object.")
    if odd := sorted(str(name)[:40] for name in body.keys() - MEMBERS):
        raise Refused(f"It has members that mean nothing here: {', '.join(odd[:5])}.")
    repo = repo_key(tree.text(body, "repository") or "") or delivery.repo
    key = tree.word(body, "run")
    if not repo or key is None:
        raise Refused("It needs `repository` (host/path) and `run` (an id).")
    if tree.at(body, "sha") is not None and full_sha(tree.at(body, "sha")) is None:
        raise Refused("Its `sha` is no whole commit id (40 or 64 hex digits).")
    status = _status(body, "status")
    updated = tree.time(body, "updated_at")
    created, started, finished = _times(body)
    run = RunSeen(
        provider="generic",
        host=repo.partition("/")[0],
        project=f"{repo} {tree.text(body, 'pipeline') or ''}",
        run=key,
        attempt=tree.number(body, "attempt") or 1,
        repo=repo,
        mark=weighed(status, updated, created, started, finished),
        pipeline=tree.text(body, "pipeline"),
        number=tree.number(body, "number"),
        event=tree.text(body, "event"),
        branch=tree.text(body, "branch"),
        sha=full_sha(tree.at(body, "sha")),
        built_sha=full_sha(tree.at(body, "built_sha")),
        title=tree.first_line(body, "title"),
        actor=tree.text(body, "actor"),
        url=tree.url(body, "url"),
        created_at=created or started,
        started_at=started,
        finished_at=finished,
        status=status,
    )
    found: list[CiFact | None] = [run, _commit(run, tree.node(body, "commit"))]
    found += [_job(run, each, updated) for each in tree.nodes(body, "jobs")]
    found += [_artifact(run, each) for each in tree.nodes(body, "artifacts")]
    if deployment := tree.node(body, "deployment"):
        found.append(_deployment(run, deployment, updated))
    return told(found)


def _status(item: Any, name: str) -> Status:
    word = tree.text(item, name) or ""
    if word not in STATUS:
        raise Refused(f"Its `{name}` must be one of: {', '.join(STATUS)}.")
    return Status(*STATUS[word], word)


def _times(item: Any) -> tuple[Any, Any, Any]:
    return tree.time(item, "created_at"), tree.time(item, "started_at"), tree.time(item, "finished_at")


def _commit(run: RunSeen, item: Any) -> CommitSeen | None:
    if run.sha is None:
        return None
    at = tree.time(item, "committed_at")
    return CommitSeen(
        repo=run.repo,
        sha=run.sha,
        mark=mark(0, at),
        title=tree.first_line(item, "title"),
        author=tree.text(item, "author"),
        branch=run.branch,
        url=tree.url(item, "url"),
        committed_at=at,
        authored_at=tree.time(item, "authored_at"),
        pushed_at=tree.time(item, "pushed_at"),
    )


def _job(run: RunSeen, item: Any, updated: Any) -> JobSeen:
    name, status = tree.text(item, "name"), _status(item, "status")
    key = tree.word(item, "id") or name
    if key is None:
        raise Refused("A job needs a `name` or an `id`.")
    created, started, finished = _times(item)
    return JobSeen(
        provider="generic",
        host=run.host,
        job=key,
        run=run.key,
        repo=run.repo,
        mark=weighed(status, updated, created, started, finished),
        name=name,
        group=tree.text(item, "group"),
        runner=tree.text(item, "runner"),
        url=tree.url(item, "url"),
        created_at=created or started,
        started_at=started,
        finished_at=finished,
        status=status,
    )


def _artifact(run: RunSeen, item: Any) -> ArtifactSeen:
    digest = full_digest(tree.at(item, "digest"))
    if digest is None:
        raise Refused("An artifact needs its `digest` (sha256:…).")
    at = tree.time(item, "built_at") or run.finished_at
    return ArtifactSeen(
        digest=digest,
        mark=mark(0, at),
        name=tree.text(item, "name"),
        tag=tree.text(item, "tag"),
        repo=run.repo,
        sha=run.sha,
        run=run.key,
        url=tree.url(item, "url"),
        built_at=at,
    )


def _deployment(run: RunSeen, item: Any, updated: Any) -> DeploymentSeen:
    status, environment = _status(item, "status"), tree.text(item, "environment")
    if environment is None:
        raise Refused("A deployment needs its `environment`.")
    created, _, finished = _times(item)
    return DeploymentSeen(
        provider="generic",
        host=run.host,
        project=run.repo,
        deployment=tree.word(item, "id") or f"{run.run}/{run.attempt}/{environment}",
        repo=run.repo,
        mark=weighed(status, updated, created, finished),
        environment=environment,
        sha=run.sha,
        digest=full_digest(tree.at(item, "digest")),
        run=run.key,
        actor=run.actor,
        url=tree.url(item, "url"),
        created_at=created or run.created_at,
        finished_at=finished,
        status=status,
    )


PROVIDER = Provider("generic", (verify.STANDARD,), read, delivery=("webhook-id",))
