"""Who asks: people, tokens and the board's own rules, and what each may do where.

A person is known by issuer and subject, never by an e-mail address, which can be given to somebody else.
Roles are granted for one environment or, as `EVERYWHERE`, for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

EVERYWHERE = "*"
"""Stands for every environment where roles and scopes are granted."""


class Role(StrEnum):
    """What somebody is, in one environment. Each may see what a viewer sees; an admin may do all of it."""

    VIEWER = "viewer"
    OPERATOR = "operator"  # moves rollouts
    APPROVER = "approver"  # decides gates
    ADMIN = "admin"  # people, tokens, freezes, settings


class PrincipalKind(StrEnum):
    """What sort of caller it is. Only a person may decide a gate, by a token of their own at most."""

    PERSON = "person"
    TOKEN = "token"  # noqa: S105 - a sort of caller
    KIOSK = "kiosk"
    SYSTEM = "system"  # the board itself, following a rule
    NOBODY = "nobody"  # did not say who they are


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. `(issuer, subject)` is the identity; `name` is for display only.

    `roles` are by environment or EVERYWHERE. `personal`: a token that a person made to act as themselves, so that it
    may decide. `verbs` narrows a token to commands and permissions by name (None: not narrowed), `repositories` to
    reports for these (globs of repository keys; None: not narrowed). `view` is the one path a kiosk may read. `session`
    names the session or token that is used, for the audit and for revoking; `signed_in_at` is when the person last
    proved who they are.
    """

    kind: PrincipalKind
    issuer: str = ""
    subject: str = ""
    name: str = ""
    email: str = ""
    roles: Mapping[str, frozenset[Role]] = field(default_factory=dict)
    groups: frozenset[str] = frozenset()
    verbs: frozenset[str] | None = None
    repositories: tuple[str, ...] | None = None
    view: str = ""
    session: str = ""
    signed_in_at: datetime | None = None
    personal: bool = False

    @property
    def identity(self) -> str:
        """`issuer|subject`: what is stored and compared."""
        return f"{self.issuer}|{self.subject}"

    @property
    def decides(self) -> bool:
        """Whether it is somebody, and not something, that may have a vote."""
        return self.kind is PrincipalKind.PERSON or self.personal

    def roles_in(self, environment: str) -> frozenset[Role]:
        """The roles held in `environment`."""
        return self.roles.get(environment, frozenset()) | self.roles.get(EVERYWHERE, frozenset())


NOBODY = Principal(PrincipalKind.NOBODY, name="nobody")
"""Who did not sign in."""
SYSTEM = Principal(
    PrincipalKind.SYSTEM, "shipboard", "system", "Shipboard", roles={EVERYWHERE: frozenset(Role)}
)
"""The board itself."""
