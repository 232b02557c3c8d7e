"""GitLab: pipelines with their jobs, jobs, deployments, pushes, merge requests; and jobs that wait for an answer, as
manual ones of an environment or because their deployment is blocked.

Both ways of proof: the signing token (Standard Webhooks), which decides where it is used, and the secret token
in the clear. A retried pipeline keeps its id and goes on, so there is one attempt.
"""

from __future__ import annotations

from typing import Any

from app.domain.ci import CiFact, CiOutcome, CiPhase, CommitSeen, DeploymentSeen, JobSeen, RunSeen, Status
from app.domain.converge import mark
from app.domain.repositories import full_sha, repo_key

from . import gitlab_gate, tree, verify
from .port import Delivery, Provider, Reading, Refused, ignored, run_key, run_of_job, told, weighed, words

STATUS = words(
    queued="created pending preparing scheduled",
    blocked="waiting_for_resource waiting_for_callback manual blocked",
    running="running canceling",
    success="success",
    failure="failed",
    cancelled="canceled cancelled",
    skipped="skipped",
)
TIMEOUTS = frozenset({"stuck_or_timeout_failure", "job_execution_timeout"})
ERRORS = frozenset(
    {
        *("runner_system_failure", "runner_unsupported", "scheduler_failure", "data_integrity_failure"),
        *("api_failure", "unmet_prerequisites", "ci_quota_exceeded", "no_matching_runner"),
        *("archived_failure", "config_error"),
    }
)


class Source:
    """Which project of which host speaks."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery, self.body = delivery, delivery.body
        page = (
            tree.url(self.body, "project", "web_url")
            or tree.url(self.body, "repository", "homepage")
            or tree.url(self.body, "project", "http_url")
            or ""
        )
        self.repo = repo_key(page) or delivery.repo
        self.host = tree.host(page) or self.repo.partition("/")[0]
        self.project = (
            tree.word(self.body, "project", "id") or tree.word(self.body, "project_id") or self.repo
        )
        if not self.repo:
            raise Refused("It names no project.")


def read(delivery: Delivery) -> Reading:
    """What one delivery says, by its `object_kind`. Raises Refused."""
    kind = tree.text(delivery.body, "object_kind") or ""
    reader = _READERS.get(kind)
    if not isinstance(delivery.body, dict):
        raise Refused("It is not a JSON object.")
    return reader(Source(delivery)) if reader else ignored(delivery, kind)


def job_status(delivery: Delivery, job: Any, prefix: str = "") -> Status | None:
    """A job's status; why it failed tells whose fault it was."""
    status = delivery.status(STATUS, tree.text(job, f"{prefix}status"))
    why = tree.text(job, f"{prefix}failure_reason") or ""
    if status is None or status.outcome is not CiOutcome.FAILURE:
        return status
    if why in TIMEOUTS:
        return Status(CiPhase.DONE, CiOutcome.TIMED_OUT, why)
    if why in ERRORS:
        return Status(CiPhase.DONE, CiOutcome.ERROR, why)
    if tree.at(job, f"{prefix}allow_failure") is True:
        return Status(CiPhase.DONE, CiOutcome.PARTIAL, status.raw)
    return status


def pipeline_look(
    source: Source, item: Any, commit: Any = None, *, latest: tuple[Any, ...] = ()
) -> RunSeen | None:
    """A pipeline, as webhooks and the REST API have it."""
    key = tree.word(item, "id")
    if key is None:
        return None
    status = source.delivery.status(STATUS, tree.text(item, "status"))
    if status and status.outcome is CiOutcome.SUCCESS:
        detailed = tree.text(item, "detailed_status") or tree.text(item, "detailed_status", "text") or ""
        if "warning" in detailed:
            status = Status(CiPhase.DONE, CiOutcome.PARTIAL, detailed)
    created, finished = tree.time(item, "created_at"), tree.time(item, "finished_at")
    ended = status is not None and status.phase is CiPhase.DONE
    page = tree.url(item, "url") or tree.url(item, "web_url")
    return RunSeen(
        provider="gitlab",
        host=source.host,
        project=source.project,
        run=key,
        attempt=1,
        repo=source.repo,
        mark=weighed(status, created, finished, tree.time(item, "updated_at"), *latest),
        pipeline=tree.text(item, "name"),
        number=tree.number(item, "iid"),
        event=tree.text(item, "source"),
        branch=tree.text(item, "ref"),
        sha=full_sha(tree.at(item, "sha")),
        title=tree.first_line(commit, "message"),
        actor=tree.text(source.body, "user", "username"),
        url=page,
        created_at=created,
        started_at=tree.time(item, "started_at") or created,
        finished_at=finished if ended else None,
        status=status,
    )


def _commit(source: Source, commit: Any, **more: Any) -> CommitSeen | None:
    sha, at = full_sha(tree.at(commit, "id")), tree.time(commit, "timestamp")
    if sha is None:
        return None
    return CommitSeen(
        repo=source.repo,
        sha=sha,
        mark=mark(0, at),
        title=tree.first_line(commit, "message"),
        author=tree.text(commit, "author", "name"),
        url=tree.url(commit, "url"),
        committed_at=at,
        **more,
    )


