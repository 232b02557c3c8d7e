"""GitHub: runs since a moment with the jobs of those that changed, the commits of pull requests that were merged, and
deliveries that failed, asked for again.

GitHub itself never sends a webhook twice. Which hook is ours is told by the header of what it has sent; the
token needs to see hooks for that part, and without it only that part is left out.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from app.domain.ci import CiFact, CommitSeen
from app.domain.refusals import Absent, Denied
from app.domain.repositories import full_sha

from ..hooks import tree
from ..hooks.github_shapes import Source, commit_look, job_looks, run_look
from ..hooks.port import Delivery
from ..outbound import Outbound
from .port import MAX_DETAILS, Found, Memory, following, pages

MAX_AGAIN = 20
"""Deliveries asked for again in one round."""


async def poll(api: Outbound, memory: Memory, repo: str, since: datetime, now: datetime) -> Found:
    """What runs of `repo` did since `since`. Raises ClusterError."""
    path = "/".join(quote(part, safe="") for part in repo.split("/")[1:3])
    moment = since.strftime("%Y-%m-%dT%H:%M:%SZ")
    runs = await _all(
        api, memory, f"repos/{path}/actions/runs?per_page=100&created=%3E%3D{moment}", "workflow_runs"
    )
    facts: list[CiFact] = []
    asked = 0
    for run in runs:
        page = tree.node(run, "repository") or {"html_url": f"https://{repo}"}
        source = Source(Delivery("", {"repository": page}, {}, now, repo), "github")
        look = run_look(source, run)
        if look is None:
            continue
        facts.append(look)
        face = f"{look.status} {tree.text(run, 'updated_at')}"
        if asked < MAX_DETAILS and memory.changed(look.key, face):
            asked += 1
            details = f"repos/{path}/actions/runs/{quote(look.run)}/attempts/{look.attempt}/jobs?per_page=100"
            try:
                for job in await _all(api, memory, details, "jobs"):
                    facts += job_looks(source, job) or ()
            except Absent:  # deleted meanwhile
                continue
    source = Source(Delivery("", {"repository": {"html_url": f"https://{repo}"}}, {}, now, repo), "github")
    facts += await _changes(api, memory, source, path, since)
    return Found(tuple(facts), await _redeliver(api, memory, path, now))


async def _changes(
    api: Outbound, memory: Memory, source: Source, path: str, since: datetime
) -> list[CommitSeen]:
    """The commits of pull requests that were merged since `since`, each with what it landed as; none where the token
    may not see them."""
    found: list[CommitSeen] = []
    asked = 0
    try:
        answer = await memory.get(
            api, f"repos/{path}/pulls?state=closed&sort=updated&direction=desc&per_page=50"
        )
        for change in tree.nodes({"all": answer.body}, "all"):
            number, merged = tree.word(change, "number"), tree.time(change, "merged_at")
            landed = full_sha(tree.at(change, "merge_commit_sha"))
            if number is None or merged is None or merged < since or landed is None or asked >= MAX_DETAILS:
                continue
            if not memory.changed(f"change {path} {number}", landed):
                continue
            asked += 1
            told = {"change": number, "opened_at": tree.time(change, "created_at"), "merged_at": merged}
            for commit in await _all(
                api, memory, f"repos/{path}/pulls/{quote(number)}/commits?per_page=100", ""
            ):
                apart = landed if full_sha(tree.at(commit, "sha")) != landed else None
                if look := commit_look(source, commit, landed=apart, **told):
                    found.append(look)
    except (Absent, Denied):
        return found
    return found


async def _all(api: Outbound, memory: Memory, path: str, member: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async for answer in pages(api, memory, path, following):
        found += tree.nodes(answer.body if member else {"": answer.body}, member)
    return found


async def _redeliver(api: Outbound, memory: Memory, path: str, now: datetime) -> int:
    """Ask for failed deliveries again that no later try made good; how many."""
    if not memory.hook:
        return 0
    where = f"repos/{path}/hooks/{quote(memory.hook, safe='')}/deliveries"
    try:
        answer = await api.get(f"{where}?per_page=100")
        good: set[str] = set()
        failed: dict[str, str] = {}
        for each in tree.nodes({"all": answer.body}, "all"):
            guid, ident, at = tree.text(each, "guid"), tree.word(each, "id"), tree.time(each, "delivered_at")
            if guid is None or ident is None:
                continue
            if tree.text(each, "status") == "OK":
                good.add(guid)
            elif at is not None and now - at < timedelta(days=3):
                failed[guid] = ident
        lost = [guid for guid in failed if guid not in good and guid not in memory.again][:MAX_AGAIN]
        for guid in lost:
            await api.ask("POST", f"{where}/{quote(failed[guid], safe='')}/attempts")
            memory.again.add(guid)
    except (Absent, Denied):
        return 0
    return len(lost)
