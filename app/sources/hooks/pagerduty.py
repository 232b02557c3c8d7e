"""PagerDuty, webhooks of version 3: incidents that were triggered, taken up, reopened or resolved.

Source: PagerDuty, "Webhooks" and "Verifying signatures". The state is the incident's own; when the event occurred
decides between two that come in another order.
"""

from __future__ import annotations

from app.domain.dora import Incident, IncidentTold

from . import tree, verify
from .port import Delivery, Provider, Reading, Refused, ignored


def read(delivery: Delivery) -> Reading:
    """What one event says. Raises Refused."""
    event = tree.node(delivery.body, "event")
    kind = tree.text(event, "event_type") or ""
    item = tree.node(event, "data")
    if not kind:
        raise Refused("It has no event with a type: is it a webhook of version 3?")
    if not kind.startswith("incident.") or tree.text(item, "type") != "incident":
        return ignored(delivery, kind)
    key, started = tree.word(item, "id"), tree.time(item, "created_at")
    if key is None or started is None:
        raise Refused("Its incident has no id, or no time of its beginning.")
    occurred = tree.time(event, "occurred_at") or delivery.received_at
    over = tree.text(item, "status") == "resolved"
    incident = Incident(
        id=key,
        service=tree.text(item, "service", "summary") or "",
        environment="",
        title=tree.text(item, "title") or "",
        started_at=started,
        resolved_at=max(occurred, started) if over else None,
    )
    return Reading((IncidentTold(incident, "pagerduty", tree.url(item, "html_url") or "", at=occurred),))


PROVIDER = Provider(
    "pagerduty", (verify.PAGERDUTY,), read, key=lambda headers, body: tree.word(body, "event", "id") or ""
)
