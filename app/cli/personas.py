"""The three ready-made people of the demo, one click to be each."""

from __future__ import annotations

from app.domain.grants import Grant
from app.domain.people import Role
from app.settings import AuthSettings, Mode, Persona


def _persona(subject: str, name: str, does: str, *roles: Role) -> Persona:
    return Persona(subject, name, does, tuple(Grant(role, people=(f"demo:{subject}",)) for role in roles))


DEMO_AUTH = AuthSettings(
    modes=(Mode.DEMO,),
    anonymous=True,
    idle_minutes=1440,
    hours=168,
    personas=(
        _persona("vera", "Vera", "looks on", Role.VIEWER),
        _persona("omar", "Omar", "moves rollouts", Role.VIEWER, Role.OPERATOR),
        _persona("ada", "Ada", "approves, and administers", *Role),
    ),
)
"""Opening the board shows it; acting takes being somebody."""
