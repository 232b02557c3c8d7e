"""The tables of gates and freezes, as `tables` has the others."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Table, Text
from sqlmodel import Field, SQLModel

from .tables import METADATA


class Gate(SQLModel, table=True):
    """A question (store.gates). `key` is unique to what is asked; `subject` and `evidence` are JSON, `digest` that of
    the evidence of now, `policy` the version of the rules, `command` what was asked of the workload."""

    __table_args__ = (
        Index("uq_gate_key", "key", unique=True),
        Index(None, "phase"),
        Index(None, "workload"),
        Index(None, "opened_at"),
    )

    id: str = Field(primary_key=True)
    key: str
    origin: str
    phase: str
    service: str
    environment: str
    workload: str
    subject: str = Field(sa_type=Text)
    evidence: str = Field(sa_type=Text)
    digest: str
    policy: str
    opened_at: datetime
    expires_at: datetime
    message: str = Field(sa_type=Text)
    command: str
    ended_at: datetime | None


class GateSheet(SQLModel, table=True):
    """What a digest stood for: the evidence somebody could have seen, kept as JSON for as long as the gate."""

    gate: str = Field(primary_key=True, foreign_key="gate.id")
    digest: str = Field(primary_key=True)
    body: str = Field(sa_type=Text)
    at: datetime


class GateVote(SQLModel, table=True):
    """One person's yes at a gate: one row, whatever happens at the same time."""

    __table_args__ = (Index("uq_gatevote_person_key", "person", "key", unique=True),)

    gate: str = Field(primary_key=True, foreign_key="gate.id")
    person: str = Field(primary_key=True)
    key: str
    principal: str = Field(sa_type=Text)
    digest: str
    reason: str = Field(sa_type=Text)
    override: bool
    at: datetime


class GateDecision(SQLModel, table=True):
    """The one answer of a gate."""

    gate: str = Field(primary_key=True, foreign_key="gate.id")
    phase: str
    basis: str
    identity: str
    by: str
    reason: str = Field(sa_type=Text)
    digest: str
    at: datetime


class GateCall(SQLModel, table=True):
    """What the forge of a gate's subject is to be told, and how far that is (domain.forges.CallState). `thread` is the
    run or job that waits there."""

    __table_args__ = (Index(None, "thread"), Index(None, "phase", "due_at"))

    gate: str = Field(primary_key=True, foreign_key="gate.id")
    thread: str
    phase: str
    tries: int
    due_at: datetime
    told_at: datetime | None
    said: str = Field(sa_type=Text)


class Frozen(SQLModel, table=True):
    """A freeze by hand."""

    __tablename__ = "freeze"
    __table_args__ = (Index(None, "lifted_at"),)

    id: str = Field(primary_key=True)
    environment: str
    service: str
    reason: str = Field(sa_type=Text)
    identity: str
    by: str
    since: datetime
    until: datetime | None
    lifted_at: datetime | None


GATE: Table = METADATA.tables["gate"]
GATESHEET: Table = METADATA.tables["gatesheet"]
GATEVOTE: Table = METADATA.tables["gatevote"]
GATEDECISION: Table = METADATA.tables["gatedecision"]
GATECALL: Table = METADATA.tables["gatecall"]
FREEZE: Table = METADATA.tables["freeze"]
