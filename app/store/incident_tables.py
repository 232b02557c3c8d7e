"""The table of incidents: what needed intervention, as tools tell of it or people mark it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Table
from sqlmodel import Field, SQLModel

from app.store.tables import METADATA


class Incident(SQLModel, table=True):
    """An incident (domain.dora.Incident). `source` is the tool that told of it, or "hand"; `deployment` the rollout
    that caused it, or empty; `told_at` as of when this is told (None: before that was kept)."""

    __table_args__ = (Index(None, "started_at"), Index(None, "deployment"))

    id: str = Field(primary_key=True)
    service: str
    environment: str
    title: str
    source: str
    url: str
    deployment: str
    marked_by: str
    started_at: datetime
    resolved_at: datetime | None
    told_at: datetime | None
    withdrawn_at: datetime | None


INCIDENT: Table = METADATA.tables["incident"]
