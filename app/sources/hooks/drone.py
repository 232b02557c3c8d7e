"""Drone, and Woodpecker, which writes its pipelines alike but has no webhook: those come by its REST API or from a
step that posts one.

Drone signs date and digest (draft-cavage-http-signatures); both are checked, and the digest against the body.
"""

from __future__ import annotations

from typing import Any

from app.domain.ci import CiFact, CiPhase, CommitSeen, JobSeen, RunSeen
from app.domain.converge import mark
from app.domain.repositories import full_sha, repo_key

from . import tree, verify
from .port import Delivery, Provider, Reading, Refused, ignored, told, weighed, words

STATUS = words(
    queued="pending created waiting_on_dependencies",
    blocked="blocked",
    running="running started",
    success="success",
    failure="failure declined",
    error="error",
    cancelled="killed canceled",
    skipped="skipped",
)


def read(delivery: Delivery) -> Reading:
    """What one delivery of Drone says. Raises Refused."""
    if delivery.event not in ("build", ""):
        return ignored(delivery)
    repository = tree.node(delivery.body, "repo")
    build = tree.node(delivery.body, "build") or tree.node(repository, "build")
    address = tree.text(repository, "git_http_url") or tree.text(repository, "link") or ""
    repo = repo_key(address) or delivery.repo
    return _pipeline(delivery, "drone", repo, build, tree.text(delivery.body, "system", "host"))


def read_woodpecker(delivery: Delivery) -> Reading:
    """What one pipeline of Woodpecker's REST API says. Raises Refused."""
    body = delivery.body
    build = tree.node(body, "pipeline") or tree.node(body)
    page = tree.text(body, "repo", "forge_url") or tree.text(body, "repo", "clone_url") or ""
    return _pipeline(delivery, "woodpecker", repo_key(page) or delivery.repo, build, None)


def _pipeline(delivery: Delivery, provider: str, repo: str, build: Any, host: str | None) -> Reading:
    run = tree.word(build, "number")
    if run is None or not repo:
        raise Refused("Its build has no number, or it names no repository.")
    status = delivery.status(STATUS, tree.text(build, "status"))
    created, started, finished = (tree.time(build, name) for name in ("created", "started", "finished"))
    sha = full_sha(tree.at(build, "after") or tree.at(build, "commit"))
    branch = tree.text(build, "target") or tree.text(build, "branch")
    title = tree.first_line(build, "message")
    look = RunSeen(
        provider=provider,
        host=host or repo.partition("/")[0],
        project=repo,
        run=run,
        attempt=1,
        repo=repo,
        mark=weighed(status, created, started, finished, tree.time(build, "updated")),
        pipeline=provider,
        number=tree.number(build, "number"),
        event=tree.text(build, "event"),
        branch=branch,
        sha=sha,
        title=title,
        actor=tree.text(build, "author_login") or tree.text(build, "author"),
        url=tree.url(build, "link") or tree.url(build, "forge_url"),
        created_at=created,
        started_at=started or created,
        finished_at=finished,
        status=status,
    )
    found: list[CiFact] = [look]
    if sha:
        author = tree.text(build, "author_name") or tree.text(build, "author")
        found.append(
            CommitSeen(repo=repo, sha=sha, mark=mark(0, created), title=title, author=author, branch=branch)
        )
    stages = [*tree.nodes(build, "stages"), *tree.nodes(build, "workflows")]
    for stage in stages:
        found += _jobs(delivery, look, stage)
    return told(found)


def _jobs(delivery: Delivery, run: RunSeen, stage: Any) -> list[JobSeen]:
    steps = [*tree.nodes(stage, "steps"), *tree.nodes(stage, "children")] or [stage]
    found: list[JobSeen] = []
    for step in steps:
        key = tree.word(step, "id") or tree.word(step, "number")
        if key is None:
            continue
        status = delivery.status(STATUS, tree.text(step, "status") or tree.text(step, "state"))
        started = tree.time(step, "started") or tree.time(step, "start_time")
        stopped = tree.time(step, "stopped") or tree.time(step, "end_time")
        found.append(
            JobSeen(
                provider=run.provider,
                host=run.host,
                job=f"{tree.word(stage, 'id') or tree.word(stage, 'number') or ''}/{key}",
                run=run.key,
                repo=run.repo,
                mark=weighed(status, started, stopped),
                name=tree.text(step, "name"),
                group=tree.text(stage, "name"),
                started_at=started,
                finished_at=stopped if status and status.phase is CiPhase.DONE else None,
                status=status,
            )
        )
    return found


PROVIDER = Provider("drone", (verify.DRONE,), read, event=("x-drone-event",))
WOODPECKER = Provider("woodpecker", verify.TOKENS, read_woodpecker)
