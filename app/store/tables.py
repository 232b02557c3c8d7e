"""The tables. Plain types that SQLite and PostgreSQL share; all times aware UTC.

What is queried by is a column; what is always read together is one document (`Workload.state`). The
migrations are the only thing that creates these tables in a database.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, MetaData, Table, Text, event, true
from sqlmodel import Field, SQLModel
from sqlmodel.sql.sqltypes import UTCDateTime

from app.store.instant import Instant

SQLModel.metadata.naming_convention = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}


@event.listens_for(Column, "after_parent_attach")
def _quick_times(column: Column[Any], _table: object) -> None:
    """Times are `Instant`, which is several times as fast as SQLModel's own type and keeps the same text."""
    if type(column.type) is UTCDateTime:
        column.type = Instant()


class Workload(SQLModel, table=True):
    """A workload as last observed. `key` is "cluster:uid"; `state` is the RolloutState as JSON
    (store.mapping).

    `step`, `revision`, `version` and `revision_at` are what history compares the next look with; `rollout` is
    the id of the one that is open or that failed last. `seen_at` is the last look that differed; `gone_at` is
    set once the cluster no longer has it; `shown` is the digest of what was kept last of it (store.shown).
    """

    __table_args__ = (Index(None, "cluster", "kind", "namespace"), Index(None, "gone_at"))

    key: str = Field(primary_key=True)
    cluster: str
    namespace: str
    kind: str
    name: str
    service: str
    environment: str
    team: str
    engine: str
    phase: str
    health: str
    attention: str
    step: int | None
    revision: str | None
    version: str
    revision_at: datetime | None
    message: str
    state: str = Field(sa_type=Text)
    since: datetime
    seen_at: datetime
    gone_at: datetime | None
    landed_at: datetime | None
    rollout: str | None
    shown: str = Field(sa_column_kwargs={"server_default": ""})


class Transition(SQLModel, table=True):
    """Append-only: a workload went from one phase, step or revision to another."""

    __table_args__ = (Index(None, "workload", "at"), Index(None, "workload", "revision"), Index(None, "at"))

    id: int | None = Field(default=None, primary_key=True)
    workload: str = Field(foreign_key="workload.key")
    at: datetime
    before: str
    after: str
    revision: str
    version: str
    step: int | None
    message: str
    label: str = Field(sa_column_kwargs={"server_default": ""})


class Rollout(SQLModel, table=True):
    """One rollout; running while `ended_at` is null. Place and versions are those of its time, `nature` is
    its kind (domain.rollout.RolloutKind)."""

    __table_args__ = (
        Index(None, "workload", "started_at"),
        Index(None, "workload", "to_revision"),
        Index(None, "ended_at"),
        Index(None, "environment", "ended_at"),
        Index(None, "service", "environment", "ended_at"),
    )

    id: str = Field(primary_key=True)
    workload: str = Field(foreign_key="workload.key")
    service: str
    environment: str
    team: str
    strategy: str
    from_revision: str
    from_version: str
    to_revision: str
    to_version: str
    back: bool
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    cause: str = Field(sa_column_kwargs={"server_default": ""})
    killed: int = Field(sa_column_kwargs={"server_default": "0"})
    overran: int = Field(sa_column_kwargs={"server_default": "0"})
    nature: str = Field(sa_column_kwargs={"server_default": "deployment"})


class Sample(SQLModel, table=True):
    """Append-only: how far a rollout was when something of it changed. Goes with its rollout."""

    __table_args__ = (Index(None, "rollout", "at"),)

    id: int | None = Field(default=None, primary_key=True)
    rollout: str = Field(foreign_key="rollout.id", ondelete="CASCADE")
    at: datetime
    new: int
    old: int
    wanted: int
    failing: int
    new_restarts: int
    old_restarts: int
    asked: int | None
    measured: int | None


class Event(SQLModel, table=True):
    """An event of the cluster, as copied last. `key` is "cluster:uid" of the event."""

    __table_args__ = (Index(None, "workload", "last_at"), Index(None, "last_at"))

    key: str = Field(primary_key=True)
    workload: str = Field(foreign_key="workload.key", ondelete="CASCADE")
    warning: bool
    about: str
    reason: str
    message: str
    times: int
    first_at: datetime
    last_at: datetime


