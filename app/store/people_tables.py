"""The tables of people: accounts, sessions, tokens and screens, sign-ins under way, and passwords that did not hold.

Of a secret only its hash is kept.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Table, Text
from sqlmodel import Field, SQLModel

from app.store.tables import METADATA


class Account(SQLModel, table=True):
    """Somebody who signs in by a name and a password kept here. `password` is an Argon2id hash; `grants` and `groups`
    are JSON arrays, a grant being "role" or "role@environment"."""

    name: str = Field(primary_key=True)
    display: str
    email: str
    password: str = Field(sa_type=Text)
    grants: str
    groups: str
    created_at: datetime
    changed_at: datetime
    disabled_at: datetime | None


class SignedIn(SQLModel, table=True):
    """A session. `key` is the SHA-256 of what its cookie holds, `ident` what it is called; `groups` is a JSON array
    as the provider told it; `seen_at` is the last request, give or take a minute."""

    __tablename__ = "session"
    __table_args__ = (Index(None, "issuer", "subject"), Index(None, "ident"))

    key: str = Field(primary_key=True)
    ident: str
    issuer: str
    subject: str
    name: str
    email: str
    groups: str = Field(sa_type=Text)
    how: str
    agent: str
    created_at: datetime
    seen_at: datetime
    signed_in_at: datetime
    ended_at: datetime | None


class Token(SQLModel, table=True):
    """A token of a program ("api") or a screen ("kiosk"). `key` is the SHA-256 of the secret; a kiosk's changes when
    its link is exchanged for a cookie. `issuer`, `subject` and `owner` are of whoever made it, `groups`, `roles`,
    `environments` and `verbs` JSON arrays (`verbs` null: all), `repositories` too (null: all); `source` is a network
    it may come from."""

    __table_args__ = (Index(None, "issuer", "subject"), Index(None, "ident"))

    key: str = Field(primary_key=True)
    ident: str
    kind: str
    name: str
    issuer: str
    subject: str
    owner: str
    groups: str = Field(sa_type=Text)
    roles: str
    environments: str
    verbs: str
    repositories: str | None
    view: str
    source: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


class SignIn(SQLModel, table=True):
    """A sign-in by a provider that is under way: what must come back, as JSON; gone once it has."""

    __table_args__ = (Index(None, "expires_at"),)

    key: str = Field(primary_key=True)
    content: str = Field(sa_type=Text)
    expires_at: datetime


class Attempt(SQLModel, table=True):
    """A password that was tried and did not hold; counted to slow down guessing, over restarts too."""

    __table_args__ = (Index(None, "at"), Index(None, "account", "at"), Index(None, "source", "at"))

    id: int | None = Field(default=None, primary_key=True)
    account: str
    source: str
    at: datetime


ACCOUNT: Table = METADATA.tables["account"]
SESSION: Table = METADATA.tables["session"]
TOKEN: Table = METADATA.tables["token"]
SIGNIN: Table = METADATA.tables["signin"]
ATTEMPT: Table = METADATA.tables["attempt"]
