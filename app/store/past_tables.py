"""The tables of what was shown: states of workloads, of sources, and when anybody was looking."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Table, Text
from sqlmodel import Field, SQLModel

from app.store.tables import METADATA


class StateChange(SQLModel, table=True):
    """Append-only: from `at` on the board showed something else of a workload. `state` is what (store.shown); empty:
    the cluster no longer had it."""

    __tablename__ = "state_change"
    __table_args__ = (Index(None, "workload", "at"), Index(None, "at"))

    id: int | None = Field(default=None, primary_key=True)
    workload: str = Field(foreign_key="workload.key", ondelete="CASCADE")
    at: datetime
    state: str = Field(sa_type=Text)


class SourceChange(SQLModel, table=True):
    """Append-only: from `at` on a source was of another freshness. An empty `freshness`: it was no longer listened
    to."""

    __tablename__ = "source_change"
    __table_args__ = (Index(None, "source", "at"), Index(None, "at"))

    id: int | None = Field(default=None, primary_key=True)
    source: str
    at: datetime
    cluster: str
    kind: str
    namespace: str
    freshness: str
    contact_at: datetime | None
    message: str
    installed: bool


class Watch(SQLModel, table=True):
    """From when to when sources of a cluster told how they are, without a longer silence: outside of it nobody was
    looking."""

    __table_args__ = (Index(None, "cluster", "began_at"), Index(None, "last_at"))

    id: int | None = Field(default=None, primary_key=True)
    cluster: str
    began_at: datetime
    last_at: datetime


STATE_CHANGE: Table = METADATA.tables["state_change"]
SOURCE_CHANGE: Table = METADATA.tables["source_change"]
WATCH: Table = METADATA.tables["watch"]
