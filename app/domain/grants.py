"""Which roles somebody has: a grant names a role, where it holds, and the people and groups that have it.

People are named by how they sign in and who they are there: "local:vera", "oidc:248289761001", "proxy:vera"; never by
e-mail. "*" is everybody who signed in. Names are compared exactly: case and look-alike letters make somebody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .people import EVERYWHERE, Role


@dataclass(frozen=True, slots=True)
class Grant:
    """`role` in `environment` for whoever is in `groups` or among `people`."""

    role: Role
    environment: str = EVERYWHERE
    groups: tuple[str, ...] = ()
    people: tuple[str, ...] = ()


def granted(grants: Iterable[Grant], person: str, groups: frozenset[str]) -> Mapping[str, frozenset[Role]]:
    """The roles of `person` ("oidc:SUBJECT") with these groups, by environment; empty when nothing is granted."""
    found: dict[str, frozenset[Role]] = {}
    for grant in grants:
        if person in grant.people or "*" in grant.people or groups & frozenset(grant.groups):
            found[grant.environment] = found.get(grant.environment, frozenset()) | {grant.role}
    return found


def narrowed(
    held: Mapping[str, frozenset[Role]], roles: frozenset[Role], environments: Iterable[str]
) -> Mapping[str, frozenset[Role]]:
    """What of `held` a token may use that is scoped to `roles` in `environments` (EVERYWHERE: in all of them).

    An admin may do what an operator may, so a token of an admin may be an operator's.
    """
    found: dict[str, frozenset[Role]] = {}
    scope = frozenset(environments)
    for where in scope if EVERYWHERE not in scope else frozenset(held):
        here = held.get(where, frozenset()) | held.get(EVERYWHERE, frozenset())
        usable = frozenset(r for r in roles if r in here or Role.ADMIN in here or (r is Role.VIEWER and here))
        if usable:
            found[where] = usable
    return found
