"""Gitea and Forgejo: runs of Actions since a moment, and, where the server tells them, the jobs of those that
changed. Gitea writes runs as GitHub does, Forgejo in a way of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from app.domain.ci import CiFact
from app.domain.refusals import Absent

from ..hooks import tree
from ..hooks.github_shapes import Source, job_looks, run_look
from ..hooks.port import Delivery
from ..outbound import Outbound
from .port import MAX_DETAILS, MAX_PAGES, Found, Memory

_PAGE = 50


async def poll(api: Outbound, memory: Memory, repo: str, since: datetime, now: datetime) -> Found:
    """What runs of `repo` did since `since`. Raises ClusterError."""
    path = "/".join(quote(part, safe="") for part in repo.split("/")[1:])
    facts: list[CiFact] = []
    asked = 0
    whose = await memory.get(api, f"repos/{path}")  # webhooks name a project by this id
    page = {"html_url": f"https://{repo}", "id": tree.at(whose.body, "id")}
    source = Source(Delivery("", {"repository": page}, {}, now, repo), "gitea")
    for number in range(1, MAX_PAGES + 1):
        answer = await memory.get(api, f"repos/{path}/actions/runs?limit={_PAGE}&page={number}")
        runs = [_as_github(each) for each in tree.nodes(answer.body, "workflow_runs")]
        for run in runs:
            look = run_look(source, run)
            if look is None or (look.created_at and look.created_at < since):
                continue
            facts.append(look)
            if asked < MAX_DETAILS and memory.changed(
                look.key, f"{look.status} {tree.text(run, 'updated_at')}"
            ):
                asked += 1
                try:
                    told = await memory.get(
                        api, f"repos/{path}/actions/runs/{quote(look.run, safe='')}/jobs?limit={_PAGE}"
                    )
                except Absent:  # Forgejo
                    continue
                for job in tree.nodes(told.body, "jobs"):
                    facts += job_looks(source, {"run_attempt": look.attempt, **job}) or ()
        dates = [at for each in runs if (at := tree.time(each, "created_at"))]
        if len(runs) < _PAGE or (dates and min(dates) < since):
            break
    return Found(tuple(facts))


def _as_github(run: dict[str, Any]) -> dict[str, Any]:
    """A run with GitHub's names beside its server's own."""
    if "commit_sha" in run:
        status = tree.text(run, "status") or ""
        over = status not in ("waiting", "running", "blocked", "unknown")
        named = {
            "name": run.get("workflow_id"),
            "display_title": run.get("title"),
            "run_number": run.get("index_in_repo"),
            "head_sha": run.get("commit_sha"),
            "head_branch": run.get("prettyref"),
            "status": "completed" if over else {"waiting": "queued"}.get(status, status),
            "conclusion": status if over else None,
            "created_at": run.get("created"),
            "updated_at": run.get("stopped") if over else run.get("updated"),
            "run_started_at": run.get("started"),
            "triggering_actor": run.get("trigger_user"),
        }
    else:
        started, ended = tree.time(run, "started_at"), tree.time(run, "completed_at")
        named = {
            "name": (tree.text(run, "path") or "").partition("@")[0],
            "created_at": run.get("started_at"),
            "run_started_at": run.get("started_at"),
            "updated_at": run.get("completed_at" if ended else "started_at") if started else None,
            "triggering_actor": run.get("trigger_actor"),
        }
        named |= {name: run[name] for name in named if run.get(name)}
    return {**run, **named}
