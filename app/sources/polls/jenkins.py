"""Jenkins: the latest builds below the job or folder that the address names, and the stages of those that changed.

A build is of the repository that one of its checkouts names; shared libraries are checkouts too, so it is never
the first that counts. Folders and branches are followed three levels down.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from app.domain.ci import CiFact
from app.domain.refusals import Absent

from ..hooks import tree
from ..hooks.jenkins import built_look, stage_looks
from ..hooks.port import Delivery
from ..outbound import Outbound
from .port import MAX_DETAILS, Found, Memory

_BUILDS = (
    "builds[number,url,result,building,timestamp,duration,"
    "actions[lastBuiltRevision[SHA1,branch[name]],remoteUrls]]{0,50}"
)
_JOBS = f"fullName,url,{_BUILDS}"
_LEVELS = 3


async def poll(api: Outbound, memory: Memory, repo: str, since: datetime, now: datetime) -> Found:
    """What builds of `repo` did since `since`. Raises ClusterError."""
    asking = _JOBS
    for _ in range(_LEVELS):
        asking = f"{_JOBS},jobs[{asking}]{{0,200}}"
    answer = await memory.get(api, f"api/json?tree={quote(asking, safe=',')}")
    root = urlsplit(api.base).path.partition("/job/")[0].rstrip("/")
    facts: list[CiFact] = []
    asked = 0
    for job in _jobs(answer.body, _LEVELS):
        place = re.search(r"(?:job/[^/?#]+/)+$", (tree.url(job, "url") or "").rstrip("/") + "/")
        if place is None:
            continue
        for build in tree.nodes(job, "builds"):
            delivery = Delivery("", {}, {}, now, repo)
            look = built_look(delivery, place[0], job, build)
            if look is None or (look.created_at and look.created_at < since):
                continue
            if asked < MAX_DETAILS and memory.changed(look.key, str(look.status)):
                asked += 1
                where = f"{root}/{place[0]}{look.run}/wfapi/describe"
                try:
                    stages = (await memory.get(api, where)).body
                except Absent:  # no pipeline, or the stage view is not installed
                    stages = None
                look, jobs = stage_looks(delivery, look, stages)
                facts += jobs
                if look.status and look.status.rank < 2:  # its stages move while its own word stays
                    memory.seen.pop(look.key, None)
            facts.append(look)
    return Found(tuple(facts))


def _jobs(item: Any, levels: int) -> Iterator[dict[str, Any]]:
    if tree.node(item):
        yield item
    for each in tree.nodes(item, "jobs") if levels else ():
        yield from _jobs(each, levels - 1)
