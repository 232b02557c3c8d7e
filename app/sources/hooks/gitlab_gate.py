"""Jobs of GitLab that wait for an answer: manual ones of an environment, and those whose deployment is blocked.

One question a job, whichever of its webhooks comes first.
"""

from __future__ import annotations

from typing import Any, Protocol

from app.domain.ci import DeploymentSeen, RunSeen
from app.domain.forges import Asked, CallKind, ForgeCall

from . import tree
from .port import Delivery

_ASIDE = frozenset({"stop", "prepare", "verify", "access"})
"""What a job does to an environment other than deploying to it."""
_ENDED = frozenset({"pending", "running", "success", "failed", "canceled", "skipped"})


class Speaker(Protocol):
    """The project that a webhook is of."""

    delivery: Delivery
    body: Any
    repo: str


def of_job(source: Speaker, job: Any, run: RunSeen) -> Asked | None:
    """That a job of an environment waits for somebody to start it, or waits no more."""
    key, environment = tree.word(job, "id"), tree.text(job, "environment", "name")
    if key is None or environment is None or tree.text(job, "environment", "action") in _ASIDE:
        return None
    if tree.text(job, "status") != "manual":
        return _over(source, key) if tree.text(job, "status") in _ENDED else None
    name = tree.text(job, "user", "username") or run.actor
    page = run.url.partition("/-/")[0] if run.url else ""
    url = f"{page}/-/jobs/{key}" if page else ""
    return _waits(source, key, environment, "", run.sha or "", run.branch or "", name, url, optional=True)


def _waits(
    source: Speaker, job: str, environment: str, deployment: str, sha: str, ref: str, name: str | None, url: str,
    *, optional: bool,
) -> Asked:  # fmt: skip
    kind = CallKind.JOB
    call = ForgeCall("", kind, source.repo, job=job, deployment=deployment, environment=environment)
    actor = f"{name}@users.noreply.gitlab.com" if name else ""
    thread = f"gitlab|{source.repo}|{job}"
    return Asked(
        thread, source.repo, key=f"{source.repo}|{job}", call=call, sha=sha, ref=ref, actor=actor, url=url,
        optional=optional,
    )  # fmt: skip


def _over(source: Speaker, job: str) -> Asked:
    return Asked(f"gitlab|{source.repo}|{job}", source.repo, over_at=source.delivery.received_at)


def of_deployment(source: Speaker, seen: DeploymentSeen) -> Asked | None:
    """That a deployment is blocked until it is approved, or waits no more."""
    job = tree.word(source.body, "deployable_id")
    if job is None or seen.environment is None:
        return None
    if tree.text(source.body, "status") != "blocked":
        return _over(source, job) if tree.text(source.body, "status") in _ENDED else None
    told_ = (seen.deployment, seen.sha or "", seen.ref or "", seen.actor, seen.url or "")
    return _waits(source, job, seen.environment, *told_, optional=False)
