"""GitHub: Actions, checks, commit statuses, pushes, pull requests, deployments, container packages; and runs that wait
for our deployment protection rule.

State comes from the object, never from `action` or the event's name: real deliveries have run ahead of both.
"""

from __future__ import annotations

from typing import Any

from app.domain.ci import ArtifactSeen, CiPhase, CommitSeen, DeploymentSeen, Status
from app.domain.converge import mark
from app.domain.forges import Asked
from app.domain.repositories import full_digest, full_sha

from . import github_checks, tree, verify
from .github_gate import protection
from .github_shapes import Source, commit_look, job_looks, run_look
from .port import (
    Delivery,
    Provider,
    Reading,
    Refused,
    ignored,
    run_key,
    told,
    weighed,
    words,
)

DEPLOYMENT = words(
    queued="queued pending",
    blocked="waiting",
    running="in_progress",
    success="success",
    failure="failure",
    error="error",
)


def read(delivery: Delivery) -> Reading:
    """What one delivery says. Raises Refused."""
    return read_as(delivery, "github")


def read_as(delivery: Delivery, provider: str) -> Reading:
    """What one delivery of `provider`, which writes as GitHub does, says. The event is cross-checked: the body
    must hold the object that the event is about."""
    if not isinstance(delivery.body, dict):
        raise Refused("It is not a JSON object.")
    reader = READERS.get(delivery.event)
    if reader is None:
        return ignored(delivery)
    member, make = reader
    if not tree.at(delivery.body, member):
        raise Refused(f"Its event is {delivery.event}, but it has no {member}.")
    return make(Source(delivery, provider))


def _workflow_run(source: Source) -> Reading:
    run = tree.node(source.body, "workflow_run")
    head = tree.node(run, "head_commit")
    key, ended = tree.word(run, "id"), tree.time(run, "updated_at")
    over = ended if tree.text(run, "status") == "completed" else None
    return told(
        [
            run_look(source, run, tree.text(source.body, "workflow", "name") or ""),
            commit_look(source, {**head, "url": None}) if head else None,
        ],
        [Asked(f"github|{source.repo}|{key}", source.repo, over)] if over and key else (),
    )


def _workflow_job(source: Source) -> Reading:
    return told(job_looks(source, tree.node(source.body, "workflow_job")) or ())


def _push(source: Source) -> Reading:
    ref = tree.text(source.body, "ref") or ""
    if full_sha(tree.at(source.body, "after")) is None:
        return Reading(ignored="A branch or tag was deleted.")
    if not ref.startswith("refs/heads/"):
        return Reading(ignored="A push of a tag names no new commit.")
    branch = ref.removeprefix("refs/heads/")
    # GitHub gives the moment of the push only as the repository's `pushed_at`, whole seconds; others not at all.
    pushed = tree.time(source.body, "repository", "pushed_at") or source.delivery.received_at
    commits = [*tree.nodes(source.body, "commits"), tree.node(source.body, "head_commit")]
    return told(commit_look(source, each, branch=branch, pushed_at=pushed) for each in commits)


def _pull_request(source: Source) -> Reading:
    change = tree.node(source.body, "pull_request")
    name = tree.word(change, "number")
    opened, merged = tree.time(change, "created_at"), tree.time(change, "merged_at")
    weight = mark(0, tree.time(change, "updated_at"), opened)
    head, landed = full_sha(tree.at(change, "head", "sha")), None
    if tree.at(change, "merged") is True or merged:  # before that it is the temporary merge
        landed = full_sha(tree.at(change, "merge_commit_sha"))
    return told(
        CommitSeen(
            repo=source.repo,
            sha=sha,
            mark=weight,
            change=name,
            landed=landed if sha != landed else None,
            opened_at=opened,
            merged_at=merged,
        )
        for sha in dict.fromkeys((head, landed))
        if sha
    )


def _deployment(source: Source) -> Reading:
    return told([_deployed(source, None, None)])


def _deployment_status(source: Source) -> Reading:
    item = tree.node(source.body, "deployment_status")
    if tree.text(item, "state") == "inactive":
        return told([_deployed(source, None, item, superseded_at=tree.time(item, "created_at"))])
    return told([_deployed(source, source.delivery.status(DEPLOYMENT, tree.text(item, "state")), item)])


def _deployed(source: Source, status: Status | None, item: Any, **more: Any) -> DeploymentSeen | None:
    deployment = tree.node(source.body, "deployment")
    key = tree.word(deployment, "id")
    created, at = tree.time(deployment, "created_at"), tree.time(item, "created_at")
    run = tree.node(source.body, "workflow_run")
    run_id = tree.word(run, "id")
    ended = at if status is not None and status.phase is CiPhase.DONE else None
    if key is None:
        return None
    return DeploymentSeen(
        provider=source.provider,
        host=source.host,
        project=source.project,
        deployment=key,
        repo=source.repo,
        mark=weighed(status, at, created),
        environment=tree.text(item, "environment") or tree.text(deployment, "environment"),
        sha=full_sha(tree.at(deployment, "sha")),
        ref=tree.text(deployment, "ref"),
        run=run_id
        and run_key(
            source.provider, source.host, source.project, run_id, tree.number(run, "run_attempt") or 1
        ),
        actor=tree.text(deployment, "creator", "login"),
        url=tree.url(item, "log_url") or tree.url(item, "target_url"),
        created_at=created,
        finished_at=ended,
        status=status,
        **more,
    )


def _package(source: Source) -> Reading:
    member = "registry_package" if "registry_package" in source.body else "package"
    package = tree.node(source.body, member)
    version = tree.node(package, "package_version")
    digest = next(
        (found for name in ("version", "name") if (found := full_digest(tree.at(version, name)))), None
    ) or full_digest(tree.at(version, "container_metadata", "tag", "digest"))
    if digest is None:
        return Reading(ignored="A package that is no image: it has no digest.")
    at = tree.time(version, "created_at")
    place = [tree.text(package, "namespace"), tree.text(package, "name")]
    seen = ArtifactSeen(
        digest=digest,
        mark=mark(0, at),
        name="/".join(part for part in place if part) or None,
        tag=tree.text(version, "container_metadata", "tag", "name"),
        repo=source.repo,
        sha=full_sha(tree.at(version, "target_oid")),
        url=tree.url(version, "html_url"),
        built_at=at,
    )
    return told([seen])


READERS = {
    "deployment_protection_rule": ("deployment_callback_url", protection),
    "workflow_run": ("workflow_run", _workflow_run),
    "workflow_job": ("workflow_job", _workflow_job),
    "check_suite": ("check_suite", github_checks.check_suite),
    "check_run": ("check_run", github_checks.check_run),
    "status": ("state", github_checks.status),
    "push": ("ref", _push),
    "pull_request": ("pull_request", _pull_request),
    "deployment": ("deployment", _deployment),
    "deployment_status": ("deployment_status", _deployment_status),
    "registry_package": ("registry_package", _package),
    "package": ("package", _package),
}

PROVIDER = Provider(
    "github",
    (verify.GITHUB,),
    read,
    event=("x-github-event",),
    delivery=("x-github-delivery",),
    kept=("x-github-hook-id",),
)
