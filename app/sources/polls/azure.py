"""Azure DevOps: builds of a project queued since a moment, and the stages and jobs of those that changed. The address
is that of the project: `https://…/ORGANISATION/PROJECT`; builds of other repositories are passed over."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from app.domain.ci import CiFact
from app.domain.refusals import Absent
from app.domain.repositories import repo_key

from ..hooks import tree
from ..hooks.azure import build_look, record_look
from ..hooks.port import Delivery
from ..outbound import Answer, Outbound
from .port import MAX_DETAILS, Found, Memory, pages

_HOSTS = {"github": "github.com", "bitbucket": "bitbucket.org"}
_VERSION = "api-version=7.0"


async def poll(api: Outbound, memory: Memory, repo: str, since: datetime, now: datetime) -> Found:
    """What builds of `repo` did since `since`. Raises ClusterError."""
    moment = since.strftime("%Y-%m-%dT%H:%M:%SZ")
    path = f"_apis/build/builds?{_VERSION}&$top=100&queryOrder=queueTimeDescending&minTime={moment}"
    facts: list[CiFact] = []
    asked = 0

    def following(answer: Answer) -> str:
        token = answer.headers.get("x-ms-continuationtoken", "")
        return f"{path}&continuationToken={quote(token, safe='')}" if token else ""

    async for answer in pages(api, memory, path, following):
        for build in tree.nodes(answer.body, "value"):
            ident = tree.word(build, "id")
            if ident is None or _repo(api.base, build) != repo:
                continue
            project = {"project": {"id": tree.text(build, "project", "id")}}
            delivery = Delivery("", {"resourceContainers": project}, {}, now, repo)
            look = build_look(delivery, {**build, "repository": None})
            facts.append(look)
            face = f"{look.status} {tree.text(build, 'lastChangedDate')}"
            if asked < MAX_DETAILS and memory.changed(look.key, face):
                asked += 1
                try:
                    told = await memory.get(
                        api, f"_apis/build/builds/{quote(ident, safe='')}/timeline?{_VERSION}"
                    )
                except Absent:
                    continue
                facts += _records(delivery, look, list(tree.nodes(told.body, "records")))
    return Found(tuple(facts))


def _records(delivery: Delivery, run: Any, records: list[dict[str, Any]]) -> list[CiFact]:
    above = {tree.text(each, "id"): each for each in records}

    def stage(record: Any) -> str | None:
        for _ in range(4):  # task, job, phase, stage
            if tree.text(record, "type") == "Stage":
                return tree.text(record, "name")
            record = above.get(tree.text(record, "parentId"))
        return None

    return [
        record_look(delivery, run, each, sort.lower(), stage(each))
        for each in records
        if (sort := tree.text(each, "type") or "") in ("Stage", "Job") and tree.text(each, "name")
    ]


def _repo(base: str, build: Any) -> str:
    """The repository of a build; of one on another host it tells only the name."""
    kind, name = (tree.text(build, "repository", part) or "" for part in ("type", "id"))
    if host := _HOSTS.get(kind.lower()):
        return repo_key(f"{host}/{name}")
    page = tree.text(build, "repository", "url") or ""
    if "/_git/" in page or kind.lower() != "tfsgit":
        return repo_key(page)
    return repo_key(f"{base}/_git/{tree.text(build, 'repository', 'name') or ''}")