def _pipeline(source: Source) -> Reading:
    item, commit = tree.node(source.body, "object_attributes"), tree.node(source.body, "commit")
    jobs = list(tree.nodes(source.body, "builds"))
    times = tuple(
        tree.time(job, name) for job in jobs for name in ("created_at", "started_at", "finished_at")
    )
    run = pipeline_look(source, item, commit, latest=times)
    if run is None:
        raise Refused("Its pipeline has no id.")
    found: list[CiFact | None] = [run, _commit(source, commit)]
    found += [job_look(source, job, run.key) for job in jobs]
    return told(found, [gitlab_gate.of_job(source, job, run) for job in jobs])


def job_look(source: Source, job: Any, run: str, prefix: str = "") -> JobSeen | None:
    """A job, as webhooks (with `prefix` the events of single jobs) and the REST API have it."""
    key = tree.word(job, f"{prefix}id")
    if key is None:
        return None
    status = job_status(source.delivery, job, prefix)
    times = [
        tree.time(job, f"{prefix}{name}_iso") or tree.time(job, f"{prefix}{name}")
        for name in ("created_at", "started_at", "finished_at")
    ]
    return JobSeen(
        provider="gitlab",
        host=source.host,
        job=key,
        run=run,
        repo=source.repo,
        mark=weighed(status, *times),
        name=tree.text(job, f"{prefix}name"),
        group=tree.text(job, f"{prefix}stage"),
        runner=tree.text(job, "runner", "description"),
        created_at=times[0],
        started_at=times[1],
        finished_at=times[2],
        status=status,
    )


def _job(source: Source) -> Reading:
    run = tree.word(source.body, "pipeline_id")
    if run is None:
        raise Refused("Its job names no pipeline.")
    seen = job_look(source, source.body, run_key("gitlab", source.host, source.project, run), "build_")
    if seen is None:
        raise Refused("Its job has no id.")
    branch, sha = tree.text(source.body, "ref"), full_sha(tree.at(source.body, "sha"))
    return told([run_of_job(seen, project=source.project, run=run, branch=branch, sha=sha), seen])


def _deployment(source: Source) -> Reading:
    body = source.body
    key = tree.word(body, "deployment_id")
    if key is None:
        raise Refused("Its deployment has no id.")
    status, at = (
        source.delivery.status(STATUS, tree.text(body, "status")),
        tree.time(body, "status_changed_at"),
    )
    ended = at if status is not None and status.phase is CiPhase.DONE else None
    seen = DeploymentSeen(
        provider="gitlab",
        host=source.host,
        project=source.project,
        deployment=key,
        repo=source.repo,
        mark=weighed(status, at),
        environment=tree.text(body, "environment"),
        # Only the last part of the commit's address is the whole id; `short_sha` names it within the project.
        sha=full_sha((tree.url(body, "commit_url") or "").rpartition("/")[2]),
        ref=tree.text(body, "ref"),
        actor=tree.text(body, "user", "username"),
        url=tree.url(body, "deployable_url"),
        created_at=at,
        finished_at=ended,
        status=status,
    )
    return told([seen], [gitlab_gate.of_deployment(source, seen)])


def _push(source: Source) -> Reading:
    if full_sha(tree.at(source.body, "after")) is None:
        return Reading(ignored="A branch was deleted.")
    branch = (tree.text(source.body, "ref") or "").removeprefix("refs/heads/") or None
    pushed = source.delivery.received_at  # GitLab does not say when it was
    return told(
        _commit(source, each, branch=branch, pushed_at=pushed) for each in tree.nodes(source.body, "commits")
    )


def _merge_request(source: Source) -> Reading:
    item = tree.node(source.body, "object_attributes")
    opened, updated = tree.time(item, "created_at"), tree.time(item, "updated_at")
    merged = tree.time(item, "merged_at") or (updated if tree.text(item, "state") == "merged" else None)
    head = full_sha(tree.at(item, "last_commit", "id"))
    squash = full_sha(tree.at(item, "squash_commit_sha")) if merged else None
    merge = full_sha(tree.at(item, "merge_commit_sha")) if merged else None
    # A squash may be merged by a commit of its own. Fast-forwarded there is neither: the commits themselves landed.
    steps = list(dict.fromkeys(sha for sha in (head, squash, merge) if sha))
    name = tree.word(item, "iid")
    return told(
        CommitSeen(
            repo=source.repo,
            sha=sha,
            mark=mark(0, updated),
            change=name,
            landed=landed,
            opened_at=opened,
            merged_at=merged,
        )
        for sha, landed in zip(steps, [*steps[1:], None], strict=True)
    )


_READERS = {
    "pipeline": _pipeline,
    "build": _job,
    "deployment": _deployment,
    "push": _push,
    "merge_request": _merge_request,
}
PROVIDER = Provider(
    "gitlab",
    (verify.STANDARD, verify.GITLAB),
    read,
    event=("x-gitlab-event",),
    # X-Gitlab-Event-UUID is shared by the hooks of one chain of events: no delivery's id.
    delivery=("webhook-id", "idempotency-key"),
)
