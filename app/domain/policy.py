"""One function that says who may do what: pages, API, streams and the background all ask it.

Deny is the default. An answer is never a bare truth value: a denial carries every rule that blocks, with who or
what can clear it, because that is what a disabled button has to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .people import Principal, PrincipalKind, Role
from .repositories import within


class Permission(StrEnum):
    """What a route or a background job needs. Commands need `ACT` and the role of their verb (`commands.VERBS`)."""

    OPEN = "open"  # anybody: probes, sign-in, static files, hooks (which check a signature instead)
    VIEW = "view"
    DEEDS = "deeds"  # what was asked of workloads, by whom and why, and the webhooks that came
    ACT = "act"
    DECIDE = "decide"
    REPORT = "report"  # machines that tell results of CI
    AUDIT = "audit"
    ADDRESSES = "addresses"  # from where people came, in the audit
    SELF = "self"  # a person's own sessions and tokens
    ADMIN = "admin"


LEAST: dict[Permission, Role | None] = {
    Permission.OPEN: None,
    Permission.VIEW: Role.VIEWER,
    Permission.DEEDS: Role.VIEWER,
    Permission.ACT: Role.OPERATOR,
    Permission.DECIDE: Role.APPROVER,
    Permission.REPORT: Role.OPERATOR,
    Permission.AUDIT: Role.VIEWER,
    Permission.ADDRESSES: Role.ADMIN,
    Permission.SELF: Role.VIEWER,
    Permission.ADMIN: Role.ADMIN,
}
"""The role each permission takes; an admin has them all, and whoever has any role may view. What people did and why
(DEEDS, AUDIT) is told only to somebody who says who they are, whatever strangers and screens may look at."""
LOOKS = frozenset({Permission.VIEW, Permission.DEEDS})
"""What a token narrowed to some commands may do besides: whoever asks for something has to see what became of it."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """One rule that stands in the way: its short name ("role", "freeze", "not-offered", "owner" ...), what is the
    case, who or what can clear it, and when it clears by itself (None: it does not)."""

    rule: str
    message: str
    clears: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """May it be done? `blocked_by` is empty exactly when it may; `warnings` do not stand in the way."""

    blocked_by: tuple[Blocker, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether nothing stands in the way."""
        return not self.blocked_by


ALLOWED = Verdict()


def permits(
    principal: Principal,
    permission: Permission,
    environment: str = "",
    *,
    verb: str = "",
    role: Role | None = None,
) -> Verdict:
    """Whether `principal` may do what needs `permission` in `environment` (empty: in any at all).

    `role` is the least role where it is not the permission's own; `verb` is the command, which a token may be
    narrowed to.
    """
    if permission is Permission.OPEN:
        return ALLOWED
    if principal.kind is PrincipalKind.NOBODY and (permission is not Permission.VIEW or not principal.roles):
        return Verdict((Blocker("sign-in", "You are not signed in.", "Sign in."),))
    if principal.kind is PrincipalKind.KIOSK and permission is not Permission.VIEW:
        return Verdict(
            (Blocker("kiosk", "This screen may only look.", "Open the board on a screen of your own."),)
        )
    if principal.kind is PrincipalKind.TOKEN:
        if permission in (Permission.SELF, Permission.ADMIN):
            return Verdict((Blocker("token", "A token cannot do this.", "Sign in as a person."),))
        if permission is Permission.DECIDE and not principal.personal:
            said = "A token of a program decides nothing."
            clears = "A person, or a token of their own with the role approver, made on /account."
            return Verdict((Blocker("token", said, clears),))
        if (
            principal.verbs is not None
            and permission not in LOOKS
            and not ({verb, permission.value} & principal.verbs)
        ):
            return Verdict(
                (
                    Blocker(
                        "scope", f"This token's scope does not hold {verb or permission.value}.", "An admin."
                    ),
                )
            )
        if principal.repositories is not None and (
            environment if permission is Permission.REPORT else permission is not Permission.VIEW
        ):
            said = f"This token only reports for {', '.join(principal.repositories)}."
            return Verdict((Blocker("scope", said, "Take another token."),))
    least = role or LEAST[permission]
    held = _held(principal, environment)
    if Role.ADMIN in held or least in held or (least is Role.VIEWER and held):
        return ALLOWED
    where = f" in {environment}" if environment else ""
    return Verdict(
        (
            Blocker(
                "role",
                f"This takes the role {least}{where}; you have {_spoken(held)}.",
                "An admin can grant it.",
            ),
        )
    )


def may_report(principal: Principal, repo: str) -> Verdict:
    """Whether a report about `repo` (a repository key; empty: not told) is within what a token is narrowed to. What
    `permits` says comes on top."""
    if principal.repositories is None or within(repo, principal.repositories):
        return ALLOWED
    named = ", ".join(principal.repositories)
    said = (
        f"This token only reports for {named}, not for {repo}."
        if repo
        else f"This token only reports for {named}, and neither the address nor the report names a repository."
    )
    return Verdict((Blocker("scope", said, "Say repo=…, or take another token."),))


def _held(principal: Principal, environment: str) -> frozenset[Role]:
    if environment:
        return principal.roles_in(environment)
    return frozenset(role for roles in principal.roles.values() for role in roles)


def _spoken(roles: Sequence[Role] | frozenset[Role]) -> str:
    return " and ".join(sorted(roles)) or "none"
