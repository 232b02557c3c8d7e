"""How versions are delivered: the `delivery` part of the settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.delivery import Approvals, Delivery, Mode, Rules
from app.domain.evidence import Severity
from app.domain.forges import Dispatch
from app.domain.freezes import Freeze, Window

from . import scalars
from .reader import Many, Table
from .scalars import Scalar

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(r"(\d{1,6})\s*(s|min|m|h|d)")


def span(text: str) -> timedelta:
    """ "30m", "2h", "3d". Raises ValueError."""
    found = _SPAN.fullmatch(text.strip())
    if not found:
        raise ValueError("is no length of time, such as 30m, 2h or 3d")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def instant(text: str) -> datetime:
    """An ISO 8601 time; without a zone it is UTC. Raises ValueError."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError("is no time, such as 2026-12-20T00:00:00+01:00") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _mode(text: str) -> Mode:
    if text not in (*Mode,):
        raise ValueError("is neither manual nor automatic")
    return Mode(text)


def _severity(text: str) -> Severity:
    known = {s.name.lower(): s for s in Severity if s}
    if text.lower() not in known:
        raise ValueError(f"is none of {', '.join(known)}")
    return known[text.lower()]


def _count(text: str) -> int:
    n = int(text) if text.isdecimal() else -1
    if not 0 <= n <= 20:
        raise ValueError("is no number from 0 to 20")
    return n


def _rules(**found: Any) -> Rules:
    return Rules(**found)


def _dispatch(**found: Any) -> Dispatch:
    if found.get("workflow") and found.get("event"):
        raise ValueError("starts either a workflow or an event, not both")
    return Dispatch(**found)


def _input(name: str, value: str) -> tuple[str, str]:
    return name, value


def _freeze(
    reason: str, window: str = "", zone: str = "UTC", since: datetime | None = None, until: datetime | None = None,
    environment: str = "*", service: str = "*",
) -> Freeze:  # fmt: skip
    if not window and not since and not until:
        raise ValueError("says neither window nor since and until")
    if since and until and until <= since:
        raise ValueError("ends before it begins")
    name = "".join(c if c.isalnum() else "-" for c in reason.lower())[:40].strip("-")
    week = Window.parse(window, zone) if window else None
    return Freeze(f"settings-{name}", reason, environment, service, week, since, until)


