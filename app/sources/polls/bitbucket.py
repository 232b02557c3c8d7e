"""Bitbucket Cloud: pipelines since a moment, and the steps of those that changed. Data Center has none: what builds
for it is asked itself."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from app.domain.ci import CiFact
from app.domain.refusals import Absent

from ..hooks import tree
from ..hooks.bitbucket import pipeline_look, step_look
from ..hooks.port import Delivery
from ..outbound import Answer, Outbound
from .port import MAX_DETAILS, Found, Memory, pages


async def poll(api: Outbound, memory: Memory, repo: str, since: datetime, now: datetime) -> Found:
    """What pipelines of `repo` did since `since`. Raises ClusterError."""
    path = f"repositories/{quote(repo.partition('/')[2])}/pipelines/"
    facts: list[CiFact] = []
    asked = 0
    async for answer in pages(api, memory, f"{path}?sort=-created_on&pagelen=100", _next):
        values = list(tree.nodes(answer.body, "values"))
        recent = [each for each in values if (tree.time(each, "created_on") or now) >= since]
        for each in recent:
            delivery = Delivery("", {}, {}, now, repo)
            look = pipeline_look(delivery, each)
            if look is None:
                continue
            facts.append(look)
            if asked < MAX_DETAILS and memory.changed(
                look.key, f"{look.status} {tree.text(each, 'completed_on')}"
            ):
                asked += 1
                uuid = quote(tree.text(each, "uuid") or "", safe="")
                try:
                    steps = await memory.get(api, f"{path}{uuid}/steps/?pagelen=100")
                except Absent:
                    continue
                facts += [
                    job
                    for step in tree.nodes(steps.body, "values")
                    if (job := step_look(delivery, look, step))
                ]
        if len(recent) < len(values):
            break
    return Found(tuple(facts))


def _next(answer: Answer) -> str:
    return tree.url(answer.body, "next") or ""
