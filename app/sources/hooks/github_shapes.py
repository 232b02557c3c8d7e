"""Objects as GitHub writes them, in webhooks and in its REST API; Gitea and Forgejo write them alike."""

from __future__ import annotations

from typing import Any

from app.domain.ci import CiPhase, CommitSeen, JobSeen, RunSeen, Status
from app.domain.converge import mark
from app.domain.repositories import full_sha, repo_key

from . import tree
from .port import Delivery, Refused, run_key, run_of_job, weighed, words

STATUS = words(queued="requested queued pending", blocked="waiting blocked", running="in_progress running")
CONCLUSION = words(
    success="success",
    failure="failure",
    error="startup_failure",
    neutral="neutral",
    cancelled="cancelled stale",
    skipped="skipped",
    timed_out="timed_out",
    blocked="action_required waiting pending",
)


class Source:
    """Who speaks: the provider's name, and host and repository as the payload has them."""

    def __init__(self, delivery: Delivery, provider: str) -> None:
        body = delivery.body
        self.delivery, self.body, self.provider = delivery, body, provider
        page = tree.url(body, "repository", "html_url") or ""
        self.repo = repo_key(page) or delivery.repo
        self.host = tree.host(page) or self.repo.partition("/")[0]
        self.project = tree.word(body, "repository", "id") or self.repo
        if not self.repo:
            raise Refused("It names no repository.")

    def status(self, item: Any) -> Status | None:
        """Of an object with `status` and `conclusion`: the conclusion, once there is one."""
        if tree.text(item, "conclusion"):
            return self.delivery.status(CONCLUSION, tree.text(item, "conclusion"))
        return self.delivery.status({**STATUS, **CONCLUSION}, tree.text(item, "status"))


def run_look(source: Source, run: Any, name: str = "") -> RunSeen | None:
    """A run of GitHub Actions, as webhooks and the REST API have it."""
    key = tree.word(run, "id")
    if key is None:
        return None
    status = source.status(run)
    updated, ended = tree.time(run, "updated_at"), status is not None and status.phase is CiPhase.DONE
    return RunSeen(
        provider=source.provider,
        host=source.host,
        project=source.project,
        run=key,
        attempt=tree.number(run, "run_attempt") or 1,
        repo=source.repo,
        mark=weighed(status, updated, tree.time(run, "created_at")),
        pipeline=tree.text(run, "name") or name or None,
        number=tree.number(run, "run_number"),
        event=tree.text(run, "event"),
        branch=tree.text(run, "head_branch"),
        sha=full_sha(tree.at(run, "head_sha")),
        title=tree.first_line(run, "display_title") or tree.first_line(run, "head_commit", "message"),
        actor=tree.text(run, "triggering_actor", "login") or tree.text(run, "actor", "login"),
        url=tree.url(run, "html_url"),
        created_at=tree.time(run, "created_at"),
        started_at=tree.time(run, "run_started_at"),
        finished_at=updated if ended else None,
        status=status,
    )


def job_looks(source: Source, job: Any) -> tuple[RunSeen, JobSeen] | None:
    """A job of GitHub Actions with the run it implies, as webhooks and the REST API have it."""
    key, run = tree.word(job, "id"), tree.word(job, "run_id")
    if key is None or run is None:
        return None
    attempt = tree.number(job, "run_attempt") or 1
    status = source.status(job)
    times = [tree.time(job, name) for name in ("created_at", "started_at", "completed_at")]
    seen = JobSeen(
        provider=source.provider,
        host=source.host,
        job=key,
        run=run_key(source.provider, source.host, source.project, run, attempt),
        repo=source.repo,
        mark=weighed(status, *times),
        name=tree.text(job, "name"),
        runner=tree.text(job, "runner_name"),
        url=tree.url(job, "html_url"),
        created_at=times[0] or times[1],
        started_at=times[1],
        finished_at=times[2],
        status=status,
    )
    implied = run_of_job(
        seen,
        project=source.project,
        run=run,
        attempt=attempt,
        pipeline=tree.text(job, "workflow_name"),
        branch=tree.text(job, "head_branch"),
        sha=full_sha(tree.at(job, "head_sha")),
    )
    return implied, seen


def commit_look(source: Source, commit: Any, **more: Any) -> CommitSeen | None:
    """A commit as pushes and runs have it."""
    sha = full_sha(tree.at(commit, "id") or tree.at(commit, "sha"))
    if sha is None:
        return None
    inner = tree.node(commit, "commit")  # as the REST API has it
    at = tree.time(commit, "timestamp") or tree.time(inner, "committer", "date")
    return CommitSeen(
        repo=source.repo,
        sha=sha,
        mark=mark(0, at),
        title=tree.first_line(commit, "message") or tree.first_line(inner, "message"),
        author=tree.text(commit, "author", "username")
        or tree.text(commit, "author", "login")
        or tree.text(commit, "author", "name")
        or tree.text(inner, "author", "name"),
        url=tree.url(commit, "html_url") or tree.url(commit, "url"),
        committed_at=at,
        **more,
    )
