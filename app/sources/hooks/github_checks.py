"""GitHub's checks of other apps, and commit statuses: runs of CI that is not GitHub Actions.

Checks of GitHub Actions itself are left to workflow_run and workflow_job, which tell the same and more.
"""

from __future__ import annotations

from typing import Any

from app.domain.ci import CiPhase, JobSeen, RunSeen, Status
from app.domain.converge import mark
from app.domain.repositories import full_sha

from . import tree
from .github_shapes import Source
from .port import Reading, Refused, told, weighed, words

STATE = words(
    queued="queued waiting",
    running="pending in_progress",
    success="success",
    failure="failure",
    error="error",
)


def check_suite(source: Source) -> Reading:
    """What the event of a suite says."""
    suite = tree.node(source.body, "check_suite")
    if tree.text(suite, "app", "slug") == "github-actions":
        return Reading(ignored="Checks of GitHub Actions are told by workflow_run and workflow_job.")
    return told([_suite(source, suite)])


def _suite(source: Source, suite: Any, status: Status | None = None) -> RunSeen | None:
    key = tree.word(suite, "id")
    status = source.status(suite) or status
    created, updated = tree.time(suite, "created_at"), tree.time(suite, "updated_at")
    ended = status is not None and status.phase is CiPhase.DONE
    if key is None:
        return None
    return RunSeen(
        provider=source.provider,
        host=source.host,
        project=source.project,
        run=f"suite-{key}",
        attempt=1,
        repo=source.repo,
        mark=weighed(status, created, updated),
        pipeline=tree.text(suite, "app", "name"),
        branch=tree.text(suite, "head_branch"),
        sha=full_sha(tree.at(suite, "head_sha")),
        created_at=created,
        started_at=created,
        finished_at=updated if ended else None,
        status=status,
    )


def check_run(source: Source) -> Reading:
    """What the event of a check says: it is a job, its suite the run. Raises Refused."""
    check = tree.node(source.body, "check_run")
    if tree.text(check, "app", "slug") == "github-actions":
        return Reading(ignored="Checks of GitHub Actions are told by workflow_run and workflow_job.")
    key = tree.word(check, "id")
    suite = tree.node(check, "check_suite")
    run = _suite(source, {**suite, "head_sha": tree.at(check, "head_sha"), "app": tree.at(check, "app")})
    if key is None or run is None:
        raise Refused("Its check run has no id, or no suite.")
    status = source.status(check)
    started, ended = tree.time(check, "started_at"), tree.time(check, "completed_at")
    job = JobSeen(
        provider=source.provider,
        host=source.host,
        job=key,
        run=run.key,
        repo=source.repo,
        mark=weighed(status, started, ended),
        name=tree.text(check, "name"),
        url=tree.url(check, "details_url") or tree.url(check, "html_url"),
        created_at=started,
        started_at=started,
        finished_at=ended,
        status=status,
    )
    return told([run, job])


def status(source: Source) -> Reading:
    """What the event of a commit status says: each context is a run. Raises Refused."""
    body = source.body
    sha, context = full_sha(tree.at(body, "sha")), tree.text(body, "context") or "default"
    if sha is None:
        raise Refused("Its status names no commit.")
    status = source.delivery.status(STATE, tree.text(body, "state"))
    created, updated = tree.time(body, "created_at"), tree.time(body, "updated_at")
    ended = updated if status is not None and status.phase is CiPhase.DONE else None
    run = RunSeen(
        provider=source.provider,
        host=source.host,
        project=source.project,
        run=f"status-{sha}-{context}",
        attempt=1,
        repo=source.repo,
        # Statuses of a commit follow one another; the newest holds, wherever the one before it stood.
        mark=mark(2, updated, created),
        pipeline=context,
        title=tree.text(body, "description"),
        sha=sha,
        branch=next(
            (name for branch in tree.nodes(body, "branches") if (name := tree.text(branch, "name"))), None
        ),
        url=tree.url(body, "target_url"),
        created_at=created,
        finished_at=ended,
        status=status,
    )
    return told([run])
