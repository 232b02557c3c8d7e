"""Where an incident of an alerting tool belongs: which service of ours, which environment, what caused it. Pure.

Tools know names of their own. A hook says what they are here, and where it may tell of incidents at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from app.domain.dora import IncidentTold
from app.domain.names import cut

from .hooks import Refused

LATEST = "latest"
_ID = re.compile(r"[^A-Za-z0-9._:-]")


@dataclass(frozen=True, slots=True)
class Alerts:
    """What a hook says of incidents: the environments it may tell of (the first is that of those that name none), the
    tool's names for services (globs) with ours, and whether the deployment that ended last before one caused it."""

    environments: tuple[str, ...] = ()
    names: tuple[tuple[str, str], ...] = ()
    blames: bool = True


NOWHERE = Alerts()


def located(told: IncidentTold, hook: str, alerts: Alerts) -> IncidentTold:
    """`told` with our names; its id begins with the hook's, so that none speaks of another's. Raises Refused."""
    incident = told.incident
    environment = incident.environment or next(iter(alerts.environments), "")
    if environment not in alerts.environments:
        raise Refused(f"{cut(environment, 100) or 'It'} is outside the environments this hook may tell of.")
    named = incident.service.strip()
    service = next(
        (ours for glob, ours in alerts.names if fnmatchcase(named.casefold(), glob.casefold())),
        re.sub(r"\s+", "-", named.lower()),
    )
    if not service:
        raise Refused("Its incident names no service.")
    ident = _ID.sub("_", f"{hook}:{incident.id}")[:100]
    deployment = LATEST if alerts.blames else ""
    return replace(
        told,
        by=f"hook|{hook}",
        incident=replace(incident, id=ident, service=service, environment=environment, deployment=deployment),
    )
