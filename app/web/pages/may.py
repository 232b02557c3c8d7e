"""What keeps somebody from a verb, by rights alone: what a page says that is shared by all who have them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from app.domain.commands import VERBS, Verb
from app.domain.people import Principal
from app.domain.policy import Blocker, Permission, permits
from app.web import auth


def may(held: frozenset[str]) -> Callable[[str, str], Blocker | None]:
    """The same for the holder of these `auth.rights`."""
    holder = auth.holder(held)
    return lambda verb, environment: personal(holder, Verb(verb), environment)


def knows(held: frozenset[str]) -> bool:
    """Whether the holder of these rights is told what was asked of workloads, by whom and why."""
    return permits(auth.holder(held), Permission.DEEDS).allowed


def personal(principal: Principal, verb: Verb, environment: str) -> Blocker | None:
    """What keeps `principal` from `verb` in `environment`: None when nothing does."""
    role = VERBS[verb].role
    verdict = permits(principal, Permission.ACT, environment, verb=verb.value, role=role)
    if verdict.allowed:
        return None
    found = verdict.blocked_by[0]
    if found.rule == "role":
        return replace(found, message=f"You lack the role {role} in {environment}.")
    return replace(found, message="Sign in to act.", clears="") if found.rule == "sign-in" else found
