"""incident.io: public incidents that were declared, changed, or came to an end, signed as Standard Webhooks.

Source: incident.io, "Webhooks" and "Incidents V2" of its API reference; no payload was recorded. The category of the
status decides: live is open, learning and closed are over, declined, canceled and merged were none. Custom fields named
Service and Environment place it. Of a private incident nothing but its id is sent.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from app.domain.dora import Incident, IncidentTold

from . import tree, verify
from .port import Delivery, Provider, Reading, Refused, ignored

_OVER = frozenset({"learning", "closed"})
_NONE = frozenset({"declined", "canceled", "merged"})
_EVENT = re.compile(r"public_incident\.incident_(?:created|updated|status_updated)_v2")


def read(delivery: Delivery) -> Reading:
    """What one event says. Raises Refused."""
    kind = tree.text(delivery.body, "event_type")
    if kind is None:
        raise Refused("It has no event_type.")
    if not _EVENT.fullmatch(kind):
        return ignored(delivery, kind)
    event = tree.node(delivery.body, kind)
    item = tree.node(event, "incident") or event
    key, created = tree.word(item, "id"), tree.time(item, "created_at")
    category = tree.text(item, "incident_status", "category") or ""
    if key is None or created is None or not category:
        raise Refused("Its incident has no id, no time of its beginning, or no status with a category.")
    if tree.text(item, "mode") in ("test", "tutorial"):
        return Reading(ignored="It is an exercise.")
    if category == "triage":
        return Reading(ignored="Nobody has confirmed yet that it is an incident.")
    updated = tree.time(item, "updated_at") or delivery.received_at
    started = _at(item, "impact started", "started", "reported") or created
    ended = _at(item, "fixed", "resolved", "closed") or updated if category in _OVER else None
    incident = Incident(
        id=key,
        service=_field(item, "service", "services", "affected service", "affected services"),
        environment=_field(item, "environment", "environments").lower(),
        title=" ".join(filter(None, (tree.text(item, "reference"), tree.text(item, "name")))),
        started_at=started,
        resolved_at=max(ended, started) if ended else None,
    )
    page = tree.url(item, "permalink") or ""
    told = IncidentTold(incident, "incidentio", page, at=updated, withdrawn=category in _NONE)
    return Reading((told,))


def _at(item: Any, *names: str) -> datetime | None:
    """The first of its timestamps that is called so ("Fixed at") and has a value."""
    found = {}
    for each in tree.nodes(item, "incident_timestamp_values"):
        name = (tree.text(each, "incident_timestamp", "name") or "").lower().removesuffix(" at")
        found[name] = tree.time(each, "value", "value")
    return next((at for name in names if (at := found.get(name))), None)


def _field(item: Any, *names: str) -> str:
    """The first value of the first custom field that is called so."""
    found = {
        (tree.text(each, "custom_field", "name") or "").lower(): each
        for each in tree.nodes(item, "custom_field_entries")
    }
    for name in names:
        for value in tree.nodes(found.get(name), "values"):
            for path in (("value_catalog_entry", "name"), ("value_option", "value"), ("value_text",)):
                if text := tree.text(value, *path):
                    return text
    return ""


PROVIDER = Provider("incidentio", (verify.STANDARD,), read, delivery=("webhook-id",))
