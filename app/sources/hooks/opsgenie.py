"""Opsgenie: alerts that were created, closed or deleted. It signs nothing, so a token in a header stands for that.

Source: Atlassian, "Opsgenie Edge Connector alert action data". Service and environment are details of the alert, or
tags "service:cart"; without a service, the alert's entity counts.
"""

from __future__ import annotations

from typing import Any

from app.domain.dora import Incident, IncidentTold

from . import tree, verify
from .port import Delivery, Provider, Reading, Refused, ignored


def read(delivery: Delivery) -> Reading:
    """What one action says. Raises Refused."""
    action, alert = tree.text(delivery.body, "action") or "", tree.node(delivery.body, "alert")
    if action not in ("Create", "Close", "Delete"):
        return ignored(delivery, action)
    key = tree.word(alert, "alertId")
    if key is None:
        raise Refused("Its alert has no alertId.")
    now = delivery.received_at
    started = tree.time(alert, "createdAt") or now
    ended = max(tree.time(alert, "updatedAt") or now, started) if action == "Close" else None
    incident = Incident(
        id=key,
        service=_named(alert, "service") or tree.text(alert, "entity") or "",
        environment=_named(alert, "environment", "env") or "",
        title=tree.text(alert, "message") or "",
        started_at=started,
        resolved_at=ended,
    )
    at = started if action == "Create" else ended or now
    return Reading((IncidentTold(incident, "opsgenie", at=at, withdrawn=action == "Delete"),))


def _named(alert: Any, *names: str) -> str | None:
    for name in names:
        if found := tree.text(alert, "details", name):
            return found
        tags = tree.at(alert, "tags")
        for tag in tags[:50] if isinstance(tags, list) else ():
            if isinstance(tag, str) and tag.startswith(f"{name}:"):
                return tree.text({"tag": tag.partition(":")[2]}, "tag")
    return None


PROVIDER = Provider("opsgenie", verify.TOKENS, read)
