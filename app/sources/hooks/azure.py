"""Azure DevOps: builds, runs, stages and jobs of YAML pipelines, pushes. Nothing is signed; a token header or the
password of Basic credentials stands for that.

Most of its events name no commit, and some no repository: a hook for one repository gives it to them. Words
differ in case between its APIs.
"""

from __future__ import annotations

import re
from typing import Any

from app.domain.ci import CiFact, CiOutcome, CiPhase, CommitSeen, JobSeen, RunSeen, Status
from app.domain.converge import mark
from app.domain.repositories import full_sha, repo_key

from . import tree, verify
from .port import Delivery, Provider, Reading, Refused, ignored, told, weighed, words

STATE = words(
    queued="notstarted postponed queued scheduled pending",
    blocked="waiting",
    running="inprogress canceling cancelling",
)
RESULT = words(
    success="succeeded",
    partial="partiallysucceeded succeededwithissues",
    failure="failed rejected",
    cancelled="canceled cancelled stopped abandoned",
    skipped="skipped",
)
_OVER = {"completed": (CiPhase.DONE, CiOutcome.NEUTRAL)}


def read(delivery: Delivery) -> Reading:
    """What one event says, by its `eventType`. Raises Refused."""
    kind = (tree.text(delivery.body, "eventType") or "").lower()
    resource = tree.node(delivery.body, "resource")
    if kind == "git.push":
        return _push(delivery, resource)
    if kind == "build.complete":
        return told([build_look(delivery, resource)])
    if kind.startswith("ms.vss-pipelines.") and kind.endswith("-state-changed-event"):
        return _pipeline(delivery, resource)
    return ignored(delivery, kind)


def _status(delivery: Delivery, item: Any, state: str = "state", result: str = "result") -> Status | None:
    ended, now = tree.text(item, result), tree.text(item, state)
    if ended and (now or "completed").lower() in ("completed", ended.lower()):
        return delivery.status(RESULT, ended)
    return delivery.status({**STATE, **RESULT, **_OVER}, now)


def _repo(delivery: Delivery, *addresses: str | None) -> str:
    found = next((key for one in addresses if one and (key := repo_key(one))), "") or delivery.repo
    if not found:
        raise Refused("It names no repository; a hook whose scope is one repository gives it that one.")
    return found


def _run(delivery: Delivery, run: Any, repo: str, *, pipeline: str | None, **more: Any) -> RunSeen:
    key = tree.word(run, "id")
    if key is None:
        raise Refused("Its run has no id.")
    status = _status(delivery, run)
    created, finished = tree.time(run, "createdDate"), tree.time(run, "finishedDate")
    told_ = {
        "created_at": created,
        "started_at": created,
        "finished_at": finished,
        "status": status,
        "mark": weighed(status, created, finished),
    }
    return RunSeen(
        provider="azure",
        host=repo.partition("/")[0],
        project=_project(delivery),
        run=key,
        attempt=1,
        repo=repo,
        pipeline=pipeline,
        **{**told_, **more},
    )


def _project(delivery: Delivery) -> str:
    containers = tree.node(delivery.body, "resourceContainers")
    return tree.text(containers, "project", "id") or tree.text(containers, "collection", "id") or "azure"


def _pipeline(delivery: Delivery, resource: Any) -> Reading:
    run, pipeline = tree.node(resource, "run"), tree.node(resource, "pipeline")
    addresses = [tree.text(each, "url") for each in tree.nodes(resource, "repositories")]
    repo = _repo(delivery, *addresses)
    look = _run(
        delivery,
        run,
        repo,
        pipeline=tree.text(pipeline, "name"),
        url=tree.url(run, "_links", "web", "href"),
    )
    found: list[CiFact] = [look]
    stage = tree.text(resource, "stage", "displayName") or tree.text(resource, "stage", "name")
    for sort in ("job", "stage"):
        item = tree.node(resource, sort)
        if tree.text(item, "name"):
            found.append(record_look(delivery, look, item, sort, stage))
            break
    return told(found)


def record_look(delivery: Delivery, run: RunSeen, item: Any, sort: str, stage: str | None) -> JobSeen:
    """A stage or a job (`sort`) with a name, as events and the records of a timeline have it."""
    name = tree.text(item, "name")
    status = _status(delivery, item)
    started, finished = tree.time(item, "startTime"), tree.time(item, "finishTime")
    # The samples' ids are all zero, and a stage runs once in an attempt: name it by its names.
    key = "/".join(part for part in (stage, name if sort == "job" else None) if part)
    return JobSeen(
        provider="azure",
        host=run.host,
        job=f"{sort}:{key}",
        run=run.key,
        repo=run.repo,
        mark=weighed(status, started, finished, tree.time(delivery.body, "createdDate")),
        name=name if sort == "job" else stage,
        group=stage,
        runner=tree.text(item, "workerName"),
        url=tree.url(item, "_links", "web", "href"),
        created_at=started,
        started_at=started,
        finished_at=finished,
        status=status,
    )


def build_look(delivery: Delivery, build: Any) -> RunSeen:
    """A build, as `build.complete` and the REST API have it. Raises Refused."""
    source = tree.text(build, "sourceGetVersion") or ""
    matched = re.search(r"(?:refs/heads/([^:]+))?:([0-9a-fA-F]{40})$", source)
    repo = _repo(delivery, tree.text(build, "repository", "url"))
    status = _status(delivery, build, "status", "result")
    started, finished = tree.time(build, "startTime"), tree.time(build, "finishTime")
    branch = tree.text(build, "sourceBranch") or (matched[1] if matched else None)
    return _run(
        delivery,
        build,
        repo,
        pipeline=tree.text(build, "definition", "name"),
        branch=branch.removeprefix("refs/heads/") if branch else None,
        sha=full_sha(tree.at(build, "sourceVersion")) or (full_sha(matched[2]) if matched else None),
        url=tree.url(build, "_links", "web", "href"),
        created_at=tree.time(build, "queueTime") or started,
        started_at=started,
        finished_at=finished,
        status=status,
        mark=weighed(status, started, finished),
    )


def _push(delivery: Delivery, push: Any) -> Reading:
    repo = _repo(delivery, tree.text(push, "repository", "remoteUrl"))
    pushed = tree.time(push, "date") or delivery.received_at
    ref = next((tree.text(each, "name") for each in tree.nodes(push, "refUpdates")), None) or ""
    return told(
        CommitSeen(
            repo=repo,
            sha=sha,
            mark=mark(0, tree.time(each, "committer", "date")),
            title=tree.first_line(each, "comment"),
            author=tree.text(each, "author", "name"),
            branch=ref.removeprefix("refs/heads/") or None,
            authored_at=tree.time(each, "author", "date"),
            committed_at=tree.time(each, "committer", "date"),
            pushed_at=pushed,
        )
        for each in tree.nodes(push, "commits")
        if (sha := full_sha(tree.at(each, "commitId")))
    )


def _key(_: Any, body: Any) -> str:
    subscription, notification = tree.word(body, "subscriptionId"), tree.word(body, "notificationId")
    return f"{subscription}/{notification}" if subscription and notification else tree.word(body, "id") or ""


PROVIDER = Provider("azure", verify.TOKENS, read, key=_key)
