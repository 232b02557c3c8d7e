"""Jenkins, by its notification plugin: one run a build. It signs nothing, so a token header stands for that.

COMPLETED and FINALIZED tell the same outcome. Parameters, logs and causes are never read: they hold secrets.
"""

from __future__ import annotations

from app.domain.ci import RunSeen
from app.domain.converge import micros
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
    queued="queued",
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
    length = tree.number(build, "duration") or 0
    ended = (
        tree.time({"at": (micros(created) // 1000 + length)}, "at") if created and over and length else None
    )
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


PROVIDER = Provider("jenkins", verify.TOKENS, read)
