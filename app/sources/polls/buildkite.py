"""Buildkite: builds created since a moment, with their jobs. The address is that of an organisation or a pipeline:
`https://…/v2/organizations/acme[/pipelines/cart]`; builds of other repositories are passed over."""

from __future__ import annotations

from datetime import datetime

from app.domain.ci import CiFact

from ..hooks import tree
from ..hooks.buildkite import build_look, job_look
from ..hooks.port import Delivery
from ..outbound import Outbound
from .port import Found, Memory, following, pages


async def poll(api: Outbound, memory: Memory, repo: str, since: datetime, now: datetime) -> Found:
    """What builds of `repo` did since `since`. Raises ClusterError."""
    facts: list[CiFact] = []
    path = f"builds?per_page=100&created_from={since.strftime('%Y-%m-%dT%H:%M:%SZ')}"
    async for answer in pages(api, memory, path, following):
        for build in tree.nodes({"all": answer.body}, "all"):
            delivery = Delivery("", {}, {}, now, repo)
            look = build_look(delivery, {}, build, tree.node(build, "pipeline"))
            if look is None or look.repo != repo:
                continue
            facts.append(look)
            facts += [job for each in tree.nodes(build, "jobs") if (job := job_look(delivery, look, each))]
    return Found(tuple(facts))
