"""Prometheus Alertmanager, and Grafana's alerting, which writes alerts alike: each alert that fires is an incident.

Source: Prometheus, "Alerting configuration", webhook_config; Grafana, "Configure the webhook notifier". Labels name
service and environment. An alert that fires anew, after it was resolved, is another incident.
"""

from __future__ import annotations

import hashlib
from typing import Any

from app.domain.dora import Incident, IncidentTold

from . import tree, verify
from .port import Delivery, Provider, Reading, Refused, ignored

_SERVICE = ("service", "app_kubernetes_io_name", "app", "deployment", "job")
_ENVIRONMENT = ("environment", "env", "deployment_environment")


def read(delivery: Delivery) -> Reading:
    """What one notification of Alertmanager says. Raises Refused."""
    return _alerts(delivery, "alertmanager")


def read_grafana(delivery: Delivery) -> Reading:
    """What one notification of Grafana says. Raises Refused."""
    return _alerts(delivery, "grafana")


def _alerts(delivery: Delivery, source: str) -> Reading:
    if not isinstance(tree.at(delivery.body, "alerts"), list):
        raise Refused("It has no list of alerts.")
    found = tuple(
        told
        for alert in tree.nodes(delivery.body, "alerts")
        if (told := _alert(delivery, alert, source)) is not None
    )
    return Reading(found) if found else ignored(delivery, "no alert that fires or is resolved")


def _alert(delivery: Delivery, alert: Any, source: str) -> IncidentTold | None:
    status, started = tree.text(alert, "status"), tree.time(alert, "startsAt")
    if status not in ("firing", "resolved") or started is None:
        return None
    ended = tree.time(alert, "endsAt") or delivery.received_at if status == "resolved" else None
    labels = tree.node(alert, "labels")
    mark = (
        tree.word(alert, "fingerprint")
        or hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest()[:16]
    )

    def first(names: tuple[str, ...]) -> str:
        return next((text for name in names if (text := tree.text(labels, name))), "")

    incident = Incident(
        id=f"{mark}-{int(started.timestamp())}",
        service=first(_SERVICE),
        environment=first(_ENVIRONMENT),
        title=tree.text(alert, "annotations", "summary") or tree.text(labels, "alertname") or "",
        started_at=started,
        resolved_at=max(ended, started) if ended else None,
    )
    page = tree.url(alert, "dashboardURL") or tree.url(alert, "generatorURL") or ""
    return IncidentTold(incident, source, page, at=ended or started)


PROVIDER = Provider("alertmanager", verify.TOKENS, read)
GRAFANA = Provider("grafana", (verify.GRAFANA, *verify.TOKENS), read_grafana)
