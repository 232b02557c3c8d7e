"""What Shipboard tells others, as CDEvents 0.5.1 in structured CloudEvents: deployments that ended and gates
decided. Pure.

Ids follow from what happened, so that telling twice is telling once. An artifact is a package address; where only a
tag is known, the address has the tag and no digest. CDEvents has no approvals yet, so a gate's decision is a
custom event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from app.domain.ci import ident
from app.domain.names import ImageRef
from app.domain.rollout import Outcome

from .hooks.cdevents_rules import broken
from .hooks.cloudevents import structured

SPEC = "0.5.1"
GATE = "dev.cdeventsx.shipboard-gate.decided.0.1.0"
_GOOD = frozenset({Outcome.PROMOTED, Outcome.FAST_PROMOTED})
_BAD = frozenset({Outcome.FAILED, Outcome.ABORTED})


@dataclass(frozen=True, slots=True)
class Ended:
    """A rollout that ended: its id, where it was, how it ended, what it shipped (`image`, as the workload asks
    for it), and whether it went back to an earlier revision or was the first there."""

    id: str
    service: str
    environment: str
    workload: str
    outcome: Outcome
    ended_at: datetime
    version: str
    image: str = ""
    back: bool = False
    first: bool = False
    cause: str = ""


def deployed(ended: Ended, source: str) -> bytes | None:
    """The event of a rollout that ended: service.deployed, upgraded or rolledback, or incident.detected where it
    failed; None for one that only gave way to the next. `source` is the board's address. Raises ValueError for one that
    cannot be told by the rules."""
    environment = {"id": ended.environment}
    artifact = purl(ended.image)
    if ended.outcome in _GOOD or ended.outcome is Outcome.ROLLED_BACK:
        back = ended.back or ended.outcome is Outcome.ROLLED_BACK
        verb = "rolledback" if back else "deployed" if ended.first else "upgraded"
        kind, content = (
            f"dev.cdevents.service.{verb}.0.3.0",
            {"environment": environment, "artifactId": artifact},
        )
        subject = ended.service
    elif ended.outcome in _BAD:
        kind, subject = "dev.cdevents.incident.detected.0.3.0", ended.id
        said = f"The rollout of {ended.service} {ended.version} to {ended.environment} {ended.outcome}."
        content = {
            "description": f"{said} {ended.cause}".strip(),
            "environment": environment,
            "service": {"id": ended.service},
            "artifactId": artifact,
        }
    else:
        return None
    own = {"workload": ended.workload, "version": ended.version, "rollout": ended.id}
    return _event(kind, ended.id, source, subject, ended.ended_at, content, own)


def gate_decided(
    gate: str, service: str, environment: str, decision: str, by: str, at: datetime, source: str
) -> bytes:
    """The event of a decision on a gate ("approved", "rejected"), by whom. Raises ValueError."""
    content = {"decision": decision, "by": by, "environment": {"id": environment}, "service": {"id": service}}
    return _event(GATE, f"{gate} {decision}", source, gate, at, content, {})


def purl(image: str) -> str:
    """The package address of an image: by digest where the reference has one, else by tag."""
    found = ImageRef.parse(image)
    name = found.repository.rpartition("/")[2].lower() or "unknown"
    version = f"@{quote(found.digest, safe='')}" if found.digest else ""
    pairs = [("repository_url", found.repository), ("tag", found.tag)]
    query = "&".join(f"{key}={quote(value, safe='/')}" for key, value in pairs if value)
    return f"pkg:oci/{quote(name, safe='')}{version}" + (f"?{query}" if query else "")


def _event(
    kind: str,
    key: str,
    source: str,
    subject: str,
    at: datetime,
    content: Mapping[str, Any],
    own: Mapping[str, str],
) -> bytes:
    name = ident(kind, key, source)
    data: dict[str, Any] = {
        "context": {"specversion": SPEC, "id": name, "source": source, "type": kind, "timestamp": at},
        "subject": {"id": subject, "source": source, "content": content},
        "customData": {"shipboard": dict(own)},
        "customDataContentType": "application/json",
    }
    as_text = {**data, "context": {**data["context"], "timestamp": at.isoformat()}}
    if wrong := next(broken(as_text), ""):
        raise ValueError(f"{kind}: {wrong}")
    return structured(kind, ident=name, source=source, subject=subject, at=at, data=data)
