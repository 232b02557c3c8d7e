"""CircleCI: pipelines since a moment, their workflows, and the jobs of those that changed.

The address is that of the API (`https://…/api/v2`), or below it of one project (`…/project/circleci/ORG/PROJECT`)
where the repository does not name it. A pipeline whose workflows all ended is looked at again once an hour, since a
rerun adds one to it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from app.domain.ci import CiFact, CiPhase, RunSeen
from app.domain.refusals import Absent, Misconfigured

from ..hooks import tree
from ..hooks.circleci import HOSTS, read
from ..hooks.port import Delivery, Refused
from ..outbound import Answer, Outbound
from .port import MAX_DETAILS, Found, Memory, pages


async def poll(api: Outbound, memory: Memory, repo: str, since: datetime, now: datetime) -> Found:
    """What pipelines of `repo` did since `since`. Raises ClusterError."""
    root, project = _places(api.base, repo)
    facts: list[CiFact] = []
    asked = 0
    async for answer in pages(api, memory, f"{project}/pipeline", _next(f"{project}/pipeline")):
        items = list(tree.nodes(answer.body, "items"))
        for pipeline in items:
            key, created = tree.word(pipeline, "id"), tree.time(pipeline, "created_at")
            if key is None or (created and created < since) or asked >= MAX_DETAILS:
                continue
            mark = f"over {now:%d%H}"
            if memory.seen.get(key) == mark:
                continue
            asked += 1
            try:
                found = await _pipeline(api, memory, root, pipeline, repo, now)
            except Absent:
                continue
            facts += found
            runs = [fact for fact in found if isinstance(fact, RunSeen)]
            if runs and all(run.status and run.status.phase is CiPhase.DONE for run in runs):
                memory.changed(key, mark)
        dates = [at for each in items if (at := tree.time(each, "created_at"))]
        if asked >= MAX_DETAILS or (dates and min(dates) < since):
            break
    return Found(tuple(facts))


async def _pipeline(
    api: Outbound, memory: Memory, root: str, pipeline: Any, repo: str, now: datetime
) -> list[CiFact]:
    found: list[CiFact] = []
    ident = quote(tree.word(pipeline, "id") or "", safe="")
    flows = await memory.get(api, f"{root}/pipeline/{ident}/workflow")
    for flow in tree.nodes(flows.body, "items"):
        key = tree.word(flow, "id") or ""
        slug = tree.text(flow, "project_slug") or ""
        page = f"https://app.circleci.com/pipelines/{slug}/{tree.word(pipeline, 'number')}/workflows/{key}"
        body = {
            "type": "workflow-completed",
            "workflow": {**flow, "url": page},
            "pipeline": pipeline,
            "project": {"slug": slug},
        }
        try:
            found += read(Delivery("", body, {}, now, repo)).of_ci
            if memory.changed(f"flow {key}", f"{tree.text(flow, 'status')} {tree.text(flow, 'stopped_at')}"):
                jobs = await memory.get(api, f"{root}/workflow/{quote(key, safe='')}/job")
                for job in tree.nodes(jobs.body, "items"):
                    told = read(Delivery("", {**body, "type": "job-completed", "job": job}, {}, now, repo))
                    found += [fact for fact in told.of_ci if fact not in found]
        except Refused:
            continue
    return found


def _places(base: str, repo: str) -> tuple[str, str]:
    """The paths of the API and of the project. Raises Misconfigured."""
    root, _, named = urlsplit(base).path.partition("/project/")
    root = root.rstrip("/")
    if named:
        return root, f"{root}/project/{named.strip('/')}"
    host, _, path = repo.partition("/")
    short = next((word for word, place in HOSTS.items() if place == host), "")
    if not short:
        raise Misconfigured(
            f"{repo} was not asked about",
            "CircleCI finds no project by a repository there",
            "Let `poll.url` end in /project/circleci/ORG/PROJECT, with the ids of its settings",
        )
    return root, f"{root}/project/{short}/{quote(path)}"


def _next(path: str) -> Any:
    def following(answer: Answer) -> str:
        token = tree.text(answer.body, "next_page_token", limit=2000)
        return f"{path}?page-token={quote(token, safe='')}" if token else ""

    return following
