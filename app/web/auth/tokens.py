"""New tokens: for programs, and for screens. The secret is told once; what is stored cannot be used."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_network
from secrets import token_hex
from typing import Any

from app.domain.commands import Verb
from app.domain.people import EVERYWHERE, Principal, Role
from app.domain.policy import Permission
from app.domain.repositories import repo_key

from . import cookies

API_PREFIX, KIOSK_PREFIX = "shipboard_", "kiosk_"
MOST_DAYS = 365
ROLES = (Role.VIEWER, Role.OPERATOR, Role.APPROVER)
"""What a token may be; an approver's only decides, and is a person's own. Managing people takes a person."""
VERBS = (
    *(verb.value for verb in Verb),
    *(p.value for p in (Permission.REPORT, Permission.AUDIT, Permission.DECIDE)),
)
_ENVIRONMENT = re.compile(r"\*|[A-Za-z0-9][A-Za-z0-9._:/@-]{0,99}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A token to be made. `verbs` None: whatever the role may; `source`: a network it may come from.
    `repositories`: it only reports for these (globs), and does nothing else but look."""

    name: str
    role: str = Role.VIEWER.value
    environments: tuple[str, ...] = (EVERYWHERE,)
    verbs: tuple[str, ...] | None = None
    days: int = 90
    source: str = ""
    repositories: tuple[str, ...] | None = None


def api_token(wanted: Wanted, owner: Principal | None, now: datetime) -> tuple[str, Mapping[str, Any]]:
    """The secret and the row of a program's token; `owner` None: made on the command line. Raises ValueError."""
    if wanted.role not in {role.value for role in ROLES}:
        may = [role for role in ROLES if owner or role != Role.APPROVER]
        raise ValueError(f"A token is {' or '.join(may)}; managing people takes a person.")
    if wanted.role == Role.APPROVER and owner is None:
        raise ValueError("A token that decides is a person's own: whoever it is for makes it on /account.")
    for environment in wanted.environments:
        if not _ENVIRONMENT.fullmatch(environment):
            raise ValueError(f"{environment[:50]!r} is no environment.")
    for verb in wanted.verbs or ():
        if verb not in VERBS:
            raise ValueError(f"{verb[:50]!r} is nothing a token could do; there are {', '.join(VERBS)}.")
    if wanted.repositories is not None:
        keys = tuple(repo_key(each) for each in wanted.repositories)
        for given, key in zip(wanted.repositories, keys, strict=True):
            if not key:
                raise ValueError(f"{given[:80]!r} is no repository, as github.com/acme/* is.")
        if wanted.role == Role.VIEWER:
            raise ValueError("A token that reports for repositories is an operator.")
        wanted = replace(wanted, repositories=keys)
    if not wanted.environments:
        raise ValueError("A token is for at least one environment; * is all of them.")
    roles = [Role.VIEWER] if wanted.role == Role.VIEWER else [Role.VIEWER, Role(wanted.role)]
    secret = API_PREFIX + cookies.secret()
    return secret, _row(secret, "api", wanted, owner, now, roles=roles)


def kiosk(wanted: Wanted, view: str, owner: Principal | None, now: datetime) -> tuple[str, Mapping[str, Any]]:
    """The secret and the row of a screen that shows `view`, a path of ours with its query. Raises ValueError."""
    if not re.fullmatch(r"/[^\s\\#\x00-\x1f]{0,500}", view) or view.startswith(
        ("//", "/api/", "/account", "/login")
    ):
        raise ValueError("A screen shows one page, named by its path, as / or /?environment=production.")
    secret = KIOSK_PREFIX + cookies.secret()
    return secret, _row(secret, "kiosk", wanted, owner, now, view=view)


def claimed(now: datetime) -> tuple[str, Mapping[str, Any]]:
    """The secret of the cookie that a screen's link is exchanged for, and what it changes in the row."""
    secret = cookies.secret()
    return secret, {"key": cookies.digest(secret), "used_at": now}


def spoken(row: Mapping[str, Any]) -> str:
    """A new token in words, for the audit: which it is, and what it may."""
    if row["kind"] == "kiosk":
        return f"kiosk {row['ident']} ({row['name']}), shows {row['view']}"
    roles, environments = json.loads(row["roles"]), json.loads(row["environments"])
    verbs = json.loads(row["verbs"])
    only = "" if verbs is None else f", only {', '.join(verbs)}"
    if row["repositories"]:
        only += f", only reports for {', '.join(json.loads(row['repositories']))}"
    return f"token {row['ident']} ({row['name']}), {roles[-1]} in {', '.join(environments)}{only}"


def lines(text: str) -> tuple[str, ...]:
    """The words of a field: separated by commas or spaces."""
    return tuple(dict.fromkeys(word for word in re.split(r"[\s,]+", text.strip()) if word))


def _row(
    secret: str,
    kind: str,
    wanted: Wanted,
    owner: Principal | None,
    now: datetime,
    *,
    roles: Iterable[Role] = (),
    view: str = "",
) -> Mapping[str, Any]:
    name = "".join(c for c in wanted.name if c.isprintable()).strip()
    if not 0 < len(name) <= 60:
        raise ValueError("It needs a name of 1 to 60 characters, by which it is found again.")
    if not 1 <= wanted.days <= MOST_DAYS:
        raise ValueError(f"It lasts from 1 to {MOST_DAYS} days.")
    if wanted.source:
        try:
            ip_network(wanted.source)
        except ValueError:
            raise ValueError(f"{wanted.source[:50]!r} is no network, as 10.0.0.0/24.") from None
    ident = token_hex(8)
    return {
        "key": cookies.digest(secret),
        "ident": ident,
        "kind": kind,
        "name": name,
        "issuer": owner.issuer if owner else "token",
        "subject": owner.subject if owner else ident,
        "owner": owner.name if owner else "",
        "groups": json.dumps(sorted(owner.groups if owner else ())),
        "roles": json.dumps([role.value for role in roles]),
        "environments": json.dumps(list(wanted.environments)),
        "verbs": json.dumps(None if wanted.verbs is None else list(wanted.verbs)),
        "repositories": None if wanted.repositories is None else json.dumps(wanted.repositories),
        "view": view,
        "source": wanted.source,
        "created_at": now,
        "expires_at": now + timedelta(days=wanted.days),
        "used_at": None,
        "revoked_at": None,
    }
