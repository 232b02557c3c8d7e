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


def incident_io(category: str, event: str = "incident_updated_v2", **more: Any) -> Any:
    """An event of incident.io, after its API reference."""
    kind = f"public_incident.{event}"
    at = "2026-11-25T11:00:00.5Z"
    incident = {
        "id": "01FDAG4SAP5TYPT98WGR2N7W91",
        "reference": "INC-123",
        "name": "Errors at checkout",
        "mode": "standard",
        "permalink": "https://app.incident.example/incidents/123",
        "incident_status": {"category": category, "name": "Whatever they call it"},
        "created_at": at,
        "updated_at": OVER if category != "live" else at,
        "incident_timestamp_values": [
            {"incident_timestamp": {"name": "Reported at"}, "value": {"value": BEGAN}},
            {"incident_timestamp": {"name": "Accepted at"}},
            None,
        ],
        "custom_field_entries": [
            {"custom_field": {"name": "Teams"}, "values": [{"value_text": "x"}]},
            {
                "custom_field": {"name": "Affected services"},
                "values": [{"value_catalog_entry": {"name": "Checkout API", "id": "1"}}],
            },
            {"custom_field": {"name": "Environment"}, "values": [{"value_option": {"value": "Production"}}]},
        ],
        **more,
    }
    told = {"incident": incident, "message": "x"} if event == "incident_status_updated_v2" else incident
    return {"event_type": kind, kind: told}


def page(status: str, **more: Any) -> Any:
    """A notification of Statuspage, after its documentation."""
    incident = {
        "id": "rclfxz2g21ly",
        "name": "Errors at checkout",
        "status": status,
        "impact": "major",
        "shortlink": "https://stspg.example/pkvpcwjwqd5b",
        "created_at": "2026-11-25T05:00:00.000-06:00",
        "updated_at": "2026-11-25T05:30:00.000-06:00" if status == "resolved" else BEGAN,
        "resolved_at": OVER if status == "resolved" else None,
        "incident_updates": [{"affected_components": [{"name": "Checkout API", "code": "x"}]}, None],
        **more,
    }
    return {"meta": {}, "page": {"id": "kctbh9vrtdwd", "status_indicator": "major"}, "incident": incident}


IO = ("01FDAG4SAP5TYPT98WGR2N7W91", "Checkout API", "production", "INC-123 Errors at checkout")
CASES = {
    "declared": ("incidentio", incident_io("live", "incident_created_v2"), (*IO, None)),
    "closed there": ("incidentio", incident_io("closed", "incident_status_updated_v2"), (*IO, OVER)),
    "published": (
        "statuspage",
        page("investigating"),
        ("rclfxz2g21ly", "Checkout API", "", "Errors at checkout", None),
    ),
    "resolved there": (
        "statuspage",
        page("resolved", components=[{"name": "Checkout"}]),
        ("rclfxz2g21ly", "Checkout", "", "Errors at checkout", OVER),
    ),
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
    later = {"taken up": OVER, "declared": "2026-11-25T11:00:00.5Z"}.get(name)
    assert told.as_of == (over or (datetime.fromisoformat(later) if later else found.started_at))


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("pagerduty", {"event": {"event_type": "pagey.ping", "data": {"type": "ping"}}}),
        ("pagerduty", {"event": {"event_type": "incident.annotated", "data": {"type": "incident_note"}}}),
        ("opsgenie", {"action": "AddNote", "alert": OPSGENIE}),
        ("alertmanager", group()),
        ("grafana", group({"status": "pending"})),
        ("incidentio", incident_io("triage")),
        ("incidentio", incident_io("live", mode="test")),
        ("incidentio", {"event_type": "private_incident.incident_created_v2"}),
        ("statuspage", {"component_update": {"new_status": "major_outage"}, "component": {"name": "x"}}),
        ("statuspage", page("scheduled")),
        ("statuspage", page("resolved", impact="maintenance")),
    ],
)
def test_what_tells_of_no_incident_is_passed_over_with_a_reason(provider, body):
    reading = PROVIDERS[provider].read(Delivery("", body, {}, NOW))
    assert not reading.facts
    assert reading.ignored


ALERTING = ("pagerduty", "opsgenie", "alertmanager", "grafana", "incidentio", "statuspage")


@pytest.mark.parametrize("provider", ALERTING)
@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"event_type": "public_incident.incident_created_v2", "incident": {"id": 1}},
        {"event": 1, "alert": [], "action": "Create", "alerts": {}},
    ],
)
def test_what_is_of_another_shape_is_refused_or_passed_over(provider, body):
    with suppress(Refused):
        assert not PROVIDERS[provider].read(Delivery("", body, {}, NOW)).facts


@pytest.mark.parametrize("category", ["declined", "canceled", "merged"])
def test_incident_that_was_none_is_withdrawn(category):
    told = told_by("incidentio", incident_io(category))
    assert (told.withdrawn, told.as_of) == (True, datetime.fromisoformat(OVER))
    assert not told_by("incidentio", incident_io("live")).withdrawn


def test_page_without_components_is_placed_by_the_hooks_names():
    told = told_by("statuspage", page("investigating", incident_updates=[]))
    mine = Alerts(("production",), (("*", "storefront"),))
    assert located(told, "page", mine).incident.service == "storefront"
    with pytest.raises(Refused, match="names no service"):
        located(told, "page", Alerts(("production",)))


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
