"""GitLab: pipelines updated since a moment, with the jobs of those that changed."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from app.domain.ci import CiFact
from app.domain.refusals import Absent

from ..hooks import tree
from ..hooks.gitlab import Source, job_look, pipeline_look
from ..hooks.port import Delivery
from ..outbound import Outbound
from .port import MAX_DETAILS, Found, Memory


async def poll(api: Outbound, memory: Memory, repo: str, since: datetime, now: datetime) -> Found:
    """What pipelines of `repo` did since `since`. Raises ClusterError."""
    path = quote(repo.partition("/")[2], safe="")
    moment = since.strftime("%Y-%m-%dT%H:%M:%SZ")
    query = f"projects/{path}/pipelines?per_page=100&order_by=updated_at&updated_after={moment}"
    answer = await memory.get(api, query)
    facts: list[CiFact] = []
    asked = 0
    for each in tree.nodes({"all": answer.body}, "all"):
        project = {"web_url": f"https://{repo}", "id": tree.at(each, "project_id")}
        source = Source(Delivery("", {"project": project}, {}, now, repo))
        look = pipeline_look(source, each)
        if look is None:
            continue
        facts.append(look)
        if asked < MAX_DETAILS and memory.changed(look.key, f"{look.status} {tree.text(each, 'updated_at')}"):
            asked += 1
            try:
                jobs = await memory.get(api, f"projects/{path}/pipelines/{quote(look.run)}/jobs?per_page=100")
            except Absent:
                continue
            facts += [
                found
                for job in tree.nodes({"all": jobs.body}, "all")
                if (found := job_look(source, job, look.key))
            ]
    return Found(tuple(facts))