def _person(identity: str, known_as: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    return identity, known_as


def build(
    environments: tuple[Rules, ...] = (),
    freezes: tuple[Freeze, ...] = (),
    people: tuple[tuple[str, tuple[str, ...]], ...] = (),
) -> Delivery:
    """The delivery that a file describes; its order is that of the environments, told elsewhere."""
    names = [rules.environment for rules in environments]
    if len(set(names)) < len(names):
        raise ValueError("has two sets of rules for one environment")
    return Delivery((), {rules.environment: rules for rules in environments}, freezes, dict(people))


def as_file(delivery: Delivery) -> Mapping[str, Any]:
    """The delivery in the shape of the file."""
    found: dict[str, Any] = {"environments": [_shown(rules) for rules in delivery.rules.values()]}
    if delivery.freezes:
        found["freezes"] = [
            {"reason": f.reason, "environment": f.environment, "service": f.service}
            | ({"window": str(f.window).rpartition(" ")[0], "zone": f.window.zone} if f.window else {})
            | ({"since": f.since.isoformat()} if f.since else {})
            | ({"until": f.until.isoformat()} if f.until else {})
            for f in delivery.freezes
        ]
    if delivery.aliases:
        found["people"] = [{"identity": i, "known_as": list(names)} for i, names in delivery.aliases.items()]
    return found


def _shown(rules: Rules) -> dict[str, Any]:
    return {
        "environment": rules.environment,
        "mode": rules.mode.value,
        "ci": rules.ci,
        "tests": rules.tests,
        **({"scan": rules.scan.name.lower()} if rules.scan is not None else {}),
        "signature": rules.signature,
        "soak": f"{int(rules.soak.total_seconds())}s",
        "soak_grace": f"{int(rules.soak_grace.total_seconds())}s",
        "rollback": rules.rollback,
        "approvals": [{"count": a.count, "groups": list(a.groups)} for a in rules.approvals],
        "four_eyes": rules.four_eyes,
        "one_at_a_time": rules.one_at_a_time,
        "expires": f"{int(rules.expires.total_seconds())}s",
        "only_by_gate": rules.only_by_gate,
        "promotes": rules.promotes,
        **({"dispatch": _started(rules.dispatch)} if rules.dispatch else {}),
    }


def _started(dispatch: Dispatch) -> dict[str, Any]:
    named = {"workflow": dispatch.workflow, "event": dispatch.event}
    return {
        "hook": dispatch.hook,
        "repository": dispatch.repository,
        **{name: text for name, text in named.items() if text},
        "ref": dispatch.ref,
        "inputs": [{"name": name, "value": value} for name, value in dispatch.inputs],
    }


def _flag(name: str) -> Scalar:
    return Scalar(scalars.boolean, f"{name}: true", frozenset({"bool"}))


def _text(example: str) -> Scalar:
    return scalars.text_like(r"[^\x00-\x1f]{1,200}", "a text of at most 200 characters", example)


_FLAGS = ("ci", "tests", "signature", "rollback", "four_eyes", "one_at_a_time", "only_by_gate", "promotes")
_TIME = Scalar(instant, "2026-12-20T00:00:00+01:00", frozenset({"str", "timestamp"}))
_RULES = Table(
    {
        "environment": Scalar(scalars.name, "environment: production"),
        "mode": Scalar(_mode, "mode: manual"),
        **{name: _flag(name) for name in _FLAGS},
        "scan": Scalar(_severity, "scan: high"),
        "soak": Scalar(span, "soak: 30m"),
        "soak_grace": Scalar(span, "soak_grace: 2m"),
        "expires": Scalar(span, "expires: 3d"),
        "approvals": Many(
            Table(
                {
                    "count": Scalar(_count, "count: 2", frozenset({"int"})),
                    "groups": Many(_text("release"), "groups: [release]"),
                },
                "- {count: 1, groups: [release]}",
                build=Approvals,
            ),
            "approvals: [{count: 1, groups: [release]}]",
        ),
        "dispatch": Table(
            {
                "hook": _text("hook: acme-github"),
                "repository": _text("repository: github.com/acme/{service}"),
                "workflow": _text("workflow: deploy.yaml"),
                "event": _text("event: deploy"),
                "ref": _text("ref: main"),
                "inputs": Many(
                    Table(
                        {"name": _text("name: version"), "value": _text("value: '{version}'")},
                        "- {name: version, value: '{version}'}",
                        required=("name", "value"),
                        build=_input,
                    ),
                    "inputs: [{name: version, value: '{version}'}]",
                ),
            },
            "dispatch: {hook: acme-github, repository: 'github.com/acme/{service}', workflow: deploy.yaml}",
            required=("hook", "repository"),
            build=_dispatch,
        ),
    },
    "- {environment: production, ci: true, soak: 30m}",
    required=("environment",),
    build=_rules,
)
_FREEZE = Table(
    {
        "reason": _text("No changes over the weekend"),
        "window": _text("Fri 15:00 - Mon 08:00"),
        "zone": _text("Europe/Berlin"),
        "since": _TIME,
        "until": _TIME,
        "environment": Scalar(scalars.glob, "environment: production"),
        "service": Scalar(scalars.glob, "service: 'payments-*'"),
    },
    "- {reason: Weekend, window: 'Fri 15:00 - Mon 08:00', zone: Europe/Berlin}",
    required=("reason",),
    build=_freeze,
)
_PERSON = Table(
    {"identity": _text("local:vera"), "known_as": Many(_text("vera@example.org"), "[vera@example.org]")},
    "- {identity: 'local:vera', known_as: [vera@example.org]}",
    required=("identity", "known_as"),
    build=_person,
)
SHAPE = Table(
    {
        "environments": Many(_RULES, "environments: [{environment: production, soak: 30m}]"),
        "freezes": Many(_FREEZE, "freezes: [{reason: Weekend, window: 'Fri 15:00 - Mon 08:00'}]"),
        "people": Many(_PERSON, "people: [{identity: 'local:vera', known_as: [vera@example.org]}]"),
    },
    "delivery: {environments: [{environment: production, ci: true}]}",
    build=build,
)
