"""What alerting tools send is read as incidents, under our names and only where a hook may tell of them."""

import hashlib
import hmac
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.dora import IncidentTold
from app.sources.alerted import Alerts, located
from app.sources.hooks import PROVIDERS, Delivery, Refused
from app.sources.hooks.verify import Signed, proven

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
BEGAN, OVER = "2026-11-25T11:00:00Z", "2026-11-25T11:30:00Z"


def pagerduty(kind: str, status: str, occurred: str) -> Any:
    data = {
        "id": "PGR0VU2",
        "type": "incident",
        "html_url": "https://acme.pagerduty.example/incidents/PGR0VU2",
        "number": 2,
        "status": status,
        "title": "Errors at checkout",
        "created_at": BEGAN,
        "service": {"id": "PF9KMXH", "summary": "Checkout API", "type": "service_reference"},
        "urgency": "high",
    }
    event = {"id": "5ac64822-4adc", "event_type": kind, "resource_type": "incident", "occurred_at": occurred}
    return {"event": {**event, "data": data}}


def alert(status: str = "firing", **labels: str) -> Any:
    ended = OVER if status == "resolved" else "0001-01-01T00:00:00Z"
    return {
        "status": status,
        "labels": {"alertname": "HighErrors", **labels},
        "annotations": {"summary": "5 % errors"},
        "startsAt": BEGAN,
        "endsAt": ended,
        "generatorURL": "https://prometheus.example/graph",
        "fingerprint": "b0d2a6a2f5d2c1aa",
    }


def group(*alerts: Any) -> Any:
    return {"version": "4", "status": "firing", "receiver": "shipboard", "alerts": [*alerts, None]}


OPSGENIE = {
    "alertId": "052652ac",
    "message": "Errors at checkout",
    "tags": ["env:production", "OverwriteQuietHours"],
    "details": {"service": "checkout"},
    "createdAt": int(datetime.fromisoformat(BEGAN).timestamp() * 1000),
    "updatedAt": int(datetime.fromisoformat(OVER).timestamp() * 1000),
}
CASES = {
    # provider, body, (id, service, environment, title, over)
    "triggered": (
        "pagerduty",
        pagerduty("incident.triggered", "triggered", BEGAN),
        ("PGR0VU2", "Checkout API", "", "Errors at checkout", None),
    ),
    "taken up": (
        "pagerduty",
        pagerduty("incident.acknowledged", "acknowledged", OVER),
        ("PGR0VU2", "Checkout API", "", "Errors at checkout", None),
    ),
    "resolved": (
        "pagerduty",
        pagerduty("incident.resolved", "resolved", OVER),
        ("PGR0VU2", "Checkout API", "", "Errors at checkout", OVER),
    ),
    "created": (
        "opsgenie",
        {"action": "Create", "alert": OPSGENIE},
        ("052652ac", "checkout", "production", "Errors at checkout", None),
    ),
    "closed": (
        "opsgenie",
        {"action": "Close", "alert": OPSGENIE},
        ("052652ac", "checkout", "production", "Errors at checkout", OVER),
    ),
    "firing": (
        "alertmanager",
        group(alert(service="checkout", env="production")),
        ("b0d2a6a2f5d2c1aa-1795604400", "checkout", "production", "5 % errors", None),
    ),
    "fell silent": (
        "grafana",
        group(alert("resolved", service="checkout")) | {"orgId": 1, "title": "[RESOLVED]"},
        ("b0d2a6a2f5d2c1aa-1795604400", "checkout", "", "5 % errors", OVER),
    ),
}


def told_by(provider: str, body: object) -> IncidentTold:
    """The one incident that `body` tells of."""
    (found,) = PROVIDERS[provider].read(Delivery("", body, {}, NOW)).facts
    assert isinstance(found, IncidentTold)
    return found


@pytest.mark.parametrize("name", CASES)
def test_incident_is_read_as_its_tool_tells_it(name):
    provider, body, expected = CASES[name]
    told = told_by(provider, body)
    found = told.incident
    over = datetime.fromisoformat(expected[4]) if expected[4] else None
    assert (found.id, found.service, found.environment, found.title, found.resolved_at) == (
        *expected[:4],
        over,
    )
    assert found.started_at == datetime.fromisoformat(BEGAN)
    assert told.source == provider
    assert told.as_of == (over or (datetime.fromisoformat(OVER) if name == "taken up" else found.started_at))


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("pagerduty", {"event": {"event_type": "pagey.ping", "data": {"type": "ping"}}}),
        ("pagerduty", {"event": {"event_type": "incident.annotated", "data": {"type": "incident_note"}}}),
        ("opsgenie", {"action": "AddNote", "alert": OPSGENIE}),
        ("alertmanager", group()),
        ("grafana", group({"status": "pending"})),
    ],
)
def test_what_tells_of_no_incident_is_passed_over_with_a_reason(provider, body):
    reading = PROVIDERS[provider].read(Delivery("", body, {}, NOW))
    assert not reading.facts
    assert reading.ignored


@pytest.mark.parametrize("provider", ["pagerduty", "opsgenie", "alertmanager", "grafana"])
@pytest.mark.parametrize("body", [None, [], {}, {"event": 1, "alert": [], "action": "Create", "alerts": {}}])
def test_what_is_of_another_shape_is_refused_or_passed_over(provider, body):
    with suppress(Refused):
        assert not PROVIDERS[provider].read(Delivery("", body, {}, NOW)).facts


def test_names_and_places_are_the_hooks_and_nobody_elses():
    told = told_by("pagerduty", CASES["triggered"][1])
    mine = Alerts(("production", "staging"), (("checkout*", "checkout"),))
    placed = located(told, "on-call", mine)
    assert (placed.incident.id, placed.incident.service) == ("on-call:PGR0VU2", "checkout")
    assert (placed.incident.environment, placed.incident.deployment) == ("production", "latest")
    plain = located(told, "on-call", Alerts(("staging",), blames=False)).incident
    assert (plain.service, plain.environment, plain.deployment) == ("checkout-api", "staging", "")
    elsewhere = told_by("alertmanager", CASES["firing"][1])
    with pytest.raises(Refused, match="production is outside"):
        located(elsewhere, "on-call", Alerts(("staging",)))
    with pytest.raises(Refused, match="outside"):
        located(told, "github", Alerts())
    nameless = told_by("alertmanager", group(alert()))
    with pytest.raises(Refused, match="names no service"):
        located(nameless, "on-call", mine)


def test_signatures_of_pagerduty_and_grafana_prove_and_rotate():
    body = b'{"event":{}}'

    def signed(header: str, line: str) -> Signed:
        return Signed({header: [line]}, body, body)

    good = hmac.new(b"new", body, hashlib.sha256).hexdigest()
    for provider, header, lines in (
        ("pagerduty", "x-pagerduty-signature", (f"v1={good}", f"v1={'0' * 64},v1={good}")),
        ("grafana", "x-grafana-alerting-signature", (good,)),
    ):
        schemes = PROVIDERS[provider].schemes
        for line in lines:
            assert proven(schemes, signed(header, line), ["old", "new"], NOW + timedelta(days=1))
        for line in ("", "v1=", f"v1={'0' * 64}", good.upper(), f"v2={good}"):
            assert not proven(schemes, signed(header, line), ["new"], NOW)
        assert not proven(schemes, signed("authorization", "Bearer x"), ["new"], NOW)
