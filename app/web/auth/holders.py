"""Whom a row stands for: the person of a session, the bearer of a token, the screen; with the roles of this moment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from app.domain.grants import Grant, granted, narrowed
from app.domain.people import EVERYWHERE, Principal, PrincipalKind, Role
from app.settings import AuthSettings, Mode
from app.store import people
from app.store.db import Database


async def roles_of(
    database: Database, settings: AuthSettings, how: str, subject: str, groups: frozenset[str]
) -> Mapping[str, frozenset[Role]] | None:
    """The roles of a person by configuration and, for a local one, by account; None for one who is disabled."""
    grants: list[Grant] = list(settings.grants)
    if how == Mode.DEMO:
        persona = next((p for p in settings.personas if p.subject == subject), None)
        if persona is None:
            return None
        grants += persona.grants
    if how == Mode.LOCAL:
        async with database.reading() as connection:
            account = await people.one(connection, people.ACCOUNT, name=subject)
        if account is None or account["disabled_at"] is not None:
            return None
        grants += account_grants(subject, account["grants"])
        groups |= frozenset(json.loads(account["groups"]))
    return granted(grants, f"{how}:{subject}", groups)


async def person_of(database: Database, settings: AuthSettings, row: people.Row) -> Principal | None:
    """The person of a session; None when it is over, or the person may not come in any more."""
    if row["ended_at"] is not None or row["how"] not in settings.modes:
        return None
    groups = frozenset(json.loads(row["groups"]))
    roles = await roles_of(database, settings, row["how"], row["subject"], groups)
    if roles is None:
        return None
    return Principal(
        PrincipalKind.PERSON,
        row["issuer"],
        row["subject"],
        row["name"],
        row["email"],
        roles,
        groups,
        session=row["ident"],
        # Nobody of the demo ever proves anything, so there is nothing to prove again.
        signed_in_at=None if row["how"] == Mode.DEMO else row["signed_in_at"],
    )


async def bearer_of(database: Database, settings: AuthSettings, row: people.Row) -> Principal | None:
    """The bearer of a token, or a screen; None when it is revoked, or its owner may not come in any more."""
    if row["revoked_at"] is not None:
        return None
    if row["kind"] == "kiosk":
        return Principal(
            PrincipalKind.KIOSK,
            "kiosk",
            row["ident"],
            row["name"],
            roles={EVERYWHERE: frozenset({Role.VIEWER})},
            view=row["view"],
            session=row["ident"],
        )
    scope = frozenset(Role(role) for role in json.loads(row["roles"]))
    environments, verbs = json.loads(row["environments"]), json.loads(row["verbs"])
    if row["issuer"] == "token":  # made on the command line: nobody's, so the scope is all there is
        held: Mapping[str, frozenset[Role]] | None = {EVERYWHERE: scope}
    else:
        how = "oidc" if "://" in row["issuer"] else row["issuer"]
        held = await roles_of(database, settings, how, row["subject"], frozenset(json.loads(row["groups"])))
    if not held:
        return None
    if Role.APPROVER in scope:
        return await _own(database, settings, row, narrowed(held, scope, environments), verbs)
    return Principal(
        PrincipalKind.TOKEN,
        row["issuer"],
        row["subject"],
        f"{row['name']} ({row['owner']})" if row["owner"] else row["name"],
        roles=narrowed(held, scope, environments),
        verbs=None if verbs is None else frozenset(verbs),
        repositories=tuple(json.loads(row["repositories"])) if row["repositories"] else None,
        session=row["ident"],
    )


async def _own(
    database: Database,
    settings: AuthSettings,
    row: people.Row,
    roles: Mapping[str, frozenset[Role]],
    verbs: list[str] | None,
) -> Principal | None:
    """The person whose own token it is: named as when they signed in last, so that four eyes know them, and as fresh as
    the newest sign-in that still holds. None for nobody's token."""
    if row["issuer"] == "token":
        return None
    about = {"issuer": row["issuer"], "subject": row["subject"]}
    async with database.reading() as connection:
        sessions = await people.many(connection, people.SESSION, **about)
    newest = max(sessions, key=lambda each: each["signed_in_at"], default=None)
    hold = [each["signed_in_at"] for each in sessions if each["ended_at"] is None]
    return Principal(
        PrincipalKind.TOKEN,
        row["issuer"],
        row["subject"],
        row["owner"],
        newest["email"] if newest else "",
        roles,
        frozenset(json.loads(row["groups"])),
        None if verbs is None else frozenset(verbs),
        session=row["ident"],
        signed_in_at=max(hold, default=None),
        personal=True,
    )


async def standing(database: Database, settings: AuthSettings, who: Principal) -> Principal | None:
    """Somebody who voted, with the roles of this moment; None when they may not come in any more."""
    how = "oidc" if "://" in who.issuer else who.issuer
    if how not in settings.modes:
        return who if not settings.modes else None
    roles = await roles_of(database, settings, how, who.subject, who.groups)
    return None if roles is None else replace(who, roles=roles)


async def person_named(
    database: Database,
    settings: AuthSettings,
    identity: str,
    groups: frozenset[str],
    *,
    session: str,
    signed_in_at: datetime,
) -> Principal | None:
    """Somebody whom another place vouches for: `identity` is "local:NAME", "oidc:SUBJECT" or "proxy:NAME", `groups`
    those that a sign-in would bring. None when they may not come in. Raises StoreUnavailable."""
    how, _, subject = identity.partition(":")
    if how not in settings.modes:
        return None
    issuer, name, email = how, subject, ""
    if how == Mode.OIDC and settings.oidc:
        issuer = settings.oidc.issuer
    if how == Mode.LOCAL:
        async with database.reading() as connection:
            account = await people.one(connection, people.ACCOUNT, name=subject)
        if account is None:
            return None
        name, email = account["display"] or subject, account["email"]
        groups |= frozenset(json.loads(account["groups"]))
    roles = await roles_of(database, settings, how, subject, groups)
    if roles is None:
        return None
    return Principal(
        PrincipalKind.PERSON,
        issuer,
        subject,
        name,
        email,
        roles,
        groups,
        session=session,
        signed_in_at=signed_in_at,
    )


def account_grants(name: str, stored: str) -> list[Grant]:
    """The grants of an account's row: a JSON array of "role" and "role@environment"."""
    found = []
    for each in json.loads(stored):
        role, _, environment = str(each).partition("@")
        found.append(Grant(Role(role), environment or EVERYWHERE, people=(f"local:{name}",)))
    return found
