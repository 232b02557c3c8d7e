"""The tables of what is told to people: changes that were noticed, and the messages about them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Table, Text
from sqlmodel import Field, SQLModel

from app.store.tables import METADATA


class Noticed(SQLModel, table=True):
    """A change of state that was noticed (domain.notices.Notice, JSON in `body`): one row, so one telling. The row
    `outbox.BEGAN` is no change, but says since when anything is noticed."""

    __tablename__ = "notice"
    __table_args__ = (Index(None, "noticed_at"),)

    key: str = Field(primary_key=True)
    body: str = Field(sa_type=Text)
    noticed_at: datetime


class Message(SQLModel, table=True):
    """One notice for one target, "waiting" until it is "sent", or "aside" after too many tries (`reason`). `batch`
    names the digest it is part of, `ref` what the target calls the message it became."""

    __table_args__ = (
        Index(None, "target", "notice", unique=True),
        Index(None, "state", "target", "id"),
        Index(None, "target", "thread"),
        Index(None, "target", "done_at"),
        Index(None, "made_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    target: str
    notice: str = Field(foreign_key="notice.key")
    thread: str
    state: str
    tries: int
    batch: str
    reason: str
    ref: str
    made_at: datetime
    due_at: datetime
    done_at: datetime | None


NOTICE: Table = METADATA.tables["notice"]
MESSAGE: Table = METADATA.tables["message"]