class LogTail(SQLModel, table=True):
    """The last lines of a container of a workload, read after it crashed last. `key` is the workload's and the
    container's name."""

    __table_args__ = (Index(None, "workload", "read_at"), Index(None, "read_at"))

    key: str = Field(primary_key=True)
    workload: str = Field(foreign_key="workload.key", ondelete="CASCADE")
    pod: str
    container: str
    text: str = Field(sa_type=Text)
    read_at: datetime


class Source(SQLModel, table=True):
    """A source as it last described itself; `unreadable` is a JSON array of strings."""

    key: str = Field(primary_key=True)
    cluster: str
    kind: str
    namespace: str
    freshness: str
    contact_at: datetime | None
    seen_at: datetime
    message: str
    objects: int
    lists: int
    watches: int
    events: int
    errors: int
    unreadable: str = Field(sa_type=Text)
    installed: bool = Field(sa_column_kwargs={"server_default": true()})


class Command(SQLModel, table=True):
    """One intent (store.commands). `body` is the domain's Command with who asked as JSON, `digest` what was asked under
    `key`; `owner` is the process that has it and `beat` its sign of life. `written` is JSON of what was sent and what
    proves it."""

    __table_args__ = (
        Index("uq_command_principal_key", "principal", "key", unique=True),
        Index(None, "phase"),
        Index(None, "workload", "asked_at"),
        Index(None, "asked_at"),
    )

    id: str = Field(primary_key=True)
    principal: str
    key: str
    digest: str
    verb: str
    workload: str
    environment: str
    asked_at: datetime
    deadline: datetime
    body: str = Field(sa_type=Text)
    phase: str
    message: str = Field(sa_type=Text)
    blocked_by: str = Field(sa_type=Text)
    owner: str
    beat: int
    tries: int
    written: str = Field(sa_type=Text)
    sent_at: datetime | None
    ended_at: datetime | None


class Readiness(SQLModel, table=True):
    """Whether a rollback would be accepted (store.readiness), as a dry run showed at `checked_at`, with `revision`
    asked for then; `said` is why not. The drill columns tell of the last one that went back and landed."""

    __table_args__ = (Index(None, "checked_at"),)

    workload: str = Field(primary_key=True)
    revision: str
    accepted: bool
    rule: str
    said: str = Field(sa_type=Text)
    target: str
    version: str
    checked_at: datetime
    drilled_at: datetime | None
    drill_seconds: int | None
    drill_version: str


class Audit(SQLModel, table=True):
    """One audit entry, never changed (store.audit). `mac` chains it to the one before it."""

    __table_args__ = (Index(None, "at"), Index(None, "identity"), Index(None, "command"))

    seq: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    at: datetime
    kind: str
    identity: str
    name: str
    session: str
    object: str
    environment: str
    verb: str
    reason: str = Field(sa_type=Text)
    digest: str
    before: str = Field(sa_type=Text)
    after: str = Field(sa_type=Text)
    blocked_by: str = Field(sa_type=Text)
    command: str
    request: str
    result: str = Field(sa_type=Text)
    mac: str


class AuditMark(SQLModel, table=True):
    """Where the chain stands: "head" is its last entry (one row to lock), "checkpoint" the last one that was pruned,
    with a seal made by the key."""

    name: str = Field(primary_key=True)
    seq: int
    mac: str
    seal: str


class Lease(SQLModel, table=True):
    """Which process does what only one may do (store.lease), and until when by the database's clock; `epoch` counts
    its holders."""

    name: str = Field(primary_key=True)
    owner: str
    epoch: int
    until: datetime


METADATA: MetaData = SQLModel.metadata
WORKLOAD: Table = METADATA.tables["workload"]
TRANSITION: Table = METADATA.tables["transition"]
ROLLOUT: Table = METADATA.tables["rollout"]
SAMPLE: Table = METADATA.tables["sample"]
EVENT: Table = METADATA.tables["event"]
LOGTAIL: Table = METADATA.tables["logtail"]
SOURCE: Table = METADATA.tables["source"]
COMMAND: Table = METADATA.tables["command"]
READINESS: Table = METADATA.tables["readiness"]
AUDIT: Table = METADATA.tables["audit"]
AUDITMARK: Table = METADATA.tables["auditmark"]
LEASE: Table = METADATA.tables["lease"]
