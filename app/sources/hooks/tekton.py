"""Tekton: pipeline and task runs, whole objects in CloudEvents, out of order and at times twice.

The truth is the condition Succeeded. Commit and images come from results, by Tekton's own naming of types. Nothing is
signed: a token header stands for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from app.domain.ci import (
    ArtifactSeen,
    CiFact,
    CiOutcome,
    CiPhase,
    JobSeen,
    RunSeen,
    Status,
)
from app.domain.converge import mark
from app.domain.repositories import full_digest, full_sha, repo_key

from . import cloudevents, tree, verify
from .port import Delivery, Provider, Reading, Refused, ignored, run_key, run_of_job, told, weighed

_ERRORS = re.compile(
    r"CouldntGet|Invalid|Validation|ImagePullFailed|PodCreationFailed|PodEvicted|OOM|ResourceVerificationFailed"
)


def read(delivery: Delivery) -> Reading:
    """What one delivery says. Raises Refused."""
    found: list[CiFact] = []
    for event in cloudevents.received(delivery):
        if not event.type.startswith("dev.tekton.event."):
            return ignored(delivery, event.type)
        pipeline, task = tree.node(event.data, "pipelineRun"), tree.node(event.data, "taskRun")
        if pipeline:
            found += _run(delivery, pipeline, event.source)
        elif task:
            found += _task(delivery, task, event.source)
        else:
            return ignored(delivery, event.type)
    return told(found)


def status_of(item: Any) -> Status | None:
    """The status that the condition Succeeded tells."""
    condition = next(
        (each for each in tree.nodes(item, "status", "conditions") if tree.text(each, "type") == "Succeeded"),
        None,
    )
    if condition is None:
        return Status(CiPhase.QUEUED, None, "no condition")
    reason, truth = tree.text(condition, "reason", limit=60) or "", tree.text(condition, "status")
    if truth == "True":
        outcome = CiOutcome.PARTIAL if reason == "FailureIgnored" else CiOutcome.SUCCESS
        return Status(CiPhase.DONE, outcome, reason)
    if truth == "False":
        outcome = CiOutcome.FAILURE
        if "Cancelled" in reason:
            outcome = CiOutcome.CANCELLED
        elif reason.endswith("Timeout"):
            outcome = CiOutcome.TIMED_OUT
        elif _ERRORS.search(reason):
            outcome = CiOutcome.ERROR
        return Status(CiPhase.DONE, outcome, reason)
    queued = reason in ("PipelineRunPending", "TaskRunPending")
    return Status(CiPhase.QUEUED if queued else CiPhase.RUNNING, None, reason)


def _results(item: Any) -> Iterator[tuple[str, str]]:
    for name in ("results", "pipelineResults", "taskResults"):
        for each in tree.nodes(item, "status", name):
            key, value = tree.text(each, "name"), tree.at(each, "value")
            if key and isinstance(value, str):
                yield key, value[:2000]


def _source(delivery: Delivery, item: Any) -> tuple[str, str | None]:
    results = dict(_results(item))
    params = {
        name: tree.text(each, "value")
        for each in tree.nodes(item, "spec", "params")
        if (name := tree.text(each, "name"))
    }

    def one(*names: str) -> str:
        return next((found for name in names if (found := results.get(name) or params.get(name))), "")

    repo = repo_key(one("CHAINS-GIT_URL", "CHAINS_GIT_URL", "git-url", "repo-url", "url")) or delivery.repo
    if not repo:
        raise Refused("It names no repository; a hook whose scope is one repository gives it that one.")
    return repo, full_sha(one("CHAINS-GIT_COMMIT", "CHAINS_GIT_COMMIT", "git-revision", "revision"))


def _times(item: Any) -> tuple[Any, Any, Any]:
    return (
        tree.time(item, "metadata", "creationTimestamp"),
        tree.time(item, "status", "startTime"),
        tree.time(item, "status", "completionTime"),
    )


def _moved(item: Any) -> Any:
    return max(
        (
            at
            for each in tree.nodes(item, "status", "conditions")
            if (at := tree.time(each, "lastTransitionTime"))
        ),
        default=None,
    )


def _run(delivery: Delivery, item: Any, source: str) -> list[CiFact]:
    uid = tree.word(item, "metadata", "uid")
    if uid is None:
        raise Refused("Its run has no uid.")
    repo, sha = _source(delivery, item)
    status, (created, started, finished) = status_of(item), _times(item)
    namespace = tree.text(item, "metadata", "namespace") or ""
    run = RunSeen(
        provider="tekton",
        host="tekton",
        project=namespace,
        run=uid,
        attempt=1,
        repo=repo,
        mark=weighed(status, created, started, finished, _moved(item)),
        pipeline=tree.text(item, "spec", "pipelineRef", "name")
        or tree.text(item, "metadata", "generateName"),
        title=tree.text(item, "metadata", "name"),
        sha=sha,
        created_at=created,
        started_at=started,
        finished_at=finished,
        status=status,
    )
    return [run, *_images(item, run)]


def _images(item: Any, run: RunSeen) -> Iterator[ArtifactSeen]:
    results = dict(_results(item))
    for name, value in results.items():
        digest = full_digest(value) if name.endswith("IMAGE_DIGEST") else None
        if digest:
            address = results.get(name.removesuffix("DIGEST") + "URL", "").partition("@")[0]
            yield ArtifactSeen(
                digest=digest,
                mark=mark(0, run.finished_at),
                name=address[:300] or None,
                repo=run.repo,
                sha=run.sha,
                run=run.key,
                built_at=run.finished_at,
            )


def _task(delivery: Delivery, item: Any, source: str) -> list[CiFact]:
    uid = tree.word(item, "metadata", "uid")
    if uid is None:
        raise Refused("Its task run has no uid.")
    repo, sha = _source(delivery, item)
    status, (created, started, finished) = status_of(item), _times(item)
    labels = tree.node(item, "metadata", "labels")
    namespace = tree.text(item, "metadata", "namespace") or ""
    # A task of no pipeline is a run of its own.
    parent = tree.text(labels, "tekton.dev/pipelineRunUID") or uid
    name = tree.text(labels, "tekton.dev/pipelineTask") or tree.text(labels, "tekton.dev/task")
    job = JobSeen(
        provider="tekton",
        host="tekton",
        job=uid,
        run=run_key("tekton", "tekton", namespace, parent),
        repo=repo,
        mark=weighed(status, created, started, finished, _moved(item)),
        name=name or tree.text(item, "metadata", "name"),
        created_at=created,
        started_at=started,
        finished_at=finished,
        status=status,
    )
    pipeline = tree.text(labels, "tekton.dev/pipeline") or (name if parent == uid else None)
    run = run_of_job(job, project=namespace, run=parent, pipeline=pipeline, sha=sha)
    if parent == uid:
        run = RunSeen(
            provider="tekton",
            host="tekton",
            project=namespace,
            run=uid,
            attempt=1,
            repo=repo,
            mark=job.mark,
            pipeline=name,
            sha=sha,
            created_at=created,
            started_at=started,
            finished_at=finished,
            status=status,
        )
    return [run, job]


PROVIDER = Provider("tekton", verify.TOKENS, read, key=cloudevents.key, kept=cloudevents.KEPT, in_path=True)
