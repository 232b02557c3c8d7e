"""Atlassian Statuspage: incidents that are told to the subscribers of a page. It signs nothing and sets no header, so a
secret ends the address.

Source: Atlassian, "Enable webhook notifications"; no payload was recorded. The first component that the incident lists
is its service. Maintenance and changes of single components are no incidents.
"""

from __future__ import annotations

from typing import Any

from app.domain.dora import Incident, IncidentTold

from . import tree, verify
from .port import Delivery, Provider, Reading, Refused, ignored

_OPEN = frozenset({"investigating", "identified", "monitoring"})
_OVER = frozenset({"resolved", "postmortem"})
_MAINTENANCE = frozenset({"scheduled", "in_progress", "verifying", "completed"})


def read(delivery: Delivery) -> Reading:
    """What one notification says. Raises Refused."""
    item = tree.node(delivery.body, "incident")
    if not item:
        if tree.node(delivery.body, "component_update"):
            return ignored(delivery, "component_update")
        raise Refused("It has neither an incident nor an update of a component.")
    status = tree.text(item, "status") or ""
    if status in _MAINTENANCE or tree.text(item, "impact") == "maintenance":
        return ignored(delivery, "maintenance")
    key = tree.word(item, "id")
    started = tree.time(item, "started_at") or tree.time(item, "created_at")
    if key is None or started is None or status not in _OPEN | _OVER:
        raise Refused("Its incident has no id, no time of its beginning, or a status that is not known here.")
    updated = tree.time(item, "updated_at") or delivery.received_at
    ended = tree.time(item, "resolved_at") or updated if status in _OVER else None
    incident = Incident(
        id=key,
        service=_component(item),
        environment="",
        title=tree.text(item, "name") or "",
        started_at=started,
        resolved_at=max(ended, started) if ended else None,
    )
    page = tree.url(item, "shortlink") or ""
    return Reading((IncidentTold(incident, "statuspage", page, at=updated),))


def _component(item: Any) -> str:
    """The first component: of the incident itself, else of its updates, newest first."""
    updates = list(tree.nodes(item, "incident_updates"))
    lists = [(item, "components"), *((one, "affected_components") for one in updates)]
    named = (tree.text(one, "name") for where, name in lists for one in tree.nodes(where, name))
    return next(filter(None, named), "")


PROVIDER = Provider("statuspage", verify.TOKENS, read, in_path=True)
