"""Bitbucket Cloud and Data Center: build statuses, pushes, pull requests. Pipelines have no event of their own; they
tell of themselves as build statuses, and their REST API has them whole."""

from __future__ import annotations

import re
from typing import Any

from app.domain.ci import CiPhase, CommitSeen, JobSeen, RunSeen
from app.domain.converge import mark
from app.domain.repositories import full_sha, repo_key

from . import tree, verify
from .port import Delivery, Provider, Reading, Refused, ignored, told, weighed, words

STATUS = words(running="inprogress", success="successful", failure="failed", cancelled="stopped")
PIPELINE = words(
    queued="pending parsing ready",
    blocked="paused",
    running="in_progress running building",
    success="successful passed completed",
    failure="failed halted",
    error="error",
    cancelled="stopped",
    timed_out="expired",
    skipped="not_run",
)
_CHANGES = frozenset(
    {
        *("pullrequest:created", "pullrequest:updated", "pullrequest:fulfilled", "pullrequest:rejected"),
        *("pr:opened", "pr:merged", "pr:from_ref_updated", "pr:declined", "pr:modified"),
    }
)


def read(delivery: Delivery) -> Reading:
    """What one delivery says. Raises Refused."""
    body, event = delivery.body, delivery.event or tree.text(delivery.body, "eventKey") or ""
    if not isinstance(body, dict):
        raise Refused("It is not a JSON object.")
    if event == "diagnostics:ping":
        return ignored(delivery)
    if event.startswith("repo:commit_status_"):
        return _commit_status(delivery)
    if event == "repo:push":
        return _push(delivery)
    if event == "repo:refs_changed":
        return _refs_changed(delivery)
    if event in _CHANGES:
        return _change(delivery)
    return ignored(delivery, event)


def _repo(delivery: Delivery, repository: Any) -> str:
    page = tree.url(repository, "links", "html", "href") or ""
    found = repo_key(page)
    if not found:  # Data Center: …/projects/KEY/repos/slug/browse, where there is a link at all
        for link in tree.nodes(repository, "links", "self"):
            project, slug = tree.text(repository, "project", "key"), tree.text(repository, "slug")
            host = tree.host(tree.url(link, "href"))
            if host and project and slug:
                found = repo_key(f"{host}/{project}/{slug}")
    found = found or delivery.repo
    if not found:
        raise Refused("It names no repository; a hook whose scope is one repository gives it that one.")
    return found


def _commit_status(delivery: Delivery) -> Reading:
    item = tree.node(delivery.body, "commit_status")
    repo = _repo(delivery, tree.node(delivery.body, "repository"))
    link = tree.url(item, "links", "commit", "href") or ""
    sha = full_sha(tree.at(item, "commit", "hash")) or full_sha(link.rpartition("/")[2])
    key = tree.word(item, "key") or tree.text(item, "name")
    if sha is None or key is None:
        raise Refused("Its status names no commit, or has no key.")
    status = delivery.status(STATUS, tree.text(item, "state"))
    created, updated = tree.time(item, "created_on"), tree.time(item, "updated_on")
    run = RunSeen(
        provider="bitbucket",
        host=repo.partition("/")[0],
        project=repo,
        run=_pipeline(tree.url(item, "url")) or f"status-{sha}-{key}",
        attempt=1,
        repo=repo,
        mark=mark(2, updated, created),  # the newest holds, as GitHub's statuses
        pipeline=tree.text(item, "name") or key,
        title=tree.text(item, "description"),
        branch=tree.text(item, "refname"),
        sha=sha,
        url=tree.url(item, "url"),
        created_at=created,
        started_at=created,
        finished_at=updated if status and status.phase is CiPhase.DONE else None,
        status=status,
    )
    return told([run, _commit(repo, tree.node(item, "commit"))])


def _pipeline(page: str | None) -> str:
    """What the run of a pipeline is called whose page a status points to; empty where it points elsewhere."""
    matched = re.search(r"/pipelines/\S*?results/([0-9]{1,9})\b", page or "")
    return f"pipeline-{matched[1]}" if matched else ""


