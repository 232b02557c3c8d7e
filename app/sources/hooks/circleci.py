"""CircleCI: workflows and jobs that ended; it sends nothing before. A rerun is a workflow of its own."""

from __future__ import annotations

from app.domain.ci import CiPhase, CommitSeen, JobSeen, RunSeen
from app.domain.converge import mark
from app.domain.repositories import full_sha, repo_key

from . import tree, verify
from .port import Delivery, Provider, Reading, Refused, ignored, told, weighed, words

STATUS = words(
    queued="created setup setup-pending pending queued not_running",
    blocked="on_hold unauthorized",
    running="running failing",
    success="success",
    failure="failed",
    error="error errored infrastructure_fail terminated-unknown",
    cancelled="canceled cancelled",
    skipped="not_run",
    timed_out="timedout",
)
# Of a job, "blocked" is that another one has to end first, which asks nobody for anything.
JOB = {**STATUS, **words(queued="blocked")}
# The short words first: the REST API takes those.
HOSTS = {"gh": "github.com", "bb": "bitbucket.org", "github": "github.com", "bitbucket": "bitbucket.org"}


def read(delivery: Delivery) -> Reading:
    """What one delivery says. Raises Refused."""
    body = delivery.body
    kind = tree.text(body, "type") or ""
    if kind not in ("workflow-completed", "job-completed"):
        return ignored(delivery, kind)
    workflow, pipeline = tree.node(body, "workflow"), tree.node(body, "pipeline")
    vcs, git = tree.node(pipeline, "vcs"), tree.node(pipeline, "trigger_parameters", "git")
    repo = _repo(delivery, vcs, git)
    key = tree.word(workflow, "id")
    if key is None or not repo:
        raise Refused("It names no workflow, or no repository.")
    job = tree.node(body, "job") if kind == "job-completed" else {}
    status = delivery.status(STATUS, tree.text(workflow, "status"))
    created, stopped = tree.time(workflow, "created_at"), tree.time(workflow, "stopped_at")
    happened = tree.time(body, "happened_at")
    sha = full_sha(tree.at(vcs, "revision")) or full_sha(tree.at(git, "checkout_sha"))
    branch = tree.text(vcs, "branch") or tree.text(git, "branch")
    run = RunSeen(
        provider="circleci",
        host="circleci.com",
        project=_project(tree.text(body, "project", "slug") or repo),
        run=key,
        attempt=1,
        repo=repo,
        mark=weighed(status, created, stopped, happened),
        pipeline=tree.text(workflow, "name"),
        number=tree.number(pipeline, "number"),
        event=tree.text(pipeline, "trigger", "type"),
        branch=branch,
        sha=sha,
        title=tree.first_line(vcs, "commit", "subject"),
        url=tree.url(workflow, "url"),
        created_at=created,
        started_at=created,
        finished_at=stopped if status and status.phase is CiPhase.DONE else None,
        status=status,
    )
    commit = None
    if sha and tree.node(vcs, "commit"):
        commit = CommitSeen(
            repo=repo,
            sha=sha,
            mark=mark(0, tree.time(vcs, "commit", "authored_at")),
            title=tree.first_line(vcs, "commit", "subject"),
            author=tree.text(vcs, "commit", "author", "name"),
            branch=branch,
            authored_at=tree.time(vcs, "commit", "authored_at"),
            committed_at=tree.time(vcs, "commit", "committed_at"),
        )
    return told([run, commit, _job(delivery, run, job)])


def _project(slug: str) -> str:
    """A project's name: webhooks write the host out, the REST API shortens it."""
    host, _, path = slug.partition("/")
    return f"{ {'gh': 'github', 'bb': 'bitbucket'}.get(host, host) }/{path}" if path else slug


def _repo(delivery: Delivery, vcs: object, git: object) -> str:
    for tree_, name in ((vcs, "origin_repository_url"), (vcs, "target_repository_url"), (git, "repo_url")):
        if found := repo_key(tree.text(tree_, name) or ""):
            return found
    slug = (tree.text(delivery.body, "project", "slug") or "").partition("/")
    return repo_key(f"{HOSTS[slug[0]]}/{slug[2]}") if slug[0] in HOSTS else delivery.repo


def _job(delivery: Delivery, run: RunSeen, job: object) -> JobSeen | None:
    key = tree.word(job, "id")
    if key is None:
        return None
    status = delivery.status(JOB, tree.text(job, "status"))
    started, stopped = tree.time(job, "started_at"), tree.time(job, "stopped_at")
    return JobSeen(
        provider="circleci",
        host=run.host,
        job=key,
        run=run.key,
        repo=run.repo,
        mark=weighed(status, started, stopped),
        name=tree.text(job, "name"),
        created_at=started,
        started_at=started,
        finished_at=stopped,
        status=status,
    )


PROVIDER = Provider(
    "circleci",
    (verify.CIRCLECI,),
    read,
    event=("circleci-event-type",),
    key=lambda headers, body: tree.word(body, "id") or "",
)
