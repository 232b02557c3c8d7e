"""Kubernetes Events (v1), as old and new writers make them."""

from __future__ import annotations

from datetime import datetime

from .meta import Meta, Shape


class Involved(Shape):
    """The object that an event is about."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    field_path: str | None = None


class Series(Shape):
    """How often a newer writer has seen it."""

    count: int | None = None
    last_observed_time: datetime | None = None


class Event(Shape):
    """An event. Older writers fill `count` and the first and last timestamp, newer ones `eventTime` and
    `series`."""

    metadata: Meta
    involved_object: Involved | None = None
    type: str | None = None
    reason: str | None = None
    message: str | None = None
    count: int | None = None
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None
    event_time: datetime | None = None
    series: Series | None = None
