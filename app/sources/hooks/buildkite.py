"""Buildkite: builds and their jobs, from webhooks and in the form Amazon EventBridge wraps them in.

A webhook of a build has no jobs, and its body may be newer than its event: the object's state counts.
"""

from __future__ import annotations

from typing import Any

from app.domain.ci import CiOutcome, CiPhase, JobSeen, RunSeen, Status
from app.domain.repositories import full_sha, repo_key

from . import tree, verify
from .port import Delivery, Provider, Reading, Refused, ignored, told, weighed, words

BUILD = words(
    queued="creating scheduled",
    running="running failing canceling started",
    success="passed",
    failure="failed",
    blocked="blocked",
    cancelled="canceled",
    skipped="skipped not_run",
)
JOB = words(
    queued="pending waiting limiting limited platform_limiting platform_limited scheduled reserved assigned accepted",
    blocked="blocked",
    running="running timing_out canceling started",
    success="passed unblocked",
    failure="failed",
    timed_out="timed_out expired",
    cancelled="canceled",
    skipped="skipped broken waiting_failed blocked_failed unblocked_failed",
)


def read(delivery: Delivery) -> Reading:
    """What one delivery says. Raises Refused."""
    body = tree.node(delivery.body, "detail") or tree.node(delivery.body)
    build, pipeline = tree.node(body, "build"), tree.node(body, "pipeline")
    if not build:
        return ignored(delivery, tree.text(body, "event") or tree.text(delivery.body, "detail-type") or "")
    run = build_look(delivery, body, build, pipeline)
    if run is None:
        raise Refused("Its build has no id, or names no repository.")
    return told([run, job_look(delivery, run, tree.node(body, "job"))])


def build_look(delivery: Delivery, body: Any, build: Any, pipeline: Any) -> RunSeen | None:
    """A build, as webhooks and the REST API have it; None where it has no id, or names no repository."""
    key = tree.word(build, "id") or tree.word(build, "uuid")
    address = tree.text(pipeline, "repository") or tree.text(pipeline, "repo") or ""
    repo = repo_key(address) or delivery.repo
    if key is None or not repo or not (organisation := _organisation(body, build)):
        return None
    state = tree.text(build, "state")
    status = delivery.status(BUILD, state)
    if status and status.outcome is CiOutcome.SUCCESS and tree.at(build, "blocked") is True:
        status = Status(CiPhase.BLOCKED, None, "blocked")
    names = ("created_at", "scheduled_at", "started_at", "finished_at")
    created, scheduled, started, finished = (tree.time(build, name) for name in names)
    return RunSeen(
        provider="buildkite",
        host="buildkite.com",
        project=f"{organisation}/{tree.text(pipeline, 'slug') or ''}",
        run=key,
        attempt=1,
        repo=repo,
        mark=weighed(status, created, scheduled, started, finished),
        pipeline=tree.text(pipeline, "name") or tree.text(pipeline, "slug"),
        number=tree.number(build, "number"),
        event=tree.text(build, "source"),
        branch=tree.text(build, "branch"),
        sha=full_sha(tree.at(build, "commit")),  # "HEAD" until an agent has looked
        title=tree.first_line(build, "message"),
        actor=tree.text(build, "creator", "name"),
        url=tree.url(build, "web_url"),
        created_at=created or scheduled,
        started_at=started,
        finished_at=finished if status and status.phase is CiPhase.DONE else None,
        status=status,
    )


def _organisation(body: Any, build: Any) -> str:
    slug = tree.text(body, "organization", "slug")
    page = tree.url(build, "web_url") or tree.url(build, "url") or ""
    return slug or (page.split("/") + [""] * 4)[3] or "buildkite"


def job_look(delivery: Delivery, run: RunSeen, job: Any) -> JobSeen | None:
    """A job of `run`, as webhooks and the REST API have it; None for one without an id."""
    key = tree.word(job, "id") or tree.word(job, "uuid")
    if key is None:
        return None
    state = tree.text(job, "state") or ""
    if state.lower() == "finished":  # EventBridge: how it ended stands beside it
        passed = tree.at(job, "passed") is True or tree.at(job, "exit_status") in (0, "0")
        waits = tree.text(job, "type") == "manual"
        state = "unblocked" if waits else "passed" if passed else "failed"
    status = delivery.status(JOB, state or None)
    if status and status.outcome is CiOutcome.FAILURE and tree.at(job, "soft_failed") is True:
        status = Status(CiPhase.DONE, CiOutcome.PARTIAL, "soft_failed")
    names = ("created_at", "scheduled_at", "started_at", "finished_at")
    created, scheduled, started, finished = (tree.time(job, name) for name in names)
    return JobSeen(
        provider="buildkite",
        host=run.host,
        job=key,
        run=run.key,
        repo=run.repo,
        mark=weighed(status, created, scheduled, started, finished),
        name=tree.text(job, "name") or tree.text(job, "label") or tree.text(job, "step_key"),
        runner=tree.text(job, "agent", "name"),
        url=tree.url(job, "web_url"),
        created_at=created or scheduled,
        started_at=started,
        finished_at=finished,
        status=status,
    )


PROVIDER = Provider(
    "buildkite",
    (verify.BUILDKITE, verify.BUILDKITE_TOKEN, verify.BEARER),
    read,
    event=("x-buildkite-event",),
)
