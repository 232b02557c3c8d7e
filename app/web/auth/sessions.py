"""Sessions, begun: a row that the secret in the browser's cookie is found by, and the entry that somebody signed in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex

import structlog
from starlette.types import Scope

from app.domain.audit import Act
from app.domain.people import Principal, PrincipalKind
from app.store import people
from app.store.audit import append
from app.store.db import Database

from . import cookies
from .audited import entry

log = structlog.get_logger("shipboard.auth")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who proved who they are, `at` a moment, and `how` (a mode)."""

    how: str
    issuer: str
    subject: str
    name: str
    at: datetime
    email: str = ""
    groups: frozenset[str] = frozenset()


async def begin(database: Database, scope: Scope, signed: SignedIn, now: datetime, before: str | None) -> str:
    """A new session in place of the one with the secret `before`; answers its secret. Raises StoreUnavailable."""
    secret, ident, name = cookies.secret(), token_hex(8), signed.name[:100]
    agent = next((v.decode("latin-1") for n, v in scope["headers"] if n == b"user-agent"), "")
    row = {
        "key": cookies.digest(secret),
        "ident": ident,
        "issuer": signed.issuer,
        "subject": signed.subject,
        "name": name,
        "email": signed.email[:200],
        "groups": json.dumps(sorted(signed.groups)),
        "how": signed.how,
        "agent": "".join(c for c in agent if c.isprintable())[:200],
        "created_at": now,
        "seen_at": now,
        "signed_in_at": signed.at,
        "ended_at": None,
    }
    async with database.writing() as session:
        if before:
            await people.end_sessions(session, now, key=cookies.digest(before))
        await people.add(session, people.SESSION, row)
        who = Principal(PrincipalKind.PERSON, signed.issuer, signed.subject, name, session=ident)
        said = entry(scope, who, Act.SIGN_IN, now, f"session {ident}", f"By {signed.how}.")
        await append(session, said)
    log.info("signed in", principal=f"{signed.issuer}|{signed.subject}", how=signed.how, session=ident)
    return secret