def pipeline_look(delivery: Delivery, item: Any) -> RunSeen | None:
    """A pipeline as the REST API has it, of `delivery.repo`; None for one without an id."""
    number, key = tree.number(item, "build_number"), tree.word(item, "uuid")
    if number is None and key is None:
        return None
    status = delivery.status(PIPELINE, *_state(item))
    created, finished = tree.time(item, "created_on"), tree.time(item, "completed_on")
    repo = delivery.repo
    page = f"https://{repo}/pipelines/results/{number}" if number is not None else None
    return RunSeen(
        provider="bitbucket",
        host=repo.partition("/")[0],
        project=repo,
        run=f"pipeline-{key if number is None else number}",
        attempt=1,
        repo=repo,
        mark=weighed(status, created, finished),
        pipeline=tree.text(item, "target", "selector", "pattern") or "pipelines",
        number=number,
        event=tree.text(item, "trigger", "name"),
        branch=tree.text(item, "target", "ref_name"),
        sha=full_sha(tree.at(item, "target", "commit", "hash")),
        title=tree.first_line(item, "target", "commit", "message"),
        actor=tree.text(item, "creator", "display_name"),
        url=page,
        created_at=created,
        started_at=created,
        finished_at=finished,
        status=status,
    )


def step_look(delivery: Delivery, run: RunSeen, item: Any) -> JobSeen | None:
    """A step of a pipeline as the REST API has it; None for one without an id."""
    key = tree.word(item, "uuid")
    if key is None:
        return None
    status = delivery.status(PIPELINE, *_state(item))
    started, finished = tree.time(item, "started_on"), tree.time(item, "completed_on")
    return JobSeen(
        provider="bitbucket",
        host=run.host,
        job=key,
        run=run.key,
        repo=run.repo,
        mark=weighed(status, started, finished),
        name=tree.text(item, "name"),
        url=run.url,
        created_at=started,
        started_at=started,
        finished_at=finished,
        status=status,
    )


def _state(item: Any) -> tuple[str | None, ...]:
    """The words for how it is, the one that tells most first."""
    state = tree.node(item, "state")
    return tuple(tree.text(state, *path) for path in (("result", "name"), ("stage", "name"), ("name",)))


def _commit(repo: str, commit: Any, **more: Any) -> CommitSeen | None:
    sha, at = full_sha(tree.at(commit, "hash")), tree.time(commit, "date")
    if sha is None:
        return None
    author = tree.text(commit, "author", "user", "display_name") or tree.text(commit, "author", "raw")
    return CommitSeen(
        repo=repo,
        sha=sha,
        mark=mark(0, at),
        title=tree.first_line(commit, "message"),
        author=author.partition("<")[0].strip() or None if author else None,
        url=tree.url(commit, "links", "html", "href"),
        committed_at=at,
        **more,
    )


def _push(delivery: Delivery) -> Reading:
    repo = _repo(delivery, tree.node(delivery.body, "repository"))
    found: list[CommitSeen | None] = []
    for change in tree.nodes(delivery.body, "push", "changes"):
        if tree.text(change, "new", "type") == "branch":
            commits = [*tree.nodes(change, "commits"), tree.node(change, "new", "target")]
            branch = tree.text(change, "new", "name")
            found += [_commit(repo, each, branch=branch, pushed_at=delivery.received_at) for each in commits]
    return told(found)


def _refs_changed(delivery: Delivery) -> Reading:
    repo = _repo(delivery, tree.node(delivery.body, "repository"))
    pushed = tree.time(delivery.body, "date") or delivery.received_at
    return told(
        CommitSeen(
            repo=repo,
            sha=sha,
            mark=mark(0, pushed),
            branch=tree.text(change, "ref", "displayId"),
            pushed_at=pushed,
        )
        for change in tree.nodes(delivery.body, "changes")
        if tree.text(change, "ref", "type") == "BRANCH"
        and tree.text(change, "type") != "DELETE"
        and (sha := full_sha(tree.at(change, "toHash")))
    )


def _change(delivery: Delivery) -> Reading:
    body = delivery.body
    cloud = tree.node(body, "pullrequest")
    item = cloud or tree.node(body, "pullRequest")
    source = "source" if cloud else "fromRef"
    repository = tree.node(body, "repository") or tree.node(item, "toRef", "repository")
    repo = _repo(delivery, repository)
    opened = tree.time(item, "created_on") or tree.time(item, "createdDate")
    updated = tree.time(item, "updated_on") or tree.time(item, "updatedDate") or opened
    # Cloud gives only the start of the merge's id, which names no commit here.
    merge = full_sha(tree.at(item, "properties", "mergeCommit", "id"))
    merged = updated if merge or tree.text(item, "state") == "MERGED" else None
    head = full_sha(tree.at(item, source, "commit", "hash") or tree.at(item, source, "latestCommit"))
    return told(
        CommitSeen(
            repo=repo,
            sha=sha,
            mark=mark(0, updated),
            change=tree.word(item, "id"),
            landed=merge if sha != merge else None,
            opened_at=opened,
            merged_at=merged,
        )
        for sha in (head, merge)
        if sha
    )


PROVIDER = Provider(
    "bitbucket",
    (verify.BITBUCKET,),
    read,
    event=("x-event-key",),
    delivery=("x-request-uuid", "x-request-id"),
)
