"""Jenkins, by its notification plugin and its REST API: one run a build. The plugin signs nothing, so a token stands
for that.

COMPLETED and FINALIZED tell the same outcome. Parameters, logs and causes are never read: they hold secrets.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from app.domain.ci import CiPhase, JobSeen, RunSeen
from app.domain.repositories import full_sha, repo_key

from . import tree, verify
from .port import Delivery, Provider, Reading, Refused, told, weighed, words

RESULT = words(
    success="success",
    partial="unstable",
    failure="failure failed",
    cancelled="aborted",
    skipped="not_built not_build not_executed",
    running="in_progress started",
    blocked="paused_pending_input",
    queued="queued not_started",
)


def read(delivery: Delivery) -> Reading:
    """What one notification says. Raises Refused."""
    body, build = delivery.body, tree.node(delivery.body, "build")
    number, job = tree.number(build, "number"), tree.text(body, "url") or tree.text(body, "name")
    if number is None or job is None:
        raise Refused("It has no build with a number, or no job: is it the notification plugin's?")
    page = tree.url(build, "full_url")
    repo = repo_key(tree.text(build, "scm", "url") or "") or delivery.repo
    if not repo:
        raise Refused("Its build names no repository.")
    phase = (tree.text(build, "phase") or "").upper()
    over = phase in ("COMPLETED", "FINALIZED")
    status = delivery.status(RESULT, tree.text(build, "status") if over else phase)
    created = tree.time(build, "timestamp")
    ended = _end(created, tree.number(build, "duration")) if over else None
    branch = tree.text(build, "scm", "branch")
    run = RunSeen(
        provider="jenkins",
        host=tree.host(page) or repo.partition("/")[0],
        project=job,
        run=str(number),
        attempt=1,
        repo=repo,
        mark=weighed(status, created, ended),
        pipeline=tree.text(body, "display_name") or tree.text(body, "name"),
        number=number,
        branch=branch.removeprefix("origin/") if branch else None,
        sha=full_sha(tree.at(build, "scm", "commit")),  # Subversion's revisions are none
        url=page,
        created_at=created,
        started_at=created,
        finished_at=ended,
        status=status,
    )
    return told([run])


def built_look(delivery: Delivery, project: str, job: Any, build: Any) -> RunSeen | None:
    """A build as the REST API has it, if one of its checkouts is of `delivery.repo`. `project` is the job's path
    ("job/shop/job/main/"), as the plugin tells it."""
    number, repo = tree.number(build, "number"), delivery.repo
    checkouts = [
        tree.node(action, "lastBuiltRevision")
        for action in tree.nodes(build, "actions")
        if repo in _remotes(action)
    ]
    if number is None or not checkouts:
        return None
    running = tree.at(build, "building") is True
    raw = tree.text(build, "result")
    status = delivery.status(RESULT, raw or ("in_progress" if running else "queued"))
    created = tree.time(build, "timestamp")
    over = status is not None and status.phase is CiPhase.DONE
    ended = _end(created, tree.number(build, "duration")) if over else None
    branches = tree.nodes(checkouts[0], "branch")
    branch = next((name for each in branches if (name := tree.text(each, "name"))), "")
    page = tree.url(build, "url")
    return RunSeen(
        provider="jenkins",
        host=tree.host(page) or repo.partition("/")[0],
        project=project,
        run=str(number),
        attempt=1,
        repo=repo,
        mark=weighed(status, created, ended),
        pipeline=tree.text(job, "fullName"),
        number=number,
        branch=branch.removeprefix("refs/remotes/").removeprefix("origin/") or None,
        sha=full_sha(tree.at(checkouts[0], "SHA1")),
        url=page,
        created_at=created,
        started_at=created,
        finished_at=ended,
        status=status,
    )


def stage_looks(delivery: Delivery, run: RunSeen, described: Any) -> tuple[RunSeen, list[JobSeen]]:
    """A run with what the stage view says of it (it alone tells that a run waits for a person), and its stages."""
    if run.status and run.status.phase is not CiPhase.DONE:
        told_ = delivery.status(RESULT, tree.text(described, "status"))
        if told_ and told_.phase is CiPhase.BLOCKED:
            run = replace(run, status=told_)
    found = []
    for stage in tree.nodes(described, "stages"):
        key = tree.word(stage, "id")
        if key is None:
            continue
        status = delivery.status(RESULT, tree.text(stage, "status"))
        started = tree.time(stage, "startTimeMillis")
        over = status is not None and status.phase is CiPhase.DONE
        ended = _end(started, tree.number(stage, "durationMillis")) if over else None
        found.append(
            JobSeen(
                provider="jenkins",
                host=run.host,
                job=key,
                run=run.key,
                repo=run.repo,
                mark=weighed(status, started, ended),
                name=tree.text(stage, "name"),
                url=run.url,
                created_at=started,
                started_at=started,
                finished_at=ended,
                status=status,
            )
        )
    return run, found


def _remotes(action: Any) -> set[str]:
    addresses = tree.at(action, "remoteUrls")
    return (
        {repo_key(each) for each in addresses[:20] if isinstance(each, str)}
        if isinstance(addresses, list)
        else set()
    )


def _end(started: datetime | None, milliseconds: int | None) -> datetime | None:
    return started + timedelta(milliseconds=milliseconds) if started and milliseconds else None


PROVIDER = Provider("jenkins", verify.TOKENS, read, in_path=True)
