"""Woodpecker, which sends no webhooks: its latest pipelines, and of those that changed all."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from app.domain.ci import CiFact
from app.domain.refusals import Absent

from ..hooks import tree
from ..hooks.drone import read_woodpecker
from ..hooks.port import Delivery, Refused
from ..outbound import Outbound
from .port import MAX_DETAILS, Found, Memory


async def poll(api: Outbound, memory: Memory, repo: str, since: datetime, now: datetime) -> Found:
    """What pipelines of `repo` did lately. Raises ClusterError."""
    looked = await memory.get(api, f"api/repos/lookup/{quote(repo.partition('/')[2])}")
    ident = tree.word(looked.body, "id")
    if ident is None:
        return Found()
    answer = await memory.get(api, f"api/repos/{ident}/pipelines?perPage=50")
    facts: list[CiFact] = []
    asked = 0
    for each in tree.nodes({"all": answer.body}, "all"):
        number = tree.word(each, "number")
        face = f"{tree.text(each, 'status')} {tree.at(each, 'finished')}"
        if number is None or asked >= MAX_DETAILS or not memory.changed(f"{repo} {number}", face):
            continue
        asked += 1
        try:
            whole = await memory.get(api, f"api/repos/{ident}/pipelines/{number}")
            facts += read_woodpecker(Delivery("", whole.body, {}, now, repo)).of_ci
        except (Absent, Refused):
            continue
    return Found(tuple(facts))
