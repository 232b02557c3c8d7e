"""What the head of a page says of whoever looks at it: made anew for each answer, and never part of a stream."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import Scope

from app.domain.people import EVERYWHERE, Principal, PrincipalKind, Role
from app.settings import AuthSettings, Mode, Persona

from . import access

_ORDER = (Role.ADMIN, Role.APPROVER, Role.OPERATOR, Role.VIEWER)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks, as a page shows it. `name` is empty for a stranger; `asked`: the board asks people who they are."""

    name: str
    role: str
    csrf: str
    asked: bool
    personas: tuple[Persona, ...]
    persona: str = ""


def viewer(scope: Scope) -> Viewer:
    """The viewer of a request. Screens and boards that ask nobody have none to show."""
    who = access.of(scope)
    settings: AuthSettings = scope.get("auth") or AuthSettings()
    asked = bool(settings.modes) and who.kind is not PrincipalKind.KIOSK
    person = asked and who.kind is PrincipalKind.PERSON
    return Viewer(
        who.name if person else "",
        spoken(who) if person else "",
        str(scope.get("csrf", "")) if who.kind is not PrincipalKind.KIOSK else "",
        asked,
        settings.personas if asked and Mode.DEMO in settings.modes else (),
        who.subject if person else "",
    )


def spoken(who: Principal) -> str:
    """The highest role somebody has, and where: "operator in staging, viewer"."""
    parts: list[str] = []
    for role in _ORDER:
        places = sorted(where for where, roles in who.roles.items() if role in roles)
        if EVERYWHERE in places:
            return ", ".join([*parts, role.value])
        if places:
            parts.append(f"{role} in {' and '.join(places)}")
    return ", ".join(parts) or "no role"
